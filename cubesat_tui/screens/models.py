"""Models: every considered fit with its decision and figures, and how fit, threshold, rate and drift went."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical

from cubesat_tui import messages
from cubesat_tui.drawing.cluster_lines import wrapped
from cubesat_tui.drawing.ledger_cells import time_text
from cubesat_tui.drawing.numbers import count_text, countdown, date_clock_text
from cubesat_tui.drawing.rows import Row, plain, row, spread
from cubesat_tui.drawing.run_history import RunLine, curves
from cubesat_tui.keymap import bindings
from cubesat_tui.put_there import put_there
from cubesat_tui.screens.mission_screen import MissionScreen
from cubesat_tui.shelf_time import until_words
from cubesat_tui.widgets.lines import Lines
from cubesat_tui.widgets.run_table import RunTable, number

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from cubesat_tui.widgets.charts import TrendChart
    from telemetry.alarms import Event
    from telemetry.store.rows import RunRow

CHARTS = 6
MOST_RUNS = 500
AGAIN_NS = 10_000_000_000
"""Runs are read again at least this often, and at once when another retrain is announced."""


class ModelsScreen(MissionScreen):
    """Charts above, the run table below, everything about the selected run in three lines."""

    MODE = "models"
    BINDINGS: ClassVar[list[BindingType]] = bindings("models")
    DEFAULT_CSS = """
    ModelsScreen #charts { height: 10; }
    ModelsScreen .chart-box { height: 1fr; border: round $line; border-title-color: $accent;
        border-title-style: bold; border-subtitle-color: $dim; display: none; overflow: hidden; }
    ModelsScreen .chart-box.chosen { display: block; }
    ModelsScreen #runs-title { height: 1; }
    ModelsScreen.acted #run-detail { height: 4; }
    ModelsScreen #run-detail { height: 3; background: $surface; }
    ModelsScreen.wide #charts { layout: grid; grid-size: 3 2; height: 20; }
    ModelsScreen.wide .chart-box { display: block; }
    ModelsScreen.none #charts { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._chart = 0
        self._read_at = 0
        self._read_for: tuple[object, ...] = ()
        self._loaded = False
        self._satellite = ""
        self._acts: dict[int, list[Event]] = {}
        """Version -> how it came to score, newest first."""

    def compose_body(self) -> ComposeResult:
        from cubesat_tui.widgets.charts import TrendChart

        with Container(id="charts"):
            for i in range(CHARTS):
                with Vertical(classes="chart-box", id=f"chart-box-{i}"):
                    yield TrendChart(id=f"chart-{i}")
        yield Lines(id="runs-title")
        yield RunTable(id="runs")
        yield Lines(id="run-detail")

    def on_mount(self) -> None:
        self._choose_chart()

    @property
    def table(self) -> RunTable:
        return self.query_one(RunTable)

    def show(self, snapshot: Snapshot) -> None:
        if snapshot.satellite != self._satellite:
            self._satellite, self._loaded = snapshot.satellite, False
            self.table.show((), None)
        key = (snapshot.satellite, snapshot.model.version, snapshot.model.retrain, snapshot.past_ns)
        again = snapshot.past_ns is None and abs(snapshot.wall_ns - self._read_at) >= AGAIN_NS
        if key != self._read_for or again:
            self._read_for, self._read_at = key, snapshot.wall_ns
            self._read(snapshot)
        self._draw_text(snapshot)

    @work(exclusive=True, group="runs", exit_on_error=False)
    async def _read(self, snapshot: Snapshot) -> None:
        until_ns = self._until_ns(snapshot)
        runs: Sequence[RunRow] = await self.console_app.view.runs(None, MOST_RUNS, snapshot.satellite, until_ns)
        put = await self.console_app.view.ask(lambda reader: put_there(reader, snapshot.satellite, MOST_RUNS))
        shown = self.console_app.shown
        if shown is None or shown.past_ns != snapshot.past_ns:
            # Another moment is wanted by now, and asked for by whoever shows it.
            self._read_for = ()
            return
        self._loaded = True
        self._acts = {}
        for event in put:
            version = event.body.get("to")
            if isinstance(version, int) and (until_ns is None or event.at_ns <= until_ns):
                self._acts.setdefault(version, []).append(event)
        self.set_class(not runs, "none")
        self.table.show(runs, snapshot.model.version)
        budget = snapshot.mission.detector.false_alarms_per_day
        for i, curve in enumerate(curves(runs, budget)):
            box = self.query_one(f"#chart-box-{i}", Vertical)
            box.border_title = f"{curve.title}, {curve.unit}"
            box.border_subtitle = curve.level_name
            cast("TrendChart", self.query_one(f"#chart-{i}")).show(curve)
        self._draw_text(shown)

    def _until_ns(self, snapshot: Snapshot) -> int | None:
        """In the past the moment by which a run was recorded; None for all.

        Runs are recorded at wall time. Where the mission lives in another one (a replay) all are shown, and the
        title says so.
        """
        live = self.console_app.snapshot
        return snapshot.past_ns if live is None or live.now_ns == live.wall_ns else None

    # Keys

    def action_move(self, steps: int) -> None:
        self.table.move(steps)

    def action_page(self, steps: int) -> None:
        self.table.move(steps * self.table.page_height())

    def action_newest(self) -> None:
        self.table.move(-len(self.table.lines))

    def action_inspect(self) -> None:
        """Unfold `kept` runs, or fold them again."""
        self.table.toggle()

    def action_next_chart(self, step: int) -> None:
        self._chart = (self._chart + step) % CHARTS
        self._choose_chart()
        self._redraw()

    def _choose_chart(self) -> None:
        for i in range(CHARTS):
            self.query_one(f"#chart-box-{i}", Vertical).set_class(i == self._chart, "chosen")

    def action_promote(self) -> None:
        """Let the model of the selected run score."""
        from cubesat_tui.screens.govern import PromoteDialog

        app, line = self.console_app, self.table.selected
        if not self._may("promoted") or app.snapshot is None:
            return
        run = None if line is None else line.newest
        if run is None or run.version is None:
            app.say("This run left no model: only what passed the gate has a version.")
        elif run.version == app.snapshot.model.version:
            app.say(f"v{run.version} scores already.")
        else:
            app.push_screen(PromoteDialog(app.snapshot, run))

    def action_roll_back(self) -> None:
        """Return to the model before."""
        from cubesat_tui.screens.govern import RollBackDialog

        app = self.console_app
        if not self._may("rolled back") or app.snapshot is None:
            return
        model = app.snapshot.model
        if model.version is None:
            app.say("No model scores yet: there is nothing to roll back.")
        elif model.before is None and len(app.snapshot.mission.satellites) == 1:
            app.say(f"No model is known to have scored before v{model.version}.")
        else:
            app.push_screen(RollBackDialog(app.snapshot))

    def action_hold(self) -> None:
        """Hold automatic promotion, or release it."""
        from cubesat_tui.screens.govern import HoldDialog, ReleaseDialog

        app = self.console_app
        if not self._may("held") or app.snapshot is None:
            return
        if app.snapshot.model.version is None:
            app.say("No model scores yet: the first one is always promoted.")
        else:
            app.push_screen((HoldDialog if app.snapshot.model.hold is None else ReleaseDialog)(app.snapshot))

    def _may(self, done: str) -> bool:
        app = self.console_app
        if app.read_only:
            app.say(f"This console is read-only: nothing can be {done} from here.", "warning")
        return not app.read_only

    def action_address(self) -> None:
        """Say where the audit is."""
        path = Path(self.console_app.directory.mlflow).absolute()
        self.post_message(messages.Notice(f"MLflow: sqlite:///{path}"))

    def action_copy(self) -> None:
        text = "\n".join(plain(line) for line in self.query_one("#run-detail", Lines).rows)
        self.post_message(messages.CopyRequested(text, "run"))

    @on(RunTable.Moved)
    def _redraw(self) -> None:
        if self.console_app.shown is not None:
            self._draw_text(self.console_app.shown)

    # Words

    def _draw_text(self, snapshot: Snapshot) -> None:
        self.query_one("#runs-title", Lines).draw((self._title(snapshot),))
        line = self.table.selected
        detail = self.query_one("#run-detail", Lines)
        if line is not None:
            version = line.newest.version
            acts = [] if version is None else self._acts.get(version, [])
            self.set_class(bool(acts), "acted")
            detail.draw((*run_rows(line, self.size.width), *act_rows(acts, self.size.width)))
        elif self._loaded:
            detail.draw(empty_rows(snapshot, self.size.width))

    def _title(self, snapshot: Snapshot) -> Row:
        table = self.table
        known = len(table.runs)
        count = f"newest {count_text(known)} runs" if known >= MOST_RUNS else f"{count_text(known)} runs"
        model = snapshot.model
        served = f"* v{model.version} {model.kind}".rstrip()
        head = row(
            (" RUNS ", "title"),
            (f"{count}, " if known else "", "label"),
            (_served_words(snapshot, served), "value"),
            (_hold_words(snapshot), "watch"),
        )
        if snapshot.past_ns is not None:
            until = self._until_ns(snapshot)
            words = "all, at wall time " if until is None else f"recorded by {date_clock_text(until)} "
            return spread(head, row((words, "label")), self.size.width)
        next_s = snapshot.model.next_s
        end = f"next fit {countdown(next_s)}" if next_s is not None else ""
        if snapshot.model.error:
            end = f"no training: {snapshot.model.error}"
        tail = row((f"{end} ", "warning" if snapshot.model.error else "label"))
        if not self.wide and known:
            tail = row((f"{end}  chart {self._chart + 1} of {CHARTS} ", "label"), ("tab ", "key"))
        return spread(head, tail, self.size.width)


def _served_words(snapshot: Snapshot, served: str) -> str:
    if snapshot.past_ns is None:
        return "no model is live yet" if snapshot.model.version is None else f"{served} scores now"
    return "no model scored then" if snapshot.model.version is None else f"{served} scored then"


def _hold_words(snapshot: Snapshot) -> str:
    hold = snapshot.model.hold
    if hold is None or snapshot.past_ns is not None:
        return ""
    return f", HELD by {hold.actor} {until_words(hold.until_ns, snapshot.wall_ns)}"


def run_rows(line: RunLine, size: int) -> tuple[Row, ...]:
    """Why, from which window, and by whom: three lines of a run; of a group, its newest."""
    run = line.newest
    reason = run.reason or "no reason was given"
    group = f"{line.number}: {len(line.runs)} fits, enter unfolds; the newest: " if len(line.runs) > 1 else ""
    window = "window unknown"
    if run.window_from is not None and run.window_to is not None:
        window = f"window {time_text(run.window_from)} to {time_text(run.window_to)}Z"
    who = str(run.body.get("actor") or run.body.get("by") or "the trainer")
    rows = f"{number(run.rows, ',d')} rows, {number(run.excluded, 'd')} left out"
    parent = "no parent" if run.parent is None else f"parent v{run.parent}"
    hashes = (
        f"data {_short(run.window_hash)}  model {_short(run.model_sha256)}  MLflow run {_short(run.mlflow_run)}"
    )
    first = f" {line.number} {run.decision}: " if not group else f" {group}"
    return (
        row((first, "value"), (reason[: max(0, size - len(first))], "plain")),
        row((f" {window}, {rows}", "label")),
        row((f" {parent}  {hashes}  by {who}", "label")),
    )


def act_rows(acts: Sequence[Event], size: int) -> tuple[Row, ...]:
    """How the model came to score last: when, who, and why."""
    if not acts:
        return ()
    newest = acts[0]
    more = "" if len(acts) == 1 else f" ({len(acts)} times in all)"
    told = newest.text if newest.actor else f"{newest.text.partition(':')[0]} by the trainer"
    return (row((f" {date_clock_text(newest.at_ns)} ", "label"), (f"{told}{more}"[: max(0, size - 22)], "plain")),)


def empty_rows(snapshot: Snapshot, size: int) -> tuple[Row, ...]:
    """No run yet: what it waits for, in words."""
    model = snapshot.model
    if snapshot.past_ns is not None:
        text = "No run had been recorded by this moment."
    elif model.error:
        text = f"No training happens: {model.error}"
    elif model.learning is not None:
        have, need = model.learning
        text = f"No run yet: {count_text(have)} of {count_text(need)} frames that the first fit needs."
    else:
        text = "No run yet. A challenger is fitted every 30 s once there are newly accepted frames."
    return tuple(row((f" {line}", "value")) for line in wrapped(text, size - 2))


def _short(digest: str | None) -> str:
    return "-" if not digest else digest[:8]
