"""The members of all channels at once are what each channel's members say, in whatever pieces the rows come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.fusion.arrays import MUTE, PacketFusion
from trainer.fusion.live import Heard, Memory, equal_runs, fused, member_scores, smoothed
from trainer.fusion.patience import LOUD_AWAY
from trainer.fusion.stack import stacked
from trainer.members import alarm_rule
from trainer.members.fitting import fit_channel
from trainer.members.fusion import ChannelModel, Weighed
from trainer.members.windows import Scale

CHANNELS, MODES, ROWS = 5, 3, 700


def _rows(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Deviations of five unlike channels with gaps and NaN, the mode and the rows that stand apart."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None]
    z = np.sin(t / np.array([9.0, 30.0, 7.0, 50.0, 11.0])) + 0.2 * rng.standard_normal((n, CHANNELS))
    z[:, 3] = np.round(z[:, 3])
    z[:, 4] = np.where(t[:, 0] % 90 < 45, 0.0, z[:, 4])
    at = int(rng.integers(0, n))
    z[at : at + 40, 1] += 4
    z[int(rng.integers(0, n)) :, 0] = z[0, 0]
    z[rng.random(z.shape) < 0.003] = np.nan
    key = np.cumsum(rng.random(n) < 0.02) % MODES
    apart = rng.random(n) < 0.004
    apart[0] = True
    return np.round(z, 9), key, apart


@pytest.fixture(scope="module")
def models() -> list[ChannelModel]:
    z, key, apart = _rows(0, ROWS)
    found: list[ChannelModel] = []
    for i in range(CHANNELS):
        accepted = np.ones(ROWS - 80 * i, dtype=np.bool_)
        rows = slice(0, len(accepted))
        made = fit_channel(z[rows, i], np.eye(MODES)[key[rows]], apart[rows], accepted)
        found.append(replace(made, scale=Scale(0.0, 1.0)))
    return found


@pytest.fixture(scope="module")
def fusion(models: list[ChannelModel]) -> PacketFusion:
    z, key, apart = _rows(0, ROWS)
    made = stacked(models)
    level = smoothed(made, fused(member_scores(made, z, key, apart)), apart)
    usual = np.nanmedian(level, axis=0)
    return replace(
        made,
        usual=usual,
        threshold=usual + 0.3,
        longest=np.array([0.0, 2, 2, 30, 3]),
        unrest=np.full((CHANNELS, 1), 1.2),
    )


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(1, 2**16))
def test_the_members_of_all_channels_are_those_of_each(
    models: list[ChannelModel], fusion: PacketFusion, seed: int
) -> None:
    z, key, apart = _rows(seed, 300)
    together = member_scores(fusion, z, key, apart)
    for i, model in enumerate(models):
        alone = model.member_scores(z[:, i], np.eye(MODES)[key], apart)
        np.testing.assert_allclose(together[:, i], alone, rtol=0, atol=1e-9)
    assert np.isfinite(together).any(axis=(0, 1)).all()


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(1, 2**16), sizes=st.lists(st.integers(1, 70), min_size=1, max_size=8))
def test_rows_one_by_one_in_pieces_and_together_are_heard_alike(
    fusion: PacketFusion, seed: int, sizes: list[int]
) -> None:
    n = 300
    z, key, apart = _rows(seed, n)
    values = 3.0 * z
    broken = apart | (np.diff(key, prepend=key[0]) != 0)
    heard: list[Heard] = []
    for cycle in ([n], [1], sizes):
        memory, parts, start, turn = Memory(fusion), list[Heard](), 0, 0
        while start < n:
            rows = slice(start, start + cycle[turn % len(cycle)])
            parts.append(
                memory.hear(z[rows], key[rows], broken[rows], apart[rows], values[rows], away=np.abs(z[rows]))
            )
            start, turn = rows.stop, turn + 1
        heard.append(Heard(*(np.concatenate([getattr(p, name) for p in parts]) for name in Heard.__slots__)))
    for other in heard[1:]:
        np.testing.assert_allclose(other.relative, heard[0].relative, rtol=0, atol=1e-9)
        np.testing.assert_allclose(other.forecast, heard[0].forecast, rtol=0, atol=1e-9)
        for name in ("flagged", "lasting", "newly", "speaker"):
            np.testing.assert_array_equal(getattr(other, name), getattr(heard[0], name))


def test_the_level_is_that_of_the_alarm_rule(fusion: PacketFusion) -> None:
    scores = np.random.default_rng(4).normal(1, 0.3, (200, CHANNELS))
    scores[::17, 2] = np.nan
    level = smoothed(fusion, scores, np.zeros(200, dtype=np.bool_))
    for i in range(CHANNELS):
        np.testing.assert_array_equal(level[:, i], alarm_rule.smoothed(scores[:, i], level=0.0))


def test_the_first_rows_behind_a_break_count_as_little_as_any_others(fusion: PacketFusion) -> None:
    """An edge that its context is a few seconds ahead of is in the first window behind it, and not for long."""
    scores = np.full((200, CHANNELS), 0.3)
    scores[100:106] = 4.0
    broken = np.zeros(200, dtype=np.bool_)
    broken[[0, 100]] = True
    level = smoothed(fusion, scores, broken)
    assert level[106:].max() < 2.5
    assert level[115:].max() < 1.2
    np.testing.assert_allclose(level[190:], 0.3, atol=1e-3)


def test_what_lies_behind_a_gap_is_forgotten(fusion: PacketFusion) -> None:
    z, key, apart = _rows(5, 400)
    apart[:] = False
    apart[[0, 200]] = True
    behind = member_scores(fusion, z, key, apart)[200:]
    alone = member_scores(fusion, z[200:], key[200:], apart[200:])
    np.testing.assert_allclose(behind, alone, rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        smoothed(fusion, fused(member_scores(fusion, z, key, apart)), apart)[200:],
        smoothed(fusion, fused(alone), apart[200:]),
        rtol=0,
        atol=1e-9,
    )


def test_a_loud_voice_is_confirmed_by_five_of_eight_rows_and_halfway_lasts(fusion: PacketFusion) -> None:
    z, key, apart = _rows(6, 400)
    apart[1:] = False
    z = np.nan_to_num(z)
    z[250:330, 2] += 6
    heard = Memory(fusion).hear(z, key, apart, apart, z + np.arange(400)[:, None])
    flagged = heard.flagged[:, 2]
    first = int(np.flatnonzero(flagged & (np.arange(400) >= 250))[0])
    confirmed = int(np.flatnonzero(heard.newly[:, 2] & (np.arange(400) >= 250))[0])
    assert 4 <= confirmed - first <= 23
    assert (heard.lasting | ~heard.flagged).all()
    assert heard.lasting[:, 2].sum() > flagged.sum()
    assert set(heard.speaker[flagged, 2].tolist()) <= set(range(1, 7))


@pytest.mark.parametrize(
    ("gap", "lasts", "believed"), [(False, 15, None), (False, 60, 23), (True, 15, 2), (True, 60, 2)]
)
def test_far_away_behind_a_change_of_mode_it_must_stay_there_to_be_believed(
    fusion: PacketFusion, gap: bool, lasts: int, believed: int | None
) -> None:
    """A restart lets the pointing go for a minute: back in its mode the satellite needs seconds to return."""
    n, at = 160, 60
    row = np.arange(n)
    apart, broken = row == 0, (row == 0) | (row == at)
    if gap:
        apart = broken
    away = np.where((row >= at) & (row < at + lasts), 2 * LOUD_AWAY, 0.2)[:, None] * np.array([1.0, 0, 0, 0, 0])
    values = np.arange(n)[:, None] * np.ones(CHANNELS)
    heard = Memory(fusion).hear(np.zeros((n, CHANNELS)), np.zeros(n, np.intp), broken, apart, values, away=away)
    newly = np.flatnonzero(heard.newly[:, 0])
    assert (None if not len(newly) else int(newly[0]) - at) == believed


def test_a_run_of_equal_values_is_stuck_after_five_times_the_longest(fusion: PacketFusion) -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(0, 1, (200, CHANNELS))
    values[40:190] = values[39]
    values[120, 2] = np.nan
    z = 0.2 * rng.standard_normal((200, CHANNELS))
    key, apart = np.zeros(200, dtype=np.intp), np.arange(200) == 0
    heard = Memory(fusion).hear(z, key, apart, apart, values)
    runs = equal_runs(values, apart, np.full(CHANNELS, np.nan), np.zeros(CHANNELS))
    stuck = heard.speaker == 7
    np.testing.assert_array_equal(stuck, (runs > [np.inf, 20, 20, 150, 20]) & stuck)
    assert np.flatnonzero(stuck[:, 1]).tolist() == list(range(59, 190))
    assert stuck[59:120, 2].all()
    assert not stuck[120:140, 2].any()
    assert not stuck[:, 0].any()
    assert np.flatnonzero(stuck[:, 3]).tolist() == [189]
    assert heard.newly[stuck].all()


def test_noise_is_told_on_by_the_model_that_takes_over_while_it_is_half_of_it_to_that(fusion: PacketFusion) -> None:
    rng = np.random.default_rng(9)
    values = rng.normal(0, 0.2, (120, CHANNELS))
    values[60:, 1] *= 5
    mute = np.full(CHANNELS, MUTE)
    only = replace(fusion, threshold=mute, longest=np.zeros(CHANNELS), unrest=np.full((CHANNELS, 1), 1.0))
    z, key, apart = 0.1 * values, np.zeros(120, dtype=np.intp), np.arange(120) == 0
    first = Memory(only)
    assert first.hear(z[:100], key[:100], apart[:100], apart[:100], values[:100]).lasting[-1].tolist() == [
        i == 1 for i in range(CHANNELS)
    ]
    for times, told in ((2.0, True), (20.0, False)):
        other = Memory(replace(only, unrest=only.unrest * times))
        other.hear(z[70:100], key[70:100], apart[:30], apart[:30], values[70:100])
        other.take_over(first)
        rows = slice(100, 101)
        heard = other.hear(z[rows], key[rows], apart[rows], apart[rows], values[rows])
        assert heard.lasting[0].tolist() == [told and i == 1 for i in range(CHANNELS)]
        assert not heard.newly.any()


def test_other_members_cannot_be_stacked(models: list[ChannelModel]) -> None:
    one = models[0].members[0]
    with pytest.raises(TypeError, match="six members"):
        stacked([replace(models[0], members=(one,) * 6)])
    assert isinstance(one, Weighed)
