"""A replica on a link in memory, on a clock that a test moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cubesat_tui.link_opening import Opened
from cubesat_tui.replica import Replica
from cubesat_tui.snapshot import Snapshot
from cubesat_tui.snapshot_reader import SnapshotReader
from telemetry.alarms import Event
from telemetry.clock import ManualClock
from telemetry.dictionary import read_mission
from telemetry.store.directory import MissionDirectory
from telemetry.store.inbox import Inbox
from telemetry.store.reader import StoreReader
from tests.cubesat_tui.memory_link import MemoryLink, MemoryServer


class Mirror:
    """One replica's directory, and the replicas that run on it one after the other."""

    def __init__(self, path: Path, toml: str, server: MemoryServer, clock: ManualClock, uid: str = "u1") -> None:
        self.directory = MissionDirectory(path)
        self.directory.create()
        self.directory.toml.write_text(toml, encoding="utf-8")
        self.mission = read_mission(path)
        self.server, self.clock, self.uid = server, clock, uid
        self.replica: Replica
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> Replica:
        self.replica = Replica(
            self.directory,
            self.mission,
            "firebase",
            lambda *_: Opened(MemoryLink(self.server, self.uid)),
            clock=self.clock,
            operator="bob",
            wait_for_lock_s=0.0,
        )
        ready = asyncio.Event()
        self._task = asyncio.create_task(self.replica.run(ready=ready.set))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        waiting.cancel()
        if self._task.done():
            self._task.result()
        return self.replica

    async def stop(self) -> None:
        assert self._task is not None
        self.replica.stop()
        await asyncio.wait_for(self._task, 10)
        self._task = None

    async def kill(self) -> None:
        """End it as a signal would: nothing is finished."""
        assert self._task is not None
        self.replica.intake.finish = lambda: None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None

    async def close(self) -> None:
        if self._task is not None and not self._task.done():
            await self.stop()

    @property
    def finished(self) -> bool:
        """Whether it ended by itself."""
        return self._task is not None and self._task.done()

    async def until(self, true: Callable[[], Any], seconds: float = 0.02) -> None:
        """Let time pass, `seconds` a step, until something is so; fails after 10 real seconds."""
        deadline = time.monotonic() + 10
        while not true():
            if self.finished:
                assert self._task is not None
                self._task.result()
            if time.monotonic() > deadline:
                pytest.fail("it never became so")
            self.clock.advance(seconds)
            await asyncio.sleep(0.002)

    def read(self, question: Callable[[StoreReader], Any]) -> Any:
        reader = StoreReader(self.directory.telemetry)
        try:
            return question(reader)
        finally:
            reader.close()

    def events(self, kind: str = "") -> list[Event]:
        return [event for event in self.read(lambda r: r.journal()) if event.kind.startswith(kind)]

    def frames(self) -> int:
        return int(self.read(lambda r: r.frames_accepted()))

    def body(self) -> dict[str, Any]:
        """Of the newest heartbeat."""
        return dict(self.read(lambda r: r.health()).body)

    def snapshot(self) -> Snapshot:
        return snapshot_of(self.directory, self.clock)

    def ask(self, kind: str, body: dict[str, Any], actor: str = "bob") -> str:
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


def snapshot_of(directory: MissionDirectory, clock: ManualClock) -> Snapshot:
    reader = SnapshotReader(directory, clock)
    try:
        return reader.read()
    finally:
        reader.close()
