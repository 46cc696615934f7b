"""The state of a fleet as it is read: silence judged by passes, models and alarms of each, only what is new."""

from __future__ import annotations

from pathlib import Path

import fabricated
import pytest
from fabricated import NOW, S
from hypothesis import given
from hypothesis import strategies as st

from cubesat_tui.fleet import RANKS, SORTS, FleetNow, SatelliteNow, Silence, ordered, silence_of
from cubesat_tui.fleet_filter import WORDS, FleetFilterError, fleet_filter
from cubesat_tui.snapshot import Pass
from cubesat_tui.snapshot_reader import SnapshotReader
from cubesat_tui.status import read_status
from telemetry.store.directory import MissionDirectory
from telemetry.store.rows import HealthRow
from telemetry.store.writer import StoreWriter
from tests.cubesat_tui import fleet_store

STALE = 5.0


@pytest.fixture
def fleet(tmp_path: Path) -> MissionDirectory:
    return fleet_store.fill(tmp_path / "fleet")


def _read(directory: MissionDirectory, clock=None) -> FleetNow:
    reader = SnapshotReader(directory, clock or fabricated.clock())
    try:
        found = reader.read(fleet=True).fleet
        assert found is not None
        return found
    finally:
        reader.close()


def _of(fleet: FleetNow) -> dict[str, SatelliteNow]:
    return {one.name[-3:].lstrip("0"): one for one in fleet.satellites}


def _pass(first_s: float, last_s: float) -> Pass:
    return Pass("Munich", round(first_s * S), round(last_s * S), 30.0)


@pytest.mark.parametrize(
    ("heard_s", "at_s", "passes", "silence", "missed"),
    [
        pytest.param(1000, 1003, [], Silence.HEARD, None, id="three seconds old"),
        pytest.param(1000, 1020, [], Silence.OLD, None, id="no pass known"),
        pytest.param(1000, 1100, [], Silence.LOST, None, id="no pass known, long"),
        pytest.param(1000, 2000, [(500, 1010)], Silence.QUIET, None, id="after its pass"),
        pytest.param(
            1000, 2000, [(500, 1010), (1900, 2400)], Silence.LOST, 1900, id="a pass began and brought nothing"
        ),
        pytest.param(1000, 1930, [(500, 1010), (1900, 2400)], Silence.QUIET, None, id="a pass began a moment ago"),
        pytest.param(1000, 5000, [(500, 1010), (1900, 2400)], Silence.LOST, 1900, id="a whole pass missed"),
        pytest.param(
            1000, 9000, [(500, 1010), (1900, 2400), (7000, 7500)], Silence.LOST, 1900, id="the first missed"
        ),
        pytest.param(
            1000, 5000, [(500, 1010), (1900, 1940)], Silence.QUIET, None, id="a pass too short to bring any"
        ),
        pytest.param(1000, 1030, [(500, 1300)], Silence.OLD, None, id="falls silent in its pass"),
        pytest.param(1000, 1200, [(500, 1300)], Silence.LOST, None, id="silent in its pass for long"),
    ],
)
def test_silence_is_lost_old_or_as_expected(heard_s, at_s, passes, silence, missed) -> None:
    windows = [_pass(*one) for one in passes]
    found, first = silence_of(heard_s * S, at_s - heard_s, at_s * S, STALE, windows)
    assert found is silence
    assert (None if first is None else first.acquisition_ns // S) == missed


def test_what_was_never_heard_is_not_called_lost() -> None:
    assert silence_of(None, None, NOW, STALE, [_pass(0, 600)]) == (Silence.NEVER, None)


def test_where_telemetry_comes_at_all_times_no_pass_explains_silence(tmp_path) -> None:
    found = _of(_read(fleet_store.fill(tmp_path / "m", visible=True)))
    assert found["7"].silence is Silence.LOST
    assert found["7"].missed is None


def test_each_satellite_has_its_own_alarms_model_and_pass(fleet) -> None:
    found = _of(_read(fleet))
    assert {name: one.state for name, one in found.items()} == {
        "1": "ok", "2": "severe", "3": "critical", "4": "anomaly", "5": "lost", "6": "warning", "7": "quiet",
        "8": "never", "9": "ok", "10": "ok", "11": "ok", "12": "ok",
    }  # fmt: skip
    assert (found["2"].new, found["2"].active) == (2, 2)
    assert (found["6"].new, found["6"].active) == (0, 1)
    assert found["3"].model.version == 3
    assert found["9"].model.version is None
    assert found["9"].model.learned == 0.54
    assert found["1"].contact.in_contact
    assert found["4"].contact.next_ns == NOW + (764 + 97 * 3) * S
    assert found["10"].age_s == pytest.approx(0.38)


def test_a_share_learned_is_told_only_of_the_one_it_can_belong_to(fleet) -> None:
    text = fleet.toml.read_text().replace('name = "KESTREL-012"', 'name = "NEWCOMER"')
    fleet.toml.write_text(text)
    found = {one.name: one for one in _read(fleet).satellites}
    assert found["NEWCOMER"].model.learned is None
    assert found["KESTREL-009"].model.learned is None


def test_shelved_alarms_do_not_count_but_are_not_forgotten(fleet, monkeypatch) -> None:
    import msgspec

    from telemetry.alarms import AlarmState

    reader = SnapshotReader(fleet, fabricated.clock())
    reader.read()
    reader._alarms = {
        key: msgspec.structs.replace(alarm, state=AlarmState.SHELVED) if key[0] == "KESTREL-002" else alarm
        for key, alarm in reader._alarms.items()
    }
    found = _of(reader.read(fleet=True).fleet)
    assert (found["2"].state, found["2"].new, found["2"].shelved) == ("ok", 0, 2)
    reader.close()


def test_the_fleet_is_read_once_a_second_and_at_once_when_something_happens(fleet) -> None:
    clock = fabricated.clock()
    reader = SnapshotReader(fleet, clock)
    first = reader.poll(fleet=True).fleet
    assert reader.poll(fleet=True) is None
    writer = StoreWriter(fleet.telemetry, clock)
    writer.append([], [fleet_store.alarm("KESTREL-012", 0, "eps.bat_v", 4, "Battery")], {})
    second = reader.poll(fleet=True).fleet
    assert _of(second)["12"].state == "critical"
    assert first is not second
    clock.advance(0.3)
    writer.beat(HealthRow(station="here", beat_ns=clock.now_ns(), body={"link": "STALE", "rate": 1, "live": True}))
    writer.close()
    third = reader.poll(fleet=True)
    assert third.link.state == "STALE"
    assert third.fleet is second
    clock.advance(1.0)
    assert reader.poll(fleet=True).fleet is not second
    assert reader.read().fleet is None
    reader.close()


@given(st.permutations(range(12)), st.sampled_from(sorted(SORTS)))
def test_an_order_does_not_depend_on_where_the_rows_stood(shuffled: list[int], sort: str) -> None:
    rows = [
        SatelliteNow(
            f"S{i}", RANKS[i % 3], Silence.LOST if i % 4 else Silence.HEARD, new=i % 2, age_s=i % 5 or None
        )
        for i in range(12)
    ]
    assert ordered([rows[i] for i in shuffled], sort) == ordered(rows, sort)


@given(st.text(max_size=30))
def test_any_text_is_a_filter_or_an_error_with_a_place(text: str) -> None:
    one = SatelliteNow("KESTREL-001", "ok", Silence.HEARD)
    known = all(word.casefold() in WORDS or word.casefold() in one.name.casefold() for word in text.split())
    if known:
        assert isinstance(fleet_filter(text, [one.name])(one), bool)
        return
    with pytest.raises(FleetFilterError) as error:
        fleet_filter(text, [one.name])
    assert text[error.value.column :].strip() == text[error.value.column :].rstrip()


def test_every_word_of_the_filter_finds_somebody_or_nobody_without_failing(fleet) -> None:
    found = _read(fleet)
    for word in WORDS:
        assert {one.name for one in found.satellites if fleet_filter(word, [])(one)} <= set(fleet_store.names(12))


def test_status_tells_of_each_satellite_and_keeps_what_it_told(fleet) -> None:
    told = read_status(fleet, fabricated.clock())
    assert told["satellite"] == "KESTREL-001"
    assert told["model_version"] == 1
    satellites = {one["satellite"]: one for one in told["satellites"]}
    assert list(satellites) == fleet_store.names(12)
    assert satellites["KESTREL-005"]["state"] == "LOST"
    assert satellites["KESTREL-005"]["missed_pass"] == "2026-11-22T06:50:03Z"
    assert satellites["KESTREL-002"]["state"] == "SEVERE"
    assert satellites["KESTREL-002"]["alarms"] == {"new": 2, "active": 2, "shelved": 0}
    assert satellites["KESTREL-009"]["model_version"] is None
    assert satellites["KESTREL-007"]["state"] == "QUIET"
