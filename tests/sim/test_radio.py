"""The radio link: how power falls with range, what the antenna and noise do, which frames are lost."""

from __future__ import annotations

import numpy as np
import pytest

from sim.craft import THREE_U
from sim.motion import nadir
from sim.noise import BLOCK_S
from sim.preset import Station
from sim.radio import antenna_db, frame_loss, link, signal_dbm, sum_dbm
from sim.surroundings import Around, Surroundings
from sim.tle import GRBALPHA

EPOCH_S = 1_621_193_082
MUNICH = Station("Munich", 48.1, 11.3, 580.0)


def test_the_signal_falls_twenty_decibels_per_decade_of_range() -> None:
    distance = np.geomspace(5e5, 2.5e6, 50)
    slope = np.polyfit(np.log10(distance), signal_dbm(distance, np.full(50, 45.0)), 1)[0]
    assert slope == pytest.approx(-20.0, abs=0.1)


def test_the_budget_at_both_ends_of_a_pass() -> None:
    assert signal_dbm(np.array([643e3]), np.array([56.0]))[0] == pytest.approx(-101.0, abs=0.5)
    assert signal_dbm(np.array([2209e3]), np.array([5.0]))[0] == pytest.approx(-117.0, abs=0.5)


def test_the_antenna_looks_down_and_noise_adds_up() -> None:
    cosine = np.cos(np.radians(np.array([0.0, 66.0, 90.0, 180.0])))
    assert antenna_db(cosine).tolist() == pytest.approx([0.0, -0.2, -1.0, -8.0], abs=0.05)
    assert sum_dbm(-120.0, -120.0) == pytest.approx(-117.0, abs=0.02)
    assert frame_loss(np.array([9.0, 16.0, 2.0])).tolist() == pytest.approx([0.5, 0.0009, 0.999], abs=0.001)


@pytest.fixture
def passing() -> Around:
    return Surroundings(THREE_U, [GRBALPHA], [MUNICH], 1).block(EPOCH_S // BLOCK_S, 900)


def pointing(around: Around) -> tuple[np.ndarray, ...]:
    return nadir(around.forcing)[0]


def test_power_follows_the_range_through_real_passes(passing: Around) -> None:
    up = passing.contact[:, 0] > 0
    assert up.sum() > 1_000
    one = link(passing, slice(None), pointing(passing), np.ones_like(passing.contact))  # pyright: ignore
    assert np.corrcoef(one.rssi_dn[up, 0], -20 * np.log10(passing.range_m[up, 0]))[0, 1] > 0.9
    assert -121 < one.rssi_dn[up].min() < -115
    assert one.rssi_dn[up].max() < -98
    assert np.abs(one.doppler[up]).max() < 11_000
    assert np.abs(one.doppler[up]).max() > 8_000
    assert one.loss[up].max() < 0.05
    assert np.array_equal(np.sign(one.doppler), -np.sign(passing.range_rate))


def test_a_weak_amplifier_a_noisy_site_and_a_silent_transmitter(passing: Around) -> None:
    up = passing.contact[:, 0] > 0
    sending = np.ones_like(passing.contact)
    well, weak, noisy, dead = (
        link(passing, slice(None), pointing(passing), *more)  # pyright: ignore
        for more in ((sending,), (sending, -8.0), (sending, 0.0, 12.0), (0.0 * sending,))
    )
    assert np.mean(weak.rssi_dn[up] - well.rssi_dn[up]) == pytest.approx(-8.0, abs=0.5)
    assert np.allclose(weak.rssi_up, well.rssi_up)
    assert np.allclose(noisy.snr, well.snr - 12.0)
    assert np.allclose(noisy.rssi_bg, well.rssi_bg + 12.0)
    assert noisy.loss[up].mean() > 10 * well.loss[up].mean()
    assert np.allclose(dead.rssi_dn, -133.0, atol=0.01)
    assert dead.loss.min() > 0.99


def test_turned_away_it_is_eight_decibels_weaker(passing: Around) -> None:
    q1, q2, q3, q4 = pointing(passing)
    # Half a turn about body X: +Z looks up.
    turned = (q4, q3, -q2, -q1)
    here, away = (
        link(passing, slice(None), q, np.ones_like(passing.contact))  # pyright: ignore
        for q in ((q1, q2, q3, q4), turned)
    )
    high = passing.elevation_deg > 45
    assert high.any()
    assert (here.rssi_dn[high] - away.rssi_dn[high]).min() > 5.0
