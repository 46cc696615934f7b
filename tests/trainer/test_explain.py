"""Which channel an anomaly is about, told from numbers alone."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
import pytest

from telemetry.frame import Float64s
from trainer.explain import ROWS, Standing, standing
from trainer.joint import BEFORE, Joint, fit_joint

CHANNELS = 8
DRAWS = 500
WORLDS = 25
FIT = 2_000


def world(rng: np.random.Generator) -> Float64s:
    """Correlated channels in units, signs and an order of their own."""
    load = rng.normal(size=(2, CHANNELS))
    own = 0.35 * np.sqrt((load**2).sum(axis=0) + 0.2)
    rows = rng.normal(size=(FIT + 400, 2)) @ load + own * rng.normal(size=(FIT + 400, CHANNELS))
    units = 10.0 ** rng.uniform(-3, 3, CHANNELS) * rng.choice([-1.0, 1.0], CHANNELS)
    return (rows * units + 5 * units)[:, rng.permutation(CHANNELS)]


@cache
def learned(seed: int) -> tuple[Float64s, Joint]:
    rows = world(np.random.default_rng(seed))
    middle, spread = normal(rows)
    return rows, fit_joint((rows[:FIT] - middle) / spread, rows[:FIT])


def normal(rows: Float64s) -> tuple[Float64s, Float64s]:
    middle = np.median(rows[:FIT], axis=0)
    return middle, 1.4826 * np.median(np.abs(rows[:FIT] - middle), axis=0)


def explained(seed: int, at: int, newest: Float64s) -> Standing:
    rows, joint = learned(seed)
    middle, spread = normal(rows)
    z = (newest - middle) / spread
    features = np.stack((z[-1], z[-5:].mean(axis=0), z[-5:].std(axis=0) - 1), axis=1)
    return standing(joint, np.arange(CHANNELS), features, newest, rows[at - BEFORE : at])


@pytest.mark.parametrize(("kind", "least"), [("step", 0.95), ("break", 0.70)])
def test_the_faulty_channel_comes_first(kind: str, least: float) -> None:
    hits = 0
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        rows = learned(draw % WORLDS)[0]
        channel, at = int(rng.integers(CHANNELS)), int(rng.integers(FIT + 100, FIT + 300))
        newest = rows[at : at + ROWS].copy()
        if kind == "step":
            mad = np.median(np.abs(rows[:FIT, channel] - np.median(rows[:FIT, channel])))
            newest[:, channel] += rng.choice([-1.0, 1.0]) * rng.uniform(4, 8) * mad
        else:
            low, high = np.quantile(rows[:FIT, channel], [0.01, 0.99])
            elsewhere = int(rng.integers(FIT - ROWS))
            newest[:, channel] = np.clip(rows[elsewhere : elsewhere + ROWS, channel], low, high)
        found = explained(draw % WORLDS, at, newest)
        hits += int(found.weight.argmax()) == channel
    assert hits / DRAWS >= least, f"{kind}: {hits} of {DRAWS}"


def test_direction_and_size_are_those_of_the_step() -> None:
    rows = learned(3)[0]
    newest = rows[FIT + 100 : FIT + 100 + ROWS].copy()
    newest[:, 4] -= 8 * rows[:FIT, 4].std()
    found = explained(3, FIT + 100, newest)
    assert found.marginal[4] == pytest.approx(-8, abs=3)
    assert found.conditional[4] < found.marginal[4] < 0, "the others make it stand out even more"


def test_an_explanation_takes_less_than_fifty_milliseconds() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(900, 44))
    joint = fit_joint(rows, rows)
    z = rng.normal(size=(44, 3))
    began = time.process_time()
    for _ in range(20):
        standing(joint, np.arange(44), z, rows[:ROWS], rows[:BEFORE])
    assert (time.process_time() - began) / 20 < 0.050


def test_without_a_joint_the_deviation_ranks() -> None:
    z = np.array([[1.0, 0.5, 0.1], [-6.0, -5.0, 1.0], [np.nan, np.nan, np.nan]])
    found = standing(None, np.array([0, 1]), z, np.zeros((1, 3)), np.zeros((0, 3)))
    assert found.weight.argmax() == 1
    assert (found.marginal[1], found.conditional[1]) == (-6.0, -6.0)
    assert found.weight[2] == 0
