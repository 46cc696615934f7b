"""How Live shares out the rows of an 80-column screen. Pure numbers."""

from __future__ import annotations

from typing import NamedTuple


class LiveHeights(NamedTuple):
    """Rows of the pinned list, the why, the trend and the panel; all 0 where the wide layout needs no sharing."""

    needs: int = 0
    why: int = 0
    trend: int = 0
    panel: int = 0


def pinned(alarms: int, screen_rows: int) -> int:
    """How many of the open alarms are pinned on top of a screen of `screen_rows`."""
    return min(alarms, 3 if screen_rows >= 22 else 2 if screen_rows >= 16 else 1)


def heights(alarms: int, screen_rows: int) -> LiveHeights:
    """Small screens lose the trend first, then the why; what is pinned stays."""
    rows = screen_rows - 3
    needs = 2 if not alarms else 1 + pinned(alarms, screen_rows)
    why = 2 if rows >= 12 and alarms else 0
    left = rows - 1 - needs - why
    trend = 0 if left < 10 else min(left - 6, 4 + left // 4)
    return LiveHeights(needs, why, trend, max(1, left - trend))
