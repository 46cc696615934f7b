"""Outside passes nothing arrives live; what was recorded comes down in the pass, once. On a clock moved by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from sim.catalogue import Fault
from sim.passes import contacts_over
from sim.recorder import DUMP_PACKETS_S
from sim.source import SimSource
from telemetry.clock import ManualClock
from telemetry.dictionary import Mission
from telemetry.frame import Frame, Quality
from tests.sim.tape import S, Tape, content

MissionMaker = Callable[..., Mission]
SHORT = 0.02
TWO_PASSES_S = 6_600
"""The demo's first pass, an orbit of silence, and its second."""


def unseen(mission: Mission) -> Mission:
    return msgspec.structs.replace(mission, source=msgspec.structs.replace(mission.source, visible=False))


@pytest.fixture
def quiet(make_mission: MissionMaker) -> Mission:
    """With a second station where the orbit after the first passes."""
    mission = make_mission(scenario="quiet")
    [first] = mission.ground_stations
    second = msgspec.structs.replace(first, name="West", lon=first.lon - 24.0)
    return msgspec.structs.replace(mission, ground_stations=(first, second))


def begun(mission: Mission, created_s: int, cursor: str | None = None, after: float = 0.0) -> Tape:
    clock = ManualClock(created_s * S + round(after * S) + 250_000_000)
    return Tape(SimSource(mission, cursor, clock, history_orbits=SHORT), clock)


def stored(frame: Frame) -> bool:
    return bool(frame.quality & Quality.STORED)


def windows(mission: Mission, created_s: int, seconds: int) -> list[tuple[int, int]]:
    """First and last whole seconds of contact with any station, since the mission was made."""
    tle = mission.satellites[0].tle
    assert tle
    found: list[tuple[int, int]] = []
    for one in contacts_over(tle, mission.ground_stations, created_s * S, (created_s + seconds) * S):
        begin, end = -(-one.acquisition_ns // S) - created_s, one.loss_ns // S - created_s
        if found and begin <= found[-1][1]:
            begin, end = found[-1][0], max(end, found.pop()[1])
        found.append((begin, end))
    return found


async def test_every_packet_arrives_once_live_or_in_the_next_pass(quiet: Mission, created_s: int) -> None:
    tape, twin = begun(unseen(quiet), created_s), begun(quiet, created_s)
    await (await tape.play(TWO_PASSES_S, step=30)).stop()
    await (await twin.play(TWO_PASSES_S, step=30)).stop()
    first, second = windows(quiet, created_s, TWO_PASSES_S)
    for frame in tape.frames:
        t, received = frame.t_ns // S - created_s, frame.received_ns // S - created_s
        if stored(frame):
            # Thirty seconds are made at once here, and the last of them may be past the end of the pass.
            assert any(begin <= received <= end + 30 for begin, end in (first, second))
            assert t < second[0]
        else:
            assert any(begin <= t <= end for begin, end in (first, second))
    live = [frame for frame in tape.frames if not stored(frame)]
    record = [frame for frame in tape.frames if stored(frame)]
    assert {frame.layout.packet for frame in record} == {"hk", "pld", "thm", "slow"}
    assert [frame.seq for frame in live if frame.layout.packet == "rf"] == [
        frame.seq for frame in twin.frames if frame.layout.packet == "rf"
    ]
    hk = [frame.t_ns for frame in record if frame.layout.packet == "hk"]
    assert hk == sorted(hk), "oldest first"
    came, made = content(tape.frames), content(twin.frames)
    before = {key: value for key, value in made.items() if value[0] < (created_s + second[0]) * S}
    assert {key: value for key, value in came.items() if value[0] < (created_s + second[0]) * S} == before
    assert came.items() <= made.items()


async def test_what_a_bad_link_loses_comes_with_the_next_pass(quiet: Mission, created_s: int) -> None:
    bad = Fault("bad", "rf_degrade", "KESTREL-1", "amplifier", created_s, created_s + 3_000, 9.0)
    tape, twin = begun(unseen(quiet), created_s), begun(quiet, created_s)
    for one in (tape, twin):
        one.source.inject(bad)
        await (await one.play(TWO_PASSES_S, step=30)).stop()
    first, second = windows(quiet, created_s, TWO_PASSES_S)
    live = [
        f for f in tape.frames if not stored(f) and f.layout.packet == "hk" and f.t_ns < (created_s + 3_000) * S
    ]
    assert 20 < len(live) < 0.97 * (first[1] - first[0])
    came, made = content(tape.frames), content(twin.frames)
    early = (created_s + second[0]) * S
    assert {k for k, v in made.items() if v[0] < early} == {k for k, v in came.items() if v[0] < early}
    assert came.items() <= made.items()


async def test_a_restart_in_the_middle_of_a_dump_loses_and_doubles_nothing(quiet: Mission, created_s: int) -> None:
    mission = unseen(quiet)
    whole = begun(mission, created_s)
    await (await whole.play(TWO_PASSES_S, step=30)).stop()
    _, second = windows(quiet, created_s, TWO_PASSES_S)
    frames: list[Frame] = []
    cursor, at = None, 0
    for until in (40, 2_000, second[0] + 5, second[0] + 9, second[0] + 14, TWO_PASSES_S):
        part = begun(mission, created_s, cursor, at)
        await part.play(0)
        steps = (until - at) // 30
        await part.play(30 * steps, step=30)
        await part.play(until - at - 30 * steps)
        cursor, at = await part.stop(), until
        # What the cursor does not cover is made again: as after a kill, only what was committed with it counts.
        last = max(i for i, batch in enumerate(part.batches) if batch.cursor is not None)
        frames += [frame for batch in part.batches[: last + 1] for frame in batch]
    dumped = {f.received_ns // S - created_s - second[0] for f in frames if stored(f)}
    assert {4, 8, 12} <= dumped
    assert content(frames) == content(whole.frames)


async def test_a_long_stop_keeps_the_record_of_the_boot_before(quiet: Mission, created_s: int) -> None:
    mission = unseen(quiet)
    before = begun(mission, created_s)
    cursor = await (await before.play(2_400, step=30)).stop()
    second = windows(quiet, created_s, TWO_PASSES_S)[1]
    after = begun(mission, created_s, cursor, 4_000)
    await after.play(second[0] + 120 - 4_000, step=30)
    await after.stop()
    frames = before.frames + after.frames
    content(frames)
    hk = {(f.boot - created_s, f.t_ns // S - created_s) for f in frames if f.layout.packet == "hk"}
    ended = max(t for boot, t in hk if boot == 0)
    assert 2_390 <= ended <= 2_400
    assert {t for boot, t in hk if boot == 0} == set(range(ended + 1))
    assert {t for boot, t in hk if boot == 4_000 and t < second[0]} == set(range(4_000, second[0]))


async def test_a_fault_between_passes_is_in_the_record_and_a_gap_is_a_gap(quiet: Mission, created_s: int) -> None:
    tape = begun(unseen(quiet), created_s)
    given = [
        Fault("stuck", "stuck", "KESTREL-1", "adcs.mag_x", created_s + 2_000, created_s + 2_200, 0.0, "last"),
        Fault("lost", "gap", "KESTREL-1", "all", created_s + 3_000, created_s + 3_100, 0.0),
        Fault("late", "late", "KESTREL-1", "all", created_s + 4_000, created_s + 4_100, 50.0),
    ]
    for fault in given:
        tape.source.inject(fault)
    cursor = await (await tape.play(5_000, step=30)).stop()
    after = begun(unseen(quiet), created_s, cursor, 5_000)
    await (await after.play(TWO_PASSES_S - 5_000, step=30)).stop()
    seconds = {f.t_ns // S - created_s: f for f in after.frames if f.layout.packet == "hk"}
    column = next(iter(seconds.values())).layout.positions["adcs.mag_x"]
    assert len({seconds[t].values[column] for t in range(2_000, 2_200)}) == 1
    assert len({seconds[t].values[column] for t in range(2_200, 2_400)}) > 10
    assert not seconds.keys() & set(range(3_000, 3_100))
    assert set(range(4_000, 4_200)) <= seconds.keys()


async def test_a_fault_given_in_the_middle_of_a_dump_is_in_what_is_sent_down_after_it(
    quiet: Mission, created_s: int
) -> None:
    """As it would be after a restart there: a recorder under way does not go on with the plan it began with."""
    tape = begun(unseen(quiet), created_s)
    _, second = windows(quiet, created_s, TWO_PASSES_S)
    await tape.play(second[0] // 30 * 30, step=30)
    await tape.play(second[0] % 30 + 5)
    newest = max(f.t_ns // S - created_s for f in tape.frames if stored(f))
    assert newest < 3_900, "the dump is under way"
    tape.source.inject(
        Fault("stuck", "stuck", "KESTREL-1", "adcs.mag_x", created_s + 4_000, created_s + 4_200, 0.0)
    )
    await (await tape.play(120, step=30)).stop()
    seconds = {f.t_ns // S - created_s: f for f in tape.frames if f.layout.packet == "hk"}
    column = seconds[4_000].layout.positions["adcs.mag_x"]
    assert len({seconds[t].values[column] for t in range(4_000, 4_200)}) == 1
    assert len({seconds[t].values[column] for t in range(4_200, 4_400)}) > 10


async def test_a_silent_source_still_says_where_it_stands(quiet: Mission, created_s: int) -> None:
    tape = begun(unseen(quiet), created_s)
    await tape.play(60)
    assert not tape.frames
    marks = [batch for batch in tape.batches if batch.cursor is not None]
    assert 6 <= len(marks) <= 8
    cursor = await tape.stop()
    assert len(cursor) < 3_000


async def test_two_satellites_share_the_station(quiet: Mission, created_s: int) -> None:
    """In view together they send down half as fast each."""
    [one] = quiet.satellites
    pair = tuple(msgspec.structs.replace(one, name=name) for name in ("KESTREL-1", "KESTREL-2"))
    mission = msgspec.structs.replace(quiet, satellites=pair)
    tape = begun(unseen(mission), created_s)
    second = windows(mission, created_s, TWO_PASSES_S)[1]
    await tape.play(second[0] // 30 * 30, step=30)
    await tape.play(second[0] % 30 + 20)
    await tape.stop()
    for name in ("KESTREL-1", "KESTREL-2"):
        content([frame for frame in tape.frames if frame.satellite == name])
    by_second = Counter((frame.satellite, frame.received_ns // S) for frame in tape.frames if stored(frame))
    good = [count for count in by_second.values() if count > 100]
    assert len(good) > 20
    assert max(good) <= 0.5 * DUMP_PACKETS_S * 1.05
