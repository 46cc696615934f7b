"""The simulator as a source that ends by itself, and may begin in the past."""

from __future__ import annotations

from typing import Final

from sim.source import SimSource
from telemetry.clock import Clock
from telemetry.dictionary import Mission

FASTEST: Final = 1e6
"""A rate no machine reaches."""


class BoundedSource(SimSource):
    """A `SimSource` that ends after `lasts_s` seconds of generation time; None: it goes on for ever.

    Without a cursor it begins at the UTC second `start_s`, which is for rates other than 1 only.

    Raises:
        ValueError: as `SimSource`.
    """

    def __init__(
        self,
        mission: Mission,
        cursor: str | None,
        clock: Clock,
        rate: float,
        lasts_s: int | None,
        start_s: int | None = None,
    ) -> None:
        self._start_s = start_s
        super().__init__(mission, cursor, clock, rate)
        self.first_s = self.next_s
        self.end_s = None if lasts_s is None else self.next_s + lasts_s

    def _now_s(self) -> int:
        return super()._now_s() if self._start_s is None else self._start_s

    def _due(self) -> int:
        due = super()._due()
        return due if self.end_s is None else min(due, self.end_s - 1)

    async def _sleep(self) -> None:
        if self.end_s is not None and self.next_s >= self.end_s:
            await self.close()
            return
        await super()._sleep()
