"""Models: filter, order, columns, thousands of runs; two runs beside each other; where a model comes from."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest
from textual.containers import Vertical

from cubesat_tui import messages
from cubesat_tui.drawing.run_columns import COLUMNS, next_columns, shown_columns
from cubesat_tui.drawing.run_history import curves, longest_hole
from cubesat_tui.mlflow_address import mlflow_address
from cubesat_tui.run_diff import diff, pair_of
from cubesat_tui.run_list import PAGE
from cubesat_tui.screens.models import ModelsScreen
from cubesat_tui.screens.run_cards import DiffCard, LineageCard
from cubesat_tui.widgets.card import Card
from cubesat_tui.widgets.charts import TrendChart
from cubesat_tui.widgets.lines import Lines
from telemetry.clock import ManualClock
from telemetry.dictionary import MlflowConfig
from telemetry.run_query import SORTS
from telemetry.store.recorded import write_run
from telemetry.store.rows import RunRow
from telemetry.store.writer import StoreWriter
from tests.cubesat_tui import audited, scored
from tests.cubesat_tui.fabricated import NOW, S
from trainer.tracking.server import LOCK

SIZES = [(80, 24), (140, 42)]


@pytest.fixture(scope="module")
def mission(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return audited.fill(tmp_path_factory.mktemp("audited") / "mission")


def loaded(screen: ModelsScreen) -> bool:
    return bool(screen.table.lines) and bool(screen.table.rows)


def text(screen: Any, name: str) -> str:
    return scored.words(screen.query_one(f"#{name}", Lines))


def card(app: Any) -> str:
    """What is seen of a card."""
    return scored.words(app.screen.query_one(Card))


def told(app: Any) -> str:
    """All of a card, in one line."""
    return " ".join(" ".join("".join(part for part, _ in line) for line in app.screen.rows_now()).split())


def numbers(screen: ModelsScreen) -> list[int]:
    return [line.newest.retrain for line in screen.table.lines]


async def asked(pilot: Any, screen: ModelsScreen, *keys: str, rows: int) -> None:
    await pilot.press(*keys)
    await scored.until(pilot, lambda: len(screen.table.lines) == rows)


# Filter and order


async def test_slash_filters_and_esc_takes_the_filter_away_again(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        folded = numbers(screen)
        await asked(pilot, screen, "slash", *"rejected", "enter", rows=2)
        assert numbers(screen) == [169, 149]
        assert '2 of "rejected"' in text(screen, "runs-title")
        await pilot.press("slash", *" drift>0.25")
        await asked(pilot, screen, "enter", rows=1)
        assert numbers(screen) == [169]
        await pilot.press("escape")
        await scored.until(pilot, lambda: numbers(screen) == folded)
        await asked(pilot, screen, "slash", *"kept", "enter", rows=34)
        assert [line.number for line in screen.table.lines[:2]] == ["#182", "#181"], "none of them is folded"


async def test_a_filter_that_cannot_be_read_is_pointed_at_and_changes_nothing(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        before = numbers(screen)
        await pilot.press("slash", *"kept speed>3", "enter")
        await scored.until(pilot, lambda: text(screen, "runs-error"))
        lines = text(screen, "runs-error").splitlines()
        assert lines[0].index("^") == 9 + len("kept ")
        assert "'speed' is no figure of a run" in lines[1]
        assert "drift, fa, threshold" in lines[2]
        await pilot.press("backspace")
        assert text(screen, "runs-error") == ""
        await pilot.press("escape", "j")
        assert numbers(screen) == before
        assert screen.table.cursor == 1, "keys are the table's again"


async def test_what_no_run_is_like_is_said(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        await asked(pilot, screen, "slash", *"v99", "enter", rows=0)
        assert 'No run is like "v99". esc takes the filter away' in text(screen, "run-detail")
        assert screen.query_one("#charts").display, "the trends are of all runs"
        for key in ("d", "enter", "p", "y", "j", "c"):
            await pilot.press(key)
        await pilot.press("escape")
        await scored.until(pilot, lambda: screen.table.lines)


async def test_shift_s_orders_by_each_figure_and_shows_it_first(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        await pilot.press("j", "j")
        for sort in (*SORTS[1:], SORTS[0]):
            await pilot.press("S")
            await scored.until(pilot, lambda sort=sort: screen.table.sort == sort)
            assert screen.table.cursor == 0
            first = screen.table.lines[0].newest
            if sort == "drift":
                assert first.retrain == 169
                assert screen.table.columns[0].title == "drift"
                assert "40 runs by drift" in text(screen, "runs-title")
            elif sort == "fa":
                assert first.false_alarms_per_day == max(one.false_alarms_per_day or 0 for one in audited.runs())
            elif sort == "oldest":
                assert first.retrain == audited.FIRST
        await pilot.press("S", "S", "escape")
        await scored.until(pilot, lambda: screen.table.sort == "newest")


def test_every_column_comes_into_sight_whatever_the_width():
    for size in (20, 80, 86, 116, 200):
        for sort in SORTS:
            seen, first = [], 0
            for _ in COLUMNS:
                seen += shown_columns(size, first, sort)
                first = next_columns(size, first, sort)
                if first == 0:
                    break
            assert first == 0
            assert set(seen) == set(COLUMNS)


async def test_c_and_the_arrows_bring_other_columns(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        head = lambda: "".join(text for text, _ in screen.table.rows[0])  # noqa: E731
        assert "FA/day" in head()
        await pilot.press("c")
        assert "threshold" in head() and "FA/day" not in head()
        await pilot.press("l")
        assert screen.table.columns[0].title == "drift"
        await pilot.press("left", "left")
        assert screen.table.columns[0].title == "FA/day"
        await pilot.press("left")
        assert screen.table.columns[0].title == "FA/day"
        for _ in range(30):
            await pilot.press("right")
        assert screen.table.columns[0].title == "MLflow"
        await pilot.press("c")
        assert screen.table.columns[0].title == "FA/day"


async def test_what_became_of_a_model_is_in_its_row(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(140, 42)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        await asked(pilot, screen, "slash", *"fitted", "enter", rows=7)
        words = scored.words(screen.table).splitlines()
        rows = {line.split()[0].strip(">#"): line for line in words[1:]}
        assert "kept, held" in rows["181"]
        assert "rolled back" in rows["176"]
        assert "* promoted" in rows["163"]
        assert "  rejected" in rows["169"]
        assert "  promoted" in rows["155"]


# Thousands of runs


async def test_thousands_of_runs_come_as_they_are_scrolled_to(tmp_path: Path):
    app = scored.console(audited.fill(tmp_path / "mission", more=2600))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        assert len(screen.table.runs) == PAGE, "no more is read than is looked at"
        assert f"newest {PAGE} runs" in text(screen, "runs-title")
        seen = 0
        while screen.table.lines[screen.table.cursor].newest.retrain > -2600:
            before = screen.table.cursor
            await pilot.press(*["pagedown"] * 20)
            await scored.until(pilot, lambda before=before: screen.table.cursor > before)
            seen += 1
            assert seen < 60
        await scored.until(pilot, lambda: "2,640 runs" in text(screen, "runs-title"))
        order = [run.retrain for run in screen.table.runs]
        assert order == sorted(order, reverse=True)
        assert len(set(order)) == 2640
        await pilot.press("S", "S")
        await scored.until(pilot, lambda: screen.table.sort == "drift")
        assert [line.newest.retrain for line in screen.table.lines[:2]] == [-1, -2], "over all of them"
        assert len(screen.table.runs) == PAGE


async def test_after_a_long_absence_no_run_is_left_out(tmp_path: Path):
    directory = audited.fill(tmp_path / "mission")
    app = scored.console(directory)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        writer = StoreWriter(directory.telemetry, ManualClock(NOW))
        writer._connection.pragma("synchronous", "off")
        for i in range(3):
            for number in range(3 - i):
                writer.record_run(RunRow(retrain=1000 * i + number + 200, at_ns=NOW, decision="rejected"))
            screen._read_for = ()
            screen.refresh_snapshot()
            newest = 1000 * i + 202 - i
            await scored.until(pilot, lambda newest=newest: numbers(screen)[0] == newest)
        with writer._transaction():
            for number in range(PAGE + 7):
                write_run(writer._connection, RunRow(retrain=5000 + number, at_ns=NOW, decision="rejected"))
        screen._read_for = ()
        screen.refresh_snapshot()
        await scored.until(pilot, lambda: numbers(screen)[0] == 5000 + PAGE + 6)
        assert numbers(screen) == list(range(5000 + PAGE + 6, 5006, -1)), "one page, without a hole"
        writer.close()


# Two runs


async def test_d_lays_the_run_beside_the_champion_and_arrows_choose_another(mission: Any):
    app = scored.console(mission)
    sent = scored.listen(app)
    async with app.run_test(size=(140, 42)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        await asked(pilot, screen, "slash", *"fitted", "enter", rows=7)
        await pilot.press("d")
        await scored.until(pilot, lambda: isinstance(app.screen, DiffCard))
        await pilot.pause()
        words = told(app)
        assert "* v16 #163" in words and "v18 #181" in words
        assert "+9 min" in words
        for line in ("seed", "adcs.rw_x", "recall of the bank", "in common", "data hash"):
            assert line in words, line
        await pilot.press("right")
        await pilot.pause()
        assert "v15 #155" in card(app)
        await pilot.press("left", "left", "left", "left", "left")
        await pilot.pause()
        assert "v17 #176" in card(app)
        await pilot.press("y")
        await scored.until(pilot, lambda: any(isinstance(m, messages.CopyRequested) for m in sent))
        assert "parameters" in next(m.text for m in sent if isinstance(m, messages.CopyRequested))
        await pilot.press("d")
        await scored.until(pilot, lambda: app.screen is screen)


async def test_d_on_a_cycle_that_fitted_nothing_says_so(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        await pilot.press("d")
        assert app._notifications
        assert "Nothing was fitted in #182" in [note.message for note in app._notifications][-1]
        assert app.screen is screen


async def test_the_champion_stands_beside_the_selected_challenger(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(140, 42)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        assert "* v16 #163 beside v18 #181" in text(screen, "beside"), "the newest that was fitted"
        await asked(pilot, screen, "slash", *"rejected", "enter", rows=2)
        await scored.until(pilot, lambda: "beside #169" in text(screen, "beside"))
        assert "rejected" in text(screen, "beside")
        await pilot.press("escape")
        await asked(pilot, screen, "slash", *"v16", "enter", rows=1)
        assert "* v16 #163 beside v18 #181" in text(screen, "beside"), "though no challenger is listed"
        await pilot.press("d")
        await scored.until(pilot, lambda: isinstance(app.screen, DiffCard))
        assert "v15 #155 -> * v16 #163" in app.screen.title_now(), "the champion beside its parent"


def test_what_is_the_same_is_told_from_what_is_not():
    first, second = audited.run(163), audited.run(176)
    made = {section.title: {pair.name: pair for pair in section.pairs} for section in diff(first, second)}
    assert made["parameters"]["trees"].same
    assert made["parameters"]["seed"].right == "176"
    assert made["drift"]["adcs.rw_x"].change == "+0.2900"
    assert next(iter(made["drift"])) == "score"
    assert list(made["drift"])[1] == "adcs.rw_x", "what moved most comes first"
    window = made["data window"]
    assert window["to"].change == "+6 min"
    assert window["long"].same
    assert window["in common"].left == "93 % of it"
    assert not made["figures"].keys() & {"drift", "params"}


def test_of_one_run_alone_there_is_nothing_to_compare():
    one = audited.run(163)
    assert pair_of([one], one, one) is None
    assert pair_of([], None, None) is None
    assert pair_of([audited.run(176), one], None, None) == (one, audited.run(176)), "its parent"


# Lineage


async def test_enter_on_a_run_tells_where_it_comes_from_and_what_it_said(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        await asked(pilot, screen, "slash", *"v16-v17", "enter", rows=2)
        await pilot.press("enter")
        await scored.until(pilot, lambda: isinstance(app.screen, LineageCard))
        words = told(app)
        assert "LINEAGE #176 v17" in app.screen.title_now()
        assert "promoted by the trainer 2026-11-22 07:10:44Z instead of v16" in words
        assert "rolled back after 2 min by v16" in words
        assert "ANOMALIES RAISED 1" in words and "Wheel X speed 6204 rpm" in words
        assert "the files of v17 are not here" in words
        await pilot.press("pagedown")
        await pilot.pause()
        assert "ANOMALIES RAISED" in card(app)
        await pilot.press("escape", "j", "enter")
        await scored.until(pilot, lambda: isinstance(app.screen, LineageCard))
        words = told(app)
        assert 'returned to by kim 2026-11-22 07:12:44Z instead of v17: "blind on wheel Y"' in words
        assert "scores since, 79 s" in words
        assert "ANOMALIES RAISED 2" in words
        assert "the last #176 promoted" in words


async def test_of_a_rejected_run_it_says_that_it_never_scored(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        await asked(pilot, screen, "slash", *"rejected", "enter", rows=2)
        await pilot.press("enter")
        await scored.until(pilot, lambda: isinstance(app.screen, LineageCard))
        words = told(app)
        assert "bank recall 0.910 < 0.955 - 0.02" in words
        assert "it never scored" in words
        assert "its files were not kept" in words


# MLflow


async def test_o_copies_and_tells_the_address_of_a_running_user_interface(mission: Any):
    app = scored.console(mission)
    sent = scored.listen(app)
    with (mission.path / LOCK).open("w+b") as note:
        note.write(b"http://127.0.0.1:5003/")
        note.flush()
        fcntl.flock(note, fcntl.LOCK_EX)
        async with app.run_test(size=(80, 24)) as pilot:
            await scored.go(pilot, "models", loaded)
            await pilot.press("o")
            await scored.until(pilot, lambda: any(isinstance(m, messages.CopyRequested) for m in sent))
            await pilot.pause()
            assert app.clipboard == "http://127.0.0.1:5003/"
            assert "http://127.0.0.1:5003/ copied" in [note.message for note in app._notifications][-1]


def test_of_a_tracking_server_the_address_is_its_own_and_no_password_is_told(mission: Any):
    told, kind = mlflow_address(mission, MlflowConfig(uri="https://ann:secret@tracking.example/team"))
    assert (told, kind) == ("https://ann:***@tracking.example/team", "address")


# Trends


async def test_promotions_and_roll_backs_are_marked_on_the_trends_of_a_model(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(140, 42)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        await pilot.pause()
        threshold = screen.query_one("#chart-3", TrendChart)
        assert threshold.curve is not None
        assert threshold.curve.promoted == tuple(audited.at(number) / S for number in audited.PROMOTED)
        assert threshold.curve.rolled_back == (audited.at(180) / S,)
        drawn = threshold.render().plain
        assert drawn.count("▾") == 4 and drawn.count("◂") == 1
        assert str(screen.query_one("#chart-box-3", Vertical).border_subtitle) == "▾ promoted  ◂ rolled back"


def at_each(*minutes: float, fit_s: float | None = 0.5) -> list[RunRow]:
    return [
        RunRow(id=i, retrain=i, at_ns=NOW + round(m * 60) * S, decision="kept", fit_s=fit_s)
        for i, m in enumerate(minutes)
    ]


def test_a_trainer_that_stands_still_is_a_hole_up_to_now():
    cycles = [i / 2 for i in range(40)]
    assert longest_hole([run.at_ns for run in at_each(*cycles)]) is None
    made = {one.title: one for one in curves(at_each(*cycles), now_ns=NOW + 45 * 60 * S)}["TRAINING"]
    assert made.level_name == "no trainer 07:33 to 07:59"
    assert made.x_range is not None and made.x_range[1] >= NOW / S + 45 * 60
    assert sum(made.y[-20:]) == 0


def test_a_day_of_runs_is_drawn_by_few_points_and_loses_no_peak():
    day = [RunRow(id=i, retrain=i, at_ns=NOW + i * 30 * S, decision="kept", threshold=0.6 + (i == 1234),
                  drift=0.4 if i == 777 else 0.01) for i in range(2880)]  # fmt: skip
    made = {one.title: one for one in curves(day)}
    assert len(made["THRESHOLD"].x) <= 240 and len(made["DRIFT"].x) <= 60
    assert max(made["THRESHOLD"].y) == 1.6
    assert max(made["DRIFT"].y) == 0.4
    assert list(made["THRESHOLD"].x) == sorted(made["THRESHOLD"].x)


# Pictures


async def _filtered(pilot: Any) -> None:
    screen = await scored.go(pilot, "models", loaded)
    await asked(pilot, screen, "slash", *"fitted", "enter", rows=7)
    await pilot.press("S", "S", "j")
    await scored.until(pilot, lambda: screen.table.sort == "drift" and screen.table.cursor == 1)
    await pilot.pause()


async def _wrong(pilot: Any) -> None:
    await scored.go(pilot, "models", loaded)
    await pilot.press("slash", *"kept speed>3", "enter")
    await pilot.pause()


async def _compared(pilot: Any) -> None:
    screen = await scored.go(pilot, "models", loaded)
    await asked(pilot, screen, "slash", *"fitted", "enter", rows=7)
    await pilot.press("d")
    await scored.until(pilot, lambda: isinstance(pilot.app.screen, DiffCard))
    await pilot.pause()


async def _traced(pilot: Any) -> None:
    screen = await scored.go(pilot, "models", loaded)
    await asked(pilot, screen, "slash", *"v16", "enter", rows=1)
    await pilot.press("enter")
    await scored.until(pilot, lambda: isinstance(pilot.app.screen, LineageCard))
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("open_it", [_filtered, _wrong, _compared, _traced])
def test_picture(mission: Any, snap_compare: Any, size: tuple[int, int], open_it: Any):
    assert snap_compare(scored.console(mission), terminal_size=size, run_before=open_it)
