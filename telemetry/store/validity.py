"""A mission's word on which stored values are INVALID."""

from __future__ import annotations

import numpy as np

from telemetry.dictionary import Channel, Mission
from telemetry.frame import Float64s, Layout
from telemetry.freshness import invalid_mask
from telemetry.store.rows import Bools, InvalidRule


def invalid_rule(mission: Mission) -> InvalidRule:
    """The rule to open a store with: `valid`, `sentinels` and `enum` of the mission's channels.

    For a satellite the mission does not know only what is not finite is INVALID.
    """
    definitions: dict[tuple[str, str], tuple[Channel, ...] | None] = {}

    def invalid(satellite: str, layout: Layout, values: Float64s) -> Bools:
        key = satellite, layout.digest
        if key not in definitions:
            known = satellite in mission.by_name
            definitions[key] = mission.bus_of(satellite).channels_of(layout) if known else None
        channels = definitions[key]
        return ~np.isfinite(values) if channels is None else invalid_mask(channels, values)

    return invalid
