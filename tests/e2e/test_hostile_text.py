"""Text from outside, made to act on a terminal: it goes in wherever it can and must come out as plain text.

The control is the same run with the gate (`telemetry.plain_text`) returning its input: then the bytes do get
through to the terminal, so the test would see it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.pty_program import PtyProgram
from telemetry.store.inbox import Inbox

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ACTS = {
    "clipboard write": "\x1b]52;c;aG9zdGlsZQ==\x07",
    "window title": "\x1b]0;HOSTILE\x07",
    "cursor jump": "\x1b[6;66H",
    "C1 colour": "\x9b31;66m",
    "bidi override": "\u202ehostile",
    "zero width": "ho\u200bstile",
}
MARKUP = ["[red]Volt", "[/", "x [/bold]", "[@click=app.quit]q"]
ALL = "".join(ACTS.values())
TRACES = {
    "clipboard write": b"\x1b]52;c;aG9zdGlsZQ",
    "window title": b"\x1b]0;HOSTILE",
    "cursor jump": b"\x1b[6;66H",
    "C1 colour": "\x9b31;66m".encode(),
    "bidi override": "\u202e".encode(),
    "zero width": "\u200b".encode(),
}
MISSION = f"""
schema = 1

[[satellite]]
name = "{MARKUP[0]}"
bus = "1u"

[[bus.1u.channel]]
name = "eps.bat_v"
label = "{MARKUP[0]}"
unit = "[/b]"
action = "{MARKUP[2]}"

[[bus.1u.channel.limits]]
warning = [3, 5]

[[bus.1u.channel]]
name = "eps.bat_w"
label = "{MARKUP[1]}"

[[bus.1u.channel]]
name = "obc.mode"
label = "{MARKUP[3]}"
enum = {{0 = "{MARKUP[2]}", 1 = "{MARKUP[3]}"}}

[bus.1u]

[source]
kind = "stream"
"""
NO_GATE = "import telemetry.plain_text as gate\ngate.plain_text = lambda text, limit=200: text\n"
PROGRAM = "import sys\nsys.argv[0] = 'cubesat-tui'\nfrom cubesat_tui.__main__ import main\nmain()\n"


def traces(data: bytes) -> set[str]:
    """Which of the acts are in these bytes."""
    return {name for name, trace in TRACES.items() if trace in data}


def hostile_lines() -> list[dict[str, object]]:
    """Frames that are taken and frames that are refused, with hostile text in every place that has text."""
    t = time.time_ns()
    values = {"eps.bat_v": 9.0, "eps.bat_w": 1.0, "obc.mode": MARKUP[3]}
    good = [{"boot": 1, "seq": i, "t": t - (9 - i) * 1_000_000_000, "values": values} for i in range(9)]
    bad = [
        {"boot": 1, "seq": 50, "t": t, "values": {ALL: 1}},
        {"boot": 1, "seq": 51, "t": ALL, "values": {"eps.bat_v": 1}},
        {"boot": 1, "seq": 52, "t": t, "values": {"obc.mode": ALL}},
        {"satellite": ALL, "boot": 1, "seq": 53, "t": t, "values": {"eps.bat_v": 1}},
        {"packet": ALL, "boot": 1, "seq": 54, "t": t, "values": [1]},
    ]
    return [*good, *bad]


class Run:
    """A station and a console on one mission, with or without the gate; collects all that comes out."""

    def __init__(self, folder: Path, *, gate: bool) -> None:
        self.mission = folder / "mission"
        self.mission.mkdir(parents=True)
        (self.mission / "mission.toml").write_text(MISSION, encoding="utf-8")
        self.command = [sys.executable, "-P", "-c", ("" if gate else NO_GATE) + PROGRAM]
        self.environment = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "CUBESAT_OPERATOR": f"ann{ALL}"}

    def headless(self, *arguments: str) -> bytes:
        done = subprocess.run(
            [*self.command, *arguments, "--mission", str(self.mission)],
            env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
        )  # fmt: skip
        return done.stdout + done.stderr

    def everything(self) -> tuple[bytes, bytes, bytes, str]:
        """(bytes on the pty, bytes of the commands, bytes of written files, last screen)."""
        station = subprocess.Popen(
            [*self.command, "run", "--source", "-", "--mission", str(self.mission), "--no-trainer"],
            env={**os.environ, **self.environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert station.stdin is not None
        assert station.stdout is not None
        try:
            for line in hostile_lines():
                station.stdin.write(json.dumps(line).encode() + b"\n")
            station.stdin.flush()
            said = b""
            while b'"seq":54' not in said.replace(b" ", b""):
                piece = station.stdout.readline()
                assert piece, said
                said += piece
            inbox = Inbox(self.mission / "inbox.db")
            for kind in ("console.note", "mlflow.alias"):
                body = {"kind": kind, "severity": 2, "subject": ALL, "body": {"reason": ALL, "text": ALL}}
                inbox.submit("event", body, ALL, time.time_ns())
            inbox.submit("ack", {"satellite": ALL, "subject": ALL}, ALL, time.time_ns())
            inbox.close()
            screen, painted = self._look()
            for command in (("status", "--json"), ("alarms",), ("alarms", "--json"), ("events",), ("check",),
                            ("events", "--json"), ("ack", ALL), ("export", "--filter", ALL), ("doctor",),
                            ("export", "--satellite", MARKUP[0])):  # fmt: skip
                said += self.headless(*command)
        finally:
            station.stdin.close()
            station.wait(20)
            said += station.stdout.read()
            station.stdout.close()
        files = [*(self.mission / "log").glob("*"), *(self.mission / "exports").glob("*")]
        return painted, said, b"".join(file.read_bytes() for file in files), screen

    def _look(self) -> tuple[str, bytes]:
        arguments = ["--attach", str(self.mission)]
        with PtyProgram([*self.command, *arguments], columns=100, rows=30, environment=self.environment) as console:
            console.wait_for(r"red\]Volt", 60)
            for keys in "\x1b5\t\r\x1b4\r\x1b23?\x1b1\r\x1ba":
                console.send(keys)
                console.pump(1.0)
            console.wait_for(r"red\]Volt", 20)
            assert console.process.poll() is None
            screen = console.text
        return screen, b"".join(data for _, data in console.output)


def test_no_byte_from_outside_acts_on_the_terminal(tmp_path: Path) -> None:
    painted, said, files, screen = Run(tmp_path, gate=True).everything()
    assert traces(painted) == set()
    assert traces(said) == set()
    assert traces(files) == set()
    assert "[red]Volt" in screen
    assert b"Traceback" not in painted + said + files


def test_without_the_gate_the_bytes_get_through(tmp_path: Path) -> None:
    painted, _, _, _ = Run(tmp_path, gate=False).everything()
    assert traces(painted) & {"clipboard write", "cursor jump", "window title"}


def test_a_mission_with_hostile_names_is_refused_in_plain_lines(tmp_path: Path) -> None:
    run = Run(tmp_path, gate=True)
    hostile = json.dumps(ALL)
    (run.mission / "mission.toml").write_text(
        f'schema = 1\n[[satellite]]\nname = {hostile}\nbus = "b"\n[[bus.b.channel]]\nname = "a.b"\n'
        f"label = {hostile}\nunit = {hostile}\n{hostile} = 1\n[bus.b]\n[source]\nkind = {hostile}\n"
    )
    said = run.headless("check")
    assert traces(said) == set()
    assert said.count(b"\n") >= 4


def test_hostile_csv_headers_and_cells_come_out_plain(tmp_path: Path) -> None:
    run = Run(tmp_path, gate=True)
    table, the_map = tmp_path / "hostile.csv", tmp_path / "map.toml"
    table.write_text(f't,v,"{ALL}"\n0,1,{ALL}\n{ALL},2,3\n', encoding="utf-8")
    channels = MISSION.split("[source]", maxsplit=1)[0]
    the_map.write_text(
        f'{channels}[source]\nkind = "csv"\ntime = "t"\nepoch = "unix"\n[source.columns]\n"eps.bat_v" = "nowhere"\n'
    )
    first = subprocess.run(
        [*run.command, "replay", str(table), "--map", str(the_map), "--mission", str(tmp_path / "r"), "--headless"],
        env={**os.environ, **run.environment}, stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
    )  # fmt: skip
    assert first.returncode == 2
    assert traces(first.stdout + first.stderr) == set()
