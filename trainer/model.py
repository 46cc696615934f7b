"""From a window of rows to a scorer: what is usual, forest, members, thresholds, projection.

Either detector judges one channel at a time, normalised, so a step in one channel is never diluted by the others.
`fusion` judges by the voices of each channel (`trainer.fusion`); its forest is there to be looked at.
`isolation_forest` judges by a forest over value, mean and deviation. Once normalised the channels look alike, and
one forest for all of them, with a threshold for each, finds as much as one for each. Measured on six orbits of the
simulated 3U, 39 judged channels; recall is the share of steps of 4, 8, 12, 20 and 40 standard deviations of a
channel's noise that put a row above its threshold:

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
from collections.abc import Collection
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from telemetry.frame import Float64s
from trainer.artifact import FORMAT, pack
from trainer.calibration import breadth, calibrate, expected_false_alarms, held_out, margin
from trainer.carried import merged, principal_axes
from trainer.features import FEATURES_VERSION
from trainer.fitting import TREES, arrays_of
from trainer.fusion.arrays import MUTE
from trainer.fusion.fit_packet import fit_packet, packet_rifts
from trainer.grown import grow
from trainer.joint import fit_joint
from trainer.prepared import (
    Part,
    Sampled,
    Setting,
    broken_rows,
    carried_setting,
    inside_limits,
    learn_setting,
    prepare,
    sampled,
)
from trainer.served import NEVER, THRESHOLD, ClockInfo, Manifest, PacketInfo, PacketModel, Scorer, WindowInfo
from trainer.usual import where
from trainer.window import Window

JOINT_ROWS = 4000
"""Rows the joint covariance is put together from after a fit of some channels."""

FOREST, FUSION = "isolation_forest", "fusion"
VARIES = "varies too much from orbit to orbit"


@dataclass(frozen=True, eq=False)
class Fitted:
    """A challenger: the scorer, its bytes, and what the audit records about it."""

    scorer: Scorer
    packed: bytes
    metrics: dict[str, float]
    forest_anew: bool = True
    """Its forest was grown by this fit; False: it is that of the parent."""


class NotEnough(Exception):
    """The window does not allow a model yet."""


@dataclass(frozen=True, eq=False)
class _Done:
    """One packet of the challenger; `expected` false alarms a day of the channels that were fitted."""

    model: PacketModel
    info: PacketInfo
    expected: float
    fitted: int


def fit(
    window: Window,
    *,
    version: int,
    parent: Scorer | None,
    created_ns: int,
    false_alarms_per_day: float,
    kind: str = FOREST,
    due: Collection[str] | None = None,
    seed: int = 0,
    trees: int = TREES,
) -> Fitted:
    """Fit and calibrate a challenger.

    Args:
        window: the rows.
        version: of the challenger.
        parent: the champion, or the challenger as far as it has come.
        created_ns: UTC ns.
        false_alarms_per_day: budget over all channels.
        kind: `fusion` or `isolation_forest`.
        due: of a fusion, the channels to fit anew; every other one is carried over whole from `parent`, so that a
            challenger can be made a few channels at a time, each step with the one before as its parent. None is
            all of them, and so it is where there is no fusion to carry over from or its clock no longer holds.
        seed: of the forest; the fusion has none.
        trees: of the forest.

    Raises:
        NotEnough: no packet has a channel that can be judged.
    """
    packets = sampled(window)
    setting = None
    if due is not None and kind == FUSION and parent is not None and parent.manifest.kind == FUSION:
        setting = carried_setting(parent, window, packets)
    before = parent if setting is not None else None
    if setting is None:
        due, setting = None, learn_setting(window, packets, pairs=kind == FUSION)
    bounds_ns = window.bounds_ns
    found = [(packet, prepare(packet, setting, bounds_ns, due, exact=kind == FUSION)) for packet in packets]
    parts = [part for _, part in found if part is not None]
    if not parts and before is None:
        raise NotEnough("no channel can be judged yet")
    forest = arrays_of([grow(parts, seed, trees)]) if before is None else before.forest
    manifest = _manifest(window, setting, version, parent, created_ns, false_alarms_per_day, kind, trees)
    draft = Scorer(manifest, forest, {})
    channels = sum(len(part.channels) for part in parts)
    if before is not None:
        channels = len({name for model in before.packets.values() for name in model.channels}.union(due or ()))
    done: list[_Done] = []
    for packet, part in found:
        was = None if before is None else _info(before, packet.rows.packet)
        one = None if part is None else _fit_part(draft, part, setting, channels, parent)
        if before is not None and was is not None:
            one = _carried(before, was, one, packet, setting, version)
        if one is not None:
            done.append(one)
    if not done:
        raise NotEnough("no channel can be judged yet")
    models = {one.info.packet: one.model for one in done}
    packed = pack(forest, models)
    thresholds, mute = _thresholds(kind, models)
    usable = thresholds[thresholds < mute]
    manifest = msgspec.structs.replace(
        manifest,
        packets=tuple(one.info for one in done),
        sha256=hashlib.sha256(packed).hexdigest(),
        bytes=len(packed),
        seen=_seen(setting, before, [one.info for one in done], version),
        threshold=float(np.median(usable)) if len(usable) else mute,
        margin=max(one.info.margin for one in done),
    )
    scorer = Scorer(manifest, forest, models)
    judged = sum(len(one.model.channels) for one in done)
    fitted = sum(one.fitted for one in done)
    # What was carried over is taken to be like what was fitted.
    expected = sum(one.expected for one in done) * judged / max(1, fitted)
    metrics = {**_metrics(scorer, expected), "fitted_channels": float(fitted)}
    return Fitted(scorer, packed, metrics, forest_anew=before is None)


def numbered(fitted: Fitted, version: int) -> Fitted:
    """A challenger that was fitted without a number, as model `version`; its arrays do not tell."""
    manifest = fitted.scorer.manifest
    packets = tuple(
        msgspec.structs.replace(
            info, fitted=tuple(version if one == manifest.version else one for one in info.fitted)
        )
        for info in manifest.packets
    )
    manifest = msgspec.structs.replace(manifest, version=version, packets=packets)
    return replace(fitted, scorer=replace(fitted.scorer, manifest=manifest))


def recalibrated(scorer: Scorer, window: Window) -> dict[str, PacketModel]:
    """The thresholds of a served model's forest once more, from its arrays and the rows its manifest names.

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
        chosen = inside_limits(rows, features, positions)
        place = where(scorer.clock, scorer.keys, rows.t_ns, codes[:, order])
        held = rows.accepted & ~rows.trusted & held_out(rows.t_ns, scorer.clock, t0_ns, t1_ns)
        found[info.packet] = calibrate(
            scorer, info.packet, chosen[held], place.bins[held], place.key[held], info.margin
        )
    return found


def _manifest(
    window: Window,
    setting: Setting,
    version: int,
    parent: Scorer | None,
    created_ns: int,
    false_alarms_per_day: float,
    kind: str,
    trees: int,
) -> Manifest:
    """All that is known before the packets are."""
    t0_ns, t1_ns = window.bounds_ns
    clock = setting.clock
    before = None if parent is None else parent.manifest
    # A challenger that is made in steps has its champion as parent, not itself.
    number = None if before is None else before.parent if before.version == version else before.version
    return Manifest(
        format=FORMAT,
        features_version=FEATURES_VERSION,
        kind=kind,
        satellite=window.satellite,
        version=version,
        parent=number,
        created_ns=created_ns,
        sha256="",
        bytes=0,
        context=setting.context,
        keys=tuple(tuple(float(code) for code in key) for key in setting.keys),
        clock=None
        if clock is None
        else ClockInfo(
            channel=setting.clock_channel,
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


def _seen(setting: Setting, before: Scorer | None, infos: list[PacketInfo], version: int) -> tuple[str, ...]:
    """Where each mode was seen, as the manifest keeps it.

    What a channel that was carried over knows is older: until all are fitted anew it stays as it was.
    """
    if before is not None and any(fitted != version for info in infos for fitted in info.fitted):
        older = before.manifest.seen
        return (*older, *("0" for _ in range(len(setting.keys) - len(older)))) if older else ()
    if setting.seen is None:
        return ()
    return tuple(f"{sum(1 << place for place in np.flatnonzero(row).tolist()):x}" for row in setting.seen)


def _fit_part(draft: Scorer, part: Part, setting: Setting, channels: int, parent: Scorer | None) -> _Done | None:
    """Fit what was prepared of a packet; None where no channel of it has enough rows."""
    manifest, name = draft.manifest, part.rows.packet
    seconds = float(part.held.sum()) * part.rows.period_s
    factor = margin(int(part.held.sum()), seconds, channels, manifest.false_alarms_per_day)
    if manifest.kind == FUSION:
        factor *= breadth(setting.turns)
    fused = fit_packet(part, setting, factor) if manifest.kind == FUSION else None
    if manifest.kind == FUSION:
        if fused is None:
            return None
        part = fused.part
    scorer = Scorer(manifest, draft.forest, {name: _packet_model(part, parent)})
    rows_held = (part.features[part.held], part.bins[part.held], part.key[part.held])
    model = calibrate(scorer, name, *rows_held, factor)
    expected = expected_false_alarms(scorer, name, *rows_held, factor)
    excluded = dict(part.excluded)
    if fused is None:
        silent = model.threshold >= NEVER
    else:
        values = part.rows.values[part.rows.accepted][:, part.positions]
        joint = fit_joint(part.normalised(part.thinned)[:, :, 0], values)
        steps, rift = packet_rifts(part.rows, part.features[:, :, 0], part.broken, part.bins, setting)
        model = replace(
            model,
            fusion=fused.fusion,
            calibration=fused.calibration,
            joint_scale=joint.scale,
            joint_precision=joint.precision,
            rift_precision=steps,
            rift_threshold=rift,
        )
        silent = (fused.fusion.threshold >= MUTE) & (fused.fusion.place_threshold >= MUTE)
    for channel, never in zip(part.channels, silent.tolist(), strict=True):
        if never:
            excluded[channel.name] = VARIES
    info = PacketInfo(
        packet=name,
        period_s=part.rows.period_s,
        channels=model.channels,
        excluded=excluded,
        margin=factor,
        train_rows=int(part.thinned.sum()),
        calibration_rows=len(model.calibration),
        fitted=(manifest.version,) * len(model.channels),
    )
    return _Done(model, info, expected, len(model.channels))


def _packet_model(part: Part, parent: Scorer | None) -> PacketModel:
    c = len(part.channels)
    names = tuple(channel.name for channel in part.channels)
    before = None if parent is None else parent.packets.get(part.rows.packet)
    if before is not None and before.channels == names:
        axes = (before.axes_centre, before.axes_scale, before.axes)
    else:
        axes = principal_axes(part.features[part.thinned, :, 0])
    usual = part.usual
    return PacketModel(
        names,
        part.rows.period_s,
        usual.centre,
        usual.spread,
        usual.key_offset,
        usual.key_spread,
        np.zeros(c, dtype=np.intp),
        np.full(c, NEVER),
        np.zeros(c),
        np.empty(0),
        *axes,
    )


def _info(scorer: Scorer, packet: str) -> PacketInfo | None:
    return next((info for info in scorer.manifest.packets if info.packet == packet), None)


def _carried(
    before: Scorer, was: PacketInfo, made: _Done | None, packet: Sampled, setting: Setting, version: int
) -> _Done:
    """The packet as it was, with what was fitted of it anew."""
    model = before.packets[was.packet]
    anew = () if made is None else made.model.channels
    excluded = dict(was.excluded)
    if made is not None:
        excluded = {name: why for name, why in excluded.items() if name not in anew} | made.info.excluded
    known = {*model.channels, *anew}
    names = tuple(channel.name for channel in packet.rows.channels if channel.name in known)
    model = merged(model, None if made is None else made.model, names, len(setting.keys))
    if made is not None:
        model = _together(before, model, was, packet, setting)
    versions = {**dict(zip(was.channels, was.fitted, strict=True)), **dict.fromkeys(anew, version)}
    info = msgspec.structs.replace(
        was if made is None else made.info,
        channels=names,
        excluded=excluded,
        calibration_rows=len(model.calibration),
        fitted=tuple(versions[name] for name in names),
    )
    return _Done(model, info, 0.0 if made is None else made.expected, len(anew))


def _together(
    before: Scorer, model: PacketModel, was: PacketInfo, packet: Sampled, setting: Setting
) -> PacketModel:
    """Projection, joint covariance and breaks between channels of a packet put together from two models."""
    rows = packet.rows
    positions = [i for i, channel in enumerate(rows.channels) if channel.name in model.channels]
    taken = np.flatnonzero(rows.accepted)
    taken = taken[:: max(1, len(taken) // JOINT_ROWS)]
    whole = inside_limits(rows, packet.features, positions)
    features = whole[taken]
    place = where(setting.clock, setting.keys, rows.t_ns, packet.codes[:, setting.columns])
    z = before.normalise(model, features, place.bins[taken], place.key[taken])[:, :, 0]
    joint = fit_joint(z, rows.values[rows.accepted][:, positions])
    if model.channels != was.channels:
        centre, scale, axes = principal_axes(features[:, :, 0])
        model = replace(model, axes_centre=centre, axes_scale=scale, axes=axes)
    steps, rift = packet_rifts(rows, whole[:, :, 0], broken_rows(rows, packet.codes), place.bins, setting)
    return replace(
        model,
        joint_scale=joint.scale,
        joint_precision=joint.precision,
        rift_precision=steps,
        rift_threshold=rift,
    )


def _thresholds(kind: str, models: dict[str, PacketModel]) -> tuple[Float64s, float]:
    """Thresholds of what judges, and the one of a channel without any."""
    if kind == FUSION:
        fusions = [model.fusion for model in models.values() if model.fusion is not None]
        return np.concatenate([fusion.threshold for fusion in fusions]), MUTE
    return np.concatenate([model.threshold for model in models.values()]), NEVER


def _metrics(scorer: Scorer, false_alarms_per_day: float) -> dict[str, float]:
    """Figures of the held-out rows: share above the threshold, and how many channels can be judged at all."""
    scores = np.concatenate([packet.calibration for packet in scorer.packets.values()])
    thresholds, mute = _thresholds(scorer.manifest.kind, scorer.packets)
    return {
        "threshold": scorer.manifest.threshold,
        "margin": scorer.manifest.margin,
        "held_out_rate": float(np.mean(scores > THRESHOLD)) if len(scores) else 0.0,
        "false_alarms_per_day": false_alarms_per_day,
        "calibration_rows": float(len(scores)),
        "channels": float((thresholds < mute).sum()),
    }
