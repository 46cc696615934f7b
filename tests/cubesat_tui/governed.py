"""A satellite with two wheels, a real station and a real trainer."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from click.testing import CliRunner, Result

from cubesat_tui.cli import root
from telemetry.clock import NS_PER_S
from telemetry.frame import FrameBatch
from trainer.loop import Cycle, Trainer
from trainer.serving import Serving, serving_of

BIRD = "TESTBIRD"
Row = tuple[int, float, int]
TOML = """
schema = 1
[[satellite]]
name = "TESTBIRD"
bus = "b"
[bus.b]
context = []
[bus.b.packets]
hk = ["a.*"]
[[bus.b.channel]]
name = "a.x"
label = "Wheel X"
unit = "rpm"
[[bus.b.channel.limits]]
critical = [-100, 100]
[[bus.b.channel]]
name = "a.y"
label = "Wheel Y"
unit = "rpm"
[source]
kind = "stream"
[detector]
kind = "isolation_forest"
"""
FUSION_TOML = TOML.replace("isolation_forest", "fusion")


class Governed:
    """A satellite with two wheels, its station and its trainer."""

    def __init__(self, rig: Any) -> None:
        self.rig = rig
        self.trainer: Trainer | None = None
        self.seq = 0
        self.t0_ns = rig.clock.now_ns()
        self.fed: list[FrameBatch] = []
        self._rng = np.random.default_rng(7)

    async def fly(self, rows: int, x: float = 0.0, y: float = 0.0) -> tuple[int, int]:
        """Feed rows of one second, the wheels off by `x` and `y`; their first and last generation time."""
        layout = self.rig.mission.bus_of(BIRD).layouts["hk"]
        first = self.seq
        for start in range(first, first + rows, 500):
            seq = np.arange(start, min(start + 500, first + rows), dtype=np.int64)
            n = len(seq)
            self.rig.clock.advance(float(n))
            t_ns = self.t0_ns + seq * NS_PER_S
            values = 50.0 + 0.5 * self._rng.standard_normal((n, 2)) + np.array([x, y])
            zero = np.zeros(n, dtype=np.int64)
            received = zero + self.rig.clock.now_ns()
            batch = FrameBatch(layout, (BIRD,), zero, zero + 1, seq, t_ns, received, zero, values)
            await self.rig.feed(batch)
            self.fed.append(batch)
        self.seq += rows
        return self.t0_ns + first * NS_PER_S, self.t0_ns + (self.seq - 1) * NS_PER_S

    async def retrain(self) -> Cycle:
        """One cycle of the trainer, and the station has what it said."""
        if self.trainer is None:
            self.trainer = Trainer(self.rig.directory, self.rig.mission, self.rig.clock, lambda _: None)
        done = self.trainer.cycle()
        await self.settled()
        return done

    async def promotions(self, count: int) -> None:
        """Fly and retrain until so many models were promoted; the first one takes most rows."""
        for _ in range(count):
            await self.fly(3000 if self.seq == 0 else 600)
            run = (await self.retrain()).runs[0]
            assert run.decision == "promoted", run.reason

    async def ask(self, kind: str, actor: str = "kim", **body: Any) -> Any:
        """The event that answers."""
        request = self.rig.ask(kind, body, actor)
        await self.settled()
        return next(e for e in self.rig.events() if request in (e.body.get("request"), e.body.get("id")))

    async def settled(self) -> None:
        await self.rig.until(lambda: self.rig.waiting_requests() == 0)

    async def restart(self) -> None:
        await self.rig.stop()
        await self.rig.start()

    def serving(self) -> Serving:
        found = self.rig.read(lambda reader: serving_of(reader.cursor, BIRD))
        assert found is not None
        return found

    @property
    def scores_with(self) -> int | None:
        scorer = self.rig.station.models.scoring.scorer(BIRD)
        return None if scorer is None else scorer.version

    def rows(self) -> list[Row]:
        """(model, score, state) of all stored rows, oldest first; model 0 where there is no opinion."""
        parts = self.rig.read(lambda reader: list(reader.judged_between(BIRD, 0, 2**62)))
        return [
            (int(part.model[i]), float(part.score[i]), int(part.state[i]))
            for part in parts
            for i in range(len(part))
        ]

    def flagged(self, span: tuple[int, int]) -> int:
        """Stored rows of a span that are suspected or confirmed."""
        parts = self.rig.read(lambda reader: list(reader.judged_between(BIRD, *span)))
        return sum(int((part.state > 0).sum()) for part in parts)

    async def command(self, *arguments: str) -> Result:
        """A command in another thread, while the station runs."""
        asked = asyncio.create_task(asyncio.to_thread(self.command_alone, *arguments))
        await self.rig.until(asked.done)
        return asked.result()

    def command_alone(self, *arguments: str) -> Result:
        return CliRunner().invoke(root, [*arguments, "--mission", str(self.rig.directory.path)])
