"""What else left its course in the minute of an alarm, and what only went on as it did."""

from __future__ import annotations

import time

import fabricated
import numpy as np
import pytest
from fabricated import NOW, SATELLITE, S, screen_text, settled

from cubesat_tui.minute_moves import LEAST_SIGMA, MOST_SIGMA, left_course, moves
from telemetry.alarms import Event
from telemetry.store.reader import StoreReader

SECONDS = np.arange(-300.0, 30.0)


def _course(kind: str, rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(0, 0.1, len(SECONDS))
    return {
        "still": noise,
        "climbs": 20 + 0.05 * SECONDS + noise,
        "steps": np.where(SECONDS >= 0, 1.0, 0.0) + noise,
        "spike before": np.where(SECONDS == -60, 5.0, 0.0) + noise,
        "goes round in an orbit": 40 * np.sin(2 * np.pi * (SECONDS + rng.uniform(0, 5700)) / 5700) + noise,
        "stepped before": np.where(SECONDS >= -100, 1.0, 0.0) + np.where(SECONDS >= 0, 1.0, 0.0) + noise,
    }[kind]


@pytest.mark.parametrize(
    ("kind", "moved"),
    [
        ("still", False),
        ("climbs", False),
        ("goes round in an orbit", False),
        ("spike before", False),
        ("stepped before", False),
        ("steps", True),
    ],
)
def test_only_what_leaves_its_line_has_moved(kind: str, moved: bool) -> None:
    for seed in range(20):
        found = left_course(SECONDS, _course(kind, np.random.default_rng(seed)), 0.01)
        assert (found is not None and abs(found[1]) >= LEAST_SIGMA) == moved, (seed, found)


def test_a_step_is_told_in_its_unit_with_its_sign() -> None:
    change, sigma = left_course(SECONDS, _course("steps", np.random.default_rng(1)) * -1, 0.01) or (0, 0)
    assert change == pytest.approx(-1.0, abs=0.1)
    assert sigma < -LEAST_SIGMA


def test_a_value_that_stood_still_does_not_divide_by_nothing() -> None:
    assert left_course(SECONDS, np.where(SECONDS >= 0, 3.0, 1.0), 0.1) == (pytest.approx(2.0), pytest.approx(20.0))
    assert left_course(SECONDS, np.where(SECONDS >= 0, 300.0, 1.0), 0.1)[1] == MOST_SIGMA  # pyright: ignore[reportOptionalSubscript]


def test_too_little_to_say_is_nothing_said() -> None:
    steps = _course("steps", np.random.default_rng(1))
    assert left_course(SECONDS[-150:], steps[-150:], 0.01) is None
    assert left_course(SECONDS[:-30], steps[:-30], 0.01) is None
    assert left_course(SECONDS, steps, 0.01) is not None
    assert left_course(np.empty(0), np.empty(0), 0.1) is None


def test_the_jump_of_the_rangefinder_is_found_in_the_store_at_little_cost(directory) -> None:
    bus = fabricated.fabricated_mission()
    reader = StoreReader(directory.telemetry)
    begun = time.process_time()
    found = moves(reader, SATELLITE, bus.channels, NOW - 102 * S, "adcs.rw_x")
    assert time.process_time() - begun < 1.0
    assert [move.channel for move in found] == ["pld.dist_s"]
    assert found[0].change == pytest.approx(25.0, abs=1.0)
    assert moves(reader, SATELLITE, bus.channels, NOW - 102 * S, "pld.dist_s") == []
    reader.close()


async def test_events_tells_what_moved_in_the_same_minute(console, tmp_path) -> None:
    body = {"kind": "limit", "side": 1, "limit": 60.0, "trigger": 60.2, "count": 1, "level": 2, "text": "Panel"}
    raised = Event(NOW - 100 * S, SATELLITE, "alarm.raised", 2, "thm.t_px", "", body)
    app = console(directory=fabricated.fill(tmp_path / "m", events=[raised]))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("5")
        await settled(pilot)
        assert "Same minute: Distance S +25." in screen_text(app)
        assert "sigma)" in screen_text(app)


def test_what_is_computed_has_not_moved_where_seconds_are_missing() -> None:
    """A latitude between the stored past and the live present: it goes on as it did, some seconds further."""
    seconds = np.concatenate((np.arange(-300.0, -3), np.arange(0.0, 30)))
    latitude = np.round(12 - 0.063 * seconds, 2)
    later = np.where(seconds >= 0, latitude - 0.6, latitude)
    assert left_course(seconds, later, 0.01) is None
    assert left_course(seconds, later + np.random.default_rng(1).normal(0, 0.05, len(later)), 0.01) is not None
