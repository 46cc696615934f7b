"""The writer: one transaction for everything, nothing twice, nothing half."""

from __future__ import annotations

from pathlib import Path

import apsw
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.alarms import Event
from telemetry.clock import ManualClock
from telemetry.frame import Column, FrameBatch, Layout, Quality
from telemetry.store.errors import StoreError, StoreFull
from telemetry.store.reader import StoreReader
from telemetry.store.rows import ContactRow, HealthRow, RunRow, ScoreColumns, ScoredBatch
from telemetry.store.writer import StoreWriter


def event(kind: str = "alarm.raised", **fields) -> Event:
    return Event(at_ns=1, satellite="KESTREL-1", kind=kind, severity=2, **fields)


def scores(models: list[int], states: list[int] | None = None) -> ScoreColumns:
    n = len(models)
    return ScoreColumns(
        np.array(models, dtype=np.int64),
        np.arange(n) / 10,
        np.full(n, 0.5),
        np.array(states if states is not None else [0] * n, dtype=np.int64),
        np.arange(3 * n, dtype=np.float32).reshape(n, 3),
    )


def stored(path: Path) -> list[tuple[str, int, int]]:
    reader = StoreReader(path)
    rows = reader.page(limit=1_000_000).rows
    reader.close()
    return sorted((row.satellite, row.boot, row.seq) for row in rows)


def test_values_come_back_bit_for_bit(writer, store_path, batch, hk):
    odd = [[-0.0, 5e-324], [np.nan, np.inf], [0.1 + 0.2, -1.7976931348623157e308]]
    writer.append([ScoredBatch(batch(hk, [1, 2, 3], values=odd))], [], {})
    rows = StoreReader(store_path).page(limit=3).rows
    assert [row.values.tobytes() for row in reversed(rows)] == [np.array(one).tobytes() for one in odd]


def test_frames_scores_events_and_cursor_of_a_batch_appear_together(writer, store_path, batch, hk):
    reader = StoreReader(store_path)
    version = reader.data_version()
    result = writer.append(
        [ScoredBatch(batch(hk, [1, 2]), scores([7, 7], [0, 2]))], [event(subject="eps.bat_v")], {"sim": "c1"}
    )
    assert reader.data_version() != version
    assert (result.accepted, result.first_id, result.last_id, result.last_event) == (2, 1, 2, 1)
    assert [(row.model, row.state) for row in reader.page().rows] == [(7, 2), (7, 0)]
    assert [one.subject for one in reader.journal()] == ["eps.bat_v"]
    assert reader.cursor("sim") == "c1"
    assert writer.cursor("sim") == "c1"
    assert writer.cursor("replay") is None


def test_what_fails_on_the_way_leaves_nothing_and_the_writer_goes_on(writer, store_path, batch, hk, pld):
    class Unwritable:
        """Not JSON: fails after the frames were written, before the journal is."""

    with pytest.raises(TypeError):
        writer.append([ScoredBatch(batch(hk, [1, 2]))], [event(body={"x": Unwritable()})], {"sim": "c1"})
    reader = StoreReader(store_path)
    assert reader.page().rows == []
    assert reader.cursor("sim") is None
    assert reader.satellites() == ()
    result = writer.append([ScoredBatch(batch(pld, [1, 2]))], [event()], {})
    assert (result.accepted, result.first_id) == (2, 1)
    assert [row.layout.packet for row in reader.page().rows] == ["pld", "pld"]


def test_a_duplicate_is_counted_and_the_first_one_stays(writer, store_path, batch, hk):
    writer.append([ScoredBatch(batch(hk, [1, 2, 3]))], [], {})
    again = batch(hk, [2, 3, 4, 4], values=[[9, 9]] * 4)
    result = writer.append([ScoredBatch(again, scores([1, 1, 1, 1]))], [], {})
    assert (result.accepted, result.duplicates) == (1, 3)
    assert result.accepted_mask[0].tolist() == [False, False, True, False]
    rows = StoreReader(store_path).page().rows
    assert [(row.seq, row.values[0], row.score) for row in rows] == [
        (4, 9.0, 0.2),
        (3, 3.0, None),
        (2, 2.0, None),
        (1, 1.0, None),
    ]


def test_a_duplicate_in_another_packet_is_a_duplicate_too(writer, batch, hk, pld):
    result = writer.append([ScoredBatch(batch(hk, [1, 3, 5])), ScoredBatch(batch(pld, [2, 3, 4]))], [], {})
    assert (result.accepted, result.duplicates, result.late) == (5, 1, 0)


def test_duplicates_are_known_after_a_restart(writer, store_path, clock, batch, hk):
    writer.append([ScoredBatch(batch(hk, [1, 2, 3]))], [], {})
    writer.close()
    second = StoreWriter(store_path, clock)
    result = second.append([ScoredBatch(batch(hk, [3, 4]))], [], {})
    assert (result.accepted, result.duplicates, result.first_id) == (1, 1, 4)
    assert second.max_seq("KESTREL-1") == (1_790_000_000, 4, batch(hk, [4]).t_ns[0])
    assert second.max_seq("nobody") is None
    second.close()


def test_an_older_frame_is_stored_late_unless_it_was_recorded_on_board(writer, store_path, batch, hk):
    writer.append([ScoredBatch(batch(hk, [10]))], [], {})
    result = writer.append([ScoredBatch(batch(hk, [4, 12, 11, 13]))], [], {})
    assert (result.accepted, result.late) == (4, 2)
    result = writer.append([ScoredBatch(batch(hk, [5], quality=int(Quality.STORED)))], [], {})
    assert (result.accepted, result.late) == (1, 0)
    quality = {row.seq: Quality(row.quality) for row in StoreReader(store_path).page().rows}
    assert {seq for seq, marks in quality.items() if Quality.LATE in marks} == {4, 11}


def test_packets_that_share_a_sequence_are_not_late_because_they_arrive_apart(writer, batch, hk, pld):
    writer.append([ScoredBatch(batch(hk, [1, 3, 5]))], [], {})
    assert writer.append([ScoredBatch(batch(pld, [2, 4, 6]))], [], {}).late == 0


def test_a_frame_of_an_older_boot_is_late(writer, batch, hk):
    writer.append([ScoredBatch(batch(hk, [1], boot=200))], [], {})
    assert writer.append([ScoredBatch(batch(hk, [50], boot=100))], [], {}).late == 1


def test_negative_numbers_are_refused_and_counted(writer, batch, hk):
    result = writer.append([ScoredBatch(batch(hk, [-1, 0, 1]))], [], {})
    assert result.accepted == 2
    assert result.refused == {"boot or sequence number below zero": 1}


def test_values_that_do_not_fit_the_layout_are_an_error(writer, store_path, batch, hk, pld):
    one = batch(hk, [1])
    wrong = FrameBatch(
        pld, one.satellites, one.satellite, one.boot, one.seq, one.t_ns, one.received_ns, one.quality, one.values
    )
    with pytest.raises(ValueError, match="layout asks for"):
        writer.append([ScoredBatch(wrong)], [], {})
    assert StoreReader(store_path).page().rows == []


def test_rows_of_a_learning_detector_have_no_score(writer, store_path, batch, hk):
    writer.append([ScoredBatch(batch(hk, [1, 2, 3]), scores([0, 4, 0]))], [], {})
    reader = StoreReader(store_path)
    assert [row.model for row in reader.page().rows] == [None, 4, None]
    found = reader.scores("KESTREL-1")
    assert found.frame.tolist() == [2]
    assert found.axes.tolist() == [[3.0, 4.0, 5.0]]


@settings(max_examples=40)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(["A", "B"]), st.integers(1, 2), st.integers(0, 12)), max_size=8),
        max_size=8,
    )
)
def test_every_frame_is_stored_once_whatever_order_it_comes_in(tmp_path_factory, groups):
    path = tmp_path_factory.mktemp("store") / "telemetry.db"
    writer = StoreWriter(path, ManualClock(0))
    accepted = duplicates = 0
    for group in groups:
        if not group:
            continue
        frames = FrameBatch(
            Layout("hk", (Column("eps.bat_v"),)),
            ("A", "B"),
            np.array([int(name == "B") for name, _, _ in group]),
            np.array([boot for _, boot, _ in group]),
            np.array([seq for _, _, seq in group]),
            np.array([seq for _, _, seq in group]),
            np.array([seq for _, _, seq in group]),
            np.zeros(len(group), dtype=np.int64),
            np.array([[float(seq)] for _, _, seq in group]),
        )
        result = writer.append([ScoredBatch(frames)], [], {})
        accepted += result.accepted
        duplicates += result.duplicates
        assert int(result.accepted_mask[0].sum()) == result.accepted
    writer.close()
    wanted = sorted({frame for group in groups for frame in group})
    assert stored(path) == wanted
    assert accepted == len(wanted)
    assert duplicates == sum(map(len, groups)) - len(wanted)


def test_a_second_writer_is_told_in_a_sentence(writer, store_path, batch, hk):
    other = apsw.Connection(str(store_path))
    other.execute("BEGIN IMMEDIATE")
    writer._connection._raw.set_busy_timeout(1)
    with pytest.raises(StoreError, match="another program is writing"):
        writer.append([ScoredBatch(batch(hk, [1]))], [], {})
    other.execute("ROLLBACK")
    other.close()
    assert writer.append([ScoredBatch(batch(hk, [1]))], [], {}).accepted == 1


def test_a_run_is_recorded_once(writer, store_path):
    run = RunRow(retrain=5, at_ns=1, decision="promoted", version=2, threshold=0.6, body={"rows": [1, 2]})
    assert writer.record_run(run, [event("model.promoted")])
    assert not writer.record_run(run, [event("model.promoted")])
    reader = StoreReader(store_path)
    assert [(row.id, row.retrain, row.version, row.body) for row in reader.runs()] == [(1, 5, 2, {"rows": [1, 2]})]
    assert len(reader.journal()) == 1


def test_the_heartbeat_is_one_row_a_station(writer, store_path):
    for beat in (1, 2):
        writer.beat(HealthRow(station="main", beat_ns=beat, next_retrain_ns=9, body={"link": "LIVE"}))
    health = StoreReader(store_path).health()
    assert (health.beat_ns, health.next_retrain_ns, health.body) == (2, 9, {"link": "LIVE"})


def test_new_predictions_replace_old_ones_but_not_what_happened(writer, store_path, clock):
    now = clock.now_ns()

    def contact(begin: int) -> ContactRow:
        return ContactRow(satellite="K", station="Munich", acquisition_ns=begin, loss_ns=begin + 100, max_el_deg=40)

    writer.replace_contacts("K", [contact(now - 500), contact(now + 500)])
    writer.replace_contacts("K", [contact(now + 700)])
    found = StoreReader(store_path).contacts(0, 2**62)
    assert [one.acquisition_ns - now for one in found] == [-500, 700]


@pytest.fixture
def small_disk(tmp_path: Path, mount_small) -> Path:
    """A real file system of 3 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount_small(place, "3m")
    return place


def fill(writer: StoreWriter, batch, hk, start: int) -> int:
    """Append until the disk is full; returns the next sequence number that was not stored."""
    while True:
        try:
            writer.append([ScoredBatch(batch(hk, range(start, start + 500)))], [event()], {"sim": str(start)})
        except StoreFull:
            return start
        start += 500


def test_a_full_disk_loses_nothing_that_was_confirmed_and_heals(small_disk, clock, batch, hk):
    path = small_disk / "telemetry.db"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (1 << 20))
    writer = StoreWriter(path, clock)
    reached = fill(writer, batch, hk, 0)
    assert reached >= 500
    with pytest.raises(StoreFull, match="DISK FULL"):
        writer.append([ScoredBatch(batch(hk, range(reached, reached + 500)))], [event()], {"sim": "x"})
    reader = StoreReader(path)
    assert len(reader.page(limit=100_000).rows) == reached
    assert len(reader.journal()) == reached // 500
    assert reader.cursor("sim") == str(reached - 500)
    ballast.unlink()
    result = writer.append([ScoredBatch(batch(hk, range(reached, reached + 500)))], [event()], {"sim": "y"})
    assert (result.accepted, result.duplicates) == (500, 0)
    assert reader.integrity() == "ok"
    reader.close()
    writer.close()


def test_a_store_at_its_page_limit_is_full_too(writer, store_path, batch, hk):
    writer._connection.pragma("max_page_count", int(writer._connection.pragma("page_count")) + 12)
    reached = fill(writer, batch, hk, 0)
    writer._connection.pragma("max_page_count", 1_000_000)
    assert writer.append([ScoredBatch(batch(hk, range(reached, reached + 500)))], [], {}).accepted == 500
    assert len(stored(store_path)) == reached + 500


def test_the_log_is_moved_into_the_file_while_writing(writer, store_path, batch, hk):
    for start in range(0, 40_000, 1000):
        writer.append([ScoredBatch(batch(hk, range(start, start + 1000)))], [], {})
    log = store_path.with_name("telemetry.db-wal").stat().st_size
    assert log < 10 << 20
    assert writer.checkpoint(truncate=True)
    assert store_path.with_name("telemetry.db-wal").stat().st_size == 0


def test_a_reader_between_two_calls_does_not_stop_checkpoints(writer, store_path, batch, hk):
    reader = StoreReader(store_path)
    writer.append([ScoredBatch(batch(hk, range(1000)))], [], {})
    reader.page()
    walk = reader.rows_from(chunk=100)
    next(walk)
    writer.append([ScoredBatch(batch(hk, range(1000, 2000)))], [], {})
    writer._connection._raw.set_busy_timeout(1)
    assert writer.checkpoint(truncate=True)
    assert sum(len(chunk) for chunk in walk) == 900
