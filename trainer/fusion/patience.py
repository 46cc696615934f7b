"""How long a voice is heard before it is believed: what is loud soon, what is faint once it has lasted. numpy only.

Thresholds are set where clean rows have not been. A satellite that does something for the first time still crosses
one now and then, a little and for some seconds; a fault stays. So what lies just beyond a threshold must lie there
for most of half a minute, and only what lies far beyond is told as fast as rows can confirm it. Behind a change of
mode that is not so either, and what was beyond before it does not count: what turned away while nothing held it
needs some seconds to come back.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s
from trainer.members.alarm_rule import CONFIRM, OF
from trainer.members.windows import Bools

Indices = npt.NDArray[np.intp]

LASTS_S = 24.0
"""Seconds beyond its threshold after which a faint voice is believed, within 38. In two clean days of the simulated
3U most of what crossed a threshold falsely did so for 5 to 23 s; a planted fault must be told within 60."""

LOUD = 4.0
"""Times as far as its threshold: a smoothed level there is told by 5 of 8 rows. It takes rows to sink from there
again, so a short crossing must not count twice."""

LOUD_AWAY = 2.5
"""The same of a value that lies away from what is usual at its place, which nothing smooths: 3 of 5 rows."""

CONFIRM_AWAY, OF_AWAY = 3, 5


class Patience:
    """The newest rows of c channels of a packet, as far as they were beyond a threshold."""

    def __init__(self, channels: int, period_s: float) -> None:
        """Nothing has come yet; `period_s`: seconds from row to row."""
        self._needed = int(np.clip(math.ceil(LASTS_S / period_s), CONFIRM, LASTS_S))
        self._of = self._needed * OF // CONFIRM
        self._beyond: Bools = np.zeros((self._of - 1, channels), dtype=np.bool_)
        self._loud: Bools = np.zeros((OF - 1, channels), dtype=np.bool_)
        self._away: Bools = np.zeros((OF_AWAY - 1, channels), dtype=np.bool_)

    @property
    def settles(self) -> int:
        """Rows that a satellite is given behind a change of mode: as many as what is faint is looked for in."""
        return self._of

    def believed(self, above: Bools, level: Float64s, away: Float64s, since: Indices) -> Bools:
        """Which of the next rows confirm a voice, shape (n, c).

        Args:
            above: rows whose smoothed level counts and is beyond its threshold, shape (n, c).
            level: the smoothed level, 1 at its threshold, shape (n, c).
            away: how far value, mean or deviation are from usual, 1 at the threshold, NaN where not judged,
                shape (n, c).
            since: rows from the newest change of mode to each, shape (n,).
        """
        with np.errstate(invalid="ignore"):
            beyond, loud, far = above | (away > 1), above & (level > LOUD), away > LOUD_AWAY
        self._beyond, lasting = tallied(self._beyond, beyond, since)
        self._loud, loudly = tallied(self._loud, loud, since)
        self._away, clearly = tallied(self._away, far, since)
        settled = (since >= self.settles)[:, None]
        return (
            (beyond & (lasting >= self._needed))
            | (loud & (loudly >= CONFIRM))
            | (far & (clearly >= CONFIRM_AWAY) & settled)
        )

    def take_over(self, before: Patience) -> None:
        """Go on where another model's patience with the same channels stands."""
        if self._beyond.shape == before._beyond.shape:
            self._beyond, self._loud, self._away = before._beyond, before._loud, before._away


def tallied(before: Bools, now: Bools, since: Indices | None = None) -> tuple[Bools, npt.NDArray[np.int32]]:
    """The newest rows to keep, and how many of the newest `len(before) + 1` rows are True at each row of `now`.

    No row counts that lies more than `since` rows before, shape (n,).
    """
    joined: Bools = np.concatenate((before, now))
    row = np.arange(len(now))
    oldest = row if since is None else np.maximum(row, row + len(before) - since)
    total = np.zeros((len(joined) + 1, now.shape[1]), dtype=np.int32)
    np.cumsum(joined, axis=0, out=total[1:])
    return joined[len(now) :], total[len(before) + 1 :] - total[oldest]
