"""Noise of one channel is told where it is more than ever about this place, and steps and slopes are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch
from trainer.fusion.arrays import MUTE
from trainer.fusion.fit_unrest import unrest_thresholds
from trainer.fusion.unrest import BEFORE, Unrest
from trainer.fusion.widest import PlacedRows
from trainer.members.alarm_rule import CONFIRM
from trainer.model import fit
from trainer.scorer import LiveScoring
from trainer.window import from_batches

BINS = 60
PERIOD = 600
"""Rows of an orbit, ten at each place."""
EDGE = 25
"""Place at which all channels rise by 5 at once; they fall again half an orbit later."""
WILD = 45
"""From this place on the last channel is ten times as restless for five places."""
SIGMA = 0.01


def _flight(turns: int, seed: int = 1) -> tuple[Any, Any, Any]:
    """Values of three channels that swing with the orbit, place and number of the orbit of each row."""
    draw = np.random.default_rng(seed)
    row = np.arange(turns * PERIOD)
    late = draw.integers(-8, 9, turns)[row // PERIOD]
    phase = (row - late) % PERIOD
    risen = (phase >= EDGE * 10) & (phase < EDGE * 10 + PERIOD // 2)
    noise = SIGMA * draw.standard_normal((len(row), 3))
    noise[(row % PERIOD // 10 >= WILD) & (row % PERIOD // 10 < WILD + 5), 2] *= 10
    slow = np.sin(2 * np.pi * row / PERIOD)
    return np.round((5.0 * risen + slow)[:, None] + noise, 3), row % PERIOD // 10 + 1, row // PERIOD


def _learned(turns: int = 6, **given: Any) -> Any:
    values, bins, turn = _flight(turns)
    figures = {"bin_count": BINS, "step": np.full(3, 0.001), "period_s": 1.0, **given}
    return unrest_thresholds(PlacedRows(values, np.arange(len(values)) == 0, bins, turn, **figures))


@pytest.fixture(scope="module")
def learned() -> Any:
    return _learned()


def _heard(
    threshold: Any, values: Any, bins: Any, pieces: list[int] | None = None, breaks: tuple[int, ...] = ()
) -> tuple[Any, ...]:
    """As `Unrest.hear`; at `breaks` rows begin anew."""
    n = len(values)
    broken = np.zeros(n, dtype=np.bool_)
    broken[list(breaks)] = True
    index = np.arange(n)
    age = index - np.maximum.accumulate(np.where(broken, index, 0))
    unrest, start, parts = Unrest(threshold), 0, []
    for size in [*(pieces or []), n]:
        rows = slice(start, min(start + size, n))
        if rows.start >= rows.stop:
            break
        parts.append(unrest.hear(values[rows], age[rows], bins[rows], broken[rows]))
        start = rows.stop
    return tuple(np.concatenate([part[i] for part in parts]) for i in range(3))


def _restless(values: Any, channel: int, first: int, last: int, times: float = 10.0) -> Any:
    more = (times - 1) * SIGMA * np.random.default_rng(5).standard_normal(last - first)
    changed = values.copy()
    changed[first:last, channel] += more
    return changed


def test_ten_times_the_noise_is_told_within_half_a_minute_and_of_no_other_channel(learned: Any) -> None:
    values, bins, _ = _flight(1, seed=9)
    _, noisy, lasting = _heard(learned, _restless(values, 1, 100, 200), bins)
    first = int(np.flatnonzero(noisy[:, 1])[0])
    assert 100 + CONFIRM <= first <= 130
    assert lasting[first:200, 1].all()
    assert not lasting[200 + BEFORE :, 1].any()
    assert not lasting[:, [0, 2]].any()


def test_what_moves_as_it_always_does_is_no_noise(learned: Any) -> None:
    values, bins, _ = _flight(3, seed=9)
    relative, noisy, _ = _heard(learned, values, bins)
    assert not noisy.any()
    assert np.nanmax(relative) < 1


@pytest.mark.parametrize("way", ["step", "steps", "slope"])
def test_a_level_that_moves_is_no_noise(learned: Any, way: str) -> None:
    values, bins, _ = _flight(1, seed=9)
    row = np.arange(len(values))
    values[:, 1] += {
        "step": 50.0 * (row >= 100),
        "steps": 5.0 * (row >= 100) - 9.0 * (row >= 104) + 7.0 * (row >= 150),
        "slope": np.maximum(row - 100, 0) * 0.5,
    }[way]
    assert not _heard(learned, values, bins)[1].any()


def test_where_a_channel_is_always_restless_only_more_of_it_is_noise(learned: Any) -> None:
    values, bins, _ = _flight(1, seed=9)
    wild = WILD * 10
    assert learned[2, WILD + 2] > 5 * learned[2, 15]
    assert not _heard(learned, _restless(values, 2, wild + 5, wild + 45), bins)[1].any()
    assert _heard(learned, _restless(values, 2, 100, 140), bins)[1][:, 2].any()
    assert _heard(learned, _restless(values, 2, wild + 5, wild + 45, 200.0), bins)[1][:, 2].any()
    assert learned[2, 0] == learned[2].max()


def test_what_rests_on_one_step_of_its_converter_may_flicker_by_it() -> None:
    n, step = 6 * PERIOD, 0.005
    bins, turn = np.arange(n) % PERIOD // 10 + 1, np.arange(n) // PERIOD
    values = np.full((n, 1), 3.3)
    threshold = unrest_thresholds(PlacedRows(values, np.arange(n) == 0, bins, turn, BINS, np.array([step]), 1.0))
    values[100:160, 0] += step * (np.arange(60) % 4 > 1)
    assert not _heard(threshold, values[:300], bins)[1].any()
    values[100:160, 0] += 9 * step * (np.arange(60) % 2)
    assert _heard(threshold, values[:300], bins)[1].any()


@pytest.mark.parametrize(("turns", "given"), [(2, {}), (6, {"period_s": 10.0}), (6, {"bin_count": 0})])
def test_without_three_orbits_or_with_slow_rows_the_voice_is_mute(turns: int, given: dict[str, Any]) -> None:
    assert (_learned(turns, **given) == MUTE).all()


def test_the_fifth_row_beyond_is_the_first_that_is_believed() -> None:
    values = np.zeros((60, 1))
    values[20:28, 0] = np.arange(8) % 2 * 2.0 - 1.0
    relative, noisy, _ = _heard(np.full((1, 2), 2.0), values, np.ones(60, dtype=np.intp), breaks=(0,))
    beyond = np.flatnonzero(relative[:, 0] > 1).tolist()
    assert len(beyond) == 8
    assert np.flatnonzero(noisy[:, 0]).tolist() == beyond[CONFIRM - 1 :]


def test_no_window_reaches_over_a_break_or_a_value_that_is_not_known(learned: Any) -> None:
    values, bins, _ = _flight(1, seed=9)
    values[300, 0] = np.nan
    relative, _, _ = _heard(learned, values, bins, breaks=(0, 100))
    unknown = np.isnan(relative)
    assert np.flatnonzero(unknown[:, 1]).tolist() == [*range(BEFORE), *range(100, 100 + BEFORE)]
    assert np.flatnonzero(unknown[:, 0]).tolist()[2 * BEFORE :] == list(range(300, 301 + BEFORE))


def test_a_window_that_fills_again_ends_nothing_and_a_gap_does(learned: Any) -> None:
    values, bins, _ = _flight(1, seed=9)
    values = _restless(values, 1, 100, 240)
    unrest, parts = Unrest(learned), []
    for first, last, apart in ((0, 150, False), (150, 200, False), (200, 240, True)):
        age = np.arange(last - first)
        parts.append(unrest.hear(values[first:last], age, bins[first:last], (age == 0) & apart)[2])
    lasting = np.concatenate(parts)[:, 1]
    assert lasting[130:200].all()
    assert not lasting[200 : 200 + BEFORE].any()
    assert lasting[230:240].all()


def test_an_invalid_value_that_stays_ends_it(learned: Any) -> None:
    values, bins, _ = _flight(1, seed=9)
    values = _restless(values, 1, 100, 240)
    values[150:, 1] = np.nan
    _, _, lasting = _heard(learned, values, bins, breaks=(0,))
    assert lasting[149, 1]
    assert not lasting[150:, 1].any()


def test_another_model_goes_on_telling_what_is_more_than_half_of_it_to_it_too(learned: Any) -> None:
    values, bins, _ = _flight(1, seed=9)
    values = _restless(values, 1, 100, 240)
    first = Unrest(learned)
    first.hear(values[:200], np.arange(200), bins[:200], np.zeros(200, dtype=np.bool_))
    for times, told in ((1.0, True), (2.0, True), (100.0, False)):
        other = Unrest(learned * times)
        rows = slice(200 - BEFORE, 200)
        other.hear(values[rows], np.arange(BEFORE), bins[rows], np.zeros(BEFORE, dtype=np.bool_))
        other.take_over(first)
        lasting = other.hear(values[200:201], np.array([BEFORE]), bins[200:201], np.zeros(1, dtype=np.bool_))[2]
        assert bool(lasting[0, 1]) == told
        assert not lasting[0, [0, 2]].any()


def test_units_and_signs_make_no_difference(learned: Any) -> None:
    values, bins, turn = _flight(6)
    scale = np.array([1e3, -2.0, -1e-3])
    broken = np.arange(len(values)) == 0
    other = unrest_thresholds(PlacedRows(values * scale, broken, bins, turn, BINS, np.abs(0.001 * scale), 1.0))
    np.testing.assert_allclose(other, learned * np.abs(scale)[:, None], rtol=1e-9)


@settings(max_examples=30, deadline=None)
@example(pieces=[1] * 600, at=100, times=7.0, gap=1)
@given(
    pieces=st.lists(st.integers(1, 40), max_size=30),
    at=st.integers(20, 500),
    times=st.floats(1, 30),
    gap=st.integers(1, 599),
)
def test_rows_in_any_pieces_are_judged_alike(
    learned: Any, pieces: list[int], at: int, times: float, gap: int
) -> None:
    values, bins, _ = _flight(1, seed=9)
    values = _restless(values, 0, at, at + 60, times)
    values[at + 100 :, 2] = np.nan
    whole = _heard(learned, values, bins, breaks=(0, gap))
    for mine, other in zip(_heard(learned, values, bins, pieces, (0, gap)), whole, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_noise_where_orbits_differ_is_an_anomaly_of_the_channel_that_is_noisy(
    mission: Mission,
    make_packets: Callable[..., list[FrameBatch]],
    cut: Callable[..., Iterator[FrameBatch]],
) -> None:
    """A current that goes a hundred times as far between orbits as its sensor scatters: no value stands out."""
    orbit, onset = 1200, 300
    channel = "eps.bat_i"

    def drift(first: int, n: int) -> Any:
        return np.sin(2 * np.pi * (first + np.arange(n)) / (1.37 * orbit)) - 0.5

    satellite = mission.satellites[0].name
    rows = make_packets(0, 6 * orbit, change={channel: drift(0, 6 * orbit)})
    window = from_batches(satellite, mission.bus_of(satellite), rows)
    model = fit(window, version=1, parent=None, created_ns=0, false_alarms_per_day=0.2, kind="fusion")
    change = drift(6 * orbit, 500)
    change[onset:] += 9 * 0.005 * np.random.default_rng(4).standard_normal(500 - onset)
    live = make_packets(6 * orbit, 500, seed=2, change={channel: change})
    scoring = LiveScoring(mission, [model.scorer])
    begun = live[0].t_ns[0]
    told = [verdict for batch in cut(live, 10) for verdict in scoring.score(batch).verdicts]
    assert [verdict.phase for verdict in told] == ["started"]
    [verdict] = told
    assert verdict.lead == channel
    assert onset < (verdict.t_ns - begun) / 1e9 <= onset + 30
    assert verdict.sentence.endswith(" A, noisier than usual here")
