"""The frames of Clusters: one packet of one satellite over the last orbit, where the served model sees each.

Positions are computed here with the served model's own projection, for every frame of the span, so the picture is
whole a second after a model went live and does not mix the projections of two models. Whether a frame was judged
and found anomalous is what the station stored, never recomputed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cubesat_tui.forest_beside import ForestBeside
from telemetry.frame import Float64s, Int64s
from trainer.features import WINDOW, breaks, rolling
from trainer.served import Z_CLIP, PacketModel, Scorer, ScorerRefused

if TYPE_CHECKING:
    from telemetry.dictionary import Bus
    from telemetry.store.reader import StoreReader

NS = 1_000_000_000
MOST_READ = 20_000
"""Frames read at most for one picture."""
MOST_DRAWN = 1_200
MOST_ANOMALIES = 400
TRAIL = 12
"""Newest frames that are always drawn."""
EPISODE_GAP_NS = 30 * NS
"""Confirmed rows further apart than this belong to two anomalies."""
UNJUDGED = -1
CONFIRMED = 2


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be drawn. `channel` None: the model's projection; else the original's axes of that channel."""

    satellite: str
    packet: str | None
    channel: str | None
    version: int
    sha256: str | None
    t1_ns: int
    span_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSpace:
    """n drawn frames, oldest first; every array has n rows."""

    packet: str
    packets: tuple[str, ...]
    """Packets the model judges."""
    channels: tuple[str, ...]
    """Channels of this packet that span the space."""
    letters: tuple[str, str, str]
    """What the three axes are called."""
    ids: Int64s
    t_ns: Int64s
    axes: Float64s
    """Shape (n, 3)."""
    state: Int64s
    """As stored: 0 nominal, 1 above, 2 confirmed; -1 where no model had judged the frame."""
    score: Float64s
    p: Float64s
    model: Int64s
    mode: Int64s
    """Index into `modes`."""
    modes: tuple[str, ...]
    values: Float64s
    """Shape (n, len(channels)), as sent."""
    read: int
    """Frames of this packet in the span."""
    judged: int
    """Of these, frames a model has judged."""
    confirmed: int
    mode_share: tuple[float, ...]
    """Part of all read frames in each mode."""
    kind: str = ""
    """Of the model: `fusion`, `isolation_forest`."""
    least_p: float = 0.0
    """The smallest p it can tell of this packet."""
    forest: Mapping[int, float] = field(default_factory=dict[int, float])
    """Frame id -> score of the forest beside a fusion, of the newest row and of the `episodes`."""

    def __len__(self) -> int:
        return int(self.ids.shape[0])

    @property
    def anomalous(self) -> npt.NDArray[np.bool_]:
        """Rows of a confirmed anomaly."""
        return self.state >= CONFIRMED

    def episodes(self) -> list[int]:
        """One row per anomaly, newest first: the row with the highest score."""
        return peaks_of(self.t_ns, self.state, self.score)

    def deviations(self, row: int, most: int = 5) -> list[tuple[str, float, float, float]]:
        """(channel, value, usual, sigma) of a row against the usual rows of its mode drawn here, furthest first.

        Usual is the median, sigma the distance in units of 1.4826 x the median absolute deviation, which is never
        taken as less than the channel's resolution.
        """
        usual = ~self.anomalous & (self.mode == self.mode[row])
        if int(usual.sum()) < 10:
            return []
        middle = np.nanmedian(self.values[usual], axis=0)
        spread = 1.4826 * np.nanmedian(np.abs(self.values[usual] - middle), axis=0)
        sigma = np.abs(self.values[row] - middle) / np.maximum(spread, _resolution(self.values[usual]))
        order = np.argsort(-np.nan_to_num(sigma))[:most]
        return [
            (self.channels[i], float(self.values[row, i]), float(middle[i]), float(sigma[i]))
            for i in order.tolist()
        ]


def _resolution(values: Float64s) -> Float64s:
    """Smallest step between two values of each column: a quantised channel often stands still for minutes."""
    out = np.empty(values.shape[1])
    for i, column in enumerate(values.T):
        out[i] = np.diff(np.unique(column[np.isfinite(column)])).min(initial=np.inf)
    return np.where(np.isfinite(out), out, 1.0)


class ServedModel:
    """The scorer that is live, read once per version. Use it on the reader thread."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self.forest = ForestBeside()
        self._scorer: Scorer | None = None
        self._version: int | None = None

    def load(self, version: int, sha256: str | None) -> Scorer:
        """The scorer of `version`.

        Raises:
            trainer.served.ScorerRefused: it is not the file that was announced, or damaged.
        """
        if self._scorer is None or self._version != version:
            folder = self._models / f"v{version}"
            if not folder.is_dir():
                raise ScorerRefused("its files are not here; they stay with the station that fitted it")
            self._scorer = Scorer.load(folder, sha256)
            self._version = version
        return self._scorer


def feature_space(reader: StoreReader, served: ServedModel, bus: Bus, wanted: Wanted) -> FeatureSpace | None:
    """The frames of `wanted`, None when the model judges no packet.

    Raises:
        trainer.served.ScorerRefused: the served model cannot be read.
    """
    scorer = served.load(wanted.version, wanted.sha256)
    packets = scorer.packets
    if not packets:
        return None
    name = wanted.packet if wanted.packet in packets else next(iter(packets))
    model = packets[name]
    t0_ns, t1_ns = wanted.t1_ns - wanted.span_ns, wanted.t1_ns + 1
    t_ns, values, ids = reader.window(wanted.satellite, model.channels, t0_ns, t1_ns, MOST_READ)
    if wanted.channel in model.channels:
        axes = original_axes(t_ns, values[:, model.channels.index(wanted.channel)], model.period_s)
        letters = ("v", "m", "d")
    else:
        axes = projected(model, values)
        letters = ("1", "2", "3")
    state, score, p, judged_by = _opinions(reader, wanted.satellite, t0_ns, t1_ns, ids)
    mode, modes = _modes(reader, bus, wanted, t_ns)
    rows = chosen(t_ns, model.period_s, state, np.asarray(np.isfinite(axes).all(axis=1)))
    counts = np.bincount(mode, minlength=len(modes)) if len(mode) else np.zeros(len(modes))
    told = rows[[*peaks_of(t_ns[rows], state[rows], score[rows]), *range(len(rows))[-1:]]].tolist()
    return FeatureSpace(
        packet=name,
        packets=tuple(packets),
        channels=model.channels,
        letters=letters,
        ids=ids[rows],
        t_ns=t_ns[rows],
        axes=axes[rows],
        state=state[rows],
        score=score[rows],
        p=p[rows],
        model=judged_by[rows],
        mode=mode[rows],
        modes=modes,
        values=values[rows],
        read=len(ids),
        judged=int((state >= 0).sum()),
        confirmed=int((state >= 2).sum()),
        mode_share=tuple((counts / max(1, len(ids))).tolist()),
        kind=scorer.manifest.kind,
        least_p=1 / (len(model.calibration) + 1),
        forest=served.forest.scores(reader, scorer, bus, name, (t_ns, values, ids), told),
    )


def peaks_of(t_ns: Int64s, state: Int64s, score: Float64s) -> list[int]:
    """One row per anomaly, newest first: the confirmed row with the highest score."""
    rows = np.flatnonzero(state >= CONFIRMED)
    if not len(rows):
        return []
    cuts = np.flatnonzero(np.diff(t_ns[rows]) > EPISODE_GAP_NS) + 1
    return [int(part[np.nanargmax(np.nan_to_num(score[part]))]) for part in np.split(rows, cuts)][::-1]


def projected(model: PacketModel, values: Float64s) -> Float64s:
    """Position of each row, shape (n, 3), as the scorer computes it for `score.axes`."""
    centred = np.nan_to_num((values - model.axes_centre) / model.axes_scale)
    return np.clip(centred, -Z_CLIP, Z_CLIP) @ model.axes


def original_axes(t_ns: Int64s, values: Float64s, period_s: float) -> Float64s:
    """Value, rolling mean and rolling deviation, shape (n, 3): the axes of the original program.

    NaN until a window is full; no window spans a gap.
    """
    if len(values) < WINDOW:
        return np.full((len(values), 3), np.nan)
    mean, deviation = rolling(values[:, None])
    axes = np.column_stack([values, mean[:, 0], deviation[:, 0]])
    broken = np.flatnonzero(breaks(t_ns, period_s))
    for later in range(WINDOW - 1):
        rows = broken + later
        axes[rows[rows < len(axes)]] = np.nan
    return axes


def chosen(t_ns: Int64s, period_s: float, state: Int64s, usable: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Rows to draw: every n-th period of absolute time, so that a picture that moves on does not shimmer; all
    anomalies up to `MOST_ANOMALIES`; and the newest."""
    step = 1
    while int(usable.sum()) // step > MOST_DRAWN:
        step *= 2
    keep = (t_ns // int(period_s * NS) % step == 0) & (state < 2)
    flagged = np.flatnonzero(usable & (state >= 2))
    keep[flagged[-MOST_ANOMALIES:]] = True
    keep[np.flatnonzero(usable)[-TRAIL:]] = True
    return np.flatnonzero(keep & usable)


def _opinions(
    reader: StoreReader, satellite: str, t0_ns: int, t1_ns: int, ids: Int64s
) -> tuple[Int64s, Float64s, Float64s, Int64s]:
    n = len(ids)
    state = np.full(n, UNJUDGED, dtype=np.int64)
    score, p, model = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, dtype=np.int64)
    found = reader.scores(satellite, None, t0_ns, t1_ns)
    if n and len(found.frame):
        order = np.argsort(ids)
        at = np.minimum(np.searchsorted(ids[order], found.frame), n - 1)
        rows = order[at]
        hit = ids[rows] == found.frame
        rows = rows[hit]
        state[rows], score[rows], p[rows] = found.state[hit], found.score[hit], found.p[hit]
        model[rows] = found.model[hit]
    return state, score, p, model


def _modes(reader: StoreReader, bus: Bus, wanted: Wanted, t_ns: Int64s) -> tuple[Int64s, tuple[str, ...]]:
    columns: list[Float64s] = []
    for channel in bus.context:
        at, values, _ = reader.window(
            wanted.satellite, [channel], wanted.t1_ns - wanted.span_ns, wanted.t1_ns + 1, MOST_READ
        )
        columns.append(held(t_ns, at, values[:, 0]))
    return partition(bus, np.column_stack(columns) if columns else np.zeros((len(t_ns), 0)))


def held(t_ns: Int64s, at: Int64s, values: Float64s) -> Float64s:
    """The value that held at each of `t_ns`: the newest one sent not later, NaN before the first."""
    sent = np.isfinite(values)
    at, values = at[sent], values[sent]
    if not len(at):
        return np.full(len(t_ns), np.nan)
    place = np.searchsorted(at, t_ns, side="right") - 1
    return np.where(place >= 0, values[np.maximum(place, 0)], np.nan)


def partition(bus: Bus, contexts: Float64s) -> tuple[Int64s, tuple[str, ...]]:
    """Class of each row (n, context channels) and the classes' names: every row is in exactly one.

    Only what differs among the rows is named: `eclipse` and `sunlit` while the mode never changes. A channel that
    tells two states and has no labels is named by its own name.
    """
    differing = [j for j in range(contexts.shape[1]) if len(np.unique(np.nan_to_num(contexts[:, j], nan=-9e9))) > 1]
    if not differing or not len(contexts):
        return np.zeros(len(contexts), dtype=np.int64), ("all frames",)
    kinds, index = np.unique(np.nan_to_num(contexts[:, differing], nan=-9e9), axis=0, return_inverse=True)
    channels = [bus.context[j] for j in differing]
    names = tuple(
        " ".join(_word(bus, channel, code) for channel, code in zip(channels, row, strict=True))
        for row in kinds.tolist()
    )
    return index.reshape(-1).astype(np.int64), names


def _word(bus: Bus, channel: str, code: float) -> str:
    if code < -8e9:
        return "unknown"
    known = bus.by_name[channel]
    label = known.labels.get(code)
    if label is not None:
        return label
    short = known.label.lower() or channel
    if code in (0.0, 1.0) and not known.unit:
        return short if code else f"no {short}"
    return f"{short} {code:g}"
