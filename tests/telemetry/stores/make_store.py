"""Writes `v<version>.db.gz` beside this file: a small store of the present schema version, to be committed once.

    python tests/telemetry/stores/make_store.py

A test opens each of these for ever, so a store that somebody has in orbit can always be read.
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import numpy as np

from telemetry.alarms import Event
from telemetry.clock import ManualClock
from telemetry.frame import Column, FrameBatch, Layout
from telemetry.store import schema
from telemetry.store.rows import HealthRow, RunRow, ScoreColumns, ScoredBatch
from telemetry.store.writer import StoreWriter

S = 1_000_000_000
BOOT = 1_790_000_000


def main() -> None:
    n = 150
    layout = Layout("hk", (Column("eps.bat_v", "V"), Column("obc.mode", "", ((1, "SAFE"), (3, "NOMINAL")))))
    seq = np.arange(n, dtype=np.int64)
    t_ns = BOOT * S + seq * S
    values = np.stack([7.5 + np.sin(seq / 20), np.full(n, 3.0)], axis=1)
    values[10, 0] = np.nan
    zeros = np.zeros(n, dtype=np.int64)
    batch = FrameBatch(layout, ("KESTREL-1",), zeros, zeros + BOOT, seq, t_ns, t_ns, zeros, values)
    score = ScoreColumns(zeros + 1, seq / n, 1 - seq / n, np.where(seq == 77, 2, 0), np.zeros((n, 3), np.float32))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "telemetry.db"
        writer = StoreWriter(path, ManualClock(BOOT * S))
        event = Event(at_ns=BOOT * S, satellite="KESTREL-1", kind="station.started")
        writer.append([ScoredBatch(batch, score)], [event], {"sim": "c150"})
        writer.record_run(RunRow(retrain=1, at_ns=BOOT * S, decision="promoted", version=1))
        writer.beat(HealthRow(station="main", beat_ns=BOOT * S))
        writer.close()
        packed = gzip.compress(path.read_bytes(), mtime=0)
    Path(__file__).with_name(f"v{schema.SCHEMA_VERSION}.db.gz").write_bytes(packed)


if __name__ == "__main__":
    main()
