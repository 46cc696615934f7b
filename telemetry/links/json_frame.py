"""One line of JSON to one frame: what `run --source -` accepts, and why it refuses the rest.

    {"satellite"?: "KESTREL-1", "packet"?: "hk", "boot"?: 1790000000, "seq"?: 17, "t": "2026-11-22T07:14:03.5Z",
     "values": {"eps.bat_v": 7.91, "obc.mode": "SAFE"}, "stored"?: true}

`t` is ISO-8601 text or integer nanoseconds since 1970. `values` is an object, where a channel that is left out was
not sent, or an array of all values of `packet` in its order. A value is a number, a label of the channel's
enumeration, or null (or NaN) for one that was sent and is INVALID.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import msgspec

from telemetry.clock import parse_iso
from telemetry.dictionary import DEFAULT_PACKET, EXACT_INTEGERS, Bus, Channel, Mission
from telemetry.frame import Layout
from telemetry.plain_text import plain_text

MOST_LAYOUTS = 256
"""Different sets of channels one satellite bus may send; more is a mistake of the sender."""
_INT64 = 2**63
_U32 = 2**32


class Refusal(Exception):
    """Why a line is refused: `reason` is one of few and is counted, `detail` says it exactly, in plain text.

    `place` is (satellite, boot, seq) as far as the line told them.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, plain_text(detail)
        self.place: tuple[Any, Any, Any] = (None, None, None)
        super().__init__(reason)


class JsonFrame(NamedTuple):
    """A line that was understood; `boot` and `seq` are None where the sender has none."""

    satellite: str
    layout: Layout
    boot: int | None
    seq: int | None
    t_ns: int
    stored: bool
    values: list[float]


class JsonFrames:
    """Reads lines for one mission; `satellite` is meant where a line names none."""

    def __init__(self, mission: Mission, satellite: str) -> None:
        self._mission = mission
        self._satellite = satellite
        self._layouts: dict[tuple[str, str, frozenset[str]], Layout] = {}

    def read(self, line: bytes) -> JsonFrame:
        """The frame of one line.

        Raises:
            Refusal: it is none.
        """
        raw = _object(line)
        try:
            return self._frame(raw)
        except Refusal as refusal:
            refusal.place = (
                _shown(raw.get("satellite", self._satellite)),
                _shown(raw.get("boot")),
                _shown(raw.get("seq")),
            )
            raise

    def _frame(self, raw: Mapping[str, Any]) -> JsonFrame:
        satellite = raw.get("satellite", self._satellite)
        if not isinstance(satellite, str) or satellite not in self._mission.by_name:
            raise Refusal("unknown satellite", f"{satellite!r}, allowed: {', '.join(self._mission.by_name)}")
        bus = self._mission.bus_of(satellite)
        boot, seq = _count(raw, "boot", _U32), _count(raw, "seq", _INT64)
        if (boot is None) != (seq is None):
            raise Refusal("boot and seq come together", "give both or none")
        t_ns = _time(raw.get("t"))
        stored = raw.get("stored", False)
        if not isinstance(stored, bool):
            raise Refusal("stored is not true or false", repr(stored))
        layout, values = self._values(bus, raw.get("packet"), raw.get("values"))
        return JsonFrame(satellite, layout, boot, seq, t_ns, stored, values)

    def _values(self, bus: Bus, packet: object, raw: object) -> tuple[Layout, list[float]]:
        if packet is not None and (not isinstance(packet, str) or packet not in bus.layouts):
            raise Refusal("unknown packet", f"{packet!r}, allowed: {', '.join(bus.layouts)}")
        if isinstance(raw, dict):
            sent = cast("dict[str, object]", raw)
            layout = self._layout_of(bus, packet, frozenset(sent))
            return layout, [_value(bus.by_name[name], sent[name]) for name in layout.names]
        if not isinstance(raw, list):
            raise Refusal("no values", "values is an object of channels, or an array with packet")
        if packet is None:
            if len(bus.layouts) > 1:
                raise Refusal("no packet", f"an array of values needs packet, one of {', '.join(bus.layouts)}")
            packet = next(iter(bus.layouts))
        layout = bus.layouts[packet]
        listed = cast("list[object]", raw)
        if len(listed) != len(layout):
            raise Refusal("wrong length", f"{len(listed)} values, packet {packet} has {len(layout)}")
        return layout, [_value(bus.by_name[name], value) for name, value in zip(layout.names, listed, strict=True)]

    def _layout_of(self, bus: Bus, packet: str | None, names: frozenset[str]) -> Layout:
        key = bus.name, packet or "", names
        layout = self._layouts.get(key)
        if layout is None:
            layout = self._layouts[key] = _new_layout(bus, packet, names, len(self._layouts))
        return layout


def _new_layout(bus: Bus, packet: str | None, names: frozenset[str], known: int) -> Layout:
    if not names:
        raise Refusal("no values", "values is empty")
    unknown = sorted(name for name in names if name not in bus.by_name)
    if unknown:
        raise Refusal("unknown channel", ", ".join(repr(name) for name in unknown[:5]))
    if known >= MOST_LAYOUTS:
        raise Refusal("too many sets of channels", f"more than {MOST_LAYOUTS} different ones")
    if packet is None:
        fits = (one for one, layout in bus.layouts.items() if names <= set(layout.names))
        packet = next(fits, DEFAULT_PACKET)
        columns = {column.name: column for layout in bus.layouts.values() for column in layout.columns}
    else:
        columns = {column.name: column for column in bus.layouts[packet].columns}
        foreign = sorted(names - set(columns))
        if foreign:
            raise Refusal("unknown channel", f"{', '.join(repr(name) for name in foreign[:5])} in packet {packet}")
    layout = Layout(packet, tuple(columns[one.name] for one in bus.channels if one.name in names))
    whole = bus.layouts.get(packet)
    return whole if whole is not None and whole.digest == layout.digest else layout


def _object(line: bytes) -> dict[str, Any]:
    try:
        raw = msgspec.json.decode(line)
    except msgspec.DecodeError:
        # Python's own writer, and many others, put NaN and Infinity on the wire although JSON has no such words.
        try:
            raw = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Refusal("not JSON", str(error)) from error
    except RecursionError as error:
        raise Refusal("not JSON", "nested too deeply") from error
    if not isinstance(raw, dict):
        raise Refusal("not a JSON object", type(raw).__name__)
    return cast("dict[str, Any]", raw)


def _count(raw: Mapping[str, Any], key: str, end: int) -> int | None:
    value = raw.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < end:
        raise Refusal(f"{key} is not a whole number", f"{value!r}, allowed: 0 to {end - 1}")
    return value


def _time(value: object) -> int:
    if value is None:
        raise Refusal("no time", "t is missing")
    if isinstance(value, str):
        try:
            return parse_iso(value)
        except ValueError as error:
            raise Refusal("no time", str(error)) from error
    if isinstance(value, int) and not isinstance(value, bool) and -_INT64 <= value < _INT64:
        return value
    raise Refusal("no time", f"{value!r}, allowed: ISO-8601 text or integer nanoseconds")


def _value(channel: Channel, value: object) -> float:
    if value is None:
        return math.nan
    if isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > EXACT_INTEGERS:
            raise Refusal("integer above 2^53", channel.name)
        return float(value)
    if isinstance(value, str) and channel.enum:
        for code, label in channel.enum:
            if label == value:
                return float(code)
        raise Refusal("unknown label", f"{channel.name}: {value!r}")
    raise Refusal("not a number", f"{channel.name}: {value!r}"[:200])


def _shown(value: object) -> str | int | None:
    if isinstance(value, str):
        return plain_text(value)
    return value if isinstance(value, int) else None
