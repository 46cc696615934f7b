"""From a store to a snapshot: three truths, freshness, counts, and silence when nothing is new."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import fabricated
import msgspec
import pytest
from fabricated import NOW, S

from cubesat_tui.drawing.rows import plain
from cubesat_tui.drawing.signs import UNICODE
from cubesat_tui.drawing.status_lines import status_rows
from cubesat_tui.drawing.why import sentence
from cubesat_tui.snapshot_reader import SnapshotReader
from telemetry.alarms import Event
from telemetry.clock import ManualClock
from telemetry.freshness import Acquisition
from telemetry.store.directory import MissionDirectory
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter


@pytest.fixture
def reader(directory: MissionDirectory):
    made = SnapshotReader(directory, fabricated.clock())
    yield made
    made.close()


def test_without_a_store_there_is_nothing_and_no_error(tmp_path: Path) -> None:
    empty = MissionDirectory(tmp_path)
    empty.toml.write_text(fabricated.mission_toml())
    assert SnapshotReader(empty, fabricated.clock()).poll() is None


def test_a_channel_has_its_value_its_age_and_its_ten_minutes(reader) -> None:
    now = reader.read().channels["eps.bat_soc"]
    assert now.text == "82"
    assert now.t_ns == NOW - S
    assert now.age_s == pytest.approx(0.98)
    assert now.acquisition is Acquisition.ACQUIRED
    assert len(now.spark) == 8
    assert now.spark[-1] == now.value


def test_a_silent_channel_expires_and_its_newest_bin_is_empty(reader) -> None:
    now = reader.read().channels["eps.bus5v_v"]
    assert now.acquisition is Acquisition.EXPIRED
    assert now.age_s == pytest.approx(41.98)
    assert now.spark[-1] != now.spark[-1]
    assert now.result.level <= 0


def test_out_of_contact_there_is_no_signal_and_the_next_pass_is_known(tmp_path: Path) -> None:
    directory = fabricated.fill(tmp_path / "m", contact=False)
    snapshot = SnapshotReader(directory, fabricated.clock()).read()
    rssi = snapshot.channels["com.rssi_dn"]
    assert rssi.silent
    assert rssi.text == "no signal"
    assert not snapshot.contact.in_contact
    assert snapshot.contact.station == "Munich"
    assert snapshot.contact.next_ns == NOW + 764 * S


def test_alarms_come_worst_first_and_are_counted_new_and_active(reader) -> None:
    snapshot = reader.read()
    assert [a.subject for a in snapshot.alarms] == ["adcs.rw_x", "anomaly:pld.dist_s", "thm.t_px"]
    assert snapshot.counts == {"critical": (1, 1), "anomaly": (1, 1), "warning": (0, 1)}
    assert snapshot.channels["pld.dist_s"].anomalous
    assert not snapshot.channels["pld.dist_w"].anomalous
    assert snapshot.alarms[1].body["p"] == 0.0004


def test_a_returned_alarm_is_new_but_not_active(directory: MissionDirectory, reader) -> None:
    reader.read()
    body = {"text": "Distance S is usual again", "packets": []}
    _append(directory, Event(NOW, fabricated.SATELLITE, "alarm.returned", 0, "anomaly:pld.dist_s", "", body))
    snapshot = reader.poll()
    assert snapshot is not None
    assert snapshot.counts["anomaly"] == (1, 0)
    assert snapshot.events[0].kind == "alarm.returned"
    assert not snapshot.channels["pld.dist_s"].anomalous


def test_what_an_alarm_counts_does_not_push_older_events_out(directory: MissionDirectory, reader) -> None:
    before = [event.kind for event in reader.read().events]
    count = Event(NOW, fabricated.SATELLITE, "alarm.updated", 2, "thm.t_px", "", {"count": 302})
    _append(directory, *[count] * 300)
    reader.poll()
    assert [event.kind for event in reader.read().events] == before
    assert [event.kind for event in SnapshotReader(directory, fabricated.clock()).read().events] == before


def test_an_open_alarm_does_not_call_a_value_inside_its_limit_outside(reader) -> None:
    snapshot = reader.read()
    panel = next(a for a in snapshot.alarms if a.subject == "thm.t_px")
    assert sentence(panel, snapshot, UNICODE).startswith("72.1 > 60.0 °C WARNING HIGH")
    back = msgspec.structs.replace(snapshot.channels["thm.t_px"], value=59.0)
    snapshot = msgspec.structs.replace(snapshot, channels={**snapshot.channels, "thm.t_px": back})
    assert sentence(panel, snapshot, UNICODE).startswith("73.0 > 60.0 °C WARNING HIGH")


def _append(directory: MissionDirectory, *events: Event) -> None:
    writer = StoreWriter(directory.telemetry, fabricated.clock())
    writer.append([], list(events), {})
    writer.close()


def test_nothing_new_is_no_snapshot_until_ages_have_grown(directory: MissionDirectory) -> None:
    clock = ManualClock(NOW)
    reader = SnapshotReader(directory, clock)
    first = reader.poll()
    assert first is not None
    assert reader.poll() is None
    clock.advance(0.4)
    assert reader.poll() is None
    clock.advance(0.7)
    later = reader.poll()
    assert later is not None
    assert later.data_age_s == pytest.approx(first.data_age_s + 1.1)
    assert later.seq > first.seq


def test_a_new_frame_is_a_new_snapshot(directory: MissionDirectory) -> None:
    clock = ManualClock(NOW)
    reader = SnapshotReader(directory, clock)
    before = reader.poll()
    writer = StoreWriter(directory.telemetry, clock)
    writer.append([ScoredBatch(b) for b in fabricated.batches(NOW, NOW)], [], {})
    writer.close()
    after = reader.poll()
    assert before is not None
    assert after is not None
    assert after.newest_t_ns == before.newest_t_ns + S
    assert after.channels["eps.bus5v_v"].acquisition is Acquisition.ACQUIRED


def test_a_clock_on_board_that_jumped_hides_no_value_that_comes_after(directory: MissionDirectory) -> None:
    clock = ManualClock(NOW)
    reader = SnapshotReader(directory, clock)
    reader.read()
    writer = StoreWriter(directory.telemetry, clock)
    for second in range(4):
        sent = fabricated.batches(NOW + second * S, NOW + second * S)
        if second < 3:
            jumped = [dataclasses.replace(one, t_ns=one.t_ns + 3600 * S) for one in sent]
            writer.append([ScoredBatch(one) for one in jumped], [], {})
        else:
            # The slow packet is not due yet: its newest frame is still one of the jump.
            writer.append([ScoredBatch(one) for one in sent if one.layout.packet != "slow"], [], {})
        clock.advance(1)
        snapshot = reader.poll()
        assert snapshot is not None
        assert snapshot.newest_t_ns == NOW + second * S + (3600 * S if second < 3 else 0)
        assert snapshot.channels["eps.bat_soc"].t_ns == snapshot.newest_t_ns
        assert snapshot.channels["eps.bat_soc"].age_s == pytest.approx(0.98)
    clock.advance(60)
    late = reader.read().channels
    assert late["eps.bus5v_v"].t_ns == NOW + 3602 * S
    assert late["eps.bus5v_v"].acquisition is Acquisition.EXPIRED
    assert late["eps.bat_soc"].acquisition is Acquisition.EXPIRED
    writer.close()


def test_a_station_that_falls_silent_is_down_in_words_within_three_seconds(directory: MissionDirectory) -> None:
    clock = ManualClock(NOW)
    reader = SnapshotReader(directory, clock)
    clock.advance(1.9)
    assert reader.read().link.state == "LIVE"
    clock.advance(0.9)
    snapshot = reader.read()
    assert snapshot.link.state == "DOWN"
    assert "LINK DOWN station silent 2 s" in plain(status_rows(snapshot, "live", 80, UNICODE)[0])


@pytest.mark.parametrize("seen_s", [0.1, 0.6, 0.9, 1.1])
def test_silence_is_told_at_the_next_look_and_not_when_ages_are_due(
    directory: MissionDirectory, seen_s: float
) -> None:
    clock = fabricated.clock()
    reader = SnapshotReader(directory, clock)
    clock.advance(seen_s)
    snapshot = reader.poll()
    assert snapshot is not None
    beat = snapshot.link.beat_age_s
    assert beat is not None
    waited = 0.0
    while snapshot is None or snapshot.link.state != "DOWN":
        clock.advance(0.25)
        waited += 0.25
        snapshot = reader.poll()
        assert beat + waited <= 2.5, "a tick after two seconds at the latest"
    reader.close()


def test_a_full_disk_is_said_with_the_frames_it_cost(directory: MissionDirectory) -> None:
    writer = StoreWriter(directory.telemetry, fabricated.clock())
    writer.beat(fabricated.health(disk_full=12))
    writer.close()
    link = SnapshotReader(directory, fabricated.clock()).read().link
    assert (link.state, link.detail) == ("DISK FULL", "12 frames refused")


def test_a_replay_lives_in_the_time_of_its_data(directory: MissionDirectory) -> None:
    clock = ManualClock(NOW + 86_400 * S)
    writer = StoreWriter(directory.telemetry, clock)
    writer.beat(fabricated.health(clock.now_ns(), link="REPLAY", detail="x60", rate=60, live=False))
    writer.close()
    snapshot = SnapshotReader(directory, clock).read()
    assert snapshot.now_ns == NOW - S
    assert snapshot.link.state == "REPLAY"
    assert "LINK REPLAY x60" in plain(status_rows(snapshot, "live", 80, UNICODE)[0])


@pytest.mark.parametrize("size", [52, 60, 80, 100, 140, 200])
@pytest.mark.parametrize("contact", [True, False])
def test_link_pass_and_data_stay_on_every_width(tmp_path: Path, size: int, contact: bool) -> None:
    directory = fabricated.fill(tmp_path / "m", minutes=11, contact=contact)
    snapshot = SnapshotReader(directory, fabricated.clock()).read()
    first, second = status_rows(snapshot, "ledger", size, UNICODE)
    for word in ("KESTREL-1 SIM", "LINK LIVE", "PASS", "DATA 0.9"):
        assert word in plain(first)
    assert "07:14:03Z" in plain(second)
    if size >= 80:
        assert f"MODEL v17{' fusion' if size >= 140 else ''} #182" in plain(first)
        assert "CRIT ◆1/1 ▲0/1 ◈1/1" in plain(second)
        assert "4 LEDGER" in plain(second)
        assert "11-22 07:14:03Z" in plain(second)


def test_the_status_bar_reads_as_in_the_sketch(reader) -> None:
    first, second = status_rows(reader.read(), "live", 80, UNICODE)
    assert plain(first) == " KESTREL-1 SIM |LINK LIVE sim|PASS Munich LOS 06:12|DATA 0.9s|MODEL v17 #182 11s"
    assert plain(second) == " 1 LIVE 2 Clust 3 Models 4 Ledger 5 Events  CRIT ◆1/1 ▲0/1 ◈1/1  11-22 07:14:03Z"


@pytest.mark.parametrize(
    ("kind", "size", "said"),
    [
        ("fusion", 140, "MODEL v17 fusion #182 retrain in"),
        ("fusion", 80, "MODEL v17 #182"),
        ("isolation_forest", 140, "MODEL v17 forest #182 retrain in"),
        ("isolation_forest", 90, "MODEL v17 forest #182 11s"),
        ("", 140, "MODEL v17 #182 retrain in"),
    ],
)
def test_the_detector_in_force_is_named_where_there_is_room(directory, kind: str, size: int, said: str) -> None:
    snapshot = SnapshotReader(directory, fabricated.clock()).read()
    model = msgspec.structs.replace(snapshot.model, kind=kind)
    snapshot = msgspec.structs.replace(snapshot, model=model)
    line = plain(status_rows(snapshot, "live", size, UNICODE)[0])
    assert said in line
    assert len(line) <= size
