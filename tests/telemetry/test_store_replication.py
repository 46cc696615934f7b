"""What another station judged, in the store of one who follows it: once, with its frame, and never forgotten."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from telemetry.alarms import Event
from telemetry.store.reader import StoreReader
from telemetry.store.rows import RunRow, ScoreBatch, ScoreColumns, ScoredBatch

BOOT = 1_790_000_000


def opinions(seqs: list[int], *, model: int = 7, state: int = 0, satellite: str = "KESTREL-1") -> ScoreBatch:
    n = len(seqs)
    numbers = np.array(seqs, dtype=np.int64)
    axes = np.column_stack([numbers, numbers, numbers]).astype(np.float32)
    columns = ScoreColumns(np.full(n, model), numbers / 8, np.full(n, 0.5), np.full(n, state), axes)
    return ScoreBatch((satellite,), np.zeros(n, np.int64), np.full(n, BOOT), numbers, columns)


def run(retrain: int, at_ns: int = 1, **fields) -> RunRow:
    return RunRow(retrain=retrain, at_ns=at_ns, satellite="KESTREL-1", decision="kept", **fields)


@pytest.fixture
def reader(writer, store_path):
    opened = StoreReader(store_path)
    yield opened
    opened.close()


def test_an_opinion_stands_beside_its_frame(writer, reader, batch, hk):
    # Other ids than the owner's: frames of two satellites came in another order here.
    writer.append([ScoredBatch(batch(hk, [5, 6], satellite="KESTREL-2"))], [], {})
    writer.append([ScoredBatch(batch(hk, [5, 6, 7]))], [], {})
    missing = writer.replication.apply_scores(opinions([7, 5], state=2), {"firebase/scores": "c"})
    assert len(missing) == 0
    rows = {(row.satellite, row.seq): (row.model, row.score, row.state) for row in reader.page().rows}
    assert rows["KESTREL-1", 7] == (7, 7 / 8, 2)
    assert rows["KESTREL-1", 5] == (7, 5 / 8, 2)
    assert rows["KESTREL-2", 5] == (None, None, None)
    scores = reader.scores("KESTREL-1")
    assert scores.axes.tolist() == [[5, 5, 5], [7, 7, 7]]
    assert scores.t_ns.tolist() == [batch(hk, [seq]).t_ns[0] for seq in (5, 7)]
    assert writer.cursor("firebase", "scores") == "c"


def test_opinions_wait_for_their_frames_and_the_cursor_waits_with_them(writer, reader, batch, hk):
    writer.append([ScoredBatch(batch(hk, [1]))], [], {"firebase/scores": "before"})
    scores, cursors = opinions([1, 2, 3]), {"firebase/scores": "after"}
    missing = writer.replication.apply_scores(scores, cursors)
    assert (missing.seq.tolist(), missing.columns.score.tolist()) == ([2, 3], [0.25, 0.375])
    assert writer.cursor("firebase", "scores") == "before"
    writer.append([ScoredBatch(batch(hk, [2, 3]))], [], {})
    assert len(writer.replication.apply_scores(scores, cursors)) == 0
    assert writer.cursor("firebase", "scores") == "after"
    assert reader.scores("KESTREL-1").score.tolist() == [0.125, 0.25, 0.375]


def test_opinions_on_frames_that_never_come_do_not_hold_the_stream_up(writer, batch, hk):
    writer.append([ScoredBatch(batch(hk, [1]))], [], {})
    scores = opinions([1, 2])
    missing = writer.replication.apply_scores(scores, {"firebase/scores": "c"}, give_up=True)
    assert missing.seq.tolist() == [2]
    assert writer.cursor("firebase", "scores") == "c"
    unheard = writer.replication.apply_scores(opinions([1], satellite="NOBODY"), {})
    assert len(unheard) == 1


def test_a_later_opinion_takes_the_place_of_the_one_before_it(writer, reader, batch, hk):
    writer.append([ScoredBatch(batch(hk, [1]))], [], {})
    writer.replication.apply_scores(opinions([1], model=7, state=2), {})
    writer.replication.apply_scores(opinions([1], model=8, state=0), {})
    assert [(row.model, row.state) for row in reader.page().rows] == [(8, 0)]
    writer.replication.apply_scores(ScoreBatch.empty(), {"firebase/scores": "c"})
    assert writer.cursor("firebase", "scores") == "c"


def test_a_considered_fit_is_recorded_once(writer, reader):
    assert writer.replication.apply_runs([run(1, 10), run(2, 20, version=1)], {"firebase/runs": "a"}) == 2
    assert writer.replication.apply_runs([run(2, 20, version=1), run(3, 30)], {"firebase/runs": "b"}) == 1
    assert [(one.retrain, one.version) for one in reader.runs()] == [(3, None), (2, 1), (1, None)]
    assert writer.cursor("firebase", "runs") == "b"


def test_the_fits_of_a_new_owner_take_the_place_of_those_it_counts_anew(writer, reader):
    writer.replication.apply_runs([run(1, 10), run(2, 20)], {})
    assert writer.replication.apply_runs([run(1, 99)], {}) == 1
    assert writer.replication.apply_runs([run(1, 10)], {}) == 0
    assert [(one.retrain, one.at_ns) for one in reader.runs()] == [(1, 99), (2, 20)]


PROGRAM = """
import sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[2])
from test_store_replication import BOOT, opinions, run
from telemetry.clock import ManualClock
from telemetry.frame import Column, FrameBatch, Layout
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter

writer = StoreWriter(Path(sys.argv[1]), ManualClock(0))
if writer.max_seq("KESTREL-1") is None:
    seqs, zeros = np.arange(100), np.zeros(100, dtype=np.int64)
    layout = Layout("hk", (Column("eps.bat_v"),))
    batch = FrameBatch(layout, ("KESTREL-1",), zeros, zeros + BOOT, seqs, seqs, seqs, zeros, seqs[:, None] * 1.0)
    writer.append([ScoredBatch(batch)], [], {})
for first in range(int(writer.cursor("firebase", "scores") or 0), 100, 10):
    writer.replication.apply_scores(opinions(list(range(first, first + 10))), {"firebase/scores": str(first + 10)})
for retrain in range(int(writer.cursor("firebase", "runs") or 0), 10):
    writer.replication.apply_runs([run(retrain)], {"firebase/runs": str(retrain + 1)})
"""


@pytest.mark.parametrize("point", [f"replication:{n}" for n in (1, 4, 11, 15)])
def test_after_a_kill_what_the_cursor_says_is_applied_and_nothing_else(tmp_path: Path, point: str):
    path = tmp_path / "telemetry.db"
    for kill_at in (point, ""):
        environment = {**os.environ, "CUBESAT_TUI_KILL_AT": kill_at}
        command = [sys.executable, "-c", PROGRAM, str(path), str(Path(__file__).parent)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == (-signal.SIGKILL if kill_at else 0), done.stderr
        reader = StoreReader(path)
        scored = int(reader.cursor("firebase", "scores") or 0)
        recorded = int(reader.cursor("firebase", "runs") or 0)
        assert reader.outgoing.scores_between(1, 100).seq.tolist() == list(range(scored))
        assert sorted(one.retrain for one in reader.runs()) == list(range(recorded))
        assert reader.integrity() == "ok"
        reader.close()
    assert (scored, recorded) == (100, 10)


def test_events_of_the_owner_are_numbered_here(writer, reader):
    own = Event(at_ns=1, satellite="", kind="link.up")
    theirs = [Event(at_ns=2, satellite="KESTREL-1", kind="alarm.raised", id=900)]
    writer.append([], [own], {})
    writer.append([], theirs, {"firebase/journal": "c"})
    assert [(one.id, one.kind) for one in reader.journal()] == [(1, "link.up"), (2, "alarm.raised")]
