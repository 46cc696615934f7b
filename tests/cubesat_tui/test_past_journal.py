"""The journal as of a moment equals the fold of every event up to it, however it was read."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from cubesat_tui.past_journal import PastJournal
from telemetry.alarms import ACKNOWLEDGED, CLEARED, RAISED, RETURNED, SEVERITY, UPDATED, Event, fold_all
from telemetry.clock import ManualClock
from telemetry.store.reader import StoreReader
from telemetry.store.writer import StoreWriter

KINDS = (RAISED, SEVERITY, UPDATED, ACKNOWLEDGED, RETURNED, CLEARED, "station.started", "gap.found")
events = st.lists(
    # (kind, subject, satellite, step of the clock: seldom back)
    st.tuples(
        st.sampled_from(KINDS), st.sampled_from("abc"), st.sampled_from(["A", "A", "B", ""]), st.integers(-3, 9)
    ),
    min_size=12,
    max_size=60,
)


def journal_of(drawn) -> list[Event]:
    out, at = [], 1000
    for kind, subject, satellite, step in drawn:
        at += step if step > -3 else -40
        body = {"kind": "limit", "level": 2, "count": len(out), "text": f"{kind} {len(out)}"}
        out.append(Event(at, satellite, kind, 2, subject, "ann", body))
    return out


@settings(max_examples=60)
@given(
    drawn=events,
    chapter=st.integers(1, 12),
    stops=st.integers(0, 60),
    untaken=st.integers(0, 15),
    beside=st.lists(st.tuples(st.integers(0, 59), st.integers(-1, 1)), min_size=3, max_size=8),
    satellite=st.sampled_from([None, "A"]),
)
def test_alarms_and_events_at_a_moment_are_those_of_every_event_up_to_it(
    drawn, chapter, stops, untaken, beside, satellite
) -> None:
    written = journal_of(drawn)
    moments = [written[i % len(written)].at_ns + step for i, step in beside]
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "telemetry.db")
        writer = StoreWriter(path, ManualClock(0))
        writer._connection.pragma("synchronous", "off")
        reader, past = StoreReader(path), PastJournal(chapter)
        taken = 0
        for part in (written[:stops], written[stops:]):
            # The journal grows while somebody looks at the past; the newest of it nobody may have taken yet.
            writer.append([], part, {})
            known = reader.journal()
            upto = max(taken, len(known) - untaken)
            past.take(known[taken:upto])
            taken = upto
            assert past.newest == fold_all(known[:taken])
            for moment in moments:
                then = [event for event in known if event.at_ns <= moment]
                assert past.alarms(reader, moment) == fold_all(then)
                told = [
                    e for e in reversed(then) if e.kind != UPDATED and satellite in (None, e.satellite or satellite)
                ]
                assert past.events(reader, moment, satellite, 5) == told[:5]
                raised = [e.at_ns for e in known if e.kind == RAISED and e.satellite == "A"]
                later = reader.event_beside(RAISED, "A", moment, later=True)
                before = reader.event_beside(RAISED, "A", moment, later=False)
                assert (later and later.at_ns) == min((t for t in raised if t > moment), default=None)
                assert (before and before.at_ns) == max((t for t in raised if t < moment), default=None)
        writer.close()
        reader.close()


def test_a_moment_costs_one_chapter_however_long_the_journal_is(tmp_path, monkeypatch) -> None:
    path = tmp_path / "telemetry.db"
    writer = StoreWriter(path, ManualClock(0))
    body = {"kind": "limit", "level": 2, "text": "x"}
    kinds = (RAISED, UPDATED, RETURNED, ACKNOWLEDGED)
    writer.append([], [Event(i, "A", kinds[i % 4], 2, "a", "", body) for i in range(5000)], {})
    writer.close()
    reader, past = StoreReader(path), PastJournal(100)
    past.take(reader.journal())
    read = 0
    whole = reader.journal

    def counted(after_id: int = 0, limit: int = 10_000) -> list[Event]:
        nonlocal read
        rows = whole(after_id, limit)
        read += len(rows)
        return rows

    monkeypatch.setattr(reader, "journal", counted)
    for moment in (0, 777, 2501, 4999, 9999):
        read = 0
        past.alarms(reader, moment)
        assert read <= 100
    reader.close()
