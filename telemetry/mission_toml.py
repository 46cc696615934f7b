"""Reading `mission.toml`: every error is reported, one line each, with file, key, value and what is allowed.

Tables are checked key by key (`telemetry.toml_report`); then the names they use of each other are resolved.
"""

from __future__ import annotations

import fnmatch
import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from telemetry.clock import parse_iso
from telemetry.dictionary import (
    DETECTOR_KINDS,
    EXACT_INTEGERS,
    MLFLOW_URIS,
    SCENARIOS,
    SOURCE_KINDS,
    Bus,
    Channel,
    DetectorConfig,
    GroundStation,
    LimitSet,
    LinkConfig,
    Mission,
    MissionError,
    MlflowConfig,
    Pair,
    Satellite,
    SourceConfig,
    TrainerConfig,
)
from telemetry.plain_text import is_plain, plain_text
from telemetry.query_parser import parse_expression
from telemetry.query_syntax import ChannelTest, QueryError, Vocabulary, leaves
from telemetry.toml_report import MISSING, Report, Rule

SCHEMA = 1
FILE_NAME = "mission.toml"
MAX_BYTES = 4 * 1024 * 1024
LEVELS = ("watch", "warning", "distress", "critical", "severe")

Table = Mapping[str, Any]
_CHANNEL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)+", re.ASCII)
_BUS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)
_TYPE_KEYS = frozenset({"type", "kind", "dtype"})
_TEXT_CHANNEL = "no key of this kind; a channel is a number: values are float64, text belongs to events"


class _Refused(Exception):
    """A table is unusable; its errors are already in the list."""


def _text(limit: int, *, empty: bool = False) -> Callable[[str], bool]:
    return lambda text: is_plain(text, limit) and text == text.strip() and (empty or bool(text))


def _words(limit: int, needed: bool = False) -> Rule:
    return Rule(str, f"1 to {limit} printable characters, no control or invisible ones", _text(limit), needed)


def _one_of(*words: str, needed: bool = False) -> Rule:
    return Rule(str, " or ".join(f'"{word}"' for word in words), lambda text: text in words, needed)


def _number(allowed: str, low: float, high: float, *, above: bool = False, needed: bool = False) -> Rule:
    return Rule(
        float, allowed, lambda v: math.isfinite(v) and (low < v if above else low <= v) and v <= high, needed
    )


def _is_tle(lines: tuple[str, str]) -> bool:
    return all(
        re.fullmatch(r"[\x20-\x7e]{69}", line) is not None
        and line.startswith(f"{number} ")
        and sum(int(c) if c.isdigit() else c == "-" for c in line[:68]) % 10
        == int(line[68] if line[68].isdigit() else -1)
        for number, line in enumerate(lines, start=1)
    )


def _is_epoch(text: str) -> bool:
    if text in ("iso", "unix", "unix_ms"):
        return True
    try:
        parse_iso(text)
    except ValueError:
        return False
    return True


def _ascending(pair: Pair) -> bool:
    return pair[0] <= pair[1] and pair[0] < math.inf and pair[1] > -math.inf


_PAIR = Rule(Pair, "two numbers, low then high (-inf or inf leaves a side open)", _ascending)
_COUNT = Rule(int, "a whole number from 1 to 10000", lambda n: 1 <= n <= 10_000)

SATELLITE = {
    "name": _words(40, needed=True),
    "bus": Rule(str, "the name of a bus in this file", needed=True),
    "tle": Rule(tuple[str, str], "two lines of 69 characters, numbered 1 and 2, with right check digits", _is_tle),
    "norad": Rule(int, "a catalogue number from 1 to 999999999", lambda n: 1 <= n <= 999_999_999),
}
GROUND_STATION = {
    "name": _words(40, needed=True),
    "lat": _number("degrees from -90 to 90", -90, 90, needed=True),
    "lon": _number("degrees from -180 to 360", -180, 360, needed=True),
    "alt_m": _number("metres from -500 to 9000", -500, 9000),
    "mask_deg": _number("degrees from 0 to 89", 0, 89),
}
CHANNEL = {
    "name": Rule(
        str,
        "subsystem.name of letters, digits and _, such as eps.bat_v",
        lambda text: len(text) <= 60 and _CHANNEL_NAME.fullmatch(text) is not None,
        needed=True,
    ),
    "label": _words(60),
    "unit": Rule(
        str,
        "at most 16 ASCII characters, such as degC or uT",
        lambda text: text.isascii() and _text(16, empty=True)(text),
    ),
    "period_s": _number("seconds above 0, at most 86400", 0, 86_400, above=True),
    "decimals": Rule(int, "a whole number from 0 to 12", lambda n: 0 <= n <= 12),
    "valid": _PAIR,
    "sentinels": Rule(
        tuple[float, ...], "a list of finite numbers", lambda values: all(map(math.isfinite, values))
    ),
    "enum": Rule(dict[str, str], 'codes and labels, such as {0 = "BOOT", 1 = "SAFE"}', bool),
    "action": _words(400),
    "min_violations": _COUNT,
    "min_conformance": _COUNT,
    "contact_only": Rule(bool, "true or false"),
    "predicted": Rule(bool, "true or false"),
}
LIMITS = {
    "when": Rule(str, "a condition on context channels, such as obc.mode = SAFE", lambda text: is_plain(text, 300)),
    **dict.fromkeys(LEVELS, _PAIR),
}
BUS = {
    "context": Rule(tuple[str, ...], "a list of channel names of this bus"),
    "packets": Rule(dict[str, tuple[str, ...]], 'packet names with lists of channels, such as {hk = ["eps.*"]}'),
}
SOURCES = {
    "sim": {
        "scenario": _one_of(*SCENARIOS),
        "seed": Rule(int, "a whole number from 0 to 2^31", lambda n: 0 <= n <= 2**31),
        "rate": _number("a factor above 0, at most 1000", 0, 1000, above=True),
        "visible": Rule(bool, "true or false"),
    },
    "csv": {
        "time": Rule(str, "the name of the time column", bool, needed=True),
        "epoch": Rule(str, '"iso", "unix", "unix_ms", or the UTC time that the seconds count from', _is_epoch),
        "columns": Rule(dict[str, str], "channel = CSV column", needed=True),
    },
    "stream": {},
}


def read(directory_or_file: Path) -> Mission:
    """The mission in `directory_or_file` (a directory holds it in `mission.toml`).

    Raises:
        MissionError: with every error found in the file.
    """
    file = directory_or_file / FILE_NAME if directory_or_file.is_dir() else directory_or_file
    report = Report(file.name)
    try:
        raw = file.read_bytes()
        if len(raw) > MAX_BYTES:
            raise MissionError([f"{report.file}: {len(raw)} bytes: allowed: at most {MAX_BYTES}"])
        table = tomllib.loads(raw.decode("utf-8"))
    except FileNotFoundError:
        raise MissionError([f"{report.file}: not found in {plain_text(str(file.parent))}"]) from None
    except OSError as error:
        raise MissionError([f"{report.file}: cannot be read: {plain_text(error.strerror or str(error))}"]) from None
    except UnicodeDecodeError as error:
        raise MissionError([f"{report.file}: byte {error.start}: not UTF-8: allowed: TOML in UTF-8"]) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise MissionError(
            [f"{report.file}: {plain_text(str(error) or 'nested too deep')}: allowed: TOML"]
        ) from None
    mission = _mission(report, table, file.parent)
    if report.lines:
        raise MissionError(report.lines)
    return mission


def _mission(report: Report, table: Table, directory: Path) -> Mission:
    known = ("satellite", "bus", "ground_station", "source", "link", "detector", "trainer", "mlflow")
    schema = Rule(int, f"{SCHEMA}", lambda n: n == SCHEMA, needed=True)
    report.table(table, "", {"schema": schema}, children=known)

    buses: dict[str, Bus] = {}
    raw_buses = table.get("bus", {})
    if not isinstance(raw_buses, dict) or not raw_buses:
        report.error("bus", cast("object", raw_buses) or MISSING, "at least one table bus.NAME with channels")
        raw_buses = {}
    for name, raw in cast("dict[str, Any]", raw_buses).items():
        if not _BUS_NAME.fullmatch(name) or len(name) > 40:
            report.error(f"bus.{name}", name, "a bus name of letters, digits, - and _")
            continue
        try:
            buses[name] = _bus(report, name, raw)
        except _Refused:
            pass
    broken = set(cast("dict[str, Any]", raw_buses)) - set(buses)

    source = _source(report, table.get("source", {}), buses, bool(broken))
    satellites = _satellites(report, table.get("satellite"), set(buses) | broken, needs_tle=source.kind == "sim")
    ground: list[GroundStation] = []
    for path, raw in report.tables(table.get("ground_station"), "ground_station"):
        fields = report.table(raw, path, GROUND_STATION)
        if {"name", "lat", "lon"} <= fields.keys():
            ground.append(GroundStation(**fields))
    _unique(report, "ground_station", [one.name for one in ground])

    link = report.table(table.get("link", {}), "link", {"target": _words(400)})
    detector = report.table(
        table.get("detector", {}),
        "detector",
        {
            "kind": _one_of(*DETECTOR_KINDS),
            "false_alarms_per_day": _number("a number above 0, at most 1000", 0, 1000, above=True),
        },
    )
    trainer = report.table(
        table.get("trainer", {}), "trainer", {"period_s": _number("seconds from 1 to 86400", 1, 86_400)}
    )
    mlflow = report.table(table.get("mlflow", {}), "mlflow", {"uri": _one_of(*MLFLOW_URIS)})
    return Mission(
        directory,
        satellites,
        buses,
        tuple(ground),
        source,
        LinkConfig(**link),
        DetectorConfig(**detector),
        TrainerConfig(**trainer),
        MlflowConfig(**mlflow),
    )


def _satellites(report: Report, raw: object, buses: set[str], *, needs_tle: bool) -> tuple[Satellite, ...]:
    found: list[Satellite] = []
    tables = report.tables(raw, "satellite")
    if not tables:
        report.error("satellite", MISSING, "at least one table [[satellite]]")
    for path, one in tables:
        fields = report.table(one, path, SATELLITE)
        if "bus" in fields and fields["bus"] not in buses:
            report.error(f"{path}.bus", fields["bus"], ", ".join(sorted(buses)) or "a bus defined in this file")
        if needs_tle and isinstance(one, dict) and "tle" not in one:
            report.error(f"{path}.tle", MISSING, f'{SATELLITE["tle"].allowed} (source.kind = "sim" needs an orbit)')
        if {"name", "bus"} <= fields.keys():
            found.append(Satellite(**fields))
    _unique(report, "satellite", [one.name for one in found])
    return tuple(found)


def _unique(report: Report, path: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for i, name in enumerate(names):
        if name.lower() in seen:
            report.error(f"{path}[{i}].name", name, "a name not used before (case does not count)")
        seen.add(name.lower())


def _source(report: Report, raw: object, buses: Mapping[str, Bus], lenient: bool) -> SourceConfig:
    kind_rule = _one_of(*SOURCE_KINDS)
    table = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
    kind = table.get("kind", "sim")
    if kind not in SOURCE_KINDS:
        report.error("source.kind", kind, kind_rule.allowed)
        return SourceConfig(kind="stream")
    fields = report.table(raw, "source", {"kind": kind_rule, **SOURCES[kind]})
    columns = cast("dict[str, str]", fields.pop("columns", {}))
    known = {channel.name for bus in buses.values() for channel in bus.channels}
    for channel, column in columns.items():
        if channel not in known and not lenient:
            report.error(f"source.columns.{channel}", column, "a channel defined in this file on the left")
    if "columns" in table and not columns and kind == "csv":
        report.error("source.columns", table["columns"], "channel = CSV column, at least one")
    return SourceConfig(**fields, columns=tuple(columns.items()))


def _bus(report: Report, name: str, raw: object) -> Bus:
    path = f"bus.{name}"
    before = len(report.lines)
    fields = report.table(raw, path, BUS, children=("channel",))
    if not isinstance(raw, dict):
        raise _Refused
    tables = report.tables(cast("dict[str, Any]", raw).get("channel"), f"{path}.channel")
    if not tables:
        report.error(f"{path}.channel", MISSING, f"at least one table [[{path}.channel]]")
    read_channels = [_channel(report, one_path, one) for one_path, one in tables]
    channels = tuple(one for one in read_channels if one is not None)
    _unique(
        report, f"{path}.channel", [one.name if one is not None else f"#{i}" for i, one in enumerate(read_channels)]
    )
    names = tuple(channel.name for channel in channels)
    complete = len(channels) == len(tables)

    context = cast("tuple[str, ...]", fields.get("context", ()))
    for i, channel in enumerate(context):
        if complete and channel not in names:
            report.error(f"{path}.context[{i}]", channel, "a channel of this bus")
    words = Vocabulary({one.name: one.enum for one in channels}, frame_words=False)
    for (one_path, _), channel in zip(tables, read_channels, strict=True):
        for i, limit_set in enumerate(channel.limits if channel is not None else ()):
            if limit_set.when is not None and complete:
                _condition(report, f"{one_path}.limits[{i}].when", limit_set.when, words, context)
    packets = _packets(report, f"{path}.packets", fields.get("packets", {}), names) if complete else ()
    if len(report.lines) > before:
        raise _Refused
    return Bus(name, channels, context, packets)


def _condition(report: Report, path: str, when: str, words: Vocabulary, context: Sequence[str]) -> None:
    try:
        tree = parse_expression(when, words)
    except QueryError as error:
        report.error(path, when, f"{LIMITS['when'].allowed}; {error}")
        return
    used = [leaf.channel for leaf in leaves(tree) if isinstance(leaf, ChannelTest)]
    if not used:
        report.error(path, when, LIMITS["when"].allowed)
    for channel in used:
        if channel not in context:
            listed = ", ".join(context) or "none yet"
            report.error(path, when, f"channels listed in the bus's context ({listed}); {channel} is not")


def _packets(
    report: Report, path: str, raw: Mapping[str, tuple[str, ...]], names: Sequence[str]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Resolve patterns: a channel named exactly goes there, else to the first packet with a fitting pattern."""
    owner: dict[str, str] = {}
    for packet, patterns in raw.items():
        if not _BUS_NAME.fullmatch(packet) or len(packet) > 40:
            report.error(f"{path}.{packet}", packet, "a packet name of letters, digits, - and _")
        for i, pattern in enumerate(patterns):
            if pattern in names:
                if owner.setdefault(pattern, packet) != packet:
                    report.error(
                        f"{path}.{packet}[{i}]", pattern, f"a channel in one packet (it is in {owner[pattern]})"
                    )
            elif not fnmatch.filter(names, pattern):
                report.error(f"{path}.{packet}[{i}]", pattern, "a channel of this bus, or a pattern such as eps.*")
    for packet, patterns in raw.items():
        for pattern in patterns:
            for name in fnmatch.filter(names, pattern):
                owner.setdefault(name, packet)
    resolved: list[tuple[str, tuple[str, ...]]] = []
    for packet in raw:
        members = tuple(name for name in names if owner.get(name) == packet)
        if not members:
            report.error(f"{path}.{packet}", list(raw[packet]), "at least one channel that no earlier packet takes")
        resolved.append((packet, members))
    return tuple(resolved)


def _channel(report: Report, path: str, raw: object) -> Channel | None:
    """The channel at `path`, or None when it is wrong. Its name goes into the path of its errors."""
    before = len(report.lines)
    table = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
    for key in _TYPE_KEYS & table.keys():
        report.error(f"{path}.{key}", table[key], _TEXT_CHANNEL)
    fields = report.table(raw, path, CHANNEL, children=("limits", *_TYPE_KEYS))
    if "enum" in fields:
        fields["enum"] = _enumeration(report, f"{path}.enum", fields["enum"])
    sets = tuple(
        _limit_set(report, one_path, one) for one_path, one in report.tables(table.get("limits"), f"{path}.limits")
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
    return Channel(**fields, limits=sets)


def _enumeration(report: Report, path: str, raw: Mapping[str, str]) -> tuple[tuple[int, str], ...]:
    found: dict[int, str] = {}
    seen: set[str] = set()
    for code, label in raw.items():
        if not re.fullmatch(r"-?\d{1,16}", code, re.ASCII) or abs(int(code)) > EXACT_INTEGERS:
            report.error(f"{path}.{code}", label, "whole-number codes up to 2^53")
            continue
        if not _text(40)(label) or label.lower() in seen:
            report.error(f"{path}.{code}", label, "1 to 40 printable characters, each label once")
            continue
        if int(code) in found:
            report.error(f"{path}.{code}", label, "each code once")
        seen.add(label.lower())
        found[int(code)] = label
    return tuple(sorted(found.items()))


def _limit_set(report: Report, path: str, raw: object) -> LimitSet:
    fields = report.table(raw, path, LIMITS)
    if isinstance(raw, dict) and not any(level in cast("dict[str, Any]", raw) for level in LEVELS):
        report.error(path, cast("dict[str, Any]", raw), f"at least one of {', '.join(LEVELS)}")
    inner: tuple[str, Pair] | None = None
    for level in LEVELS:
        pair = cast("Pair | None", fields.get(level))
        if pair is None:
            continue
        if inner is not None and not (pair[0] <= inner[1][0] and inner[1][1] <= pair[1]):
            low, high = inner[1]
            report.error(f"{path}.{level}", list(pair), f"a band around {inner[0]} [{low:g}, {high:g}]")
        inner = (level, pair)
    return LimitSet(**fields)
