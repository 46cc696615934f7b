"""`python -P -m trainer paced --mission DIR`: the trainer's cycles at the pace of whoever writes to its stdin.

Each line in, `{"now_ns": N}`, is one considered cycle at that time; one line out says what came of it and what it
cost. Store, inbox, fits, gate and artifacts are the real ones; MLflow is told nothing. Ends at end-of-file.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from telemetry.clock import NS_PER_S, ManualClock
from telemetry.dictionary import MissionError, read_mission
from telemetry.plain_text import plain_text
from telemetry.store.directory import MissionDirectory


class _Beat(msgspec.Struct):
    now_ns: int


def main(arguments: list[str]) -> int:
    """Consider a cycle for each line of stdin; returns the exit code."""
    parser = argparse.ArgumentParser(prog="trainer paced")
    parser.add_argument("--mission", type=Path, required=True)
    directory = MissionDirectory(parser.parse_args(arguments).mission)
    try:
        mission = read_mission(directory.path)
    except MissionError as error:
        sys.stderr.write(plain_text(error.lines[0], 400) + "\n")
        return 2
    # Whatever a library prints goes to stderr: stdout is one object a cycle.
    sys.stdout.flush()
    voice = os.dup(1)
    os.dup2(2, 1)
    # Imported before anything is timed, as in a trainer that has been running.
    importlib.import_module("trainer.model")
    from trainer.loop import Trainer

    trainer: Trainer | None = None
    clock: ManualClock | None = None
    for line in sys.stdin.buffer:
        now_ns = msgspec.json.decode(line, type=_Beat).now_ns
        if clock is None or trainer is None:
            clock = ManualClock(now_ns)
            trainer = Trainer(directory, mission, clock, lambda _: None)
        clock.advance((now_ns - clock.now_ns()) / NS_PER_S)
        begun = time.process_time()
        done = trainer.cycle()
        spent = time.process_time() - begun
        answer: dict[str, Any] = {
            "learning": done.learning,
            "runs": [[run.decision, run.version, run.reason] for run in done.runs],
            "fitted": bool(done.entries),
            "cpu_s": spent,
        }
        os.write(voice, msgspec.json.encode(answer) + b"\n")
    if trainer is not None:
        trainer.close()
    return 0
