"""What the Models screen says in words: the title of the list, the selected run, and why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cubesat_tui.drawing.cluster_lines import wrapped
from cubesat_tui.drawing.ledger_cells import time_text
from cubesat_tui.drawing.numbers import count_text, countdown, date_clock_text
from cubesat_tui.drawing.rows import Row, row
from cubesat_tui.drawing.run_columns import number
from cubesat_tui.drawing.run_history import RunLine
from cubesat_tui.run_list import RunList
from cubesat_tui.shelf_time import until_words
from telemetry.run_query import NEWEST, OLDEST

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Event


def list_words(runs: RunList | None) -> str:
    """`12 runs`, `500 newest runs`, `3 of "rejected"`, `500 runs by drift`."""
    if runs is None or not runs.rows:
        return ""
    count = count_text(len(runs.rows))
    sort, text = runs.query.sort, runs.query.text
    if text:
        found = f'{count}{"" if runs.whole else " and more"} of "{text}"'
        return found if sort == NEWEST else f"{found} by {sort}"
    if runs.whole:
        return f"{count} runs" if sort == NEWEST else f"{count} runs by {sort}"
    if sort in (NEWEST, OLDEST):
        return f"{sort} {count} runs"
    return f"first {count} runs by {sort}"


def served_words(snapshot: Snapshot) -> str:
    """Which model scores, or scored then."""
    model, past = snapshot.model, snapshot.past_ns is not None
    if model.version is None:
        return "no model scored then" if past else "no model is live yet"
    return f"* v{model.version} {model.kind}".rstrip() + (" scored then" if past else " scores now")


def hold_words(snapshot: Snapshot) -> str:
    """Who holds promotion until when; "" where nobody does."""
    hold = snapshot.model.hold
    if hold is None or snapshot.past_ns is not None:
        return ""
    return f", HELD by {hold.actor} {until_words(hold.until_ns, snapshot.wall_ns)}"


def next_fit(snapshot: Snapshot, moved: Sequence[str] = ()) -> Row:
    """When the next challenger is considered, or why none is; or which channels moved, or what is wrong with the
    audit's mirror."""
    if snapshot.model.error:
        return row((f"no training: {snapshot.model.error}", "warning"))
    if moved:
        return row((moved_words(moved), "warning"))
    if snapshot.model.mirror:
        return row((snapshot.model.mirror, "watch"))
    seconds = snapshot.model.next_s
    return row((f"next fit {countdown(seconds)}" if seconds is not None else "", "label"))


def moved_words(moved: Sequence[str]) -> str:
    """`mode? Battery volt +2`: what an operator is to look at, or to accept."""
    more = f" +{len(moved) - 1}" if len(moved) > 1 else ""
    return f"mode? {moved[0]}{more}"


def run_rows(line: RunLine, size: int) -> tuple[Row, ...]:
    """Why, from which window, and by whom: three lines of a run; of a group, its newest."""
    run = line.newest
    reason = run.reason or "no reason was given"
    group = f"{line.number}: {len(line.runs)} cycles, enter unfolds; the newest: " if len(line.runs) > 1 else ""
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
    if run.fit_s is None:
        champion = "no model scored" if run.parent is None else f"v{run.parent} was the champion"
        rate = f"{number(run.anomaly_rate, '.4f')} of the rows since were flagged, drift {number(run.drift, '.3f')}"
        return (
            row((first, "value"), (reason[: max(0, size - len(first))], "plain")),
            row((f" nothing was fitted in this cycle; {champion}", "label")),
            row((f" {rate}", "label")),
        )
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


def empty_rows(snapshot: Snapshot, filter_text: str, size: int) -> tuple[Row, ...]:
    """No run: what it waits for, or what was asked for in vain, in words."""
    model = snapshot.model
    if filter_text:
        text = f'No run is like "{filter_text}". esc takes the filter away, / writes another one.'
    elif snapshot.past_ns is not None:
        text = "No run had been recorded by this moment."
    elif model.error:
        text = f"No training happens: {model.error}"
    elif model.learning is not None:
        have, need = model.learning
        text = f"No run yet: {count_text(have)} of {count_text(need)} frames that the first fit needs."
    else:
        text = "No run yet. A challenger is fitted every 30 s once there are newly accepted frames."
    return tuple(row((f" {line}", "value")) for line in wrapped(text, size - 2))


def alone_rows(champion: int | None, size: int) -> tuple[Row, ...]:
    """Nothing to compare yet."""
    text = "No model scores yet." if champion is None else "No challenger was fitted yet."
    return tuple(row((f" {line}", "label")) for line in wrapped(text, size - 2))


def _short(digest: str | None) -> str:
    return "-" if not digest else digest[:8]
