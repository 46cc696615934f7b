"""kill -9 inside a transaction and inside a checkpoint: what was confirmed is there, whole and once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.clock import ManualClock
from telemetry.store.reader import StoreReader
from telemetry.store.writer import StoreWriter

# Appends batches of ten frames with one event each and says on stdout which are confirmed.
PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from telemetry.alarms import Event
from telemetry.clock import ManualClock
from telemetry.frame import Column, FrameBatch, Layout
from telemetry.store import writer as module
from telemetry.store.rows import ScoredBatch

module.CHECKPOINT_PAGES = 20
writer = module.StoreWriter(Path(sys.argv[1]), ManualClock(0))
newest = writer.max_seq("A")
start = 0 if newest is None else newest[1] + 1
layout = Layout("hk", (Column("eps.bat_v"),))
zeros = np.zeros(10, dtype=np.int64)
for first in range(start, start + 500, 10):
    seqs = np.arange(first, first + 10)
    batch = FrameBatch(layout, ("A",), zeros, zeros, seqs, seqs, seqs, zeros, seqs[:, None] * 1.0)
    event = Event(at_ns=0, satellite="A", kind="x", subject=str(first))
    writer.append([ScoredBatch(batch)], [event], {"sim": str(first)})
    print(first, flush=True)
"""


@pytest.mark.parametrize(
    "point", ["ingest:1", "ingest:7", "ingest:30", "checkpoint:1", "checkpoint:2", "checkpoint:5"]
)
def test_a_kill_loses_no_confirmed_frame_and_splits_no_batch(tmp_path: Path, point: str):
    path = tmp_path / "telemetry.db"
    confirmed: list[int] = []
    for kill_at in (point, ""):
        environment = {**os.environ, "CUBESAT_TUI_KILL_AT": kill_at}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(path)], env=environment, capture_output=True, text=True
        )
        assert done.returncode == (-signal.SIGKILL if kill_at else 0), done.stderr
        confirmed += [int(line) for line in done.stdout.split()]
        if not path.exists():
            continue
        StoreWriter(path, ManualClock(0)).close()
        reader = StoreReader(path)
        seqs = [row.seq for row in reversed(reader.page(limit=100_000).rows)]
        subjects = [int(event.subject) for event in reader.journal()]
        assert seqs == list(range(len(seqs)))
        assert set(confirmed) <= set(subjects)
        assert [seq for seq in seqs if seq % 10 == 0] == subjects
        assert len(seqs) == 10 * len(subjects)
        assert reader.integrity() == "ok"
        reader.close()
    assert len(confirmed) >= 50
