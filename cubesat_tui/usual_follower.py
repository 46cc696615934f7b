"""Keeps what is usual for the plotted channel at hand: when to read it again, and whose it is.

Light, so that a screen can hold one from the start; the first question loads the model, on the reader thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cubesat_tui.feature_space import ServedModel
    from cubesat_tui.snapshot import Snapshot
    from cubesat_tui.store_view import StoreView
    from cubesat_tui.usual_here import UsualHere
    from telemetry.store.directory import MissionDirectory

EVERY_NS = 10_000_000_000
"""A band that ends now is read again this often: another mode may have begun. It reaches far enough ahead."""


class Asked(NamedTuple):
    """A stretch of a channel: `bins` bins of `step_ns`, number `first` (counted from the epoch) and following."""

    satellite: str
    channel: str
    version: int
    sha256: str | None
    step_ns: int
    first: int
    bins: int

    def covers(self, first: int, bins: int) -> bool:
        """Whether these bins are among its own."""
        return self.first <= first and first + bins <= self.first + self.bins


class UsualFollower:
    """What is usual for one channel at a time."""

    def __init__(self, directory: MissionDirectory) -> None:
        self._models = directory.models
        self._served: ServedModel | None = None
        self._found: UsualHere | None = None
        self._at_ns = 0
        self._reading = False

    def of(self, snapshot: Snapshot, channel: str) -> UsualHere | None:
        """For `channel` by the model that scores now; None where it was not read yet."""
        of = (snapshot.satellite, channel, snapshot.model.version, snapshot.model.sha256)
        return self._found if self._found is not None and self._found.asked[:4] == of else None

    def due(self, snapshot: Snapshot, channel: str, span: tuple[int, int], bins: int, live: bool) -> Asked | None:
        """What is to be read so that the plot of [t0, t1) in `bins` bins has its band; None: nothing.

        `live`: the plot ends now.
        """
        model, step = snapshot.model, (span[1] - span[0]) // bins
        if model.version is None or self._reading:
            return None
        first, slack = span[0] // step, 1 - (-EVERY_NS // step)
        asked = Asked(snapshot.satellite, channel, model.version, model.sha256, step, first, bins + slack)
        before = self._found.asked if self._found is not None else None
        known = before is not None and before[:5] == asked[:5] and before.covers(first, bins)
        old = live and abs(snapshot.now_ns - self._at_ns) >= EVERY_NS
        return asked if not known or old else None

    async def read(self, view: StoreView, snapshot: Snapshot, asked: Asked) -> None:
        """Read it on the view's thread. A model that cannot be read is said in words, not raised."""
        from cubesat_tui.feature_space import ServedModel
        from cubesat_tui.usual_here import usual_here

        served = self._served = self._served or ServedModel(self._models)
        bus = snapshot.mission.bus_of(asked.satellite)
        self._reading, self._at_ns = True, snapshot.now_ns
        try:
            self._found = await view.ask(lambda reader: usual_here(reader, served, bus, asked))
        finally:
            self._reading = False
