"""How long a channel of a simulated satellite may stand still, and how fast it may change.

Measured on 16 clean days of all three buses: morning, noon and dusk orbits with eclipses, passes, mode changes,
SAFE exercises, restarts on command and radio pauses. A value may stand twice as long as the longest run seen and,
where noise alone makes runs, so long that one comes in some years; it may change by 1.2 times the largest step seen
or more, where that leaves a spike of 20 steps of the sensor (`sim.fault_plan`) outside. There is no rate for what
switches by more in a second, an array at the edge of the shadow or a link that goes over to another station, and
none of the two for a counter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

AWAKE: Final = "obc.mode != BOOT and obc.mode != DETUMBLE"
"""A computer that starts does not send, and a satellite that is being stopped turns fast."""

_AXES: Final = "xyz"
_FACES: Final = tuple(sign + axis for axis in _AXES for sign in "pm")

_STUCK_S: Final[Mapping[str, float]] = {
    "eps.bat_v": 90,
    "eps.bat_i": 20,
    "eps.bat_t": 120,
    **{f"eps.pv_v_{axis}": 20 for axis in _AXES},
    **{f"eps.pv_i_{face}": 45 for face in _FACES},
    **{f"eps.bus{rail}_{what}": 30 for rail in ("3v3", "5v") for what in "vi"},
    **{f"thm.t_{face}": 150 for face in _FACES},
    "thm.t_int": 120,
    **{f"adcs.{what}_{axis}": 20 for what in ("rate", "mag", "rw_speed") for axis in _AXES},
    "adcs.att_err": 20,
    "adcs.rw_i": 20,
    **{f"adcs.q_{i}": 20 for i in range(1, 5)},
    "com.rssi_dn": 60,
    "com.rssi_up": 20,
    "com.rssi_bg": 180,
    "com.doppler": 15,
    "com.pa_t": 120,
    "gs.range_km": 15,
    "gs.elevation": 120,
    "obc.cpu": 20,
    "obc.mem": 1200,
    "obc.uptime": 60,
    "orb.alt_km": 300,
    "orb.lat": 30,
    "orb.lon": 15,
    **{f"pld.dist_{face}": 15 for face in "nesw"},
}
"""Seconds."""

_MAX_RATE: Final[Mapping[str, float]] = {
    "eps.bat_v": 0.16,
    "eps.bat_soc": 0.25,
    "eps.bat_t": 0.25,
    "eps.bus3v3_v": 0.06,
    "eps.bus3v3_i": 0.04,
    "eps.bus5v_v": 0.07,
    **{f"thm.t_{face}": 0.36 for face in _FACES},
    "thm.t_int": 0.25,
    **{f"adcs.rate_{axis}": 0.17 for axis in _AXES},
    **{f"adcs.mag_{axis}": 2.0 for axis in _AXES},
    "adcs.att_err": 0.75,
    "com.rssi_bg": 1.4,
    "com.pa_t": 0.5,
    "obc.mem": 1.0,
    "orb.alt_km": 1.0,
    "orb.lat": 0.13,
    **{f"pld.dist_{face}": 5.0 for face in "nesw"},
}
"""In the channel's unit, a second."""

_POINTED: Final[Mapping[str, float]] = {"eps.pv_i_pz": 0.08, "eps.pv_i_mz": 0.06}
"""Faces that light reaches at a low angle only, while the satellite points down; the 1U does not."""


def allowances(bus: str, channel: str) -> dict[str, float | str]:
    """The keys of mission.toml for a channel of a preset: `stuck_s`, `max_rate` and where they hold."""
    found: dict[str, float | str] = {}
    stuck_s = _STUCK_S.get(channel)
    if stuck_s is not None:
        found["stuck_s"] = float(stuck_s)
        if channel == "com.rssi_dn":
            found["stuck_when"] = AWAKE
    max_rate = _MAX_RATE.get(channel) or (None if bus == "1u" else _POINTED.get(channel))
    if max_rate is not None:
        found["max_rate"] = float(max_rate)
        if channel.startswith(("adcs.", "eps.pv_")):
            found["rate_when"] = AWAKE
    return found
