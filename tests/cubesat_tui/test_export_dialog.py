"""Export from the console: the file holds the rows of the filter, progress is shown, esc leaves nothing behind."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import pytest

from cubesat_tui import messages
from cubesat_tui.export_run import Cancelled, Done, ExportRun, Failed, Progress, read_line
from cubesat_tui.screens.export import ExportDialog, left_out_text, progress_rows
from cubesat_tui.screens.ledger import LedgerScreen
from cubesat_tui.widgets.lines import Lines
from exports.request import ExportRequest
from telemetry.dictionary import read_mission
from telemetry.query import parse
from telemetry.store.reader import StoreReader
from tests.cubesat_tui import scored

SIZES = [(80, 24), (140, 42)]
SLOW = """
import json, signal, sys, time
request = json.loads(sys.stdin.readline())
signal.signal(signal.SIGTERM, lambda *_: (print(json.dumps({"error": "cancelled"}), flush=True), sys.exit(1)))
print(json.dumps({"rows": 5, "total_estimate": 10, "rows_per_s": 2.5}), flush=True)
while True:
    time.sleep(0.05)
"""
BROKEN = "import sys; sys.exit(3)"
HOSTILE = """
import json, sys
sys.stdin.readline()
print("no json at all")
print(json.dumps({"error": "disk \\x1b]52;c;AAAA\\x07 [red]full[/"}), flush=True)
"""


def run_of(mission: Any, source: str) -> ExportRun:
    request = ExportRequest(mission=str(mission.path))
    return ExportRun(request, mission.log / "exports.log", [sys.executable, "-c", source])


@pytest.fixture
def mission(tmp_path: Path) -> Any:
    return scored.fill(tmp_path / "mission", minutes=5)


# The run


async def test_progress_then_cancel(mission: Any):
    run = run_of(mission, SLOW)
    seen: list[Any] = []
    async for step in run.steps():
        seen.append(step)
        if isinstance(step, Progress):
            await run.cancel()
    assert seen == [Progress(5, 10, 2.5), Cancelled()]
    assert run.pid is None


async def test_a_child_that_dies_is_a_failure_with_a_reason(mission: Any):
    steps = [step async for step in run_of(mission, BROKEN).steps()]
    assert len(steps) == 1
    assert isinstance(steps[0], Failed)
    assert "code 3" in steps[0].reason


async def test_what_a_child_says_is_plain_text(mission: Any):
    (step,) = [step async for step in run_of(mission, HOSTILE).steps()]
    assert isinstance(step, Failed)
    assert "\x1b" not in step.reason
    assert "\x07" not in step.reason


async def test_a_program_that_is_not_there_is_said(mission: Any):
    run = ExportRun(ExportRequest(mission=str(mission.path)), mission.log / "exports.log", ["/nonexistent/python"])
    (step,) = [step async for step in run.steps()]
    assert isinstance(step, Failed)
    assert "cannot be started" in step.reason


async def test_walking_away_ends_the_child(mission: Any):
    run = run_of(mission, SLOW)
    steps = run.steps()
    assert isinstance(await anext(steps), Progress)
    assert run.pid is not None
    await steps.aclose()
    assert run.pid is None


def test_lines_that_mean_nothing_are_skipped():
    assert read_line(b"[]\n") is None
    assert read_line(b"{\xff\n") is None
    assert read_line(b'{"done": 1}\n') is None
    assert isinstance(read_line(b'{"done": {"path": "/x", "rows": 1}}\n'), Done)


def test_without_an_estimate_no_share_is_claimed():
    text = "".join(cells for line in progress_rows(Progress(12_000, None, 110_000.0)) for cells, _ in line)
    assert "%" not in text
    assert "12,000 rows" in text
    assert "110k rows/s" in text
    assert "left" not in text.replace("nothing is left behind", "")


def test_what_was_left_out_is_said_in_words():
    manifest = {"left_out": {"refused_frames": {"no time": 3}, "columns": ["score"], "invalid_values": 2}}
    assert left_out_text(manifest).startswith("3 frames refused (3 no time); columns score")
    assert left_out_text({}) == "nothing"


# The dialog


async def opened(pilot: Any, filter_text: str) -> tuple[LedgerScreen, ExportDialog]:
    app = pilot.app
    screen = await scored.go(pilot, "ledger", lambda s: s.table.selected is not None)
    if filter_text:
        screen.apply_filter(filter_text)
        await scored.until(pilot, lambda: screen.filter_text and screen.table.selected is not None)
    await pilot.press("e")
    await scored.until(pilot, lambda: isinstance(app.screen, ExportDialog))
    return screen, app.screen


async def test_the_file_holds_every_row_of_the_filter_and_no_other(mission: Any):
    app = scored.console(mission)
    sent = scored.listen(app)
    async with app.run_test(size=(80, 24)) as pilot:
        _, dialog = await opened(pilot, "anomaly and pld.dist_s > 75")
        assert "anomaly and pld.dist_s > 75" in scored.words(dialog.query_one("#filter-text", Lines))
        await pilot.press("enter")
        await scored.until(pilot, lambda: dialog.outcome is not None, seconds=60)
        assert isinstance(dialog.outcome, Done), dialog.outcome
        result = " ".join(scored.words(dialog.query_one("#result", Lines)).split())
        await pilot.press("y")
        await scored.until(pilot, lambda: any(isinstance(m, messages.CopyRequested) for m in sent))
        await pilot.press("Y", "escape")
        await scored.until(pilot, lambda: isinstance(app.screen, LedgerScreen))
    done = dialog.outcome
    with Path(done.path).open(newline="", encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    reader = StoreReader(mission.telemetry)
    wanted = reader.page(parse("anomaly and pld.dist_s > 75", read_mission(mission.path)), limit=10_000).rows[::-1]
    reader.close()
    assert [float(line["pld.dist_s"]) for line in written] == [
        float(row.values[row.layout.positions["pld.dist_s"]]) for row in wanted
    ]
    assert len(written) == len(wanted) > 90
    assert f"Done. {len(wanted)} rows" in result
    assert done.manifest["sha256"][:8] in result
    assert "Left out:" in result
    copied = [m.text for m in sent if isinstance(m, messages.CopyRequested)]
    assert copied[0] == done.path
    assert copied[1].startswith("scp ")
    (told,) = [m for m in sent if isinstance(m, messages.EventRequested)]
    assert told.kind == "act.export"
    assert told.body["rows"] == len(wanted)


async def test_choices_of_the_form_reach_the_request(mission: Any, monkeypatch: pytest.MonkeyPatch):
    asked: list[ExportRequest] = []

    def start(self: LedgerScreen, request: ExportRequest) -> ExportRun:
        asked.append(request)
        return run_of(mission, SLOW)

    monkeypatch.setattr(LedgerScreen, "_start_export", start)
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        _, dialog = await opened(pilot, "anomaly")
        dialog.query_one("#all").value = True
        dialog.query_one("#parquet").value = True
        dialog.query_one("#both-times").value = False
        await pilot.press("enter")
        await scored.until(pilot, lambda: "5 rows" in scored.words(dialog.query_one("#progress", Lines)))
        assert "50 %" in scored.words(dialog.query_one("#progress", Lines))
        assert "esc cancels" in scored.words(dialog.query_one("#progress", Lines))
        await pilot.press("escape")
        await scored.until(pilot, lambda: dialog.outcome == Cancelled())
        assert "Nothing was left behind" in scored.words(dialog.query_one("#result", Lines))
        assert app.screen is dialog
        await pilot.press("escape")
        await scored.until(pilot, lambda: isinstance(app.screen, LedgerScreen))
    assert asked == [
        ExportRequest(mission=str(mission.path), query="", format="parquet", both_times=False, anomaly_columns=True)
    ]


async def test_cancelling_the_real_exporter_leaves_nothing_behind(mission: Any):
    before = sorted(p.name for p in mission.exports.iterdir())
    run = ExportRun(ExportRequest(mission=str(mission.path)), mission.log / "exports.log")
    steps = run.steps()
    outcome: Any = None
    async for step in steps:
        if isinstance(step, Progress):
            await run.cancel()
        else:
            outcome = step
    if isinstance(outcome, Cancelled):
        assert sorted(p.name for p in mission.exports.iterdir()) == before
    else:
        assert isinstance(outcome, Done)


@pytest.mark.parametrize("size", SIZES)
def test_picture(mission: Any, snap_compare: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]):
    fixed = "/home/ann/.local/share/cubesat-tui/demo"
    draw = ExportDialog._draw_form

    def at_home(self: ExportDialog) -> None:
        object.__setattr__(self._offer, "mission", Path(fixed))
        draw(self)

    monkeypatch.setattr(ExportDialog, "_draw_form", at_home)

    async def run_before(pilot: Any) -> None:
        await opened(pilot, "anomaly and pld.dist_s > 75")
        await pilot.pause()

    assert snap_compare(scored.console(mission), terminal_size=size, run_before=run_before)
