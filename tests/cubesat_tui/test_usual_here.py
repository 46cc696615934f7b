"""What is usual on the trend: the model's own tables, in free cells only, and words where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabricated import NOW, SATELLITE, S, screen_text, settled

from cubesat_tui.drawing.signs import ASCII
from cubesat_tui.drawing.trend_plot import AXIS, Band, TrendData, trend_rows
from cubesat_tui.feature_space import ServedModel
from cubesat_tui.screens import live
from cubesat_tui.screens.live import LiveScreen
from cubesat_tui.usual_follower import Asked, UsualFollower
from cubesat_tui.usual_here import UsualHere, usual_here
from cubesat_tui.widgets.trend import Trend
from telemetry.store.reader import StoreReader
from tests.cubesat_tui import fabricated, scored

SMALL, LARGE = (80, 24), (140, 42)
STEP = 4 * S


@pytest.fixture
def mission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A store with a model's opinions; the band is read as soon as values stand."""
    scored.serve(monkeypatch)
    monkeypatch.setattr(live, "USUAL_AFTER_S", 0.01)
    return scored.fill(tmp_path / "mission")


def read(
    mission: Any, channel: str = "pld.dist_s", end_ns: int = NOW, bins: int = 150, step: int = STEP
) -> UsualHere:
    asked = Asked(SATELLITE, channel, 17, None, step, end_ns // step - bins, bins)
    reader = StoreReader(mission.telemetry)
    try:
        return usual_here(reader, ServedModel(mission.models), fabricated.fabricated_mission(), asked)
    finally:
        reader.close()


def test_the_band_is_the_centre_of_the_place_and_three_spreads_to_either_side(mission: Any) -> None:
    band = read(mission)
    t_ns = (band.asked.first + np.arange(150)) * STEP + STEP // 2
    wave = np.sin(2 * np.pi * scored.ORBIT.place(t_ns) / scored.ORBIT.bins)
    np.testing.assert_allclose(band.low, 55.1 + 0.05 * wave - 3 * 0.2)
    np.testing.assert_allclose(band.high, 55.1 + 0.05 * wave + 3 * 0.2)
    assert (band.words, band.judged, band.kind) == ("", True, "isolation_forest")
    assert band.least_p == pytest.approx(1 / 714)


def test_a_bin_keeps_its_edges_while_time_goes_on_and_reaches_ahead_of_now(mission: Any) -> None:
    before, after = read(mission), read(mission, end_ns=NOW + 60 * S)
    t0 = before.asked.first * STEP
    was, now = before.over(t0, 150), after.over(t0, 150)
    shared = np.isfinite(now[0])
    assert 130 < shared.sum() < 150
    np.testing.assert_array_equal(was[0][shared], now[0][shared])
    np.testing.assert_array_equal(was[1][shared], now[1][shared])
    assert np.isfinite(after.low[-1])


def test_a_long_bin_spans_all_the_places_in_it(mission: Any) -> None:
    fine, coarse = read(mission, step=4 * S, bins=150), read(mission, step=200 * S, bins=3)
    within = (fine.asked.first + np.arange(150)) * 4 * S // (200 * S) == coarse.asked.first + 1
    assert within.sum() > 40
    assert coarse.low[1] <= fine.low[within].min() + 1e-3
    assert coarse.high[1] >= fine.high[within].max() - 1e-3
    assert "zoom in" in read(mission, step=600 * S, bins=3).words


def test_no_place_and_no_mode_give_no_band_and_the_reason(mission: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    far = read(mission, end_ns=NOW + 700 * S, bins=300)
    assert np.isnan(far.low[-1])
    assert "clock is not trusted" in far.words
    monkeypatch.setattr(scored.MadeUpModel, "keys", np.array([[1.0, 1.0]]))
    strange = read(mission)
    assert np.isnan(strange.low[-1])
    assert "mode not learned (Eclipse sunlit, in contact)" in strange.words


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("adcs.rw_x", "not judged: counts in one direction"),
        ("obc.mode", "not judged: enumerated"),
        ("com.rssi_dn", "not judged: its packet had too few rows"),
    ],
)
def test_a_channel_that_is_not_judged_says_why(mission: Any, channel: str, words: str) -> None:
    found = read(mission, channel)
    assert (found.words, found.judged) == (words, False)
    assert np.isnan(found.low).all()


def test_a_model_that_is_not_there_is_words_and_no_band(tmp_path: Path) -> None:
    found = read(scored.fill(tmp_path / "mission"))
    assert found.words.startswith("v17 cannot be read: ")
    assert np.isnan(found.low).all()


# Drawing


def plotted(band: Band | None, **options: Any) -> list[str]:
    values = np.full(80, 10.0)
    values[60:] = np.nan
    values[:20] = 12.0
    data = TrendData(0, 80 * S, values, values, 5.0)
    return ["".join(text for text, _ in row) for row in trend_rows(data, (), 59, 12, band=band, **options)]


def test_the_band_is_never_drawn_over_the_data() -> None:
    low, high = np.full(80, 9.0), np.full(80, 12.0)
    # The same range with and without: the edges lie where the data reach anyway.
    without, drawn = plotted(Band(low + 1, high)), plotted(Band(low + np.nan, high + np.nan))
    for before, after in zip(drawn, without, strict=True):
        for was, now in zip(before[AXIS : AXIS + 40], after[AXIS : AXIS + 40], strict=True):
            assert was in (now, " ")
    assert sum(row.count("┄") for row in without) > 30
    assert sum("usual here" in row for row in without) == 1
    assert not any("┄" in row or "usual" in row for row in drawn)


def test_without_unicode_its_edges_are_dashes_that_no_curve_has() -> None:
    rows = plotted(Band(np.full(80, 9.0), np.full(80, 12.5)), signs=ASCII)
    assert sum(row[AXIS : AXIS + 40].count("-") for row in rows[:-1]) > 40
    assert all(ord(c) < 128 for row in rows for c in row)


def test_a_band_far_wider_than_the_data_leaves_them_half_the_height() -> None:
    rows = plotted(Band(np.full(80, -500.0), np.full(80, 500.0)))
    drawn = [i for i, row in enumerate(rows[:-1]) if any("⠁" <= c <= "⣿" for c in row)]
    assert drawn[-1] - drawn[0] >= 4


# On Live


def line(app: Any) -> str:
    return "\n".join("".join(text for text, _ in row) for row in app.screen.query_one(Trend).rows)


def shown(app: Any) -> bool:
    return "usual here" in line(app)


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_live_tells_score_p_and_model_the_contributing_channels_and_what_is_usual(
    mission: Any, size: tuple[int, int]
) -> None:
    app = scored.console(mission)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await pilot.press("n")
        await settled(pilot, lambda: shown(app))
        text = line(app)
        assert "hk row  ◈ score 0.9" in text
        assert "p < 0.0014  v17  Distance S 71 %" in text
        assert "┄┄┄" in text
        right = max(row.rstrip().rfind("┄") for row in text.splitlines())
        curve = max(max((x for x, c in enumerate(row) if "⠁" <= c <= "⣿"), default=0) for row in text.splitlines())
        assert right > curve + 2, "the band reaches ahead of now"


async def test_a_channel_that_is_not_judged_says_so_on_live(mission: Any) -> None:
    app = scored.console(mission)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot, lambda: "counts in one direction" in line(app))
        assert "WHEEL X SPEED rpm  not judged: counts in one direction" in line(app)
        assert not shown(app)


async def test_while_learning_live_says_how_far_and_reads_no_model(tmp_path: Path) -> None:
    app = scored.console(scored.fill(tmp_path / "mission", model=False))
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        assert "learning 120 of 600" in line(app)


async def test_a_model_that_cannot_be_read_is_said_once_and_the_score_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "USUAL_AFTER_S", 0.01)
    app = scored.console(scored.fill(tmp_path / "mission"))
    async with app.run_test(size=LARGE) as pilot:
        await settled(pilot)
        await pilot.press("n")
        await settled(pilot, lambda: "cannot be read" in line(app))
        assert "score 0.9" in line(app)
        assert not shown(app)


async def test_no_band_is_read_before_values_stand(mission: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "USUAL_AFTER_S", 60.0)
    loaded: list[int] = []
    monkeypatch.setattr(ServedModel, "load", lambda self, version, sha256: loaded.append(version))
    app = scored.console(mission)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        assert isinstance(app.screen, LiveScreen)
        assert "6194" in screen_text(app)
    assert not loaded


def test_the_band_is_read_again_only_when_it_can_have_changed(mission: Any) -> None:
    from cubesat_tui.snapshot_reader import SnapshotReader

    clock = fabricated.clock()
    reader = SnapshotReader(mission, clock)
    snapshot = reader.read()
    follower, span = UsualFollower(mission), (NOW // STEP * STEP - 150 * STEP, NOW // STEP * STEP)
    asked = follower.due(snapshot, "pld.dist_s", span, 150, live=True)
    assert asked is not None
    follower._found, follower._at_ns = read(mission, bins=asked.bins), snapshot.now_ns
    follower._found = UsualHere(asked, follower._found.low, follower._found.high)
    assert follower.due(snapshot, "pld.dist_s", span, 150, live=True) is None
    on = (span[0] + 2 * STEP, span[1] + 2 * STEP)
    assert follower.due(snapshot, "pld.dist_s", on, 150, live=True) is None
    assert follower.due(snapshot, "pld.dist_n", span, 150, live=True) is not None
    assert follower.of(snapshot, "pld.dist_n") is None
    clock.advance(11)
    later = reader.read()
    assert follower.due(later, "pld.dist_s", on, 150, live=True) is not None
    assert follower.due(later, "pld.dist_s", span, 150, live=False) is None
    reader.close()


@pytest.mark.parametrize(("size", "ascii_signs"), [(SMALL, False), (SMALL, True), (LARGE, False)])
def test_picture(mission: Any, snap_compare: Any, size: tuple[int, int], ascii_signs: bool) -> None:
    app = scored.console(mission, ascii_signs=ascii_signs)

    async def select(pilot: Any) -> None:
        await settled(pilot)
        await pilot.press("n")
        await settled(pilot, lambda: shown(app))

    assert snap_compare(app, terminal_size=size, run_before=select)
