"""The first minute of other seeds, and its controls: the real station, simulator and trainer on a moved clock."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from cubesat_tui.demo import create_demo
from cubesat_tui.sources import source_of
from cubesat_tui.station import Station
from sim.source import SimSource
from telemetry.alarms import Event
from telemetry.clock import NS_PER_S, ManualClock
from telemetry.dictionary import read_mission
from telemetry.store.directory import MissionDirectory
from telemetry.store.reader import StoreReader
from trainer.loop import Trainer
from trainer.served import Scorer

T0 = 1_795_331_600 * NS_PER_S  # 2026-11-22T07:13:20Z
MISSED_NS = 1_795_404_012 * NS_PER_S  # 2026-11-23T03:20:12Z
"""A start at which half of the brightest panel is within what differs between orbits, as is all that follows."""
ALL_SEEDS = (2, 3, 4, 5)
SEEDS = ALL_SEEDS if os.environ.get("CUBESAT_TUI_CAMPAIGN") or os.environ.get("CI") else ALL_SEEDS[:2]


class Flight:
    """One mission from its first second; the test moves its clock."""

    def __init__(
        self, path: Path, scenario: str, seed: int, kind: str = "fusion", t0_ns: int | None = None
    ) -> None:
        self.t0_ns = T0 if t0_ns is None else t0_ns
        self.clock = ManualClock(self.t0_ns)
        self.directory: MissionDirectory = create_demo(path, self.clock, scenario, seed)
        toml = self.directory.toml.read_text(encoding="utf-8")
        assert 'kind = "fusion"' in toml
        self.directory.toml.write_text(toml.replace('kind = "fusion"', f'kind = "{kind}"'), encoding="utf-8")
        self.mission = read_mission(path)
        name, make_source = source_of(self.mission, self.clock)
        self.station = Station(
            self.directory, self.mission, name, make_source, clock=self.clock, trainer=False, wait_for_lock_s=0.0
        )

    @property
    def source(self) -> SimSource:
        assert isinstance(self.station.source, SimSource)
        return self.station.source

    def second(self) -> float:
        """Seconds since the mission was made."""
        return (self.clock.now_ns() - self.t0_ns) / NS_PER_S

    async def until(self, true: Callable[[], object], what: str, step: float = 0.1) -> None:
        """Let the mission's time pass until something is so."""
        deadline = time.monotonic() + 60
        while not true():
            if time.monotonic() > deadline:
                pytest.fail(f"never: {what}, at second {self.second():.1f}")
            self.clock.advance(step)
            await asyncio.sleep(0.002)

    async def fly(self, to_second: int) -> None:
        """Go on to a second of the mission, every frame of it stored."""

        def stored() -> bool:
            newest = self.station.judgement.newest_ns
            return newest is not None and newest >= self.t0_ns + to_second * NS_PER_S

        while self.second() < to_second:
            self.clock.advance(0.1)
            await asyncio.sleep(0.002)
        await self.until(stored, f"the frames of second {to_second}")

    async def learn(self) -> None:
        """One cycle of the trainer, its model taken over by the station."""
        trainer = Trainer(self.directory, self.mission, self.clock, lambda _: None)
        try:
            await asyncio.to_thread(trainer.cycle)
        finally:
            trainer.close()
        await self.until(lambda: self.station.models.promoted, "a model")

    def journal(self, kind: str) -> list[Event]:
        reader = StoreReader(self.directory.telemetry)
        try:
            return reader.journal_page(None, -1, 500, kind)
        finally:
            reader.close()

    def anomalies(self) -> list[Event]:
        """Anomaly alarms raised, the first one first."""
        return [event for event in self.journal("alarm.raised")[::-1] if event.subject.startswith("anomaly:")]


@contextlib.asynccontextmanager
async def flight(
    path: Path, scenario: str, seed: int, kind: str = "fusion", t0_ns: int | None = None
) -> AsyncIterator[Flight]:
    """A mission whose history is stored and whose first model is live."""
    one = Flight(path, scenario, seed, kind, t0_ns)
    running = asyncio.create_task(one.station.run())
    try:
        await one.until(lambda: hasattr(one.station, "models") and one.station.history_progress, "history begins")
        await one.until(lambda: one.station.history_progress is None, "history is written", step=0.005)
        await one.learn()
        assert one.second() < 15, "the model is live in time"
        yield one
    finally:
        one.station.stop()
        await asyncio.wait_for(running, 20)


async def first_fault(path: Path, seed: int) -> tuple[str, float]:
    """Face and onset second of the first fault, after seeing it found as the console would say it."""
    async with flight(path, "hello", seed) as one:
        fault = min(one.source.faults(T0, T0 + 60 * NS_PER_S), key=lambda f: f.start_s)
        onset = fault.start_s - T0 // NS_PER_S
        await one.fly(int(onset) + 30)
        [raised] = one.anomalies()
        assert raised.subject == f"anomaly:{fault.target}"
        assert onset <= (raised.at_ns - T0) / NS_PER_S <= onset + 30
        assert any(words in raised.text for words in ("usual here", "forecast", "jumped from")), raised.text
        return fault.target, onset


@pytest.mark.timeout(240)
async def test_other_seeds_break_another_face_at_another_moment_and_it_is_found(tmp_path: Path) -> None:
    found = [await first_fault(tmp_path / str(seed), seed) for seed in SEEDS]
    assert all(15 <= onset <= 40 for _, onset in found)
    assert len({channel for channel, _ in found}) > 1
    assert len({onset for _, onset in found}) > 1


@pytest.mark.timeout(420)
async def test_half_a_panel_is_one_alarm_led_by_it_at_a_start_where_everything_stays_where_it_may_be(
    tmp_path: Path,
) -> None:
    async with flight(tmp_path / "night", "hello", 1, t0_ns=MISSED_NS) as one:
        [fault] = [
            fault
            for fault in one.source.faults(one.t0_ns, one.t0_ns + 300 * NS_PER_S)
            if fault.kind == "string_loss"
        ]
        await one.fly(310)
        panel = f"anomaly:eps.pv_i_{fault.target}"
        [raised] = [event for event in one.anomalies() if event.at_ns >= fault.start_s * NS_PER_S]
        assert raised.subject == panel
        assert (raised.at_ns / NS_PER_S) - fault.start_s <= 60
        named = [
            event.body.get("channels", [])
            for event in [*one.journal("alarm.updated"), raised]
            if event.subject == panel
        ]
        assert max(map(len, named)) >= 2
        assert all(channels[0] == f"eps.pv_i_{fault.target}" for channels in named if channels)
        assert not [event for event in one.journal("alarm.returned") if event.subject == panel]


async def test_a_trainer_that_is_early_waits_for_the_whole_history(tmp_path: Path) -> None:
    one = Flight(tmp_path / "early", "quiet", 1)
    running = asyncio.create_task(one.station.run())
    await one.until(lambda: (one.station.history_progress or (0, 0))[0] > 0, "a part of the history", step=0.005)
    trainer = Trainer(one.directory, one.mission, one.clock, lambda _: None)
    try:
        await one.until(lambda: one.journal("link.live"), "a heartbeat of it")
        early = trainer.cycle()
        assert (early.runs, early.learning is not None) == ([], True)
        await one.until(lambda: one.station.history_progress is None, "history is written", step=0.005)
        await one.until(lambda: not trainer.cycle().learning, "a fit", step=1.0)
        await one.until(lambda: one.station.models.newest_run, "the run recorded")
        assert one.station.models.newest_run is not None
        assert (one.station.models.newest_run.rows or 0) > 70_000
    finally:
        trainer.close()
        one.station.stop()
        await asyncio.wait_for(running, 20)


@pytest.mark.timeout(240)
async def test_without_a_fault_nothing_is_found_in_three_minutes(tmp_path: Path) -> None:
    async with flight(tmp_path / "quiet", "quiet", 1) as one:
        await one.fly(180)
        assert one.anomalies() == []


@pytest.mark.timeout(240)
async def test_a_scorer_that_returns_a_constant_finds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with flight(tmp_path / "constant", "hello", 2, "isolation_forest") as one:
        monkeypatch.setattr(Scorer, "isolation", lambda self, z, group: np.full(len(z), 0.9))
        monkeypatch.setattr(Scorer, "probe", property(lambda self: np.full(len(self.forest.roots), 0.9)))
        await one.fly(75)
        assert one.anomalies() == []
