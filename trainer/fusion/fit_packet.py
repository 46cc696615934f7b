"""The fusion of one packet: members, thresholds of all voices, and what channels do together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from telemetry.frame import Float64s
from trainer.calibration import breadth
from trainer.features import breaks
from trainer.fusion.arrays import MUTE, PacketFusion
from trainer.fusion.fit_jumps import jump_thresholds, learn_rifts
from trainer.fusion.fit_members import chosen_blocks, cut, fit_members
from trainer.fusion.fit_rules import (
    FusionRule,
    counted,
    learn_rule,
    longest_runs,
    place_thresholds,
    plain_stretches,
)
from trainer.fusion.fit_unrest import unrest_thresholds
from trainer.fusion.live import deviations
from trainer.fusion.stack import stacked
from trainer.fusion.widest import PlacedRows
from trainer.members.fitting import TooFewRows
from trainer.members.fusion import ChannelModel
from trainer.members.windows import Bools
from trainer.prepared import Part, Setting
from trainer.served import Indices, row_scores
from trainer.usual import resolution
from trainer.window import PacketRows


@dataclass(frozen=True, eq=False)
class FusedPart:
    """What was fitted of a packet."""

    part: Part
    """Without the channels of which too few rows are whole; these are excluded with the reason."""
    fusion: PacketFusion
    calibration: Float64s
    """Scores of held-out rows, ascending."""


def fit_packet(part: Part, setting: Setting, factor: float) -> FusedPart | None:
    """Fit the fusion of a packet's prepared channels; None when none of them has enough rows.

    `factor`: see `trainer.calibration.margin`.
    """
    context = np.eye(len(setting.keys) + 1)[part.key]
    rows, held = chosen_blocks(part.train, part.bins, setting.bins), np.flatnonzero(part.held)
    learned = deviations(part.normalised(rows)[:, :, 0], part.bins[rows], setting.bins)
    apart = cut(rows, part.broken)
    models: list[ChannelModel] = []
    kept: list[int] = []
    excluded = dict(part.excluded)
    for i, channel in enumerate(part.channels):
        try:
            models.append(fit_members(learned[:, i], context[rows], apart))
        except TooFewRows as few:
            excluded[channel.name] = str(few)
            continue
        kept.append(i)
    if not kept:
        return None
    part = part.take(kept, excluded)
    z = part.normalised(held)
    seen = deviations(z[:, :, 0], part.bins[held], setting.bins)
    apart = cut(held, part.broken)
    rules = [learn_rule(of.members, seen[:, i], context[held], apart, factor) for i, of in enumerate(models)]
    gaps = breaks(part.rows.t_ns, part.rows.period_s)
    gaps[1:] |= np.diff(part.rows.boot) != 0
    fusion = replace(
        stacked(models),
        usual=np.array([rule.usual for rule in rules]),
        threshold=np.array([rule.threshold for rule in rules]),
        place_threshold=place_thresholds(z, factor),
        longest=_longest(part, gaps),
        **_learned_by_rows(part, setting),
    )
    return FusedPart(part, fusion, _row_scores(fusion, rules, z))


def _longest(part: Part, apart: Bools) -> Float64s:
    """Longest runs; 0 where mission.toml says how long a value may stand still: then that rule alone speaks."""
    found = longest_runs(part.rows.moving[:, list(part.positions)], part.rows.accepted, apart)
    found[[channel.stuck_s is not None for channel in part.channels]] = 0.0
    return found


def _learned_by_rows(part: Part, setting: Setting) -> dict[str, Float64s]:
    """Thresholds of what neighbouring rows tell, as the artifact keeps them (float32)."""
    rows = _placed(part.rows, part.features[:, :, 0], part.broken, part.bins, setting)
    return {"jump": _kept(jump_thresholds(rows), setting), "unrest": _kept(unrest_thresholds(rows), setting)}


def packet_rifts(
    rows: PacketRows, values: Float64s, broken: Bools, bins: Indices, setting: Setting
) -> tuple[Float64s, Float64s]:
    """Precision and thresholds of breaks between channels (`trainer.fusion.rifts`), as the artifact keeps them.

    Args:
        rows: of the packet, n.
        values: of its judged channels, shape (n, c); NaN where not to be learned.
        broken, bins: as of `trainer.prepared.Part`, shape (n,).
    """
    found = learn_rifts(_placed(rows, values, broken, bins, setting))
    return found.precision, _kept(found.threshold, setting)


def _placed(rows: PacketRows, values: Float64s, broken: Bools, bins: Indices, setting: Setting) -> PlacedRows:
    """The accepted rows; arguments as `packet_rifts`."""
    values, clock, t_ns = np.where(rows.accepted[:, None], values, np.nan), setting.clock, rows.t_ns
    turn = np.zeros_like(t_ns) if clock is None else (t_ns - clock.epoch_ns) // clock.period_ns
    return PlacedRows(values, broken, bins, turn, setting.bins, resolution(values), rows.period_s)


def _kept(threshold: Float64s, setting: Setting) -> Float64s:
    """In float32, and as wide as those of the other voices: orbits that were not seen may go further."""
    found = np.minimum(threshold * breadth(setting.turns), MUTE)
    return found.astype(np.float32).astype(np.float64)


def _row_scores(fusion: PacketFusion, rules: list[FusionRule], z: Float64s) -> Float64s:
    """Scores of the rows of the plain stretches: the loudest voice of the loudest channel."""
    stretches = plain_stretches(len(z))
    rows = stretches[:, counted(stretches.shape[1]) :].ravel()
    place = np.abs(z[rows]).max(axis=2) / fusion.place_threshold
    levels = np.stack([rule.plain for rule in rules], axis=1)
    loudest = np.fmax(place, (levels - fusion.usual) / (fusion.threshold - fusion.usual))
    scores = row_scores(loudest, np.zeros(len(fusion)), np.ones(len(fusion)))
    return np.sort(scores[~np.isnan(scores)])
