"""A fleet's rows scored together are what each satellite's frames are one by one, and what its own model says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from telemetry.dictionary import Bus, Mission, Satellite
from telemetry.frame import Column, FrameBatch, Layout, Quality
from trainer.bank import PacketBank
from trainer.context import context_channels
from trainer.features import RollingRing
from trainer.model import Fitted
from trainer.scorer import LiveScoring, Scorer, Verdict
from trainer.streams import Cut, Fed, Streams

Make = Callable[..., list[FrameBatch]]
FLEET = ("A", "B", "C", "D")
"""A and B have models of their own, C has A's, D is learning."""
LATER, SECONDS = 7200, 150


@pytest.fixture(scope="module")
def fleet(mission: Mission) -> Mission:
    return Mission(Path("nowhere"), tuple(Satellite(name, "test") for name in FLEET), mission.buses)


@pytest.fixture(scope="module")
def scorers(fitted: Fitted) -> list[Scorer]:
    one = fitted.scorer
    jumpy = {name: replace(packet, threshold=packet.threshold - 0.02) for name, packet in one.packets.items()}
    manifest = msgspec.structs.replace(one.manifest, version=2, keys=one.manifest.keys[:1], clock=None)
    other = Scorer(manifest, one.forest, jumpy)
    return [_of(one, "A"), _of(other, "B"), _of(one, "C")]


def _of(scorer: Scorer, satellite: str) -> Scorer:
    return replace(scorer, manifest=msgspec.structs.replace(scorer.manifest, satellite=satellite))


def _together(parts: list[FrameBatch], order: np.ndarray) -> FrameBatch:
    """One batch of a packet of all satellites, its rows in `order`."""

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])[order]

    satellite = np.repeat(np.arange(len(parts)), [len(part) for part in parts])[order]
    names = ("boot", "seq", "t_ns", "received_ns", "quality", "values")
    return FrameBatch(parts[0].layout, FLEET, satellite, *(column(name) for name in names))


def _flights(make: Make, rng: np.random.Generator) -> list[list[FrameBatch]]:
    """Packets of each satellite, some with a fault, gaps, invalid values and a restart."""
    found: list[list[FrameBatch]] = []
    for _ in FLEET:
        on = int(rng.integers(10, SECONDS))
        change = {"pld.dist_s": np.where(np.arange(SECONDS) >= on, 25.0, 0.0)}
        packets = make(LATER + int(rng.integers(0, 900)), SECONDS, seed=int(rng.integers(1000)), change=change)
        kept = np.sort(rng.choice(SECONDS, SECONDS - int(rng.integers(0, 12)), replace=False))
        for packet in packets:
            packet.values[rng.random(packet.values.shape) < 0.004] = np.nan
            packet.boot[packet.t_ns > packet.t_ns[0] + int(rng.integers(50, 400)) * 10**9] += 1000
        found.append([packet.take(kept) for packet in packets])
    return found


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(seed=st.integers(0, 2**16), sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_frames_one_by_one_and_batches_of_all_satellites_are_judged_alike(
    fleet: Mission, scorers: list[Scorer], make_packets: Make, seed: int, sizes: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    flights = _flights(make_packets, rng)
    together, single = LiveScoring(fleet, scorers), LiveScoring(fleet, scorers)
    position = turn = 0
    episodes = 0
    while position < SECONDS:
        stop = position + sizes[turn % len(sizes)]
        for packet in range(2):
            mine = [flight[packet] for flight in flights]
            parts = [one.take(np.arange(min(position, len(one)), min(stop, len(one)))) for one in mine]
            rows = np.concatenate([part.t_ns for part in parts])
            batch = _together(parts, np.argsort(rows, kind="stable") if turn % 2 else np.arange(len(rows)))
            if not len(batch):
                continue
            if turn % 5 == 4:
                batch.quality[:] = int(Quality.STORED)
            whole = together.score(batch)
            assert whole.columns is not None
            told: list[Verdict] = []
            for i in range(len(batch)):
                one = single.score(batch.take(np.array([i])))
                assert one.columns is not None
                told += [replace(verdict, row=i) for verdict in one.verdicts]
                for name in ("model", "score", "p", "state", "axes"):
                    np.testing.assert_array_equal(getattr(one.columns, name)[0], getattr(whole.columns, name)[i])
            assert repr(list(whole.verdicts)) == repr(told)
            episodes += len(told)
            assert not (whole.columns.model[batch.satellite == 3]).any()
        position, turn = stop, turn + 1
    assert episodes


def test_a_bank_says_what_each_model_says(scorers: list[Scorer], mission: Mission, make_packets: Make) -> None:
    bus: Bus = mission.buses["test"]
    batch = make_packets(LATER, 400, seed=8)[0]
    context = context_channels(bus)
    features, _ = RollingRing(len(batch.layout), 1.0).push(batch.t_ns, batch.values)
    codes = np.zeros((400, len(context) + 1))
    for i, name in enumerate(context):
        if name in batch.layout.positions:
            codes[:, i] = batch.values[:, batch.layout.positions[name]]
    bank = PacketBank(batch.layout, context, 3)
    for slot, scorer in enumerate(scorers):
        bank.put(slot, scorer)
    cut = Cut.of(np.repeat([0, 1, 2], 400))
    streams = Streams(batch.layout, {}, 3, len(context) + 1)
    broken = np.zeros(1200, dtype=np.bool_)
    fed = Fed(np.tile(features, (3, 1, 1)), broken, broken)
    both = bank.judge(streams, cut, fed, np.tile(batch.t_ns, 3), np.tile(codes, (3, 1)))
    assert both is not None
    for slot, scorer in enumerate(scorers):
        rows = slice(400 * slot, 400 * slot + 400)
        packet = scorer.packets[batch.layout.packet]
        columns = [batch.layout.positions[name] for name in packet.channels]
        chosen = codes[:, [*(context.index(name) for name in scorer.manifest.context), -1]]
        alone = scorer.judge(batch.layout.packet, features[:, columns], *scorer.place(batch.t_ns, chosen))
        assert np.isfinite(alone.row_score).any()
        np.testing.assert_array_equal(both.row_score[rows], alone.row_score)
        np.testing.assert_array_equal(both.p[rows], alone.p)
        np.testing.assert_array_equal(both.axes[rows], alone.axes)
        np.testing.assert_array_equal(both.flagged[rows][:, columns], alone.flagged)
        np.testing.assert_array_equal(both.lasting[rows][:, columns], alone.lasting)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(0, 2**16))
def test_windows_of_a_fleet_are_those_of_each_satellite(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, k = sum(sizes), 3
    layout = Layout("hk", tuple(Column(f"eps.c{i}") for i in range(k)))
    values = rng.normal(0, 1, (2, n, k)) * 10.0 ** rng.integers(-3, 8, (2, n, 1))
    values[rng.random(values.shape) < 0.05] = np.nan
    t_ns = np.cumsum(rng.choice([1, 1, 1, 1, 9], (2, n)), axis=1) * 1_000_000_000
    modes = np.cumsum(rng.random((2, n)) < 0.05, axis=1).astype(np.float64)
    boot = np.ones(n, dtype=np.int64)
    streams = Streams(layout, {}, 2, 1)
    made: list[list[np.ndarray]] = [[], []]
    start = 0
    for size in sizes:
        rows = slice(start, start + size)
        cut = Cut.of(np.repeat([0, 1], size))
        features = streams.push(
            cut,
            np.concatenate(t_ns[:, rows]),
            np.tile(boot[rows], 2),
            np.concatenate(values[:, rows]),
            np.concatenate(modes[:, rows])[:, None],
        ).features
        made[0].append(features[:size])
        made[1].append(features[size:])
        start += size
    for satellite in (0, 1):
        separate = np.diff(modes[satellite], prepend=modes[satellite, 0]) != 0
        expected, _ = RollingRing(k, 1.0).push(t_ns[satellite], values[satellite], separate)
        np.testing.assert_array_equal(np.concatenate(made[satellite]), expected)
