"""Two training runs beside each other: what became of them, parameters, figures, data window, drift. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from cubesat_tui.drawing.ledger_cells import time_text
from cubesat_tui.drawing.numbers import day_clock_text, span_text

if TYPE_CHECKING:
    from telemetry.store.rows import RunRow

NS = 1_000_000_000
LABELS: Mapping[str, str] = {
    "threshold": "threshold",
    "false_alarms_per_day": "false alarms a day",
    "alarm_rate": "alarms at the gate",
    "bank_recall": "recall of the bank",
    "bank_trials": "faults of the bank",
    "champion_alarm_rate": "its champion's alarms",
    "champion_bank_recall": "its champion's recall",
    "anomaly_rate": "flagged rows since",
    "fitted_channels": "channels fitted",
    "new_rows": "newly accepted rows",
    "calibration_rows": "rows calibrated on",
    "held_out_rate": "flagged rows held out",
    "channels": "channels",
    "margin": "margin of thresholds",
    "fit_s": "fit seconds",
    "fit_cpu_s": "fit CPU seconds",
    "cycle_cpu_s": "CPU seconds of the cycle",
    "drift": "drift (PSI)",
}
"""Words for figures; any other is shown by its own name."""
FIRST = ("threshold", "false_alarms_per_day", "bank_recall", "alarm_rate")
PARAMETERS, CHANNEL_DRIFT = "params", "drift"
"""Tables in the body of a run: the parameters of the fit, and the drift of each channel."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One figure of both runs as text; `change` from the left one to the right one, "" where none can be told."""

    name: str
    left: str
    right: str
    change: str = ""

    @property
    def same(self) -> bool:
        return self.left == self.right


@dataclass(frozen=True, slots=True)
class Section:
    """Figures that belong together, under a title."""

    title: str
    pairs: tuple[Pair, ...]


def diff(left: RunRow, right: RunRow) -> tuple[Section, ...]:
    """Everything two runs can be compared by; a section nothing is known for is left out."""
    sections = (
        Section("decision", _decision(left, right)),
        Section("figures", _figures(left, right)),
        Section("data window", _window(left, right)),
        Section("drift", _drift(left, right)),
        Section("parameters", _texts(parameters(left), parameters(right))),
    )
    return tuple(section for section in sections if section.pairs)


def beside(left: RunRow, right: RunRow) -> tuple[Pair, ...]:
    """The few figures by which a challenger is judged beside the champion."""
    wanted = ("threshold", "false_alarms_per_day", "bank_recall", "alarm_rate", "drift", "fit_s")
    mine, other = figures(left), figures(right)
    return (
        Pair("decision", left.decision, right.decision),
        Pair("considered", _clock(left.at_ns), _clock(right.at_ns)),
        _number("rows fitted to", left.rows, right.rows),
        _number("rows left out", left.excluded, right.excluded),
        Pair("window ends", _clock(left.window_to), _clock(right.window_to)),
        *(_number(LABELS[name], mine.get(name), other.get(name)) for name in wanted),
    )


def pair_of(
    fitted: Sequence[RunRow], champion: RunRow | None, selected: RunRow | None, wanted: RunRow | None = None
) -> tuple[RunRow, RunRow] | None:
    """The champion and a challenger, which is `wanted`, else `selected`, else the newest of `fitted`.

    Beside a `wanted` champion stands its parent, or another run that was fitted. None where there are no two.
    """
    run = wanted
    if run is None and selected is not None and selected.fit_s is not None:
        run = None if champion is not None and selected.id == champion.id else selected
    if run is None:
        run = next((one for one in fitted if champion is None or one.id != champion.id), None)
    if run is None:
        return None
    if champion is not None and champion.id != run.id:
        return champion, run
    parent = next((one for one in fitted if one.version is not None and one.version == run.parent), None)
    other = parent or next((one for one in fitted if one.id != run.id), None)
    return None if other is None else (other, run)


def figures(run: RunRow) -> dict[str, float]:
    """Every figure of a run by name: those of its row, and those of its body."""
    own = {
        "threshold": run.threshold,
        "false_alarms_per_day": run.false_alarms_per_day,
        "anomaly_rate": run.anomaly_rate,
        "fit_s": run.fit_s,
        "drift": run.drift,
    }
    body = {name: value for name, value in run.body.items() if _is_number(value)}
    return {**body, **{name: value for name, value in own.items() if value is not None}}


def parameters(run: RunRow) -> dict[str, str]:
    """How it was fitted, where the run says so."""
    return {name: str(value) for name, value in _table(run, PARAMETERS).items()}


def _decision(left: RunRow, right: RunRow) -> tuple[Pair, ...]:
    return (
        Pair("considered", time_text(left.at_ns), time_text(right.at_ns), _apart(left.at_ns, right.at_ns)),
        Pair("decision", left.decision, right.decision),
        Pair("version", _version(left.version), _version(right.version)),
        Pair("parent", _version(left.parent), _version(right.parent)),
        Pair("model files", _short(left.model_sha256), _short(right.model_sha256)),
    )


def _figures(left: RunRow, right: RunRow) -> tuple[Pair, ...]:
    mine, other = figures(left), figures(right)
    known = [name for name in (*FIRST, *LABELS) if name in mine or name in other]
    rest = sorted({*mine, *other} - {*LABELS})
    names = [name for name in dict.fromkeys((*known, *rest)) if name != "drift"]
    return tuple(_number(LABELS.get(name, name), mine.get(name), other.get(name)) for name in names)


def _window(left: RunRow, right: RunRow) -> tuple[Pair, ...]:
    if left.window_from is None and right.window_from is None:
        return ()
    same = left.window_hash is not None and left.window_hash == right.window_hash
    return (
        Pair(
            "from", _time(left.window_from), _time(right.window_from), _apart(left.window_from, right.window_from)
        ),
        Pair("to", _time(left.window_to), _time(right.window_to), _apart(left.window_to, right.window_to)),
        Pair("long", _long(left), _long(right)),
        _number("rows fitted to", left.rows, right.rows),
        _number("rows left out", left.excluded, right.excluded),
        Pair("data hash", _short(left.window_hash), _short(right.window_hash), "same rows" if same else ""),
        Pair("in common", _common(left, right), _common(right, left)),
    )


def _drift(left: RunRow, right: RunRow) -> tuple[Pair, ...]:
    mine, other = _table(left, CHANNEL_DRIFT), _table(right, CHANNEL_DRIFT)
    whole = () if left.drift is None and right.drift is None else (_number("score", left.drift, right.drift),)
    names = sorted({*mine, *other}, key=lambda name: -_largest(mine.get(name), other.get(name)))
    return (*whole, *(_number(name, mine.get(name), other.get(name)) for name in names))


def _texts(mine: Mapping[str, str], other: Mapping[str, str]) -> tuple[Pair, ...]:
    return tuple(Pair(name, mine.get(name, "-"), other.get(name, "-")) for name in dict.fromkeys((*mine, *other)))


def _number(name: str, left: object, right: object) -> Pair:
    mine = float(left) if _is_number(left) else None
    other = float(right) if _is_number(right) else None
    digits = 0 if all(one is None or (one.is_integer() and abs(one) < 1e9) for one in (mine, other)) else None
    change = ""
    if mine is not None and other is not None:
        change = "=" if mine == other else figure_text(other - mine, digits, sign="+")
    return Pair(name, figure_text(mine, digits), figure_text(other, digits), change)


def figure_text(value: float | None, digits: int | None = None, sign: str = "") -> str:
    """`3,960`, `0.6200`, `+1.2e-05`; `-` for none."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return f"{value:{sign}}"
    if digits == 0:
        return f"{value:{sign},.0f}"
    size = abs(value)
    if size and (size < 1e-4 or size >= 1e6):
        return f"{value:{sign}.2e}"
    return f"{value:{sign}.{4 if size < 10 else 2}f}"


def _common(run: RunRow, other: RunRow) -> str:
    """How much of the window of `run` lies in that of the other."""
    if None in (run.window_from, run.window_to, other.window_from, other.window_to):
        return "-"
    first, last = cast("int", run.window_from), cast("int", run.window_to)
    shared = min(last, cast("int", other.window_to)) - max(first, cast("int", other.window_from))
    return f"{100 * max(0, shared) / max(1, last - first):.0f} % of it"


def _apart(left: int | None, right: int | None) -> str:
    if left is None or right is None:
        return ""
    if left == right:
        return "="
    return ("+" if right > left else "-") + span_text(abs(right - left) / NS)


def _long(run: RunRow) -> str:
    if run.window_from is None or run.window_to is None:
        return "-"
    return span_text((run.window_to - run.window_from) / NS)


def _time(ns: int | None) -> str:
    return "-" if ns is None else time_text(ns)


def _clock(ns: int | None) -> str:
    return "-" if ns is None else day_clock_text(ns)


def _version(version: int | None) -> str:
    return "-" if version is None else f"v{version}"


def _short(digest: str | None) -> str:
    return digest[:12] if digest else "-"


def _largest(*values: object) -> float:
    return max((abs(float(value)) for value in values if _is_number(value)), default=0.0)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _table(run: RunRow, name: str) -> dict[str, Any]:
    found = run.body.get(name)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
