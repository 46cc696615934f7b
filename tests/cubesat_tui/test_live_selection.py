"""What Live selects while nobody chooses, and what a key means for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from cubesat_tui.live_selection import IDLE_NS, LiveSelection
from telemetry.alarms import Alarm, AlarmState


def _alarm(name: str) -> Alarm:
    return Alarm("SAT", name, "limit", 2, AlarmState.UNACK_ALARM, 1, 1, name)


def _selected(selection: LiveSelection, names: str, wall_ns: int) -> str:
    snapshot: Any = SimpleNamespace(
        satellite="SAT", wall_ns=wall_ns, alarms=tuple(_alarm(name) for name in names), channels={}
    )
    selection.fit(snapshot, ())
    alarm, _ = selection.of(snapshot, ())
    return alarm.subject if alarm is not None else ""


def test_a_key_before_there_was_an_alarm_holds_nothing() -> None:
    selection = LiveSelection()
    now = 100 * IDLE_NS
    assert _selected(selection, "", now) == ""
    selection.touch(now)
    assert _selected(selection, "b", now + 1) == "b"
    assert _selected(selection, "ab", now + 2) == "a", "nobody has chosen, so the worst is what is shown"


def test_a_key_among_alarms_holds_the_selected_one_for_a_minute() -> None:
    selection = LiveSelection()
    now = 100 * IDLE_NS
    assert _selected(selection, "b", now) == "b"
    selection.touch(now)
    assert _selected(selection, "ab", now + IDLE_NS) == "b"
    assert _selected(selection, "ab", now + IDLE_NS + 1) == "a"
    assert selection.alarms.surprise(now + IDLE_NS + 2) == ("SAT", "b"), "whoever acts just then is warned"
