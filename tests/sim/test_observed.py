"""A flight for judging a detector: its packets are the simulator's own, its truth that of a labelled run."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from sim.catalogue import Fault
from sim.labelled_run import LabelledRun
from sim.observed import ObservedFlight
from sim.scenario import scenario
from sim.source import SimSource
from telemetry.clock import ManualClock
from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch
from tests.sim.tape import S, Tape

MissionMaker = Callable[..., Mission]


def rows_of(batches: list[FrameBatch]) -> dict[tuple[int, int], tuple[int, str, bytes]]:
    """(boot, number) -> time, packet and values."""
    return {
        (frame.boot, frame.seq): (frame.t_ns, frame.layout.packet, frame.values.tobytes())
        for batch in batches
        for frame in batch
    }


def kicked(mission: Mission, start_s: int) -> list[Fault]:
    """One of a sensor, one of the satellite itself, and something planned."""
    name = mission.satellites[0].name
    return [
        Fault("a", "bias", name, "pld.dist_s", start_s + 40, start_s + 100, 30.0),
        Fault("b", "tumble", name, "x", start_s + 150, start_s + 260, 2.0),
        Fault("c", "safe_exercise", name, "computer", start_s + 280, start_s + 320, 0.0),
    ]


async def test_its_packets_are_those_of_the_simulator_as_a_source(
    make_mission: MissionMaker, created_s: int
) -> None:
    mission = make_mission(scenario="quiet")
    clock = ManualClock(created_s * S + 250_000_000)
    source = SimSource(mission, None, clock)
    tape = await Tape(source, clock).play(130)
    await tape.stop()
    flight = ObservedFlight(mission, source.boot, after_history=True)
    batches = [batch for stop in (50, 51, 120) for batch in flight.fly(source.boot + stop)]
    theirs = rows_of(tape.batches)
    mine = rows_of(batches)
    assert len(mine) > 200
    assert {place: theirs[place] for place in mine} == mine


def test_the_truth_is_that_of_a_labelled_run(make_mission: MissionMaker, created_s: int) -> None:
    mission = make_mission(scenario="quiet")
    run = LabelledRun(mission, scenario("quiet"), created_s, 400, kicked(mission, created_s))
    for _ in run.rows():
        pass
    flight = ObservedFlight(mission, created_s)
    flight.give(kicked(mission, created_s))
    flight.fly(created_s + 400)
    wanted = [(one.fault.id, one.observable_s, one.channels) for one in run.told()]
    assert [(one.fault.id, one.observable_s, one.channels) for one in flight.told()] == wanted
    assert [bool(channels) for _, _, channels in wanted] == [True, True, False]


def test_pieces_do_not_matter_and_nothing_of_the_truth_is_sent(make_mission: MissionMaker, created_s: int) -> None:
    mission = make_mission(scenario="quiet")
    whole, pieces = ObservedFlight(mission, created_s), ObservedFlight(mission, created_s)
    for flight in (whole, pieces):
        flight.give(kicked(mission, created_s))
    once = whole.fly(created_s + 330)
    cuts = [0, 1, 37, 64, 100, 151, 270, 330]
    parts = [batch for _, stop in pairwise(cuts) for batch in pieces.fly(created_s + stop)]
    assert rows_of(parts) == rows_of(once)
    assert pieces.told() == whole.told()
    healthy = ObservedFlight(mission, created_s).fly(created_s + 330)
    assert {batch.layout.digest for batch in once} == {batch.layout.digest for batch in healthy}
    quality = {int(one) for batch in once for one in np.unique(batch.quality)}
    assert quality == {int(one) for batch in healthy for one in np.unique(batch.quality)}


def test_a_ready_story_begins_when_it_is_asked_to(make_mission: MissionMaker, created_s: int) -> None:
    mission = make_mission(scenario="quiet")
    flight = ObservedFlight(mission, created_s)
    early, late = flight.story("bad-day", created_s), flight.story("bad-day", created_s + 86_400)
    assert [fault.kind for fault in early] == [fault.kind for fault in late]
    assert len(late) == 5
    assert min(fault.start_s for fault in late) >= created_s + 86_400
    assert not {fault.id for fault in early} & {fault.id for fault in late}
