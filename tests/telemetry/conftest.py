"""Frames and stores to test with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from telemetry.clock import ManualClock
from telemetry.frame import Column, FrameBatch, Layout
from telemetry.store.writer import StoreWriter

S = 1_000_000_000
T0 = 1_790_000_000 * S

HK = Layout("hk", (Column("eps.bat_v", "V"), Column("obc.mode", "", ((1, "SAFE"), (3, "NOMINAL")))))
PLD = Layout("pld", (Column("pld.dist_s", "cm"),))

MakeBatch = Callable[..., FrameBatch]


def make_batch(
    layout: Layout,
    seqs: Sequence[int],
    *,
    satellite: str = "KESTREL-1",
    boot: int = 1_790_000_000,
    t_ns: Sequence[int] | None = None,
    values: Sequence[Sequence[float]] | None = None,
    quality: int | Sequence[int] = 0,
    cursor: str | None = None,
) -> FrameBatch:
    """One frame a second; the values tell which frame they belong to."""
    n = len(seqs)
    numbers = np.array(seqs, dtype=np.int64)
    times = T0 + numbers * S if t_ns is None else np.array(t_ns, dtype=np.int64)
    if values is None:
        values = [[float(seq) + column / 10 for column in range(len(layout))] for seq in seqs]
    return FrameBatch(
        layout,
        (satellite,),
        np.zeros(n, dtype=np.int64),
        np.full(n, boot, dtype=np.int64),
        numbers,
        times,
        times + 5,
        np.broadcast_to(np.array(quality, dtype=np.int64), (n,)).copy(),
        np.array(values, dtype=np.float64).reshape(n, len(layout)),
        cursor,
    )


@pytest.fixture
def batch() -> MakeBatch:
    return make_batch


@pytest.fixture
def hk() -> Layout:
    return HK


@pytest.fixture
def pld() -> Layout:
    return PLD


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(T0)


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.db"


@pytest.fixture
def writer(store_path: Path, clock: ManualClock) -> Iterator[StoreWriter]:
    opened = StoreWriter(store_path, clock)
    yield opened
    opened.close()
