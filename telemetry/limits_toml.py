"""Reading one limit set of a channel: bands and which of their bounds are exclusive, states, expected values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from telemetry.limit_set import LEVELS, LimitSet, Pair
from telemetry.plain_text import is_plain
from telemetry.toml_report import Report, Rule, as_table, one_of, words


def _ascending(pair: Pair) -> bool:
    return pair[0] <= pair[1] and pair[0] < math.inf and pair[1] > -math.inf


PAIR = Rule(Pair, "two numbers, low then high (-inf or inf leaves a side open)", _ascending)
YES_NO = Rule(bool, "true or false")
WHEN = Rule(str, "a condition on context channels, such as obc.mode = SAFE", lambda text: is_plain(text, 300))
LEVEL = one_of(*LEVELS)
LIMITS = {
    "when": WHEN,
    "latch": YES_NO,
    "action": words(400),
    **dict.fromkeys(LEVELS, PAIR),
    "exclusive": Rule(bool | tuple[str, ...], 'true, or a list of bounds of this set, such as "critical high"'),
    "states": Rule(dict[str, str], 'labels of the enum and their levels, such as {SAFE = "warning"}', bool),
    "expected": Rule(
        str | float | tuple[str | float, ...],
        "a label of the enum, or a number where there is none; or a list of them",
        lambda value: value != (),
    ),
    "expected_level": LEVEL,
}


def read_limit_set(report: Report, path: str, raw: object, enum: tuple[tuple[int, str], ...]) -> LimitSet:
    """The set at `path`; its errors are reported. `enum` as in `Channel`."""
    fields = report.table(raw, path, LIMITS)
    table = as_table(raw)
    if isinstance(raw, dict) and not any(key in table for key in (*LEVELS, "states", "expected")):
        report.error(path, cast("object", raw), f"at least one of {', '.join(LEVELS)}, states, expected")
    if "expected_level" in table and "expected" not in table:
        report.error(f"{path}.expected_level", table["expected_level"], "nothing without expected")
    codes = {label: float(code) for code, label in enum}
    if "exclusive" in fields:
        fields["exclusive"] = _exclusive(report, f"{path}.exclusive", fields)
    if "states" in fields:
        fields["states"] = _states(report, f"{path}.states", fields["states"], codes)
    if "expected" in fields:
        fields["expected"] = _expected(report, f"{path}.expected", fields["expected"], codes)
    found = LimitSet(**fields)
    _nested(report, path, found)
    for value in found.expected:
        if any(value == code for code, _ in found.states):
            label = next(label for label, code in codes.items() if code == value)
            report.error(f"{path}.expected", label, "a label without a level in states")
    return found


def _exclusive(report: Report, path: str, fields: Mapping[str, Any]) -> frozenset[str]:
    """The bounds that are exclusive: `LEVEL low`, `LEVEL high`."""
    bounds = [
        f"{level} {side}"
        for level in LEVELS
        for side, bound in zip(("low", "high"), fields.get(level, ()), strict=False)
        if math.isfinite(bound)
    ]
    given = fields["exclusive"]
    if isinstance(given, bool):
        return frozenset(bounds if given else ())
    for one in given:
        if one not in bounds:
            report.error(path, one, " or ".join(f'"{word}"' for word in bounds) or "bounds that are finite")
    return frozenset(given)


def _states(
    report: Report, path: str, raw: Mapping[str, str], codes: Mapping[str, float]
) -> tuple[tuple[float, str], ...]:
    found: list[tuple[float, str]] = []
    for label, level in raw.items():
        if label not in codes:
            report.error(f"{path}.{label}", level, _labels(codes))
        elif level not in LEVELS:
            report.error(f"{path}.{label}", level, LEVEL.allowed)
        else:
            found.append((codes[label], level))
    return tuple(sorted(found))


def _expected(
    report: Report, path: str, raw: str | float | tuple[str | float, ...], codes: Mapping[str, float]
) -> tuple[float, ...]:
    found: list[float] = []
    for one in raw if isinstance(raw, tuple) else (raw,):
        if isinstance(one, str) and one in codes:
            found.append(codes[one])
        elif isinstance(one, str) or codes:
            report.error(path, one, _labels(codes) if codes else "a number: this channel has no enum")
        elif not math.isfinite(one):
            report.error(path, one, "a finite number")
        else:
            found.append(one)
    return tuple(found)


def _labels(codes: Mapping[str, float]) -> str:
    return f"labels of the enum on the left: {', '.join(codes)}" if codes else "nothing without an enum"


def _nested(report: Report, path: str, limits: LimitSet) -> None:
    """A worse level has a wider band, and there is room in each."""
    inner: tuple[str, float, float] | None = None
    for level, low, high in reversed(limits.bands):
        pair = list(limits.bounds(level) or ())
        if low > high:
            report.error(f"{path}.{level}", pair, "a band that holds a number between its exclusive bounds")
            return
        if inner is not None and not (low <= inner[1] and inner[2] <= high):
            around = limits.bounds(inner[0]) or inner[1:]
            report.error(f"{path}.{level}", pair, f"a band around {inner[0]} [{around[0]:g}, {around[1]:g}]")
        inner = (level, low, high)
