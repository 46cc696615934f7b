"""Reading one channel of `mission.toml`: its own keys, its enumeration and its limit sets."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import cast

from telemetry.dictionary import EXACT_INTEGERS, Channel
from telemetry.limits_toml import LEVEL, PAIR, WHEN, YES_NO, read_limit_set
from telemetry.toml_report import MISSING, Report, Rule, as_table, is_text, number, words

_CHANNEL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)+", re.ASCII)
_TYPE_KEYS = frozenset({"type", "kind", "dtype"})
_NUMBERS_ONLY = "no such key: every channel is a number (float64), text belongs to events"


_COUNT = Rule(int, "a whole number from 1 to 10000", lambda n: 1 <= n <= 10_000)
EXPIRY_PERIODS = number("a number of periods from 1 to 1000", 1, 1000)

CHANNEL = {
    "name": Rule(
        str,
        "subsystem.name of letters, digits and _, such as eps.bat_v",
        lambda text: len(text) <= 60 and _CHANNEL_NAME.fullmatch(text) is not None,
        needed=True,
    ),
    "label": words(60),
    "unit": Rule(
        str,
        "at most 16 ASCII characters, such as degC or uT",
        lambda text: text.isascii() and is_text(16, empty=True)(text),
    ),
    "period_s": number("seconds above 0, at most 86400", 0, 86_400, above=True),
    "decimals": Rule(int, "a whole number from 0 to 12", lambda n: 0 <= n <= 12),
    "valid": PAIR,
    "sentinels": Rule(
        tuple[float, ...], "a list of finite numbers", lambda values: all(map(math.isfinite, values))
    ),
    "enum": Rule(dict[str, str], 'codes and labels, such as {0 = "BOOT", 1 = "SAFE"}', bool),
    "action": words(400),
    "min_violations": _COUNT,
    "min_conformance": _COUNT,
    "contact_only": YES_NO,
    "predicted": YES_NO,
    "stuck_s": number("seconds above 0, at most 2592000", 0, 2_592_000, above=True),
    "stuck_when": WHEN,
    "max_rate": number("units per second, a number above 0", 0, math.inf, above=True),
    "rate_when": WHEN,
    "delta": PAIR,
    "delta_when": WHEN,
    "delta_level": LEVEL,
    "expiry_periods": EXPIRY_PERIODS,
    "latch": YES_NO,
}
CONDITIONS = {"stuck_when": "stuck_s", "rate_when": "max_rate", "delta_when": "delta"}
"""Condition of a channel -> the allowance it is one for."""


def read_channel(report: Report, path: str, raw: object, expiry_periods: float) -> Channel | None:
    """The channel at `path`, or None after its errors were reported.

    `expiry_periods`: of the mission, for a channel that gives none of its own.
    """
    before = len(report.lines)
    table = as_table(raw)
    for key in sorted(_TYPE_KEYS & table.keys()):
        report.error(f"{path}.{key}", table[key], _NUMBERS_ONLY)
    if _TYPE_KEYS & table.keys():
        raw = {key: value for key, value in table.items() if key not in _TYPE_KEYS}
    fields = report.table(raw, path, CHANNEL, children=("limits",))
    for when, allowance in (*CONDITIONS.items(), ("delta_level", "delta")):
        if when in fields and allowance not in table:
            report.error(f"{path}.{when}", fields[when], f"nothing without {allowance}")
    for allowance in CONDITIONS.values():
        if "enum" in table and allowance in fields:
            report.error(
                f"{path}.{allowance}",
                _listed(fields[allowance]),
                "nothing beside enum: a code may stand, and jumps",
            )
    if "enum" in fields:
        fields["enum"] = _enumeration(report, f"{path}.enum", fields["enum"])
    enum = fields.get("enum", ())
    sets = tuple(
        read_limit_set(report, one_path, one, enum)
        for one_path, one in report.tables(table.get("limits"), f"{path}.limits")
    )
    for i, one in enumerate(sets):
        last = i == len(sets) - 1
        if last and one.when is not None:
            report.error(
                f"{path}.limits[{i}].when", one.when, "no when in the last set: it holds where no other does"
            )
        elif not last and one.when is None:
            report.error(
                f"{path}.limits[{i}].when", MISSING, "a condition: the sets after this one are never reached"
            )
    if len(report.lines) > before:
        return None
    fields.setdefault("label", fields["name"])
    fields.setdefault("expiry_periods", expiry_periods)
    return Channel(**fields, limits=sets)


def _listed(value: object) -> object:
    return list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value


def _enumeration(report: Report, path: str, raw: Mapping[str, str]) -> tuple[tuple[int, str], ...]:
    found: dict[int, str] = {}
    seen: set[str] = set()
    for code, label in raw.items():
        if not re.fullmatch(r"-?\d{1,16}", code, re.ASCII) or abs(int(code)) > EXACT_INTEGERS:
            report.error(f"{path}.{code}", label, "whole-number codes up to 2^53")
            continue
        if not is_text(40)(label) or label.lower() in seen:
            report.error(f"{path}.{code}", label, "1 to 40 printable characters, each label once")
            continue
        if int(code) in found:
            report.error(f"{path}.{code}", label, "each code once")
        seen.add(label.lower())
        found[int(code)] = label
    return tuple(sorted(found.items()))
