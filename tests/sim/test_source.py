"""The simulator as a source: its grid, its cursor, its gaps, its faults. Time is a clock the test moves by hand."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from sim.flight import Flight, history_start
from sim.history import history
from sim.passes import contacts
from sim.source import CATCH_UP_S, SimSource
from telemetry.clock import ManualClock
from telemetry.dictionary import Mission
from telemetry.fleet import fleet_names, phased
from telemetry.frame import Quality
from telemetry.limits import Level, levels
from tests.sim.tape import Tape, content

MissionMaker = Callable[..., Mission]
S = 1_000_000_000
SHORT = 0.02
"""Orbits of warm-up where a test does not look at the state a history ends in."""


async def record(mission: Mission, seconds: int, created_s: int, orbits: float = SHORT) -> Tape:
    clock = ManualClock(created_s * S + 250_000_000)
    tape = Tape(SimSource(mission, None, clock, history_orbits=orbits), clock)
    await tape.play(seconds)
    await tape.stop()
    return tape


async def test_every_packet_comes_at_its_period_on_an_absolute_grid(mission: Mission, created_s: int) -> None:
    tape = await record(mission, 200, created_s)
    times: dict[str, list[int]] = {}
    for frame in tape.frames:
        times.setdefault(frame.layout.packet, []).append(frame.t_ns)
        assert frame.quality == Quality.SIMULATED
        assert frame.boot == tape.source.boot == created_s
        assert 0 <= frame.received_ns - frame.t_ns < S
    for packet, period, most in (("hk", 1, 201), ("pld", 1, 201), ("thm", 5, 41), ("slow", 10, 21)):
        assert times[packet] == [(created_s + period * k) * S for k in range(most)]
    assert [f.seq for f in sorted(tape.frames, key=lambda f: f.seq)] == list(range(len(tape.frames)))
    satellite, station = mission.satellites[0], mission.ground_stations[0]
    assert satellite.tle
    first = contacts(satellite.tle, station, created_s * S, (created_s + 200) * S)[0]
    assert times["rf"][0] - S < first.acquisition_ns <= times["rf"][0]


async def test_a_short_stop_leaves_no_trace(mission: Mission, created_s: int) -> None:
    """Same frames, same values, same numbers as if it had never stopped; the missing seconds come at once."""
    whole = await record(mission, 150, created_s)
    clock = ManualClock(created_s * S + 250_000_000)
    before = Tape(SimSource(mission, None, clock, history_orbits=SHORT), clock)
    cursor = await (await before.play(90)).stop()
    clock.advance(CATCH_UP_S - 15)
    after = Tape(SimSource(mission, cursor, clock), clock)
    await after.play(0)
    newest = max(frame.t_ns for frame in after.frames)
    assert newest == (created_s + 135) * S
    await after.play(15)
    await after.stop()
    assert content(before.frames + after.frames) == content(whole.frames)
    caught_up = [frame for frame in after.frames if frame.t_ns < newest]
    assert caught_up
    assert {frame.quality for frame in after.frames} == {int(Quality.SIMULATED)}


async def test_a_long_stop_is_a_gap_and_a_new_boot(mission: Mission, created_s: int) -> None:
    clock = ManualClock(created_s * S)
    before = Tape(SimSource(mission, None, clock, history_orbits=SHORT), clock)
    cursor = await (await before.play(30)).stop()
    clock.advance(3 * 86_400)
    after = Tape(SimSource(mission, cursor, clock), clock)
    await after.play(20)
    await after.stop()
    first = after.frames[0]
    assert first.t_ns == (created_s + 30 + 3 * 86_400) * S
    assert first.boot == first.t_ns // S > before.frames[0].boot
    assert first.seq == 0
    assert after.series("obc.uptime")[0] == 1
    assert after.series("obc.reboots")[0] == before.series("obc.reboots")[0] + 1
    assert 70 < after.series("eps.bat_soc")[0] <= 100
    opening = after.source.faults(first.t_ns, first.t_ns + 300 * S)
    assert all(fault.start_s - first.boot not in range(15, 41) for fault in opening), "the first minute came again"


async def test_a_machine_that_slept_makes_a_gap_too(mission: Mission, created_s: int) -> None:
    clock = ManualClock(created_s * S)
    tape = Tape(SimSource(mission, None, clock, history_orbits=SHORT), clock)
    await tape.play(10)
    await tape.play(3_600, step=3_600)
    await tape.play(10)
    await tape.stop()
    seconds = sorted({frame.t_ns // S - created_s for frame in tape.frames})
    assert seconds == [*range(11), *range(3_610, 3_621)]
    assert len({frame.boot for frame in tape.frames}) == 2
    content(tape.frames)


async def test_only_the_end_of_a_tick_carries_a_cursor_and_half_a_tick_is_made_again(
    mission: Mission, created_s: int
) -> None:
    clock = ManualClock(created_s * S)
    tape = Tape(SimSource(mission, None, clock, history_orbits=SHORT), clock)
    await (await tape.play(20)).stop()
    at = {frame.t_ns for batch in tape.batches if batch.cursor for frame in batch}
    assert len([batch for batch in tape.batches if batch.cursor]) == len(at) == 21
    kept = [batch.cursor for batch in tape.batches if batch.cursor][9]
    again = Tape(SimSource(mission, kept, clock), clock)
    await again.play(0)
    await again.stop()
    made = content(again.frames)
    assert made == {k: v for k, v in content(tape.frames).items() if v[0] > (created_s + 9) * S}


async def test_away_from_real_time_it_keeps_its_rate_and_goes_on_where_it_stopped(
    mission: Mission, created_s: int
) -> None:
    clock = ManualClock(created_s * S)
    source = SimSource(mission, None, clock, rate=10.0, history_orbits=SHORT)
    assert not source.live
    assert source.rate == 10.0
    tape = Tape(source, clock)
    cursor = await (await tape.play(12)).stop()
    seconds = sorted({frame.t_ns // S - created_s for frame in tape.frames})
    assert seconds == list(range(121))
    clock.advance(86_400)
    later = Tape(SimSource(mission, cursor, clock, rate=10.0), clock)
    await later.play(3)
    await later.stop()
    assert sorted({frame.t_ns // S - created_s for frame in later.frames}) == list(range(121, 152))
    assert {frame.boot for frame in later.frames} == {created_s}


async def test_closing_ends_a_sleeping_source(mission: Mission, created_s: int) -> None:
    clock = ManualClock(created_s * S)
    tape = Tape(SimSource(mission, None, clock, history_orbits=SHORT), clock)
    await tape.play(1)
    await tape.stop()
    assert clock.sleepers == 0


async def test_the_clock_set_back_never_repeats_a_boot(mission: Mission, created_s: int) -> None:
    clock = ManualClock(created_s * S)
    tape = Tape(SimSource(mission, None, clock, history_orbits=SHORT), clock)
    cursor = await (await tape.play(30)).stop()
    earlier = ManualClock((created_s - 86_400) * S)
    back = SimSource(mission, cursor, earlier)
    assert back.boot == created_s
    other = SimSource(replace_seed(mission, 5), cursor, earlier)
    assert other.boot > created_s


def replace_seed(mission: Mission, seed: int) -> Mission:
    return msgspec.structs.replace(mission, source=msgspec.structs.replace(mission.source, seed=seed))


@pytest.mark.parametrize("cursor", ["", "{}", "null", '{"seed": 1}', "\x1b]52;"])
async def test_a_foreign_cursor_is_refused(mission: Mission, created_s: int, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor of the simulator"):
        SimSource(mission, cursor, ManualClock(created_s * S))


async def test_a_mission_that_cannot_be_simulated_is_refused_in_a_line(mission: Mission, created_s: int) -> None:
    clock = ManualClock(created_s * S)
    bare = msgspec.structs.replace(mission, satellites=(msgspec.structs.replace(mission.satellites[0], tle=None),))
    with pytest.raises(ValueError, match="satellite KESTREL-1: tle: missing"):
        SimSource(bare, None, clock)
    bus = mission.buses["3u"]
    odd = msgspec.structs.replace(
        bus,
        channels=(*bus.channels, msgspec.structs.replace(bus.channels[0], name="eps.flux", limits=())),
        packets=(),
    )
    with pytest.raises(ValueError, match=r"channel eps\.flux: allowed"):
        SimSource(msgspec.structs.replace(mission, buses={"3u": odd}), None, clock)
    with pytest.raises(ValueError, match="rate: 0"):
        SimSource(mission, None, clock, rate=0.0)


async def test_another_seed_is_other_noise(make_mission: MissionMaker, created_s: int) -> None:
    one = await record(make_mission(seed=1, scenario="quiet"), 60, created_s)
    two = await record(make_mission(seed=2, scenario="quiet"), 60, created_s)
    a, b = (np.array(list(tape.series("pld.dist_n").values())) for tape in (one, two))
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.5
    assert (a != b).mean() > 0.9


async def test_live_goes_on_exactly_where_the_history_ends(mission: Mission, created_s: int) -> None:
    """One flight that coasts through the history and then flies second by second gives what the two gave."""
    live = await record(mission, 10, created_s, orbits=1.0)
    stored = [f for batch in history(mission, "KESTREL-1", created_s * S, orbits=1.0) for f in batch]
    assert max(frame.t_ns for frame in stored) == (created_s - 1) * S
    flight = Flight(mission, ("KESTREL-1",), 1)
    for _ in flight.arrive(history_start(flight, created_s, 1.0), created_s):
        pass
    batches, _ = flight.batches(
        created_s,
        created_s + 11,
        boot=created_s,
        seq=np.zeros(1, dtype=np.int64),
        received_ns=0,
        quality=Quality.SIMULATED,
    )
    assert content(live.frames) == content([f for batch in batches for f in batch])
    stored.sort(key=lambda frame: frame.t_ns)
    before = {name: v for f in stored[-200:] for name, v in zip(f.layout.names, f.values, strict=True)}
    after = {name: v for f in live.frames for name, v in zip(f.layout.names, f.values, strict=True)}
    for channel, most in (("eps.bat_v", 0.03), ("eps.bat_i", 0.1), ("thm.t_px", 1.0), ("orb.alt_km", 0.5)):
        assert after[channel] == pytest.approx(before[channel], abs=most)


async def test_two_satellites_fly_with_their_own_noise(mission: Mission, created_s: int) -> None:
    twin = msgspec.structs.replace(mission.satellites[0], name="KESTREL-2")
    pair = msgspec.structs.replace(mission, satellites=(*mission.satellites, twin))
    tape = await record(pair, 30, created_s)
    by_name = {name: [f for f in tape.frames if f.satellite == name] for name in ("KESTREL-1", "KESTREL-2")}
    assert len(by_name["KESTREL-1"]) == len(by_name["KESTREL-2"]) > 60
    first, second = (frames[0] for frames in by_name.values())
    assert not np.array_equal(first.values, second.values)
    for frames in by_name.values():
        content(frames)


async def test_a_fleet_goes_on_in_one_batch_a_packet_and_restarts_where_it_was(
    make_mission: MissionMaker, created_s: int
) -> None:
    """Thirty satellites on arrays, cut short and continued: no frame differs from those of an unbroken flight."""
    fleet = thirty(make_mission(scenario="quiet"))
    clock = ManualClock(created_s * S + 250_000_000)
    before = Tape(SimSource(fleet, None, clock), clock)
    await before.play(45)
    for batch in before.batches:
        assert len(set(batch.t_ns.tolist())) == 1
        assert len(batch) == 30
    cursor = await before.stop()
    assert len(cursor) < 30 * 700
    after = Tape(SimSource(fleet, cursor, clock), clock)
    await after.play(20)
    await after.stop()

    def of(tape: Tape) -> dict[tuple[str, int], tuple[int, bytes]]:
        return {(f.satellite, f.seq): (f.t_ns, f.values.tobytes()) for f in tape.frames}

    first, second = of(before), of(after)
    twins = first.keys() & second.keys()
    assert 0 < len(twins) < 30 * 30
    assert all(first[key] == second[key] for key in twins)
    for name in (fleet.satellites[0].name, fleet.satellites[29].name):
        numbers = sorted({seq for who, seq in first.keys() | second.keys() if who == name})
        assert numbers == list(range(len(numbers)))
    assert max(t for t, _ in second.values()) == (created_s + 65) * S


def thirty(mission: Mission) -> Mission:
    one = mission.satellites[0]
    assert one.tle
    names, orbits = fleet_names(one.name, 30), phased(one.tle, 30)
    fleet = tuple(msgspec.structs.replace(one, name=name, tle=tle) for name, tle in zip(names, orbits, strict=True))
    return msgspec.structs.replace(mission, satellites=fleet)


async def twins(make_mission: MissionMaker, created_s: int, seconds: int, seed: int = 1) -> tuple[Tape, Tape]:
    hello = await record(make_mission(seed=seed), seconds, created_s)
    quiet = await record(make_mission(seed=seed, scenario="quiet"), seconds, created_s)
    return hello, quiet


async def test_the_first_minutes_of_the_default_seed(make_mission: MissionMaker, created_s: int) -> None:
    """S jumps 25 cm from 20 s to 75 s, nothing else does; at 240 s half a panel goes and many channels move."""
    hello, quiet = await twins(make_mission, created_s, 700)
    channels = {name for frame in quiet.frames for name in frame.layout.names}
    delta: dict[str, dict[int, float]] = {}
    for name in channels:
        a, b = hello.series(name), quiet.series(name)
        delta[name] = {t: a[t] - b[t] for t in b if a[t] != b[t]}
    early = {name: [t for t in found if t < 240] for name, found in delta.items()}
    assert {name for name, found in early.items() if found} == {"pld.dist_s"}
    assert early["pld.dist_s"] == list(range(20, 75))
    assert all(abs(delta["pld.dist_s"][t] - 25.0) < 0.02 for t in range(20, 75))
    normal = [v for t, v in quiet.series("pld.dist_s").items() if t < 75]
    assert np.mean(normal) == pytest.approx(55.1, abs=0.2)
    assert 0.3 < np.std(normal) < 0.6

    loss = next(f for f in hello.source.faults(created_s * S, (created_s + 700) * S) if f.kind == "string_loss")
    assert (loss.start_s, loss.size) == (created_s + 240, 0.5)
    late = {name for name, found in delta.items() if any(t >= 240 for t in found)}
    assert {f"eps.pv_i_{loss.target}", "eps.bat_i", "eps.bat_v", f"thm.t_{loss.target}"} <= late
    assert not {"adcs.rate_x", "orb.alt_km", "obc.cpu", "com.rssi_dn"} & late
    mean = {name: np.mean([found.get(t, 0.0) for t in range(250, 500)]) for name, found in delta.items()}
    assert mean[f"eps.pv_i_{loss.target}"] < -0.2
    assert mean["eps.bat_i"] < -0.05
    assert max(delta[f"thm.t_{loss.target}"].values()) > 0.5


async def test_other_seeds_choose_another_face_and_moment(make_mission: MissionMaker, created_s: int) -> None:
    seen: set[tuple[str, int]] = set()
    for seed in range(2, 16):
        source = SimSource(make_mission(seed=seed), None, ManualClock(created_s * S))
        first, second, *_ = sorted(
            source.faults(created_s * S, (created_s + 900) * S), key=lambda fault: fault.start_s
        )
        assert (first.kind, second.kind) == ("bias", "string_loss")
        assert 15 <= first.start_s - created_s <= 40
        assert first.end_s - first.start_s == 55
        assert second.start_s == created_s + 240
        seen.add((first.target, first.start_s))
    assert {target for target, _ in seen} == {f"pld.dist_{face}" for face in "nesw"}
    assert len(seen) >= 10


async def test_no_fault_of_the_first_minutes_crosses_a_limit(make_mission: MissionMaker, created_s: int) -> None:
    for seed in (1, 2, 3):
        mission = make_mission(seed=seed)
        tape = await record(mission, 870, created_s, orbits=1.0)
        for channel in mission.bus_of("KESTREL-1").channels:
            if channel.limits:
                values = np.array(list(tape.series(channel.name).values()))
                assert values.size
                assert (levels(channel.limits[-1], values) <= Level.IN_LIMITS).all(), channel.name


async def test_a_bias_stays_inside_the_soft_limits_on_every_face(mission: Mission, created_s: int) -> None:
    tape = await record(mission, 15, created_s)
    bus = mission.bus_of("KESTREL-1")
    for face in "nesw":
        limits = bus.channel(f"pld.dist_{face}").limits[-1].warning
        assert limits
        assert max(tape.series(f"pld.dist_{face}").values()) + 25.0 + 3.0 < limits[1]


async def test_later_about_two_faults_an_hour_and_none_when_quiet(
    make_mission: MissionMaker, created_s: int
) -> None:
    clock = ManualClock(created_s * S)
    day = (created_s * S, (created_s + 86_400) * S)
    loud = SimSource(make_mission(), None, clock).faults(*day)
    assert 1.6 * 24 <= len(loud) <= 2.4 * 24
    later = [fault for fault in loud if fault.start_s > created_s + 1_800]
    kinds = [fault.kind for fault in later]
    assert min(kinds.count("bias"), kinds.count("string_loss")) >= 0.7 * 24
    assert len(set(loud)) == len(loud)
    anew = SimSource(make_mission(), None, clock)
    by_ten_minutes = {
        fault for t in range(created_s, created_s + 86_400, 600) for fault in anew.faults(t * S, (t + 600) * S)
    }
    assert by_ten_minutes == set(loud)
    assert SimSource(make_mission(scenario="quiet"), None, clock).faults(*day) == []


def test_a_frame_is_a_plain_row(mission: Mission, created_s: int) -> None:
    flight = Flight(mission, ("KESTREL-1",), 1)
    flight.settle(created_s)
    batches, after = flight.batches(
        created_s,
        created_s + 1,
        boot=created_s,
        seq=np.array([7]),
        received_ns=5,
        quality=Quality.SIMULATED,
    )
    assert [b.layout.packet for b in batches] == ["hk", "pld", "thm", "slow"]
    assert [int(b.seq[0]) for b in batches] == [7, 8, 9, 10]
    assert after.tolist() == [11]
    assert all(np.isfinite(b.values).all() and b.values.dtype == np.float64 for b in batches)
