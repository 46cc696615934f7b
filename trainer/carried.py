"""A packet's model of which some channels were fitted anew and the others are those of the model before.

A channel is carried over whole: tables, members, thresholds. What belongs to all of them together (projection,
joint covariance, breaks between channels) is put together once, when every channel that is fitted anew is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from telemetry.frame import Float64s
from trainer.fusion.fit_members import joined, taken
from trainer.fusion.fit_packet import packet_rifts
from trainer.joint import fit_joint
from trainer.prepared import Sampled, Setting, inside_limits
from trainer.served import PacketModel, Scorer
from trainer.usual import where

TABLES = ("centre", "spread", "key_offset", "key_spread")
FIGURES = ("group", "threshold", "middle")

JOINT_ROWS = 4000
"""Rows the joint covariance is put together from."""


def merged(before: PacketModel, made: PacketModel | None, names: Sequence[str], keys: int) -> PacketModel:
    """The packet with channels `names`: from `made` what it has, the rest from `before`.

    Args:
        before: the packet as it was; its fusion is there if that of `made` is.
        made: some channels anew; None where nothing was fitted.
        names: of all channels, each in one of the two.
        keys: known modes now; `before` may know fewer. In a mode it does not know a carried channel is judged on
            the scale of the whole orbit.
    """
    old = _with_keys(before, keys)
    kept = [name for name in old.channels if name in names and (made is None or name not in made.channels)]
    rows = [old.channels.index(name) for name in kept]
    have = (*kept, *(() if made is None else made.channels))
    order = [have.index(name) for name in names]
    arrays = {name: [getattr(old, name)[:, rows]] for name in TABLES}
    arrays |= {name: [getattr(old, name)[rows]] for name in FIGURES}
    fusions = [] if old.fusion is None else [taken(old.fusion, rows)]
    if made is not None:
        for name, parts in arrays.items():
            parts.append(getattr(made, name))
        fusions += [] if made.fusion is None else [made.fusion]
    found = {
        name: np.concatenate(parts, axis=-2 if name in TABLES else 0)[
            (slice(None), order) if name in TABLES else order
        ]
        for name, parts in arrays.items()
    }
    fusion = taken(joined([part for part in fusions if len(part)]), order) if fusions else None
    return replace(old, channels=tuple(names), fusion=fusion, **found)


def _with_keys(model: PacketModel, keys: int) -> PacketModel:
    more = keys + 1 - len(model.key_offset)
    if more <= 0:
        return model
    offset = np.zeros((more, *model.key_offset.shape[1:]))
    spread = np.repeat(model.spread[:1], more, axis=0)
    fusion = model.fusion
    if fusion is not None:
        # Its forecasts know nothing of such a mode, whether a channel beside it was fitted anew or not.
        wider = ((0, 0), (0, keys + 1 - fusion.context.shape[1]))
        fusion = replace(fusion, context=np.pad(fusion.context, wider))
    return replace(
        model,
        fusion=fusion,
        key_offset=np.concatenate((model.key_offset, offset)),
        key_spread=np.concatenate((model.key_spread, spread)),
    )


def together(before: Scorer, model: PacketModel, packet: Sampled, setting: Setting) -> PacketModel:
    """A merged packet with joint covariance, breaks between channels and projection of the channels it has now.

    The projection stays that of `before` while the channels are the same: no refit moves the picture.
    """
    rows = packet.rows
    positions = [i for i, channel in enumerate(rows.channels) if channel.name in model.channels]
    accepted = np.flatnonzero(rows.accepted)
    some = accepted[:: max(1, len(accepted) // JOINT_ROWS)]
    values = inside_limits(rows, rows.values[:, positions], positions)
    place = where(setting.clock, setting.keys, rows.t_ns, packet.codes[:, setting.columns])
    z = before.normalise(model, values[some, :, None], place.bins[some], place.key[some])[:, :, 0]
    was = before.packets.get(rows.packet)
    if was is None or model.channels != was.channels:
        centre, scale, axes = principal_axes(values[some])
        model = replace(model, axes_centre=centre, axes_scale=scale, axes=axes)
    rifts = packet_rifts(rows, values, packet.broken, place.bins, setting)
    return in_common(model, z, rows.values[accepted][:, positions], rifts)


def in_common(model: PacketModel, z: Float64s, values: Float64s, rifts: tuple[Float64s, Float64s]) -> PacketModel:
    """The packet with what its c channels have in common.

    Args:
        z: deviations of accepted rows, shape (n, c), NaN where not known.
        values: of all accepted rows as sent, shape (m, c).
        rifts: as of `trainer.fusion.fit_packet.packet_rifts`.
    """
    joint, (precision, threshold) = fit_joint(z, values), rifts
    return replace(
        model,
        joint_scale=joint.scale,
        joint_precision=joint.precision,
        rift_precision=precision,
        rift_threshold=threshold,
    )


def principal_axes(values: Float64s) -> tuple[Float64s, Float64s, Float64s]:
    """Centre, scale and the three principal directions of values, shape (n, c), NaN where not known.

    Signs are fixed, so that no refit mirrors the picture.
    """
    c = int(values.shape[1])
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
