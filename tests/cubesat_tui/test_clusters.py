"""Clusters: what is drawn is what is stored, every key does what it says, nothing is claimed that is not known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cubesat_tui import messages
from cubesat_tui.feature_space import (
    FeatureSpace,
    ServedModel,
    Wanted,
    chosen,
    feature_space,
    held,
    original_axes,
    partition,
)
from cubesat_tui.screens.clusters import ClustersScreen
from cubesat_tui.screens.frame_card import FrameCard
from cubesat_tui.screens.go_to import GoToDialog
from cubesat_tui.widgets.card import Card
from cubesat_tui.widgets.lines import Lines
from cubesat_tui.widgets.scatter import Scatter, mode_letters
from telemetry.store.reader import StoreReader
from tests.cubesat_tui import fabricated, scored
from tests.cubesat_tui.fabricated import NOW, SATELLITE, S

SIZES = [(80, 24), (140, 42)]


@pytest.fixture
def mission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    scored.serve(monkeypatch)
    return scored.fill(tmp_path / "mission")


def drawn(screen: ClustersScreen) -> bool:
    return screen.space is not None and bool(screen.query_one(Scatter).rows)


def text(screen: ClustersScreen, name: str) -> str:
    return scored.words(screen.query_one(f"#{name}", Lines))


# What is drawn


def read(mission: Any, **changes: Any) -> FeatureSpace:
    """Through whatever model `scored.serve` gave."""
    wanted = Wanted(SATELLITE, None, None, 17, None, NOW, 5700 * S)
    reader = StoreReader(mission.telemetry)
    model = ServedModel(Path("/nowhere"))
    asked = Wanted(**{**{name: getattr(wanted, name) for name in Wanted.__slots__}, **changes})
    space = feature_space(reader, model, fabricated.fabricated_mission(), asked)
    reader.close()
    assert space is not None
    return space


def test_every_frame_of_the_span_is_read_and_the_modes_are_parts_of_one_whole(mission: Any):
    space = read(mission)
    assert space.packet == "hk"
    assert space.read == 30 * 60
    assert set(space.modes) == {"eclipse", "sunlit"}
    assert sum(space.mode_share) == pytest.approx(1.0)
    assert space.mode_share[space.modes.index("sunlit")] == pytest.approx(0.5, abs=0.01)


def test_what_was_confirmed_is_all_drawn_and_nothing_else_is_called_an_anomaly(mission: Any):
    space = read(mission)
    assert space.confirmed == int(space.anomalous.sum()) == scored.FAULT_S - 4
    assert ((NOW - space.t_ns[space.anomalous]) / S < scored.FAULT_S).all()
    assert len(space.episodes()) == 1


def test_the_channel_that_jumped_deviates_most(mission: Any):
    space = read(mission)
    name, value, usual, sigma = space.deviations(space.episodes()[0])[0]
    assert name == "pld.dist_s"
    assert value == pytest.approx(80.1, abs=0.6)
    assert usual == pytest.approx(55.1, abs=0.6)
    assert sigma > 10


def test_frames_of_the_future_and_before_the_span_are_not_drawn(mission: Any):
    space = read(mission, t1_ns=NOW - 600 * S, span_ns=300 * S)
    assert space.t_ns.min() >= NOW - 900 * S
    assert space.t_ns.max() <= NOW - 600 * S


def test_the_originals_axes_are_value_mean_and_deviation_and_never_span_a_gap():
    t = np.concatenate([np.arange(20), np.arange(100, 120)]).astype(np.int64) * S
    values = np.arange(40, dtype=float) ** 2
    axes = original_axes(t, values, 1.0)
    assert np.isnan(axes[:4]).all()
    assert np.isnan(axes[20:24]).all()
    np.testing.assert_allclose(axes[30], [900.0, values[26:31].mean(), values[26:31].std(ddof=1)])


def test_a_picture_that_moves_on_keeps_its_points():
    t = np.arange(5000, dtype=np.int64) * S
    state, usable = np.zeros(4500, dtype=np.int64), np.ones(4500, dtype=bool)
    before, after = t[:4500], t[250:4750]
    was = set(before[chosen(before, 1.0, state, usable)][:-20].tolist())
    now = set(after[chosen(after, 1.0, state, usable)].tolist())
    assert {moment for moment in was if moment >= 250 * S} <= now
    assert len(now) <= 1220


def test_a_context_holds_from_when_it_was_sent_and_never_backwards():
    at = np.array([10, 20], dtype=np.int64)
    now = held(np.array([5, 10, 15, 25], dtype=np.int64), at, np.array([1.0, 2.0]))
    np.testing.assert_array_equal(now, [np.nan, 1.0, 1.0, 2.0])


def test_a_mode_that_never_changes_is_not_named_and_an_unknown_one_is():
    bus = fabricated.fabricated_mission()
    index, names = partition(bus, np.array([[4.0, 0.0], [4.0, 1.0], [4.0, np.nan]]))
    assert [names[i] for i in index] == ["sunlit", "eclipse", "unknown"]
    _, one = partition(bus, np.array([[4.0, 0.0], [4.0, 0.0]]))
    assert one == ("all frames",)


def test_letters_of_modes_differ():
    assert (
        mode_letters(("eclipse", "sunlit", "eclipse safe", "sunlit safe"))
        == "esct"[:2] + mode_letters(("eclipse", "sunlit", "eclipse safe", "sunlit safe"))[2:]
    )
    assert len(set(mode_letters(("eclipse", "sunlit", "eclipse safe", "sunlit safe")))) == 4


def test_a_frame_stands_where_the_scorer_that_judged_it_put_it(tmp_path: Path):
    """With a real model: the picture is recomputed, so it must agree with what the station stored."""
    from cubesat_tui.feature_space import projected
    from sim.history import history
    from sim.preset import demo_mission_toml
    from telemetry.dictionary import read_mission
    from telemetry.freshness import invalid_mask
    from trainer.model import fit
    from trainer.scorer import LiveScoring
    from trainer.window import from_batches

    (tmp_path / "mission.toml").write_text(demo_mission_toml(NOW, 1, "quiet"))
    mission = read_mission(tmp_path)
    bus = mission.bus_of(SATELLITE)
    batches = list(history(mission, SATELLITE, NOW // S * S, 1.2))
    fitted = fit(
        from_batches(SATELLITE, bus, batches), version=1, parent=None, created_ns=NOW, false_alarms_per_day=0.2
    )
    scoring = LiveScoring(mission)
    scoring.swap(fitted.scorer)
    compared = 0
    for batch in batches[-8:]:
        columns = scoring.score(batch, invalid_mask(bus.channels_of(batch.layout), batch.values)).columns
        model = fitted.scorer.packets.get(batch.layout.packet)
        if columns is None or model is None:
            continue
        values = batch.values[:, [batch.layout.positions[name] for name in model.channels]]
        judged = columns.model > 0
        np.testing.assert_allclose(projected(model, values)[judged], columns.axes[judged], rtol=1e-5, atol=1e-5)
        compared += int(judged.sum())
    assert compared > 100


def test_the_forest_beside_a_fusion_is_told_of_the_newest_frame_and_of_each_anomaly(
    mission: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read(mission).forest == {}
    scored.serve(monkeypatch, "fusion")
    space = read(mission)
    assert space.kind == "fusion"
    at = [*space.episodes(), len(space) - 1]
    assert set(space.forest) == {int(space.ids[i]) for i in at}
    column = space.channels.index("pld.dist_s")
    for i in at:
        wave = np.sin(2 * np.pi * scored.ORBIT.place(space.t_ns[i : i + 1])[0] / scored.ORBIT.bins)
        z = (space.values[i, column] - 55.1 - 0.05 * wave) / 0.2
        assert space.forest[int(space.ids[i])] == pytest.approx(abs(z) / 10)


def test_a_frame_after_a_gap_has_no_forest_score(mission: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scored.serve(monkeypatch, "fusion")
    first = NOW - 30 * 60 * S
    space = read(mission, t1_ns=first + 3 * S, span_ns=60 * S)
    assert len(space) == 4
    assert space.forest == {}


# Keys


TURNS = {"left": (-10, 0), "h": (-10, 0), "right": (10, 0), "l": (10, 0), "up": (0, 10), "k": (0, 10),
         "down": (0, -10), "j": (0, -10)}  # fmt: skip


async def test_keys_turn_the_picture(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "clusters", drawn)
        for key, turned in TURNS.items():
            before, rows = screen.scatter.view, screen.scatter.rows
            await pilot.press(key)
            after = screen.scatter.view
            assert (after.azimuth - before.azimuth, after.elevation - before.elevation) == turned, key
            assert screen.scatter.rows != rows, key


async def test_x_shows_the_originals_axes_and_tab_walks_the_channels(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "clusters", drawn)
        await pilot.press("x")
        await scored.until(pilot, lambda: screen.space.letters == ("v", "m", "d"))
        assert screen.channel == "pld.dist_s"
        assert "Distance S" in text(screen, "cluster-detail")
        await pilot.press("tab")
        assert screen.channel == "pld.dist_e"
        await pilot.press("shift+tab", "shift+tab")
        assert screen.channel == "pld.dist_n"
        await pilot.press("x")
        await scored.until(pilot, lambda: screen.space.letters == ("1", "2", "3"))


async def test_tab_goes_to_the_next_packet(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "clusters", drawn)
        assert screen.space.packet == "hk"
        await pilot.press("tab")
        await scored.until(pilot, lambda: screen.space.packet == "slow")
        await pilot.press("shift+tab")
        await scored.until(pilot, lambda: screen.space.packet == "hk")


async def test_n_selects_the_anomaly_and_says_why(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "clusters", drawn)
        await pilot.press("n")
        detail = text(screen, "cluster-detail")
        assert "ANOMALY 1 of 1" in detail
        assert "Distance S" in detail
        assert "71 %" in detail
        assert "usual here 55.1 ±0.5" in " ".join(detail.split())
        marks = [cells for line in screen.scatter.rows for cells, style in line if style == "selected"]
        assert "".join(marks) in {">◈<", ">◈", "◈<", "><"}
        await pilot.press("escape")
        assert "NEWEST FRAME" in text(screen, "cluster-detail")
        await pilot.press("N")
        assert "ANOMALY 1 of 1" in text(screen, "cluster-detail")


async def test_enter_shows_the_frame_g_goes_to_its_moment_and_y_copies(mission: Any):
    app = scored.console(mission)
    sent = scored.listen(app)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "clusters", drawn)
        await pilot.press("n", "enter")
        await scored.until(pilot, lambda: isinstance(app.screen, FrameCard))
        assert "Distance S" in scored.words(app.screen.query_one(Card))
        await pilot.press("escape")
        await scored.until(pilot, lambda: app.screen is screen)
        await pilot.press("y")
        await scored.until(pilot, lambda: sent)
        assert "ANOMALY 1 of 1" in next(m.text for m in sent if isinstance(m, messages.CopyRequested))
        await pilot.press("g")
        await scored.until(pilot, lambda: isinstance(app.screen, GoToDialog))
        await pilot.press("enter")
        await scored.until(pilot, lambda: app.time.fixed)
        assert 0 < (NOW - app.time.t1_ns) / S < scored.FAULT_S


async def test_in_the_past_the_frames_of_the_stretch_are_drawn(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "clusters", drawn)
        app.go_to(app.time.at(NOW - 200 * S))
        await scored.until(pilot, lambda: screen.space is not None and screen.space.t_ns[-1] == NOW - 200 * S)
        assert screen.space.read == 601
        assert screen.space.t_ns[0] >= NOW - 800 * S
        assert "601 hk frames, 10 min to 07:10:43Z" in text(screen, "clusters-title")
        assert screen.space.confirmed == 0
        await pilot.press("left_square_bracket")
        await scored.until(pilot, lambda: screen.space.read == 301)
        await pilot.press("space")
        await scored.until(pilot, lambda: screen.space is not None and screen.space.read == 1800)
        assert "last orbit" in text(screen, "clusters-title")


async def test_before_the_first_model_the_past_says_so(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "clusters", drawn)
        app.go_to(app.time.at(NOW - 1700 * S))
        await scored.until(pilot, lambda: "No model scored" in text(screen, "cluster-detail"))
        assert screen.space is None


# Words


async def test_it_says_what_is_drawn(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "clusters", drawn)
        shown = len(screen.space)
        assert f"{shown:,} of 1,800 hk frames, last orbit" in text(screen, "clusters-title")
        legend = text(screen, "clusters-legend")
        assert "eclipse 50 %" in legend
        assert "sunlit 50 %" in legend
        assert "@" in scored.words(screen.scatter)


@pytest.mark.parametrize("size", SIZES)
async def test_it_says_p_threshold_model_and_what_the_forest_says_beside_a_fusion(
    mission: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    scored.serve(monkeypatch, "fusion")
    app = scored.console(mission)
    async with app.run_test(size=size) as pilot:
        screen = await scored.go(pilot, "clusters", drawn)
        newest = text(screen, "cluster-detail")
        for words in (
            "NEWEST FRAME",
            "◈ score 0.9",
            "p < 0.0014",
            "threshold 0.5",
            "model v17, fusion",
            "(no vote)",
        ):
            assert words in newest
        assert "71 %" in newest
        await pilot.press("n")
        assert "(no vote)" in text(screen, "cluster-detail")
        assert "WHY" in text(screen, "cluster-detail")


async def test_while_learning_it_says_how_far(tmp_path: Path):
    app = scored.console(scored.fill(tmp_path / "mission", model=False))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "clusters", lambda s: "learning" in text(s, "cluster-detail"))
        said = " ".join(text(screen, "cluster-detail").split())
        assert "learning 120 of 600: the picture appears with the first model" in said
        assert "Nothing to do: let telemetry come." in said


async def test_a_model_that_cannot_be_read_is_said_and_nothing_is_drawn(tmp_path: Path):
    app = scored.console(scored.fill(tmp_path / "mission"))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "clusters", lambda s: "cannot" in text(s, "cluster-detail"))
        assert screen.space is None
        assert "v17" in text(screen, "cluster-detail")


@pytest.mark.parametrize("size", SIZES)
def test_picture(mission: Any, snap_compare: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]):
    monkeypatch.setattr(Scatter, "few_colours", property(lambda self: False))

    async def select(pilot: Any) -> None:
        await scored.go(pilot, "clusters", drawn)
        await pilot.press("n")

    assert snap_compare(scored.console(mission), terminal_size=size, run_before=select)
