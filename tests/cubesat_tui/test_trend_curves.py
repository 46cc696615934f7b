"""Several channels in one trend are told apart without colour; spikes, gaps and infinities are drawn as such."""

from __future__ import annotations

import math
from pathlib import Path

import fabricated
import numpy as np
import pytest
from fabricated import NOW, SATELLITE, S, screen_text, settled
from hypothesis import given, settings
from hypothesis import strategies as st

from cubesat_tui.drawing.flag_strip import FlagShare, flag_share, share_sign, strip_row
from cubesat_tui.drawing.rows import plain, width
from cubesat_tui.drawing.signs import ASCII, UNICODE
from cubesat_tui.drawing.trend_curves import Curve, placed
from cubesat_tui.drawing.trend_plot import AXIS, NAMES_OF_MANY, LimitLine, TrendData, bins_for, trend_rows
from cubesat_tui.live_layout import heights
from cubesat_tui.widgets.trend import Trend
from telemetry.frame import FrameBatch
from telemetry.store.flagged import Flagged
from telemetry.store.reader import StoreReader
from telemetry.store.rows import ScoreColumns, ScoredBatch
from telemetry.store.writer import StoreWriter

SMALL, LARGE = (80, 24), (140, 42)
T0 = 1_795_331_040 * S


def data(values, seconds: float = 600.0, join_s: float = 30.0) -> TrendData:
    array = np.array(values, dtype=np.float64)
    return TrendData(T0, T0 + round(seconds * S), array, array, join_s)


def plot(row) -> str:
    """The cells between the axis and the names."""
    return "".join(text for text, _ in row)[AXIS:]


# What is drawn


def test_each_curve_has_a_glyph_in_the_plot_and_its_name_at_the_right_end() -> None:
    size, bins = 90, bins_for(90, many=True)
    main, other, third = np.linspace(0, 1, bins), np.linspace(1, 0, bins), np.full(bins, 0.5)
    curves = [Curve("o", "Bus 5V", "V", 3, data(other)), Curve("x", "Panel", "°C", 1, data(third * 100))]
    for signs in (UNICODE, ASCII):
        rows = trend_rows(data(main), [], size, 12, signs, unit="rpm", label="Wheel X", curves=curves)
        ends = [plot(r)[-NAMES_OF_MANY:].strip() for r in rows[:-1]]
        named = [e for e in ends if e]
        assert named == [": Wheel X", "x Panel", "o Bus 5V"], "in the order in which they end"
        drawn = "".join(plot(r)[: bins // 2] for r in rows[:-1])
        assert drawn.count("o") >= bins // 8
        assert drawn.count("x") >= bins // 8
        assert {width(r) for r in rows} == {size}


def test_a_channel_of_the_same_unit_shares_the_scale_and_another_has_its_own() -> None:
    size, bins = 90, bins_for(90, many=True)
    low = np.zeros(bins)
    same = [Curve("o", "twin", "V", 1, data(low + 10))]
    rows = trend_rows(data(low), [], size, 12, unit="V", label="one", curves=same)
    assert "o" in plot(rows[0]) + plot(rows[1]), "ten volts higher on one scale"
    assert "o" not in "".join(plot(r)[: bins // 2] for r in rows[5:-1])
    own = [Curve("o", "twin", "A", 1, data(np.linspace(10, 20, bins)))]
    rows = trend_rows(data(low), [], size, 12, unit="V", label="one", curves=own)
    assert "o" in plot(rows[0]) + plot(rows[1])
    assert "o" in plot(rows[-2]) + plot(rows[-3])


@given(st.lists(st.one_of(st.none(), st.floats(0, 9)), max_size=4), st.integers(0, 12), st.sets(st.integers(0, 11)))
def test_no_two_names_share_a_row(wishes, tall, busy) -> None:
    rows = [y for y in placed(wishes, tall, busy) if y is not None]
    assert len(rows) == len(set(rows)) <= tall
    assert all(0 <= y < tall for y in rows)


@settings(max_examples=60)
@given(
    st.integers(0, 10**6),
    st.floats(0.5, 1e6),
    st.booleans(),
    st.sampled_from([(80, 6), (90, 12), (140, 20)]),
    st.booleans(),
)
def test_any_spike_within_the_window_touches_its_column(seed, size, up, box, beside) -> None:
    """A single value in one bin reaches its own height in its own column, also of a curve beside."""
    cells, tall = box
    rng = np.random.default_rng(seed)
    bins = bins_for(cells, many=beside)
    values = rng.normal(0, 0.1, bins)
    at = int(rng.integers(bins))
    low, high = values.copy(), values.copy()
    if up:
        high[at] += size + 1
    else:
        low[at] -= size + 1
    spiked = TrendData(T0, T0 + 600 * S, low, high, 30.0)
    flat = data(np.full(bins, 1e9))
    if beside:
        rows = trend_rows(flat, [], cells, tall, unit="V", label="a", curves=[Curve("o", "b", "A", 1, spiked)])
    else:
        rows = trend_rows(spiked, [], cells, tall)
    # Above and below the data a margin of a sixteenth is left.
    edge = rows[: 1 + tall // 8] if up else rows[-2 - tall // 8 : -1]
    assert any(plot(r)[at // 2] != " " for r in edge)


def test_the_store_keeps_least_and_greatest_in_every_decimation(tmp_path: Path) -> None:
    directory = fabricated.fill(tmp_path / "mission", minutes=20)
    reader = StoreReader(directory.telemetry)
    for bins in (1, 2, 7, 40, 122, 600, 1999):
        found = reader.series(SATELLITE, "pld.dist_s", NOW - 1200 * S, NOW, bins)
        end = int(found.t_ns[-1]) + found.bin_ns
        times, values, _ = reader.window(SATELLITE, ("pld.dist_s",), int(found.t_ns[0]), end)
        keep = np.isfinite(values[:, 0])
        at = (times[keep] - int(found.t_ns[0])) // found.bin_ns
        for b in np.unique(at):
            inside = values[keep, 0][at == b]
            assert (found.low[b], found.high[b]) == (inside.min(), inside.max())
    reader.close()


def test_a_gap_of_a_followed_channel_is_no_line() -> None:
    size, bins = 90, bins_for(90, many=True)
    other = np.full(bins, 5.0)
    other[bins // 4 : bins // 2] = np.nan
    curves = [Curve("o", "b", "A", 1, data(other, join_s=4.0))]
    rows = trend_rows(data(np.zeros(bins)), [], size, 10, unit="V", label="a", curves=curves)
    drawn = [plot(r)[: bins // 2] for r in rows[:-1]]
    hole = range(bins // 8 + 1, bins // 4 - 1)
    assert all(line[x] != "o" for line in drawn for x in hole)


@pytest.mark.parametrize(("value", "word"), [(math.inf, "+inf"), (-math.inf, "-inf")])
def test_an_infinite_value_is_drawn_to_the_edge_and_named(value, word) -> None:
    bins = bins_for(80)
    values = np.sin(np.arange(bins) / 9)
    values[bins // 2] = value
    rows = trend_rows(data(values), [LimitLine(0.0, "warn 0", "warning")], 80, 8)
    assert word in plain(rows[0] if value > 0 else rows[-2])
    assert not data(np.full(bins, value)).empty
    assert trend_rows(data(np.full(bins, value)), [], 80, 8)


def test_nan_is_empty_and_never_a_line() -> None:
    assert data([math.nan] * 20).empty


# The strip of flagged rows


def test_a_share_is_read_without_colour_and_one_flagged_row_is_never_drawn_as_none() -> None:
    for signs in (UNICODE, ASCII):
        cells = [share_sign(n, 1000, True, signs) for n in (0, 1, 300, 700, 1000)]
        assert len(set(cells)) == 5
        assert share_sign(0, 0, False, signs) == " "
        assert share_sign(0, 5, False, signs) == "?"
    row = strip_row(FlagShare("hk", (0, 5, 0), (10, 10, 10), (True, True, False)), 8, 3, 11, ASCII)
    assert plain(row) == "flagged|.5? 25% of hk"
    assert "not judged" in plain(strip_row(FlagShare("hk", (0,), (10,), (False,)), 8, 1, 11, UNICODE))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60), st.integers(1, 60))
def test_no_flagged_row_is_lost_when_bins_become_cells(counts, cells) -> None:
    count = np.array(counts)
    found = Flagged(0, 1, count, np.ones(len(count), dtype=np.bool_))
    share = flag_share(found, [60] * len(counts), "hk", cells)
    assert len(share.flagged) == cells
    if cells <= len(counts):
        assert sum(share.flagged) == count.sum()


def _judged(batch: FrameBatch) -> ScoreColumns | None:
    """Only hk is judged, and only in the last ten minutes; of its last minute every second row is flagged."""
    if "pld.dist_s" not in batch.layout.positions:
        return None
    age, n = (NOW - batch.t_ns) // S, len(batch)
    state = np.where((age < 60) & (age % 2 == 0), 2, 0)
    model = np.where(age <= 600, 17, 0)
    return ScoreColumns(model, np.full(n, 0.4), np.full(n, 0.3), state, np.zeros((n, 3), np.float32))


@pytest.fixture
def judged(tmp_path: Path):
    """The made-up mission with opinions on the packet hk."""
    directory = fabricated.fill(tmp_path / "judged", minutes=1)
    clock = fabricated.clock()
    for path in directory.path.glob("telemetry.db*"):
        path.unlink()
    writer = StoreWriter(directory.telemetry, clock)
    rows = fabricated.batches(NOW - 1200 * S, NOW - S)
    writer.append([ScoredBatch(batch, _judged(batch)) for batch in rows], [], {})
    writer.beat(fabricated.health())
    writer.close()
    return directory


def test_flagged_rows_are_those_of_the_packets_that_carry_the_channel(judged) -> None:
    reader = StoreReader(judged.telemetry)
    found = reader.flagged(SATELLITE, "pld.dist_n", NOW - 1200 * S, NOW, 20)
    assert found.count.tolist() == [0] * 19 + [29]
    assert found.judged.tolist() == [False] * 10 + [True] * 10
    assert not reader.flagged(SATELLITE, "eps.bus5v_v", NOW - 1200 * S, NOW, 20).count.any()
    assert not reader.flagged("NOBODY", "pld.dist_n", NOW - 1200 * S, NOW, 20).judged.any()
    with pytest.raises(ValueError, match="span"):
        reader.flagged(SATELLITE, "pld.dist_n", NOW, NOW, 20)
    reader.close()


async def test_the_strip_under_the_trend_tells_flagged_unjudged_and_quiet_apart(console, judged) -> None:
    app = console(directory=judged, ascii_signs=True)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("slash", *"distance n", "enter", "]")
        await settled(pilot)
        line = next(line for line in screen_text(app).splitlines() if line.startswith("flagged"))
        cells = line.split("|")[1][:50]
        assert line.rstrip().endswith("% of hk")
        assert "?" in cells
        assert "." in cells
        assert any(c in "12345678" for c in line)


# Keys


def _title(app) -> str:
    return "".join(text for text, _ in app.screen.query_one(Trend).rows[0])


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_plus_keeps_channels_in_the_trend_up_to_four_and_lets_them_go(console, size) -> None:
    app = console()
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        for keys in (("slash", *"bus 5v", "enter", "plus"), ("slash", *"memory", "enter", "plus")):
            await pilot.press(*keys)
            await settled(pilot)
        await pilot.press("slash", *"battery voltage", "enter", "plus", "slash", *"battery temp", "enter")
        await settled(pilot)
        text = screen_text(app)
        assert "BATTERY TEMP" in _title(app)
        assert "own scales: o x 4.9" not in text
        for name in (": Battery temp", "o Bus 5V", "x Memory", "+ Battery volt"):
            assert name in text
        assert "own scales" in _title(app)
        assert "o + 4.9" in _title(app), "two channels of one unit have one scale"
        await pilot.press("plus")
        await settled(pilot, lambda: any("holds 4" in n.message for n in app._notifications))
        await pilot.press("slash", *"memory", "enter", "plus", "slash", *"battery temp", "enter")
        await settled(pilot)
        assert "Memory" not in "\n".join("".join(t for t, _ in row) for row in app.screen.query_one(Trend).rows)
        await pilot.press("escape")
        await settled(pilot)
        assert "own scale" not in _title(app)
        assert "WHEEL X SPEED rpm" in _title(app)


def test_a_small_screen_gives_up_the_trend_before_what_is_pinned() -> None:
    for rows in range(8, 40):
        shared = heights(3, rows)
        assert shared.needs >= 2
        assert shared.panel >= 1
        assert shared.needs + shared.why + shared.trend + shared.panel <= max(rows - 4, shared.needs + 3)
    assert heights(3, 24).trend == 7
    assert heights(0, 12).trend == 0
