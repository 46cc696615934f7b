"""Which training runs are wanted and in what order: words and comparisons, all of which must hold.

    filter := word (blank word)*
    word := ["-"] (promoted | rejected | kept | fitted | held | v17 | v12-v17 | #176 | #170-#180
                   | FIGURE op NUMBER | time op TIME | TEXT)

A leading `-` asks for the opposite; TEXT is looked for in the reason. The console's `/` on Models and
`cubesat-tui runs --filter` read the same language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from telemetry.clock import parse_iso
from telemetry.query_syntax import NUMBER, QueryError

FIGURES: Mapping[str, str] = {
    "drift": "drift",
    "fa": "false_alarms_per_day",
    "threshold": "threshold",
    "fit": "fit_s",
    "rows": "rows",
    "excluded": "excluded",
    "rate": "anomaly_rate",
}
"""Word -> column of `run`."""
WORDS: Mapping[str, str] = {
    "promoted": "decision = 'promoted'",
    "rejected": "decision = 'rejected'",
    "kept": "decision = 'kept'",
    "fitted": "fit_s IS NOT NULL",
    "held": "decision = 'kept' AND version IS NOT NULL",
}
NEWEST, OLDEST = "newest", "oldest"
SORTS = (NEWEST, OLDEST, "drift", "fa", "threshold", "fit", "rows")
"""Orders: by number, or by a figure, the largest first; runs without it come last, the newest first."""
EXAMPLES = (
    *WORDS,
    "-kept",
    "v17",
    "#170-#180",
    *(f"{name}>0.2" for name in ("drift", "fa")),
    "time>2026-11-22T06:00Z",
)

_COMPARISON = re.compile(r"([^<>=!]*)(<=|>=|!=|<|>|=)(.*)")
_NUMBERS = re.compile(r"([v#])(\d{1,18})(?:-\1?(\d{1,18}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class RunTest:
    """One condition as SQL over `run`, true or false of every row, and the values of its marks."""

    sql: str
    values: tuple[int | float | str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunQuery:
    """What is wanted: `tests` all hold, in the order `sort` (one of `SORTS`); `text` as it was typed."""

    tests: tuple[RunTest, ...] = ()
    sort: str = NEWEST
    text: str = ""

    @property
    def column(self) -> str | None:
        """The column it is ordered by, None where that is the number of the run."""
        return FIGURES.get(self.sort)


def parse_runs(text: str, sort: str = NEWEST) -> RunQuery:
    """The query that `text` asks for; without words every run.

    Raises:
        QueryError: a comparison that cannot be read, or `sort` is no order.
    """
    if sort not in SORTS:
        raise QueryError(f"{sort!r} is no order", 0, SORTS)
    tests = tuple(_test(found.group(), found.start()) for found in re.finditer(r"\S+", text))
    return RunQuery(tests, sort, " ".join(text.split()))


def _test(typed: str, column: int) -> RunTest:
    opposite = typed.startswith("-") and len(typed) > 1
    word = typed[1:] if opposite else typed
    test = _of(word, column + opposite)
    return RunTest(f"NOT ifnull({test.sql}, 0)", test.values) if opposite else test


def _of(word: str, column: int) -> RunTest:
    lower = word.casefold()
    if lower in WORDS:
        return RunTest(f"({WORDS[lower]})")
    compared = _COMPARISON.fullmatch(word)
    if compared is not None:
        return _compared(*compared.groups(), column=column)
    numbers = _NUMBERS.fullmatch(lower)
    if numbers is not None:
        sign, first, last = numbers.groups()
        name = "version" if sign == "v" else "retrain"
        return RunTest(f"({name} BETWEEN ? AND ?)", (int(first), int(last or first)))
    return RunTest("(instr(lower(reason), lower(?)) > 0)", (word,))


def _compared(name: str, operator: str, value: str, *, column: int) -> RunTest:
    behind = column + len(name) + len(operator)
    if name.casefold() == "time":
        try:
            return RunTest(f"(at_ns {operator} ?)", (parse_iso(value),))
        except ValueError:
            raise QueryError(f"{value!r} is no time", behind, ("2026-11-22T06:00:00Z",)) from None
    figure = FIGURES.get(name.casefold())
    if figure is None:
        raise QueryError(f"{name!r} is no figure of a run", column, (*FIGURES, "time"))
    if NUMBER.fullmatch(value) is None:
        raise QueryError(f"{value!r} is no number", behind, ("0.25",))
    return RunTest(f"({figure} {operator} ?)", (float(value),))
