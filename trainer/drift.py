"""How far what is measured now lies from what was learned: population stability index, over ten equal parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from telemetry.frame import Float64s

if TYPE_CHECKING:
    from trainer.served import Scorer
    from trainer.window import Window

PARTS = 10
NEWEST_PART = 5
"""Where no orbit is known, one in so many of a packet's rows are its newest."""
ENOUGH = 2000
"""Values on either side that are looked at; of more, every so many."""
CHANNEL_DRIFT = "drift"
"""Key of a run's body: channel -> its stability index."""
LEAST = 20
"""Values on either side below which nothing is said."""


def stability_index(reference: Float64s, newest: Float64s) -> float:
    """Population stability index of `newest` against `reference`, in ten equal parts of the reference."""
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, PARTS + 1)[1:-1]))
    was = np.bincount(np.searchsorted(edges, reference, side="right"), minlength=len(edges) + 1) / len(reference)
    now = np.bincount(np.searchsorted(edges, newest, side="right"), minlength=len(edges) + 1) / len(newest)
    was, now = np.maximum(was, 1e-3), np.maximum(now, 1e-3)
    return float(np.sum((now - was) * np.log(now / was)))


def score_drift(champion: Scorer, scores: Float64s) -> float | None:
    """Of new row scores against the champion's calibration; None where there are too few."""
    reference = max((packet.calibration for packet in champion.packets.values()), key=len)
    known = scores[np.isfinite(scores)]
    return None if min(len(known), len(reference)) < LEAST else stability_index(reference, known)


def channel_drift(window: Window, orbit_ns: int | None) -> dict[str, float]:
    """Of each channel, its newest orbit against the accepted rows of the window before that.

    Of a shorter stretch the index would tell where on the orbit it lies. Channels with too few values are left out.
    """
    found: dict[str, float] = {}
    for packet in window.packets:
        if orbit_ns is None:
            newest = np.arange(len(packet)) >= len(packet) - len(packet) // NEWEST_PART
        else:
            newest = packet.t_ns > packet.t_ns[-1] - orbit_ns
        rows = (packet.accepted & ~newest, newest)
        for i, channel in enumerate(packet.channels):
            reference, now = (_some(packet.values[chosen, i]) for chosen in rows)
            if min(len(reference), len(now)) >= LEAST:
                found[channel.name] = round(stability_index(reference, now), 4)
    return found


def _some(values: Float64s) -> Float64s:
    known = values[np.isfinite(values)]
    return known[:: 1 + len(known) // ENOUGH]
