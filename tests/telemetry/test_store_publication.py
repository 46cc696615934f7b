"""The store as outbox: what goes next, under which key, and what is done with; nothing twice, nothing left out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from telemetry.alarms import Event
from telemetry.frame import Column, FrameBatch, Layout
from telemetry.links.link_keys import StreamKey
from telemetry.store.reader import StoreReader
from telemetry.store.rows import RunRow, ScoreColumns, ScoredBatch
from telemetry.store.writer import StoreWriter

START = 1_795_400_000


def key(first: int, stream: str = "frames", start: int = START) -> str:
    return StreamKey(stream, start, first).text


def scored(batch: FrameBatch, models: list[int]) -> ScoredBatch:
    n = len(models)
    axes = np.arange(3 * n, dtype=np.float32).reshape(n, 3) / 7
    columns = ScoreColumns(np.array(models), np.arange(n) / 3, np.full(n, 0.125), np.zeros(n, np.int64), axes)
    return ScoredBatch(batch, columns)


@pytest.fixture
def reader(writer, store_path):
    opened = StoreReader(store_path)
    yield opened
    opened.close()


def test_frames_come_out_of_the_store_as_they_went_in(writer, reader, batch, hk, pld):
    odd = [[-0.0, np.nan], [np.inf, 5e-324], [2.0**53, 0.1]]
    times = [-(2**62), 0, 2**62]
    writer.append([ScoredBatch(batch(hk, [1, 2, 3], values=odd, t_ns=times, quality=[8, 9, 4]))], [], {})
    writer.append([ScoredBatch(batch(pld, [4], satellite="KESTREL-2", boot=7))], [], {})
    writer.append([ScoredBatch(batch(hk, [5, 6], satellite="KESTREL-2", boot=7))], [], {})
    house, payload = reader.outgoing.frames_between(1, 6)
    assert (house.layout, payload.layout) == (hk, pld)
    assert [house.satellites[i] for i in house.satellite] == ["KESTREL-1"] * 3 + ["KESTREL-2"] * 2
    assert house.values[:3].tobytes() == np.array(odd).tobytes()
    assert house.t_ns[:3].tolist() == times
    assert house.received_ns[:3].tolist() == [t + 5 for t in times]
    assert house.quality[:3].tolist() == [8, 9, 4]
    assert list(zip(house.boot[3:], house.seq[3:], strict=True)) == [(7, 5), (7, 6)]
    assert payload.values.tolist() == [[4.0]]
    assert [len(one) for one in reader.outgoing.frames_between(3, 4)] == [1, 1]
    assert reader.outgoing.frames_between(7, 9) == []


def test_newest_ids_tell_each_stream_from_the_others(writer, reader, batch, hk):
    assert reader.outgoing.newest_ids() == {"frames": 0, "scores": 0, "journal": 0, "runs": 0}
    events = [Event(at_ns=1, satellite="KESTREL-1", kind="x") for _ in range(4)]
    writer.append([scored(batch(hk, [1, 2, 3]), [7, 7, 0])], events, {})
    writer.record_run(RunRow(retrain=1, at_ns=5, decision="kept"))
    assert reader.outgoing.newest_ids() == {"frames": 3, "scores": 2, "journal": 4, "runs": 1}


def test_ranges_follow_on_each_other_and_leave_nothing_out(writer, reader, batch, hk):
    for first in range(0, 700, 70):
        models = [7 if seq % 3 == 0 else 0 for seq in range(first, first + 70)]
        writer.append([scored(batch(hk, range(first, first + 70)), models)], [], {})
    for stream, newest in (("frames", 700), ("scores", 700)):
        after, rows = 0, []
        while (found := reader.outgoing.next_range(stream, after, 100)) is not None:
            first, last = found
            assert first == after + 1
            frames = reader.outgoing.frames_between(*found)
            held = frames[0].seq if stream == "frames" else reader.outgoing.scores_between(*found).seq
            assert 0 < len(held) <= 100
            rows += held.tolist()
            after = last
        assert after == newest
        assert rows == list(range(0, 700, 1 if stream == "frames" else 3))
    assert reader.outgoing.next_range("journal", 0) is None


def test_a_range_of_wide_frames_stays_below_what_a_link_takes(writer, reader):
    wide = Layout("wide", tuple(Column(f"x.c{i}") for i in range(1000)))
    n = 200
    numbers, zeros = np.arange(n), np.zeros(n, dtype=np.int64)
    values = np.zeros((n, 1000))
    batch = FrameBatch(wide, ("A",), zeros, zeros, numbers, numbers, numbers, zeros, values)
    writer.append([ScoredBatch(batch)], [], {})
    assert reader.outgoing.next_range("frames", 0) == (1, 512 * 1024 // 8000)
    assert reader.outgoing.next_range("frames", 199) == (200, 200)


def test_a_frame_that_is_larger_than_a_record_should_be_goes_alone(writer, reader, batch, hk, monkeypatch):
    monkeypatch.setattr("telemetry.store.publication.MOST_VALUES", 8)
    writer.append([ScoredBatch(batch(hk, [1, 2]))], [], {})
    assert reader.outgoing.next_range("frames", 0) == (1, 1)


def test_scores_events_and_runs_come_out_with_what_they_are_about(writer, reader, batch, hk):
    events = [Event(at_ns=i, satellite="KESTREL-1", kind="note", body={"text": "é"}) for i in range(3)]
    writer.append([scored(batch(hk, [4, 5, 6]), [7, 0, 8])], events, {})
    run = RunRow(retrain=3, at_ns=9, satellite="KESTREL-1", decision="promoted", version=2, body={"a": [1, None]})
    writer.record_run(run)
    scores = reader.outgoing.scores_between(1, 3)
    assert scores.satellites == ("KESTREL-1",)
    assert scores.seq.tolist() == [4, 6]
    assert (scores.columns.model.tolist(), scores.columns.score.tolist()) == ([7, 8], [0.0, 2 / 3])
    assert scores.columns.axes.tobytes() == (np.arange(9, dtype=np.float32).reshape(3, 3) / 7)[[0, 2]].tobytes()
    assert len(reader.outgoing.scores_between(4, 9)) == 0
    assert [(one.id, one.at_ns, one.body) for one in reader.outgoing.events_between(2, 3)] == [
        (2, 1, {"text": "é"}),
        (3, 2, {"text": "é"}),
    ]
    (found,) = reader.outgoing.runs_between(1, 1)
    assert (found.retrain, found.version, found.body) == (3, 2, {"a": [1, None]})


def test_a_range_is_on_its_way_until_it_is_done_with(writer, store_path, clock):
    assert writer.publication.sent_until("frames") == 0
    writer.publication.publish_range(key(1), 1, 60)
    writer.publication.publish_range(key(61), 61, 61)
    writer.publication.publish_range(key(9, "journal"), 9, 12)
    writer.close()
    again = StoreWriter(store_path, clock)
    publication = again.publication
    assert publication.unpublished() == [(key(1), 1, 60), (key(61), 61, 61), (key(9, "journal"), 9, 12)]
    assert publication.published(key(1))
    assert not publication.published(key(1))
    assert (publication.sent_until("frames"), publication.sent_until("journal")) == (60, 0)
    assert publication.unpublished("frames") == [(key(61), 61, 61)]
    assert publication.published(key(9, "journal"))
    assert publication.sent_until("journal") == 12
    again.close()


def test_a_range_told_again_stays_what_it_is(writer):
    publication = writer.publication
    publication.publish_range(key(1), 1, 60)
    publication.publish_range(key(1), 1, 60)
    assert publication.unpublished() == [(key(1), 1, 60)]


@pytest.mark.parametrize(
    ("of", "first", "last"),
    [
        (key(1), 1, 61),
        (key(60), 60, 70),
        (key(62), 62, 70),
        (key(61, start=START - 1), 61, 70),
        (key(62), 61, 70),
        (key(61), 61, 60),
        ("f1_1", 61, 62),
        (key(61, start=START + 5)[1:], 61, 62),
    ],
    ids=["another end", "overlap", "hole", "sorts before", "another first", "empty", "no key", "no letter"],
)
@pytest.mark.parametrize("arrived", [False, True])
def test_no_row_goes_out_twice_and_none_is_left_out(writer, of, first, last, arrived):
    writer.publication.publish_range(key(1), 1, 60)
    if arrived:
        writer.publication.published(key(1))
    before = writer.publication.unpublished()
    with pytest.raises(ValueError):
        writer.publication.publish_range(of, first, last)
    assert writer.publication.unpublished() == before
    writer.publication.publish_range(key(61), 61, 70)


def test_a_clock_put_back_gives_no_key_that_sorts_before_an_older_one(writer):
    publication = writer.publication
    assert publication.start_after(START) == START
    publication.publish_range(key(1), 1, 5)
    assert publication.start_after(START - 3600) == START + 1
    publication.published(key(1))
    assert publication.start_after(START - 3600) == START + 1
    assert publication.start_after(START + 9) == START + 9


def test_cursors_of_the_streams_of_a_link_are_kept_apart(writer, store_path):
    writer.append([], [], {"firebase": "f", "firebase/scores": "s", "firebase/journal": "j"})
    writer.publication.publish_range(key(1), 1, 5)
    writer.publication.published(key(1))
    assert [writer.cursor("firebase", stream) for stream in ("frames", "scores", "journal")] == ["f", "s", "j"]


PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from telemetry.clock import ManualClock
from telemetry.frame import Column, FrameBatch, Layout
from telemetry.links.link_keys import StreamKey
from telemetry.store.reader import StoreReader
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter

writer = StoreWriter(Path(sys.argv[1]), ManualClock(0))
reader = StoreReader(Path(sys.argv[1]))
publication, outgoing = writer.publication, reader.outgoing
if writer.max_seq("A") is None:
    seqs, zeros = np.arange(200), np.zeros(200, dtype=np.int64)
    layout = Layout("hk", (Column("eps.bat_v"),))
    batch = FrameBatch(layout, ("A",), zeros, zeros, seqs, seqs, seqs, zeros, seqs[:, None] * 1.0)
    writer.append([ScoredBatch(batch)], [], {})
start = publication.start_after(1000)

def send(key, first, last):
    print(key, first, last, flush=True)
    publication.published(key)

for one in publication.unpublished():
    send(*one)
sizes = int(sys.argv[2])
while found := outgoing.next_range("frames", publication.sent_until("frames"), sizes):
    key = StreamKey("frames", start, found[0]).text
    publication.publish_range(key, *found)
    send(key, *found)
"""


@pytest.mark.parametrize("point", [f"publication:{n}" for n in (1, 2, 3, 6, 11, 12)])
def test_after_a_kill_the_same_range_goes_out_under_the_same_key(tmp_path: Path, point: str):
    sent: list[tuple[str, int, int]] = []
    # Other sizes the second time: what is on its way must not be cut anew.
    for kill_at, size in ((point, "7"), ("", "50")):
        environment = {**os.environ, "CUBESAT_TUI_KILL_AT": kill_at}
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / "telemetry.db"), size]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == (-signal.SIGKILL if kill_at else 0), done.stderr
        for line in done.stdout.splitlines():
            of, first, last = line.split()
            sent.append((of, int(first), int(last)))
    ranges: dict[str, tuple[int, int]] = {}
    for of, first, last in sent:
        assert ranges.setdefault(of, (first, last)) == (first, last)
    in_order = [ranges[of] for of in sorted(ranges)]
    assert [first for first, _ in in_order] == [1, *(last + 1 for _, last in in_order[:-1])]
    assert in_order[-1][1] == 200
