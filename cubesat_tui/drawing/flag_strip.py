"""The share of flagged rows over time in one line: digits or bars of height, never colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from cubesat_tui.drawing.rows import Row, left, right, row
from cubesat_tui.drawing.signs import SignSet

if TYPE_CHECKING:
    from telemetry.store.flagged import Flagged

NONE, UNJUDGED, NO_ROW = ".", "?", " "
"""Judged and nothing flagged; rows that no model has judged; no row at all."""
_DIGITS = "123456789#"


class FlagShare(msgspec.Struct, frozen=True):
    """Of each cell: flagged rows, rows, and whether a model judged them. `packet`: whose rows are counted."""

    packet: str
    flagged: tuple[int, ...]
    rows: tuple[int, ...]
    judged: tuple[bool, ...]

    @property
    def share(self) -> float | None:
        """Of all rows in view; None where no model judged any."""
        rows = sum(n for n, judged in zip(self.rows, self.judged, strict=True) if judged)
        return sum(self.flagged) / rows if rows else None


def flag_share(found: Flagged, rows: Sequence[int], packet: str, cells: int) -> FlagShare:
    """Bins brought together to `cells`. Flagged rows beyond the valid values of a bin count as rows of it."""
    count = len(found.count)
    whole = np.maximum(np.asarray(rows, dtype=np.int64), found.count)
    first = np.minimum(np.arange(cells) * count // max(1, cells), count - 1)
    return FlagShare(
        packet,
        tuple(np.add.reduceat(found.count, first).tolist())
        if cells <= count
        else tuple(found.count[first].tolist()),
        tuple(np.add.reduceat(whole, first).tolist()) if cells <= count else tuple(whole[first].tolist()),
        tuple(np.logical_or.reduceat(found.judged, first).tolist())
        if cells <= count
        else tuple(found.judged[first].tolist()),
    )


def share_sign(flagged: int, rows: int, judged: bool, signs: SignSet) -> str:
    """One cell: a bar that rises (in ASCII tenths, `#` for all), so that a share is read without colour."""
    if rows == 0:
        return NO_ROW
    if not judged:
        return UNJUDGED
    if flagged == 0:
        return NONE
    levels = _DIGITS if signs.ascii else signs.sparks
    # Rounded up: one flagged row is never drawn as none.
    return levels[min(len(levels) - 1, -(-flagged * len(levels) // rows) - 1)]


def percent(share: float) -> str:
    """`0%`, `<0.1%`, `0.4%`, `12%`."""
    if 0 < share < 0.001:
        return "<0.1%"
    return f"{share * 100:.1f}%" if 0 < share < 0.0995 else f"{share * 100:.0f}%"


def strip_row(found: FlagShare | None, axis: int, cells: int, names: int, signs: SignSet) -> Row:
    """`flagged│...▁▃█..???  3.1% of hk`; blank while it is being read."""
    upright = "|" if signs.ascii else "│"
    head = (right("flagged", axis - 1) + upright, "dim")
    if found is None or found.share is None:
        words = "" if found is None else "not judged"
        return row(head, (" " * cells, "dim"), (" " + left(words, names - 1), "dim"))
    cellwise = zip(found.flagged, found.rows, found.judged, strict=True)
    text = "".join(share_sign(f, n, j, signs) for f, n, j in cellwise)
    words = f"{percent(found.share)} of {found.packet}".rstrip()
    style = "anomaly" if any(found.flagged) else "dim"
    return row(head, (left(text, cells), style), (" " + left(words, names - 1), "label" if found.share else "dim"))
