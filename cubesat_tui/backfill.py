"""Six orbits of history for a new simulated mission, written behind the live frames.

The history ends where the live simulation begins. How far it came is a cursor of the store, committed with the
frames, so a station that was killed half-way goes on; frames that were stored already count as duplicates.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from telemetry.frame import FrameBatch

if TYPE_CHECKING:
    from sim.history import Past
    from telemetry.dictionary import Mission

CURSOR = "history"
ORBITS = 6.0
CHUNK_FRAMES = 2_000
PAUSE_S = 0.02
"""Between two chunks, so that live frames and requests get their turn."""


@dataclass(frozen=True, slots=True)
class Backfill:
    """What is left to do. `t_end_ns`: where the history ends, which is where the live frames began."""

    t_end_ns: int
    done: bool = False

    def cursor(self) -> str:
        """Text kept in the store."""
        return json.dumps({"t_end_ns": self.t_end_ns, "done": self.done})

    @staticmethod
    def is_done(cursor: str | None) -> bool:
        """Whether a stored cursor says that nothing is left to do."""
        return cursor is not None and Backfill.of(cursor, 0).done

    @staticmethod
    def of(cursor: str | None, now_ns: int) -> Backfill:
        """Read a stored cursor; without one the history ends now."""
        if cursor is None:
            return Backfill(now_ns)
        body: dict[str, Any] = json.loads(cursor)
        return Backfill(int(body["t_end_ns"]), bool(body["done"]))


def has_history(mission: Mission) -> bool:
    """Whether a new mission is given a past: a simulated one of a few satellites.

    A larger fleet begins in states of its own, which no history leads up to; and six orbits of a hundred satellites
    are eight million frames that nobody has asked for.
    """
    if not mission.flown_here:
        return False
    from sim.source import HISTORIES

    return len(mission.satellites) < HISTORIES


def pieces(batch: FrameBatch) -> Iterator[FrameBatch]:
    """`batch` in pieces of at most 2,000 frames, so that no transaction holds the store for long."""
    import numpy as np

    for start in range(0, len(batch), CHUNK_FRAMES):
        yield batch.take(np.arange(start, min(start + CHUNK_FRAMES, len(batch))))


async def in_thread(batches: Iterator[FrameBatch]) -> FrameBatch | None:
    """The next batch, computed off the loop; None at the end."""
    return await asyncio.to_thread(next, batches, None)


def past_of(mission: Mission, satellite: str, t_end_ns: int) -> Past:
    """The past six orbits: frames, oldest first, and then what happened in them, handled long before now."""
    from sim.history import Past

    return Past(mission, satellite, t_end_ns, ORBITS, mission.source.seed)
