"""What does not work on a link, in words, and how long until the next attempt."""

from __future__ import annotations

from cubesat_tui.setbacks import LONGEST_PAUSE_S, REFUSING, RETRY, Setbacks
from telemetry.clock import ManualClock


def setbacks(clock: ManualClock, told: list[str]) -> Setbacks:
    return Setbacks(clock, lambda: 1.0, lambda words: told.append(f"down: {words}"), lambda: told.append("up"))


def test_a_beat_that_fails_alone_is_shown_and_pauses_nothing() -> None:
    one = setbacks(ManualClock(), [])
    one.mild("beat", RETRY, "no answer")
    assert one.report == ("DOWN", "no answer: trying again")
    assert one.pause_s < 0
    one.recovered("beat", wholly=False)
    assert one.report is None


def test_pauses_grow_to_thirty_seconds_and_an_outage_is_told_once() -> None:
    clock, told = ManualClock(), []
    one = setbacks(clock, told)
    pauses: list[float] = []
    for _ in range(9):
        one.failed("send", RETRY, "no answer")
        one.failed("send", RETRY, "another of the same update")
        pauses.append(one.pause_s)
        clock.advance(one.pause_s)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, *[LONGEST_PAUSE_S] * 4]
    assert told == ["down: no answer"]
    one.recovered("send")
    one.recovered("send")
    assert told == ["down: no answer", "up"]
    assert one.report is None


def test_a_refusal_outlives_what_another_request_brings() -> None:
    clock, told = ManualClock(), []
    one = setbacks(clock, told)
    one.failed("send", REFUSING, "the database refuses (401)")
    assert one.pause_s == LONGEST_PAUSE_S
    one.recovered("beat", wholly=False)
    assert one.report == ("REFUSED", "the database refuses (401)")
    one.recovered("send")
    assert one.report is None
