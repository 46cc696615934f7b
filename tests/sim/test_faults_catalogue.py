"""Every kind of the catalogue at its smallest: where it shows first, where it never shows, what limits make of it.

One satellite of a fixed moment: in sunlight until second 1,049, in a pass from 83 to 653, the heater on from 3,247,
imaging from 3,969.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from sim.catalogue import KINDS, Fault
from sim.channels import COLUMN, MODES, TABLE
from sim.elementwise import Floats
from sim.fault_plan import FaultPlan
from sim.flight import Flight
from sim.labels import Label, Labeller, tolerances
from sim.preset import demo_mission_toml
from sim.state import State
from sim.twins import Twins
from telemetry.clock import ManualClock
from telemetry.dictionary import Mission, read_mission
from telemetry.frame import FrameBatch, Quality
from telemetry.store.directory import MissionDirectory
from telemetry.store.reader import StoreReader
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter

CREATED_S = 1_795_355_400
MEASURED = tuple(c for c in TABLE if not c.enum and not c.name.startswith(("orb.", "gs.")))
COUNTERS = ("obc.uptime", "obc.reboots", "com.tx_count")


@dataclass(frozen=True)
class Case:
    """`kind` on `target` at its smallest, a minute after `from_s` (seconds after creation), flown for `fly_s`."""

    kind: str
    target: str
    first: tuple[str, ...]
    reaches: tuple[str, ...]
    """Patterns of the channels it may change by any amount."""
    from_s: int = 60
    fly_s: int = 400
    lasts_s: int | None = None


POWER = ("eps.*", "thm.*", "com.pa_t", "pld.*", "adcs.mag_?", "adcs.rw_i")
"""What power and heat reach: panels bend rangefinders' arms, array currents disturb the magnetometer."""
ALL_ON_BOARD = ("eps.*", "thm.*", "com.pa_t", "com.rssi_*", "com.tx_count", "pld.*", "adcs.*", "obc.*")

PLANT = (
    Case("string_loss", "px", ("eps.pv_i_px",), POWER),
    Case("string_loss", "mx", ("eps.pv_i_mx",), POWER),
    Case("string_loss", "py", ("eps.pv_i_py",), POWER),
    Case("string_loss", "my", ("eps.pv_i_my",), POWER),
    Case("string_loss", "pz", ("eps.pv_i_pz",), POWER),
    Case("cell_degrade", "battery", ("eps.bat_v",), POWER, from_s=1_000, fly_s=2_150),
    Case("heater_stuck_on", "heater", ("eps.heater_on", "eps.bat_t"), POWER),
    Case("heater_stuck_off", "heater", ("eps.heater_on", "eps.bat_t"), POWER, from_s=3_250),
    Case(
        "wheel_friction",
        "wheels",
        ("adcs.rw_i", "eps.bus5v_i"),
        (*POWER, "adcs.*", "com.rssi_*"),
        fly_s=3_000,
    ),
    Case("tumble", "x", ("adcs.rate_x", "adcs.mag_y"), ALL_ON_BOARD),
    Case("tumble", "y", ("adcs.rate_y", "adcs.mag_x"), ALL_ON_BOARD),
    Case("tumble", "z", ("adcs.rate_z", "adcs.mag_x"), ALL_ON_BOARD),
    Case("rf_degrade", "amplifier", ("com.rssi_dn",), (*POWER, "com.rssi_dn")),
    Case("rf_noise", "background", ("com.rssi_bg",), ("com.rssi_bg", "com.rssi_dn")),
    Case("i2c_hang", "adcs", ("eps.bus3v3_i", "adcs.mag_z"), ALL_ON_BOARD),
    Case("i2c_hang", "thm", ("eps.bus3v3_i", "thm.t_mx"), ALL_ON_BOARD),
    Case("i2c_hang", "pld", ("eps.bus3v3_i",), ALL_ON_BOARD),
    Case("seu_reboot", "computer", ("obc.uptime", "obc.reboots", "obc.mode", "obc.cpu"), ALL_ON_BOARD),
    Case("latchup", "3v3", ("eps.bus3v3_i",), POWER),
    Case("latchup", "5v", ("eps.bus5v_i",), POWER),
    Case("mem_leak", "computer", ("obc.mem",), ("obc.mem",)),
)
SENSORS = (
    Case("spike", "pld.dist_s", ("pld.dist_s",), ("pld.dist_s",)),
    Case("stuck", "adcs.mag_x", ("adcs.mag_x",), ("adcs.mag_x",)),
    Case("bias", "pld.dist_s", ("pld.dist_s",), ("pld.dist_s",)),
    Case("drift", "adcs.rate_x", ("adcs.rate_x",), ("adcs.rate_x",), fly_s=3_000),
    Case("noise_up", "adcs.rate_x", ("adcs.rate_x",), ("adcs.rate_x",)),
    Case("gain", "pld.dist_n", ("pld.dist_n",), ("pld.dist_n",)),
    Case("corrupt", "eps.bat_v", ("eps.bat_v",), ("eps.bat_v",)),
)


def named(case: Case) -> str:
    return f"{case.kind}-{case.target}"


@cache
def mission() -> Mission:
    with tempfile.TemporaryDirectory() as folder:
        text = demo_mission_toml(CREATED_S * 10**9, 1, "quiet", "3u-extended")
        Path(folder, "mission.toml").write_text(text, encoding="utf-8")
        return read_mission(Path(folder))


@cache
def settled(from_s: int) -> tuple[Flight, State[float]]:
    flight = Flight(mission(), [mission().satellites[0].name], 1)
    flight.settle(CREATED_S + from_s)
    return flight, replace(flight.states[0])


def smallest(kind: str) -> float:
    """The default nearest to no effect."""
    apart = KINDS[kind].apart
    return KINDS[kind].size[0] if apart is None else apart[0]


def fault(kind: str, target: str, start_s: int, lasts_s: int | None = None, size: float | None = None) -> Fault:
    lasts = KINDS[kind].lasts_s[0] if lasts_s is None else lasts_s
    name = mission().satellites[0].name
    size = smallest(kind) if size is None else size
    return Fault(f"{kind}/{target}", kind, name, target, start_s, start_s + lasts, size)


@dataclass(frozen=True)
class Outcome:
    start_s: int
    faulty: Floats
    twin: Floats
    """Shapes (seconds, channels)."""
    contact: np.ndarray
    labels: tuple[Label, ...]

    @property
    def delta(self) -> Floats:
        return self.faulty - self.twin

    def labelled(self) -> np.ndarray:
        rows = np.zeros(len(self.faulty), dtype=bool)
        for label in self.labels:
            rows[label.start_s - self.start_s : label.end_s - self.start_s] = True
        return rows


def fly(faults: list[Fault], from_s: int, fly_s: int) -> Outcome:
    flight, state = settled(from_s)
    flight.states, flight.held = [replace(state)], {}
    start = CREATED_S + from_s
    plan = FaultPlan(faults, flight.satellites, TABLE, 1)
    labeller = Labeller(1, TABLE, start)
    pairs = list(Twins(flight).fly(start, start + fly_s, plan))
    for pair in pairs:
        labeller.add(*pair)
    return Outcome(
        start,
        np.concatenate([pair.faulty[:, 0] for pair in pairs]),
        np.concatenate([pair.twin[:, 0] for pair in pairs]),
        np.concatenate([pair.contact[:, 0] for pair in pairs]),
        tuple(labeller.labels(flight.satellites, faults)),
    )


@cache
def outcome(case: Case) -> Outcome:
    start = CREATED_S + case.from_s
    return fly([fault(case.kind, case.target, start + 60, case.lasts_s)], case.from_s, case.fly_s)


def test_every_kind_has_its_case() -> None:
    assert {case.kind for case in PLANT} == {kind.name for kind in KINDS.values() if kind.layer == "plant"}
    assert {case.kind for case in SENSORS} == {kind.name for kind in KINDS.values() if kind.layer == "sensor"}
    for case in PLANT:
        kind = KINDS[case.kind]
        tried = {one.target for one in PLANT if one.kind == case.kind}
        assert tried == set(kind.drawn or kind.targets), f"{case.kind}: every target a scenario may draw"


@pytest.mark.parametrize("case", [*PLANT, *SENSORS], ids=named)
def test_at_its_smallest_it_leaves_the_twin_where_it_should_and_only_there(case: Case) -> None:
    found = outcome(case)
    before = found.delta[:60]
    assert not before.any(), "nothing differs before the fault begins"
    reached = {label.channel for label in found.labels}
    assert set(case.first) <= reached
    assert {label.fault for label in found.labels} == {f"{case.kind}/{case.target}"}
    apart = np.nan_to_num(np.abs(found.delta), nan=np.inf).max(axis=0)
    for name in case.first:
        channel = TABLE[COLUMN[name]]
        if not channel.enum and name not in COUNTERS:
            assert apart[COLUMN[name]] > 3.0 * channel.sigma
    changed = {channel.name for channel, most in zip(TABLE, apart, strict=True) if most > 0.0}
    strayed = {name for name in changed if not any(fnmatch(name, pattern) for pattern in case.reaches)}
    assert not strayed, "channels it cannot reach are as in the twin, to the last digit"


def all_at_once(
    kind: str, size: float, lasts_s: int, channels: tuple[str, ...], fly_s: int, how: str = ""
) -> set[str]:
    """Channels labelled when each has its own fault in the pass, all at a second every packet is due."""
    start = CREATED_S + 90
    faults = [replace(fault(kind, name, start + 20, lasts_s, size), how=how) for name in channels]
    found = fly(faults, 90, fly_s)
    for label in found.labels:
        assert label.fault == f"{kind}/{label.channel}"
    return {label.channel for label in found.labels}


@pytest.mark.parametrize(
    ("kind", "how"),
    [("spike", ""), ("bias", ""), ("noise_up", ""), ("corrupt", "nan"), ("corrupt", "fill"), ("corrupt", "bit")],
)
def test_a_sensor_fault_shows_on_every_sensor_at_its_smallest(kind: str, how: str) -> None:
    names = tuple(channel.name for channel in MEASURED if channel.name not in COUNTERS)
    lasts = max(KINDS[kind].lasts_s[0], 1)
    assert all_at_once(kind, smallest(kind), lasts, names, 400, how) == set(names)


@pytest.mark.parametrize("size", [0.8, 1.25])
def test_a_gain_shows_wherever_there_is_a_value_to_scale(size: float) -> None:
    twin = fly([], 90, 330).twin
    values = np.abs(twin[20:]).max(axis=0)
    enough = 0.2 * values > 1.5 * tolerances(TABLE)
    names = tuple(c.name for c in MEASURED if enough[COLUMN[c.name]] and c.name not in COUNTERS)
    assert len(names) > 25
    # A channel at the end of its range cannot grow.
    limited = {"eps.bat_soc"} if size > 1 else set()
    assert all_at_once("gain", size, 300, names, 330) >= set(names) - limited


def test_sizes_nobody_could_see_are_never_drawn() -> None:
    drawn = [KINDS["gain"].size_at(share) for share in np.linspace(0.0, 1.0, 101)]
    assert min(drawn) == 0.5
    assert max(drawn) == 2.0
    assert not [size for size in drawn if 0.8 < size < 1.25]
    assert KINDS["bias"].size_at(0.0) == 4.0
    assert KINDS["rf_degrade"].size_at(0.0) == 5.0


def soft_limits_flag(found: Outcome) -> np.ndarray:
    """Rows on which some channel is outside its soft limits, those of the mode where a mode has its own."""
    values = found.faulty
    flagged = np.zeros(len(values), dtype=bool)
    modes = values[:, COLUMN["obc.mode"]]
    for channel in TABLE:
        column = values[:, COLUMN[channel.name]]
        low = np.full(len(values), -np.inf)
        high = np.full(len(values), np.inf)
        for pair, where in (
            (channel.warning, np.ones(len(values), dtype=bool)),
            *((warning, modes == next(c for c, n in MODES if n == mode)) for mode, warning, _ in channel.modes),
        ):
            if pair is not None:
                low[where], high[where] = pair
        flagged |= ((column < low) | (column > high)) & (found.contact | (not channel.contact_only))
    return flagged


def test_for_most_kinds_limits_see_less_than_half_of_what_is_wrong() -> None:
    """Otherwise a threshold would do, and the labels would prove nothing about a detector."""
    seen: dict[str, list[float]] = {}
    for case in (*PLANT, *SENSORS):
        found = outcome(case)
        rows = found.labelled()
        if case.kind == "corrupt":
            # A fill value is outside every limit.
            seen.setdefault(case.kind, []).append(1.0)
            continue
        seen.setdefault(case.kind, []).append(float(soft_limits_flag(found)[rows].mean()))
    subtle = {kind for kind, shares in seen.items() if max(shares) < 0.5}
    assert len(subtle) >= len(seen) / 2, seen


@dataclass(frozen=True)
class Routine:
    kind: str
    target: str
    changes: tuple[str, ...]
    from_s: int = 60
    lasts_s: int = 300


ROUTINES = (
    Routine("safe_exercise", "computer", ("obc.mode",)),
    Routine("restart", "computer", ("obc.mode", "obc.uptime", "obc.reboots"), lasts_s=1),
    Routine("payload_off", "payload", ("obc.mode", "eps.bus5v_i"), from_s=3_900),
    Routine("quiet_radio", "radio", ("com.rssi_dn",)),
)


@pytest.mark.parametrize("routine", ROUTINES, ids=lambda routine: routine.kind)
def test_what_an_operator_planned_leaves_no_label(routine: Routine) -> None:
    """Alone, and with the twins already parted by a fault, whose labels then stay in what it reaches."""
    start = CREATED_S + routine.from_s
    planned = fault(routine.kind, routine.target, start + 120, routine.lasts_s)
    alone = fly([planned], routine.from_s, 500)
    assert not alone.labels
    assert not alone.delta.any()
    without = fly([], routine.from_s, 500)
    apart = np.abs(alone.faulty - without.faulty)
    for name in routine.changes:
        assert apart[:, COLUMN[name]].max() > tolerances(TABLE)[COLUMN[name]], f"{name} shows it"
    ill = fault("latchup", "3v3", start + 20, 60)
    both = fly([planned, ill], routine.from_s, 500)
    assert {label.fault for label in both.labels} == {ill.id}
    assert not {label.channel for label in both.labels} & ({"obc.mode", "obc.uptime", "obc.reboots", "com.rssi_dn"})


def test_routines_are_all_tried() -> None:
    assert {one.kind for one in ROUTINES} == {kind.name for kind in KINDS.values() if kind.layer == "routine"}


def test_after_a_restart_nothing_is_labelled_for_ever() -> None:
    """Counters differ from then on, and the memory's sawtooth runs in another phase: neither is wrong."""
    found = fly([fault("seu_reboot", "computer", CREATED_S + 120)], 60, 3_000)
    last = {label.channel: label.end_s - CREATED_S - 120 for label in found.labels}
    assert last["obc.uptime"] <= 11
    assert last["obc.reboots"] <= 11
    assert "obc.mem" not in last or last["obc.mem"] < 600
    assert {label.channel for label in found.labels if label.end_s > CREATED_S + 2_500} <= {
        "adcs.rw_speed_x",
        "adcs.rw_speed_y",
        "adcs.rw_speed_z",
    }


def carried(kind: str, target: str, size: float, seconds: int = 300) -> list[FrameBatch]:
    flight, state = settled(60)
    flight.states, flight.held = [replace(state)], {}
    start = CREATED_S + 60
    plan = FaultPlan([fault(kind, target, start + 60, 120, size)], flight.satellites, TABLE, 1)
    seq = np.zeros(1, dtype=np.int64)
    found: list[FrameBatch] = []
    for t in range(start, start + seconds, 20):
        batches, seq = flight.batches(
            t, t + 20, boot=start, seq=seq, received_ns=t * 10**9, quality=Quality.SIMULATED, plan=plan
        )
        found += batches
    return found


def stored(batches: list[FrameBatch], folder: Path) -> tuple[StoreReader, int, int]:
    directory = MissionDirectory(folder / "m")
    directory.create()
    writer = StoreWriter(directory.telemetry, ManualClock())
    for batch in batches:
        writer.describe_satellite(batch.satellites[0], None, "3u-extended")
    results = [writer.append([ScoredBatch(batch)], [], {}) for batch in batches]
    writer.close()
    return StoreReader(directory.telemetry), sum(r.duplicates for r in results), sum(r.late for r in results)


def test_transport_faults_show_in_counts_and_quality(tmp_path: Path) -> None:
    """Each at its smallest, over two minutes; values are not touched."""
    counts: dict[str, tuple[int, int, int]] = {}
    for kind in ("gap", "duplicate", "reorder", "late", "clock_jump"):
        target = "clock" if kind == "clock_jump" else "all"
        (tmp_path / kind).mkdir()
        batches = carried(kind, target, KINDS[kind].size[0])
        reader, twice, late = stored(batches, tmp_path / kind)
        reader.close()
        counts[kind] = sum(len(batch) for batch in batches) - twice, twice, late
    full = counts["late"][0]
    assert counts["gap"][0] < full - 200, "its packets are missing"
    assert counts["gap"][1:] == (0, 0)
    assert counts["duplicate"][1] >= 1, "one in a hundred packets comes twice"
    assert counts["duplicate"][0] == full
    assert counts["reorder"][2] >= 1, "one in a hundred is overtaken"
    assert counts["reorder"][:2] == (full, 0)
    assert counts["late"][2] >= 1, "the first one after it arrives before the last ones of it"
    assert counts["clock_jump"][1] == 0
    t = np.concatenate(
        [b.t_ns[b.seq.argsort()] for b in carried("clock_jump", "clock", 1.0) if b.layout.packet == "hk"]
    )
    steps = set(np.diff(t).tolist())
    assert steps == {0, 10**9, 2 * 10**9}, "the clock jumps there and back by a second"
