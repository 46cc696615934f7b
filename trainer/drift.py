"""How far what is measured now lies from what was learned: population stability index, over ten equal parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from telemetry.frame import Float64s

if TYPE_CHECKING:
    from trainer.served import Scorer

PARTS = 10
LEAST = 20
"""Values on either side below which nothing is said."""


def stability_index(reference: Float64s, newest: Float64s) -> float:
    """Population stability index of `newest` against `reference`, in ten equal parts of the reference."""
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, PARTS + 1)[1:-1]))
    was = np.bincount(np.searchsorted(edges, reference, side="right"), minlength=len(edges) + 1) / len(reference)
    now = np.bincount(np.searchsorted(edges, newest, side="right"), minlength=len(edges) + 1) / len(newest)
    was, now = np.maximum(was, 1e-3), np.maximum(now, 1e-3)
    return float(np.sum((now - was) * np.log(now / was)))


def score_drift(champion: Scorer, scores: Float64s) -> float | None:
    """Of new row scores against the champion's calibration; None where there are too few."""
    reference = max((packet.calibration for packet in champion.packets.values()), key=len)
    known = scores[np.isfinite(scores)]
    return None if min(len(known), len(reference)) < LEAST else stability_index(reference, known)
