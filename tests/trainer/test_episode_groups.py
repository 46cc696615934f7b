"""Which channels an anomaly names, and whose it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from telemetry.dictionary import Channel
from telemetry.frame import Column, Layout
from trainer.episodes import AGAIN_NS, Episodes, Stretch
from trainer.explain import ROWS
from trainer.joint import Joint, fit_joint
from trainer.verdict import JUMP, MEMBERS, Verdict
from trainer.verdict import NOISE as NOISY

PANEL, OTHER, BATTERY, ALOOF = "eps.panel", "eps.other", "eps.battery", "eps.aloof"
NAMES = (PANEL, OTHER, BATTERY, ALOOF)
LAYOUT = Layout("hk", tuple(Column(name) for name in NAMES))
N, ONSET = 40, 12
S = 1_000_000_000
NOISE = 0.01


@pytest.fixture(scope="module")
def joint() -> Joint:
    """Both panels and the battery, which gets what they give."""
    draw = np.random.default_rng(1)
    light = np.repeat(draw.random((40, 2)), 50, axis=0)
    values = np.stack((light[:, 0], light[:, 1], light.sum(axis=1), np.zeros(2000)), axis=1)
    values += NOISE * draw.standard_normal(values.shape)
    return fit_joint(draw.standard_normal(values.shape), values)


def _stretch(
    joint: Joint, moved: dict[str, float], first: dict[str, int], off: dict[str, float], **given: Any
) -> Stretch:
    """Rows with a step at `ONSET`.

    Args:
        moved: how far each channel steps.
        first: row at which a channel is confirmed, from then on it is flagged.
        off: normal spreads by which each stands away from the onset on.
    """
    values = NOISE * np.random.default_rng(2).standard_normal((N, 4))
    z = np.zeros((N, 4, 3))
    newly = np.zeros((N, 4), dtype=np.bool_)
    for c, name in enumerate(NAMES):
        values[ONSET:, c] += moved.get(name, 0.0)
        z[ONSET:, c, :2] = off.get(name, 0.0)
        newly[first.get(name, N) :, c] = True
    t_ns = given.pop("t0_ns", 0) + np.arange(N, dtype=np.int64) * S
    return Stretch(
        layout=LAYOUT,
        period_s=1.0,
        at=np.arange(N),
        t_ns=t_ns,
        values=values,
        flags=newly,
        newly=newly,
        lasting=newly,
        z=z,
        score=np.full(N, 0.6),
        p=np.full(N, 0.01),
        usual=NOISE * np.random.default_rng(3).standard_normal((60, 4)),
        before=NOISE * np.random.default_rng(4).standard_normal((8, 4)),
        joint=joint,
        **given,
    )


def _told(episodes: Episodes, stretch: Stretch) -> list[Verdict]:
    verdicts: list[Verdict] = []
    episodes.follow(stretch, 1, verdicts)
    return verdicts


def _episodes() -> Episodes:
    return Episodes("ONE", {name: Channel(name, name, "A", decimals=3) for name in NAMES})


HALF = {PANEL: -1.0, OTHER: 0.4, BATTERY: -0.6}
AWAY = {PANEL: -20.0, OTHER: 5.5, BATTERY: -8.0, ALOOF: -9.0}


def test_an_alarm_about_a_panel_names_the_battery_that_lost_its_current_with_it(joint: Joint) -> None:
    """Neither the other panel nor the battery would be told by itself; what stood aloof has no part in it."""
    told = _told(_episodes(), _stretch(joint, HALF, {PANEL: ONSET + 2}, AWAY))
    assert [(verdict.phase, verdict.lead) for verdict in told] == [("started", PANEL), ("ongoing", PANEL)]
    assert [part.channel for part in told[0].channels] == [PANEL]
    assert {part.channel for part in told[1].channels} == {PANEL, OTHER, BATTERY}
    assert told[1].channels[0].channel == PANEL
    assert told[1].t_ns - told[0].t_ns == (ROWS - 1) * S


def test_what_moves_but_stays_where_it_may_be_has_no_part(joint: Joint) -> None:
    told = _told(_episodes(), _stretch(joint, HALF, {PANEL: ONSET + 2}, {PANEL: -20.0, BATTERY: -4.0}))
    assert [[part.channel for part in verdict.channels] for verdict in told] == [[PANEL]]


@pytest.mark.parametrize(("voice", "said"), [(JUMP, "jumped from "), (NOISY, "noisier than usual here")])
def test_the_channel_that_jumped_or_is_noisy_leads_though_another_stands_out_more(
    joint: Joint, voice: str, said: str
) -> None:
    away = {PANEL: -12.0, OTHER: 30.0}
    first = {PANEL: ONSET + 2, OTHER: ONSET + 2}
    [verdict] = _told(_episodes(), _stretch(joint, {PANEL: -0.3, OTHER: 0.3}, first, away))
    assert verdict.lead == OTHER
    speaker = np.zeros((N, 4), dtype=np.int8)
    speaker[:, 0] = MEMBERS.index(voice)
    [verdict] = _told(_episodes(), _stretch(joint, {PANEL: -0.3, OTHER: 0.3}, first, away, speaker=speaker))
    assert verdict.lead == PANEL
    assert said in verdict.sentence
    assert {part.channel for part in verdict.channels} == {PANEL, OTHER}


@pytest.mark.parametrize(("off", "times"), [(-6.0, 2), (-60.0, 1)])
def test_what_went_with_another_and_then_breaks_itself_is_not_the_other_again(
    joint: Joint, off: float, times: int
) -> None:
    """The panel took a small part in what the battery led; half of it lost a minute later is its own anomaly."""
    episodes = _episodes()
    both = _stretch(joint, {}, {BATTERY: 30, PANEL: 30}, {BATTERY: -40.0, PANEL: -6.0})
    [one] = _told(episodes, both)
    assert one.lead == BATTERY
    quiet = _stretch(joint, {}, {}, {}, t0_ns=40 * S)
    assert [verdict.phase for verdict in _told(episodes, quiet)] == ["ended"]
    back = _stretch(joint, {}, {PANEL: 30}, {PANEL: off}, t0_ns=80 * S)
    [again] = _told(episodes, back)
    assert again.phase == "started"
    assert again.times == times
    assert again.lead == (BATTERY if times == 2 else PANEL)
    assert AGAIN_NS > 80 * S
