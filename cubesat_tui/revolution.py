"""How long a satellite takes to go round."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telemetry.dictionary import Mission

NS_PER_DAY = 86_400_000_000_000


def orbit_ns(mission: Mission, satellite: str) -> int | None:
    """One revolution by the mean motion of the satellite's elements, None without any."""
    tle = mission.satellite(satellite).tle
    if tle is None:
        return None
    try:
        turns_a_day = float(tle[1][52:63])
    except ValueError:
        return None
    return int(NS_PER_DAY / turns_a_day) if turns_a_day > 0 and math.isfinite(turns_a_day) else None
