"""From truth to what is sent: the radio link as both ends see it, sensor noise, range and resolution."""

from __future__ import annotations

from collections import OrderedDict
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from sim import radio
from sim.channels import COLUMN, TABLE
from sim.elementwise import Floats
from sim.noise import BLOCK_S, INSTRUMENTS, normals
from sim.plan import NO_FAULTS, Held, Plan
from sim.state import TRUTH
from sim.surroundings import Around, Surroundings

_SIGMA = np.array([channel.sigma for channel in TABLE])
_STEPS = [Fraction(str(channel.resolution)) for channel in TABLE]
_PER_UNIT = np.array([float(1 / step) for step in _STEPS])
_NUMERATOR, _DENOMINATOR = (
    np.array([float(n) for n in ns]) for ns in zip(*(step.as_integer_ratio() for step in _STEPS), strict=True)
)
"""A resolution as a quotient of whole numbers: a value is then the double next to its decimal digits."""
_LOW = np.array([channel.valid[0] if channel.valid else -np.inf for channel in TABLE])
_HIGH = np.array([channel.valid[1] if channel.valid else np.inf for channel in TABLE])
_LOW[COLUMN["eps.bat_soc"]], _HIGH[COLUMN["eps.bat_soc"]] = 0.0, 100.0
_NOISY = np.flatnonzero(_SIGMA > 0)
_STREAMS: Final = _NOISY.size
_RADIO = np.array([COLUMN[f"com.{name}"] for name in ("rssi_dn", "rssi_up", "rssi_bg", "doppler")])
_FADES: Final = COLUMN["com.rssi_dn"]

_NAMES: Final = {
    "bat_t": "eps.bat_t",
    "heater_on": "eps.heater_on",
    "t_int": "thm.t_int",
    "pa_t": "com.pa_t",
    "tx_count": "com.tx_count",
    "adcs_mode": "adcs.mode",
    "obc_mode": "obc.mode",
    **{name: f"obc.{name}" for name in ("cpu", "mem", "uptime", "reboots")},
    **{
        name: f"adcs.{name}"
        for name in TRUTH
        if name.startswith(("rate_", "mag_", "rw_", "q_")) or name == "att_err"
    },
    **{name: f"thm.{name}" for name in TRUTH if name.startswith("t_") and name != "t_int"},
    **{name: f"pld.{name}" for name in TRUTH if name.startswith("dist_")},
    **{name: f"eps.{name}" for name in TRUTH if name.startswith(("bat_v", "bat_i", "bat_soc", "pv_", "bus"))},
}
"""Output of the plant -> channel."""

_SOURCE = np.full(len(TABLE), len(TRUTH))
for _output, _channel in _NAMES.items():
    _SOURCE[COLUMN[_channel]] = TRUTH.index(_output)
_ATTITUDE: Final = tuple(TRUTH.index(f"q_{i}") for i in range(1, 5))
_SENDING: Final = TRUTH.index("tx_on")


class Flown(NamedTuple):
    """Some seconds of a flight within one piece of its surroundings."""

    t0_s: int
    truth: Floats
    """What `sim.plant.step` returned, and a zero: shape (n, satellites, len(TRUTH) + 1)."""
    around: Around
    pa_db: Floats | float = 0.0
    noise_db: Floats | float = 0.0
    """What faults add to the transmitted power and to the noise, dB, (n, satellites) or nothing."""

    @property
    def rows(self) -> slice:
        """These seconds in `around`."""
        first = self.t0_s - self.around.start_s
        return slice(first, first + len(self.truth))


class Measured(NamedTuple):
    """What the instruments made of it; first axes (n, satellites)."""

    t0_s: int
    values: Floats
    """Columns as `sim.channels.TABLE`."""
    contact: npt.NDArray[np.bool_]
    loss: Floats
    """Probability that a frame sent now does not reach the ground; 1 out of contact."""


class _Block(NamedTuple):
    """A block without its plant: (64, satellites, channels)."""

    seen: Floats
    """What orbit and noise alone determine."""
    noise: Floats


class Sensors:
    """The instruments of the satellites of a flight; noise is keyed by seed, satellite and second."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._blocks: OrderedDict[int, _Block] = OrderedDict()

    def measure(self, flown: Flown, plan: Plan = NO_FAULTS, held: Held | None = None) -> Measured:
        """What is sent of the seconds of `flown`, all of them in one block."""
        t0, n = flown.t0_s, len(flown.truth)
        block = self._block(t0 // BLOCK_S, flown.around)
        part = slice(t0 % BLOCK_S, t0 % BLOCK_S + n)
        values = flown.truth.take(_SOURCE, axis=2)
        values += block.seen[part]
        contact = flown.around.contact[flown.rows] > 0.5
        loss = np.ones(contact.shape)
        values[:, :, _FADES] = radio.GROUND_NOISE_DBM
        values[:, :, _RADIO[2]] += radio.ORBIT_NOISE_DBM + flown.noise_db
        if contact.any():
            self._listen(flown, values, contact, loss)
        # Only a fault in the sensors' own layer makes the two calls below worth their time.
        faulty = plan.senses(t0, t0 + n)
        if faulty:
            plan.sense(values, block.noise[part], t0, {} if held is None else held)
        np.maximum(values, _LOW, out=values)
        np.minimum(values, _HIGH, out=values)
        values *= _PER_UNIT
        np.rint(values, out=values)
        values *= _NUMERATOR
        values /= _DENOMINATOR
        values += 0.0
        if faulty:
            plan.corrupt(values, t0, {} if held is None else held)
        return Measured(t0, values, contact, loss)

    @staticmethod
    def _listen(flown: Flown, values: Floats, contact: npt.NDArray[np.bool_], loss: Floats) -> None:
        """Fill in what is measured of the link while a station is in view."""
        truth = flown.truth
        q1, q2, q3, q4 = (truth[:, :, i] for i in _ATTITUDE)
        link = radio.link(
            flown.around, flown.rows, (q1, q2, q3, q4), truth[:, :, _SENDING], flown.pa_db, flown.noise_db
        )
        values[:, :, _FADES] = np.where(contact, link.rssi_dn, values[:, :, _FADES])
        values[:, :, _RADIO[1]] += np.where(contact, link.rssi_up, 0.0)
        values[:, :, _RADIO[3]] += np.where(contact, link.doppler, 0.0)
        loss[contact] = link.loss[contact]

    def _block(self, number: int, around: Around) -> _Block:
        known = self._blocks.get(number)
        if known is None:
            known = self._blocks[number] = self._make(number, around)
            while len(self._blocks) > 2:
                self._blocks.popitem(last=False)
        return known

    def _make(self, number: int, around: Around) -> _Block:
        first = number * BLOCK_S - around.start_s
        rows = slice(first, first + BLOCK_S)
        satellites = len(self._surroundings)
        noise = np.zeros((BLOCK_S, satellites, len(TABLE)))
        white = normals(self._surroundings.seed, INSTRUMENTS, number, self._surroundings.numbers, _STREAMS)
        noise[:, :, _NOISY] = white.transpose(1, 0, 2)
        noise *= _SIGMA
        seen = noise.copy()
        latitude, longitude, altitude = around.places
        seen[:, :, COLUMN["orb.lat"]] = latitude[rows]
        seen[:, :, COLUMN["orb.lon"]] = longitude[rows]
        seen[:, :, COLUMN["orb.alt_km"]] = altitude[rows]
        seen[:, :, COLUMN["orb.eclipse"]] = around.sunlit[rows] < 0.5
        seen[:, :, COLUMN["gs.range_km"]] = around.range_m[rows] / 1e3
        seen[:, :, COLUMN["gs.elevation"]] = around.elevation_deg[rows]
        noise[:, :, _FADES] = radio.FADING_DB * around.fading[rows]
        return _Block(seen, noise)
