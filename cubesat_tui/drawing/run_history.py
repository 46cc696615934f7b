"""Training runs as lines of a table and as curves over time; pure, without any plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cubesat_tui.drawing.numbers import span_text, tick_text, time_step_ns

if TYPE_CHECKING:
    from telemetry.store.rows import RunRow

NS = 1_000_000_000
KEPT = "kept"
PROMOTED = "promoted"
DRIFT_LINE = 0.25
"""Population stability index from which a distribution counts as shifted (Siddiqi 2006)."""
FREQUENCY_BINS = 24
POINTS = 300
"""Runs a curve shows at most, the newest; far below two points per column of a chart."""


@dataclass(frozen=True, slots=True)
class RunLine:
    """One line of the table: a run, or several `kept` runs in a row folded into one, newest first."""

    runs: tuple[RunRow, ...]

    @property
    def newest(self) -> RunRow:
        return self.runs[0]

    @property
    def oldest(self) -> RunRow:
        return self.runs[-1]

    @property
    def number(self) -> str:
        """`#182`, or `#171-#181` for a group."""
        if len(self.runs) == 1:
            return f"#{self.newest.retrain}"
        return f"#{self.oldest.retrain}-#{self.newest.retrain}"

    @property
    def decision(self) -> str:
        """The decision, for a group with the time it spans."""
        if len(self.runs) == 1:
            return self.newest.decision
        return f"{self.newest.decision}, {span_text((self.newest.at_ns - self.oldest.at_ns) / NS)}"


def lines(runs: Sequence[RunRow], open_groups: frozenset[int] = frozenset()) -> list[RunLine]:
    """Lines of `runs` (newest first): `kept` runs in a row are one line, unless `open_groups` has their oldest id.

    One that was held has a model of its own and stands alone.

    A run of another satellite never joins a group, and a single `kept` run is a line of its own.
    """
    out: list[RunLine] = []
    group: list[RunRow] = []

    def close() -> None:
        if len(group) > 1 and group[-1].id in open_groups:
            out.extend(RunLine((run,)) for run in group)
        elif group:
            out.append(RunLine(tuple(group)))
        group.clear()

    for run in runs:
        if group and run.satellite != group[0].satellite:
            close()
        if run.decision == KEPT and run.version is None:
            group.append(run)
        else:
            close()
            out.append(RunLine((run,)))
    close()
    return out


@dataclass(frozen=True, slots=True)
class Curve:
    """What one chart shows. `x` in Unix seconds (UTC), ascending; `y` finite; `level` a line to compare with."""

    title: str
    unit: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    kind: str = "line"
    """`line`, `points` or `bars`."""
    level: float | None = None
    level_name: str = ""
    empty: str = "no run has this figure yet"
    x_range: tuple[float, float] | None = None


def curves(runs: Sequence[RunRow], budget: float | None = None) -> list[Curve]:
    """The trends of `runs` (newest first): fit seconds, threshold, anomaly rate, drift, frequency, false alarms.

    Threshold and rate are curves of their own: on one axis the rate would vanish.
    """
    shown = sorted(runs[:POINTS], key=lambda run: run.at_ns)
    span = (shown[0].at_ns / NS, shown[-1].at_ns / NS) if shown else None

    def curve(title: str, unit: str, name: str, **more: object) -> Curve:
        pairs = [(run.at_ns / NS, getattr(run, name)) for run in shown]
        kept = [(x, float(y)) for x, y in pairs if y is not None and math.isfinite(y)]
        return Curve(title, unit, tuple(x for x, _ in kept), tuple(y for _, y in kept), x_range=span, **more)  # pyright: ignore[reportArgumentType]

    return [
        curve("FIT", "seconds a fit", "fit_s"),
        curve("DRIFT", "PSI by run", "drift", kind="bars", level=DRIFT_LINE, level_name="line: 0.25, shifted"),
        frequency(shown),
        curve("THRESHOLD", "score", "threshold"),
        curve("ANOMALY RATE", "part of rows", "anomaly_rate"),
        curve(
            "FALSE ALARMS",
            "a day, estimated",
            "false_alarms_per_day",
            level=budget,
            level_name="" if budget is None else f"line: budget {budget:g}",
        ),
    ]


def frequency(runs: Sequence[RunRow], bins: int = FREQUENCY_BINS) -> Curve:
    """Fitted challengers per bin of clock time; a bin in which nothing was trained is a zero, not a gap."""
    fitted = [run.at_ns for run in runs if run.fit_s is not None]
    if not fitted:
        return Curve("TRAINING", "fits", (), (), kind="bars", empty="nothing was fitted yet")
    step = time_step_ns(max(fitted) - min(fitted) + 1, bins)
    step = max(step, 60 * NS)
    first, last = min(fitted) // step, max(fitted) // step
    counts = [0] * (last - first + 1)
    for at in fitted:
        counts[at // step - first] += 1
    x = tuple((first + i) * step / NS for i in range(len(counts)))
    return Curve(
        "TRAINING",
        f"fits in {span_text(step / NS)}",
        x,
        tuple(map(float, counts)),
        kind="bars",
        x_range=(x[0], x[-1] + step / NS),
    )


def time_ticks(x_range: tuple[float, float], most: int) -> tuple[list[float], list[str]]:
    """Positions (Unix seconds) and UTC labels of at most `most` ticks at round clock times."""
    low, high = int(x_range[0] * NS), int(x_range[1] * NS)
    if high <= low:
        return [x_range[0]], [tick_text(low, NS)]
    step = time_step_ns(high - low, most)
    first = -(-low // step) * step
    at = list(range(first, high + 1, step)) or [low]
    return [t / NS for t in at], [tick_text(t, step) for t in at]
