"""Neighbouring columns of short decimals as text, twice as fast as float by float and with the same result.

Sensors have a resolution, so most channels hold multiples of 0.001. Such a value is exactly `q / 1000` for an
integer q, and up to 15 digits no two decimals share a double: the digits of q are the shortest text of the value.
They are looked up, eight bytes for a whole part and four for a fraction, and the unused bytes are squeezed out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from telemetry.frame import Float64s

LIMIT = 1 << 15
"""Whole parts below this are in the table; then come the negative ones, and last the empty cell."""
_EMPTY = 2 * LIMIT
_WORDS = 3

Indices = npt.NDArray[np.int32]


def _table(words: Sequence[str], width: int) -> npt.NDArray[np.void]:
    return np.array([word.encode() for word in words], dtype=f"S{width}").view(f"V{width}")


_WHOLE = (
    _table([f",{sign}{n}" for sign in ("", "-") for n in range(LIMIT)] + [","], 8).view(np.uint32).reshape(-1, 2)
)
_FRACTION = _table([f".{n:03d}".rstrip("0").rstrip(".") for n in range(1000)], 4).view(np.uint32)


def short_decimals(values: Float64s) -> tuple[Indices, Indices] | None:
    """Table places of the whole parts and fractions of `values`, where NaN is an empty cell.

    None when one of them is no multiple of 0.001 below `LIMIT`.
    """
    empty = np.isnan(values)
    with np.errstate(over="ignore"):
        thousandths = np.rint(values * 1000)
    # The division is correctly rounded, so equality is exact; infinity is refused by the second comparison.
    if not (((thousandths / 1000 == values) & (np.abs(values) < LIMIT)) | empty).all():
        return None
    digits = np.abs(np.where(empty, 0.0, thousandths)).astype(np.int32)
    whole = digits // 1000
    fraction = digits - 1000 * whole
    whole += np.signbit(values) * np.int32(LIMIT)
    whole[empty] = _EMPTY
    return whole, fraction


def joined(columns: Sequence[tuple[Indices, Indices]]) -> pa.Array:
    """Cells of each row, separated by commas, as one text; `columns` come from `short_decimals`."""
    rows = len(columns[0][0])
    cells = np.empty((rows, len(columns), _WORDS), dtype=np.uint32)
    for i, (whole, fraction) in enumerate(columns):
        cells[:, i, :2] = _WHOLE[whole]
        cells[:, i, 2] = _FRACTION[fraction]
    signs = cells.view(np.uint8).reshape(rows, -1)
    signs[:, 0] = 0
    used = signs != 0
    offsets = np.zeros(rows + 1, dtype=np.int32)
    np.cumsum(used.sum(axis=1, dtype=np.int32), out=offsets[1:])
    return pa.Array.from_buffers(pa.string(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(signs[used])])
