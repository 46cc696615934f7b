"""A break between channels: a step of one that the steps of the others do not account for. numpy only.

What happens to a satellite moves its channels in ways that belong together, and these were seen before: light comes
and the panels charge the battery, a load begins and the battery gives. A part that fails moves the others as well,
but one channel by more, or the other way, than goes with what they do. So of the channels' steps, each the median
of the newest rows less that of those before, the part beyond what the other channels let expect is compared with
the widest such part that was seen about this place of the orbit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s

NEW = 3
OLD = 5
"""Rows of a step: as many new ones, less as many before them."""

BEFORE = NEW + OLD - 1
"""Rows before a row that its step reaches back to."""

OWN = 0.25
"""What broke moved itself: its own step is at least this part of what is beyond the others. Of 16 panels that lost
half of their cells the least was 0.37; panels that stood still while another broke had 0.08."""

CLEAR = 0.8
"""Whoever is told fits this much as badly as the channel that fits worst, in the sigma that the others leave of it:
where it is wide at this place how far that one goes, nobody knows. The panels above had 0.96 at least."""

UNLIKE = 0.5
"""A part beyond the others is none that is not this much of the part that goes with them: what goes together does
so in about the same proportion, however far it goes and wherever it has not been seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Rifts:
    """How the steps of c channels of a packet go together, and how far each went beyond that."""

    precision: Float64s
    """Inverse of the shrunk covariance of the steps, in the channels' units, shape (c, c)."""
    threshold: Float64s
    """How large a part is a break, in the channel's unit, shape (c, places), the unknown one first."""

    def origin(self, rows: Float64s, place: int) -> int | None:
        """The channel that breaks with the others; None where none does, or the step of one is not known.

        Args:
            rows: the newest `BEFORE` + 1 rows, shape (BEFORE + 1, c).
            place: of the newest.
        """
        step = steps(rows)[0]
        if np.isnan(step).any():
            return None
        own = np.diag(self.precision)
        part = self.precision @ step / own
        threshold = self.threshold[:, place if place < self.threshold.shape[1] else 0]
        moved = part * step >= OWN * part**2
        most = int(np.where(moved, np.abs(part) / threshold, 0.0).argmax())
        beyond = np.abs(part[most]) > threshold[most] + UNLIKE * np.abs(step[most] - part[most])
        # Without the channel that broke the others are as they always are: so much of the misfit is its own.
        misfit = np.where(moved, np.abs(part) * np.sqrt(own), 0.0)
        return most if beyond and moved[most] and misfit[most] >= CLEAR * misfit.max() else None


def steps(joined: Float64s) -> Float64s:
    """Median of the newest `NEW` rows less that of the `OLD` before them, shape (n, c).

    Args:
        joined: values of the n rows and the `BEFORE` rows before them, shape (BEFORE + n, c).
    """
    n = len(joined) - BEFORE
    a, b, c, d, e, *new = (joined[i : i + n] for i in range(BEFORE + 1))
    low = np.maximum(np.minimum(a, b), np.minimum(c, d))
    high = np.minimum(np.maximum(a, b), np.maximum(c, d))
    return _middle(*new) - _middle(low, high, e)


def _middle(a: Float64s, b: Float64s, c: Float64s) -> Float64s:
    """Median of three; NaN where one of them is."""
    out: npt.NDArray[np.float64] = np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
    return out
