"""What decides in a station (validity, limits, scores, alarms, the trainer), at the pace of whoever feeds it.

A station's own judgement, store, inbox and acts, with the trainer in its child process, but no clock of its own:
frames are judged when they are given, and the trainer considers a cycle when it is told to. So a day takes minutes
and no second of it is missing.
"""

from __future__ import annotations

import contextlib
import resource
import subprocess
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from cubesat_tui.acts import Acts
from cubesat_tui.children import child_argv, child_environment
from cubesat_tui.forecast import Forecast
from cubesat_tui.judgement import Judgement
from cubesat_tui.served_models import ServedModels
from telemetry.alarm_desk import AlarmDesk
from telemetry.clock import NS_PER_S, ManualClock
from telemetry.plain_text import plain_text
from telemetry.store.inbox import Inbox
from telemetry.store.validity import invalid_rule
from telemetry.store.writer import StoreWriter

if TYPE_CHECKING:
    from telemetry.alarms import Event
    from telemetry.dictionary import Mission
    from telemetry.frame import FrameBatch
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.rows import ScoredBatch


class Considered(msgspec.Struct):
    """What the trainer did in a cycle, as `trainer.evaluation.paced` tells it."""

    learning: tuple[int, int] | None
    runs: list[tuple[str, int | None, str]]
    fitted: bool
    cpu_s: float


class TrainerEnded(RuntimeError):
    """The trainer's process ended; the message is the last line it complained with."""


class PacedStation:
    """One mission on a clock that its user moves. Use as a context manager: it ends the trainer.

    Args:
        directory: of the mission, existing, never run before.
        mission: its definition.
        now_ns: UTC ns at which it begins.
    """

    def __init__(self, directory: MissionDirectory, mission: Mission, now_ns: int) -> None:
        self.clock = ManualClock(now_ns)
        self.desk = AlarmDesk()
        self.judging_s = self.storing_s = 0.0
        """CPU seconds of this process so far."""
        self._files = contextlib.ExitStack()
        self._writer = StoreWriter(directory.telemetry, self.clock, invalid_rule(mission))
        self._files.callback(self._writer.close)
        inbox = Inbox(directory.inbox)
        self._files.callback(inbox.close)
        for satellite in mission.satellites:
            self._writer.describe_satellite(satellite.name, satellite.norad, satellite.bus)
        models = ServedModels(mission, directory, self._writer, self.clock)
        self._judgement = Judgement(mission, models, self.desk, self.clock, Forecast(mission))
        self._acts = Acts(inbox, self.desk, self.clock.now_ns, models, lambda: None)
        self._log = directory.log / "trainer.log"
        log = self._files.enter_context(self._log.open("ab"))
        self._trainer = subprocess.Popen(
            child_argv("trainer", "paced", "--mission", str(directory.path)),
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )

    def __enter__(self) -> PacedStation:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._trainer.stdin is not None
        self._trainer.stdin.close()
        self._trainer.wait()
        self._files.close()

    def take(self, batches: Iterable[FrameBatch], now_ns: int) -> Iterator[tuple[ScoredBatch, list[Event]]]:
        """Judge and store, in one transaction; each batch as it was stored, with the events it caused."""
        self.clock.advance((now_ns - self.clock.now_ns()) / NS_PER_S)
        begun = time.process_time()
        told = [self._judgement.judge(batch) for batch in batches]
        judged = time.process_time()
        self._writer.append([scored for scored, _ in told], [event for _, events in told for event in events], {})
        self.judging_s += judged - begun
        self.storing_s += time.process_time() - judged
        return iter(told)

    def consider(self) -> Considered:
        """Let the trainer consider a cycle now, and serve what it promotes.

        Raises:
            TrainerEnded: it did not survive it.
        """
        assert self._trainer.stdin is not None
        assert self._trainer.stdout is not None
        line = b""
        with contextlib.suppress(BrokenPipeError):
            self._trainer.stdin.write(msgspec.json.encode({"now_ns": self.clock.now_ns()}) + b"\n")
            self._trainer.stdin.flush()
            line = self._trainer.stdout.readline()
        if not line:
            complaint = self._log.read_text(errors="replace").strip().splitlines()
            raise TrainerEnded(plain_text(complaint[-1], 400) if complaint else "the trainer ended without a word")
        applied = self._acts.poll()
        if applied.ids:
            self._writer.append([], applied.events, applied.cursors())
            self._acts.forget(applied)
        return msgspec.json.decode(line, type=Considered)


def cpu_s() -> float:
    """CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
