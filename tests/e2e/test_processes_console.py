"""Stations and consoles as processes: attach, kill, hang up, hand over, end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from telemetry.store.directory import MissionDirectory, MissionLock
from telemetry.store.errors import StoreError
from telemetry.store.reader import StoreReader

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
LIVE = r"LINK LIVE"
DOWN = r"LINK DOWN"
SECONDS = 1_000_000_000


def wait_until(true: Callable[[], object], seconds: float, what: str) -> float:
    """Seconds it took; fails when it takes longer."""
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > seconds:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - begun


def ended(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        os.kill(pid, 0)
        return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except ProcessLookupError:
        # Of a process that ends just now the file is there and cannot be read.
        return True


def asked(directory: MissionDirectory, question: Callable[[StoreReader], object]) -> object:
    reader = StoreReader(directory.telemetry)
    try:
        return question(reader)
    finally:
        reader.close()


def health(directory: MissionDirectory) -> dict[str, object]:
    """The newest heartbeat; empty while the store is only being made."""
    try:
        row = asked(directory, lambda r: r.health())
    except StoreError:
        return {}
    return {} if row is None else row.body


def station_pid(directory: MissionDirectory) -> int | None:
    return health(directory).get("pid")


def live_frames(directory: MissionDirectory) -> list[tuple[int, int, int]]:
    """(boot, seq, generation second) of every frame that is not history."""
    rows: list[tuple[int, int, int]] = []

    def read(reader: StoreReader) -> None:
        for chunk in reader.rows_from():
            live = chunk.quality & 1 == 0
            rows.extend(
                zip(
                    chunk.boot[live].tolist(),
                    chunk.seq[live].tolist(),
                    (chunk.t_ns[live] // SECONDS).tolist(),
                    strict=True,
                )
            )

    asked(directory, read)
    return rows


def assert_no_frame_missing(directory: MissionDirectory) -> None:
    rows = live_frames(directory)
    assert len({boot for boot, _, _ in rows}) == 1, "the mission went on in the same boot"
    assert sorted(seq for _, seq, _ in rows) == list(range(len(rows)))
    seconds = sorted({second for _, _, second in rows})
    assert seconds == list(range(seconds[0], seconds[-1] + 1))
    assert asked(directory, lambda r: r.journal_page(None, -1, 50, "gap.")) == []


@pytest.fixture
def demo(home: Path) -> MissionDirectory:
    """Where the demo mission of this test's home comes to be."""
    return MissionDirectory(home / ".local/share/cubesat-tui/demo")


@pytest.fixture
def station(program, user_env, home) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start headless stations; those still running are killed afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        with (home / "run.log").open("ab") as log:
            process = subprocess.Popen(
                [*program, *arguments], env=user_env, cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait(10)


@pytest.fixture(autouse=True)
def nothing_left_running(demo) -> Iterator[None]:
    yield
    if demo.telemetry.exists() and MissionLock(demo.station_lock).holder():
        pid = station_pid(demo)
        if pid is not None and pid != os.getpid():
            os.kill(pid, signal.SIGKILL)


def test_two_consoles_live_through_the_death_of_each_other_and_of_the_station(terminal, station, demo):
    run = station("--scenario", "quiet", "run", "--no-trainer")
    wait_until(lambda: station_pid(demo) == run.pid, 30, "the station runs")
    consoles = [terminal("--attach"), terminal("--attach", str(demo.path))]
    for console in consoles:
        console.wait_for(LIVE, 30)

    victim = terminal("--attach")
    victim.wait_for(LIVE, 30)
    os.kill(victim.pid, signal.SIGKILL)
    frames = asked(demo, lambda r: r.frames_accepted())
    wait_until(lambda: asked(demo, lambda r: r.frames_accepted()) > frames, 10, "the station goes on")
    assert run.poll() is None

    run.kill()
    killed = time.monotonic()
    for console in consoles:
        console.wait_for(DOWN, 6)
    took = time.monotonic() - killed
    assert took < 3.0, f"LINK DOWN after {took:.1f} s"

    again = station("run", "--no-trainer")
    for console in consoles:
        console.wait_for(LIVE, 30)
    assert not any(console.dead for console in consoles)
    again.terminate()
    assert again.wait(5) == 0
    assert_no_frame_missing(demo)


LEADER = "import signal, subprocess, sys; signal.signal(1, lambda *_: None); subprocess.run(sys.argv[1:])"
"""Takes the hang-up for itself and waits for its child, as make and sudo do."""


@pytest.mark.parametrize("leader", [[], [sys.executable, "-c", LEADER]], ids=["alone", "below another"])
def test_a_lost_terminal_ends_the_console_and_the_mission_goes_on(window, terminal, demo, cli, program, leader):
    console = window([*leader, *program, "--scenario", "quiet"])
    console.wait_for(LIVE, 40)
    pid = station_pid(demo)
    assert (console.pid == pid) == (not leader)

    console.hang_up()

    assert wait_until(lambda: ended(pid), 5, "the console ends") < 2.5
    wait_until(lambda: station_pid(demo) != pid, 20, "a detached station takes over")
    successor = station_pid(demo)
    frames = asked(demo, lambda r: r.frames_accepted())
    wait_until(lambda: asked(demo, lambda r: r.frames_accepted()) > frames + 5, 20, "frames come")
    attached = terminal()
    attached.wait_for(LIVE, 30)
    seen_by = attached.pid
    assert station_pid(demo) == successor, "the second console attached and started nothing"
    attached.hang_up()
    wait_until(lambda: ended(seen_by), 5, "the attached console ends")
    assert not ended(successor), "an attached console takes no station with it"

    os.kill(successor, signal.SIGTERM)
    assert wait_until(lambda: ended(successor), 6, "TERM ends the station") < 2.0
    assert_no_frame_missing(demo)
    (lost,) = asked(demo, lambda r: r.journal_page(None, -1, 50, "console."))
    assert (lost.kind, lost.text, lost.actor) == ("console.lost_terminal", "console lost its terminal", "ann")
    status = json.loads(cli("status", "--json").stdout)
    assert status["link"] == "DOWN"
    assert not status["station"]["running"]


def test_quitting_with_keep_running_leaves_a_station_behind(terminal, demo):
    console = terminal("--scenario", "quiet")
    console.wait_for(LIVE, 40)
    pid = console.pid
    if "WELCOME" in console.screen():
        console.keys("Escape")
        console.wait_for(lambda text: "WELCOME" not in text, 10)
    console.keys("q")
    console.wait_for(r"keep running", 10)
    console.keys("k")

    wait_until(lambda: ended(pid) or console.dead, 10, "the console ends")
    wait_until(lambda: station_pid(demo) not in {None, pid}, 20, "a detached station takes over")
    frames = asked(demo, lambda r: r.frames_accepted())
    wait_until(lambda: asked(demo, lambda r: r.frames_accepted()) > frames + 5, 20, "frames come")
    os.kill(station_pid(demo), signal.SIGTERM)
    wait_until(lambda: not MissionLock(demo.station_lock).holder(), 6, "TERM ends the station")
    assert_no_frame_missing(demo)


@pytest.mark.parametrize("fitting", [False, True], ids=["at rest", "beside a fit"])
def test_term_ends_a_console_with_its_station_and_its_trainer(terminal, demo, fitting):
    console = terminal("--scenario", "quiet")
    console.wait_for(LIVE, 40)
    pid = console.pid
    wait_until(lambda: trainer_pid(demo) is not None, 30, "the trainer runs")
    trainer = trainer_pid(demo)
    if fitting:
        wait_until(lambda: trainer_of(demo).get("activity") == "fitting", 60, "it fits")

    os.kill(pid, signal.SIGTERM)

    took = wait_until(lambda: console.dead, 8, "TERM ends the console")
    assert took < 2.0, f"{took:.1f} s"
    assert ended(trainer)
    assert not MissionLock(demo.station_lock).holder()
    assert_no_frame_missing(demo)
    kinds = [event.kind for event in asked(demo, lambda r: r.journal_page(None, -1, 5, "station."))]
    assert kinds[0] == "station.ended"


def test_term_ends_a_station_while_it_fits_and_writes_history(station, demo):
    run = station("--scenario", "quiet", "run")
    wait_until(lambda: health(demo).get("history"), 40, "history is being written")
    run.terminate()
    took = wait_until(lambda: run.poll() is not None, 8, "TERM ends the station")
    assert (run.returncode, took < 2.0) == (0, True), f"{took:.1f} s in the middle of the history"
    again = station("run")
    wait_until(lambda: trainer_of(demo).get("activity") == "fitting", 90, "it fits")
    trainer = trainer_pid(demo)
    again.terminate()
    took = wait_until(lambda: again.poll() is not None, 8, "TERM ends the station")
    assert (again.returncode, took < 2.0) == (0, True), f"{took:.1f} s beside a fit"
    assert ended(trainer)


def trainer_of(directory: MissionDirectory) -> dict[str, object]:
    """What the station says about its trainer."""
    return health(directory).get("trainer") or {}


def trainer_pid(directory: MissionDirectory) -> int | None:
    return trainer_of(directory).get("pid")
