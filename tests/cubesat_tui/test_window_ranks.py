"""A window is compared with four times as long before it: the channel that changed comes first."""

from __future__ import annotations

import os
import time
from pathlib import Path

import fabricated
import numpy as np
import pytest
from fabricated import NOW, SATELLITE, S, screen_text, settled

from cubesat_tui.screens.live import LiveScreen
from cubesat_tui.screens.ranks import RanksCard
from cubesat_tui.widgets.trend import Trend
from cubesat_tui.window_compare import compare, period_ns
from cubesat_tui.window_mark import WindowMark
from cubesat_tui.window_ranks import BINS, TIMES, WINDOW_BINS, Bins, changed_codes, ranked
from sim.catalogue import KINDS, Fault
from sim.injection import usual_size
from sim.labelled_run import LabelledRun
from sim.preset import demo_mission_toml
from sim.scenario import scenario
from telemetry.clock import NS_PER_S
from telemetry.dictionary import read_mission
from telemetry.store.reader import StoreReader

SMALL = (80, 24)
CHANNELS = 44
ORBIT_S = 5740
CREATED_S = 1_795_355_400
WINDOWS = int(os.environ.get("CUBESAT_TEST_WINDOWS", "40"))
"""Simulated windows that are ranked; 100 with more patience."""


def binned(values: np.ndarray, bins: int) -> Bins:
    """Rows of shape (n, c) as extremes of `bins` bins; a bin of nothing but NaN is empty."""
    each = len(values) // bins
    cut = values[: each * bins].reshape(bins, each, -1)
    empty = np.isnan(cut).all(axis=1)
    low = np.where(empty, np.nan, np.min(np.where(np.isnan(cut), np.inf, cut), axis=1))
    return Bins(low.T, np.where(empty, np.nan, np.max(np.where(np.isnan(cut), -np.inf, cut), axis=1)).T)


def made(seed: int, fault: str) -> tuple[str, list]:
    """44 channels over 600 s and a baseline: waves, walks and noise; one of them changes in the window."""
    rng = np.random.default_rng(seed)
    n = (TIMES + 1) * 600
    t = np.arange(n)[:, None]
    period, phase = rng.uniform(2000, 9000, CHANNELS), rng.uniform(0, 6.28, CHANNELS)
    wave = rng.uniform(0, 30, CHANNELS) * np.sin(2 * np.pi * t / period + phase)
    values = wave + rng.normal(0, 1, (n, CHANNELS)) + 0.02 * rng.normal(0, 1, (n, CHANNELS)).cumsum(axis=0)
    at, begin = int(rng.integers(CHANNELS)), n - 600 + int(rng.integers(30, 300))
    inside = values[begin:, at]
    if fault == "step":
        values[begin:, at] = inside + rng.choice([-1, 1]) * rng.uniform(25, 60)
    elif fault == "noise":
        values[begin:, at] = inside + rng.normal(0, rng.uniform(3, 8), len(inside))
    elif fault == "stuck":
        values[begin:, at] = values[begin, at]
    else:
        values[begin : begin + 3, at] += rng.choice([-1, 1]) * rng.uniform(20, 60)
    names = [f"c{i}" for i in range(CHANNELS)]
    return names[at], ranked(names, [0.01] * CHANNELS, binned(values, BINS))


@pytest.mark.timeout(300)
def test_the_culprit_is_first_in_ninety_of_a_hundred_made_up_windows() -> None:
    found = [made(seed, ("step", "noise", "stuck", "spike")[seed % 4]) for seed in range(100)]
    assert sum(culprit == ranks[0].channel for culprit, ranks in found) >= 90


@pytest.mark.timeout(300)
def test_the_culprit_of_a_simulated_fault_is_first_wherever_in_the_orbit_the_window_lies(tmp_path: Path) -> None:
    """Windows of 10 min, faults of usual size on any measured channel, with the orbits before."""
    (tmp_path / "mission.toml").write_text(demo_mission_toml(CREATED_S * NS_PER_S, 3, "quiet", "3u"))
    mission = read_mission(tmp_path)
    satellite = mission.satellites[0].name
    bus = mission.bus_of(satellite)
    rng = np.random.default_rng(3)
    targets = [
        c.name
        for c in bus.channels
        if not c.enum and not c.predicted and not c.contact_only
        and c.name.split(".")[0] not in ("orb", "gs") and c.name not in ("obc.uptime", "obc.reboots")
    ]  # fmt: skip
    kinds = ("bias", "stuck", "noise_up", "gain")
    plan: list[tuple[str, int]] = []
    faults: list[Fault] = []
    for k, (name, orbit) in enumerate(
        [(name, orbit) for orbit in (4, 6, 8) for name in rng.permutation(targets).tolist()][:WINDOWS]
    ):
        begin = int((orbit + rng.uniform(0, 0.9)) * ORBIT_S)
        onset = CREATED_S + begin + int(rng.integers(30, 300))
        kind = kinds[k % 4]
        size, how = usual_size(KINDS[kind]), "last" if kind == "stuck" else ""
        faults.append(Fault(f"f{k}", kind, satellite, name, onset, CREATED_S + begin + 600, size, how))
        plan.append((name, begin))

    def flown(given: list[Fault]) -> tuple[list[str], np.ndarray]:
        run = LabelledRun(mission, scenario("quiet"), CREATED_S, 10 * ORBIT_S, given)
        parts = [np.where(rows.sent[:, 0], rows.values[:, 0], np.nan) for rows in run.rows()]
        return [channel.name for channel in run.channels], np.concatenate(parts)

    columns, clean = flown([])
    faulty = flown(faults)[1]
    use = [i for i, n in enumerate(columns) if not bus.by_name[n].enum and n.split(".")[0] not in ("orb", "gs")]
    names = [columns[i] for i in use]
    steps = [10.0 ** -(bus.by_name[n].decimals or 0) for n in names]
    first = top3 = 0
    for name, begin in plan:
        values = clean[begin - 2400 : begin + 600].copy()
        column = columns.index(name)
        values[2400:, column] = faulty[begin : begin + 600, column]
        orbit = binned(clean[begin - 2400 - ORBIT_S : begin + 600 - ORBIT_S][:, use], BINS)
        earlier = [
            binned(clean[begin - k * ORBIT_S - 600 : begin - k * ORBIT_S + 600][:, use], 2 * WINDOW_BINS)
            for k in (1, 2, 3)
        ]
        order = [one.channel for one in ranked(names, steps, binned(values[:, use], BINS), orbit, earlier)]
        first += order[0] == name
        top3 += name in order[:3]
    print(f"first in {first}, among three in {top3} of {len(plan)}")
    assert len(plan) == WINDOWS
    assert first >= 0.85 * WINDOWS
    assert top3 >= 0.9 * WINDOWS


def test_empty_channels_are_left_out_and_a_change_of_state_is_told() -> None:
    rng = np.random.default_rng(0)
    low = rng.normal(size=(3, BINS))
    low[1] = np.nan
    low[2, : TIMES * WINDOW_BINS] = np.nan
    found = ranked(["a", "b", "c"], [0.1] * 3, Bins(low, low))
    assert [one.channel for one in found] == ["a"]
    codes = np.ones((2, BINS))
    codes[0, -30:] = 4
    assert changed_codes(["mode", "light"], Bins(codes, codes)) == ["mode"]


def test_the_store_is_compared_and_the_jumped_rangefinder_comes_first(tmp_path: Path) -> None:
    directory = fabricated.fill(tmp_path / "mission", minutes=40)
    mission = read_mission(directory.path)
    reader = StoreReader(directory.telemetry)
    found = compare(reader, mission, SATELLITE, NOW - 300 * S, NOW)
    assert found.ranks[0].channel == "pld.dist_s"
    assert found.ranks[0].kind in ("level", "far")
    assert found.orbits == 0
    assert abs(found.t1_ns - NOW) <= 3 * S
    with pytest.raises(ValueError, match="begin before its end"):
        compare(reader, mission, SATELLITE, NOW, NOW)
    reader.close()


def test_the_period_is_that_of_the_element_set(tmp_path: Path) -> None:
    directory = fabricated.fill(tmp_path / "mission", minutes=1)
    assert period_ns(read_mission(directory.path), SATELLITE) == pytest.approx(86400e9 / 15.72125391, rel=1e-6)


def test_forty_four_channels_over_a_day_take_less_than_a_second() -> None:
    rng = np.random.default_rng(1)
    low = rng.normal(size=(CHANNELS, BINS)).cumsum(axis=1)
    here = Bins(low, low + 1)
    tail = Bins(low[:, -2 * WINDOW_BINS :], low[:, -2 * WINDOW_BINS :] + 1)
    begun = time.process_time()
    ranked(
        [f"c{i}" for i in range(CHANNELS)], [0.1] * CHANNELS, here, Bins(low[:, ::-1], low[:, ::-1] + 1), [tail] * 3
    )
    assert time.process_time() - begun < 1.0


def test_the_ends_of_a_mark_never_pass_each_other_nor_now() -> None:
    mark = WindowMark()
    assert mark.marks == ()
    mark.start(0, 100)
    for _ in range(99):
        mark.move(5, 100)
    assert mark.begin_ns < mark.end_ns
    assert mark.fix() is None
    for by in (5, -5):
        for _ in range(99):
            mark.move(by, 100)
            assert mark.begin_ns < mark.end_ns <= 100
    assert mark.fix() == (mark.begin_ns, mark.end_ns)
    assert mark.said == ""


def _title(app) -> str:
    return "".join(text for text, _ in app.screen.query_one(Trend).rows[0])


async def test_v_marks_begin_and_end_and_the_ranked_channel_goes_into_the_trend(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("[", "v")
        await settled(pilot)
        assert "BEGIN 07:12:48Z" in _title(app)
        before = app.screen._mark.begin_ns
        await pilot.press("left", "h")
        await settled(pilot)
        assert app.screen._mark.begin_ns < before
        await pilot.press("right", "l", "left", "left", "left", "left", "left", "left", "v")
        await settled(pilot)
        assert "END 07:14:03Z" in _title(app)
        await pilot.press("left", "right", "v")
        await settled(pilot, lambda: isinstance(app.screen, RanksCard))
        text = screen_text(app)
        assert "1 Distance S" in text
        assert "level moved" in text
        assert "No earlier orbit to compare with" in text
        await pilot.press("down", "up", "enter")
        await settled(pilot)
        assert isinstance(app.screen, LiveScreen)
        assert "DISTANCE S cm" in _title(app)


async def test_enter_compares_what_is_shown_and_escape_leaves_marking(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("right")
        await settled(pilot, lambda: any("v begins to mark" in n.message for n in app._notifications))
        await pilot.press("v", "escape")
        await settled(pilot)
        assert "WHEEL X SPEED" in _title(app)
        await pilot.press("[", "v", "enter")
        await settled(pilot, lambda: isinstance(app.screen, RanksCard))
        assert "against 20 min before" in screen_text(app)
        await pilot.press("escape")
        await settled(pilot)
        assert "WHEEL X SPEED" in _title(app)
