"""A whole model from the pieces it was fitted in: what is carried over, what all channels tell together, its bytes.

What it is fitted by is told in `trainer.fit_channels`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from telemetry.frame import Float64s
from trainer.artifact import FUSION, pack
from trainer.calibration import calibrate, held_out
from trainer.carried import merged, together
from trainer.fit_channels import FOREST, PacketPiece, Piece, Recipe, draft_manifest, fit_channels
from trainer.fitting import TREES
from trainer.fusion.arrays import MUTE
from trainer.prepared import Sampled, Setting, inside_limits, sampled
from trainer.served import NEVER, THRESHOLD, PacketInfo, PacketModel, Scorer
from trainer.usual import where
from trainer.window import Window


@dataclass(frozen=True, eq=False)
class Fitted:
    """A challenger: the scorer, its bytes, and what the audit records about it."""

    scorer: Scorer
    packed: bytes
    metrics: dict[str, float]
    forest_anew: bool = True
    """Its forest was grown by this fit; False: it is that of the parent."""


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
    """Fit a challenger in one piece; arguments as of `Recipe` and `fit_channels`.

    Raises:
        trainer.fit_channels.NotEnough: no packet has a channel that can be judged.
    """
    recipe = Recipe(window, version, parent, created_ns, false_alarms_per_day, kind, seed, trees)
    return complete(recipe, (fit_channels(recipe, due),))


def complete(recipe: Recipe, pieces: Sequence[Piece]) -> Fitted:
    """The challenger of which `pieces` were fitted, in that order; one of all channels is the only one."""
    setting, forest = pieces[0].setting, pieces[0].forest
    fitted = [one for piece in pieces for one in piece.packets]
    before = None
    if forest is None:
        before = recipe.parent
        assert before is not None
        forest = before.forest
    done = fitted if before is None else _carried(recipe, before, fitted, setting)
    infos, models = [one.info for one in done], {one.info.packet: one.model for one in done}
    packed = pack(forest, models)
    thresholds, mute = _thresholds(recipe.kind, models)
    usable = thresholds[thresholds < mute]
    manifest = msgspec.structs.replace(
        draft_manifest(recipe, setting),
        packets=tuple(infos),
        sha256=hashlib.sha256(packed).hexdigest(),
        bytes=len(packed),
        seen=_seen(setting, before, infos, recipe.version),
        threshold=float(np.median(usable)) if len(usable) else mute,
        margin=max(info.margin for info in infos),
    )
    scorer = Scorer(manifest, forest, models)
    judged = sum(len(model.channels) for model in models.values())
    anew = sum(len(one.model.channels) for one in fitted)
    # What was carried over is taken to be like what was fitted.
    expected = sum(one.expected for one in fitted) * judged / max(1, anew)
    metrics = {**_metrics(scorer, expected), "fitted_channels": float(anew)}
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
    packets = {packet.rows.packet: packet for packet in sampled(window)}
    for info in scorer.manifest.packets:
        packet = packets[info.packet]
        rows = packet.rows
        positions = [i for i, channel in enumerate(rows.channels) if channel.name in info.channels]
        chosen = inside_limits(rows, packet.features(positions), positions)
        place = where(scorer.clock, scorer.keys, rows.t_ns, packet.codes[:, order])
        held = rows.accepted & ~rows.trusted & held_out(rows.t_ns, scorer.clock, t0_ns, t1_ns)
        found[info.packet] = calibrate(
            scorer, info.packet, chosen[held], place.bins[held], place.key[held], info.margin
        )
    return found


def _carried(recipe: Recipe, before: Scorer, fitted: Sequence[PacketPiece], setting: Setting) -> list[PacketPiece]:
    """The packets of the window as they were in `before`, with what was fitted anew."""
    done: list[PacketPiece] = []
    infos = {info.packet: info for info in before.manifest.packets}
    for packet in sampled(recipe.window):
        name = packet.rows.packet
        anew = [one for one in fitted if one.info.packet == name]
        if name in infos:
            whole = PacketPiece(before.packets[name], infos[name], 0.0)
        elif anew:
            whole = anew[0]
        else:
            continue
        for one in anew or (None,):
            whole = _with(whole, one, packet, len(setting.keys), recipe.version)
        if anew or whole.model.channels != infos[name].channels:
            whole = replace(whole, model=together(before, whole.model, packet, setting))
        done.append(whole)
    return done


def _with(was: PacketPiece, made: PacketPiece | None, packet: Sampled, keys: int, version: int) -> PacketPiece:
    """The packet as it was, with what was fitted of it anew; `keys`: known modes now."""
    anew = () if made is None else made.model.channels
    excluded = dict(was.info.excluded)
    if made is not None:
        excluded = {name: why for name, why in excluded.items() if name not in anew} | made.info.excluded
    known = {*was.model.channels, *anew}
    names = tuple(channel.name for channel in packet.rows.channels if channel.name in known)
    model = merged(was.model, None if made is None else made.model, names, keys)
    versions = {**dict(zip(was.info.channels, was.info.fitted, strict=True)), **dict.fromkeys(anew, version)}
    info = msgspec.structs.replace(
        was.info if made is None else made.info,
        channels=names,
        excluded=excluded,
        calibration_rows=len(model.calibration),
        fitted=tuple(versions[name] for name in names),
    )
    return PacketPiece(model, info, 0.0)


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
