"""A station that judges with the fusion: live as in one piece, after a swap, and when a clock is set back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from telemetry.dictionary import DetectorConfig, Mission
from telemetry.frame import Column, FrameBatch, Layout, Quality
from trainer.bank import Opinions
from trainer.batch import judge_window
from trainer.fusion.live import deviations, fused, member_scores, place_score, smoothed
from trainer.fusion.stack import stacked
from trainer.members.fitting import fit_channel
from trainer.members.windows import Scale
from trainer.model import Fitted
from trainer.scorer import LiveScoring, Scorer
from trainer.served import PacketModel
from trainer.streams import Cut, Streams
from trainer.usual import where
from trainer.window import Window, from_batches

Make = Callable[..., list[FrameBatch]]
Pieces = Callable[..., Iterator[FrameBatch]]
ORBIT_S = 1200
LATER = 6 * ORBIT_S
S = 1_000_000_000


def _fused(scorer: Scorer, window: Window) -> Scorer:
    """The scorer with members and thresholds from a window, simply made."""
    packets: dict[str, PacketModel] = {}
    for rows in window.packets:
        model = scorer.packets[rows.packet]
        names = window.track.channels
        streams = Streams(_layout(window, rows.packet), {}, 1, len(names) + 1)
        codes = window.track.codes(rows.t_ns)
        fed = streams.push(Cut.of(np.zeros(len(rows), dtype=np.intp)), rows.t_ns, rows.boot, rows.values, codes)
        order = [names.index(name) for name in scorer.manifest.context] + [len(names)]
        place = where(scorer.clock, scorer.keys, rows.t_ns, codes[:, order])
        columns = [[channel.name for channel in rows.channels].index(name) for name in model.channels]
        z = scorer.normalise(model, fed.features[:, columns], place.bins, place.key)
        seen = deviations(z[:, :, 0], place.bins, 0)
        train = slice(0, 3000)
        context = np.eye(len(scorer.keys) + 1)[place.key]
        made = stacked(
            [
                replace(
                    fit_channel(seen[train, i], context[train], fed.broken[train], np.ones(3000, dtype=np.bool_)),
                    scale=Scale(0.0, 1.0),
                )
                for i in range(seen.shape[1])
            ]
        )
        level = smoothed(made, fused(member_scores(made, seen, place.key, fed.broken)), fed.broken)
        usual, reach = np.nanmedian(level, axis=0), np.nanmax(level, axis=0)
        made = replace(
            made,
            usual=usual,
            threshold=reach + 0.1,
            place_threshold=np.nanmax(place_score(z), axis=0) * 1.5,
            longest=np.full(len(made), 4.0),
        )
        packets[rows.packet] = replace(model, fusion=made)
    manifest = msgspec.structs.replace(scorer.manifest, kind="fusion", version=7)
    return Scorer(manifest, scorer.forest, packets)


def _layout(window: Window, packet: str) -> Layout:
    rows = next(rows for rows in window.packets if rows.packet == packet)
    return Layout(packet, tuple(Column(channel.name) for channel in rows.channels))


@pytest.fixture(scope="module")
def fusion(fitted: Fitted, mission: Mission, make_packets: Make) -> Scorer:
    return _fused(fitted.scorer, _window(mission, make_packets(0, 3 * ORBIT_S)))


@pytest.fixture(scope="module")
def fusing(mission: Mission) -> Mission:
    return Mission(mission.directory, mission.satellites, mission.buses, detector=DetectorConfig(kind="fusion"))


def _window(mission: Mission, batches: list[FrameBatch]) -> Window:
    satellite = mission.satellites[0].name
    return from_batches(satellite, mission.bus_of(satellite), batches)


def _step(n: int, first: int, last: int, size: float) -> np.ndarray:
    change = np.zeros(n)
    change[first:last] = size
    return change


def _live(scoring: LiveScoring, batches: Iterator[FrameBatch], packet: str) -> dict[str, np.ndarray]:
    found: dict[str, list[np.ndarray]] = {name: [] for name in ("model", "score", "p", "state", "axes")}
    for batch in batches:
        columns = scoring.score(batch).columns
        assert columns is not None
        if batch.layout.packet == packet:
            for name, parts in found.items():
                parts.append(getattr(columns, name))
    return {name: np.concatenate(parts) for name, parts in found.items()}


@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
@given(seed=st.integers(0, 1000), size=st.integers(2, 90))
def test_live_rows_pieces_and_a_window_are_judged_alike(
    fusion: Scorer, fusing: Mission, make_packets: Make, cut: Pieces, seed: int, size: int
) -> None:
    n = 260
    rng = np.random.default_rng(seed)
    change = {"pld.dist_s": _step(n, 120, 170, 3.0), "eps.bat_i": _step(n, 40, 60, np.nan)}
    packets = make_packets(LATER + int(rng.integers(0, 900)), n, seed=seed, change=change)
    kept = np.sort(rng.choice(n, n - 8, replace=False))
    packets = [packet.take(kept) for packet in packets]
    for packet in packets:
        packet.boot[150:] += 1
    hk = "hk"
    one = _live(LiveScoring(fusing, [fusion]), cut(packets), hk)
    pieces = _live(LiveScoring(fusing, [fusion]), cut(packets, size), hk)
    for name, values in one.items():
        np.testing.assert_allclose(pieces[name], values, rtol=0, atol=1e-9)
    window = _window(fusing, packets)
    rows = next(rows for rows in window.packets if rows.packet == hk)
    opinions = judge_window(fusion, window, rows)
    assert opinions is not None
    np.testing.assert_allclose(opinions.row_score, one["score"], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(opinions.model, one["model"])
    np.testing.assert_array_equal(opinions.flagged.any(axis=1), one["state"] > 0)
    assert np.isfinite(opinions.forecast).any()


def _judged(scorer: Scorer, mission: Mission, packets: list[FrameBatch]) -> tuple[Opinions, tuple[str, ...]]:
    window = _window(mission, packets)
    rows = next(rows for rows in window.packets if rows.packet == "pld")
    opinions = judge_window(scorer, window, rows)
    assert opinions is not None
    return opinions, tuple(channel.name for channel in rows.channels)


def test_each_fault_is_heard_by_a_voice_of_its_own(fusion: Scorer, fusing: Mission, make_packets: Make) -> None:
    n = 300
    noise = np.random.default_rng(1).normal(0, 4.5, n)
    clean, names = _judged(fusion, fusing, make_packets(LATER + 500, n, seed=3))
    column = names.index("pld.dist_s")
    assert not clean.newly.any()
    far, _ = _judged(
        fusion, fusing, make_packets(LATER + 500, n, seed=3, change={"pld.dist_s": _step(n, 150, 250, 25.0)})
    )
    first = int(np.flatnonzero(far.newly[:, column])[0])
    assert first == 152
    assert far.speaker[first, column] == 0
    assert not np.delete(far.newly, column, axis=1).any()
    loud, _ = _judged(
        fusion, fusing, make_packets(LATER + 500, n, seed=3, change={"pld.dist_s": noise * _step(n, 150, 250, 1)})
    )
    assert 150 < int(np.flatnonzero(loud.newly[:, column])[0]) < 190
    assert loud.speaker[loud.newly[:, column], column].max() in range(1, 7)
    still = make_packets(LATER + 500, n, seed=3)
    for packet in still:
        if "pld.dist_s" in packet.layout.positions:
            held = packet.values[149, packet.layout.positions["pld.dist_s"]]
            packet.values[150:250, packet.layout.positions["pld.dist_s"]] = held
    stuck, _ = _judged(fusion, fusing, still)
    assert stuck.speaker[175, column] == 7
    assert stuck.newly[175, column]
    assert not stuck.flagged[290:, column].any()


def test_a_forecast_is_in_the_unit_of_its_channel(fusion: Scorer, fusing: Mission, make_packets: Make) -> None:
    packets = make_packets(LATER + 500, 200, seed=4)
    opinions, names = _judged(fusion, fusing, packets)
    values = next(p for p in packets if p.layout.packet == "pld").values[:, names.index("pld.dist_n")]
    error = opinions.forecast[:, names.index("pld.dist_n")] - values
    assert np.isfinite(error).sum() > 150
    assert np.nanstd(error) < 1.0
    assert abs(np.nanmean(error)) < 0.3


def test_a_new_model_knows_the_rows_before_it(
    fusion: Scorer, fitted: Fitted, fusing: Mission, make_packets: Make, cut: Pieces
) -> None:
    packets = make_packets(LATER + 500, 240, seed=5, change={"pld.dist_s": _step(240, 150, 240, 2.0)})
    whole = _live(LiveScoring(fusing, [fusion]), cut(packets), "pld")
    scoring = LiveScoring(fusing, [fitted.scorer])
    before = _live(scoring, cut([packet.take(np.arange(150)) for packet in packets]), "pld")
    assert (before["model"][10:] == 1).all()
    scoring.swap(fusion)
    after = _live(scoring, cut([packet.take(np.arange(150, 240)) for packet in packets]), "pld")
    assert (after["model"] == 7).all()
    # What the level was before the rows that are kept has faded away.
    np.testing.assert_allclose(after["score"], whole["score"][150:], rtol=0, atol=0.02)
    np.testing.assert_array_equal(after["state"], whole["state"][150:])


def test_rows_after_a_clock_was_set_back_are_judged_by_their_numbers(
    fusion: Scorer, fusing: Mission, make_packets: Make, cut: Pieces
) -> None:
    """The clock jumps an hour ahead for 20 rows; behind it windows fill anew, and an old frame counts as old."""
    packets = make_packets(LATER + 500, 200, seed=6)
    for packet in packets:
        packet.t_ns[80:100] += 3600 * S
    for size in (1, 33, 200):
        scoring = LiveScoring(fusing, [fusion])
        found = _live(scoring, cut(packets, size), "pld")
        assert (found["model"][5:80] == 7).all()
        assert (found["model"][105:] == 7).all()
        assert (found["model"][100:104] == 0).all()
        assert not found["state"].any()
        late = packets[0].take(np.array([150]))
        columns = scoring.score(late).columns
        assert columns is not None
        assert columns.model.tolist() == [0]


def test_without_numbers_of_its_own_a_frame_goes_by_its_time(
    fusion: Scorer, fusing: Mission, make_packets: Make, cut: Pieces
) -> None:
    packets = make_packets(LATER + 500, 120, seed=7, quality=Quality.NO_SEQUENCE)
    for packet in packets:
        packet.t_ns[60:80] += 20 * S
    found = _live(LiveScoring(fusing, [fusion]), cut(packets, 7), "pld")
    assert (found["model"][80:100] == 0).all()
    assert (found["model"][108:] == 7).all()
