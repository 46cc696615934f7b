"""Instants become text and come back unchanged; a manual clock moves only when told."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.clock import ManualClock, MissionClock, SystemClock, iso, parse_iso

INT64 = st.integers(-(2**63), 2**63 - 1)


@given(INT64)
def test_every_nanosecond_survives_the_round_trip(ns: int) -> None:
    assert parse_iso(iso(ns)) == ns


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000_000, "1970-01-01T00:00:01.500Z"),
        (1_000_001_000, "1970-01-01T00:00:01.000001Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
    ],
)
def test_fraction_has_as_many_digits_as_it_needs(ns: int, text: str) -> None:
    assert iso(ns) == text


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-22", "2026-11-22T00:00:00Z"),
        ("2026-11-22T07:00Z", "2026-11-22T07:00:00Z"),
        ("2026-11-22 07:00:03.5", "2026-11-22T07:00:03.500Z"),
        ("2026-11-22T07:00:00+01:30", "2026-11-22T05:30:00Z"),
        ("2026-11-22T07:00:00-0130", "2026-11-22T08:30:00Z"),
        ("2026-11-22T07:00:00.1234567891Z", "2026-11-22T07:00:00.123456789Z"),
    ],
)
def test_forms_that_are_read(text: str, same: str) -> None:
    assert iso(parse_iso(text)) == same


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01", "2026-02-30T00:00Z", "07:00", "2026-11-22T25:00Z", "١٢٣٤-01-01"]
)
def test_what_is_no_time_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="2026-11-22T07:14:03Z"):
        parse_iso(text)


def test_a_time_outside_int64_is_refused() -> None:
    with pytest.raises(ValueError, match="int64"):
        parse_iso("2999-01-01T00:00Z")


async def test_sleepers_wake_when_their_time_has_come_and_in_order() -> None:
    clock = ManualClock(1_000)
    woken: list[str] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    tasks = [asyncio.create_task(sleeper("late", 2.0)), asyncio.create_task(sleeper("early", 1.0))]
    while clock.sleepers < 2:
        await asyncio.sleep(0)
    clock.advance(0.5)
    await asyncio.sleep(0)
    assert woken == []
    clock.advance(5.0)
    await asyncio.gather(*tasks)
    assert woken == ["early", "late"]
    assert clock.now_ns() == 1_000 + 5_500_000_000
    assert clock.monotonic() == 5.5


async def test_advancing_from_another_thread_wakes_the_loop() -> None:
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(10))
    while not clock.sleepers:
        await asyncio.sleep(0)
    thread = threading.Thread(target=clock.advance, args=(10,))
    thread.start()
    await asyncio.wait_for(task, 5)
    thread.join()


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(10))
    while not clock.sleepers:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.sleepers == 0


def test_a_clock_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="does not go back"):
        ManualClock().advance(-1)


def test_a_replay_lives_at_its_newest_generation_time() -> None:
    wall = ManualClock(10**18)
    replay = MissionClock(wall, live=False)
    assert replay.now_ns() == 10**18
    replay.observe(500)
    replay.observe(400)
    wall.advance(60)
    assert replay.now_ns() == 500


def test_a_live_mission_lives_at_the_wall_clock() -> None:
    wall = ManualClock(10**18)
    live = MissionClock(wall)
    live.observe(2 * 10**18)
    assert live.now_ns() == 10**18


async def test_the_system_clock_sleeps_not_at_all_for_a_time_that_is_past() -> None:
    clock = SystemClock()
    before = clock.now_ns()
    await clock.sleep(-1)
    assert clock.now_ns() >= before
