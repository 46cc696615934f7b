"""Simulator, headless owner and two consoles over a link: four programs that share nothing but a database."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cubesat_tui.backfill import CURSOR as HISTORY
from cubesat_tui.backfill import Backfill
from telemetry.clock import SystemClock
from telemetry.store.directory import MissionDirectory
from telemetry.store.errors import StoreError
from telemetry.store.reader import StoreReader
from telemetry.store.writer import StoreWriter

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]
SERVER = Path(__file__).parent.parent / "firebase" / "rtdb_main.py"
CRITICAL = r"CRIT .*Battery voltage"
ACKED = r"ACKED ann .*CRIT.*Battery voltage"


class Database:
    """The test server as a process that keeps its data."""

    def __init__(self, place: Path) -> None:
        self._data = place / "database.json"
        self._process: subprocess.Popen[str] | None = None
        self.port = 0
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER), "--port", str(self.port), "--data", str(self._data)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = json.loads(self._process.stdout.readline())["port"]

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)
            self._process = None


@pytest.fixture
def database(tmp_path: Path, user_env: dict[str, str]) -> Iterator[Database]:
    made = Database(tmp_path)
    user_env["FIREBASE_DATABASE_EMULATOR_HOST"] = f"127.0.0.1:{made.port}"
    yield made
    made.stop()


@pytest.fixture
def headless(user_env: dict[str, str], program: list[str], home: Path) -> Iterator[Callable[..., int]]:
    """Start a command that runs until it is ended; the process id."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> int:
        with (home / f"{arguments[0]}-{len(started)}.log").open("wb") as output:
            process = subprocess.Popen(
                [*program, *arguments],
                env=user_env,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        started.append(process)
        return process.pid

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.wait(20)


def wait_until(true: Callable[[], object], seconds: float, what: str) -> None:
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > seconds:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def mission_of(home: Path, cli: Callable[..., subprocess.CompletedProcess[str]]) -> Path:
    """A quiet mission of the simulator without a past, and a copy of its mission.toml for each of the others."""
    made = cli("sim", "--to", str(home / "sim"), "--duration", "5s", "--scenario", "quiet")
    assert made.returncode == 0, made.stderr
    flown = MissionDirectory(home / "sim")
    clock = SystemClock()
    writer = StoreWriter(flown.telemetry, clock)
    writer.append([], [], {HISTORY: Backfill(clock.now_ns(), done=True).cursor()})
    writer.close()
    with flown.toml.open("a", encoding="utf-8") as file:
        file.write('\n[link]\ntarget = "firebase"\n')
    for name in ("owner", "a", "b"):
        (home / name).mkdir()
        shutil.copy(flown.toml, home / name)
    return flown.path


def frames(path: Path) -> list[tuple[object, ...]]:
    """Every frame of a ledger, as sent; empty while there is no store yet."""
    try:
        reader = StoreReader(path / "telemetry.db")
    except StoreError:
        return []
    try:
        found: list[tuple[object, ...]] = []
        last = reader.frames_accepted()
        for batch in reader.outgoing.frames_between(1, last) if last else []:
            found += [(f.satellite, f.boot, f.seq, f.t_ns, f.received_ns, f.values.tobytes()) for f in batch]
        return sorted(found, key=lambda one: one[:3])  # type: ignore[arg-type,return-value]
    finally:
        reader.close()


def count(path: Path) -> int:
    try:
        reader = StoreReader(path / "telemetry.db")
    except StoreError:
        return 0
    try:
        return reader.frames_accepted()
    finally:
        reader.close()


def test_an_alarm_of_the_owner_is_acknowledged_everywhere_and_an_outage_loses_nothing(
    database: Database, headless: Callable[..., int], cli: Callable[..., object], terminal: Callable[..., object],
    home: Path,
) -> None:  # fmt: skip
    mission_of(home, cli)  # type: ignore[arg-type]
    flying = headless("sim", "--to", "firebase", "--mission", str(home / "sim"))
    headless("trainer", "--attach", "firebase", "--mission", str(home / "owner"))
    # One names the link, the other takes what mission.toml says.
    small = terminal("--mission", str(home / "a"), "--attach", "firebase", columns=80, rows=24)
    wide = terminal("--mission", str(home / "b"), "--operator", "bob", "--attach", columns=140, rows=42)
    both = (small, wide)
    for console in both:
        console.wait_for(r"SIM.*LINK LIVE", 90)
        console.keys("5")
        console.wait_for("No alarm open|OPEN", 20)

    broken = cli("inject", "bias", "--mission", str(home / "sim"), "--channel", "eps.bat_v", "--size", "200")
    assert broken.returncode == 0, broken.stderr
    for console in both:
        console.wait_for(CRITICAL, 30)
    small.wait_for(rf">.*{CRITICAL}", 10)
    begun = time.monotonic()
    small.keys("a")
    small.wait_for(r"ack pending|ACKED ann", 5)
    wide.wait_for(ACKED, 10)
    took_s = time.monotonic() - begun
    small.wait_for(ACKED, 5)
    print(f"acknowledged on the other console after {took_s:.2f} s")
    assert took_s <= 2.0, f"{took_s:.2f} s"

    database.stop()
    for console in both:
        console.wait_for(r"LINK DOWN no connection", 30)
    small.keys("m")
    small.wait_for("(?i)note", 10)
    small.keys(*"seen", "enter")
    small.wait_for("act pending|act is pending|1 act pending", 10)
    time.sleep(3)
    held = [count(home / name) for name in ("a", "b")]
    wait_until(lambda: count(home / "sim") > held[0] + 5, 20, "the simulator flies on")
    assert [count(home / name) for name in ("a", "b")] == held

    database.start()
    for console in both:
        console.wait_for(r"LINK LIVE", 90)
    wide.wait_for('"seen"|seen', 60)
    os.kill(flying, signal.SIGTERM)
    wait_until(lambda: "ended" in _last_event(home / "sim"), 20, "the simulator ended")
    sent = _published(home / "sim")
    for name in ("owner", "a", "b"):
        wait_until(lambda name=name: count(home / name) >= len(sent), 60, f"{name} has all that was sent")
        there = frames(home / name)
        assert len({one[:3] for one in there}) == len(there), "nothing twice"
        assert there == sent, name
    for log in home.rglob("*.log"):
        assert "Traceback" not in log.read_text(encoding="utf-8", errors="replace"), log
    for console in both:
        assert not re.search("Traceback|Error", console.screen())


def _last_event(path: Path) -> str:
    reader = StoreReader(path / "telemetry.db")
    try:
        return reader.journal_page(None, limit=1)[0].kind
    finally:
        reader.close()


def _published(path: Path) -> list[tuple[object, ...]]:
    """What the database has confirmed; the rest goes out when the simulator flies again."""
    reader = StoreReader(path / "telemetry.db")
    try:
        last = int((reader.cursor("sent", "frames") or "x 0").split()[-1])
        found: list[tuple[object, ...]] = []
        for batch in reader.outgoing.frames_between(1, last):
            found += [(f.satellite, f.boot, f.seq, f.t_ns, f.received_ns, f.values.tobytes()) for f in batch]
        return sorted(found, key=lambda one: one[:3])  # type: ignore[arg-type,return-value]
    finally:
        reader.close()
