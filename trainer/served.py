"""The served model: arrays and the arithmetic that turns features into scores. numpy only.

Per channel, value, rolling mean and rolling deviation are made comparable by what is normal at this place in the
orbit and in this mode (centre and spread, both robust). These deviations are judged by the voices of a fusion
(`trainer.fusion`) or, compressed (`sign(z) log1p |z|`), by an isolation forest. Each channel has thresholds of its
own; a row's score puts its worst channel on one scale, 0.5 being the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s, Int64s
from trainer.context import OrbitClock, key_index, no_place
from trainer.forest import ForestArrays
from trainer.fusion.arrays import PacketFusion
from trainer.fusion.rifts import Rifts
from trainer.joint import Joint

Z_CLIP = 50.0
"""Deviations are cut here before they reach a forest; its training background reaches as far."""

THRESHOLD = 0.5
"""A row's score above this is above the threshold of at least one channel."""

CONFIRM = 3
"""Rows above the threshold, of the newest `trainer.features.WINDOW`, that confirm a channel."""

RELEASE = 0.5
"""A confirmed channel stays in its episode while its score is above this part of the way to its threshold."""

NEVER = 2.0
"""Threshold of a channel the forest cannot judge: scores stay below 1."""

Indices = npt.NDArray[np.intp]


class ScorerRefused(Exception):
    """An artifact that must not be used. `reason` is one sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PacketInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One packet the model judges."""

    packet: str
    period_s: float
    channels: tuple[str, ...]
    """Judged channels, in the order of the arrays."""
    excluded: dict[str, str]
    """Channel -> why it is not judged."""
    margin: float
    """How far the held-out rows were pushed outwards before the thresholds were set."""
    train_rows: int
    calibration_rows: int
    fitted: tuple[int, ...] = ()
    """Version in which each channel was fitted; those of this version alone follow from the manifest's window."""


class WindowInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the model was made from. Times are generation times, UTC ns; `last_id` is the newest store id read."""

    t0_ns: int
    t1_ns: int
    last_id: int
    spans: tuple[tuple[int, int], ...]
    """Stretches of generation time the window covers."""
    rows: int
    excluded: int
    hash: str
    """SHA-256 over the ids and values of the window's rows, in order."""
    acts: int = 0
    """Newest journal row of the operators' acts that the window takes account of."""


class ClockInfo(msgspec.Struct, frozen=True, kw_only=True):
    channel: str
    epoch_ns: int
    period_ns: int
    bins: int
    valid_until_ns: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside `scorer.npz`."""

    format: int
    features_version: int
    kind: str
    satellite: str
    version: int
    parent: int | None
    created_ns: int
    sha256: str
    """Of `scorer.npz`."""
    bytes: int
    context: tuple[str, ...]
    """Context channels that make up a mode, in the order of the keys; contact comes last in each key."""
    keys: tuple[tuple[float, ...], ...]
    clock: ClockInfo | None
    seen: tuple[str, ...] = ()
    """Of each mode the places it was seen at, hexadecimal, bit 0 the first place; empty: all of them everywhere."""
    packets: tuple[PacketInfo, ...]
    window: WindowInfo
    threshold: float
    margin: float
    false_alarms_per_day: float
    trees: int
    libraries: dict[str, str]


@dataclass(frozen=True, eq=False)
class PacketModel:
    """Normal places and thresholds of one packet's c judged channels."""

    channels: tuple[str, ...]
    period_s: float
    centre: Float64s
    """Shape (bins + 1, c, 3); row 0 is the whole window."""
    spread: Float64s
    """Same shape, positive."""
    key_offset: Float64s
    """Shape (keys + 1, c, 3); row 0 (unknown mode) is zero."""
    key_spread: Float64s
    """Same shape: least spread in a mode."""
    group: Indices
    """Forest of each channel, shape (c,)."""
    threshold: Float64s
    """Shape (c,)."""
    middle: Float64s
    """Median calibration score of each channel, shape (c,)."""
    calibration: Float64s
    """Row scores of the held-out rows, ascending."""
    axes_centre: Float64s
    axes_scale: Float64s
    axes: Float64s
    """Shape (c, 3): principal directions of the normalised values."""
    fusion: PacketFusion | None = None
    """What judges the rows where the manifest's kind is `fusion`."""
    joint_scale: Float64s | None = None
    """`trainer.joint.Joint.scale`, shape (c,)."""
    joint_precision: Float64s | None = None
    """`trainer.joint.Joint.precision`, shape (c, c)."""
    rift_precision: Float64s | None = None
    """`trainer.fusion.rifts.Rifts.precision`, shape (c, c)."""
    rift_threshold: Float64s | None = None
    """`trainer.fusion.rifts.Rifts.threshold`, shape (c, bins + 1)."""

    @property
    def joint(self) -> Joint | None:
        """How the channels move together, where that was learned."""
        if self.joint_scale is None or self.joint_precision is None:
            return None
        return Joint(self.joint_scale, self.joint_precision)

    @cached_property
    def rifts(self) -> Rifts | None:
        """How their steps go together, where that was learned."""
        if self.rift_precision is None or self.rift_threshold is None:
            return None
        return Rifts(self.rift_precision, self.rift_threshold)


@dataclass(frozen=True, eq=False)
class Judged:
    """A packet's rows through the model."""

    z: Float64s
    """Normalised features, shape (n, c, 3); NaN where a window is not full."""
    score: Float64s
    """Forest score, shape (n, c); NaN where not judged."""
    flagged: npt.NDArray[np.bool_]
    """Shape (n, c)."""
    lasting: npt.NDArray[np.bool_]
    """Shape (n, c): high enough to keep a confirmed channel in its episode (hysteresis)."""
    row_score: Float64s
    """Shape (n,), NaN where no channel was judged."""
    p: Float64s
    axes: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Scorer:
    """A model ready to judge. Made by `trainer.artifact.load` or straight after a fit."""

    manifest: Manifest
    forest: ForestArrays
    packets: dict[str, PacketModel]

    @staticmethod
    def load(directory: Path, sha256: str | None = None) -> Scorer:
        """Read an artifact directory; `sha256` is the digest it was announced with.

        Raises:
            ScorerRefused: the artifact is not exactly as it must be; `reason` is one sentence.
        """
        from trainer.artifact import load

        return load(directory, sha256)

    @property
    def version(self) -> int:
        return self.manifest.version

    @property
    def satellite(self) -> str:
        return self.manifest.satellite

    @property
    def sha256(self) -> str:
        return self.manifest.sha256

    @cached_property
    def clock(self) -> OrbitClock | None:
        c = self.manifest.clock
        return None if c is None else OrbitClock(c.epoch_ns, c.period_ns, c.bins, c.valid_until_ns)

    @cached_property
    def keys(self) -> Float64s:
        """Known modes, shape (k, m)."""
        return np.array(self.manifest.keys, dtype=np.float64).reshape(
            len(self.manifest.keys), len(self.manifest.context) + 1
        )

    @cached_property
    def seen(self) -> npt.NDArray[np.bool_] | None:
        """Whether each mode was seen at each place, shape (keys + 1, bins + 1); None: all of them everywhere.

        What a mode does to a value may depend on the place (a transmitter drains the battery in the dark only), and
        what is done by schedule is usual at its places only. Elsewhere the context is unknown.
        """
        clock, seen = self.manifest.clock, self.manifest.seen
        if clock is None or not seen:
            return None
        out = np.zeros((len(seen) + 1, clock.bins + 1), dtype=np.bool_)
        out[:, 0] = True
        for key, text in enumerate(seen, 1):
            bits = int(text, 16)
            out[key, 1:] = [bits >> place & 1 for place in range(clock.bins)]
        return out

    @cached_property
    def probe(self) -> Float64s:
        """Score of each forest for a row that lies exactly in the middle of the normal.

        A row must be more isolated than that to be flagged: a forest that says the same about everything says
        nothing about a row.
        """
        groups = np.arange(len(self.forest.roots))
        return self.isolation(np.zeros((len(groups), 3)), groups)

    def isolation(self, z: Float64s, group: Indices) -> Float64s:
        """Forest score of normalised features, shape (n, 3), each row in its group's forest."""
        clipped = np.clip(z, -Z_CLIP, Z_CLIP)
        return self.forest.score((np.sign(clipped) * np.log1p(np.abs(clipped))).astype(np.float32), group)

    def place(self, t_ns: Int64s, codes: Float64s) -> tuple[Indices, Indices]:
        """Orbit bin and mode index of rows; `codes` as the manifest's context channels, contact last."""
        key = key_index(codes, self.keys)
        clock = self.clock
        bins = no_place(len(t_ns)) if clock is None else clock.place(t_ns)
        if self.seen is not None:
            key = np.where(self.seen[key, bins], key, 0)
        return np.where(key == 0, 0, bins), key

    def normalise(self, packet: PacketModel, features: Float64s, bins: Indices, key: Indices) -> Float64s:
        """Deviation from what is normal here, in normal spreads; shape (n, c, 3)."""
        spread = np.maximum(packet.spread[bins], packet.key_spread[key])
        return (features - packet.centre[bins] - packet.key_offset[key]) / spread

    def expected(self, packet: PacketModel, z: Float64s, bins: Indices, key: Indices) -> Float64s:
        """Values that lie `z` normal spreads from what is normal here, shape (n, c): undoes `normalise`."""
        spread = np.maximum(packet.spread[bins, :, 0], packet.key_spread[key, :, 0])
        return packet.centre[bins, :, 0] + packet.key_offset[key, :, 0] + z * spread

    def isolate(self, packet: PacketModel, z: Float64s) -> Float64s:
        """Forest score of every channel that has all three features; NaN elsewhere. Shape (n, c)."""
        full = np.isfinite(z).all(axis=2)
        out = np.full(full.shape, np.nan)
        if full.any():
            group = np.repeat(packet.group[None], len(z), axis=0)
            out[full] = self.isolation(z[full], group[full])
        return out

    def judge(self, name: str, features: Float64s, bins: Indices, key: Indices) -> Judged:
        """All of it for n rows of packet `name`; `features` of its judged channels, shape (n, c, 3)."""
        packet = self.packets[name]
        z = self.normalise(packet, features, bins, key)
        score = self.isolate(packet, z)
        with np.errstate(invalid="ignore"):
            flagged = (score > packet.threshold) & (score > self.probe[packet.group] + 1e-9)
            lasting = score > packet.middle + RELEASE * (packet.threshold - packet.middle)
        row = self.row_score(packet, score)
        n = len(packet.calibration)
        above = n - np.searchsorted(packet.calibration, row, side="left")
        p = np.where(np.isnan(row), np.nan, (above + 1) / (n + 1))
        axes = projected(features[:, :, 0], packet.axes_centre, packet.axes_scale, packet.axes)
        return Judged(z, score, flagged, lasting | flagged, row, p, axes)

    def row_score(self, packet: PacketModel, score: Float64s) -> Float64s:
        """One figure a row in (0, 1), 0.5 at the threshold of its worst channel; NaN where nothing was judged."""
        return row_scores(score, packet.middle, packet.threshold)


def row_scores(score: Float64s, middle: Float64s, threshold: Float64s) -> Float64s:
    """`Scorer.row_score` with the figures of each channel, shape (c,), or of each row and channel, shape (n, c)."""
    return worst(relative_scores(score, middle, threshold))


def relative_scores(score: Float64s, middle: Float64s, threshold: Float64s) -> Float64s:
    """Part of the way from the middle (0, and below it) to the threshold (1), shape (n, c)."""
    return np.clip((score - middle) / (threshold - middle), 0, None)


def worst(relative: Float64s) -> Float64s:
    """Row score of relative scores, shape (n, c): 0.5 at the threshold of the worst channel, NaN without any."""
    seen = ~np.isnan(relative)
    highest = np.max(np.where(seen, relative, 0.0), axis=1, initial=0.0)
    return np.where(seen.any(axis=1), highest / (1 + highest), np.nan)


def projected(values: Float64s, centre: Float64s, scale: Float64s, axes: Float64s) -> npt.NDArray[np.float32]:
    """Values, shape (n, c), on the three axes of the picture; each figure for all rows, or one a row.

    Added up channel by channel and not by a matrix product, whose last bit depends on how many rows there are.
    """
    centred = np.clip(np.nan_to_num((values - centre) / scale), -Z_CLIP, Z_CLIP)
    return (centred[:, :, None] * axes).sum(axis=1).astype(np.float32)
