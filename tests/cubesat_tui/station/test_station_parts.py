from __future__ import annotations

import asyncio
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubesat_tui.contacts import ContactWatch
from cubesat_tui.frame_queue import FrameQueue
from cubesat_tui.gaps import GapFinder, in_words, pulse
from cubesat_tui.trainer_child import TrainerView
from telemetry.clock import NS_PER_S, ManualClock
from telemetry.frame import Column, FrameBatch, Layout
from telemetry.store.rows import ContactRow

LAYOUT = Layout("hk", (Column("a.x"),))


def batch(n: int) -> FrameBatch:
    row = np.arange(n)
    zero = np.zeros(n, dtype=np.int64)
    return FrameBatch(LAYOUT, ("S",), zero, zero, row, row, zero, zero, np.zeros((n, 1)))


async def turns(n: int = 10) -> None:
    """Let every task get as far as it can."""
    for _ in range(n):
        await asyncio.sleep(0)


async def test_frames_that_come_within_a_tenth_of_a_second_share_a_transaction():
    clock = ManualClock()
    queue = FrameQueue(clock)
    await queue.put(batch(1))
    task = asyncio.create_task(queue.take())
    await turns()
    clock.advance(0.05)
    await queue.put(batch(2))
    await turns()
    assert not task.done()

    clock.advance(0.05)
    await turns()

    assert [len(b) for b in task.result()] == [1, 2]


async def test_a_thousand_frames_do_not_wait():
    clock = ManualClock()
    queue = FrameQueue(clock)
    task = asyncio.create_task(queue.take())
    await queue.put(batch(600))
    await queue.put(batch(400))
    await queue.put(batch(5))
    await turns()

    assert clock.monotonic() == 0
    assert [len(b) for b in task.result()] == [600, 400]
    assert queue.frames == 5


async def test_a_full_queue_holds_its_source_back_until_something_was_taken():
    queue = FrameQueue(ManualClock(), limit=100)
    await queue.put(batch(100))
    waiting = asyncio.create_task(queue.put(batch(1)))
    await turns()
    assert not waiting.done()

    queue.take_now()
    await turns()

    assert waiting.done()


@given(st.lists(st.integers(1, 1500), max_size=20))
def test_a_queue_gives_back_every_batch_in_order(sizes):
    async def run() -> None:
        queue = FrameQueue(ManualClock(), limit=10**9)
        batches = [batch(n) for n in sizes]
        for one in batches:
            await queue.put(one)
        out: list[FrameBatch] = []
        while taken_now := queue.take_now():
            assert len(taken_now) == 1 or sum(len(b) for b in taken_now) <= 1000
            out += taken_now
        assert [id(b) for b in out] == [id(b) for b in batches]
        assert queue.frames == 0

    asyncio.run(run())


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=50), st.integers(1, 100))
def test_gaps_are_exactly_the_silences_between_the_newest_times(seconds, silence):
    finder = GapFinder("S", frozenset({"hk"}), silence * NS_PER_S)
    events = [finder.step("hk", t * NS_PER_S, 0) for t in seconds]
    found = [(e.body["t0_ns"], e.body["t1_ns"]) for e in events if e is not None]

    newest = np.maximum.accumulate(seconds)
    steps = [(int(a), int(b)) for a, b in itertools.pairwise(newest) if b - a > silence]
    assert found == [(a * NS_PER_S, b * NS_PER_S) for a, b in steps]


def test_a_jump_of_the_clock_on_board_is_no_gap_and_hides_none():
    finder = GapFinder("S", frozenset({"hk", "adcs"}), 5 * NS_PER_S)

    def gaps(seqs: range, ahead_s: int = 0, packet: str = "hk") -> list[tuple[int, int]]:
        """The frame `seq` is sent and received in second `seq`; its clock is `ahead_s` ahead."""
        steps = (finder.step(packet, (n + ahead_s) * NS_PER_S, n * NS_PER_S, (7, n)) for n in seqs)
        return [(e.body["t0_ns"] // NS_PER_S, e.body["t1_ns"] // NS_PER_S) for e in steps if e is not None]

    assert gaps(range(10)) == []
    assert gaps(range(10, 20), ahead_s=3600) == []
    assert gaps(range(30, 40), ahead_s=3600) == [(3619, 3630)]
    assert gaps(range(40, 50)) == []
    assert gaps(range(45, 48), packet="adcs") == []
    assert gaps(range(80, 90)) == [(49, 80)]


def test_a_gap_of_a_source_that_runs_ahead_of_time_is_told():
    finder = GapFinder("S", frozenset({"hk"}), 5 * NS_PER_S)
    events = [finder.step("hk", 10 * n * NS_PER_S // 4, n * NS_PER_S // 4, (7, n)) for n in (0, 1, 2, 3, 4, 9, 10)]
    assert [e is not None for e in events] == [False] * 5 + [True, False]


def test_slow_packets_tell_of_no_gap(rig_mission):
    quick, silence_ns = pulse(rig_mission.bus_of("TESTBIRD"))

    assert quick == {"hk"}
    assert silence_ns == 5 * NS_PER_S


@pytest.mark.parametrize(("seconds", "words"), [(8, "8 s"), (150, "2 min"), (7200, "2.0 h"), (259_200, "3.0 days")])
def test_silence_in_words(seconds, words):
    assert in_words(seconds) == words


def test_a_pass_is_told_once_when_it_begins_and_once_when_it_ends():
    watch = ContactWatch()
    row = ContactRow(satellite="S", station="Munich", acquisition_ns=100, loss_ns=200, max_el_deg=50.0)
    later = ContactRow(satellite="S", station="Munich", acquisition_ns=900, loss_ns=1000, max_el_deg=10.0)
    watch.plan("S", [row, later])

    told = [(t, [e.kind for e in watch.step(t)]) for t in (50, 99, 100, 150, 199, 200, 300, 950)]

    assert told == [
        (50, []),
        (99, []),
        (100, ["contact.acquired"]),
        (150, []),
        (199, []),
        (200, ["contact.lost"]),
        (300, []),
        (950, ["contact.acquired"]),
    ]
    assert watch.health(50) == {"S": {"station": "Munich", "next_ns": 100}}
    assert watch.health(150) == {"S": {"station": "Munich", "until_ns": 200}}
    assert watch.health(1001) == {}


def test_a_new_plan_during_a_pass_does_not_tell_it_again():
    watch = ContactWatch()
    row = ContactRow(satellite="S", station="Munich", acquisition_ns=100, loss_ns=200, max_el_deg=50.0)
    watch.plan("S", [row])
    watch.step(150)
    watch.plan("S", [ContactRow(satellite="S", station="Munich", acquisition_ns=101, loss_ns=201, max_el_deg=50.0)])

    assert watch.step(160) == []


def test_a_trainer_that_turns_to_something_else_is_told_at_once_and_only_then():
    told: list[str] = []
    view = TrainerView(lambda: told.append(view.activity))
    for state in ("fitting", "fitting", "waiting"):
        view.take({"state": state})
    view.take({"next_ns": 5})
    assert told == ["fitting", "waiting"]
