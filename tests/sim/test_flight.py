"""Satellites in flight: the same data in any chunks, on floats and on arrays, alone and in a fleet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sim import flight as flying
from sim.channels import COLUMN, TABLE
from sim.flight import Flight
from sim.plan import NO_FAULTS, NoFaults
from sim.preset import demo_mission_toml
from sim.state import HEALTHY, Knobs
from telemetry.dictionary import Mission, read_mission
from telemetry.frame import Frame, Quality

CREATED_S = 1_795_355_400
RESOLUTION = np.array([channel.resolution for channel in TABLE])


@pytest.fixture
def fleet(tmp_path: Path) -> Callable[..., Mission]:
    def make(satellites: int = 1, bus: str = "3u", seed: int = 1) -> Mission:
        text = demo_mission_toml(CREATED_S * 10**9, seed, "quiet", bus, satellites)
        (tmp_path / "mission.toml").write_text(text, encoding="utf-8")
        return read_mission(tmp_path)

    return make


def all_of(mission: Mission, seed: int = 1) -> Flight:
    return Flight(mission, [satellite.name for satellite in mission.satellites], seed)


def frames(flight: Flight, seconds: int, chunk: int) -> list[Frame]:
    found: list[Frame] = []
    seq = np.zeros(len(flight.satellites), dtype=np.int64)
    t, end = CREATED_S, CREATED_S + seconds
    while t < end:
        stop = min(end, t + chunk)
        batches, seq = flight.batches(t, stop, boot=CREATED_S, seq=seq, received_ns=0, quality=Quality.SIMULATED)
        found += [frame for batch in batches for frame in batch]
        t = stop
    return sorted(found, key=lambda frame: (frame.satellite, frame.seq))


def digest(found: list[Frame]) -> str:
    text = hashlib.sha256()
    for frame in found:
        text.update(f"{frame.satellite} {frame.seq} {frame.t_ns} {frame.layout.packet}".encode())
        text.update(frame.values.tobytes())
    return text.hexdigest()


def flown(mission: Mission, chunk: int, seconds: int = 1_600) -> list[Frame]:
    flight = all_of(mission)
    flight.settle(CREATED_S)
    return frames(flight, seconds, chunk)


def test_the_same_seconds_are_the_same_in_any_chunks(fleet: Callable[..., Mission]) -> None:
    one = flown(fleet(), 1)
    assert {frame.layout.packet for frame in one} == {"hk", "pld", "thm", "slow", "rf"}
    assert [frame.seq for frame in one] == list(range(len(one)))
    assert {digest(flown(fleet(), chunk)) for chunk in (777, 5_000)} == {digest(one)}


def test_of_many_seconds_those_in_contact_are_told_first(fleet: Callable[..., Mission]) -> None:
    flight = all_of(fleet())
    flight.settle(CREATED_S)
    batches, _ = flight.batches(
        CREATED_S, CREATED_S + 1_600, boot=CREATED_S, seq=np.zeros(1, np.int64), received_ns=0, quality=Quality.NONE
    )
    assert [batch.layout.packet for batch in batches] == ["rf", "hk", "pld", "thm", "slow"]


def test_a_fleet_too_is_the_same_in_any_chunks(fleet: Callable[..., Mission]) -> None:
    mission = fleet(17, "3u-extended")
    assert digest(flown(mission, 1, 200)) == digest(flown(mission, 777, 200))


def test_another_seed_is_another_flight(fleet: Callable[..., Mission]) -> None:
    mission = fleet()
    one, two = all_of(mission, 1), all_of(mission, 2)
    for flight in (one, two):
        flight.settle(CREATED_S)
    assert digest(frames(one, 60, 60)) != digest(frames(two, 60, 60))


@pytest.mark.parametrize("bus", ["3u-extended", "1u"])
def test_floats_and_arrays_agree_to_the_last_digit_sent(
    fleet: Callable[..., Mission], bus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three satellites for 3,000 s, a kick that makes one of them detumble included."""
    mission = fleet(3, bus)
    names = [satellite.name for satellite in mission.satellites]
    floats = Flight(mission, names, 1)
    floats.settle(CREATED_S)
    start = [replace(state) for state in floats.states]
    start[2].wx += 0.07
    monkeypatch.setattr(flying, "ARRAYS_FROM", 2)
    arrays = Flight(mission, names, 1)
    arrays.states = start
    monkeypatch.undo()
    floats.states = [replace(state) for state in start]
    a, b = (
        np.concatenate([piece.values for piece in flight.measured(CREATED_S, CREATED_S + 3_000)])
        for flight in (floats, arrays)
    )
    assert arrays.states[0].q1 == pytest.approx(floats.states[0].q1, abs=1e-9)
    apart = np.abs(a - b) / RESOLUTION
    assert apart.max() <= 1.000001, TABLE[int(apart.max(axis=(0, 1)).argmax())].name
    assert (apart > 0.5).mean() < 1e-4
    assert (a[:, 2, COLUMN["obc.mode"]] == 2).any()


def test_a_satellite_is_the_same_alone_and_in_its_mission(fleet: Callable[..., Mission]) -> None:
    mission = fleet(5)
    name = mission.satellites[3].name
    alone, together = Flight(mission, [name], 1), all_of(mission)
    together.settle(CREATED_S)
    alone.states = [replace(together.states[3])]
    a = np.concatenate([piece.values[:, 0] for piece in alone.measured(CREATED_S, CREATED_S + 130)])
    b = np.concatenate([piece.values[:, 3] for piece in together.measured(CREATED_S, CREATED_S + 130)])
    assert np.abs((a - b) / RESOLUTION).max() <= 1.000001


class Turned(NoFaults):
    """Half the cells of satellite 0 lost, its transmitter 6 dB down, from second 100 to 200; sensors of 1 stray."""

    def touched(self, t0_s: int, t1_s: int) -> list[int]:
        return [0] if t0_s < CREATED_S + 200 and t1_s > CREATED_S + 100 else []

    def knobs(self, satellite: int, t_s: int) -> Knobs[float] | None:
        assert satellite == 0
        inside = CREATED_S + 100 <= t_s < CREATED_S + 200
        return replace(HEALTHY, s_px=0.5, s_mx=0.5, s_py=0.5, pa_db=-6.0) if inside else None

    def senses(self, t0_s: int, t1_s: int) -> bool:
        return t0_s < CREATED_S + 60 and t1_s > CREATED_S + 50

    def sense(self, values: np.ndarray, noise: np.ndarray, t0_s: int, held: dict[str, float]) -> None:
        t = t0_s + np.arange(len(values)) - CREATED_S
        values[(t >= 50) & (t < 60), 1, COLUMN["thm.t_int"]] += 5.0
        assert noise.shape == values.shape

    def corrupt(self, values: np.ndarray, t0_s: int, held: dict[str, float]) -> None:
        t = t0_s + np.arange(len(values)) - CREATED_S
        for row in np.flatnonzero((t >= 50) & (t < 60)):
            held.setdefault("0", float(values[row, 1, COLUMN["adcs.mag_x"]]))
            values[row, 1, COLUMN["adcs.mag_x"]] = held["0"]


@pytest.mark.parametrize(("satellites", "chunk"), [(2, 1), (2, 333), (17, 333)])
def test_a_plan_acts_where_and_when_it_says(fleet: Callable[..., Mission], satellites: int, chunk: int) -> None:
    def fly(plan: NoFaults) -> np.ndarray:
        flight = all_of(fleet(satellites))
        flight.settle(CREATED_S)
        rows: list[np.ndarray] = []
        for t in range(CREATED_S, CREATED_S + 333, chunk):
            rows += [piece.values for piece in flight.measured(t, min(t + chunk, CREATED_S + 333), plan)]
        return np.concatenate(rows)

    well, ill = fly(NO_FAULTS), fly(Turned())
    delta = ill - well
    assert not delta[:50].any()
    assert not delta[:, 2:].any()
    assert set(np.flatnonzero(delta[:, 1].any(axis=0))) == {COLUMN["thm.t_int"], COLUMN["adcs.mag_x"]}
    assert np.allclose(delta[50:60, 1, COLUMN["thm.t_int"]], 5.0)
    assert len(set(ill[50:60, 1, COLUMN["adcs.mag_x"]])) == 1
    lost = delta[:, 0, [COLUMN[f"eps.pv_i_{face}"] for face in ("px", "mx", "py")]].sum(axis=1)
    assert not lost[:100].any()
    assert lost[100:200].mean() < -0.1
    signal = delta[:, 0, COLUMN["com.rssi_dn"]]
    up = well[:, 0, COLUMN["gs.elevation"]] > 5.2
    assert up[100:200].any()
    assert signal[100:200][up[100:200]].mean() == pytest.approx(-6.0, abs=0.6)
    assert not signal[:100].any()


def test_satellites_of_two_buses_are_two_flights(fleet: Callable[..., Mission]) -> None:
    import msgspec

    mission = fleet(2)
    bus = msgspec.structs.replace(mission.buses["3u"], name="other")
    second = msgspec.structs.replace(mission.satellites[1], bus="other")
    mixed = msgspec.structs.replace(
        mission, buses={**mission.buses, "other": bus}, satellites=(mission.satellites[0], second)
    )
    with pytest.raises(ValueError, match="different buses"):
        all_of(mixed)
