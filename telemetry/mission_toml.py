"""Reading `mission.toml`: every error is reported, one line each, with file, key, value and what is allowed.

Tables are checked key by key (`telemetry.toml_report`); then the names they use of each other are resolved.
"""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from telemetry import dictionary
from telemetry.channel_toml import CONDITIONS, EXPIRY_PERIODS, read_channel
from telemetry.clock import parse_iso
from telemetry.dictionary import (
    DETECTOR_KINDS,
    SCENARIOS,
    SOURCE_KINDS,
    Bus,
    DetectorConfig,
    GroundStation,
    Mission,
    MissionError,
    Satellite,
    SourceConfig,
    TrainerConfig,
)
from telemetry.fleet import LARGEST, checksum, fleet_names, phased
from telemetry.hook_toml import read_hooks
from telemetry.limits_toml import WHEN, YES_NO
from telemetry.link_toml import SOURCE as LINK_SOURCE
from telemetry.link_toml import read_link
from telemetry.mlflow_toml import read_mlflow
from telemetry.plain_text import plain_text
from telemetry.predicted import PREDICTED, needs_station
from telemetry.query_parser import parse_expression
from telemetry.query_syntax import ChannelTest, QueryError, Vocabulary, leaves
from telemetry.toml_report import MISSING, Report, Rule, as_table, is_text, number, one_of, words

SCHEMA = 1
FILE_NAME = "mission.toml"
MAX_BYTES = 4 * 1024 * 1024

_BUS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)


class _Refused(Exception):
    """A table is unusable; its errors are already in the list."""


def _is_tle(lines: tuple[str, str]) -> bool:
    return all(
        re.fullmatch(r"[\x20-\x7e]{69}", line) is not None
        and line.startswith(f"{number} ")
        and line[68] == str(checksum(line))
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


NAME_LENGTH = 40

SATELLITE = {
    "name": words(NAME_LENGTH, needed=True),
    "bus": Rule(str, "the name of a bus in this file", needed=True),
    "tle": Rule(tuple[str, str], "two lines of 69 characters, numbered 1 and 2, with right check digits", _is_tle),
    "norad": Rule(int, "a catalogue number from 1 to 999999999", lambda n: 1 <= n <= 999_999_999),
    "count": Rule(int, f"a whole number from 1 to {LARGEST}", lambda n: 1 <= n <= LARGEST),
}
GROUND_STATION = {
    "name": words(40, needed=True),
    "lat": number("degrees from -90 to 90", -90, 90, needed=True),
    "lon": number("degrees from -180 to 360", -180, 360, needed=True),
    "alt_m": number("metres from -500 to 9000", -500, 9000),
    "mask_deg": number("degrees from 0 to 89", 0, 89),
}
BUS = {
    "context": Rule(tuple[str, ...], "a list of channel names of this bus"),
    "packets": Rule(dict[str, tuple[str, ...]], 'packet names with lists of channels, such as {hk = ["eps.*"]}'),
}
SOURCES = {
    "sim": {
        "scenario": Rule(
            str,
            " or ".join([*(f'"{word}"' for word in SCENARIOS), "a .toml file"]),
            lambda text: text in SCENARIOS or (is_text(400)(text) and text.endswith(".toml")),
        ),
        "seed": Rule(int, "a whole number from 0 to 2^31", lambda n: 0 <= n <= 2**31),
        "rate": number("a factor above 0, at most 1000", 0, 1000, above=True),
        "visible": YES_NO,
    },
    "csv": {
        "time": Rule(str, "the name of the time column", bool, needed=True),
        "epoch": Rule(str, '"iso", "unix", "unix_ms", or the UTC time that the seconds count from', _is_epoch),
        "columns": Rule(dict[str, str], "channel = CSV column", needed=True),
    },
    "stream": {"visible": YES_NO},
    "firebase": {"visible": YES_NO, **LINK_SOURCE},
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


def _mission(report: Report, table: Mapping[str, Any], directory: Path) -> Mission:
    known = (
        "satellite",
        "bus",
        "ground_station",
        "source",
        "link",
        "detector",
        "trainer",
        "mlflow",
        "hooks",
        "monitoring",
    )
    schema = Rule(int, f"{SCHEMA}", lambda n: n == SCHEMA, needed=True)
    report.table(table, "", {"schema": schema}, children=known)

    monitoring = report.table(table.get("monitoring", {}), "monitoring", {"expiry_periods": EXPIRY_PERIODS})
    expiry_periods = monitoring.get("expiry_periods", dictionary.EXPIRY_PERIODS)
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
            buses[name] = _bus(report, name, raw, expiry_periods)
        except _Refused:
            pass
    broken = set(cast("dict[str, Any]", raw_buses)) - set(buses)

    source = _source(report, table.get("source", {}), buses, bool(broken))
    satellites = _satellites(report, table.get("satellite"), set(buses) | broken, source.kind)
    ground: list[GroundStation] = []
    for path, raw in report.tables(table.get("ground_station"), "ground_station"):
        fields = report.table(raw, path, GROUND_STATION)
        if {"name", "lat", "lon"} <= fields.keys():
            ground.append(GroundStation(**fields))
    _unique(report, ((f"ground_station[{i}]", one.name) for i, one in enumerate(ground)))
    _predictable(report, satellites, buses, has_station=bool(ground))
    if source.kind in ("stream", "firebase") and not source.visible:
        _passes_known(report, satellites, has_station=bool(ground))

    detector = report.table(
        table.get("detector", {}),
        "detector",
        {
            "kind": one_of(*DETECTOR_KINDS),
            "false_alarms_per_day": number("a number above 0, at most 1000", 0, 1000, above=True),
        },
    )
    trainer = report.table(
        table.get("trainer", {}),
        "trainer",
        {
            "period_s": number("seconds from 1 to 86400", 1, 86_400),
            "refit_budget_s": number("CPU seconds from 0.05 to 3600", 0.05, 3600),
        },
    )
    return Mission(
        directory,
        satellites,
        buses,
        tuple(ground),
        source,
        read_link(report, table.get("link", {})),
        DetectorConfig(**detector),
        TrainerConfig(**trainer),
        read_mlflow(report, table.get("mlflow", {})),
        hooks=read_hooks(report, table.get("hooks", {})),
    )


def _satellites(report: Report, raw: object, buses: set[str], source_kind: str) -> tuple[Satellite, ...]:
    found: dict[str, list[Satellite]] = {}
    tables = report.tables(raw, "satellite")
    if not tables:
        report.error("satellite", MISSING, "at least one table [[satellite]]")
    for path, one in tables:
        fields = report.table(one, path, SATELLITE)
        if "bus" in fields and fields["bus"] not in buses:
            report.error(f"{path}.bus", fields["bus"], ", ".join(sorted(buses)) or "a bus defined in this file")
        if source_kind == "sim" and as_table(one) and "tle" not in as_table(one):
            report.error(f"{path}.tle", MISSING, f'{SATELLITE["tle"].allowed} (source.kind = "sim" needs an orbit)')
        if source_kind != "sim" and "count" in fields:
            report.error(f"{path}.count", fields["count"], f'no count with source.kind = "{source_kind}"')
        if {"name", "bus"} <= fields.keys():
            found[path] = _fleet(report, path, fields)
    _unique(report, ((path, one.name) for path, satellites in found.items() for one in satellites))
    return tuple(one for satellites in found.values() for one in satellites)


def _fleet(report: Report, path: str, fields: dict[str, Any]) -> list[Satellite]:
    """The satellites of one table: itself, or as many as its `count`."""
    count = fields.pop("count", None)
    if count is None:
        return [Satellite(**fields)]
    if "norad" in fields:
        report.error(f"{path}.norad", fields["norad"], "no catalogue number beside a count")
    names = fleet_names(fields["name"], count)
    if len(names[-1]) > NAME_LENGTH:
        report.error(
            f"{path}.name", names[-1], f"at most {NAME_LENGTH} characters with the number of the satellite"
        )
    orbits = phased(fields["tle"], count) if "tle" in fields else (None,) * count
    return [Satellite(name, fields["bus"], tle) for name, tle in zip(names, orbits, strict=True)]


def _predictable(
    report: Report, satellites: Sequence[Satellite], buses: Mapping[str, Bus], *, has_station: bool
) -> None:
    """A context that is predicted needs an orbit of every satellite, and a station where it is seen from one."""
    for bus in buses.values():
        if not bus.derived:
            continue
        names = ", ".join(channel.name for channel in bus.derived)
        for one in satellites:
            if one.bus == bus.name and one.tle is None:
                report.error(f"satellite {one.name}.tle", MISSING, f"two lines; {names} follows from its orbit")
        if not has_station and any(needs_station(channel.name) for channel in bus.derived):
            report.error("ground_station", MISSING, f"a table [[ground_station]]: {names} is seen from one")


def _passes_known(report: Report, satellites: Sequence[Satellite], *, has_station: bool) -> None:
    """Silence between passes is expected only where it is known when they are."""
    for one in satellites:
        if one.tle is None:
            report.error(f"satellite {one.name}.tle", MISSING, "two lines: source.visible = false is about passes")
    if not has_station:
        report.error(
            "ground_station", MISSING, "a table [[ground_station]]: source.visible = false is about passes"
        )


def _unique(report: Report, named: Iterable[tuple[str, str]]) -> None:
    """Each (path of a table, name in it) must be new; a table is told of once."""
    seen: set[str] = set()
    told: set[str] = set()
    for path, name in named:
        if name.lower() in seen and path not in told:
            report.error(f"{path}.name", name, "a name not used before (case does not count)")
            told.add(path)
        seen.add(name.lower())


def _source(report: Report, raw: object, buses: Mapping[str, Bus], lenient: bool) -> SourceConfig:
    kind_rule = one_of(*SOURCE_KINDS)
    table = as_table(raw)
    kind = table.get("kind", "sim")
    if kind not in SOURCE_KINDS:
        report.error("source.kind", kind, kind_rule.allowed)
        return SourceConfig(kind="stream")
    fields = report.table(raw, "source", {"kind": kind_rule, **SOURCES[kind]})
    known = {channel.name for bus in buses.values() for channel in bus.channels}
    for name in ("columns", "faces", "strengths"):
        if name not in fields:
            continue
        pairs = cast("dict[str, str]", fields[name])
        for channel, column in pairs.items():
            if channel not in known and not lenient:
                report.error(f"source.{name}.{channel}", column, "a channel defined in this file on the left")
        if not pairs:
            report.error(f"source.{name}", table[name], f"{SOURCES[kind][name].allowed}, at least one")
        fields[name] = tuple(pairs.items())
    if fields.get("layout") == "original" and "faces" not in table:
        report.error("source.faces", MISSING, LINK_SOURCE["faces"].allowed)
    return SourceConfig(**fields)


def _bus(report: Report, name: str, raw: object, expiry_periods: float) -> Bus:
    """One bus. References to channels are checked even where channels are wrong, as far as names are known."""
    path = f"bus.{name}"
    before = len(report.lines)
    fields = report.table(raw, path, BUS, children=("channel",))
    tables = report.tables(as_table(raw).get("channel"), f"{path}.channel")
    if not tables:
        report.error(f"{path}.channel", MISSING, f"at least one table [[{path}.channel]]")
        raise _Refused
    channels = [read_channel(report, one_path, one, expiry_periods) for one_path, one in tables]
    given = [as_table(one).get("name") for _, one in tables]
    names = [one if isinstance(one, str) else f"#{i}" for i, one in enumerate(given)]
    _unique(report, ((f"{path}.channel[{i}]", one) for i, one in enumerate(names)))

    context = cast("tuple[str, ...]", fields.get("context", ()))
    for i, channel in enumerate(context):
        if channel not in names and channel not in PREDICTED:
            report.error(f"{path}.context[{i}]", channel, f"a channel of this bus, or {', '.join(PREDICTED)}")
    derived = tuple(PREDICTED[one] for one in context if one in PREDICTED and one not in names)
    unread = [one for one, channel in zip(names, channels, strict=True) if channel is None]
    known = (*(one for one in channels if one is not None), *derived)
    vocabulary = Vocabulary({one.name: one.enum for one in known}, frame_words=False)
    for one_path, one in tables:
        sets = report.tables(as_table(one).get("limits"), f"{one_path}.limits")
        whens = [(f"{set_path}.when", as_table(limits).get("when")) for set_path, limits in sets]
        whens += [(f"{one_path}.{key}", as_table(one).get(key)) for key in CONDITIONS]
        for when_path, when in whens:
            if isinstance(when, str) and not any(wrong in when for wrong in unread):
                _condition(report, when_path, when, vocabulary, context)
    packets = _packets(report, f"{path}.packets", fields.get("packets", {}), names)
    if len(report.lines) > before:
        raise _Refused
    own = tuple(one for one in context if one in names)
    return Bus(name, tuple(one for one in channels if one is not None), own, packets, derived)


def _condition(report: Report, path: str, when: str, vocabulary: Vocabulary, context: Sequence[str]) -> None:
    try:
        tree = parse_expression(when, vocabulary)
    except QueryError as error:
        report.error(path, when, f"{WHEN.allowed}; {error}")
        return
    used = [leaf.channel for leaf in leaves(tree) if isinstance(leaf, ChannelTest)]
    if not used:
        report.error(path, when, WHEN.allowed)
    for channel in used:
        if channel not in context:
            listed = ", ".join(context) or "none yet"
            report.error(path, when, f"channels listed in the bus's context ({listed}); {channel} is not")


def _packets(
    report: Report, path: str, raw: Mapping[str, tuple[str, ...]], names: Sequence[str]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Resolve patterns: a channel named exactly goes there, else to the first packet with a fitting pattern."""
    owner: dict[str, str] = {}
    wrong: set[str] = set()
    for packet, patterns in raw.items():
        if not _BUS_NAME.fullmatch(packet) or len(packet) > 40:
            report.error(f"{path}.{packet}", packet, "a packet name of letters, digits, - and _")
        for i, pattern in enumerate(patterns):
            if pattern in names:
                if owner.setdefault(pattern, packet) != packet:
                    wrong.add(packet)
                    report.error(
                        f"{path}.{packet}[{i}]", pattern, f"a channel in one packet (it is in {owner[pattern]})"
                    )
            elif not fnmatch.filter(names, pattern):
                wrong.add(packet)
                report.error(f"{path}.{packet}[{i}]", pattern, "a channel of this bus, or a pattern such as eps.*")
    for packet, patterns in raw.items():
        for pattern in patterns:
            for name in fnmatch.filter(names, pattern):
                owner.setdefault(name, packet)
    resolved: list[tuple[str, tuple[str, ...]]] = []
    for packet, patterns in raw.items():
        members = tuple(name for name in names if owner.get(name) == packet)
        if not members and packet not in wrong:
            report.error(f"{path}.{packet}", list(patterns), "at least one channel that no earlier packet takes")
        resolved.append((packet, members))
    return tuple(resolved)
