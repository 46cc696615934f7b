"""A station inside the console's process: its own event loop, in a thread named `station`.

What can refuse it is asked before the console takes the screen (`hold`); what it costs, its imports included, is
spent once the console stands there (`start`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol

from cubesat_tui.roles import STATION, claim_role
from telemetry.store.directory import MissionHeld, MissionLock
from telemetry.store.writer import StoreWriter

if TYPE_CHECKING:
    from telemetry.clock import Clock
    from telemetry.store.directory import MissionDirectory

STOP_TIMEOUT_S = 1.8


class Runs(Protocol):
    """What takes a mission and runs: a station, or a replica of one."""

    async def run(self, ready: Callable[[], None]) -> None:
        """Until stopped; `ready` is called once its store is open."""
        ...

    def stop(self) -> None:
        """End `run`; for the thread it runs on."""
        ...


class StationThread:
    """Runs the station that `make` returns. Everything of it, its store writer included, lives on that thread."""

    def __init__(
        self, directory: MissionDirectory, clock: Clock, make: Callable[[MissionLock], Runs], role: str = STATION
    ) -> None:
        """`make` is called on the station's thread and hands the lock, held already, to the station.

        `role`: what the directory is for, as of `cubesat_tui.roles`.
        """
        self._role = role
        self._directory = directory
        self._clock = clock
        self._make = make
        self._lock = MissionLock(directory.station_lock)
        self._thread = threading.Thread(target=self._main, name="station", daemon=True)
        self._gate = threading.Lock()
        self._leaving = False
        self._begun: Future[None] = Future()
        # From now on nobody who waits for it can cancel it.
        self._begun.set_running_or_notify_cancel()
        self._station: Runs | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.failure: BaseException | None = None
        """Why the station ended, where it was not asked to."""

    @property
    def alive(self) -> bool:
        """True while the mission is held for the station: before it has started, and until it ends."""
        return self._lock.held

    def hold(self) -> None:
        """Take the mission, and make its store or bring it up to date.

        Raises:
            telemetry.store.directory.MissionHeld: another station runs here.
            telemetry.store.errors.StoreError: the store cannot be used; `WrongRole` where it is for something else.
        """
        if not self._lock.acquire():
            raise MissionHeld(self._directory.path)
        try:
            writer = StoreWriter(self._directory.telemetry, self._clock)
            try:
                claim_role(self._directory, writer, self._role)
            finally:
                writer.close()
        except BaseException:
            self._lock.release()
            raise

    def start(self) -> Future[None]:
        """Start it, unless it was stopped; done once its store is open, or with the error that prevented it."""
        with self._gate:
            if not self._leaving:
                self._thread.start()
        return self._begun

    def stop(self, timeout: float = STOP_TIMEOUT_S) -> bool:
        """Stop source, commit, close children, let go of the mission. False when it takes longer than `timeout`."""
        with self._gate:
            self._leaving = True
            started = self._thread.ident is not None
        if not started:
            self._lock.release()
            return True
        loop, station = self._loop, self._station
        if loop is not None and station is not None and self._thread.is_alive():
            try:
                loop.call_soon_threadsafe(station.stop)
            except RuntimeError:
                # The loop closed between the look and the call: it has ended by itself.
                pass
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:  # noqa: BLE001  # handed to those who wait, whatever it is
            self.failure = error
            if not self._begun.done():
                self._begun.set_exception(error)
        finally:
            self._lock.release()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        station = self._make(self._lock)
        self._station = station
        if self._leaving:
            # Asked for before there was a station to ask.
            station.stop()
        await station.run(ready=lambda: self._begun.set_result(None))
