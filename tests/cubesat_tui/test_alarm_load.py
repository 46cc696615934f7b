"""The load of alarms: how many were raised in ten minutes, and from when on that is too many."""

from __future__ import annotations

from pathlib import Path

import pytest

from cubesat_tui.drawing.event_rows import load_of
from cubesat_tui.snapshot import ContactNow, LinkNow, ModelNow, Snapshot
from telemetry.alarms import Event
from telemetry.clock import NS_PER_S
from telemetry.dictionary import Mission, Satellite

NOW = 1_795_331_600 * NS_PER_S


def seen(events: list[Event]) -> Snapshot:
    mission = Mission(Path(), (Satellite("K", "b"),), {})
    link = LinkNow("LIVE", "", 0.0)
    return Snapshot(1, NOW, NOW, mission, "K", False, link, ContactNow(), 0.0, ModelNow(), events=tuple(events))


def raised(age_s: float, kind: str = "alarm.raised") -> Event:
    return Event(NOW - round(age_s * NS_PER_S), "K", kind, 2, "eps.bat_v")


WORDS = [(0, ""), (1, ""), (2, ""), (3, " (high)"), (10, " (high)"), (11, " (flood)"), (60, " (flood)")]


@pytest.mark.parametrize(("count", "word"), WORDS)
def test_one_in_five_minutes_is_manageable_and_more_than_one_a_minute_a_flood(count: int, word: str) -> None:
    assert load_of(seen([raised(i) for i in range(count)])) == (count, word)


def test_only_what_was_raised_in_the_last_ten_minutes_counts() -> None:
    told = [raised(600), raised(600.001), raised(5), raised(5, "alarm.returned"), raised(5, "alarm.updated")]
    assert load_of(seen(told))[0] == 2
