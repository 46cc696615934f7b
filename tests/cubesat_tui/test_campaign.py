"""A detector on a simulated satellite: learning from the first frame, clean days, then a bad one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cubesat_tui import campaign as subject
from cubesat_tui.campaign import DAY_S, LEARNING_S, campaign, course_of, mission_of, routines_of
from sim.catalogue import KINDS
from telemetry.dictionary import MissionError
from telemetry.store.directory import MissionDirectory


def flown(seed: int, wanted_by: str) -> Any:
    """A day is a quarter of an hour: one seed in CI, all of them in `make campaign`."""
    skip = not (os.environ.get(wanted_by) or os.environ.get("CUBESAT_TUI_CAMPAIGN"))
    return pytest.param(seed, marks=pytest.mark.skipif(skip, reason="a day a seed: make campaign"))


@pytest.mark.timeout(5_400)
@pytest.mark.parametrize(
    "seed", [flown(1, "CI"), flown(2, "CUBESAT_TUI_CAMPAIGN"), flown(3, "CUBESAT_TUI_CAMPAIGN")]
)
def test_it_learns_keeps_quiet_and_finds_the_faults_of_a_bad_day(tmp_path: Path, seed: int) -> None:
    found = campaign(MissionDirectory(tmp_path / "m"), DAY_S, seed, "fusion")
    told = "\n".join(f"{one['at_s']:>7} {one['during']:<16} {one['text']}" for one in found["alarms"])
    assert found["learning_ends_frame"] < LEARNING_S
    assert found["later_scored_share"] >= 0.95
    assert found["clean_alarms"] <= 2, told
    assert found["rare_event_alarms"] == 0, told
    assert found["faults"] == 5
    assert found["faults_found"] >= 4, (found["each"], told)
    assert found["median_delay_s"] <= 120, found["each"]


def test_every_clean_day_has_what_an_operator_plans(tmp_path: Path) -> None:
    planned = routines_of("KESTREL-1", 7, 1_000_000, 2 * DAY_S)
    assert [fault.kind for fault in planned] == 2 * ["restart", "safe_exercise", "payload_off", "quiet_radio"]
    assert all(KINDS[fault.kind].layer == "routine" for fault in planned)
    assert max(fault.end_s for fault in planned) <= 1_000_000 + 2 * DAY_S
    course = course_of(mission_of(MissionDirectory(tmp_path / "m"), 7, None), DAY_S)
    assert course.faults_from_s - course.flight.start_s == LEARNING_S + DAY_S
    assert all(fault.end_s <= course.faults_from_s for fault in course.routines)


def test_a_kind_no_station_serves_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissionError, match="original"):
        mission_of(MissionDirectory(tmp_path / "m"), 1, "original")


def test_a_run_that_ends_while_it_learns_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer is a real child, the store a real store; nothing is judged, and that is what the figures say."""
    monkeypatch.setattr(subject, "LEARNING_S", 600)
    monkeypatch.setattr(subject, "STORY", "dead-panel")
    monkeypatch.setattr(subject, "AFTER_S", 60 - 10 * 365 * DAY_S)
    found = campaign(MissionDirectory(tmp_path / "m"), 600, 1, "isolation_forest")
    assert found["learning_ends_frame"] is None
    assert found["later_scored_share"] == 0.0
    assert found["clean_alarms"] == found["faults_found"] == 0
    assert found["faults"] == 1
    assert found["fits"] == 0
    assert found["frames"] > 1_200
