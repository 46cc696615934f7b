"""A station inside the console's process: its own event loop, in a thread named `station`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cubesat_tui.station import Station

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 1.8


class StationThread:
    """Runs the station that `make` returns. Everything of it, its store writer included, lives on that thread."""

    def __init__(self, make: Callable[[], Station]) -> None:
        self._make = make
        self._thread = threading.Thread(target=self._main, name="station", daemon=True)
        self._begun = threading.Event()
        self._station: Station | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.failure: BaseException | None = None
        """Why the station ended, where it was not asked to."""

    @property
    def alive(self) -> bool:
        """True while the station runs."""
        return self._thread.is_alive()

    def start(self, timeout: float = START_TIMEOUT_S) -> None:
        """Return once the station holds its mission and its store is open.

        Raises:
            telemetry.store.directory.MissionHeld: another station runs here.
            telemetry.store.errors.StoreError: the store cannot be used.
            TimeoutError: it did not come up in time.
        """
        self._thread.start()
        if not self._begun.wait(timeout):
            raise TimeoutError(f"the station did not start within {timeout:.0f} s")
        if self.failure is not None:
            raise self.failure

    def stop(self, timeout: float = STOP_TIMEOUT_S) -> bool:
        """Stop source, commit, close children, let go of the mission. False when it takes longer than `timeout`."""
        loop, station = self._loop, self._station
        if loop is not None and station is not None and self._thread.is_alive():
            try:
                loop.call_soon_threadsafe(station.stop)
            except RuntimeError:
                # The loop closed between the look and the call: it has ended by itself.
                pass
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:  # noqa: BLE001  # handed to the thread that waits, whatever it is
            self.failure = error
        finally:
            self._begun.set()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        station = self._make()
        self._station = station
        await station.run(ready=self._begun.set)
