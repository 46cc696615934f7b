"""The history of a new demo mission: stored, simulated, whole, and with two alarms that were handled."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from sim.flight import Flight
from sim.history import Past, history
from sim.sensors import Flown
from telemetry.alarms import ACKNOWLEDGED, CLEARED, RAISED, RETURNED, Event, fold, fold_all
from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch, Quality
from telemetry.limits import Level, levels

S = 1_000_000_000


def events_of(past: Past) -> list[Event]:
    """What happened in it, once its frames were taken."""
    for _ in past.frames():
        pass
    return past.events


@pytest.fixture
def recorded(mission: Mission, created_s: int) -> list[FrameBatch]:
    return list(history(mission, "KESTREL-1", created_s * S))


def series(batches: list[FrameBatch], channel: str) -> tuple[np.ndarray, np.ndarray]:
    """Times (s) and values of a channel."""
    found = [b for b in batches if channel in b.layout.positions]
    t = np.concatenate([b.t_ns for b in found]) // S
    return t, np.concatenate([b.values[:, b.layout.positions[channel]] for b in found])


def test_six_orbits_of_stored_frames_within_three_seconds_of_cpu(mission: Mission, created_s: int) -> None:
    began = time.process_time()
    batches = list(history(mission, "KESTREL-1", created_s * S))
    assert time.process_time() - began < 3.0
    frames = sum(len(b) for b in batches)
    assert frames > 75_000
    t, _ = series(batches, "eps.bat_v")
    assert (np.diff(t) == 1).all()
    assert t[-1] == created_s - 1
    assert (t[-1] - t[0] + 1) / 60 == pytest.approx(6 * 95.64, abs=1)
    seq = np.sort(np.concatenate([b.seq for b in batches]))
    assert np.array_equal(seq, np.arange(frames))
    order = np.argsort(np.concatenate([b.seq for b in batches]))
    assert (np.diff(np.concatenate([b.t_ns for b in batches])[order]) >= 0).all()
    for batch in batches:
        assert (batch.quality == int(Quality.STORED | Quality.SIMULATED)).all()
        assert (batch.boot == t[0]).all()
        assert t[0] < created_s
        assert (batch.received_ns == created_s * S).all()


def test_the_last_stored_and_the_first_live_values_belong_together(
    mission: Mission, recorded: list[FrameBatch], created_s: int
) -> None:
    from sim.flight import Flight, history_start

    flight = Flight(mission, ("KESTREL-1",), 1)
    for _ in flight.arrive(history_start(flight, created_s), created_s):
        pass
    live, _ = flight.batches(
        created_s,
        created_s + 1,
        boot=created_s,
        seq=np.zeros(1, dtype=np.int64),
        received_ns=0,
        quality=Quality.SIMULATED,
    )
    for channel, most in (("eps.bat_v", 0.03), ("eps.bat_i", 0.05), ("orb.alt_km", 0.2), ("thm.t_px", 1.0)):
        batch = next(b for b in live if channel in b.layout.positions)
        now = float(batch.values[0, batch.layout.positions[channel]])
        assert now == pytest.approx(float(series(recorded, channel)[1][-1]), abs=most)


def test_two_alarms_were_raised_acknowledged_returned_and_cleared(mission: Mission, created_s: int) -> None:
    events = events_of(Past(mission, "KESTREL-1", created_s * S))
    for subject in ("obc.cpu", "eps.bus5v_v"):
        own = [event for event in events if event.subject == subject]
        assert [event.kind for event in own] == [RAISED, ACKNOWLEDGED, RETURNED, CLEARED]
        assert [event.actor for event in own] == ["", "sim", "", ""]
        assert own[0].severity == 2
        assert all(event.text for event in own)
    assert len(events) == 8
    assert fold_all(events) == {}
    assert len(fold({}, events[0])) == 1
    assert all(event.at_ns < created_s * S for event in events)


def test_the_events_are_in_the_data_and_nothing_else_is(
    mission: Mission, recorded: list[FrameBatch], created_s: int
) -> None:
    """Three values in a row outside the mission's limits: the same two alarms at the same moments, no other."""
    found: list[tuple[int, str]] = []
    for channel in mission.bus_of("KESTREL-1").channels:
        if channel.limits and not channel.contact_only:
            t, values = series(recorded, channel.name)
            out = levels(channel.limits[-1], values) > Level.IN_LIMITS
            third = np.flatnonzero(out[2:] & out[1:-1] & out[:-2]) + 2
            found += [(int(t[i]) * S, channel.name) for i in third if i - 1 not in third]
    events = events_of(Past(mission, "KESTREL-1", created_s * S))
    assert sorted(found) == [(event.at_ns, event.subject) for event in events if event.kind == RAISED]
    for event in events:
        if event.kind == RETURNED:
            t, values = series(recorded, event.subject)
            i = int(np.flatnonzero(t == event.at_ns // S)[0])
            out = levels(mission.channel("KESTREL-1", event.subject).limits[-1], values[i - 3 : i + 1]) > 0
            assert out.tolist() == [True, False, False, False]


def test_a_history_too_short_for_an_excursion_has_no_events(mission: Mission, created_s: int) -> None:
    assert events_of(Past(mission, "KESTREL-1", created_s * S, orbits=0.1)) == []
    assert sum(len(b) for b in history(mission, "KESTREL-1", created_s * S, orbits=0.1)) > 1_000


def test_the_past_is_flown_once_for_its_frames_and_what_happened_in_them(
    mission: Mission, recorded: list[FrameBatch], created_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    flown: list[tuple[int, int]] = []
    coast = Flight.coast

    def counted(flight: Flight, start_s: int, end_s: int) -> Iterator[Flown]:
        flown.append((start_s, end_s))
        return coast(flight, start_s, end_s)

    monkeypatch.setattr(Flight, "coast", counted)
    past = Past(mission, "KESTREL-1", created_s * S)
    batches = list(past.frames())
    assert len(past.events) == 8
    assert len(flown) == 1
    assert [(b.layout, b.values.tobytes(), b.t_ns.tobytes()) for b in batches] == [
        (b.layout, b.values.tobytes(), b.t_ns.tobytes()) for b in recorded
    ]
