"""Models: runs are grouped without losing one, charts say what they show, every key does what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.containers import Vertical

from cubesat_tui import messages
from cubesat_tui.drawing.run_history import DRIFT_LINE, curves, frequency, lines, time_ticks
from cubesat_tui.screens.models import ModelsScreen
from cubesat_tui.status import read_status
from cubesat_tui.widgets.lines import Lines
from telemetry.clock import ManualClock
from telemetry.store.rows import RunRow
from telemetry.store.writer import StoreWriter
from tests.cubesat_tui import fabricated, scored
from tests.cubesat_tui.fabricated import NOW, S

SIZES = [(80, 24), (140, 42)]


def text(screen: ModelsScreen, name: str) -> str:
    return scored.words(screen.query_one(f"#{name}", Lines))


def loaded(screen: ModelsScreen) -> bool:
    return bool(screen.table.lines) and bool(screen.table.rows)


# Runs as lines


def test_kept_runs_are_one_line_with_their_numbers_and_their_time():
    shown = lines(scored.runs()[::-1])
    assert [(line.number, line.decision) for line in shown] == [
        ("#177-#182", "kept, 2 min"), ("#176", "promoted"), ("#175", "kept"), ("#174", "rejected"),
        ("#172-#173", "kept, 30 s"), ("#171", "promoted"),
    ]  # fmt: skip


@given(st.lists(st.sampled_from(["kept", "promoted", "rejected"]), max_size=40), st.sets(st.integers(0, 40)))
def test_no_grouping_loses_a_run_or_changes_their_order(decisions: list[str], opened: set[int]):
    made = [RunRow(id=i, retrain=i, at_ns=i * S, decision=d) for i, d in enumerate(decisions)][::-1]
    shown = lines(made, frozenset(opened))
    assert [run for line in shown for run in line.runs] == made
    assert all(len(line.runs) == 1 or {run.decision for run in line.runs} == {"kept"} for line in shown)


# Curves


def test_threshold_and_rate_are_two_curves_and_drift_has_its_line():
    made = {curve.title: curve for curve in curves(scored.runs()[::-1], 0.2)}
    assert {"FIT", "DRIFT", "TRAINING", "THRESHOLD", "ANOMALY RATE", "FALSE ALARMS"} == set(made)
    assert made["DRIFT"].level == DRIFT_LINE == 0.25
    assert max(made["DRIFT"].y) == pytest.approx(0.31)
    assert made["FALSE ALARMS"].level == 0.2
    assert list(made["FIT"].x) == sorted(made["FIT"].x)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=60))
def test_training_frequency_counts_every_fit_once_and_shows_idle_time_as_zero(seconds: list[int]):
    made = [RunRow(id=i, retrain=i, at_ns=NOW + at * S, decision="kept", fit_s=0.4) for i, at in enumerate(seconds)]
    curve = frequency(made)
    assert sum(curve.y) == len(seconds)
    steps = {round(b - a) for a, b in zip(curve.x, curve.x[1:], strict=False)}
    assert len(steps) <= 1


def test_a_run_that_fitted_nothing_is_no_training():
    idle = [msgspec.structs.replace(run, fit_s=None) for run in scored.runs()]
    assert frequency(idle).y == ()


def test_ticks_are_round_utc_times_inside_the_axis():
    at, labels = time_ticks((NOW / S - 3600, NOW / S), 4)
    assert all(NOW / S - 3600 <= moment <= NOW / S for moment in at)
    assert labels == ["06:15", "06:30", "06:45", "07:00"]


# The screen


@pytest.fixture
def mission(tmp_path: Path) -> Any:
    return scored.fill(tmp_path / "mission", minutes=5)


async def test_keys(mission: Any):
    app = scored.console(mission)
    sent = scored.listen(app)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        table = screen.table
        assert "#177-#182" in scored.words(table)
        for key, cursor in (
            ("down", 1),
            ("j", 2),
            ("up", 1),
            ("k", 0),
            ("pagedown", 5),
            ("pageup", 0),
            ("j", 1),
            ("home", 0),
        ):
            await pilot.press(key)
            assert table.cursor == cursor, key
        await pilot.press("enter")
        assert [line.number for line in table.lines[:2]] == ["#182", "#181"]
        await pilot.press("j", "j", "escape")
        assert table.lines[0].number == "#177-#182"
        assert table.cursor == 0, "on the group of the run it was on"
        await pilot.press("j")
        detail = text(screen, "run-detail")
        assert "reference moved: 512 new rows" in detail
        assert "2026-11-22 05:" in detail
        assert "parent v16" in detail
        assert "5b1dd1af" in detail
        assert "c0ffee00" in detail
        for key, chart in (("tab", 1), ("tab", 2), ("shift+tab", 1)):
            await pilot.press(key)
            assert [box.id for box in screen.query(".chart-box.chosen")] == [f"chart-box-{chart}"]
        await pilot.press("o")
        await scored.until(pilot, lambda: any(isinstance(m, messages.CopyRequested) for m in sent))
        command = f"cubesat-tui mlflow-ui --mission {mission.path}"
        assert app.clipboard == command
        assert f"command of MLflow's pages: {command} copied" in [note.message for note in app._notifications]
        sent.clear()
        await pilot.press("y")
        await scored.until(pilot, lambda: any(isinstance(m, messages.CopyRequested) for m in sent))
        assert "#176 promoted" in next(m.text for m in sent if isinstance(m, messages.CopyRequested))


@pytest.mark.parametrize("size", SIZES)
async def test_it_asks_about_channels_that_moved_until_a_fit_finds_them_back(mission: Any, size: tuple[int, int]):
    def fitted(retrain: int, moved: dict[str, float]) -> None:
        writer = StoreWriter(mission.telemetry, ManualClock(NOW))
        at = NOW - 18 * S + (retrain - 183) * S
        run = msgspec.structs.replace(scored.runs()[-1], retrain=retrain, at_ns=at, body={"moved": moved})
        writer.record_run(run)
        writer.close()

    fitted(183, {"eps.bat_i": 0.4, "eps.bat_v": 0.61})
    app = scored.console(mission)
    async with app.run_test(size=size) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        label = app.snapshot.mission.bus_of(app.snapshot.satellite).by_name["eps.bat_v"].label
        await scored.until(pilot, lambda: f"mode? {label} +1" in text(screen, "runs-title"))
        assert read_status(mission, fabricated.clock())["moved"] == {"eps.bat_v": 0.61, "eps.bat_i": 0.4}
        fitted(184, {})
        screen._read_for = ()
        screen.refresh_snapshot()
        await scored.until(pilot, lambda: "mode?" not in text(screen, "runs-title"))
        assert read_status(mission, fabricated.clock())["moved"] == {}


@pytest.mark.parametrize("size", SIZES)
async def test_no_chart_crosses_its_box(mission: Any, size: tuple[int, int]):
    app = scored.console(mission)
    async with app.run_test(size=size) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        await pilot.pause()
        boxes = [box for box in screen.query(".chart-box") if box.display]
        assert len(boxes) == (1 if size[0] == 80 else 6)
        for box in boxes:
            assert isinstance(box, Vertical)
            chart = box.children[0]
            drawn = chart.render().plain.splitlines()
            assert any(line.strip() for line in drawn)
            assert max(map(len, drawn)) <= chart.content_size.width, box.id
            assert len(drawn) <= chart.content_size.height, box.id


async def test_without_a_run_it_says_what_it_waits_for(tmp_path: Path):
    app = scored.console(scored.fill(tmp_path / "mission", minutes=2, model=False, run_count=0))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "models", lambda s: "No run yet" in text(s, "run-detail"))
        assert "120 of 600 frames" in text(screen, "run-detail")
        assert "no model is live yet" in text(screen, "runs-title")


def test_importing_the_screens_brings_no_plotting_library_and_nothing_of_the_children():
    code = (
        "import sys, cubesat_tui.screens.models, cubesat_tui.screens.clusters, cubesat_tui.screens.ledger,"
        " cubesat_tui.screens.export, cubesat_tui.export_run\n"
        "never = 'plotext textual_plotext sklearn scipy mlflow pandas pyarrow joblib'.split()\n"
        "sys.exit(', '.join(name for name in never if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("size", SIZES)
def test_picture(mission: Any, snap_compare: Any, size: tuple[int, int]):
    assert snap_compare(scored.console(mission), terminal_size=size, run_before=scored.opened("models", loaded))


async def test_in_the_past_only_runs_recorded_by_then_are_told(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        every = [run.retrain for run in screen.table.runs]
        middle = sorted(run.at_ns for run in screen.table.runs)[6]
        app.go_to(app.time.at(middle))
        await scored.until(pilot, lambda: len(screen.table.runs) == 7)
        assert [run.retrain for run in screen.table.runs] == every[-7:]
        assert "v17 fusion scored then" in text(screen, "runs-title")
        assert "recorded by 2026-11-22" in text(screen, "runs-title")
        assert screen.table.champion == 17
        await pilot.press("space")
        await scored.until(pilot, lambda: [run.retrain for run in screen.table.runs] == every)
        assert "scores now" in text(screen, "runs-title")


async def test_before_the_first_run_the_past_says_so(tmp_path: Path):
    app = scored.console(scored.fill(tmp_path / "mission"))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        app.go_to(app.time.at(NOW - 400 * S))
        await scored.until(pilot, lambda: not screen.table.runs)
        assert "No run had been recorded by this moment." in text(screen, "run-detail")
        assert "no model scored then" in text(screen, "runs-title")
