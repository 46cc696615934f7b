"""Export: what and in which form, then progress, then the result, in one box over the ledger."""

from __future__ import annotations

import getpass
import platform
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Checkbox, RadioButton, RadioSet

from cubesat_tui import messages
from cubesat_tui.drawing.numbers import count_text
from cubesat_tui.drawing.rows import Row, left, row
from cubesat_tui.export_run import Cancelled, Done, ExportRun, Failed, Progress
from cubesat_tui.screens.dialog import Choice, Dialog, Tick
from cubesat_tui.widgets.lines import Lines
from exports.request import ExportRequest

BAR = 38


@dataclass(frozen=True, slots=True)
class Offer:
    """What the dialog may export. Texts are canonical filters of `telemetry.query`; counts are words."""

    mission: Path
    satellite: str
    simulated: bool
    filter_text: str
    filter_rows: str
    all_rows: str
    instant: str | None
    """Filter that names the instant of the selected frame."""


class ExportDialog(Dialog[None]):
    """Sketch E. Starts the run it is given; `esc` cancels, and closes when nothing runs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy_path", "copy the path"),
        Binding("Y", "copy_scp", "copy an scp line"),
    ]
    DEFAULT_CSS = """
    ExportDialog RadioSet { layout: horizontal; height: auto; width: 1fr; background: $panel; border: none;
        padding: 0; }
    ExportDialog #what { layout: vertical; }
    ExportDialog RadioSet > RadioButton, ExportDialog Checkbox { width: auto; background: $panel; border: none;
        padding: 0; margin: 0 2 0 0; }
    ExportDialog .line { height: auto; }
    ExportDialog .name { width: 8; }
    ExportDialog #buttons { height: 1; align-horizontal: right; }
    ExportDialog Button { margin: 0 0 0 2; min-width: 10; height: 1; border: none; }
    ExportDialog #progress, ExportDialog #result { display: none; margin-top: 1; }
    ExportDialog.running #progress, ExportDialog.ended #result { display: block; }
    """

    def __init__(self, offer: Offer, start: Callable[[ExportRequest], ExportRun]) -> None:
        super().__init__()
        self._offer = offer
        self._start = start
        self._run: ExportRun | None = None
        self.outcome: Done | Failed | Cancelled | None = None

    def compose(self) -> ComposeResult:
        offer = self._offer
        filtered = bool(offer.filter_text)
        with Vertical(id="box"):
            with Horizontal(classes="line"):
                yield _Name("What")
                with Choice(id="what", compact=True):
                    if filtered:
                        yield RadioButton(Content(f"{offer.filter_rows} of the filter"), True, id="filter")
                    yield RadioButton(Content(f"whole ledger, {offer.all_rows}"), not filtered, id="all")
                    if offer.instant is not None:
                        yield RadioButton(Content("the instant of the selected frame, all packets"), id="instant")
            with Horizontal(classes="line"):
                yield _Name("Filter")
                yield Lines(id="filter-text")
            with Horizontal(classes="line"):
                yield _Name("Form")
                with Choice(id="form", compact=True):
                    yield RadioButton(Content("CSV"), True, id="csv")
                    yield RadioButton(Content("Parquet"), id="parquet")
                yield Tick(Content("both times"), True, id="both-times", compact=True)
                yield Tick(Content("anomaly columns"), True, id="anomaly-columns", compact=True)
            with Horizontal(classes="line"):
                yield _Name("To")
                yield Lines(id="to")
            with Horizontal(id="buttons"):
                yield Button(Content("Export enter"), id="export", compact=True, variant="primary")
                yield Button(Content("Cancel esc"), id="cancel", compact=True)
            yield Lines(id="progress")
            yield Lines(id="result")

    def on_mount(self) -> None:
        self.entitle("EXPORT")
        self._draw_form()
        self.query_one("#what", RadioSet).focus()

    @property
    def running(self) -> bool:
        """Whether an export is under way."""
        return self._run is not None and self.outcome is None

    @on(RadioSet.Changed)
    def _changed(self) -> None:
        self._draw_form()

    def _choice(self, radio_set: str) -> str:
        pressed = self.query_one(f"#{radio_set}", RadioSet).pressed_button
        return pressed.id or "" if pressed is not None else ""

    def _query(self) -> str:
        return {"instant": self._offer.instant or "", "filter": self._offer.filter_text}.get(
            self._choice("what"), ""
        )

    def _draw_form(self) -> None:
        query = self._query()
        self.query_one("#filter-text", Lines).draw(
            (row((query, "value")) if query else row(("none: every row", "label"), ("  live and stored", "dim")),)
        )
        home = str(Path.home())
        folder = str(self._offer.mission / "exports")
        shown = "~" + folder[len(home) :] if folder.startswith(home + "/") else folder
        name = f"{self._offer.satellite}_<time of the export>.{self._choice('form') or 'csv'}"
        self.query_one("#to", Lines).draw((row((shown + "/", "label")), row((name, "value"))))

    def enter(self) -> None:
        if self.query_one("#cancel", Button).has_focus:
            self.action_back()
        elif self._run is None:
            self._begin()
        elif self.outcome is not None:
            self.dismiss()

    def action_back(self) -> None:
        if self.running:
            self._stop()
        else:
            self.dismiss()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "export":
            self.enter()
        else:
            self.action_back()

    def action_copy_path(self) -> None:
        if isinstance(self.outcome, Done):
            self.post_message(messages.CopyRequested(self.outcome.path, "path"))

    def action_copy_scp(self) -> None:
        if isinstance(self.outcome, Done):
            where = f"{getpass.getuser()}@{platform.node()}:{self.outcome.path}"
            self.post_message(messages.CopyRequested(f"scp {shlex.quote(where)} .", "scp line"))

    def _begin(self) -> None:
        form = "parquet" if self._choice("form") == "parquet" else "csv"
        request = ExportRequest(
            mission=str(self._offer.mission),
            query=self._query(),
            format=form,
            both_times=self.query_one("#both-times", Checkbox).value,
            anomaly_columns=self.query_one("#anomaly-columns", Checkbox).value,
        )
        for widget in self.query("RadioSet, Checkbox, #export"):
            widget.disabled = True
        self._run = self._start(request)
        self.add_class("running")
        self.query_one("#progress", Lines).draw(progress_rows(Progress(0, None, 0.0)))
        self._follow(self._run)

    @work(exclusive=True, group="export")
    async def _follow(self, run: ExportRun) -> None:
        async for step in run.steps():
            if isinstance(step, Progress):
                self.query_one("#progress", Lines).draw(progress_rows(step))
                continue
            self.outcome = step
            self.add_class("ended")
            self.query_one("#result", Lines).draw(result_rows(step))
            self.query_one("#cancel", Button).label = Content("Close esc")
            if isinstance(step, Done):
                self._journal(step.manifest)

    @work(group="export-cancel")
    async def _stop(self) -> None:
        if self._run is not None:
            await self._run.cancel()

    def _journal(self, manifest: dict[str, Any]) -> None:
        names = ("file", "format", "rows", "bytes", "sha256", "filter")
        kept: dict[str, object] = {name: manifest.get(name) for name in names}
        kept["text"] = f"exported {manifest.get('rows')} rows to {manifest.get('file')}"
        self.post_message(messages.EventRequested("act.export", 0, str(manifest.get("file", "")), kept))


class _Name(Lines):
    """The word in front of a line of the form."""

    DEFAULT_CSS = "_Name { width: 8; height: 1; }"

    def __init__(self, word: str) -> None:
        super().__init__()
        self.rows = (row((word, "label")),)


def progress_rows(step: Progress) -> tuple[Row, ...]:
    """Bar, rows and speed; without an estimate no share is claimed."""
    share = step.share
    speed = (
        f"{step.rows_per_s / 1000:.0f}k rows/s" if step.rows_per_s >= 10_000 else f"{step.rows_per_s:.0f} rows/s"
    )
    done = round((share or 0.0) * BAR)
    head = f"{share * 100:3.0f} %" if share is not None else "     "
    left_s = step.left_s
    time_left = (
        "" if left_s is None else f"{int(left_s) // 3600}:{int(left_s) // 60 % 60:02d}:{int(left_s) % 60:02d} left"
    )
    return (
        row(
            (f"{head}  ", "value"),
            ("#" * done, "trace"),
            ("." * (BAR - done), "rule"),
            (f"  {count_text(step.rows)} rows  {speed}", "label"),
        ),
        row((left(f"       {time_left}", 32), "dim"), ("esc cancels, nothing is left behind", "dim")),
    )


def result_rows(outcome: Done | Failed | Cancelled) -> tuple[Row, ...]:
    """What became of it: rows, bytes and hash, and what was left out."""
    match outcome:
        case Cancelled():
            return (row(("Cancelled. Nothing was left behind.", "value")),)
        case Failed(reason):
            return tuple(
                row((part, "warning" if i == 0 else "label"))
                for i, part in enumerate(_wrapped(f"Failed: {reason}"))
            )
        case Done(path, manifest):
            rows, size = (count_text(int(manifest.get(key, 0))) for key in ("rows", "bytes"))
            head = f"Done. {rows} rows, {size} bytes, SHA-256 {str(manifest.get('sha256', ''))[:8]}..."
            return (
                row((head, "good"), (" manifest beside.", "label")),
                row((path, "value")),
                *(row((line, "label")) for line in _wrapped(f"Left out: {left_out_text(manifest)}.")),
                row(("y", "key"), (" copy path   ", "label"), ("Y", "key"), (" copy scp line", "label")),
            )


def left_out_text(manifest: dict[str, Any]) -> str:
    """What the manifest says is missing in the file, in words."""
    left_out = manifest.get("left_out") or {}
    refused = left_out.get("refused_frames") or {}
    parts: list[str] = []
    if refused:
        reasons = ", ".join(f"{count_text(int(n))} {reason}" for reason, n in sorted(refused.items()))
        parts.append(f"{count_text(sum(map(int, refused.values())))} frames refused ({reasons})")
    if left_out.get("columns"):
        parts.append("columns " + ", ".join(left_out["columns"]))
    if left_out.get("invalid_values"):
        parts.append(f"nothing of {count_text(int(left_out['invalid_values']))} invalid values, they are marked")
    return "; ".join(parts) or "nothing"


def _wrapped(text: str, size: int = 72) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > size:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
