"""Faults in a running source: in transport, by hand, over a restart; and a satellite that was just released."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from sim.catalogue import KINDS, Fault, FaultRefused
from sim.channels import PRESETS
from sim.history import Past
from sim.injection import Injectable
from sim.radio import GROUND_NOISE_DBM
from sim.scenario import Planned, Scenario
from sim.schedule import Schedule
from sim.sky import Sky
from sim.source import SimSource
from telemetry.clock import ManualClock
from telemetry.dictionary import Mission
from tests.sim.tape import S, Tape, content

MissionMaker = Callable[..., Mission]
SHORT = 0.02


@pytest.fixture
def quiet(make_mission: MissionMaker) -> Mission:
    return make_mission(scenario="quiet")


def begun(mission: Mission, created_s: int, cursor: str | None = None, after: float = 0.0) -> Tape:
    clock = ManualClock(created_s * S + round(after * S) + 250_000_000)
    return Tape(SimSource(mission, cursor, clock, history_orbits=SHORT), clock)


def fault(kind: str, target: str, start_s: int, lasts_s: int, size: float = 0.0, how: str = "") -> Fault:
    return Fault(f"hand-{kind}", kind, "KESTREL-1", target, start_s, start_s + lasts_s, size, how)


async def broken(mission: Mission, created_s: int, one: Fault, seconds: int) -> Tape:
    tape = begun(mission, created_s)
    tape.source.inject(one)
    await (await tape.play(seconds)).stop()
    return tape


async def test_lost_packets_are_missing_and_their_numbers_too(quiet: Mission, created_s: int) -> None:
    whole, tape = begun(quiet, created_s), begun(quiet, created_s)
    tape.source.inject(fault("gap", "all", created_s + 20, 15))
    await (await whole.play(60)).stop()
    cursor = await (await tape.play(30)).stop()
    on = begun(quiet, created_s, cursor, 30)
    await (await on.play(30)).stop()
    made, expected = content(tape.frames + on.frames), content(whole.frames)
    lost = {key: value for key, value in expected.items() if key not in made}
    assert {t // S - created_s for t, *_ in lost.values()} == set(range(20, 35))
    assert made == {key: value for key, value in expected.items() if key not in lost}


async def test_packets_come_twice_and_none_is_another(quiet: Mission, created_s: int) -> None:
    tape = await broken(quiet, created_s, fault("duplicate", "hk", created_s + 5, 50, 0.2), 60)
    times = Counter((f.boot, f.seq, f.t_ns, f.values.tobytes()) for f in tape.frames if f.layout.packet == "hk")
    assert 2 <= sum(count == 2 for count in times.values()) <= 25
    assert max(times.values()) == 2


async def test_late_packets_survive_a_restart(quiet: Mission, created_s: int) -> None:
    """Cut off while packets are on their way: they still come, once, and nothing else comes twice."""
    late = fault("late", "pld", created_s + 10, 30, 7.0)
    whole = await broken(quiet, created_s, late, 60)
    before = begun(quiet, created_s)
    before.source.inject(late)
    cursor = await (await before.play(25)).stop()
    after = begun(quiet, created_s, cursor, 25)
    await (await after.play(35)).stop()
    assert content(before.frames + after.frames) == content(whole.frames)
    lags = {(f.received_ns - f.t_ns) // S for f in whole.frames if f.layout.packet == "pld"}
    assert lags == {0, 7}
    order = [f.seq for f in whole.frames]
    assert order != sorted(order)


async def test_a_clock_that_jumps_stamps_packets_wrongly_and_leaves_their_numbers(
    quiet: Mission, created_s: int
) -> None:
    tape = await broken(quiet, created_s, fault("clock_jump", "clock", created_s + 20, 10, 3600.0), 40)
    hk = [(f.t_ns // S - created_s) for f in sorted(tape.frames, key=lambda f: f.seq) if f.layout.packet == "hk"]
    assert hk == [*range(20), *range(3620, 3630), *range(30, 41)]


async def test_a_fault_by_hand_is_ended_by_hand(quiet: Mission, created_s: int) -> None:
    tape = begun(quiet, created_s)
    assert isinstance(tape.source, Injectable)
    await tape.play(10)
    now = tape.source.next_s
    assert now == created_s + 11
    stuck = fault("stuck", "eps.bat_v", now, 3_600)
    tape.source.inject(stuck)
    tape.source.inject(stuck)
    await tape.play(20)
    assert tape.source.faults(now * S, (now + 5) * S) == [stuck]
    tape.source.clear("another")
    tape.source.clear(None)
    cursor = await (await tape.play(20)).stop()
    values = tape.series("adcs.mag_x") | tape.series("eps.bat_v")
    assert len({values[t] for t in range(11, 31)}) == 1
    assert len({values[t] for t in range(31, 51)}) > 1
    assert "hand-stuck" not in cursor


async def test_a_stuck_sensor_is_stuck_at_the_same_value_after_a_restart(quiet: Mission, created_s: int) -> None:
    tape = begun(quiet, created_s)
    tape.source.inject(fault("stuck", "adcs.mag_x", created_s + 5, 3_600))
    cursor = await (await tape.play(20)).stop()
    after = begun(quiet, created_s, cursor, 20)
    await (await after.play(20)).stop()
    first, second = tape.series("adcs.mag_x"), after.series("adcs.mag_x")
    assert {second[t] for t in second} == {first[5]}


async def test_a_sensor_that_stands_still_while_its_values_are_spoilt_survives_a_restart(
    quiet: Mission, created_s: int
) -> None:
    tape = begun(quiet, created_s)
    tape.source.inject(fault("corrupt", "adcs.mag_x", created_s + 3, 20, 1.0, "nan"))
    tape.source.inject(fault("stuck", "adcs.mag_x", created_s + 5, 3_600))
    cursor = await (await tape.play(10)).stop()
    on = begun(quiet, created_s, cursor, 10)
    await (await on.play(20)).stop()
    hk = [frame for frame in on.frames if "adcs.mag_x" in frame.layout.names]
    seen = [(f.t_ns // S - created_s, f.values[f.layout.names.index("adcs.mag_x")]) for f in hk]
    assert all(np.isnan(value) for t, value in seen if t < 23)
    assert len({value for t, value in seen if t >= 23}) == 1
    assert np.isfinite(seen[-1][1])


def test_a_fault_that_comes_long_after_its_period_began_is_known_after_a_restart() -> None:
    planned = Planned("bias", "eps.bat_v", at_s=30_000, lasts_s=60, every_s=3_600)
    schedule = Schedule(Scenario("one", (planned,)), 1, 0, ("KESTREL-1",), ("eps.bat_v",), Sky((), (), ()))
    coming = [one.start_s for one in schedule.before(50_000)]
    assert coming == [30_000 + k * 3_600 for k in range(6, 14)]


async def test_what_a_satellite_cannot_have_is_refused(quiet: Mission, created_s: int) -> None:
    source = begun(quiet, created_s).source
    with pytest.raises(FaultRefused, match="satellite: NOBODY: allowed: KESTREL-1"):
        source.inject(Fault("x", "gap", "NOBODY", "all", created_s, created_s + 5, 0.0))
    with pytest.raises(FaultRefused, match=r"channel: eps\.flux: allowed: "):
        source.inject(fault("bias", "eps.flux", created_s, 5, 1.0))


async def test_every_kind_flies(quiet: Mission, created_s: int) -> None:
    tape = begun(quiet, created_s)
    for kind in KINDS.values():
        target = "adcs.mag_x" if kind.targets == ("channel",) else kind.targets[0]
        how = {"corrupt": "bit", "stuck": "rail"}.get(kind.name, "")
        tape.source.inject(fault(kind.name, target, created_s + 5, 20, kind.size[1], how))
    cursor = await (await tape.play(40)).stop()
    assert "hand-" not in cursor, "what is over is forgotten"


async def test_a_released_satellite_brakes_and_has_no_past(make_mission: MissionMaker, created_s: int) -> None:
    mission = make_mission(scenario="detumble")
    past = Past(mission, "KESTREL-1", created_s * S)
    assert list(past.frames()) == []
    assert past.events == []
    tape = begun(mission, created_s)
    cursor = await (await tape.play(900, step=30)).stop()
    assert set(tape.series("obc.mode").values()) == {2.0}
    rate = np.sqrt(sum(np.array(list(tape.series(f"adcs.rate_{axis}").values())) ** 2 for axis in "xyz"))
    assert rate[0] == pytest.approx(6.0, abs=0.1)
    assert rate[-1] < 4.5
    after = begun(mission, created_s, cursor, 900 + 7_200)
    await (await after.play(5)).stop()
    assert set(after.series("obc.mode").values()) <= {3.0, 4.0}, "released once, not after every gap"


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("later_s", [0, 40_000, 200 * 86_400])
def test_the_five_of_a_bad_day_come_one_after_another(
    make_mission: MissionMaker, created_s: int, seed: int, later_s: int
) -> None:
    begin = created_s + later_s
    source = begun(make_mission(seed, "bad-day", begin), begin).source
    faults = sorted(source.faults(begin * S, (begin + 10_000) * S), key=lambda one: one.start_s)
    kinds = ["string_loss", "bias", "latchup", "heater_stuck_on", "tumble"]
    assert [one.kind for one in faults] == kinds
    assert all(one.end_s < other.start_s for one, other in itertools.pairwise(faults))


@pytest.mark.parametrize("mode", ["BOOT", "DETUMBLE"])
def test_a_satellite_that_does_not_send_or_looks_away_is_not_called_weak(mode: str) -> None:
    for channels in PRESETS.values():
        (signal,) = (channel for channel in channels if channel.name == "com.rssi_dn")
        (soft,) = (soft for name, soft, _ in signal.modes if name == mode)
        assert soft[0] < GROUND_NOISE_DBM
