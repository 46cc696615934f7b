"""Models: every considered fit with its decision and figures, and how fit, threshold, rate and drift went."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.widgets import Input

from cubesat_tui import messages
from cubesat_tui.drawing.diff_rows import beside_rows, run_name
from cubesat_tui.drawing.ledger_lines import error_rows
from cubesat_tui.drawing.numbers import date_clock_text
from cubesat_tui.drawing.rows import Row, framed, plain, row, spread, width
from cubesat_tui.drawing.run_history import Curve, curves
from cubesat_tui.drawing.run_words import (
    act_rows,
    alone_rows,
    empty_rows,
    hold_words,
    list_words,
    next_fit,
    run_rows,
    served_words,
)
from cubesat_tui.keymap import bindings
from cubesat_tui.models_now import ModelsNow
from cubesat_tui.moved_channels import labels, newest_moved
from cubesat_tui.run_list import PAGE, RunList, folds
from cubesat_tui.screens.models_comparing import ModelsComparing
from cubesat_tui.widgets.lines import Lines
from cubesat_tui.widgets.run_table import RunTable
from telemetry.query_syntax import QueryError
from telemetry.run_query import NEWEST, SORTS, RunQuery, parse_runs

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from cubesat_tui.widgets.charts import TrendChart

CHARTS = 6
BESIDE = 54
"""Cells of the champion beside a challenger, where the table keeps `TABLE` of them."""
TABLE = 80
MINUTE_NS = 60_000_000_000
AGAIN_NS = 10_000_000_000
"""Runs are read again at least this often, and at once when another retrain is announced."""


class ModelsScreen(ModelsComparing):
    """Charts above, the run table below, everything about the selected run in three lines."""

    MODE = "models"
    BINDINGS: ClassVar[list[BindingType]] = bindings("models")
    DEFAULT_CSS = """
    ModelsScreen #charts { height: 10; }
    ModelsScreen .chart-box { height: 1fr; border: round $line; border-title-color: $accent;
        border-title-style: bold; border-subtitle-color: $dim; display: none; overflow: hidden; }
    ModelsScreen .chart-box.chosen { display: block; }
    ModelsScreen #runs-title { height: 1; }
    ModelsScreen #runs-line { height: 1; background: $panel; display: none; }
    ModelsScreen #runs-line.open { display: block; }
    ModelsScreen #runs-word { width: 9; height: 1; }
    ModelsScreen #runs-filter { width: 1fr; }
    ModelsScreen #runs-error { height: auto; max-height: 4; display: none; }
    ModelsScreen #runs-error.shown { display: block; }
    ModelsScreen #beside { width: 54; height: 1fr; display: none; }
    ModelsScreen.acted #run-detail { height: 4; }
    ModelsScreen #run-detail { height: 3; background: $surface; }
    ModelsScreen.wide #charts { layout: grid; grid-size: 3 2; height: 20; }
    ModelsScreen.wide .chart-box { display: block; }
    ModelsScreen.wide #run-detail { height: 4; }
    ModelsScreen.beside #beside { display: block; }
    ModelsScreen.none #charts, ModelsScreen.none #beside { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._chart = 0
        self._read_at = 0
        self._read_for: tuple[object, ...] = ()
        self._satellite = ""
        self._query = RunQuery()
        self._charted: tuple[object, ...] = ()
        """What the charts were made of."""

    def compose_body(self) -> ComposeResult:
        from cubesat_tui.widgets.charts import TrendChart

        with Container(id="charts"):
            for i in range(CHARTS):
                with Vertical(classes="chart-box", id=f"chart-box-{i}"):
                    yield TrendChart(id=f"chart-{i}")
        yield Lines(id="runs-title")
        with Horizontal(id="runs-line"):
            yield Lines(id="runs-word")
            line = Input(id="runs-filter", compact=True, select_on_focus=False)
            line.placeholder = (
                "promoted  rejected  held  fitted  -kept  v17  #170-#180  drift>0.25  part of a reason"
            )
            line.cursor_blink = False
            yield line
        yield Lines(id="runs-error")
        with Horizontal():
            yield RunTable(id="runs")
            yield Lines(id="beside")
        yield Lines(id="run-detail")

    def on_mount(self) -> None:
        self.query_one("#runs-word", Lines).draw((row((" FILTER ", "title")),))
        self._choose_chart()

    # What is read

    def show(self, snapshot: Snapshot) -> None:
        if snapshot.satellite != self._satellite:
            self._satellite, self._runs, self._models = snapshot.satellite, None, None
            self.table.show((), None)
        key = (snapshot.satellite, snapshot.model.version, snapshot.model.retrain, snapshot.past_ns, self._query)
        again = snapshot.past_ns is None and abs(snapshot.wall_ns - self._read_at) >= AGAIN_NS
        if key != self._read_for or again:
            self._read_for, self._read_at = key, snapshot.wall_ns
            self._read(snapshot)
        self._draw_text(snapshot)

    @work(exclusive=True, group="runs", exit_on_error=False)
    async def _read(self, snapshot: Snapshot) -> None:
        view, until_ns = self.console_app.view, self._until_ns(snapshot)
        satellite, query, version = snapshot.satellite, self._query, snapshot.model.version
        runs, models = await self._listed(query, satellite, until_ns), self._models
        if models is None or (models.satellite, models.until_ns) != (satellite, until_ns):
            models = ModelsNow(satellite, until_ns)
        known = models
        models = await view.ask(lambda reader: known.read_on(reader, version))
        shown = self.console_app.shown
        if shown is None or shown.past_ns != snapshot.past_ns or shown.satellite != satellite:
            # Another moment is wanted by now, and asked for by whoever shows it.
            self._read_for = ()
            return
        self._runs, self._models = runs, models
        self.set_class(not models.points, "none")
        self._draw_runs(shown)
        self._draw_text(shown)

    async def _listed(self, query: RunQuery, satellite: str, until_ns: int | None) -> RunList:
        """The list as it was with what came since; another one where more came than belongs on one page."""
        ask, runs = self.console_app.view.ask, self._runs
        if runs is not None and (runs.query, runs.satellite, runs.until_ns) == (query, satellite, until_ns):
            if runs.ends_before_news:
                return runs
            above = runs.above_id
            news = await ask(lambda one: one.considered.page(query, satellite, until_ns, None, above, PAGE))
            if len(news) < PAGE:
                runs.merge(news)
                return runs
        runs = RunList(query, satellite, until_ns)
        runs.append(await ask(lambda one: one.considered.page(query, satellite, until_ns, limit=PAGE)), PAGE)
        return runs

    @on(RunTable.NearEnd)
    def _near_end(self) -> None:
        if self._runs is not None and self._runs.more and not self._runs.full:
            self._read_behind(self._runs)

    @work(exclusive=True, group="runs behind", exit_on_error=False)
    async def _read_behind(self, runs: RunList) -> None:
        query, behind = runs.query, runs.behind
        page = await self.console_app.view.ask(
            lambda reader: reader.considered.page(query, runs.satellite, runs.until_ns, behind, limit=PAGE)
        )
        if runs is self._runs and runs.behind == behind and self.console_app.shown is not None:
            runs.append(page, PAGE)
            self._draw_runs(self.console_app.shown)
            self._draw_text(self.console_app.shown)

    # What is drawn

    def _draw_runs(self, snapshot: Snapshot) -> None:
        runs, models = self._runs, self._models
        if runs is not None and models is not None:
            self.table.show(
                runs.rows,
                snapshot.model.version,
                sort=runs.query.sort,
                folds=folds(runs.query),
                left_behind=models.left_behind,
            )
            if self.table.row_count <= 2 * self.table.page_height():
                # Folded, a page of runs may be a line or two.
                self._near_end()

    def _draw_charts(self, snapshot: Snapshot, models: ModelsNow) -> None:
        budget = snapshot.mission.detector.false_alarms_per_day
        now_ns = snapshot.wall_ns if snapshot.past_ns is None else models.until_ns
        minute = None if now_ns is None else now_ns // MINUTE_NS
        key = (models.points[-1:], models.promoted_ns, models.rolled_back_ns, minute, self.wide, budget)
        if key == self._charted:
            return
        self._charted = key
        made = curves(models.points, budget, models.promoted_ns, models.rolled_back_ns, now_ns)
        for i, curve in enumerate(made):
            box = self.query_one(f"#chart-box-{i}", Vertical)
            box.border_title = f"{curve.title}, {curve.unit}"
            box.border_subtitle = _legend(curve, self.console_app.signs.ascii, self.wide)
            cast("TrendChart", self.query_one(f"#chart-{i}")).show(curve)

    def _draw_text(self, snapshot: Snapshot) -> None:
        self.query_one("#runs-title", Lines).draw((self._title(snapshot),))
        line, size = self.table.selected, self.size.width
        detail = self.query_one("#run-detail", Lines)
        if line is not None:
            version = line.newest.version
            acts = [] if version is None or self._models is None else self._models.acts.get(version, [])
            self.set_class(bool(acts), "acted")
            detail.draw((*run_rows(line, size), *act_rows(acts, size)))
        elif self._runs is not None:
            self.remove_class("acted")
            detail.draw(empty_rows(snapshot, self._query.text, size))
        beside = self.wide and size >= BESIDE + TABLE
        self.set_class(beside, "beside")
        if beside:
            self._draw_beside(snapshot)
        if self._models is not None:
            self._draw_charts(snapshot, self._models)

    def _draw_beside(self, snapshot: Snapshot) -> None:
        place, signs = self.query_one("#beside", Lines), self.console_app.signs
        pair, version = self._pair(), snapshot.model.version
        if pair is None:
            title, body = row(("CHALLENGER", "title")), list(alone_rows(version, BESIDE - 2))
        else:
            names = " beside ".join(run_name(run, version) for run in pair)
            title, body = row((names, "title")), beside_rows(*pair, version, BESIDE - 2)
        place.draw(framed(title, body, BESIDE, len(body) + 2, signs))

    def _title(self, snapshot: Snapshot) -> Row:
        listed = list_words(self._runs)
        head = row(
            (" RUNS ", "title"),
            (f"{listed}, " if listed else "", "label"),
            (served_words(snapshot), "value"),
            (hold_words(snapshot), "watch"),
        )
        if snapshot.past_ns is not None:
            until = self._until_ns(snapshot)
            words = "all, at wall time " if until is None else f"recorded by {date_clock_text(until)} "
            return spread(head, row((words, "label")), self.size.width)
        fitted = () if self._models is None else self._models.fitted
        moved = labels(newest_moved(fitted), snapshot.mission.bus_of(snapshot.satellite))
        tail: Row = (*next_fit(snapshot, moved), (" ", "label"))
        if not self.wide and listed:
            chart = row((f" chart {self._chart + 1} of {CHARTS} ", "label"), ("tab ", "key"))
            both: Row = (*tail, *chart)
            if width(head) + width(both) < self.size.width:
                tail = both
            elif not moved:
                tail = chart
        return spread(head, tail, self.size.width)

    # Keys: the list

    def action_move(self, steps: int) -> None:
        self.table.move(steps)

    def action_page(self, steps: int) -> None:
        self.table.move(steps * self.table.page_height())

    def action_newest(self) -> None:
        """The first line: the newest run, or the one with the largest figure."""
        self.table.move(-len(self.table.lines))

    def action_sort(self) -> None:
        """The next order; the first row is selected, so that what is asked for is seen."""
        self._ask(self._query.text, SORTS[(SORTS.index(self._query.sort) + 1) % len(SORTS)])

    def action_columns(self) -> None:
        self.table.next_columns()

    def action_columns_on(self, step: int) -> None:
        self.table.shift_columns(step)

    def action_find(self) -> None:
        self.query_one("#runs-line").add_class("open")
        # At once: the next keys of a fast typist belong to the filter.
        self.set_focus(self.query_one("#runs-filter", Input))

    def action_back(self) -> None:
        """First leave the line as it was, then the filter and the order, then what is unfolded, then the place."""
        if self.query_one("#runs-line").has_class("open"):
            self._close_line()
        elif self._query.text or self._query.sort != NEWEST:
            self._ask("", NEWEST)
        elif self.table.unfolded:
            self.table.fold()
        else:
            self.action_newest()

    @on(Input.Submitted, "#runs-filter")
    def _submitted(self, event: Input.Submitted) -> None:
        self._ask(event.value, self._query.sort)

    @on(Input.Changed, "#runs-filter")
    def _typed(self) -> None:
        self._say_wrong(())

    def _ask(self, text: str, sort: str) -> None:
        line = self.query_one("#runs-filter", Input)
        try:
            query = parse_runs(text, sort)
        except QueryError as error:
            self._say_wrong(error_rows(error, text, self.size.width, line.scroll_offset.x))
            return
        self._query = query
        self._close_line()
        self.table.move(-len(self.table.lines))
        self.refresh_snapshot()

    def _close_line(self) -> None:
        self.query_one("#runs-filter", Input).value = self._query.text
        self.query_one("#runs-line").remove_class("open")
        self.set_focus(None)
        self._say_wrong(())

    def _say_wrong(self, rows: Sequence[Row]) -> None:
        place = self.query_one("#runs-error", Lines)
        place.set_class(bool(rows), "shown")
        place.draw(rows)

    def action_next_chart(self, step: int) -> None:
        self._chart = (self._chart + step) % CHARTS
        self._choose_chart()
        self._redraw()

    def _choose_chart(self) -> None:
        for i in range(CHARTS):
            self.query_one(f"#chart-box-{i}", Vertical).set_class(i == self._chart, "chosen")

    @on(RunTable.Moved)
    def _redraw(self) -> None:
        if self.console_app.shown is not None:
            self._draw_text(self.console_app.shown)

    # Keys: elsewhere

    def action_copy(self) -> None:
        text = "\n".join(plain(line) for line in self.query_one("#run-detail", Lines).rows)
        self.post_message(messages.CopyRequested(text, "run"))

    @work(exclusive=True, group="address", exit_on_error=False)
    async def action_address(self) -> None:
        """Say where MLflow shows the runs, or what starts it, and put that on the clipboard."""
        from cubesat_tui.mlflow_address import mlflow_address

        app = self.console_app
        if app.shown is not None:
            found, kind = await to_thread(mlflow_address, app.directory, app.shown.mission.mlflow)
            self.post_message(messages.CopyRequested(found, f"{kind} of MLflow's pages: {found}"))


def _legend(curve: Curve, ascii_signs: bool, small: bool) -> str:
    """What line and marks of a chart mean; a small one with a line leaves the marks to its neighbours."""
    from cubesat_tui.widgets.charts import mark_signs

    promoted, rolled_back = mark_signs(ascii_signs)
    parts = [curve.level_name] if curve.level_name else []
    if not (small and parts):
        parts += [f"{promoted} promoted"] if curve.promoted else []
        parts += [f"{rolled_back} rolled back"] if curve.rolled_back else []
    return "  ".join(parts)
