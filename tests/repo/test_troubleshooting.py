"""Every row of the README's Troubleshooting table: the symptom is made, the command named there explains it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
MISSION = """
schema = 1

[[satellite]]
name = "MY-SAT"
bus = "1u"

[[bus.1u.channel]]
name = "eps.bat_v"
label = "Battery voltage"
unit = "V"

[bus.1u]

[source]
kind = "stream"
"""


def rows() -> dict[str, str]:
    """Symptom -> the command of its row."""
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("## Troubleshooting")[1].split("\n## ")[0]
    found = re.findall(r"^\| ([^|]+?) \| [^|]+ \| `([^`]+)`[^|]*\|$", table, re.M)
    return {symptom: command for symptom, command in found if symptom != "symptom"}


def test_every_row_has_a_test() -> None:
    tested = {
        name.removeprefix("test_row_").replace("_", " ") for name in globals() if name.startswith("test_row_")
    }
    assert {symptom.lower() for symptom in rows()} == tested


class Machine:
    """A home directory with the mission in the place the commands look at."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.mission = home / ".local/share/cubesat-tui/demo"
        self.mission.mkdir(parents=True)
        (self.mission / "mission.toml").write_text(MISSION, encoding="utf-8")
        self.environment = {
            "HOME": str(home),
            "XDG_DATA_HOME": str(home / ".local/share"),
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "CUBESAT_OPERATOR": "ann",
        }
        self._stations: list[subprocess.Popen[str]] = []

    def run(self, command: str, patience_s: float = 60, **environment: str) -> str:
        """What a command line of the table prints."""
        done = subprocess.run(
            ["bash", "-c", command],
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=patience_s,
        )
        return done.stdout + done.stderr

    def station(self) -> subprocess.Popen[str]:
        """`cubesat-tui run --source -`, with its stdin held open."""
        command = shlex.split("cubesat-tui run --source - --no-trainer")
        station = subprocess.Popen(
            [str(BIN / command[0]), *command[1:]],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._stations.append(station)
        return station

    def send(self, station: subprocess.Popen[str], seq: int) -> dict[str, object]:
        """One frame in; the station's answer."""
        assert station.stdin is not None
        assert station.stdout is not None
        line = {"boot": 1, "seq": seq, "t": time.time_ns(), "values": {"eps.bat_v": 4.0}}
        station.stdin.write(json.dumps(line) + "\n")
        station.stdin.flush()
        return json.loads(station.stdout.readline())

    def close(self) -> None:
        for station in self._stations:
            if station.poll() is None:
                station.send_signal(signal.SIGTERM)
            station.wait(10)
            for pipe in (station.stdin, station.stdout):
                if pipe is not None:
                    pipe.close()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    one = Machine(tmp_path)
    yield one
    one.close()


def line_of(said: str, name: str) -> str:
    """The line of `doctor` about `name`, with its hint."""
    found = re.search(rf"^(ok|warn|fail) +{name} .*(\n {{6,}}.*)?", said, re.M)
    assert found is not None, said
    return found[0]


def until(look: Callable[[], str], pattern: str, seconds: float = 20) -> str:
    """What `look` says once it matches."""
    deadline = time.monotonic() + seconds
    said = look()
    while re.search(pattern, said) is None:
        assert time.monotonic() < deadline, f"never said {pattern!r}:\n{said}"
        said = look()
    return said


def test_row_no_retrain_yet(machine: Machine) -> None:
    station = machine.station()
    machine.send(station, 0)
    said = until(lambda: line_of(machine.run(rows()["no retrain yet"]), "model"), "trainer")
    assert said.startswith("warn")
    assert "no model yet; the station runs without a trainer" in said
    assert "--no-trainer" in said


def test_row_no_colours(machine: Machine) -> None:
    command = rows()["no colours"]
    assert "NO_COLOR is set" in line_of(machine.run(command, NO_COLOR="1"), "colours")
    bare = command.replace("TERM=xterm-256color ", "")
    assert "none" in line_of(machine.run(bare, TERM="dumb"), "colours")
    assert line_of(machine.run(command, TERM="dumb"), "colours").startswith("ok")


def test_row_glyphs_missing(machine: Machine) -> None:
    command = rows()["glyphs missing"]
    bare = command.replace("LANG=C.UTF-8 ", "")
    posix = {"LANG": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    assert "not UTF-8" in line_of(machine.run(bare, **posix), "glyphs")
    assert line_of(machine.run(command), "glyphs").startswith("ok")


@pytest.fixture
def small_disk(machine: Machine, mount_small) -> Iterator[Path]:
    """The mission on a real file system of 3 MiB."""
    mount_small(machine.mission, "3m,mode=700")
    (machine.mission / "mission.toml").write_text(MISSION, encoding="utf-8")
    yield machine.mission
    machine.close()


def test_row_disk_full(machine: Machine, small_disk: Path) -> None:
    station = machine.station()
    assert machine.send(station, 0) == {"confirmed": [["MY-SAT", 1, 0]]}
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while file.write(b"\0" * 4096):
            pass
    said = machine.run(rows()["disk full"])
    assert line_of(said, "disk").startswith("fail")
    assert "old data stays readable" in line_of(said, "disk")
    assert "1 frames" in line_of(said, "store")
    filler.unlink()
    assert line_of(machine.run(rows()["disk full"]), "disk").startswith("warn")
    assert machine.send(station, 1) == {"confirmed": [["MY-SAT", 1, 1]]}


def test_row_database_locked(machine: Machine) -> None:
    station = machine.station()
    machine.send(station, 0)
    second = machine.run("cubesat-tui run --source - --no-trainer")
    assert "attach" in second
    assert "held by a running station" in line_of(machine.run("cubesat-tui doctor"), "locks")
    station.kill()
    station.wait(10)
    assert (machine.mission / "station.lock").exists()
    assert "free" in line_of(machine.run("cubesat-tui doctor"), "locks")
    assert machine.send(machine.station(), 1) == {"confirmed": [["MY-SAT", 1, 1]]}


def test_row_hook_silent(machine: Machine) -> None:
    hook = '[[hooks.webhook]]\nurl = "http://127.0.0.1:9/"\nheaders = {Authorization = "env:NOT_SET_HERE"}\n'
    toml = machine.mission / "mission.toml"
    toml.write_text(toml.read_text(encoding="utf-8") + hook, encoding="utf-8")
    machine.send(machine.station(), 0)
    said = until(lambda: machine.run(rows()["hook silent"]), "hook.failed")
    assert "environment variable NOT_SET_HERE is not set" in said


def test_row_nothing_in_the_graphs(machine: Machine) -> None:
    command = rows()["nothing in the graphs"]
    station = machine.station()
    machine.send(station, 0)
    assert "newest frame" in until(lambda: line_of(machine.run(command), "data"), "newest frame")
    station.send_signal(signal.SIGTERM)
    station.wait(10)
    said = until(lambda: line_of(machine.run(command), "data"), "no station")
    assert "no station runs here, so nothing new comes" in said


def test_row_port_taken(machine: Machine) -> None:
    command = rows()["port taken"]
    port = int(command.rsplit(maxsplit=1)[1])
    (machine.mission / "artifacts").mkdir()
    (machine.mission / "mlflow.db").touch()
    with contextlib.ExitStack() as held:
        # Where somebody else has it already, all the better.
        with contextlib.suppress(OSError):
            held.enter_context(socket.create_server(("127.0.0.1", port)))
        ui = subprocess.Popen(
            [str(BIN / "cubesat-tui"), *shlex.split(command)[1:]],
            env=machine.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert ui.stdout is not None
        said = ui.stdout.readline()
        ui.kill()
        ui.wait(10)
        ui.stdout.close()
    assert f"(port {port} is taken)" in said
    assert re.search(r"http://127\.0\.0\.1:50\d\d/", said)


STORE_OF_ANOTHER_PLACE = """
import sys
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
store = SqlAlchemyStore(f"sqlite:///{sys.argv[1]}/mlflow.db", "file:///elsewhere/demo/artifacts/mlflow")
store.create_experiment("demo/MY-SAT")
"""


@pytest.mark.timeout(400)
def test_row_no_files_in_mlflow(machine: Machine) -> None:
    (machine.mission / "artifacts").mkdir()
    subprocess.run([sys.executable, "-c", STORE_OF_ANOTHER_PLACE, str(machine.mission)], check=True)
    (machine.mission / "artifacts" / "mlflow-place").write_text("/elsewhere/demo\n", encoding="utf-8")
    command = rows()["no files in MLflow"]
    assert f"moved here from /elsewhere/demo, where MLflow looks for its files: {command}" in machine.run(
        command.replace(" --relocate", "")
    )
    assert line_of(machine.run("cubesat-tui doctor"), "mlflow").startswith("warn")
    assert "led to /elsewhere/demo and lead here now: 2 experiments" in machine.run(command, patience_s=200)
    assert "moved" not in machine.run(command.replace(" --relocate", ""))
    assert line_of(machine.run("cubesat-tui doctor"), "mlflow").startswith("ok")
