"""What is usual at an edge: a step that comes at about a place is expected on either side of it."""

from __future__ import annotations

import numpy as np

from telemetry.frame import Float64s
from trainer.usual import ENVELOPE, NEIGHBOURS, Place, learn_usual

BINS, BIN_ROWS, TURNS = 40, 16, 2
LIT, DARK = 5.2, 0.1
FIRST, LAST = 20, 24
"""Places in the dark, of an orbit that lies in the light: the shade of another panel."""


def _orbits(rows: int = 0) -> tuple[Float64s, Place]:
    """Orbits whose shade ends and begins where a place does, but for the last one: it comes `rows` late."""
    n = BINS * BIN_ROWS
    bins = np.tile(np.repeat(np.arange(1, BINS + 1), BIN_ROWS), TURNS)
    dark = (bins >= FIRST) & (bins <= LAST)
    dark[-n:] = np.roll(dark[-n:], rows)
    value = np.where(dark, DARK, LIT) + 0.002 * np.random.default_rng(1).standard_normal(TURNS * n)
    features = np.stack([value, value, np.full(len(value), 0.002)], axis=1)[:, None]
    turn = np.repeat(np.arange(TURNS, dtype=np.int64), n)
    return features, Place(bins, np.ones(len(bins), dtype=np.intp), turn)


def _deviations(features: Float64s, place: Place, *, exact: bool) -> Float64s:
    known, where = _orbits()
    usual = learn_usual(known, where, BINS, 1, np.array([0.002]), exact=exact)
    spread = np.maximum(usual.spread[place.bins], usual.key_spread[place.key])
    return np.abs((features - usual.centre[place.bins]) / spread)[:, 0, 0]


def test_a_shade_that_comes_late_is_usual_and_one_elsewhere_is_not() -> None:
    for rows in (-20, 3, 20):
        late = _deviations(*_orbits(rows), exact=True)
        assert late.max() <= ENVELOPE + 0.1
    features, place = _orbits()
    features[(place.bins == FIRST - NEIGHBOURS - 3), 0, :2] = DARK
    assert _deviations(features, place, exact=True).max() > 6


def test_a_forest_is_as_strict_as_it_was() -> None:
    assert _deviations(*_orbits(20), exact=False).max() > 6
