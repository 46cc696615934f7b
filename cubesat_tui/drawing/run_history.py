"""Training runs as lines of a table and as curves over time; pure, without any plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from cubesat_tui.drawing.numbers import span_text, tick_text, time_step_ns, utc

if TYPE_CHECKING:
    from telemetry.store.rows import RunRow
    from telemetry.store.run_page import RunPoint

NS = 1_000_000_000
KEPT = "kept"
PROMOTED = "promoted"
DRIFT_LINE = 0.25
"""Population stability index from which a distribution counts as shifted (Siddiqi 2006)."""
FREQUENCY_BINS = 48
POINTS = 240
"""Points a line shows at most: the lowest and the highest of a stretch stand for all of it."""
BARS = 60
"""Bars at most: the highest of a stretch stands for it."""
CYCLES_MISSED = 4
"""So many cycles in a row that left no run are a hole: nobody trained."""


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
    promoted: tuple[float, ...] = ()
    """When another model began to score because it was promoted; Unix seconds."""
    rolled_back: tuple[float, ...] = ()
    """And because somebody rolled back."""


def curves(
    runs: Sequence[RunRow | RunPoint],
    budget: float | None = None,
    promoted_ns: Sequence[int] = (),
    rolled_back_ns: Sequence[int] = (),
    now_ns: int | None = None,
) -> list[Curve]:
    """The trends of `runs`: fit seconds, drift, training frequency, threshold, anomaly rate, false alarms.

    Threshold and rate are curves of their own: on one axis the rate would vanish. Promotions and roll-backs are
    marked on those of a model; `now_ns` ends the axis of the training frequency, so that a trainer that stands
    still is seen to.
    """
    shown = sorted(runs, key=lambda run: run.at_ns)
    span = (shown[0].at_ns / NS, shown[-1].at_ns / NS) if shown else None
    marks = {"promoted": _inside(promoted_ns, span), "rolled_back": _inside(rolled_back_ns, span)}

    def curve(title: str, unit: str, name: str, **more: object) -> Curve:
        pairs = [(run.at_ns / NS, getattr(run, name)) for run in shown]
        kept = [(x, float(y)) for x, y in pairs if y is not None and math.isfinite(y)]
        kept = _highest(kept, BARS) if more.get("kind") == "bars" else _lowest_and_highest(kept, POINTS)
        return Curve(title, unit, tuple(x for x, _ in kept), tuple(y for _, y in kept), x_range=span, **more)  # pyright: ignore[reportArgumentType]

    return [
        curve("FIT", "seconds a fit", "fit_s"),
        curve("DRIFT", "PSI by run", "drift", kind="bars", level=DRIFT_LINE, level_name="line: 0.25, shifted"),
        frequency(shown, now_ns=now_ns),
        curve("THRESHOLD", "score", "threshold", **marks),
        curve("ANOMALY RATE", "part of rows", "anomaly_rate", **marks),
        curve(
            "FALSE ALARMS",
            "a day, estimated",
            "false_alarms_per_day",
            level=budget,
            level_name="" if budget is None else f"line: budget {budget:g}",
            **marks,
        ),
    ]


Points = list[tuple[float, float]]


def _inside(at_ns: Sequence[int], span: tuple[float, float] | None) -> tuple[float, ...]:
    return () if span is None else tuple(sorted(at / NS for at in at_ns if span[0] <= at / NS <= span[1]))


def _stretches(points: Points, most: int) -> list[Points]:
    """`points` in at most `most` stretches of equal time."""
    if not points:
        return []
    first, last = points[0][0], points[-1][0]
    out: dict[int, Points] = {}
    for point in points:
        out.setdefault(int((point[0] - first) / ((last - first) or 1.0) * (most - 1)), []).append(point)
    return list(out.values())


def _lowest_and_highest(points: Points, most: int) -> Points:
    if len(points) <= most:
        return points
    ends = ({min(part, key=_y), max(part, key=_y)} for part in _stretches(points, most // 2))
    return [point for part in ends for point in sorted(part)]


def _highest(points: Points, most: int) -> Points:
    return points if len(points) <= most else [max(part, key=_y) for part in _stretches(points, most)]


def _y(point: tuple[float, float]) -> float:
    return point[1]


def frequency(runs: Sequence[RunRow | RunPoint], bins: int = FREQUENCY_BINS, now_ns: int | None = None) -> Curve:
    """Fitted challengers per bin of clock time; a bin without a fit is a zero, not a gap.

    The axis reaches from the first considered run to the last, or to `now_ns` where cycles are missing since; the
    longest hole among the considered ones is told in words.
    """
    fitted = [run.at_ns for run in runs if run.fit_s is not None]
    if not fitted:
        return Curve("TRAINING", "fits", (), (), kind="bars", empty="nothing was fitted yet")
    considered = sorted(run.at_ns for run in runs)
    hole = longest_hole(considered, now_ns)
    end = considered[-1] if hole is None else max(considered[-1], hole[1])
    step = max(time_step_ns(end - considered[0] + 1, bins), 60 * NS)
    first, last = considered[0] // step, end // step
    counts = [0] * (last - first + 1)
    for at in fitted:
        counts[at // step - first] += 1
    x = tuple((first + i) * step / NS for i in range(len(counts)))
    return Curve(
        "TRAINING",
        f"fits in {span_text(step / NS)}, {sum(counts)} in all",
        x,
        tuple(map(float, counts)),
        kind="bars",
        x_range=(x[0], x[-1] + step / NS),
        level_name="" if hole is None else f"no trainer {_hole_text(*hole)}",
    )


def longest_hole(considered: Sequence[int], now_ns: int | None = None) -> tuple[int, int] | None:
    """The longest time without a considered run (UTC ns, from the last one before it to the first one after).

    None where no `CYCLES_MISSED` cycles in a row are missing; a cycle is what usually lies between two runs.
    """
    if len(considered) < 3:
        return None
    steps = [(later - earlier, earlier) for earlier, later in pairwise(considered)]
    cycle = median(length for length, _ in steps)
    if now_ns is not None and now_ns > considered[-1]:
        steps.append((now_ns - considered[-1], considered[-1]))
    length, begin = max(steps)
    return None if length <= CYCLES_MISSED * max(cycle, NS) else (begin, begin + length)


def _hole_text(begin_ns: int, end_ns: int) -> str:
    return f"{utc(begin_ns).strftime('%H:%M')} to {utc(end_ns).strftime('%H:%M')}"


def time_ticks(x_range: tuple[float, float], most: int) -> tuple[list[float], list[str]]:
    """Positions (Unix seconds) and UTC labels of at most `most` ticks at round clock times."""
    low, high = int(x_range[0] * NS), int(x_range[1] * NS)
    if high <= low:
        return [x_range[0]], [tick_text(low, NS)]
    step = time_step_ns(high - low, most)
    first = -(-low // step) * step
    at = list(range(first, high + 1, step)) or [low]
    return [t / NS for t in at], [tick_text(t, step) for t in at]
