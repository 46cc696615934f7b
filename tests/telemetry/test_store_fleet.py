"""Questions about all satellites at once agree with the same questions asked one satellite at a time."""

from __future__ import annotations

from telemetry.alarms import Event
from telemetry.frame import Quality
from telemetry.store.reader import StoreReader
from telemetry.store.rows import RunRow, ScoredBatch


def test_each_satellite_was_heard_when_its_newest_live_frame_came(writer, store_path, batch, hk, pld) -> None:
    writer.append(
        [ScoredBatch(batch(hk, range(20), satellite="A")), ScoredBatch(batch(pld, [25], satellite="A"))], [], {}
    )
    writer.append([ScoredBatch(batch(hk, range(9), satellite="B"))], [], {})
    # A recording that comes down later says nothing about when the satellite was heard.
    writer.append([ScoredBatch(batch(hk, [50], satellite="B", quality=int(Quality.STORED)))], [], {})
    reader = StoreReader(store_path)
    found = reader.heard()
    assert set(found) == {"A", "B"}
    for name, one in found.items():
        frames = reader.newest(name).values()
        assert one.t_ns == max(frame.t_ns for frame in frames)
        assert one.received_ns == max(frame.received_ns for frame in frames)
    reader.close()


def test_promotions_come_once_and_leave_out_what_was_only_considered(writer, store_path) -> None:
    for retrain, decision, satellite in ((1, "promoted", "A"), (2, "kept", "A"), (3, "promoted", None)):
        version = retrain if decision == "promoted" else None
        writer.record_run(
            RunRow(retrain=retrain, at_ns=retrain, satellite=satellite, decision=decision, version=version)
        )
    reader = StoreReader(store_path)
    first, last = reader.promotions()
    assert [(p.satellite, p.version, p.at_ns) for p in (first, last)] == [("A", 1, 1), (None, 3, 3)]
    assert reader.promotions(first.id) == [last]
    assert reader.promotions(last.id) == []
    reader.close()


def test_the_journal_of_a_satellite_has_the_words_of_the_station_and_of_no_other(writer, store_path) -> None:
    events = [Event(i, name, "k.x", 0, "s") for i, name in enumerate(("A", "", "B", "A"))]
    writer.append([], events, {})
    reader = StoreReader(store_path)
    assert [(e.at_ns, e.satellite) for e in reader.journal_page(satellite="A")] == [(3, "A"), (1, ""), (0, "A")]
    assert len(reader.journal_page()) == 4
    reader.close()
