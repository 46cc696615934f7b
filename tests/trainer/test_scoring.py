"""What an operator sees of the detector: when it speaks, what it names, when it is silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch, Quality
from trainer.forest import ForestArrays
from trainer.model import Fitted
from trainer.scorer import LiveScoring, Scorer, Verdict

Make = Callable[..., list[FrameBatch]]
Cut = Callable[..., Iterator[FrameBatch]]
ORBIT_S = 1200
LATER = 6 * ORBIT_S


def _verdicts(scoring: LiveScoring, batches: Iterator[FrameBatch]) -> list[Verdict]:
    return [verdict for batch in batches for verdict in scoring.score(batch).verdicts]


def _step(n: int, first: int, last: int, size: float) -> np.ndarray:
    change = np.zeros(n)
    change[first:last] = size
    return change


@pytest.mark.parametrize("channel", ["pld.dist_s", "pld.dist_n"])
@pytest.mark.parametrize("onset", [100, 700])
def test_a_step_inside_the_limits_is_confirmed_named_and_over_when_it_is_over(
    fitted: Fitted, mission: Mission, make_packets: Make, cut: Cut, channel: str, onset: int
) -> None:
    n = onset + 150
    live = make_packets(LATER, n, seed=2, change={channel: _step(n, onset, onset + 55, 25.0)})
    verdicts = _verdicts(LiveScoring(mission, [fitted.scorer]), cut(live))
    assert [verdict.phase for verdict in verdicts] == ["started", "ended"]
    started, ended = verdicts
    begin_ns = int(live[0].t_ns[0]) + onset * 10**9
    assert started.lead == channel == started.channels[0].channel
    assert 0 <= started.t_ns - begin_ns <= 5 * 10**9
    assert 0 <= ended.t_ns - begin_ns - 55 * 10**9 <= 40 * 10**9
    label = mission.channel(started.satellite, channel).label
    usual = started.channels[0].usual
    assert started.sentence.startswith(f"{label} {started.channels[0].value:.1f} cm, usual here {usual:.1f} +-0.")
    assert started.channels[0].direction == 1


def test_half_a_panel_is_one_episode_of_several_channels(
    fitted: Fitted, mission: Mission, make_packets: Make, cut: Cut
) -> None:
    n = 600
    clean = make_packets(LATER, n, seed=3)
    hk = next(batch for batch in clean if batch.layout.packet == "hk")
    lost = np.zeros(n)
    lost[300:500] = -0.5 * hk.values[300:500, hk.layout.positions["eps.pv_i_px"]]
    live = make_packets(LATER, n, seed=3, change={"eps.pv_i_px": lost, "eps.bat_i": lost})
    verdicts = _verdicts(LiveScoring(mission, [fitted.scorer]), cut(live))
    assert [v.phase for v in verdicts if v.phase != "ongoing"] == ["started", "ended"]
    assert {part.channel for part in verdicts[-1].channels} == {"eps.pv_i_px", "eps.bat_i"}


def test_two_clean_orbits_with_eclipses_and_modes_are_silent(
    fitted: Fitted, mission: Mission, make_packets: Make, cut: Cut
) -> None:
    live = make_packets(LATER, 2 * ORBIT_S, seed=4)
    assert _verdicts(LiveScoring(mission, [fitted.scorer]), cut(live, 60)) == []


def test_rows_scored_one_by_one_and_in_chunks_are_equal(
    fitted: Fitted, mission: Mission, make_packets: Make, cut: Cut
) -> None:
    n = 300
    live = make_packets(LATER, n, seed=5, change={"pld.dist_s": _step(n, 100, 155, 25.0)})
    results: list[np.ndarray] = []
    told: list[list[tuple[int, str]]] = []
    for size in (1, 7, 300):
        scoring = LiveScoring(mission, [fitted.scorer])
        scores: list[np.ndarray] = []
        verdicts: list[Verdict] = []
        for batch in cut(live, size):
            scored = scoring.score(batch)
            verdicts += scored.verdicts
            if batch.layout.packet == "pld":
                assert scored.columns is not None
                scores.append(np.stack((scored.columns.score, scored.columns.state, scored.columns.p), axis=1))
        results.append(np.concatenate(scores)[5:])
        told.append([(v.t_ns, v.phase) for v in verdicts if v.phase == "started"])
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    assert told[0] == told[1] == told[2]
    assert len(told[0]) == 1


class _ConstantForest(ForestArrays):
    """Says the same about every row, above every threshold."""

    def score(self, x: np.ndarray, group: np.ndarray) -> np.ndarray:
        return np.full(len(x), 0.99)


def test_a_scorer_that_returns_a_constant_never_makes_an_episode(
    fitted: Fitted, mission: Mission, make_packets: Make, cut: Cut
) -> None:
    forest = fitted.scorer.forest
    fields = {name: getattr(forest, name) for name in ForestArrays.__dataclass_fields__}
    constant = Scorer(fitted.scorer.manifest, _ConstantForest(**fields), fitted.scorer.packets)
    live = make_packets(LATER, 200, seed=6, change={"pld.dist_s": _step(200, 100, 155, 25.0)})
    scoring = LiveScoring(mission, [constant])
    states = [scored.columns.state for batch in cut(live) if (scored := scoring.score(batch)).columns is not None]
    assert not np.concatenate(states).any()


def test_stored_rows_are_scored_and_never_start_an_episode(
    fitted: Fitted, mission: Mission, make_packets: Make, cut: Cut
) -> None:
    change = {"pld.dist_s": _step(200, 100, 155, 25.0)}
    scoring = LiveScoring(mission, [fitted.scorer])
    scored = [
        scoring.score(b) for b in cut(make_packets(LATER, 200, seed=7, quality=Quality.STORED, change=change), 50)
    ]
    assert all(not one.verdicts for one in scored)
    states = np.concatenate([one.columns.state for one in scored if one.columns is not None])
    assert states.max() == 1


def test_a_swap_between_two_frames_keeps_windows_and_episode(
    fitted: Fitted, mission: Mission, make_packets: Make, cut: Cut
) -> None:
    live = make_packets(LATER, 300, seed=8, change={"pld.dist_s": _step(300, 100, 155, 25.0)})
    scoring = LiveScoring(mission, [fitted.scorer])
    phases: list[str] = []
    for i, batch in enumerate(cut(live)):
        if i == 260:
            scoring.swap(replace(fitted.scorer))
        scored = scoring.score(batch)
        phases += [verdict.phase for verdict in scored.verdicts]
        if i > 20:
            assert scored.columns is not None
            assert (scored.columns.model == np.isfinite(scored.columns.score)).all()
    assert phases == ["started", "ended"]


def test_without_a_scorer_there_are_no_columns(mission: Mission, make_packets: Make) -> None:
    assert LiveScoring(mission).score(make_packets(0, 10)[0]).columns is None


def test_counters_constants_and_enumerations_are_not_judged(fitted: Fitted) -> None:
    excluded = {name: why for info in fitted.scorer.manifest.packets for name, why in info.excluded.items()}
    assert excluded == {
        "orb.eclipse": "enumerated",
        "obc.mode": "enumerated",
        "obc.uptime": "counts in one direction",
        "obc.reboots": "constant or a switch",
    }


def test_a_fault_that_stays_hides_no_other(fitted: Fitted, mission: Mission, make_packets: Make, cut: Cut) -> None:
    n = 500
    change = {"pld.dist_n": _step(n, 100, n, 25.0), "pld.dist_s": _step(n, 300, 360, -25.0)}
    verdicts = _verdicts(LiveScoring(mission, [fitted.scorer]), cut(make_packets(LATER, n, seed=9, change=change)))
    assert [(one.phase, one.lead) for one in verdicts] == [
        ("started", "pld.dist_n"),
        ("started", "pld.dist_s"),
        ("ended", "pld.dist_s"),
    ]


def test_what_comes_and_goes_is_one_episode_that_is_counted(
    fitted: Fitted, mission: Mission, make_packets: Make, cut: Cut
) -> None:
    n = 900
    change = np.zeros(n)
    for first in (100, 300, 500, 700):
        change[first : first + 60] = 25.0
    live = make_packets(LATER, n, seed=10, change={"pld.dist_s": change})
    verdicts = _verdicts(LiveScoring(mission, [fitted.scorer]), cut(live))
    assert [(one.phase, one.times) for one in verdicts] == [("started", 1), ("ended", 1), ("started", 2)]


def test_an_episode_ends_in_time_when_its_clock_is_set_back(
    fitted: Fitted, mission: Mission, make_packets: Make, cut: Cut
) -> None:
    """By three orbits, so that every place is still the same; what comes later is an episode of its own."""
    n = 1200
    change = {"pld.dist_s": _step(n, 100, 160, 25.0), "pld.dist_n": _step(n, 900, n, 25.0)}
    live = make_packets(LATER, n, seed=11, change=change)
    begin_ns = int(live[0].t_ns[0])
    for packet in live:
        packet.t_ns[175:] -= 3 * ORBIT_S * 10**9
    verdicts = _verdicts(LiveScoring(mission, [fitted.scorer]), cut(live))
    assert [(one.phase, one.lead) for one in verdicts] == [
        ("started", "pld.dist_s"),
        ("ended", "pld.dist_s"),
        ("started", "pld.dist_n"),
    ]
    ended_ns = verdicts[1].t_ns + 3 * ORBIT_S * 10**9 - begin_ns
    assert 160 * 10**9 < ended_ns < 200 * 10**9
