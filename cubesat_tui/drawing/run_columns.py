"""The columns of the run table: what each shows of a run, and which of them have room."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cubesat_tui.drawing.ledger_cells import time_text
from cubesat_tui.drawing.rows import left, right
from cubesat_tui.drawing.run_history import KEPT, PROMOTED, RunLine

if TYPE_CHECKING:
    from telemetry.store.rows import RunRow

REASON = 14
"""Cells that are left for the reason."""


@dataclass(frozen=True, slots=True)
class Column:
    """`cell` gives its text; `sort` is the order (`telemetry.run_query.SORTS`) that goes by it, "" for none."""

    title: str
    width: int
    cell: Callable[[RunRow], str]
    sort: str = ""
    to_right: bool = True

    def set(self, text: str) -> str:
        """`text` in the width of the column."""
        return right(text, self.width) if self.to_right else left(text, self.width)


def number(value: float | None, form: str) -> str:
    """A figure, `-` where the run has none."""
    return "-" if value is None else format(value, form)


def _figure(name: str, form: str) -> Callable[[RunRow], str]:
    def cell(run: RunRow) -> str:
        value = run.body.get(name)
        return format(value, form) if isinstance(value, (int, float)) else "-"

    return cell


def _time(ns: int | None) -> str:
    return "-" if ns is None else time_text(ns)


def _short(digest: str | None) -> str:
    return digest[:8] if digest else "-"


FIXED = 54
"""Cells of pointer, number, time, decision and version with the blanks between them."""
COLUMNS: tuple[Column, ...] = (
    Column("FA/day", 6, lambda run: number(run.false_alarms_per_day, ".2f"), "fa"),
    Column("threshold", 9, lambda run: number(run.threshold, ".4f"), "threshold"),
    Column("drift", 6, lambda run: number(run.drift, ".3f"), "drift"),
    Column("fit s", 6, lambda run: number(run.fit_s, ".2f"), "fit"),
    Column("rows", 7, lambda run: number(run.rows, ",d"), "rows"),
    Column("excl", 5, lambda run: number(run.excluded, "d")),
    Column("recall", 6, _figure("bank_recall", ".3f")),
    Column("champ", 6, _figure("champion_bank_recall", ".3f")),
    Column("alarms", 7, _figure("alarm_rate", ".4f")),
    Column("champ", 7, _figure("champion_alarm_rate", ".4f")),
    Column("flagged", 7, lambda run: number(run.anomaly_rate, ".4f")),
    Column("new rows", 8, _figure("new_rows", ",.0f")),
    Column("CPU s", 6, _figure("fit_cpu_s", ".2f")),
    Column("parent", 6, lambda run: "-" if run.parent is None else f"v{run.parent}"),
    Column("window from", 19, lambda run: _time(run.window_from), to_right=False),
    Column("window to", 19, lambda run: _time(run.window_to), to_right=False),
    Column("data", 8, lambda run: _short(run.window_hash), to_right=False),
    Column("model", 8, lambda run: _short(run.model_sha256), to_right=False),
    Column("MLflow", 8, lambda run: _short(run.mlflow_run), to_right=False),
)
"""In this order; those of the gate have the figure of its champion beside them."""


def _ordered(sort: str) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """The column that `sort` goes by, and the others."""
    return (
        tuple(column for column in COLUMNS if sort and column.sort == sort),
        tuple(column for column in COLUMNS if not sort or column.sort != sort),
    )


def shown_columns(size: int, first: int, sort: str) -> tuple[Column, ...]:
    """What has room in `size` cells from column `first` on, one at least; before them the one of `sort`."""
    chosen, others = _ordered(sort)
    out: list[Column] = []
    room = size - FIXED - REASON
    for column in (*chosen, *others[first:]):
        room -= column.width + 1
        if room < 0 and len(out) > len(chosen):
            break
        out.append(column)
    return tuple(out)


def next_columns(size: int, first: int, sort: str) -> int:
    """Where the columns behind those that are shown begin; 0 behind the last."""
    chosen, others = _ordered(sort)
    behind = first + max(1, len(shown_columns(size, first, sort)) - len(chosen))
    return behind if behind < len(others) else 0


def decision_text(line: RunLine, champion: int | None, left_behind: Collection[int]) -> tuple[str, str]:
    """The decision with what became of it, and its style. `left_behind`: versions that were rolled back from."""
    run = line.newest
    if run.version is not None and run.version == champion:
        return f"* {line.decision}", "good"
    if run.version is not None and run.version in left_behind:
        return "  rolled back", "watch"
    if run.decision == KEPT and run.version is not None:
        return "  kept, held", "watch"
    style = "good" if run.decision == PROMOTED else "watch" if run.decision.startswith("reject") else "label"
    return f"  {line.decision}", style
