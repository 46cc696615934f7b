"""The radio link between a satellite and the station that sees it best: 437 MHz, 9.6 kHz wide, 1 W down, 20 W up.

All functions are element-wise on arrays of one shape.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sim.elementwise import Floats
from sim.surroundings import Around

SPEED_OF_LIGHT: Final = 299_792_458.0
CARRIER_HZ: Final = 437e6
SATELLITE_DBM: Final = 30.0
GROUND_DBM: Final = 43.0
"""Transmitter power of either end."""
GROUND_GAIN_DB: Final = 14.0
POLARISATION_DB: Final = 3.0
FADING_DB: Final = 0.8
GROUND_NOISE_DBM: Final = -133.0
"""Thermal noise of 400 K in 9.6 kHz."""
ORBIT_NOISE_DBM: Final = -118.0
"""Background at the satellite's receiver, which hears the transmitters of half a continent."""
BACK_DB: Final = 8.0
"""How much less the satellite's antenna gives away from +Z than towards it."""
LOCK_DB: Final = 9.0
"""Signal-to-noise ratio at which half of the frames are lost, and the ratio over which that changes e-fold."""
LOCK_WIDTH_DB: Final = 1.0

_NOISE_RATIO: Final = np.log(10.0) / 10.0


class Link(NamedTuple):
    """What either end measures, without sensor noise but with fading."""

    rssi_dn: Floats
    """Power in the ground station's channel, dBm: signal and noise."""
    rssi_up: Floats
    rssi_bg: Floats
    """Background at the satellite, dBm."""
    snr: Floats
    """On the ground, dB."""
    loss: Floats
    """Probability that a frame does not arrive."""
    doppler: Floats
    """Hz, positive while the satellite comes nearer."""


def path_loss_db(range_m: Floats) -> Floats:
    """Free-space loss at the carrier, dB."""
    return 20.0 * np.log10(4.0 * np.pi * CARRIER_HZ / SPEED_OF_LIGHT * range_m)


def air_loss_db(elevation_deg: Floats) -> Floats:
    """Loss in the atmosphere, dB: half a decibel at the zenith, growing with the length of the path."""
    return 0.5 / np.sin(np.radians(np.maximum(elevation_deg, 1.0)))


def antenna_db(cosine: Floats) -> Floats:
    """Gain of the satellite's antenna, dB, by the cosine of the angle off body +Z.

    A smooth bowl of our own: 0 ahead, -0.2 at the Earth's limb, -1 to the side, -8 behind.
    """
    behind = 0.5 * (1.0 - cosine)
    return -BACK_DB * behind * behind * behind


def signal_dbm(range_m: Floats, elevation_deg: Floats, gain_db: Floats | float = 0.0) -> Floats:
    """Received power on the ground, dBm: 1 W sent, 14 dBi, 3 dB lost to polarisation, and the air."""
    through_air = GROUND_GAIN_DB - POLARISATION_DB - path_loss_db(range_m) - air_loss_db(elevation_deg)
    return SATELLITE_DBM + gain_db + through_air


def sum_dbm(a: Floats | float, b: Floats | float) -> Floats:
    """Two powers in one channel."""
    return np.logaddexp(np.multiply(a, _NOISE_RATIO), np.multiply(b, _NOISE_RATIO)) / _NOISE_RATIO


def frame_loss(snr: Floats) -> Floats:
    """Probability that a frame is lost at a signal-to-noise ratio in dB."""
    return 1.0 / (1.0 + np.exp((snr - LOCK_DB) / LOCK_WIDTH_DB))


def link(
    around: Around,
    rows: slice,
    attitude: tuple[Floats, Floats, Floats, Floats],
    sending: Floats,
    pa_db: Floats | float = 0.0,
    noise_db: Floats | float = 0.0,
) -> Link:
    """The link in some seconds of `around`, arrays (n, satellites).

    `attitude` is the quaternion body from inertial, scalar last; `sending` 1 while the transmitter is on; the last
    two are decibels added to its power and to the noise at both ends.
    """
    q1, q2, q3, q4 = attitude
    px, py, pz = around.station_at[:, rows]
    x, y, z = around.position[:, rows]
    range_m, elevation = around.range_m[rows], around.elevation_deg[rows]
    # The third row of the rotation matrix is body +Z in inertial axes.
    towards = (
        2.0 * (q1 * q3 + q2 * q4) * (px - x)
        + 2.0 * (q2 * q3 - q1 * q4) * (py - y)
        + (1.0 - 2.0 * (q1 * q1 + q2 * q2)) * (pz - z)
    )
    fading = FADING_DB * around.fading[rows]
    path = signal_dbm(range_m, elevation, antenna_db(np.clip(towards / range_m, -1.0, 1.0))) + fading
    floor = GROUND_NOISE_DBM + noise_db
    signal = np.where(sending > 0.5, path + pa_db, -200.0)
    snr = signal - floor
    return Link(
        sum_dbm(signal, floor),
        path + (GROUND_DBM - SATELLITE_DBM),
        np.broadcast_to(ORBIT_NOISE_DBM + noise_db, path.shape),
        snr,
        frame_loss(snr),
        -CARRIER_HZ / SPEED_OF_LIGHT * around.range_rate[rows],
    )
