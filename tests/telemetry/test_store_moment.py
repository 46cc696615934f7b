"""The newest frame of each packet at a moment equals what a look through all frames gives."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry.clock import ManualClock
from telemetry.frame import Column, FrameBatch, Layout, Quality
from telemetry.store import blocks, tracks
from telemetry.store import writer as writer_module
from telemetry.store.reader import StoreReader
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter

LAYOUTS = (Layout("hk", (Column("a"),)), Layout("hk", (Column("a"), Column("b"))), Layout("pld", (Column("c"),)))


def random_frames(seed: int, n: int, disorder: int) -> list[tuple[int, int, bool]]:
    """(layout, time, recorded on board), one a time unit and some of them late or early."""
    draw = np.random.default_rng(seed)
    return [
        (int(draw.integers(0, 3)), i + int(draw.integers(-disorder, disorder + 1)), bool(draw.random() < 0.3))
        for i in range(n)
    ]


rows = st.builds(random_frames, st.integers(0, 2**32), st.integers(0, 90), st.sampled_from([0, 3, 40]))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small that these few frames fill several."""
    for module in (blocks, tracks, writer_module):
        monkeypatch.setattr(module, "FINE", 4)
        monkeypatch.setattr(module, "COARSE", 16)
    monkeypatch.setattr(tracks, "_PER_COARSE", 4)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=rows, moments=st.lists(st.integers(-5, 95), min_size=4, max_size=12))
def test_newest_at_is_what_a_look_through_all_frames_finds(rows, moments) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "telemetry.db")
        writer = StoreWriter(path, ManualClock(0))
        writer._connection.pragma("synchronous", "off")
        stored: list[tuple[int, int, str, float]] = []
        for seq, (kind, t_ns, recorded) in enumerate(rows, 1):
            layout = LAYOUTS[kind]
            one = np.array([seq])
            quality = np.array([int(Quality.STORED) if recorded else 0])
            values = np.full((1, len(layout)), float(seq))
            zeros = np.zeros(1, np.int64)
            batch = FrameBatch(layout, ("A",), zeros, zeros + 1, one, zeros + t_ns, one, quality, values)
            writer.append([ScoredBatch(batch)], [], {})
            stored.append((t_ns, seq, layout.packet, float(seq)))
        writer.close()
        reader = StoreReader(path)
        for moment in moments:
            expected: dict[str, float] = {}
            for t_ns, _, packet, value in sorted(stored):
                if t_ns <= moment:
                    expected[packet] = value
            found = reader.newest_at("A", moment)
            assert {packet: float(frame.values[0]) for packet, frame in found.items()} == expected
            assert all(frame.t_ns <= moment for frame in found.values())
        assert reader.first_ns("A") == min((row[0] for row in stored), default=None)
        assert reader.newest_at("B", 0) == {}
        assert reader.first_ns("B") is None
        reader.close()
