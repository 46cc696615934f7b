"""`cubesat-tui sim` as it is typed: into a pipe, a mission directory and a table with labels."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cubesat_tui.cli import root
from cubesat_tui.progress_line import ProgressLine, progress_text
from telemetry.clock import NS_PER_S
from telemetry.dictionary import read_mission
from telemetry.frame import Quality
from telemetry.links.json_frame import JsonFrames
from telemetry.store.directory import MissionDirectory, MissionLock
from telemetry.store.errors import StoreError
from telemetry.store.reader import StoreReader

Sim = Callable[..., Result]


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sim:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CUBESAT_OPERATOR", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(root, ["sim", *map(str, arguments)])

    return run


def program(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "cubesat_tui", "sim", *map(str, arguments)]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def events(path: Path) -> list[str]:
    reader = StoreReader(MissionDirectory(path).telemetry)
    try:
        return [event.kind for event in reader.journal(0)]
    finally:
        reader.close()


def test_shaped_by_options_it_writes_json_lines_of_a_mission_of_its_own(sim: Sim, tmp_path: Path) -> None:
    made = sim(
        "--satellites", 2, "--seed", 4, "--scenario", "quiet", "--preset", "1u", "--duration", "30s", "--rate", 1e5
    )
    assert made.exit_code == 0, made.stderr
    lines = [json.loads(line) for line in made.stdout.splitlines()]
    assert {line["satellite"] for line in lines} == {"KESTREL-1", "KESTREL-2"}
    assert len([line for line in lines if line["packet"] == "hk"]) == 60, "exactly as long as was asked"
    assert not (tmp_path / "home").exists(), "no demo mission was made"


def test_a_start_makes_two_runs_the_same(sim: Sim, tmp_path: Path) -> None:
    options = ("--start", "2026-03-01T12:00:00Z", "--scenario", "quiet", "--duration", "20s", "--rate", 1e5)
    one, two = sim(*options), sim(*options)
    assert one.exit_code == 0, one.stderr
    assert one.stdout == two.stdout
    assert json.loads(one.stdout.splitlines()[0])["t"] == "2026-03-01T12:00:00Z"
    assert sim(*options, "--seed", 2).stdout != one.stdout


def test_a_fault_at_the_start_goes_wrong_when_it_should(sim: Sim, tmp_path: Path) -> None:
    base = ("--start", "2026-03-01T12:00:00Z", "--scenario", "quiet", "--duration", "40s", "--rate", 1e5)
    made = sim(*base, "--fault", "bias:pld.dist_s:100:10s:20s")
    assert made.exit_code == 0, made.stderr

    def series(text: str) -> list[float]:
        frames = [json.loads(line) for line in text.splitlines()]
        at = [list(frame["values"]) for frame in frames if frame["packet"] == "pld"]
        return [values[2] for values in at]

    delta = [round(a - b, 2) for a, b in zip(series(made.stdout), series(sim(*base).stdout), strict=True)]
    assert delta == [0.0] * 10 + [40.0] * 20 + [0.0] * 10


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--fault", "doom"), "--fault doom: kind: doom: allowed: spike, stuck"),
        (("--fault", "bias:eps.nothing"), "channel: eps.nothing: allowed: eps.bat_v"),
        (("--fault", "bias:pld.dist_s:big"), "size: big: allowed: a number"),
        (("--fault", "bias:pld.dist_s:9:soon"), "'soon' is no time"),
        (("--fault", "bias@HAWK-9:pld.dist_s"), "satellite: HAWK-9: allowed: KESTREL-1"),
        (("--fault", "a:b:c:d:e:f"), "allowed: KIND:TARGET:SIZE:START:LASTS"),
        (("--scenario", "doom"), "allowed: hello"),
        (("--duration", "soon"), "allowed: such as 90s, 45m, 6h or 3d"),
        (("--duration", "ever"), "allowed: such as 90s, 45m, 6h or 3d"),
        (("--duration", "5s", "--seconds", "5"), "say the same"),
        (("--schema", "wide"), "--schema belongs to --csv"),
        (("--csv", "x.csv", "--rate", "5"), "mean nothing"),
        (("--csv", "x.csv", "--to", "m"), "mean nothing"),
        (("--start", "now", "--rate", "9"), "--start: 'now' is no time"),
        (("--start", "2026-03-01", "--duration", "3s"), "give a --rate"),
        (("--mission", "m", "--to", "n"), "leave --mission out"),
        (("--mission", "m", "--satellites", "3"), "leave --mission out"),
    ],
)
def test_what_means_nothing_is_refused_in_a_line(
    sim: Sim, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    more = () if "--duration" in arguments or "--csv" in arguments else ("--duration", "3s")
    if not {"--scenario", "--mission", "--csv"} & set(arguments):
        more = (*more, "--scenario", "quiet")
    refused = sim(*arguments, *more)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert not list(tmp_path.iterdir()), "nothing was made"


def test_into_a_directory_it_writes_a_mission_that_ends_now_and_goes_on(sim: Sim, tmp_path: Path) -> None:
    place = tmp_path / "m"
    begun = time.time()
    made = sim(
        "--to", place, "--duration", "10m", "--scenario", "quiet", "--seed", 3, "--fault", "latchup:3v3:0.4:60s:2m"
    )
    assert made.exit_code == 0, made.stderr
    assert f"cubesat-tui --mission {place}" in made.stderr
    mission = read_mission(place)
    assert (mission.source.scenario, mission.source.seed, mission.source.rate) == ("quiet", 3, 1.0)
    assert not MissionLock(MissionDirectory(place).station_lock).holder()
    reader = StoreReader(MissionDirectory(place).telemetry)
    try:
        frames = [frame for frame in reader.page(None, limit=2_000).rows if frame.layout.packet == "hk"]
    finally:
        reader.close()
    live = [frame for frame in frames if not frame.quality & Quality.STORED]
    assert len(live) == 600
    assert abs(max(frame.t_ns for frame in live) / NS_PER_S - begun) < 60
    assert events(place).count("fault.injected") == 1

    again = sim("--to", place, "--duration", "2m")
    assert again.exit_code == 0, again.stderr
    assert "ahead of the clock" in again.stderr
    refused = sim("--to", place, "--seed", 4, "--duration", "2m")
    assert refused.exit_code == 2
    assert "was made with 3" in refused.stderr


def test_a_scenario_of_ones_own_is_copied_into_the_mission(sim: Sim, tmp_path: Path) -> None:
    story = tmp_path / "mine.toml"
    story.write_text('about = "Mine."\n[[fault]]\nkind = "bias"\ntarget = "pld.dist_s"\nat_s = 30\nlasts_s = 20\n')
    made = sim("--to", tmp_path / "m", "--duration", "1m", "--scenario", "mine.toml")
    assert made.exit_code == 0, made.stderr
    assert (tmp_path / "m" / "mine.toml").read_text() == story.read_text()
    story.unlink()
    again = sim("--to", tmp_path / "m", "--duration", "1m", "--scenario", "mine.toml")
    assert again.exit_code == 0, again.stderr


def test_a_directory_that_is_held_or_is_no_simulated_mission_is_refused(sim: Sim, tmp_path: Path) -> None:
    assert sim("--to", tmp_path / "m", "--duration", "30s", "--scenario", "quiet").exit_code == 0
    with MissionLock(MissionDirectory(tmp_path / "m").station_lock):
        held = sim("--to", tmp_path / "m", "--duration", "30s")
    assert held.exit_code == 1
    assert "a station already runs" in held.stderr

    toml = tmp_path / "m" / "mission.toml"
    head, _, rest = toml.read_text().partition("[source]")
    toml.write_text(f'{head}[source]\nkind = "stream"\n\n[detector]{rest.partition("[detector]")[2]}')
    real = sim("--to", tmp_path / "m", "--duration", "30s")
    assert real.exit_code == 2
    assert "the simulator writes into simulated missions only" in real.stderr

    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    assert "not empty and no mission" in sim("--to", tmp_path / "full").stderr


def test_a_realistic_link_is_written_into_the_mission(sim: Sim, tmp_path: Path) -> None:
    made = sim("--to", tmp_path / "m", "--duration", "1m", "--scenario", "quiet", "--realistic-link")
    assert made.exit_code == 0, made.stderr
    assert not read_mission(tmp_path / "m").source.visible
    refused = sim("--to", tmp_path / "m", "--duration", "1m", "--no-contact-gaps")
    assert refused.exit_code == 2


def test_interrupted_it_ends_cleanly_with_what_it_flew(tmp_path: Path) -> None:
    place = tmp_path / "m"
    command = program("--to", place, "--duration", "300d", "--scenario", "quiet")
    running = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "XDG_DATA_HOME": str(tmp_path)}
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                reader = StoreReader(MissionDirectory(place).telemetry)
            except StoreError:
                time.sleep(0.1)
                continue
            accepted = reader.frames_accepted()
            reader.close()
            if accepted > 1_000:
                break
            time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=30)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 0, said
    assert "Traceback" not in said
    assert f"cubesat-tui --mission {place}" in said
    assert "station.ended" in events(place)
    assert not MissionLock(MissionDirectory(place).station_lock).holder()


def test_a_table_with_labels(sim: Sim, tmp_path: Path) -> None:
    made = sim(
        "--csv", "day.csv", "--duration", "11m", "--scenario", "quiet", "--fault", "bias:pld.dist_n:30:10m:ever"
    )
    assert made.exit_code == 0, made.stderr
    rows = rows_of(tmp_path / "day.csv")
    assert len(rows) == 660
    assert rows[0]["time"] == "2021-05-16T19:24:42Z", "the same on any day"
    assert [row["label"] for row in rows] == ["0"] * 600 + ["1"] * 60
    labels = rows_of(tmp_path / "day.csv.labels" / "labels.csv")
    assert len(labels) == 1
    assert labels[0]["Channel"] == "pld.dist_n"
    assert "1 labels of 1 faults" in made.stderr
    text = (tmp_path / "day.csv").read_text()
    sim("--csv", "again.csv", "--duration", "11m", "--scenario", "quiet", "--fault", "bias:pld.dist_n:30:10m:ever")
    assert (tmp_path / "again.csv").read_text() == text

    there = sim("--csv", "day.csv", "--duration", "11m")
    assert there.exit_code == 2
    assert "exists already" in there.stderr
    nowhere = sim("--csv", "no/day.csv", "--duration", "1m")
    assert nowhere.exit_code == 1
    assert "No such file or directory" in nowhere.stderr


def test_the_original_rows_of_a_mission_that_is_there(sim: Sim, tmp_path: Path) -> None:
    assert sim("--to", tmp_path / "m", "--duration", "10s", "--scenario", "quiet").exit_code == 0
    made = sim("--mission", tmp_path / "m", "--csv", "rows.csv", "--schema", "original", "--duration", "1m",
               "--fault", "spike:pld.dist_w:50:30s:2s")  # fmt: skip
    assert made.exit_code == 0, made.stderr
    rows = rows_of(tmp_path / "rows.csv")
    assert len(rows) == 240
    assert [row["face"] for row in rows if row["true_label"] == "1"] == ["WEST", "WEST"]


def test_the_rows_of_a_pipe_are_read_by_a_station(sim: Sim, tmp_path: Path) -> None:
    assert sim("--to", tmp_path / "m", "--duration", "10s", "--scenario", "quiet").exit_code == 0
    piped = sim("--mission", tmp_path / "m", "--duration", "5s", "--rate", 1e4)
    frames = [
        JsonFrames(read_mission(tmp_path / "m"), "KESTREL-1").read(line.encode())
        for line in piped.stdout.splitlines()
    ]
    assert len([frame for frame in frames if frame.layout.packet == "hk"]) == 5


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_long_run_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert progress_text(3_000, 1.0, 10_000, 2) == " 30 %   6,000 satellite-seconds/s   2 s left"
    assert progress_text(60, 1.0, 10_000, 1).endswith("2 min 46 s left")
    assert progress_text(600, 1.0, None, 1) == "600 satellite-seconds/s"
    now = [0.0]
    monkeypatch.setattr("cubesat_tui.progress_line.time.monotonic", lambda: now[0])
    screen, log = Terminal(), io.StringIO()
    lines = ProgressLine(screen, 1_000, 1), ProgressLine(log, 1_000, 1)
    for second in range(1, 25):
        now[0] = float(second)
        for line in lines:
            line.update(10 * second)
    for line in lines:
        line.close()
    assert screen.getvalue().count("\r") == 25, "rewritten each second, and wiped at the end"
    assert log.getvalue().splitlines() == [
        " 10 %   10 satellite-seconds/s   1 min 30 s left",
        " 20 %   10 satellite-seconds/s   1 min 20 s left",
    ]
