"""Which channels an anomaly is about: how far each stands out by itself, and beyond what the others explain.

By itself: the deviation from what is usual at this place, in its usual size. Beyond the others: the movement of the
newest rows against the minute before, given the movements of the other channels of the packet (`trainer.joint`). A
channel that follows another one's fault is explained by it and falls behind; a break between channels shows only
here, since each is still where it may be. Both count, but what lies within `WITHIN` speaks no louder for it.

Measured on 32 faults flown by the simulator (16 string losses, 6 biases, 6 gain changes, 4 times noise), five rows
after the onset: the faulty channel came first of the 25 of its packet in all of them. A sensor that repeats its
last value moves nothing: there, who spoke (`trainer.verdict.MEMBERS`) says it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s
from trainer.joint import Joint, movements

ROWS = 8
"""Newest rows whose movements are looked at."""

WITHIN = 3.0
"""Usual sizes within which a deviation is nothing unusual."""


@dataclass(frozen=True, eq=False)
class Standing:
    """How k channels stand out at one row; NaN where not judged."""

    marginal: Float64s
    """Signed sigma of the value from what is usual here, shape (k,)."""
    conditional: Float64s
    """Signed sigma of its movement given the other channels, shape (k,); the marginal where nothing is known."""
    weight: Float64s
    """What channels are ranked by, shape (k,); 0 where not judged."""
    moved: Float64s
    """Its movement by itself, in the sigma that the other channels leave of it, shape (k,); 0 where not known."""


def standing(
    joint: Joint | None, columns: npt.NDArray[np.intp], z: Float64s, newest: Float64s, before: Float64s
) -> Standing:
    """Compare the channels of a row.

    Args:
        joint: of the judged channels; None where it was not learned.
        columns: of the judged channels among the k.
        z: normalised features of the row, shape (k, 3).
        newest: values up to the row, shape (m, k); the newest `ROWS` count.
        before: accepted rows before the episode, shape (u, k).
    """
    k = len(z)
    marginal, conditional, weight, moved = np.full(k, np.nan), np.full(k, np.nan), np.zeros(k), np.zeros(k)
    deviation = z[columns, 0]
    away = np.fmax(np.abs(deviation), np.abs(z[columns, 1]))
    if joint is None:
        marginal[columns], conditional[columns] = deviation, deviation
        weight[columns] = np.nan_to_num(np.nanmax(np.abs(z[columns]), axis=1, initial=0.0))
        return Standing(marginal, conditional, weight, moved)
    own = joint.marginal(deviation)
    movement = movements(newest[-ROWS:, columns], before[:, columns])
    moved[columns] = np.nan_to_num(np.median(movement, axis=0)) * np.sqrt(np.diag(joint.precision))
    beyond = joint.conditional(movement)
    known = np.maximum(np.isfinite(beyond).sum(axis=0), 1)
    size = np.sqrt(np.nansum(beyond**2, axis=0) / known)
    sign = np.where(np.nansum(beyond, axis=0) < 0, -1.0, 1.0)
    seen = np.isfinite(beyond).any(axis=0)
    marginal[columns] = own
    conditional[columns] = np.where(seen, sign * size, own)
    loud = np.maximum(np.nan_to_num(joint.marginal(away)), WITHIN)
    weight[columns] = np.nan_to_num(np.sqrt(np.where(seen, size, np.abs(own)) * loud))
    return Standing(marginal, conditional, weight, moved)
