"""The one forest of a model, over the deviations of all its channels. Imports scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainer.fitting import ROWS, fit_forest, with_background
from trainer.prepared import learn_setting, prepare, sampled

if TYPE_CHECKING:
    from telemetry.frame import Float64s
    from trainer.fitting import IsolationForest
    from trainer.prepared import Part
    from trainer.window import Window


def grow(parts: list[Part], seed: int, trees: int) -> IsolationForest:
    """A forest grown on some of the rows of all packets, one channel of one row each."""
    rng = np.random.default_rng(seed)
    found: list[Float64s] = []
    for part in parts:
        rows = np.flatnonzero(part.thinned)
        rows = rng.choice(rows, min(len(rows), ROWS), replace=False)
        z = part.normalised(rows).reshape(-1, 3)
        found.append(z[np.isfinite(z).all(axis=1)])
    return fit_forest(with_background(np.concatenate(found), rng), seed, trees)


def grow_again(window: Window, *, fusion: bool, seed: int, trees: int) -> IsolationForest | None:
    """The forest that a fit of all channels of `window` grows; None where no channel of it can be judged.

    `fusion`: of a model of that kind, which tells places apart more finely.
    """
    packets = sampled(window)
    setting = learn_setting(window, packets, pairs=fusion)
    bounds_ns = window.bounds_ns
    prepared = (prepare(packet, setting, bounds_ns, None, exact=fusion) for packet in packets)
    parts = [part for part in prepared if part is not None]
    return grow(parts, seed, trees) if parts else None
