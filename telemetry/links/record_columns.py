"""Columns of numbers as JSON and back, bit for bit, in as few characters as it takes.

Whole numbers are the first one and then differences; where the list is shorter than the column its last difference
repeats, none if there is none: a second a row is `[t, 1000000000]`, a boot `[1790000000]`. Values are decimals, as
short as they come back exactly, with null for NaN and "inf", "-inf"; a shorter list repeats its last value. What an
analogue converter sent has few decimals: such a column is smaller as whole numbers of 10^-d,
`{"d": 2, "i": [...]}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
import numpy as np

from telemetry.frame import Float64s, Int64s
from telemetry.links.link_keys import MOST_ROWS

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Length = msgspec.Meta(min_length=1, max_length=MOST_ROWS)
Integers = Annotated[list[Int64], _Length]
"""The first of a column, then differences."""
Decimals = Annotated[list[float | Literal["inf", "-inf"] | None], _Length]
_MOST_DECIMALS = 9


class Scaled(msgspec.Struct):
    """A column of `i` / 10^`d`."""

    d: Annotated[int, msgspec.Meta(ge=0, le=_MOST_DECIMALS)]
    i: Integers


Values = Scaled | Decimals


def integers(column: Int64s) -> list[int]:
    """A column of at least one whole number as its first and differences (modulo 2^64)."""
    steps = np.diff(column)
    kept = 0
    if len(steps):
        kept = _without_repeats(steps)
        if kept == 1 and steps[0] == 0:
            kept = 0
    return [int(column[0]), *steps[:kept].tolist()]


def integers_of(listed: Sequence[int], n: int) -> Int64s:
    """The column of `n` whole numbers that `integers` wrote.

    Raises:
        ValueError: more than `n` are listed, or none.
    """
    if not 1 <= len(listed) <= n:
        raise ValueError(f"{len(listed)} numbers in a column of {n}")
    steps = np.zeros(n, dtype=np.int64)
    steps[: len(listed)] = listed
    if len(listed) > 1:
        steps[len(listed) :] = listed[-1]
    return np.cumsum(steps)


def decimals(column: Float64s) -> Decimals:
    """A column of at least one value as decimals."""
    column = column[: _without_repeats(np.ascontiguousarray(column).view(np.int64))]
    listed: Decimals = column.tolist()
    for at in np.flatnonzero(np.isinf(column)).tolist():
        listed[at] = "inf" if column[at] > 0 else "-inf"
    return listed


def values(table: Float64s, *, readable: bool = False) -> list[Values]:
    """The columns of `table` (n rows, at least one): the shortest way, or decimals only."""
    columns = np.ascontiguousarray(table.T, dtype=np.float64)
    written: list[Values | None] = [None] * len(columns)
    if not readable:
        for at, d, whole in _scaled(columns):
            written[at] = Scaled(d, integers(whole))
    return [decimals(column) if one is None else one for one, column in zip(written, columns, strict=True)]


def values_of(written: Sequence[Values], n: int) -> Float64s:
    """The table of `n` rows and a column for each of `written`.

    Raises:
        ValueError: a column has more than `n` rows, or none.
    """
    table = np.empty((n, len(written)), dtype=np.float64)
    for at, column in enumerate(written):
        if isinstance(column, Scaled):
            table[:, at] = integers_of(column.i, n) / 10.0**column.d
            continue
        if not 1 <= len(column) <= n:
            raise ValueError(f"{len(column)} values in a column of {n}")
        listed = np.array(column, dtype=np.float64)
        table[: len(listed), at] = listed
        table[len(listed) :, at] = listed[-1]
    return table


def _scaled(columns: Float64s) -> list[tuple[int, int, Int64s]]:
    """(column, d, whole numbers) of columns that are exactly whole numbers of 10^-d.

    Exactly: n / 10^d is rounded correctly for |n| < 2^53 and d <= 22, so it is the same double as the decimal.
    """
    found: list[tuple[int, int, Int64s]] = []
    # Minus zero and NaN are no whole numbers; neither comes back from one.
    open_ = np.flatnonzero((np.isfinite(columns) & ~(np.signbit(columns) & (columns == 0))).all(axis=1))
    with np.errstate(over="ignore"):
        for d in range(_MOST_DECIMALS + 1):
            if not len(open_):
                break
            wanted = columns[open_]
            whole = np.rint(wanted * 10.0**d)
            fits = ((np.abs(whole) < 2**53) & (whole / 10.0**d == wanted)).all(axis=1)
            found += [(int(open_[i]), d, whole[i].astype(np.int64)) for i in np.flatnonzero(fits).tolist()]
            open_ = open_[~fits]
    return found


def _without_repeats(column: Int64s) -> int:
    """How many of a column are needed when the last one repeats."""
    different = np.flatnonzero(column != column[-1])
    return int(different[-1]) + 2 if len(different) else 1
