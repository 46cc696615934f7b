"""The members of a channel and their fusion: what they find, what they must not care about, what they cost."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.evaluation.metrics import strict_events
from trainer.members.alarm_rule import PATIENCE, AlarmRule, fit_rule, peaks_over_threshold, smoothed
from trainer.members.fitting import TooFewRows, fit_channel
from trainer.members.fusion import ChannelModel, fused
from trainer.members.sisters import fit_sisters, window_levels
from trainer.members.windows import WINDOW, looking_back, trailing_mean

FIT, ROWS = 800, 1600


def _channel(seed: int, n: int = ROWS) -> np.ndarray:
    """A wave with noise, coarsely digitised, as a thermistor's."""
    rng = np.random.default_rng(seed)
    return np.round(20 + 5 * np.sin(2 * np.pi * np.arange(n) / 93) + 0.3 * rng.standard_normal(n), 1)


def _broken(n: int) -> np.ndarray:
    broken = np.zeros(n, dtype=bool)
    broken[0] = True
    return broken


def _context(n: int) -> np.ndarray:
    return (np.arange(n) % 93 < 40).astype(np.float64)[:, None]


def _fit(values: np.ndarray) -> ChannelModel:
    n = len(values)
    return fit_channel(values, _context(n), _broken(n), np.ones(n, dtype=bool))


def _score(model: ChannelModel, values: np.ndarray) -> np.ndarray:
    return model.score(values, _context(len(values)), _broken(len(values)))


@pytest.fixture(scope="module")
def model() -> ChannelModel:
    return _fit(_channel(1)[:FIT])


@pytest.mark.parametrize("fault", ["step", "noise", "stuck", "drift", "spike"])
def test_every_kind_of_fault_scores_above_all_that_was_calm(model: ChannelModel, fault: str) -> None:
    values = _channel(1)
    where = slice(1200, 1300)
    values[where] = {
        "step": values[where] + 12,
        "noise": values[where] + 4 * np.random.default_rng(0).standard_normal(100),
        "stuck": np.full(100, values[1200]),
        "drift": values[where] + np.linspace(0, 20, 100),
        "spike": values[where] + np.where(np.arange(100) % 40 == 5, 30, 0),
    }[fault]
    scores = _score(model, values)
    assert scores[where].max() > np.nanmax(scores[FIT:1200]) + 0.1


@settings(max_examples=6, deadline=None)
@given(
    st.sampled_from([1, -1]),
    st.sampled_from([1e-3, 0.3048, 1.0, 1.8, 1e6]),
    st.sampled_from([-273.15, 0.0, 32.0]),
    st.integers(0, 3),
)
def test_sign_and_units_change_nothing(sign: int, unit: float, offset: float, seed: int) -> None:
    values = _channel(seed, 600)
    other = sign * unit * (values + offset)
    before = _score(_fit(values[:300]), values)
    np.testing.assert_allclose(_score(_fit(other[:300]), other), before, atol=1e-6)


def test_the_order_of_channels_changes_nothing() -> None:
    channels = np.stack([_channel(seed, 400) for seed in range(3)], axis=1)
    order = [2, 0, 1]
    before = np.stack([_score(_fit(c[:250]), c) for c in channels.T], axis=1)
    after = np.stack([_score(_fit(c[:250]), c) for c in channels[:, order].T], axis=1)
    np.testing.assert_allclose(after, before[:, order], atol=1e-6)


def test_a_score_looks_at_nothing_that_comes_later(model: ChannelModel) -> None:
    values = _channel(1)
    short = _score(model, values[:1000])
    values[1000:] += 50
    np.testing.assert_allclose(_score(model, values)[:1000], short, atol=1e-9)


def test_rows_one_at_a_time_score_as_all_at_once(model: ChannelModel) -> None:
    values = _channel(1)
    past = 2 * WINDOW + 32
    all_at_once = _score(model, values)
    for row in range(900, 920):
        tail = slice(row + 1 - past, row + 1)
        alone = model.score(values[tail], _context(ROWS)[tail], np.zeros(past, dtype=bool))
        assert alone[-1] == pytest.approx(all_at_once[row], abs=1e-6)


def test_a_gap_and_a_nan_are_nothing_to_judge_and_nothing_is_filled(model: ChannelModel) -> None:
    values, broken = _channel(1), _broken(ROWS)
    broken[1000] = True
    values[1300] = np.nan
    scores = model.member_scores(values, _context(ROWS), broken)
    # The forecaster needs 16 rows before the one it judges, whatever needs a window 32.
    assert np.isnan(scores[1000:1016]).all()
    assert np.isnan(scores[1300:1316]).all()
    assert np.isfinite(scores[1016 + 16 : 1300]).all()
    assert np.isnan(fused(scores)[1000])
    lost = values.copy()
    lost[1000:1005] = np.nan
    assert np.isnan(_score(model, lost)[1000:1005]).all()


def test_quarantined_rows_teach_nothing() -> None:
    values = _channel(4)[:FIT]
    spoiled = values.copy()
    spoiled[300:360] += 80
    accepted = np.ones(FIT, dtype=bool)
    accepted[300:360] = False
    marked = fit_channel(spoiled, _context(FIT), _broken(FIT), accepted)
    far = fit_channel(spoiled + np.where(accepted, 0, 500), _context(FIT), _broken(FIT), accepted)
    fresh = _channel(5)
    np.testing.assert_array_equal(_score(marked, fresh), _score(far, fresh))


def test_too_little_is_learning_and_a_constant_is_a_model() -> None:
    with pytest.raises(TooFewRows, match="learning 9 of 64"):
        _fit(_channel(1)[: WINDOW + 8])
    with pytest.raises(TooFewRows):
        _fit(np.full(300, np.nan))
    values = np.full(400, 3.3)
    model = _fit(values)
    values[300:] = 3.4
    scores = _score(model, values)
    assert scores[310] > np.nanmax(scores[:300]) + 1


def test_fit_and_score_are_cheap() -> None:
    """One channel of 2,000 rows fits in a CPU second; the floor of the speed is a third of what is asked of an idle
    core, so that a loaded one does not fail it."""
    values, context = _channel(1, 4000), _context(4000)
    begun = time.process_time()
    model = fit_channel(values[:2000], context[:2000], _broken(2000), np.ones(2000, dtype=bool))
    assert time.process_time() - begun < 2.0
    begun = time.process_time()
    model.score(values, context, _broken(4000))
    assert 4000 / (time.process_time() - begun) > 3000


def test_means_over_rows_know_gaps_and_what_is_missing() -> None:
    scores = np.array([1.0, 3.0, np.nan, 5.0, 7.0, 9.0])
    broken = np.array([True, False, False, False, True, False])
    np.testing.assert_allclose(trailing_mean(scores, 3, broken), [1, 2, np.nan, 4, 7, 8])
    np.testing.assert_allclose(looking_back(scores, 2), [2, 3, 5, 6, 8, 9])


def test_smoothing_reaches_a_step_and_skips_what_is_missing() -> None:
    out = smoothed(np.array([0.0] * 5 + [np.nan] + [1.0] * 60))
    assert np.isnan(out[5])
    assert out[4] == 0.0
    assert 0.1 < out[6] < 0.2
    assert out[-1] > 0.99


def test_the_tail_is_beyond_all_seen_and_far_for_a_heavy_one() -> None:
    rng = np.random.default_rng(0)
    light, heavy = rng.normal(size=4000), rng.standard_t(2, size=4000)
    assert light.max() <= peaks_over_threshold(light) < light.max() + 2
    assert peaks_over_threshold(heavy) >= heavy.max()
    assert peaks_over_threshold(np.zeros(100)) == 0.0


def test_an_alarm_is_confirmed_held_and_asks_after_its_patience() -> None:
    rule = AlarmRule(0.0, 1.0)
    scores = np.zeros(1000)
    scores[100:103] = 3.0  # too short to be confirmed once smoothed
    scores[400:900] = 3.0
    alarms = rule.alarms(scores)
    assert not alarms[:400].any()
    begin = int(np.flatnonzero(alarms)[0])
    assert 403 < begin < 412
    # It holds for its patience, then it is a question, and the same level never alarms again.
    assert alarms[begin : begin + PATIENCE - 1].all()
    assert not alarms[begin + PATIENCE :].any()
    stranger = scores.copy()
    stranger[700:900] = 9.0
    assert rule.alarms(stranger)[700:760].any()


def test_after_a_question_the_usual_level_is_usual_again() -> None:
    scores = np.zeros(1200)
    scores[200:600] = 3.0
    scores[900:960] = 3.0
    found = strict_events(AlarmRule(0.0, 1.0).alarms(scores), (scores > 0).astype(int))
    assert (found.found, found.false_alarms) == (2, 0)


def test_a_constant_calibration_does_not_alarm_for_ever() -> None:
    rule = fit_rule(np.full(300, 0.7))
    assert rule.threshold > 1.1
    assert not rule.alarms(0.7 + 0.1 * np.random.default_rng(0).random(500)).any()


def test_a_panel_at_half_voltage_strays_from_its_sisters() -> None:
    rng = np.random.default_rng(2)
    t = np.arange(2400)
    panels = np.stack([5000 * np.abs(np.sin(t / 40 + phase)) for phase in (0, 1, 2, 3)], axis=1)
    alone = 4.0 + 0.01 * rng.standard_normal((len(t), 1))
    values = np.concatenate((panels + 10 * rng.standard_normal(panels.shape), alone), axis=1)
    sisters = fit_sisters(window_levels(values[:1200], 120))
    assert sisters.alike[:4, :4].sum() == 12
    assert not sisters.alike[4].any()
    values[:, 1] *= 0.507
    stray = sisters.stray(window_levels(values[1200:], 120))
    assert (stray[:, 1] > 1).all()
    assert not (stray[:, [0, 2, 3, 4]] > 1).any()


def test_darkness_neither_shows_nor_clears_a_fault_of_a_panel() -> None:
    bright = np.full((12, 6), 5000.0) + np.arange(12)[:, None] * 3.0
    sisters = fit_sisters(bright)
    levels = bright.copy()
    levels[:, 1] *= 0.5
    levels[4:7] = 1300.0
    levels[3, 2] *= 0.4
    verdict = sisters.faulty(levels)
    assert verdict[:, 1].all()
    assert verdict[:, 2].nonzero()[0].tolist() == [3]
    assert not verdict[:, [0, 3, 4, 5]].any()
