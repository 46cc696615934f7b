"""The mission store: ingest beside raw apsw, and what a page costs in a small and in a very large store.

Raw apsw is `executemany` of tuples made beforehand into the same table with the same indices, the same PRAGMAs and
the same frames per transaction; ours also finds duplicates, keeps the tracks and writes the blocks.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import apsw
import numpy as np

from bench.figure import Figure
from bench.spent import cpu_s, ms
from telemetry.clock import SystemClock, iso
from telemetry.dictionary import Bus, Channel, Mission, Satellite
from telemetry.frame import FrameBatch
from telemetry.query import parse
from telemetry.store.reader import StoreReader
from telemetry.store.rows import Key, ScoreColumns, ScoredBatch
from telemetry.store.writer import StoreWriter

CHANNELS = 32
SMALL, LARGE = 100_000, 10_000_000
S = 1_000_000_000
T0 = 1_700_000_000 * S
BUS = Bus("3u", tuple(Channel(f"eps.c{i}", f"Channel {i}") for i in range(CHANNELS)))
LAYOUT = BUS.layouts["hk"]


def measure(quick: bool = False) -> list[Figure]:
    """All figures; `quick` takes a store of one million frames for the large one."""
    large = LARGE // 10 if quick else LARGE
    with tempfile.TemporaryDirectory(prefix="cubesat-tui-bench-") as folder:
        figures = _ingest(Path(folder))
        small, _ = _pages(Path(folder) / "small.db", SMALL)
        big, filters = _pages(Path(folder) / "large.db", large)
    return [
        *figures,
        Figure(f"page of 50 at {SMALL:,} frames, p50", small, "ms"),
        Figure(
            f"page of 50 at {large:,} frames, p50", big, "ms", at_most=1.0, beside=f"{small:.2f} ms at {SMALL:,}"
        ),
        Figure(f"page at {large:,} over page at {SMALL:,}", big / small, "x", at_most=2.0, beside="keyset on both"),
        *filters,
    ]


def _batch(first: int, n: int) -> FrameBatch:
    seq = np.arange(first, first + n, dtype=np.int64)
    zeros = np.zeros(n, dtype=np.int64)
    values = np.sin(seq[:, np.newaxis] / (100.0 + np.arange(CHANNELS)))
    # The last channel swings within every block, so that no block can exclude a value between.
    values[:, -1] = np.where(seq % 2, 1.0, -1.0) * (1 + seq % 7)
    return FrameBatch(LAYOUT, ("A",), zeros, zeros + 1, seq, T0 + seq * S, T0 + seq * S, zeros, values)


def _ingest(folder: Path, rounds: int = 3, size: int = 1000, batches: int = 60) -> list[Figure]:
    ours: list[float] = []
    raw: list[float] = []
    for i in range(rounds):
        # Interleaved, because the load of the machine changes from minute to minute.
        raw.append(_raw(folder / f"raw{i}.db", size, batches))
        ours.append(_ours(folder / f"ours{i}.db", size, batches))
    ratio = statistics.median(a / b for a, b in zip(ours, raw, strict=True))
    beside = f"raw executemany {statistics.median(raw):,.0f} frames/s"
    return [
        Figure("FrameBatch to committed", statistics.median(ours), "frames/s", beside=beside),
        Figure("FrameBatch to committed over raw apsw", ratio, "x", at_least=0.6, beside=beside),
    ]


def _ours(path: Path, size: int, batches: int) -> float:
    work = [ScoredBatch(_batch(i * size, size)) for i in range(batches)]
    writer = StoreWriter(path, SystemClock())
    begun = time.perf_counter()
    for one in work:
        writer.append([one], [], {"bench": "x"})
    elapsed = time.perf_counter() - begun
    writer.close()
    return size * batches / elapsed


def _raw(path: Path, size: int, batches: int) -> float:
    StoreWriter(path, SystemClock()).close()
    work = [
        [
            (
                i * size + j,
                1,
                1,
                int(frame.seq),
                int(frame.t_ns),
                int(frame.received_ns),
                0,
                1,
                frame.values.tobytes(),
            )
            for j, frame in enumerate(_batch(i * size, size), 1)
        ]
        for i in range(batches)
    ]
    connection = apsw.Connection(str(path))
    connection.pragma("synchronous", "full")
    begun = time.perf_counter()
    for rows in work:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO frame VALUES (?,?,?,?,?,?,?,?,?)", rows)
        connection.execute("COMMIT")
    elapsed = time.perf_counter() - begun
    connection.close()
    return size * batches / elapsed


def _build(path: Path, frames: int) -> None:
    """A store of so many frames with one in a thousand flagged; durability is of no interest here."""
    writer = StoreWriter(path, SystemClock())
    writer._connection.pragma("synchronous", "off")  # pyright: ignore[reportPrivateUsage]
    size = 50_000
    for first in range(0, frames, size):
        n = min(size, frames - first)
        state = (np.arange(first, first + n) % 1000 == 0) * 2
        model = (state > 0).astype(np.int64)
        score = ScoreColumns(model, state / 2, 1 - state / 2, state, np.zeros((n, 3), np.float32))
        writer.append([ScoredBatch(_batch(first, n), score)], [], {})
    writer.checkpoint(truncate=True)
    writer.close()


def _pages(path: Path, frames: int) -> tuple[float, list[Figure]]:
    _build(path, frames)
    reader = StoreReader(path)
    places = np.random.default_rng(1).integers(0, frames, 200).tolist()
    page = statistics.median(
        ms(lambda place=place: reader.page(before=Key(T0 + place * S, place + 1))) for place in places
    )
    mission = Mission(path.parent, (Satellite("A", "3u"),), {"3u": BUS})
    excluded = statistics.median(ms(lambda: reader.page(parse("eps.c3 > 2", mission))) for _ in range(5))
    flagged = statistics.median(ms(lambda: reader.page(parse("anomaly", mission))) for _ in range(5))
    scanned = min(frames, 200_000)
    text = f"eps.c{CHANNELS - 1} = 0.5 and time >= {iso(T0 + (frames - scanned) * S)}"
    query = parse(text, mission)
    reader.page(query)
    scan = statistics.median(cpu_s(lambda: reader.page(query)) for _ in range(3))
    plot = statistics.median(ms(lambda: reader.series("A", "eps.c3", T0, T0 + frames * S, 240)) for _ in range(3))
    reader.close()
    return page, [
        Figure(f"filter on a channel at {frames:,}, blocks exclude all", excluded, "ms", at_most=100.0),
        Figure(f"filter `anomaly` at {frames:,}, first 50", flagged, "ms"),
        Figure(
            "filter on a channel that blocks cannot exclude, per CPU second",
            scanned / scan,
            "frames/s",
            at_least=400_000,
        ),
        Figure(f"plot of all {frames:,} frames in 240 bins", plot, "ms"),
    ]


if __name__ == "__main__":
    for figure in measure():
        print(f"{figure.name:60} {figure.value:14,.2f} {figure.unit:10} {figure.beside}")
