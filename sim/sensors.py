"""From truth to what is sent: the rangefinders' physics, sensor noise, resolution."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import numpy as np

from sim.channels import BY_NAME, CHANNELS
from sim.environment import Environment, Forcing
from sim.noise import BLOCK, normal
from sim.orbit import Floats
from sim.spacecraft import OUTPUTS

COLUMN: Final = {channel.name: i for i, channel in enumerate(CHANNELS)}
MODE_NOMINAL: Final = 3.0
RANGEFINDER_PANEL: Final = {"n": "t_my", "e": "t_px", "s": "t_py", "w": "t_mx"}
RANGEFINDER_CM: Final = {"n": 45.4, "e": 65.3, "s": 55.3, "w": 70.2}
EXPANSION_CM_PER_K: Final = 0.02
CURRENT_FIELD_UT: Final = (0.35, -0.2, 0.15)
"""What one ampere of array current adds to each magnetometer axis."""

_SIGMA = np.array([channel.sigma for channel in CHANNELS])
_RESOLUTION = np.array([channel.resolution for channel in CHANNELS])
_LOW = np.array([channel.valid[0] if channel.valid else -np.inf for channel in CHANNELS])
_HIGH = np.array([channel.valid[1] if channel.valid else np.inf for channel in CHANNELS])
_LOW[COLUMN["eps.bat_soc"]], _HIGH[COLUMN["eps.bat_soc"]] = 0.0, 100.0
_NOISY = tuple(i for i, channel in enumerate(CHANNELS) if channel.sigma > 0)

_PLANT = {
    "bat_t": "eps.bat_t",
    "heater_on": "eps.heater_on",
    "t_int": "thm.t_int",
    "pa_t": "com.pa_t",
    "cpu": "obc.cpu",
    "mem": "obc.mem",
    "uptime": "obc.uptime",
    "reboots": "obc.reboots",
}


def _channel_of(output: str) -> str:
    if output in _PLANT:
        return _PLANT[output]
    return f"thm.{output}" if output.startswith("t_") else f"eps.{output}"


_FROM_PLANT = np.array([COLUMN[_channel_of(output)] for output in OUTPUTS])
_OUTPUT = {output: i for i, output in enumerate(OUTPUTS)}


def truth(forcing: Forcing, environment: Environment, rows: slice, plant: Floats) -> Floats:
    """True value of every channel of CHANNELS, shape (n, channels), for `rows` of a block.

    `plant` (n, outputs) is what `sim.spacecraft.step` returned for those seconds.
    """
    out = np.empty((plant.shape[0], len(CHANNELS)))
    out[:, _FROM_PLANT] = plant
    amperes = plant[:, _OUTPUT["pv_i_px"] : _OUTPUT["pv_i_pz"] + 1].sum(axis=1)
    for i, axis in enumerate("xyz"):
        out[:, COLUMN[f"adcs.rate_{axis}"]] = environment.rate_deg_s[rows, i]
        out[:, COLUMN[f"adcs.mag_{axis}"]] = environment.field_ut[rows, i] + CURRENT_FIELD_UT[i] * amperes
    out[:, COLUMN["adcs.att_err"]] = environment.pointing_error_deg[rows]
    out[:, COLUMN["com.rssi_dn"]] = environment.downlink_dbm[rows]
    out[:, COLUMN["com.rssi_up"]] = environment.uplink_dbm[rows]
    out[:, COLUMN["com.doppler"]] = environment.doppler_hz[rows]
    out[:, COLUMN["gs.range_km"]] = environment.range_km[rows]
    out[:, COLUMN["gs.elevation"]] = environment.elevation_deg[rows]
    out[:, COLUMN["orb.alt_km"]] = environment.altitude_km[rows]
    out[:, COLUMN["orb.lat"]] = environment.latitude[rows]
    out[:, COLUMN["orb.lon"]] = environment.longitude[rows]
    out[:, COLUMN["orb.eclipse"]] = forcing.sunlit[rows] < 0.5
    out[:, COLUMN["obc.mode"]] = MODE_NOMINAL + forcing.payload_on[rows]
    for face, panel in RANGEFINDER_PANEL.items():
        expansion = EXPANSION_CM_PER_K * (plant[:, _OUTPUT[panel]] - 20.0)
        out[:, COLUMN[f"pld.dist_{face}"]] = RANGEFINDER_CM[face] + expansion
    return out


class Sensors:
    """The noise streams of one satellite, each keyed by seed, satellite and channel."""

    def __init__(self, seed: int, satellite: str) -> None:
        self._seed = seed
        self._satellite = satellite
        self._blocks: OrderedDict[int, Floats] = OrderedDict()

    def measure(self, values: Floats, block: int, rows: slice) -> Floats:
        """`values` (n, channels) with noise and resolution, as sent; the rows are those of `block`."""
        noisy = np.clip(values + self._noise(block)[rows], _LOW, _HIGH)
        return np.round(np.round(noisy / _RESOLUTION) * _RESOLUTION, 3) + 0.0

    def _noise(self, block: int) -> Floats:
        known = self._blocks.get(block)
        if known is None:
            known = np.zeros((BLOCK, len(CHANNELS)))
            for i in _NOISY:
                known[:, i] = _SIGMA[i] * normal(self._seed, f"{self._satellite}/{CHANNELS[i].name}", block)
            self._blocks[block] = known
            while len(self._blocks) > 2:
                self._blocks.popitem(last=False)
        return known


def known_channels() -> frozenset[str]:
    """Names the simulator has values for."""
    return frozenset(BY_NAME)
