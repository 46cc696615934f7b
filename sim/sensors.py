"""From truth to what is sent: the rangefinders' physics, sensor noise, resolution."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, cast

import numpy as np

from sim.channels import BY_NAME, CHANNELS
from sim.environment import Environment, Forcing, Surroundings
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
_ARRAYS = slice(_OUTPUT["pv_i_px"], _OUTPUT["pv_i_pz"] + 1)
_MAGNETOMETER = tuple(
    (COLUMN[f"adcs.mag_{axis}"], gain) for axis, gain in zip("xyz", CURRENT_FIELD_UT, strict=True)
)
_RANGEFINDERS = np.array([COLUMN[f"pld.dist_{face}"] for face in RANGEFINDER_PANEL])
_RANGEFINDER_PANELS = np.array([_OUTPUT[panel] for panel in RANGEFINDER_PANEL.values()])


def _seen(forcing: Forcing, environment: Environment) -> Floats:
    """What the flight alone determines, shape (BLOCK, channels); 0 where the satellite's own state is needed."""
    out = np.zeros((BLOCK, len(CHANNELS)))
    for i, axis in enumerate("xyz"):
        out[:, COLUMN[f"adcs.rate_{axis}"]] = environment.rate_deg_s[:, i]
        out[:, COLUMN[f"adcs.mag_{axis}"]] = environment.field_ut[:, i]
    out[:, COLUMN["adcs.att_err"]] = environment.pointing_error_deg
    out[:, COLUMN["com.rssi_dn"]] = environment.downlink_dbm
    out[:, COLUMN["com.rssi_up"]] = environment.uplink_dbm
    out[:, COLUMN["com.doppler"]] = environment.doppler_hz
    out[:, COLUMN["gs.range_km"]] = environment.range_km
    out[:, COLUMN["gs.elevation"]] = environment.elevation_deg
    out[:, COLUMN["orb.alt_km"]] = environment.altitude_km
    out[:, COLUMN["orb.lat"]] = environment.latitude
    out[:, COLUMN["orb.lon"]] = environment.longitude
    out[:, COLUMN["orb.eclipse"]] = forcing.sunlit < 0.5
    out[:, COLUMN["obc.mode"]] = MODE_NOMINAL + forcing.payload_on
    for face, distance in RANGEFINDER_CM.items():
        out[:, COLUMN[f"pld.dist_{face}"]] = distance - EXPANSION_CM_PER_K * 20.0
    return out


class Sensors:
    """The instruments of one satellite; each noise stream is keyed by seed, satellite and channel."""

    def __init__(self, seed: int, satellite: str, surroundings: Surroundings) -> None:
        self._seed = seed
        self._satellite = satellite
        self._surroundings = surroundings
        self._blocks: OrderedDict[int, Floats] = OrderedDict()

    def measure(self, block: int, rows: slice, plant: Floats, biases: Sequence[tuple[slice, str, float]]) -> Floats:
        """What is sent for channels CHANNELS in `rows` of a block, shape (n, channels).

        `plant` (n, outputs) is what `sim.spacecraft.step` returned for those seconds; each bias adds a number to a
        channel in some of the n rows.
        """
        values = self._without_plant(block)[rows].copy()
        values[:, _FROM_PLANT] += plant
        amperes = plant[:, _ARRAYS].sum(axis=1)
        for column, gain in _MAGNETOMETER:
            values[:, column] += gain * amperes
        values[:, _RANGEFINDERS] += EXPANSION_CM_PER_K * plant[:, _RANGEFINDER_PANELS]
        for when, channel, size in biases:
            values[when, COLUMN[channel]] += size
        np.maximum(values, _LOW, out=values)
        np.minimum(values, _HIGH, out=values)
        return cast(Floats, np.round(np.rint(values / _RESOLUTION) * _RESOLUTION, 3) + 0.0)

    def _without_plant(self, block: int) -> Floats:
        known = self._blocks.get(block)
        if known is None:
            known = _seen(self._surroundings.forcing(block), self._surroundings.environment(block))
            for i in _NOISY:
                known[:, i] += _SIGMA[i] * normal(self._seed, f"{self._satellite}/{CHANNELS[i].name}", block)
            self._blocks[block] = known
            while len(self._blocks) > 2:
                self._blocks.popitem(last=False)
        return known


def known_channels() -> frozenset[str]:
    """Names the simulator has values for."""
    return frozenset(BY_NAME)
