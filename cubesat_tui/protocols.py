"""What the app expects of others: a station, a source of snapshots, and what some screens can do beside showing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from concurrent.futures import Future

    from cubesat_tui.snapshot import Snapshot


class OwnStation(Protocol):
    """The station of the console's process, which holds its mission and waits for the console to stand."""

    def start(self) -> Future[None]:
        """Start it; done once its store is open, or with the error that prevented it."""
        ...


class Snapshots(Protocol):
    """Where snapshots come from; called on one reader thread."""

    def poll(self, fleet: bool = False) -> Snapshot | None:
        """The newest snapshot, or None when nothing on screen would change; `fleet`: with all satellites."""
        ...

    def focus(self, satellite: str) -> None:
        """Look at another satellite from the next snapshot on."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class FindsAnomalies(Protocol):
    """A screen that can select the next open anomaly."""

    def next_anomaly(self, step: int) -> None: ...


@runtime_checkable
class SelectsChannel(Protocol):
    """A screen that plots one channel."""

    def select(self, channel: str) -> None:
        """Plot `channel`; a name it does not know changes nothing."""
        ...


@runtime_checkable
class Filters(Protocol):
    """A screen whose rows a query selects."""

    def apply_filter(self, text: str) -> None: ...
