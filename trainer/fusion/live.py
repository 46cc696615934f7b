"""All voices of all channels of a packet at once, row by row or many rows together. numpy only.

What a row is thought of depends on the rows before it: windows, averaged scores, the smoothed level, the newest
rows beyond a threshold, the run of equal values. `Memory` holds that for one packet of one satellite; rows given
one by one, in any pieces or all together are judged alike. No window and no mean reaches back past a `broken` row
(a gap, a start of the computer, time running backwards, a change of context); what is unknown stays NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s
from trainer.features import rolling
from trainer.fusion.arrays import PacketFusion
from trainer.fusion.jumps import Jumps
from trainer.fusion.patience import Patience
from trainer.fusion.rifts import Rifts
from trainer.fusion.unrest import Unrest
from trainer.members.alarm_rule import RELEASE, SMOOTHED_ROWS
from trainer.members.arrays import DRIFT_FREE, LAGS, NEIGHBOURS, ROUNDED, SLOW, STEADY
from trainer.members.windows import CLIP, DECIMALS, LONG, QUIET, SHORT, WINDOW, Bools, rows_since

MEMBERS = 6
CHUNK = 32
"""Rows judged in one piece: the distances of all their channels to all references stay below 30 MB."""

BEFORE = WINDOW - 1
"""Rows before the first of a piece that its windows and averages reach back to."""

NEEDED = 2 * BEFORE + SMOOTHED_ROWS
"""Rows before a row that give it a smoothed score worth the name."""

RIPE = BEFORE + SMOOTHED_ROWS
"""Rows behind a broken one, or one at an unknown place, before which no score is smoothed enough for an alarm."""

NEVER_ROWS = 1 << 40

_AVERAGED = np.array([SLOW, SLOW, 1, 1, SLOW, STEADY])
_WEIGHT = 2.0 / (SMOOTHED_ROWS + 1)

Indices = npt.NDArray[np.intp]


def deviations(z: Float64s, bins: Indices, bin_count: int) -> Float64s:
    """What the members see of normalised values, shape (n, c): cut, rounded, NaN where the place is not known.

    At an unknown place a value is compared with the whole orbit, on a scale the members were not fitted to.
    """
    seen = np.round(np.clip(z, -CLIP, CLIP), DECIMALS)
    if bin_count:
        seen[bins == 0] = np.nan
    return seen


def place_score(z: Float64s) -> Float64s:
    """Largest deviation of value, rolling mean and rolling deviation, shape (n, c); NaN where a window is not full.

    Args:
        z: normalised features, shape (n, c, 3).
    """
    return np.abs(z).max(axis=2)


def equal_runs(values: Float64s, apart: Bools, last: Float64s, run: Float64s) -> Float64s:
    """Rows for which each value has been as it is, itself included, shape (n, c); 0 where it is NaN.

    Args:
        values: as sent, shape (n, c).
        apart: rows that no run reaches back past: `broken`, but for changes of context, shape (n,).
        last, run: the row before and its own runs, shape (c,); NaN and 0 where there is none.
    """
    same = values == np.concatenate((last[None], values[:-1]))
    same[apart] = False
    index = np.arange(len(values))[:, None]
    begin = np.maximum.accumulate(np.where(same, -1, index), axis=0)
    runs = np.where(begin >= 0, index - begin + 1.0, index + 1.0 + run)
    return np.where(np.isnan(values), 0.0, runs)


def fused(scores: Float64s) -> Float64s:
    """Mean over the members, shape (n, c): a threshold holds only for what all of them say."""
    return scores.mean(axis=2)


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What the members think of n rows of c channels."""

    scores: Float64s
    """`log1p(averaged score / unit)` of each member, shape (n, c, 6); NaN where it cannot see."""
    forecast: Float64s
    """Deviation expected from the channel's own past, shape (n, c)."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What fusion, longest run, jumps and noise make of n rows of c channels; every array has shape (n, c)."""

    flagged: Bools
    lasting: Bools
    newly: Bools
    """Believed: what lies away from its place is counted in (see `trainer.fusion.patience`)."""
    relative: Float64s
    """NaN where not judged."""
    speaker: npt.NDArray[np.int8]
    """Index into `trainer.verdict.MEMBERS`: the loudest of the six, stuck, jump, or noise."""
    forecast: Float64s
    """As a deviation."""


class Memory:
    """The rows of one packet of one satellite as one model sees them."""

    def __init__(self, fusion: PacketFusion, rifts: Rifts | None = None, period_s: float = 1.0) -> None:
        """Nothing has come yet; `rifts`: as `trainer.fusion.jumps.Jumps`; `period_s`: of the packet."""
        c = len(fusion)
        self.fusion = fusion
        self._age = -1
        """Rows since the newest broken row; -1 before the first."""
        self._since = -1
        """Rows since the newest one of which nobody was sure."""
        self._calm = NEVER_ROWS
        """Rows since the newest change of mode."""
        self._z = np.full((BEFORE, c), np.nan)
        self._raw = np.full((BEFORE, c, MEMBERS), np.nan)
        self._level = np.zeros(c)
        self._patience = Patience(c, period_s)
        self._last = np.full(c, np.nan)
        self._run = np.zeros(c)
        self._jumps = Jumps(fusion.jump, rifts)
        self._unrest = Unrest(fusion.unrest)

    def hear(
        self,
        z: Float64s,
        key: Indices,
        broken: Bools,
        apart: Bools,
        values: Float64s,
        bins: Indices | None = None,
        expected: Float64s | None = None,
        away: Float64s | None = None,
    ) -> Heard:
        """Judge the next rows.

        Args:
            z: deviations, shape (n, c), NaN where INVALID.
            key: mode of each row, 0 unknown, shape (n,).
            broken: rows that do not continue the row before them, shape (n,).
            apart: those of them where more changed than the context, shape (n,).
            values: as sent, shape (n, c).
            bins: place of each row, shape (n,); None: not known.
            expected: values that are usual here, shape (n, c), NaN where not known; None: never.
            away: how far each value is from what is usual here, 1 at its threshold, shape (n, c), NaN where not
                judged; None: never.
        """
        if bins is None:
            bins = np.zeros(len(z), dtype=np.intp)
        if away is None:
            away = np.full(z.shape, np.nan)
        if len(z) <= CHUNK:
            return self._hear(z, key, broken, apart, values, bins, expected, away)
        parts = [
            self._hear(
                z[rows],
                key[rows],
                broken[rows],
                apart[rows],
                values[rows],
                bins[rows],
                None if expected is None else expected[rows],
                away[rows],
            )
            for rows in (slice(start, start + CHUNK) for start in range(0, len(z), CHUNK))
        ]
        return Heard(*(np.concatenate([getattr(part, name) for part in parts]) for name in Heard.__slots__))

    def _hear(
        self,
        z: Float64s,
        key: Indices,
        broken: Bools,
        apart: Bools,
        values: Float64s,
        bins: Indices,
        expected: Float64s | None,
        away: Float64s,
    ) -> Heard:
        fusion = self.fusion
        age = self._ages(broken)
        since = self._in_mode(broken & ~apart)
        settling = since < self._patience.settles
        width, jumped, jumping = self._jumps.hear(values, age, bins, apart, expected, settling)
        scatter, noisy, restless = self._unrest.hear(values, age, bins, apart)
        ripe = self._ripe(broken | np.isnan(z).all(axis=1))
        said = self._members(z, key, broken)
        level = self._smooth(fused(said.scores), broken)
        relative = (level - fusion.usual) / (fusion.threshold - fusion.usual)
        with np.errstate(invalid="ignore"):
            above, lasting = (relative > 1) & ripe[:, None], relative > RELEASE
        newly = self._patience.believed(above, relative, away, since)
        runs = equal_runs(values, apart, self._last, self._run)
        stuck = runs / fusion.stuck_after
        still = stuck > 1
        speaker = np.where(np.isnan(said.scores), -1.0, said.scores).argmax(axis=2).astype(np.int8)
        speaker += 1
        speaker[still] = MEMBERS + 1
        relative = np.where(still, np.fmax(relative, stuck), relative)
        louder = jumped & ~still & ~(relative >= width)
        speaker[louder] = MEMBERS + 2
        relative = np.fmax(relative, width)
        if restless.any():
            # Not counted until it is believed: rows close to a threshold are not learned from, and it would sink.
            scatter = np.where(restless, scatter, np.nan)
            speaker[~still & (scatter > np.nan_to_num(relative))] = MEMBERS + 3
            relative = np.fmax(relative, scatter)
        self._last, self._run = values[-1], runs[-1]
        return Heard(
            above | still | jumped | noisy,
            lasting | still | jumping | restless,
            newly | still | jumped | noisy,
            relative,
            speaker,
            said.forecast,
        )

    def _smooth(self, scores: Float64s, broken: Bools) -> Float64s:
        """`trainer.members.alarm_rule.smoothed` of every channel, anew at each broken row."""
        out = np.empty(scores.shape)
        level: Float64s = self._level
        for i, (score, begins) in enumerate(zip(scores, broken.tolist(), strict=True)):
            unknown = np.isnan(score)
            if begins:
                level = np.zeros_like(self._level)
            moved: Float64s = level + _WEIGHT * (score - level)
            level = np.where(unknown, level, moved)
            out[i] = level
        self._level = level.copy()
        out[np.isnan(scores)] = np.nan
        return out

    def take_over(self, before: Memory) -> None:
        """Go on with what another model's memory of the same channels has: jumps and noise, where they are some
        here too, and the rows that were beyond a threshold."""
        self._jumps.take_over(before._jumps)
        self._unrest.take_over(before._unrest)
        self._patience.take_over(before._patience)

    def members(self, z: Float64s, key: Indices, broken: Bools) -> Said:
        """What the members say of the next rows; arguments as `hear`."""
        parts = [
            self._members(z[rows], key[rows], broken[rows])
            for rows in (slice(start, start + CHUNK) for start in range(0, len(z), CHUNK))
        ]
        return Said(
            np.concatenate([part.scores for part in parts]), np.concatenate([part.forecast for part in parts])
        )

    def _ripe(self, unsure: Bools) -> Bools:
        """Rows far enough behind the newest one that broke off, or stood where it was not known what is usual."""
        since = rows_since(unsure, self._since)
        self._since = int(since[-1])
        return since >= RIPE

    def _in_mode(self, changed: Bools) -> Indices:
        """Rows since the newest change of mode, of the next rows, shape (n,)."""
        since = rows_since(changed, self._calm)
        self._calm = int(since[-1])
        return since

    def _ages(self, broken: Bools) -> Indices:
        """Rows since the newest broken one, of the next rows, shape (n,)."""
        return rows_since(broken, self._age)

    def _members(self, z: Float64s, key: Indices, broken: Bools) -> Said:
        n, age = len(z), self._ages(broken)
        joined = np.concatenate((self._z, z))
        raw, forecast = _raw_scores(self.fusion, joined, key, age)
        history = np.concatenate((self._raw, raw))
        scores = np.log1p(_averaged(history, age) / self.fusion.unit)
        self._z, self._raw, self._age = joined[n:], history[n:], int(age[-1])
        return Said(scores, forecast)


def member_scores(fusion: PacketFusion, z: Float64s, key: Indices, broken: Bools) -> Float64s:
    """Scores of every member for the rows of a stretch from its beginning, shape (n, c, 6); as `Memory.members`."""
    return Memory(fusion).members(z, key, broken).scores


def smoothed(fusion: PacketFusion, scores: Float64s, broken: Bools) -> Float64s:
    """The smoothed level of fused scores, shape (n, c), of rows from the beginning of a stretch."""
    return Memory(fusion)._smooth(scores, broken)  # pyright: ignore[reportPrivateUsage]


def _raw_scores(fusion: PacketFusion, joined: Float64s, key: Indices, age: Indices) -> tuple[Float64s, Float64s]:
    """Scores before they are averaged, shape (n, c, 6), and the forecast; `joined` has the rows before as well."""
    n, c = len(age), joined.shape[1]
    out = np.empty((n, c, MEMBERS))
    seen = _windows(joined)
    window = np.where((age >= BEFORE)[:, None], seen.transpose(2, 0, 1), np.nan)
    shape = _shapes(joined, seen)
    shape[:, age < LONG - 1] = np.nan
    bent = _looked(shape[:, :, DRIFT_FREE:], fusion.shape_mean, fusion.shape_white)
    out[:, :, 0] = _nearest(bent, fusion.shape_refs, fusion.shape_size, NEIGHBOURS).T
    out[:, :, 1] = _nearest(bent, fusion.clusters, fusion.cluster_size, 1).T
    turned = _looked(window, fusion.window_mean, fusion.window_white)
    out[:, :, 2] = _nearest(turned, fusion.window_refs, fusion.window_size, NEIGHBOURS).T
    away = window - fusion.axes_mean[:, None]
    away -= (away @ fusion.axes.transpose(0, 2, 1)) @ fusion.axes
    out[:, :, 3] = np.sqrt((away * away).sum(axis=2)).T
    past = seen[:, WINDOW - 1 - LAGS : WINDOW - 1]
    forecast = (past * fusion.lags.T).sum(axis=1) + fusion.context.T[key] + fusion.level
    forecast[age < LAGS] = np.nan
    out[:, :, 4] = np.abs(joined[-n:] - forecast)
    stood = _looked(shape, fusion.level_mean, fusion.level_white)
    out[:, :, 5] = np.sqrt((stood * stood).sum(axis=2)).T
    return out, forecast


def _windows(joined: Float64s) -> Float64s:
    """The newest `WINDOW` rows of each of n rows, shape (n, WINDOW, ...); `joined` has the `BEFORE` rows before."""
    return joined[np.arange(len(joined) - BEFORE)[:, None] + np.arange(WINDOW)]


def _shapes(joined: Float64s, seen: Float64s) -> Float64s:
    """`trainer.members.windows.shapes` of all channels, shape (c, n, 10), from rows and their windows."""
    n, c = len(seen), joined.shape[1]
    z = joined[-n:]
    out = np.empty((10, n, c))
    out[0], out[3] = z, z - seen[:, -2]
    for width, level, first in ((SHORT, 1, 4), (LONG, 2, 7)):
        mean, std = rolling(joined[-(n + width - 1) :], width)
        view = seen[:, -width:]
        out[level] = mean[width - 1 :]
        out[first] = np.log(std[width - 1 :] + QUIET)
        out[first + 1] = np.log(view.max(axis=1) - view.min(axis=1) + QUIET)
        out[first + 2] = z - out[level]
    return out.transpose(2, 1, 0)


def _looked(rows: Float64s, mean: Float64s, white: Float64s) -> Float64s:
    """Rows turned by each channel's lens, shape (c, n, d)."""
    return np.round((rows - mean[:, None]) @ white, ROUNDED)


def _nearest(seen: Float64s, references: Float64s, size: Float64s, k: int) -> Float64s:
    """Mean distance of rows, shape (c, n, d), to the `k` nearest references of their channel, shape (c, n)."""
    square = seen @ references.transpose(0, 2, 1)
    square *= -2
    square += size[:, None]
    near = square.argmin(axis=2)[:, :, None] if k == 1 else square.argpartition(k - 1, axis=2)[:, :, :k]
    # Once more as a difference, as `trainer.members.arrays.Nearest` does.
    away = references[np.arange(len(references))[:, None, None], near] - seen[:, :, None]
    away *= away
    return np.sqrt(away.sum(axis=3)).mean(axis=2)


def _averaged(history: Float64s, age: Indices) -> Float64s:
    """`trainer.members.windows.trailing_mean` of raw scores, shape (n + BEFORE, c, 6), for the n newest rows."""
    seen = _windows(history)
    back = np.arange(WINDOW - 1, -1, -1)[:, None]
    within = (back < _AVERAGED) & (back <= age[:, None, None])
    known = within[:, :, None] & ~np.isnan(seen)
    total = np.where(known, seen, 0.0).sum(axis=1)
    mean = total / np.maximum(known.sum(axis=1), 1)
    mean[np.isnan(history[BEFORE:])] = np.nan
    return mean
