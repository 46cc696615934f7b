"""Some channels of a window fitted: what is usual for each, forest, members, thresholds.

A challenger is made a few channels at a time (`trainer.challenger`); what its channels have in common waits until
all are there (`trainer.model`).

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

import platform
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from telemetry.frame import Float64s
from trainer.artifact import FORMAT, FUSION
from trainer.calibration import LINGERS, breadth, calibrate, expected_false_alarms, margin
from trainer.carried import in_common, principal_axes
from trainer.features import FEATURES_VERSION
from trainer.fitting import TREES, arrays_of
from trainer.forest import ForestArrays
from trainer.fusion.arrays import MUTE
from trainer.fusion.fit_packet import fit_packet, packet_rifts
from trainer.grown import grow
from trainer.prepared import Part, Setting, carried_setting, learn_setting, prepare, sampled
from trainer.served import NEVER, ClockInfo, Manifest, PacketInfo, PacketModel, Scorer, WindowInfo
from trainer.window import Window

FOREST = "isolation_forest"
VARIES = "varies too much from orbit to orbit"


class NotEnough(Exception):
    """The window does not allow a model yet."""


@dataclass(frozen=True, eq=False)
class Recipe:
    """What a model is made of, and what it is to be like."""

    window: Window
    version: int
    parent: Scorer | None
    """The champion."""
    created_ns: int
    """UTC ns."""
    false_alarms_per_day: float
    """Budget over all channels."""
    kind: str = FOREST
    """`fusion` or `isolation_forest`."""
    seed: int = 0
    """Of the forest; the fusion has none."""
    trees: int = TREES


@dataclass(frozen=True, eq=False)
class PacketPiece:
    """Channels of one packet. Projection, joint covariance and breaks are there if these are all of the packet."""

    model: PacketModel
    info: PacketInfo
    expected: float
    """Their false alarms a day."""


@dataclass(frozen=True, eq=False)
class Piece:
    """The channels of a model that were fitted together."""

    setting: Setting
    """The same for all pieces of a model."""
    packets: tuple[PacketPiece, ...]
    forest: ForestArrays | None
    """Grown by this fit, which was one of all channels; None: that of the parent, like all that was not fitted."""


def fit_channels(recipe: Recipe, due: Collection[str] | None = None, setting: Setting | None = None) -> Piece:
    """Fit and calibrate channels of a challenger.

    Args:
        recipe: the challenger.
        due: of a fusion, the channels to fit; every other one is to be carried over whole from the parent. None is
            all of them, and so it is where there is no fusion to carry over from or its clock no longer holds.
        setting: that of an earlier piece of the same challenger, none of which is one of all channels.

    Raises:
        NotEnough: no packet has a channel that can be judged.
    """
    window, parent, fusion = recipe.window, recipe.parent, recipe.kind == FUSION
    packets = sampled(window)
    if setting is None and due is not None and fusion and parent is not None and parent.manifest.kind == FUSION:
        setting = carried_setting(parent, window, packets)
    before = parent if setting is not None else None
    if setting is None:
        due, setting = None, learn_setting(window, packets, pairs=fusion)
    bounds_ns = window.bounds_ns
    found = (prepare(packet, setting, bounds_ns, due, exact=fusion) for packet in packets)
    parts = [part for part in found if part is not None]
    if before is None:
        if not parts:
            raise NotEnough("no channel can be judged yet")
        forest = arrays_of([grow(parts, recipe.seed, recipe.trees)])
        channels = sum(len(part.channels) for part in parts)
    else:
        forest = before.forest
        channels = len({name for model in before.packets.values() for name in model.channels}.union(due or ()))
    draft = Scorer(draft_manifest(recipe, setting), forest, {})
    fitted = (_fit_part(draft, part, setting, channels, parent, whole=before is None) for part in parts)
    made = tuple(one for one in fitted if one is not None)
    if not made and not (before is not None and any(packet.rows.packet in before.packets for packet in packets)):
        raise NotEnough("no channel can be judged yet")
    return Piece(setting, made, forest if before is None else None)


def draft_manifest(recipe: Recipe, setting: Setting) -> Manifest:
    """All that is known before the packets are."""
    window, parent = recipe.window, recipe.parent
    t0_ns, t1_ns = window.bounds_ns
    clock = setting.clock
    return Manifest(
        format=FORMAT,
        features_version=FEATURES_VERSION,
        kind=recipe.kind,
        satellite=window.satellite,
        version=recipe.version,
        parent=None if parent is None else parent.version,
        created_ns=recipe.created_ns,
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
        false_alarms_per_day=recipe.false_alarms_per_day,
        trees=recipe.trees,
        libraries={"python": platform.python_version(), "numpy": np.__version__},
    )


def _fit_part(
    draft: Scorer, part: Part, setting: Setting, channels: int, parent: Scorer | None, *, whole: bool
) -> PacketPiece | None:
    """Fit what was prepared of a packet; None where no channel of it has enough rows. `whole`: it is all of it."""
    manifest, name = draft.manifest, part.rows.packet
    seconds = float(part.held.sum()) * part.rows.period_s
    factor = margin(int(part.held.sum()), seconds, channels, manifest.false_alarms_per_day)
    fused = None
    if manifest.kind == FUSION:
        factor *= LINGERS * breadth(setting.turns)
        fused = fit_packet(part, setting, factor)
        if fused is None:
            return None
        part = fused.part
    scorer = Scorer(manifest, draft.forest, {name: _packet_model(part, parent, whole=whole)})
    rows_held = (part.features[part.held], part.bins[part.held], part.key[part.held])
    model = calibrate(scorer, name, *rows_held, factor)
    expected = expected_false_alarms(scorer, name, *rows_held, factor)
    excluded = dict(part.excluded)
    if fused is None:
        silent = model.threshold >= NEVER
    else:
        model = replace(model, fusion=fused.fusion, calibration=fused.calibration)
        if whole:
            model = _with_common(model, part, setting)
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
    return PacketPiece(model, info, expected)


def _with_common(model: PacketModel, part: Part, setting: Setting) -> PacketModel:
    """With joint covariance and breaks between channels: those of the part are all of the packet."""
    values = part.rows.values[part.rows.accepted][:, part.positions]
    rifts = packet_rifts(part.rows, part.features[:, :, 0], part.broken, part.bins, setting)
    return in_common(model, part.normalised(part.thinned)[:, :, 0], values, rifts)


def _packet_model(part: Part, parent: Scorer | None, *, whole: bool) -> PacketModel:
    c = len(part.channels)
    names = tuple(channel.name for channel in part.channels)
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
        *(_axes(part, names, parent) if whole else (np.zeros(c), np.ones(c), np.zeros((c, 3)))),
    )


def _axes(part: Part, names: tuple[str, ...], parent: Scorer | None) -> tuple[Float64s, Float64s, Float64s]:
    before = None if parent is None else parent.packets.get(part.rows.packet)
    if before is not None and before.channels == names:
        return before.axes_centre, before.axes_scale, before.axes
    return principal_axes(part.features[part.thinned, :, 0])
