"""What a row costs on a link: bytes and CPU of records beside one JSON object a row, as `push()` would send it.

Rows are the frames of the simulator in the order a station stores them, all packets mixed; bytes are those of the
JSON that goes over the wire, envelope included. Sending one row at a time is the naive way and the original's.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.figure import Figure
from sim.flight import Flight
from sim.preset import SATELLITE, demo_mission_toml
from telemetry.clock import SystemClock
from telemetry.dictionary import read_mission
from telemetry.frame import FrameBatch, Layout, Quality
from telemetry.links.link_keys import MOST_ROWS, StreamKey
from telemetry.links.record import Record, from_value, to_value
from telemetry.links.record_frames import digests_of, frames_of, frames_text
from telemetry.store.reader import StoreReader
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter

CREATED_S = 1_795_355_400
FLOWN_S = 2000
LEAST_CPU_S = 0.4
"""Each thing is done again until it took so long: one round is too short to be measured."""


def measure(quick: bool = False) -> Iterator[Figure]:
    """Bytes a row by the size of a record, and rows a CPU second on their way out and in."""
    with tempfile.TemporaryDirectory(prefix="cubesat-tui-bench-") as folder:
        reader = _flown(Path(folder), FLOWN_S // 10 if quick else FLOWN_S)
        rows = reader.outgoing.newest_ids()["frames"]
        single = list(_rows(reader.outgoing.frames_between(1, min(rows, 2000))))
        push = sum(len(json.dumps(row)) for row in single) / len(single)
        beside = f"push-per-row {push:.0f}"
        size = {n: _bytes_per_row(reader, rows, n) for n in (1, 2, 60, MOST_ROWS)}
        for n, (compressed, readable) in size.items():
            name = f"link: bytes a row, records of {n}"
            yield Figure(name, compressed, "B", beside=f"{beside}, readable {readable:.0f}")
        for n, least in ((60, 10), (MOST_ROWS, 18)):
            name = f"link: push-per-row over records of {n}, bytes"
            yield Figure(name, push / size[n][0], "x", at_least=least, beside=beside)
        yield from _speed(reader, rows, single)
        reader.close()


def _speed(reader: StoreReader, rows: int, single: list[dict[str, Any]]) -> Iterator[Figure]:
    ranges = [(first, min(first + MOST_ROWS - 1, rows)) for first in range(1, rows, MOST_ROWS)]
    read = [(first, reader.outgoing.frames_between(first, last)) for first, last in ranges]
    keys = [StreamKey("frames", CREATED_S, first).text for first, _ in ranges]
    values = [_value(*one, compress=True) for one in read]
    layouts = {batch.layout.digest: batch.layout for _, batches in read for batch in batches}

    naive = len(single) / _cpu_s(lambda: [json.dumps(row) for row in single])
    out = rows / _cpu_s(lambda: [_value(*one, compress=True) for one in read])
    back = rows / _cpu_s(lambda: [_decoded(key, value, layouts) for key, value in zip(keys, values, strict=True)])
    store = rows / _cpu_s(lambda: [reader.outgoing.frames_between(*one) for one in ranges])
    beside = f"json.dumps a row {naive:,.0f}"
    yield Figure("link: rows encoded and packed per CPU second", out, "rows/s", at_least=20_000, beside=beside)
    yield Figure("link: rows unpacked and decoded per CPU second", back, "rows/s", at_least=20_000)
    yield Figure("link: rows read from the store per CPU second", store, "rows/s", at_least=100_000)


def _flown(folder: Path, seconds: int) -> StoreReader:
    """A store with so many seconds of the demo's satellite, received one by one as live."""
    text = demo_mission_toml(CREATED_S * 10**9, 1, "quiet", satellites=1)
    (folder / "mission.toml").write_text(text, encoding="utf-8")
    flight = Flight(read_mission(folder), (SATELLITE,), 1)
    flight.settle(CREATED_S)
    delay_ns = np.random.default_rng(1).integers(0, 20_000_000, seconds).tolist()
    seq = np.zeros(1, dtype=np.int64)
    writer = StoreWriter(folder / "telemetry.db", SystemClock())
    waiting: list[ScoredBatch] = []
    for t, delay in zip(range(CREATED_S, CREATED_S + seconds), delay_ns, strict=True):
        received_ns = t * 10**9 + delay
        batches, seq = flight.batches(
            t, t + 1, boot=CREATED_S, seq=seq, received_ns=received_ns, quality=Quality.SIMULATED
        )
        waiting += [ScoredBatch(batch) for batch in batches]
    writer.append(waiting, [], {})
    writer.close()
    return StoreReader(folder / "telemetry.db")


def _rows(batches: list[FrameBatch]) -> Iterator[dict[str, Any]]:
    """Each frame as the object that a push of a row would send."""
    for batch in batches:
        for frame in batch:
            yield {
                "satellite": frame.satellite,
                "packet": frame.layout.packet,
                "boot": frame.boot,
                "seq": frame.seq,
                "t_ns": frame.t_ns,
                "received_ns": frame.received_ns,
                "quality": frame.quality,
                **dict(zip(frame.layout.names, frame.values.tolist(), strict=True)),
            }


def _value(first: int, batches: list[FrameBatch], *, compress: bool) -> dict[str, Any]:
    rows = sum(map(len, batches))
    key = StreamKey("frames", CREATED_S, first).text
    text = frames_text(batches, readable=not compress)
    return to_value(Record(key, first, first + rows - 1, rows, text), compress)


def _decoded(key: str, value: dict[str, Any], layouts: dict[str, Layout]) -> list[FrameBatch]:
    record = from_value(key, value)
    digests_of(record)
    return frames_of(record, layouts)


def _bytes_per_row(reader: StoreReader, rows: int, n: int) -> tuple[float, float]:
    """Compressed and plain, over records of `n` rows each."""
    firsts = range(1, min(rows, max(600, 4 * n)) - n, n)
    sizes = [0, 0]
    for first in firsts:
        batches = reader.outgoing.frames_between(first, first + n - 1)
        for at, compress in enumerate((True, False)):
            sizes[at] += len(json.dumps(_value(first, batches, compress=compress), separators=(",", ":")))
    return sizes[0] / (n * len(firsts)), sizes[1] / (n * len(firsts))


def _cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of one round, the mean over rounds that took `LEAST_CPU_S` together."""
    rounds = 0
    begun = time.process_time()
    while (spent := time.process_time() - begun) < LEAST_CPU_S:
        work()
        rounds += 1
    return spent / rounds


if __name__ == "__main__":
    for figure in measure():
        print(f"{figure.name:60} {figure.value:14,.2f} {figure.unit:10} {figure.beside}")
