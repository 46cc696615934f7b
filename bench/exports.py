"""Export of a ledger beside `pandas.to_csv`, per CPU second, and the memory it takes.

Ours is the whole exporter as it is used (process start, imports, reading the store, file, manifest). pandas gets
its table ready made in memory and only `to_csv` is measured, so the ratio is a lower bound.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.figure import Figure, peak_rss_mb
from telemetry.clock import SystemClock
from telemetry.frame import Column, FrameBatch, Layout, Quality
from telemetry.store.directory import MissionDirectory
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter

CHANNELS = 25
"""With the times, identity, quality and validity columns a row has 32."""
ROWS = 1_000_000
PANDAS_ROWS = 200_000
BATCH = 10_000
T0 = 1_795_331_600_000_000_000


def measure(quick: bool = False) -> Iterator[Figure]:
    """Rows per CPU second of both, their ratio, and the exporter's peak memory at two sizes."""
    rows = 100_000 if quick else ROWS
    with tempfile.TemporaryDirectory(prefix="cubesat-bench-") as folder:
        small, large = Path(folder, "small"), Path(folder, "large")
        make_mission(small, rows // 10)
        make_mission(large, rows)
        _, small_rss = export(small)
        cpu, large_rss = export(large)
    ours = rows / cpu
    pandas = pandas_rate(PANDAS_ROWS if not quick else 20_000)
    beside = f"pandas.to_csv {pandas:,.0f} rows/CPU s"
    yield Figure(f"CSV export of {rows:,} x 32", ours, "rows/CPU s", beside=beside)
    yield Figure("CSV export: times pandas.to_csv per CPU second", ours / pandas, "x", at_least=6, beside=beside)
    yield Figure("CSV export: peak memory", large_rss, "MB", at_most=160, beside=f"{small_rss:.0f} MB at a tenth")
    growth = 100 * (large_rss / small_rss - 1)
    yield Figure("CSV export: growth of memory over 10 x the rows", growth, "%", at_most=10)


def table(rows: int, seed: int = 1) -> np.ndarray:
    """float64[rows, CHANNELS]: values with three decimals as sensors send them, two columns at full width."""
    random = np.random.default_rng(seed)
    values = np.round(random.normal(20, 5, (rows, CHANNELS)), 3)
    values[:, :2] = random.normal(size=(rows, 2))
    return values


def make_mission(path: Path, rows: int) -> None:
    """A mission directory whose store holds `rows` frames of one packet."""
    directory = MissionDirectory(path)
    directory.create()
    names = [f"eps.v{i:02d}" for i in range(CHANNELS)]
    channels = "".join(f'[[bus.b.channel]]\nname = "{name}"\nlabel = "{name}"\nunit = "V"\n' for name in names)
    directory.toml.write_text(
        f'schema = 1\n[[satellite]]\nname = "BENCH"\nbus = "b"\n{channels}[bus.b]\n[source]\nkind = "stream"\n'
    )
    layout = Layout("hk", tuple(Column(name, "V") for name in names))
    writer = StoreWriter(directory.telemetry, SystemClock())
    for start in range(0, rows, BATCH):
        n = min(BATCH, rows - start)
        seq = np.arange(start, start + n, dtype=np.int64)
        t_ns = T0 + seq * 1_000_000_000
        whole = np.zeros(n, np.int64)
        batch = FrameBatch(
            layout,
            ("BENCH",),
            whole,
            whole + T0 // 1_000_000_000,
            seq,
            t_ns,
            t_ns + 250_000_000,
            whole + int(Quality.SIMULATED),
            table(n, seed=start + 1),
        )
        writer.append([ScoredBatch(batch)], [], {})
    writer.checkpoint(truncate=True)
    writer.close()


def export(mission: Path) -> tuple[float, float]:
    """CPU seconds and peak memory (MB) of the exporter's process."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "exports"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert child.stdin is not None
    asked = {"mission": str(mission), "path": str(mission / "out.csv"), "anomaly_columns": False}
    child.stdin.write(json.dumps(asked).encode() + b"\n")
    child.stdin.flush()
    peak = 0.0
    while True:
        peak = max(peak, peak_rss_mb(child.pid))
        pid, status, used = os.wait4(child.pid, os.WNOHANG)
        if pid:
            break
        time.sleep(0.02)
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stdin.close()
    if child.returncode != 0:
        raise RuntimeError(f"the exporter ended with code {child.returncode}")
    return used.ru_utime + used.ru_stime, peak


def pandas_rate(rows: int) -> float:
    """Rows per CPU second of `DataFrame.to_csv` on the same columns."""
    import pandas as pd

    t_ns = T0 + np.arange(rows, dtype=np.int64) * 1_000_000_000
    values = table(rows)
    frame = pd.DataFrame(
        {
            "generation_time": pd.to_datetime(t_ns, utc=True),
            "reception_time": pd.to_datetime(t_ns + 250_000_000, utc=True),
            "satellite": "BENCH",
            "boot": T0 // 1_000_000_000,
            "seq": np.arange(rows),
            "quality": "simulated",
            **{f"eps.v{i:02d}": values[:, i] for i in range(CHANNELS)},
            "invalid": "",
        }
    )
    begun = time.process_time()
    frame.to_csv(_Nowhere(), index=False)
    return rows / (time.process_time() - begun)


class _Nowhere(io.TextIOBase):
    """Takes text and forgets it."""

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        return len(text)
