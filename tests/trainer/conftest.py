"""A small satellite whose orbit takes twenty minutes, so that six orbits are 7,200 rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from telemetry.dictionary import Bus, Channel, DetectorConfig, Mission, Satellite
from telemetry.frame import FrameBatch, Quality
from trainer.model import Fitted, fit
from trainer.window import from_batches

ORBIT_S = 1200
START_S = 1_795_000_000
SATELLITE = "TESTSAT"

CHANNELS = (
    Channel("orb.eclipse", "Sunlight", enum=((0, "SUNLIT"), (1, "ECLIPSE"))),
    Channel("obc.mode", "Mode", enum=((1, "SAFE"), (3, "NOMINAL"), (4, "PAYLOAD"))),
    Channel("eps.pv_i_px", "Array +X current", "A", decimals=3),
    Channel("eps.bat_i", "Battery current", "A", decimals=3),
    Channel("obc.uptime", "Uptime", "s", decimals=0),
    Channel("obc.reboots", "Restarts", decimals=0),
    Channel("pld.dist_n", "Distance N", "cm", decimals=1),
    Channel("pld.dist_s", "Distance S", "cm", decimals=1),
)
BUS = Bus("test", CHANNELS, ("obc.mode", "orb.eclipse"), (("pld", ("pld.dist_n", "pld.dist_s")),))


def satellite_values(t: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """What the satellite measures at UTC seconds `t`: sunlit for 0.6 of an orbit, payload on for a part of it."""
    rng = np.random.default_rng(seed)
    phase = (t % ORBIT_S) / ORBIT_S
    lit = phase < 0.6
    payload = (phase > 0.2) & (phase < 0.35)
    noise = rng.standard_normal((len(t), 4))
    panel = np.where(lit, 1.4 * np.sin(np.pi * phase / 0.6), 0.0) + 0.004 * noise[:, 0]
    return {
        "orb.eclipse": np.where(lit, 0.0, 1.0),
        "obc.mode": np.where(payload, 4.0, 3.0),
        "eps.pv_i_px": panel,
        "eps.bat_i": panel - 0.5 - 0.4 * payload + 0.005 * noise[:, 1],
        "obc.uptime": (t - START_S).astype(np.float64),
        "obc.reboots": np.full(len(t), 3.0),
        "pld.dist_n": 45.0 + np.cos(2 * np.pi * phase) + 0.45 * noise[:, 2],
        "pld.dist_s": 55.0 + np.sin(2 * np.pi * phase) + 0.45 * noise[:, 3],
    }


def packets(
    t0: int, n: int, *, seed: int = 1, quality: Quality = Quality.NONE, change: dict[str, np.ndarray] | None = None
) -> list[FrameBatch]:
    """The packets of n seconds from second `t0` of the test's time, one batch a packet."""
    t = START_S + t0 + np.arange(n)
    values = satellite_values(t, seed * 100_003 + t0)
    for name, difference in (change or {}).items():
        values[name] = values[name] + difference
    made: list[FrameBatch] = []
    for index, layout in enumerate(BUS.layouts.values()):
        made.append(
            FrameBatch(
                layout,
                (SATELLITE,),
                np.zeros(n, dtype=np.int64),
                np.full(n, START_S, dtype=np.int64),
                2 * (t0 + np.arange(n, dtype=np.int64)) + index,
                t * 1_000_000_000,
                t * 1_000_000_000,
                np.full(n, int(quality), dtype=np.int64),
                np.stack([values[name] for name in layout.names], axis=1),
            )
        )
    return sorted(made, key=lambda batch: batch.layout.packet)


def rows_of(batches: Sequence[FrameBatch], size: int = 1) -> Iterator[FrameBatch]:
    """The batches cut into pieces of `size` rows, packets in turn, as a station gets them."""
    n = len(batches[0])
    for start in range(0, n, size):
        for batch in batches:
            yield batch.take(np.arange(start, min(n, start + size)))


@pytest.fixture(scope="session")
def mission() -> Mission:
    return Mission(Path("nowhere"), (Satellite(SATELLITE, "test"),), {"test": BUS}, detector=DetectorConfig())


@pytest.fixture(scope="session")
def make_packets() -> Callable[..., list[FrameBatch]]:
    return packets


@pytest.fixture(scope="session")
def cut() -> Callable[..., Iterator[FrameBatch]]:
    return rows_of


@pytest.fixture(scope="session")
def fitted() -> Fitted:
    """A model of six clean orbits."""
    window = from_batches(SATELLITE, BUS, packets(0, 6 * ORBIT_S))
    return fit(window, version=1, parent=None, created_ns=0, false_alarms_per_day=0.2)
