"""Summaries of blocks, and of blocks of blocks, say what the frames themselves say."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from telemetry.store.blocks import FINE, fine_blocks, merge_blocks, read_blocks


def summary(ids, t, column, invalid):
    """(low, high, first, last, count) of one channel, slowly."""
    rows = sorted((t[i], ids[i], column[i]) for i in range(len(ids)) if not invalid[i])
    if not rows:
        return (np.nan, np.nan, np.nan, np.nan, 0)
    values = [value for _, _, value in rows]
    return (min(values), max(values), values[0], values[-1], len(rows))


@given(st.integers(0, 2**32), st.integers(1, 5), st.sampled_from([0.0, 0.3, 0.95, 1.0]), st.booleans())
def test_blocks_and_their_merger_equal_a_slow_reading(seed, blocks, share_invalid, in_order):
    draw = np.random.default_rng(seed)
    n = blocks * FINE
    ids = np.cumsum(draw.integers(1, 4, n))
    t = np.arange(n) * 10 if in_order else draw.integers(0, 50, n) * 10
    values = draw.normal(size=(n, 3)).round(1)
    invalid = draw.random((n, 3)) < share_invalid
    values[invalid & (draw.random((n, 3)) < 0.5)] = np.nan
    fine = fine_blocks(ids, t, values, invalid)
    merged = merge_blocks(fine)
    kept = read_blocks(
        [
            (int(a), int(b), int(c), int(d), stats)
            for a, b, c, d, stats in zip(fine.first_id, fine.last_id, fine.t0, fine.t1, fine.stats(), strict=True)
        ],
        3,
    )
    for found, rows in [(kept, slice(i * FINE, (i + 1) * FINE)) for i in range(blocks)] + [(merged, slice(0, n))]:
        i = 0 if found is merged else rows.start // FINE
        assert (found.first_id[i], found.last_id[i]) == (ids[rows][0], ids[rows][-1])
        assert (found.t0[i], found.t1[i]) == (t[rows].min(), t[rows].max())
        for j in range(3):
            wanted = summary(ids[rows], t[rows], values[rows, j], invalid[rows, j])
            got = [found.low[i, j], found.high[i, j], found.first[i, j], found.last[i, j], found.count[i, j]]
            np.testing.assert_array_equal(got, wanted)
