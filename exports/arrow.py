"""numpy columns as Arrow arrays, without a copy and without `pyarrow.array`.

That function imports pandas at its first call where pandas is installed: two CPU seconds and 60 MB of which an
exporter needs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from telemetry.frame import Float64s, Int64s
from telemetry.store.rows import Bools

TIME = pa.timestamp("ns", "UTC")
WORD = pa.dictionary(pa.int32(), pa.string())


def floats(values: Float64s, missing: Bools | None = None) -> pa.Array:
    """float64[n], null where `missing`."""
    return _fixed(pa.float64(), values, missing)


def integers(values: Int64s, missing: Bools | None = None) -> pa.Array:
    """int64[n], null where `missing`."""
    return _fixed(pa.int64(), values, missing)


def times(ns: Int64s) -> pa.Array:
    """UTC nanoseconds."""
    return _fixed(TIME, ns, None)


def strings(words: Sequence[str]) -> pa.Array:
    """Text, none of it null."""
    encoded = [word.encode() for word in words]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.Array.from_buffers(
        pa.string(), len(words), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    )


def chosen(codes: Int64s | npt.NDArray[np.int32], words: Sequence[str], missing: Bools | None = None) -> pa.Array:
    """Text as codes into `words`, null where `missing`."""
    indices = _fixed(pa.int32(), codes.astype(np.int32), missing)
    return pa.DictionaryArray.from_arrays(indices, strings(words))


def _fixed(kind: pa.DataType, values: npt.NDArray[np.generic], missing: Bools | None) -> pa.Array:
    validity = None
    if missing is not None and missing.any():
        validity = pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [validity, pa.py_buffer(np.ascontiguousarray(values))])
