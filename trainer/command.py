"""The trainer's command line, and its life as a child: what it says, when it ends, what happens when all fails."""

from __future__ import annotations

import argparse
import os
import signal
import stat
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import apsw
import msgspec

from telemetry.clock import SystemClock
from telemetry.dictionary import Mission, MissionError, read_mission
from telemetry.plain_text import plain_text
from telemetry.store.directory import MissionDirectory, MissionLock
from telemetry.store.errors import StoreError
from trainer.parallel import MOST_JOBS, WorkersLost

NICE = 5
FIRST_LOOK_S = 1.0
LONGEST_BACK_OFF_S = 300.0
LOOK_S = 5.0
"""How soon it is said that MLflow does not answer, or does again."""


def main(arguments: list[str] | None = None) -> int:
    """Run the trainer; returns the exit code."""
    parser = argparse.ArgumentParser(prog="trainer", description="Fit, calibrate and publish anomaly detectors.")
    parser.add_argument("--mission", type=Path, required=True, help="mission directory")
    parser.add_argument("--once", action="store_true", help="fit once with what is there, log it, and end")
    parser.add_argument(
        "--period", type=float, default=None, help="seconds between two cycles (default: mission.toml)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="satellites fitted at a time (default: 1)")
    options = parser.parse_args(arguments)
    say = _voice()
    directory = MissionDirectory(options.mission)
    try:
        mission = read_mission(directory.path)
    except MissionError as error:
        for line in error.lines:
            say({"state": "error", "error": plain_text(line)})
        return 2
    period = options.period if options.period is not None else mission.trainer.period_s
    if not period > 0:
        say({"state": "error", "error": f"--period {period}: allowed: above 0"})
        return 2
    if not 1 <= options.jobs <= MOST_JOBS:
        say({"state": "error", "error": f"--jobs {options.jobs}: allowed: 1 to {MOST_JOBS}"})
        return 2
    signal.signal(signal.SIGTERM, _end)
    _end_with_parent(options.once)
    try:
        os.nice(max(0, NICE - os.nice(0)))
        directory.create()
        lock = MissionLock(directory.trainer_lock)
        if not lock.acquire():
            say({"state": "error", "error": f"{directory.path}: another trainer is at work here"})
            return 1
    except (OSError, StoreError) as error:
        say({"state": "error", "error": plain_text(str(error))})
        return 1
    try:
        if options.once:
            return _once(directory, mission, options.jobs, say)
        return _forever(directory, mission, period, options.jobs, say)
    finally:
        lock.release()


class _Say:
    """JSON lines on what was stdout when the program began."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def __call__(self, message: dict[str, Any]) -> None:
        try:
            with self._lock:
                os.write(self._descriptor, msgspec.json.encode(message) + b"\n")
        except BrokenPipeError:
            os.kill(os.getpid(), signal.SIGTERM)


def _voice() -> _Say:
    """Keep the real stdout for JSON lines; whatever a library prints goes to stderr."""
    sys.stdout.flush()
    voice = os.dup(1)
    os.dup2(2, 1)
    return _Say(voice)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _end_with_parent(once: bool) -> None:
    """Ask this process to end when the pipe on stdin closes."""
    if once:
        return
    kind = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        return

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="stdin", daemon=True).start()


def _once(directory: MissionDirectory, mission: Mission, jobs: int, say: _Say) -> int:
    from trainer.loop import Trainer
    from trainer.tracking.mirror import AuditFailed, Mirror

    try:
        trainer = Trainer(directory, mission, SystemClock(), say, jobs=jobs)
        mirror = Mirror(directory, mission.mlflow)
        try:
            done = trainer.cycle(force=True)
            for entry in done.entries:
                mirror.spool(entry)
            if not done.runs:
                have, need = done.learning or (0, 0)
                say({"state": "error", "error": f"learning {have} of {need}: not enough rows for a model"})
                return 1
            trainer.logged(mirror.drain())
        finally:
            trainer.close()
    except (OSError, StoreError, apsw.Error, WorkersLost, AuditFailed) as error:
        say({"state": "error", "error": plain_text(str(error))})
        return 1
    return 0


def _forever(directory: MissionDirectory, mission: Mission, period: float, jobs: int, say: _Say) -> int:
    # Fitting libraries are imported while the history is still being written.
    from trainer import model
    from trainer.loop import Trainer
    from trainer.tracking.beside import MirrorBeside
    from trainer.tracking.exchange import Exchange
    from trainer.tracking.mirror import Mirror

    clock = SystemClock()
    beside = MirrorBeside(Mirror(directory, mission.mlflow, clock))
    trainer: Trainer | None = None
    exchange: Exchange | None = None
    back_off = 0.0
    pause = threading.Event()
    say({"state": "started", "trees": model.TREES})
    while True:
        begun = clock.monotonic()
        try:
            if trainer is None:
                trainer = Trainer(directory, mission, clock, say, jobs=jobs)
            if exchange is None:
                exchange = Exchange(directory, tuple(mission.by_name), beside.mirror, clock, say)
            learned = trainer.learned
            done = trainer.cycle()
            for entry in done.entries:
                beside.mirror.spool(entry)
            over = begun + (period if learned or trainer.learned else FIRST_LOOK_S)
            next_ns = clock.now_ns() + int(max(0.0, over - clock.monotonic()) * 1e9)
            if done.learning is not None:
                have, need = done.learning
                say({"state": "learning", "learning": {"have": have, "need": need}, "error": ""})
            else:
                say({"state": "waiting", "next_ns": next_ns, "learning": None, "error": ""})
            back_off = 0.0
            exchange.turn(beside.taken(), trainer.logged)
            if trainer.learned:
                beside.wake()
        except (OSError, StoreError, apsw.Error, WorkersLost) as error:
            for one in (trainer, exchange):
                if one is not None:
                    one.close()
            trainer = exchange = None
            back_off = min(LONGEST_BACK_OFF_S, max(1.0, 2 * back_off))
            over = clock.monotonic() + back_off
            next_ns = clock.now_ns() + int(back_off * 1e9)
            say({"state": "error", "error": plain_text(str(error)), "next_ns": next_ns})
        while (left := over - clock.monotonic()) > 0:
            pause.wait(min(left, LOOK_S))
            if exchange is not None:
                exchange.tell()
