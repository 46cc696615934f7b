"""The lineage of a run as rows of a card: data, features, model, promotion, anomalies raised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cubesat_tui.drawing.ledger_cells import time_text
from cubesat_tui.drawing.numbers import count_text, date_clock_text, span_text
from cubesat_tui.drawing.rows import EMPTY, Row, folded, left, row
from cubesat_tui.run_diff import LABELS, figure_text, figures, parameters
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from cubesat_tui.run_lineage import RunLineage, Stay

NS = 1_000_000_000
WORD = 11
"""Cells of the word that begins a row."""
GATE = ("bank_recall", "champion_bank_recall", "alarm_rate", "champion_alarm_rate")


def lineage_title(told: RunLineage) -> str:
    """`LINEAGE #176 v17 KESTREL-1`."""
    run = told.run
    version = "" if run.version is None else f" v{run.version}"
    return f"LINEAGE #{run.retrain}{version} {run.satellite or ''}".rstrip()


def lineage_rows(told: RunLineage, now_ns: int, size: int) -> list[Row]:
    """Rows of `size` cells: from the data to what the model said."""
    parts = (_data(told), _features(told), _model(told), _promotion(told, now_ns), _anomalies(told))
    out: list[Row] = []
    for title, pairs in parts:
        out += [EMPTY, row((f" {title}", "title"))] if out else [row((f" {title}", "title"))]
        for word, text, style in pairs:
            for i, line in enumerate(folded(text, size - WORD - 2) or [""]):
                out.append(row((left(f"  {word if i == 0 else ''}", WORD), "label"), (line, style)))
    return out


Pairs = list[tuple[str, str, str]]


def _data(told: RunLineage) -> tuple[str, Pairs]:
    run = told.run
    if run.fit_s is None:
        return "DATA", [("", "this cycle fitted nothing", "plain")]
    pairs: Pairs = [("window", "not known", "dim")]
    if run.window_from is not None and run.window_to is not None:
        long = span_text((run.window_to - run.window_from) / NS)
        pairs = [("window", f"{time_text(run.window_from)} to {time_text(run.window_to)}Z, {long}", "plain")]
    out = f", {count_text(run.excluded)} left out" if run.excluded is not None else ""
    pairs.append(("rows", f"{count_text(run.rows or 0)}{out}", "plain"))
    if told.manifest is not None:
        spans = len(told.manifest.window.spans)
        pairs.append(
            ("stored", f"up to row {told.manifest.window.last_id} of the ledger, {spans} stretches", "plain")
        )
    pairs.append(("hash", run.window_hash or "-", "dim"))
    return "DATA", pairs


def _features(told: RunLineage) -> tuple[str, Pairs]:
    manifest = told.manifest
    if manifest is None:
        known = parameters(told.run)
        pairs: Pairs = [("", told.missing, "dim")] if told.run.fit_s is not None else []
        wanted = {"features_version": "version", "channels": "channels", "kind": "kind"}
        told_by_run = [(word, known[name], "plain") for name, word in wanted.items() if name in known]
        return "FEATURES", [*told_by_run, *pairs]
    pairs = [("version", f"{manifest.features_version}: value, rolling mean, rolling deviation", "plain")]
    for info in manifest.packets:
        why = Counter(info.excluded.values())
        out = "" if not why else "; left out: " + ", ".join(f"{count} {reason}" for reason, count in why.items())
        pairs.append((info.packet, f"{len(info.channels)} channels{out}", "plain"))
    if manifest.context:
        pairs.append(("modes", f"{len(manifest.keys)} of {', '.join(manifest.context)}, contact", "plain"))
    return "FEATURES", pairs


def _model(told: RunLineage) -> tuple[str, Pairs]:
    run, mine = told.run, figures(told.run)
    parent = "none: the first of its kind"
    if run.parent is not None:
        parent = f"v{run.parent}" if told.parent is None else f"v{run.parent}, retrain #{told.parent.retrain}"
    pairs: Pairs = []
    if told.manifest is not None:
        trees = f", {told.manifest.trees} trees" if told.manifest.trees else ""
        pairs.append(("kind", f"{told.manifest.kind}{trees}, fitted {date_clock_text(run.at_ns)}", "plain"))
    pairs.append(("parent", parent, "plain"))
    if run.fit_s is not None:
        alarms = figure_text(run.false_alarms_per_day)
        pairs.append(("threshold", f"{figure_text(run.threshold)}, {alarms} false alarms a day expected", "plain"))
        gate = [f"{LABELS[name]} {figure_text(mine[name])}" for name in GATE if name in mine]
        pairs += [("gate", ", ".join(gate), "plain")] if gate else []
        pairs.append(("sha256", run.model_sha256 or "-", "dim"))
        pairs.append(("MLflow", f"run {run.mlflow_run}" if run.mlflow_run else "not logged yet", "dim"))
    if told.children:
        last = told.children[-1]
        what = "challenger was" if len(told.children) == 1 else "challengers were"
        words = f"{len(told.children)} {what} fitted against it, the last #{last.retrain} {last.decision}"
        pairs.append(("after it", words, "plain"))
    return "MODEL", pairs


def _promotion(told: RunLineage, now_ns: int) -> tuple[str, Pairs]:
    run = told.run
    pairs: Pairs = [(run.decision, plain_text(run.reason, 300) or "no reason was given", _style(run.decision))]
    if not told.stays:
        pairs.append(("", "it never scored", "label"))
    for stay in told.stays:
        pairs += _stay(stay, now_ns)
    return "PROMOTION", pairs


def _stay(stay: Stay, now_ns: int) -> Iterable[tuple[str, str, str]]:
    event, ended = stay.event, stay.ended
    who = plain_text(event.actor, 40) or "the trainer"
    how = "returned to" if event.kind == "model.rolled_back" else "promoted"
    instead = event.body.get("from")
    words = f"{how} by {who} {date_clock_text(event.at_ns)}" + (
        "" if instead is None else f" instead of v{instead}"
    )
    reason = plain_text(str(event.body.get("reason") or ""), 200)
    yield "", words + (f': "{reason}"' if event.actor and reason else ""), "value"
    long = span_text(max(0, (now_ns if ended is None else ended.at_ns) - event.at_ns) / NS)
    if ended is None:
        yield "", f"scores since, {long}", "good"
    else:
        after = ended.body.get("to", ended.body.get("version"))
        gone = "rolled back" if ended.kind == "model.rolled_back" else "replaced"
        yield "", f"{gone} after {long} by v{after}", "watch" if gone == "rolled back" else "plain"


def _anomalies(told: RunLineage) -> tuple[str, Pairs]:
    if not told.raised:
        word = "none" if told.stays else "none: it never scored"
        return "ANOMALIES RAISED", [("", word, "label")]
    newest = [(time_text(event.at_ns)[5:], plain_text(event.text, 200), "plain") for event in told.newest_raised]
    pairs: Pairs = [("", f"{at}Z  {text}", style) for at, text, style in newest]
    if told.raised > len(newest):
        pairs.append(("", f"and {count_text(told.raised - len(newest))} before them", "label"))
    return f"ANOMALIES RAISED {count_text(told.raised)}", pairs


def _style(decision: str) -> str:
    return "watch" if decision.startswith("reject") else "plain"
