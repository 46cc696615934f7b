"""Whether a challenger may replace the champion: no more alarms on the rows accepted since, no blinder."""

from __future__ import annotations

import numpy as np

from telemetry.frame import Float64s
from trainer.served import NEVER, Scorer
from trainer.usual import where
from trainer.window import Window

ROWS = 40
"""Newest accepted rows of each packet that faults are injected into."""

STEP_SPREADS = 12.0
"""Size of the injected step in standard deviations of a channel's successive differences."""

MORE_ALARMS = 0.01
LESS_RECALL = 0.02

RECENT = 150


def reason_to_reject(
    champion: Scorer | None, challenger: Scorer, window: Window
) -> tuple[str | None, dict[str, float]]:
    """One sentence with figures, or None when the challenger passes; and the figures themselves."""
    mine = _figures(challenger, window)
    figures = {"alarm_rate": mine[0], "bank_recall": mine[1]}
    if mine[1] <= 0.0:
        return "finds none of the injected steps", figures
    if champion is None:
        return None, figures
    before = _figures(champion, window)
    if mine[0] > before[0] + MORE_ALARMS:
        return f"alarm rate {mine[0]:.3f} > {before[0]:.3f} + {MORE_ALARMS}", figures
    if mine[1] < before[1] - LESS_RECALL:
        return f"bank recall {mine[1]:.2f} < {before[1]:.2f} - {LESS_RECALL}", figures
    return None, figures


def _figures(scorer: Scorer, window: Window) -> tuple[float, float]:
    """Share of the newest accepted rows above the threshold, and share of injected steps that are."""
    flagged = rows = found = injected = 0
    names = window.track.channels
    order = [names.index(name) for name in scorer.manifest.context if name in names] + [len(names)]
    for packet in window.packets:
        model = scorer.packets.get(packet.packet)
        position = {channel.name: i for i, channel in enumerate(packet.channels)}
        if model is None or len(order) != scorer.keys.shape[1] or any(n not in position for n in model.channels):
            continue
        features, codes = window.newest_features(packet, RECENT)
        chosen = features[:, [position[name] for name in model.channels]]
        place = where(scorer.clock, scorer.keys, packet.t_ns[-len(features) :], codes[:, order])
        accepted = packet.accepted[-len(features) :]
        judged = scorer.judge(packet.packet, chosen, place.bins, place.key)
        flagged += int((judged.flagged.any(axis=1) & accepted).sum())
        rows += int(accepted.sum())
        usable = np.flatnonzero(accepted & np.isfinite(judged.z).all(axis=(1, 2)))[-ROWS:]
        if len(usable):
            z = judged.z[usable]
            spread = np.maximum(model.spread[place.bins[usable]], model.key_spread[place.key[usable]])
            z[:, :, :2] += STEP_SPREADS * _noise(chosen[:, :, 0])[None, :, None] / spread[:, :, :2]
            hit = scorer.isolate(model, z) > model.threshold
            counted = model.threshold < NEVER
            found += int((hit.sum(axis=0)[counted] > 0).sum())
            injected += int(counted.sum())
    return flagged / max(1, rows), found / max(1, injected)


def _noise(values: Float64s) -> Float64s:
    """Standard deviation of each column's noise, from its successive differences; at least a little."""
    known = np.abs(np.diff(values, axis=0))
    usable = np.isfinite(known).any(axis=0)
    sigma = 1.4826 * np.nanmedian(np.where(usable, known, 0.0), axis=0) / np.sqrt(2)
    spread = np.nan_to_num(np.nanstd(np.where(usable, values, 0.0), axis=0))
    return np.maximum(np.maximum(sigma, spread / 5), 1e-6)
