"""Four rangefinders that watch the tips of deployable panels: these expand with heat and bend in a turn."""

from __future__ import annotations

from typing import Final

from sim.elementwise import Num

REST_CM: Final = {"n": 45.4, "e": 65.3, "s": 55.3, "w": 70.2}
"""Distance at 20 degC. North is -Y, south +Y, east +X, west -X."""
EXPANSION_CM_PER_K: Final = 0.02
BENDING_CM: Final = 0.8
"""Per deg/s about the axes that swing the tip."""
ROOM_C: Final = 20.0

_NORTH: Final = REST_CM["n"] - EXPANSION_CM_PER_K * ROOM_C
_EAST: Final = REST_CM["e"] - EXPANSION_CM_PER_K * ROOM_C
_SOUTH: Final = REST_CM["s"] - EXPANSION_CM_PER_K * ROOM_C
_WEST: Final = REST_CM["w"] - EXPANSION_CM_PER_K * ROOM_C


def distances(
    t_px: Num, t_mx: Num, t_py: Num, t_my: Num, rate_x: Num, rate_y: Num, rate_z: Num
) -> tuple[Num, Num, Num, Num]:
    """Distances north, east, south, west (cm) at panel temperatures in degC and body rates in deg/s."""
    along_y = BENDING_CM * (abs(rate_x) + abs(rate_z))
    along_x = BENDING_CM * (abs(rate_y) + abs(rate_z))
    return (
        _NORTH + EXPANSION_CM_PER_K * t_my + along_y,
        _EAST + EXPANSION_CM_PER_K * t_px + along_x,
        _SOUTH + EXPANSION_CM_PER_K * t_py + along_y,
        _WEST + EXPANSION_CM_PER_K * t_mx + along_x,
    )
