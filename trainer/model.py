"""From a window of rows to a scorer: split, what is usual, forests, thresholds, projection.

A forest always judges one channel at a time (value, mean and deviation, normalised), so a step in one channel is
never diluted by the others. Once normalised the channels look alike, and one forest for all of them, with a
threshold for each, finds as much as one for each. Measured on six orbits of the simulated 3U, 39 judged channels;
recall is the share of steps of 4, 8, 12, 20 and 40 standard deviations of a channel's noise that put a row above
its threshold:

| forests | CPU of a fit | bytes | recall |
|---|---|---|---|
| one a channel, 64 trees | 8.3 s | 1,893,212 | .19 .57 .71 .80 .90 |
| one a subsystem, 64 trees | 2.7 s | 467,237 | .22 .53 .70 .80 .89 |
| one for all, 100 trees | 1.9 s | 215,762 | .32 .61 .69 .78 .91 |

No false episode in two clean hours and both opening faults confirmed two seconds after onset with each of them.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s
from trainer.artifact import FORMAT, pack
from trainer.calibration import calibrate, expected_false_alarms, held_out, margin
from trainer.context import OrbitClock
from trainer.features import FEATURES_VERSION
from trainer.fitting import ROWS, TREES, arrays_of, fit_forest, with_background
from trainer.served import NEVER, THRESHOLD, ClockInfo, Manifest, PacketInfo, PacketModel, Scorer, WindowInfo
from trainer.usual import Place, Usual, learn_clock, learn_keys, learn_usual, resolution, unjudged, where
from trainer.window import PacketRows, Window

if TYPE_CHECKING:
    from telemetry.dictionary import Channel

THINNED = 12_000
"""Rows of a packet that places and forests are learned from; longer windows are thinned evenly."""


def together(channel: Channel) -> str:
    """One forest for all channels."""
    del channel
    return "all"


@dataclass(frozen=True, eq=False)
class Fitted:
    """A challenger: the scorer, its bytes, and what the audit records about it."""

    scorer: Scorer
    packed: bytes
    metrics: dict[str, float]


class NotEnough(Exception):
    """The window does not allow a model yet."""


@dataclass(frozen=True, eq=False)
class _Part:
    rows: PacketRows
    channels: tuple[Channel, ...]
    excluded: dict[str, str]
    features: Float64s
    bins: npt.NDArray[np.intp]
    key: npt.NDArray[np.intp]
    train: npt.NDArray[np.bool_]
    held: npt.NDArray[np.bool_]
    usual: Usual


def fit(
    window: Window,
    *,
    version: int,
    parent: Scorer | None,
    created_ns: int,
    false_alarms_per_day: float,
    seed: int = 0,
    group_of: Callable[[Channel], str] = together,
    trees: int = TREES,
) -> Fitted:
    """Fit and calibrate a challenger.

    Raises:
        NotEnough: no packet has a channel that can be judged.
    """
    learned = learn_clock(window.track)
    clock = None if learned is None else learned[1]
    clock_channel = "" if learned is None else learned[0]
    context = tuple(name for name in window.track.channels if name != clock_channel)
    chosen = [i for i, name in enumerate(window.track.channels) if name in context] + [len(window.track.channels)]
    judged_packets = [rows for rows in window.packets if not rows.contact_only]
    prepared = [(rows, *window.features(rows)) for rows in judged_packets]
    keys = (
        learn_keys(np.concatenate([codes[:, chosen] for _, _, codes in prepared])) if prepared else np.empty((0, 1))
    )
    t0_ns, t1_ns = window.bounds_ns
    parts: list[_Part] = []
    for rows, features, codes in prepared:
        part = _prepare(rows, features, codes[:, chosen], keys, clock, t0_ns, t1_ns)
        if part is not None:
            parts.append(part)
    if not parts:
        raise NotEnough("no channel can be judged yet")

    rng = np.random.default_rng(seed)
    groups = tuple(dict.fromkeys(group_of(channel) for part in parts for channel in part.channels))
    forest = arrays_of(
        [
            fit_forest(with_background(_group_rows(parts, group, group_of, rng), rng), seed + i, trees)
            for i, group in enumerate(groups)
        ]
    )
    manifest = Manifest(
        format=FORMAT,
        features_version=FEATURES_VERSION,
        kind="isolation_forest",
        satellite=window.satellite,
        version=version,
        parent=None if parent is None else parent.version,
        created_ns=created_ns,
        sha256="",
        bytes=0,
        context=context,
        keys=tuple(tuple(float(code) for code in key) for key in keys),
        clock=None
        if clock is None
        else ClockInfo(
            channel=clock_channel,
            epoch_ns=clock.epoch_ns,
            period_ns=clock.period_ns,
            bins=clock.bins,
            valid_until_ns=clock.valid_until_ns,
        ),
        packets=(),
        window=WindowInfo(
            t0_ns=t0_ns,
            t1_ns=t1_ns,
            last_id=window.last_id,
            spans=window.spans,
            rows=window.rows,
            excluded=window.excluded,
            hash=window.hash,
            acts=window.acts,
        ),
        threshold=0.0,
        margin=0.0,
        false_alarms_per_day=false_alarms_per_day,
        trees=trees,
        libraries={"python": platform.python_version(), "numpy": np.__version__},
    )
    packets = {part.rows.packet: _packet_model(part, groups, group_of, parent) for part in parts}
    draft = Scorer(manifest, forest, packets)
    channels = sum(len(part.channels) for part in parts)
    factors: list[float] = []
    expected: list[float] = []
    infos: list[PacketInfo] = []
    for part in parts:
        held = part.held
        factor = margin(int(held.sum()), float(held.sum()) * part.rows.period_s, channels, false_alarms_per_day)
        factors.append(factor)
        name = part.rows.packet
        rows_held = (part.features[held], part.bins[held], part.key[held])
        packets[name] = calibrate(draft, name, *rows_held, factor)
        expected.append(expected_false_alarms(draft, name, *rows_held, factor))
        excluded = dict(part.excluded)
        for channel, threshold in zip(part.channels, packets[name].threshold, strict=True):
            if threshold >= NEVER:
                excluded[channel.name] = "varies too much from orbit to orbit"
        infos.append(
            PacketInfo(
                packet=name,
                period_s=part.rows.period_s,
                channels=packets[name].channels,
                excluded=excluded,
                margin=factor,
                train_rows=int(part.train.sum()),
                calibration_rows=len(packets[name].calibration),
            )
        )
    packed = pack(forest, packets)
    thresholds = np.concatenate([packet.threshold for packet in packets.values()])
    usable = thresholds[thresholds < NEVER]
    manifest = msgspec.structs.replace(
        manifest,
        packets=tuple(infos),
        sha256=hashlib.sha256(packed).hexdigest(),
        bytes=len(packed),
        threshold=float(np.median(usable)) if len(usable) else NEVER,
        margin=max(factors),
    )
    scorer = Scorer(manifest, forest, packets)
    return Fitted(scorer, packed, _metrics(scorer, sum(expected)))


def recalibrated(scorer: Scorer, window: Window) -> dict[str, PacketModel]:
    """The thresholds of a served model once more, from its arrays and the rows its manifest names.

    For the audit: equal to the last bit to what was served and logged, or one of the two is not what it claims.
    """
    names = window.track.channels
    order = [names.index(name) for name in scorer.manifest.context] + [len(names)]
    t0_ns, t1_ns = scorer.manifest.window.t0_ns, scorer.manifest.window.t1_ns
    found: dict[str, PacketModel] = {}
    for info in scorer.manifest.packets:
        rows = next(rows for rows in window.packets if rows.packet == info.packet)
        features, codes = window.features(rows)
        positions = [i for i, channel in enumerate(rows.channels) if channel.name in info.channels]
        chosen = _inside_limits(rows, features, positions)
        place = where(scorer.clock, scorer.keys, rows.t_ns, codes[:, order])
        held = rows.accepted & ~rows.trusted & held_out(rows.t_ns, scorer.clock, t0_ns, t1_ns)
        found[info.packet] = calibrate(
            scorer, info.packet, chosen[held], place.bins[held], place.key[held], info.margin
        )
    return found


def _inside_limits(rows: PacketRows, features: Float64s, positions: list[int]) -> Float64s:
    """Features of some channels; NaN where one must not be learned (`PacketRows.unusable`)."""
    chosen = features[:, positions]
    for column, i in enumerate(positions):
        chosen[rows.unusable(i), column] = np.nan
    return chosen


def _prepare(
    rows: PacketRows,
    features: Float64s,
    codes: Float64s,
    keys: Float64s,
    clock: OrbitClock | None,
    t0_ns: int,
    t1_ns: int,
) -> _Part | None:
    """Choose the packet's channels, split its rows and learn what is usual; None when nothing can be judged."""
    accepted = rows.accepted
    held = held_out(rows.t_ns, clock, t0_ns, t1_ns) & ~rows.trusted
    train = accepted & ~held
    excluded: dict[str, str] = {}
    positions: list[int] = []
    for i, channel in enumerate(rows.channels):
        reason = unjudged(channel, rows.values[accepted, i])
        if reason is None:
            positions.append(i)
        else:
            excluded[channel.name] = reason
    if not positions or train.sum() < 100 or (accepted & held).sum() < 30:
        return None
    chosen = _inside_limits(rows, features, positions)
    place = where(clock, keys, rows.t_ns, codes)
    taken = np.flatnonzero(train)
    taken = np.union1d(taken[:: max(1, -(-len(taken) // THINNED))], np.flatnonzero(train & rows.trusted))
    step = resolution(rows.values[taken][:, positions])
    sample = Place(place.bins[taken], place.key[taken], place.turn[taken])
    usual = learn_usual(chosen[taken], sample, 0 if clock is None else clock.bins, len(keys), step)
    thinned = np.zeros(len(rows), dtype=np.bool_)
    thinned[taken] = True
    channels = tuple(rows.channels[i] for i in positions)
    return _Part(rows, channels, excluded, chosen, place.bins, place.key, thinned, accepted & held, usual)


def _normalised(part: _Part, rows: npt.NDArray[np.intp]) -> Float64s:
    usual = part.usual
    bins, key = part.bins[rows], part.key[rows]
    spread = np.maximum(usual.spread[bins], usual.key_spread[key])
    return (part.features[rows] - usual.centre[bins] - usual.key_offset[key]) / spread


def _group_rows(
    parts: list[_Part], group: str, group_of: Callable[[Channel], str], rng: np.random.Generator
) -> Float64s:
    """Normalised training features of all channels of a group, one channel of one row each, shape (n, 3)."""
    found: list[Float64s] = []
    for part in parts:
        columns = [i for i, channel in enumerate(part.channels) if group_of(channel) == group]
        if not columns:
            continue
        rows = np.flatnonzero(part.train)
        rows = rng.choice(rows, min(len(rows), ROWS), replace=False)
        z = _normalised(part, rows)[:, columns].reshape(-1, 3)
        found.append(z[np.isfinite(z).all(axis=1)])
    return np.concatenate(found)


def _packet_model(
    part: _Part, groups: tuple[str, ...], group_of: Callable[[Channel], str], parent: Scorer | None
) -> PacketModel:
    c = len(part.channels)
    names = tuple(channel.name for channel in part.channels)
    before = None if parent is None else parent.packets.get(part.rows.packet)
    if before is not None and before.channels == names:
        axes = (before.axes_centre, before.axes_scale, before.axes)
    else:
        axes = _axes(part.features[part.train, :, 0])
    usual = part.usual
    return PacketModel(
        names,
        part.rows.period_s,
        usual.centre,
        usual.spread,
        usual.key_offset,
        usual.key_spread,
        np.array([groups.index(group_of(channel)) for channel in part.channels], dtype=np.intp),
        np.full(c, NEVER),
        np.zeros(c),
        np.empty(0),
        *axes,
    )


def _axes(values: Float64s) -> tuple[Float64s, Float64s, Float64s]:
    """Centre, scale and the three principal directions of the values; signs fixed, so that no refit mirrors."""
    c = values.shape[1]
    centre = np.nan_to_num(np.nanmedian(values, axis=0))
    scale = np.nan_to_num(np.nanstd(values, axis=0))
    scale = np.where(scale > 0, scale, 1.0)
    z = np.nan_to_num((values - centre) / scale)
    _, vectors = np.linalg.eigh(z.T @ z / max(1, len(z)))
    top = vectors[:, ::-1][:, :3]
    top = top * np.sign(top[np.abs(top).argmax(axis=0), np.arange(top.shape[1])])
    axes = np.zeros((c, 3))
    axes[:, : top.shape[1]] = top / np.sqrt(c)
    return centre, scale, axes


def _metrics(scorer: Scorer, false_alarms_per_day: float) -> dict[str, float]:
    """Figures of the held-out rows: share above the threshold, and how many channels can be judged at all."""
    scores = np.concatenate([packet.calibration for packet in scorer.packets.values()])
    judged = sum(int((packet.threshold < NEVER).sum()) for packet in scorer.packets.values())
    return {
        "threshold": scorer.manifest.threshold,
        "margin": scorer.manifest.margin,
        "held_out_rate": float(np.mean(scores > THRESHOLD)) if len(scores) else 0.0,
        "false_alarms_per_day": false_alarms_per_day,
        "calibration_rows": float(len(scores)),
        "channels": float(judged),
    }
