"""A whole station on a real store, fed by hand, on a clock that a test moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cubesat_tui.station import Station
from telemetry.alarms import Event
from telemetry.clock import NS_PER_S, ManualClock
from telemetry.dictionary import Mission, read_mission
from telemetry.frame import Frame, FrameBatch, Quality
from telemetry.store.directory import MissionDirectory
from telemetry.store.inbox import Inbox
from telemetry.store.reader import StoreReader
from tests.cubesat_tui import governed as governed_mission
from trainer.gate import Verdict

T0 = 1_795_331_600 * NS_PER_S  # 2026-11-22T07:13:20Z
SATELLITE = "TESTBIRD"
TOML = """
schema = 1

[[satellite]]
name = "TESTBIRD"
bus = "b"

[bus.b]
context = []

[bus.b.packets]
hk = ["eps.bat_v", "obc.mode"]
thm = ["thm.t_px"]

[[bus.b.channel]]
name = "eps.bat_v"
label = "Battery voltage"
unit = "V"
period_s = 1
decimals = 2
valid = [0, 10]

[[bus.b.channel.limits]]
warning = [7.0, 8.4]
critical = [6.5, 8.6]

[[bus.b.channel]]
name = "obc.mode"
label = "Mode"
period_s = 1
enum = {0 = "SAFE", 1 = "NOMINAL"}

[[bus.b.channel]]
name = "thm.t_px"
label = "Panel +X"
unit = "degC"
period_s = 5

[source]
kind = "stream"
"""


class HandSource:
    """A source that yields what a test puts in, and remembers what was confirmed."""

    def __init__(self, cursor: str | None, live: bool = True) -> None:
        self.cursor = cursor
        self.live = live
        self.rate = 1.0
        self.name = "stream"
        self.confirmed: list[FrameBatch] = []
        self.closed = False
        self._queue: asyncio.Queue[FrameBatch | Exception | None] = asyncio.Queue()

    def put(self, item: FrameBatch | Exception | None) -> None:
        """A batch, an exception to die of, or None for the end."""
        self._queue.put_nowait(item)

    async def __aiter__(self) -> AsyncIterator[FrameBatch]:
        while (item := await self._queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    async def committed(self, batch: FrameBatch) -> None:
        self.confirmed.append(batch)

    async def close(self) -> None:
        self.closed = True
        self.put(None)


class Rig:
    """One mission directory and the stations that run on it, one after the other."""

    def __init__(self, path: Path, toml: str = TOML) -> None:
        self.directory = MissionDirectory(path)
        self.directory.create()
        self.directory.toml.write_text(toml, encoding="utf-8")
        self.mission: Mission = read_mission(path)
        self.clock = ManualClock(T0)
        self.sources: list[HandSource] = []
        self.station: Station
        self._task: asyncio.Task[None] | None = None
        self.seq = 0

    @property
    def source(self) -> HandSource:
        """The newest source the station made."""
        return self.sources[-1]

    def make_source(self, cursor: str | None) -> HandSource:
        self.sources.append(HandSource(cursor))
        return self.sources[-1]

    def new_station(self, **options: Any) -> Station:
        return Station(
            self.directory,
            self.mission,
            "stream",
            options.pop("make_source", self.make_source),
            clock=self.clock,
            operator="ann",
            **{"trainer": False, "history": False, "wait_for_lock_s": 0.0, **options},
        )

    async def start(self, **options: Any) -> Station:
        """Run a station until it holds the mission and has made its source."""
        made = len(self.sources)
        self.station = self.new_station(**options)
        ready = asyncio.Event()
        self._task = asyncio.create_task(self.station.run(ready=ready.set))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        waiting.cancel()
        if self._task.done():
            self._task.result()
        if "make_source" not in options:
            await self.until(lambda: len(self.sources) > made)
        return self.station

    async def stop(self) -> None:
        assert self._task is not None
        self.station.stop()
        await asyncio.wait_for(self._task, 10)
        self._task = None

    async def close(self) -> None:
        if self._task is not None and not self._task.done():
            await self.stop()

    async def until(self, true: Callable[[], bool], seconds: float = 0.05) -> None:
        """Let the station's time pass, `seconds` a step, until something is so; fails after 10 real seconds."""
        deadline = time.monotonic() + 10
        while not true():
            if self._task is not None and self._task.done():
                self._task.result()
            if time.monotonic() > deadline:
                pytest.fail("it never became so")
            self.clock.advance(seconds)
            # Real time as well: locks, threads and child processes are real.
            await asyncio.sleep(0.001)

    async def feed(self, batch: FrameBatch) -> None:
        """Put a batch into the source and wait for its confirmation."""
        source = self.source
        count = len(source.confirmed)
        source.put(batch)
        await self.until(lambda: len(source.confirmed) > count)

    def frames(
        self,
        voltages: Sequence[float],
        *,
        t_ns: int | None = None,
        boot: int = 1_795_331_600,
        quality: Quality = Quality.NONE,
        cursor: str | None = None,
        seq: int | None = None,
        mode: float = 1.0,
    ) -> FrameBatch:
        """One hk packet a second from `t_ns` (default: now) on."""
        start = self.clock.now_ns() if t_ns is None else t_ns
        first = self.seq if seq is None else seq
        layout = self.mission.bus_of(SATELLITE).layouts["hk"]
        made = [
            Frame(
                SATELLITE,
                boot,
                first + i,
                start + i * NS_PER_S,
                self.clock.now_ns(),
                int(quality),
                layout,
                np.array([voltage, mode]),
            )
            for i, voltage in enumerate(voltages)
        ]
        self.seq = max(self.seq, first + len(made))
        return FrameBatch.of(made, cursor)

    def read(self, question: Callable[[StoreReader], Any]) -> Any:
        """Ask the store through a connection of its own."""
        reader = StoreReader(self.directory.telemetry)
        try:
            return question(reader)
        finally:
            reader.close()

    def events(self, kind: str = "") -> list[Event]:
        """The journal, oldest first."""
        return [event for event in self.read(lambda r: r.journal()) if event.kind.startswith(kind)]

    def ask(self, kind: str, body: dict[str, Any], actor: str = "ann") -> str:
        """Leave a request."""
        inbox = Inbox(self.directory.inbox)
        try:
            return inbox.submit(kind, body, actor, self.clock.now_ns())
        finally:
            inbox.close()

    def waiting_requests(self) -> int:
        inbox = Inbox(self.directory.inbox)
        try:
            return len(inbox.pending())
        finally:
            inbox.close()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path / "mission")
    yield made
    await made.close()


@pytest.fixture
def rig_mission(tmp_path: Path) -> Mission:
    (tmp_path / "mission.toml").write_text(TOML, encoding="utf-8")
    return read_mission(tmp_path)


@pytest.fixture
def make_rig() -> Callable[[Path, Callable[[str], str]], Rig]:
    """make_rig(path, toml_of): a rig whose mission.toml is made from the plain one. The test closes it."""
    return lambda path, toml_of: Rig(path, toml_of(TOML))


@pytest.fixture
async def governed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[governed_mission.Governed]:
    """Every challenger passes the gate: what becomes of it is an operator's business here."""
    monkeypatch.setattr("trainer.gate.judge_challenger", lambda *_: Verdict(None, {}))
    rig = Rig(tmp_path / "mission", governed_mission.TOML)
    await rig.start()
    made = governed_mission.Governed(rig)
    yield made
    if made.trainer is not None:
        made.trainer.close()
    await rig.close()


@pytest.fixture
async def bird(tmp_path: Path) -> AsyncIterator[governed_mission.Governed]:
    """Judged by a fusion, its first model serving; the gate is the real one."""
    rig = Rig(tmp_path / "mission", governed_mission.FUSION_TOML)
    await rig.start()
    made = governed_mission.Governed(rig)
    await made.fly(3000)
    assert (await made.retrain()).runs[0].decision == "promoted"
    yield made
    if made.trainer is not None:
        made.trainer.close()
    await rig.close()
