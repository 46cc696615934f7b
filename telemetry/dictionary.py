"""The telemetry definition: satellites, buses, channels and limit sets, as `mission.toml` states them.

Values are float64. An enumerated channel carries its code; labels live here and in the layout. Units are ASCII
(`degC`, `uT`) and never converted. Everything is immutable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from telemetry.frame import Column, Layout
from telemetry.hook_config import Hook
from telemetry.limit_set import LimitSet, Pair
from telemetry.link_config import LinkConfig
from telemetry.query_parser import parse_expression
from telemetry.query_syntax import Node, Vocabulary, holds

DEFAULT_PACKET = "hk"
SOURCE_KINDS = ("sim", "csv", "stream", "firebase")
SCENARIOS = (
    "hello",
    "bad-day",
    "campaign",
    "dead-panel",
    "detumble",
    "eclipse-season",
    "quiet",
    "radio-fading",
    "reset-storm",
    "stuck-heater",
)
DETECTOR_KINDS = ("fusion", "isolation_forest")
MLFLOW_HERE = "sqlite"
EXACT_INTEGERS = 2**53

_SUBSYSTEM_TITLES: Mapping[str, str] = {
    "eps": "Power",
    "thm": "Thermal",
    "adcs": "Attitude",
    "com": "Radio",
    "gs": "Ground station",
    "obc": "Computer",
    "orb": "Orbit",
    "pld": "Payload",
}

EXPIRY_PERIODS = 3.0
"""A value is held for this many periods of its channel, unless mission.toml says otherwise."""


class Channel(msgspec.Struct, frozen=True, dict=True):
    """A monitored parameter, named `subsystem.name`.

    `period_s` is the nominal distance of its samples in seconds of generation time. `valid` (inclusive),
    `sentinels` and `enum` say which sent values are INVALID. `min_violations` and `min_conformance` count the
    successive samples before a monitoring state is entered and left. `contact_only` channels are sent during a
    pass only; `predicted` ones are computed, not measured.

    `stuck_s` is how long (seconds of generation time) the value may stay the same, `max_rate` how much it may
    change (units per second, inclusive) between two samples; `stuck_when` and `rate_when` say where that holds, ""
    is everywhere (`telemetry.movement`). `delta` (low, high; inclusive) is what two successive samples may differ
    by, the newer less the older; beyond it is `delta_level`. `latch`: alarms of this channel stay after their
    return until an operator clears them. A value is EXPIRED once it is older than `expiry_periods` periods and a
    second.
    """

    name: str
    label: str
    unit: str = ""
    period_s: float = 1.0
    decimals: int | None = None
    valid: Pair | None = None
    sentinels: tuple[float, ...] = ()
    enum: tuple[tuple[int, str], ...] = ()
    action: str = ""
    limits: tuple[LimitSet, ...] = ()
    min_violations: int = 3
    min_conformance: int = 3
    contact_only: bool = False
    predicted: bool = False
    stuck_s: float | None = None
    stuck_when: str = ""
    max_rate: float | None = None
    rate_when: str = ""
    latch: bool = False
    stuck_condition: Node | None = None
    """`stuck_when` as a tree; a `Bus` fills it in, as the next."""
    rate_condition: Node | None = None
    delta: Pair | None = None
    delta_when: str = ""
    delta_level: str = "watch"
    delta_condition: Node | None = None
    expiry_periods: float = EXPIRY_PERIODS

    @property
    def subsystem(self) -> str:
        """The part of the name before the first dot: `eps`."""
        return self.name.partition(".")[0]

    @cached_property
    def labels(self) -> dict[float, str]:
        """Code -> label of an enumerated channel, else empty."""
        return {float(code): label for code, label in self.enum}

    def limit_set(self, context: Mapping[str, float]) -> LimitSet | None:
        """The first set whose `when` holds in `context` (channel -> newest value); None without limits."""
        for one in self.limits:
            if one.when is None:
                return one
            condition = one.condition
            if condition is not None and holds(condition, context):
                return one
        return None

    def action_of(self, set_name: str) -> str:
        """What to do about an alarm of the limit set of that name, or about any of the channel; may be empty."""
        return next((one.action for one in self.limits if one.name == set_name and one.action), self.action)

    def number(self, value: float) -> str:
        """`value` with the channel's decimals, or its label; no unit. Six significant digits by default."""
        label = self.labels.get(value)
        if label is not None:
            return label
        return f"{value:.6g}" if self.decimals is None else f"{value:.{self.decimals}f}"

    def quantity(self, value: float) -> str:
        """`number` with the ASCII unit: `6204 rpm`."""
        return f"{self.number(value)} {self.unit}".rstrip()


class Bus(msgspec.Struct, frozen=True, dict=True):
    """What satellites of one design send.

    `channels` are in dictionary order. `packets` gives each packet its channel names, resolved; a channel named by
    no packet belongs to `hk`. `context` names the channels that `when` conditions may use; `derived` are
    further ones for them, predicted from the orbit and not sent (`telemetry.predicted`).

    Raises:
        telemetry.query_syntax.QueryError: a `when` is no condition on this bus's channels.
    """

    name: str
    channels: tuple[Channel, ...]
    context: tuple[str, ...] = ()
    packets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    derived: tuple[Channel, ...] = ()

    def __post_init__(self) -> None:
        words = self.vocabulary
        compiled = tuple(_with_conditions(channel, words) for channel in self.channels)
        msgspec.structs.force_setattr(self, "channels", compiled)
        named = {name for _, names in self.packets for name in names}
        left = tuple(channel.name for channel in compiled if channel.name not in named)
        if left:
            packets = dict(self.packets)
            packets[DEFAULT_PACKET] = (*packets.get(DEFAULT_PACKET, ()), *left)
            msgspec.structs.force_setattr(self, "packets", tuple(packets.items()))

    @property
    def vocabulary(self) -> Vocabulary:
        """The words of a `when` condition on this bus."""
        words = {channel.name: channel.enum for channel in (*self.channels, *self.derived)}
        return Vocabulary(words, frame_words=False)

    @cached_property
    def by_name(self) -> dict[str, Channel]:
        """Channel name -> channel, in dictionary order."""
        return {channel.name: channel for channel in self.channels}

    @cached_property
    def layouts(self) -> dict[str, Layout]:
        """Packet name -> layout; columns in dictionary order."""
        order = {channel.name: i for i, channel in enumerate(self.channels)}
        return {
            packet: Layout(
                packet,
                tuple(
                    Column(name, self.by_name[name].unit, self.by_name[name].enum)
                    for name in sorted(names, key=order.__getitem__)
                ),
            )
            for packet, names in self.packets
        }

    @cached_property
    def subsystems(self) -> tuple[tuple[str, str], ...]:
        """(subsystem, title) in dictionary order: `("eps", "Power")`."""
        found = dict.fromkeys(channel.subsystem for channel in self.channels)
        return tuple((one, _SUBSYSTEM_TITLES.get(one, one)) for one in found)

    def channel(self, name: str) -> Channel:
        """The channel called `name`.

        Raises:
            KeyError: there is none.
        """
        return self.by_name[name]

    def channels_of(self, layout: Layout) -> tuple[Channel, ...]:
        """The definition of each column; one this bus does not know is a channel without limits or validity."""
        return tuple(
            self.by_name.get(column.name) or Channel(column.name, column.name, column.unit, enum=column.enum)
            for column in layout.columns
        )


def _with_conditions(channel: Channel, words: Vocabulary) -> Channel:
    for rule in ("stuck", "rate", "delta"):
        text, field = getattr(channel, f"{rule}_when"), f"{rule}_condition"
        if text:
            channel = msgspec.structs.replace(channel, **{field: parse_expression(text, words)})
    if all(one.when is None for one in channel.limits):
        return channel
    sets = tuple(
        one if one.when is None else msgspec.structs.replace(one, condition=parse_expression(one.when, words))
        for one in channel.limits
    )
    return msgspec.structs.replace(channel, limits=sets)


class Satellite(msgspec.Struct, frozen=True):
    """A spacecraft; `tle` is its two-line element set, `norad` its catalogue number."""

    name: str
    bus: str
    tle: tuple[str, str] | None = None
    norad: int | None = None


class GroundStation(msgspec.Struct, frozen=True):
    """Geodetic latitude and east longitude in degrees, height in metres, lowest usable elevation in degrees."""

    name: str
    lat: float
    lon: float
    alt_m: float = 0.0
    mask_deg: float = 5.0


class SourceConfig(msgspec.Struct, frozen=True):
    """Where frames come from.

    `sim`: `scenario`, `seed`, `rate` (generation seconds per wall second), `visible` (telemetry arrives outside a
    pass too). `csv`: `time` is the time column, `epoch` what its numbers count from ("iso": the column holds
    ISO-8601 text; "unix": seconds, "unix_ms": milliseconds since 1970; an ISO time: seconds since then), `columns`
    pairs of (channel, CSV column). `stream`: frames as JSON lines; `visible` false: the satellites are heard in
    passes only, and silent between them. `firebase`: frames over the link of the mission; with `layout` "records"
    those a publisher sent, with "original" the rows under `node`, of which `faces` and `strengths` pair (channel,
    face) for distance and signal strength; `simulated`: what comes over it is made by a simulator.
    """

    kind: str = "sim"
    scenario: str = "hello"
    seed: int = 1
    rate: float = 1.0
    visible: bool = True
    time: str = ""
    epoch: str = "iso"
    columns: tuple[tuple[str, str], ...] = ()
    layout: str = "records"
    node: str = "SENSOR_DATA"
    faces: tuple[tuple[str, str], ...] = ()
    strengths: tuple[tuple[str, str], ...] = ()
    simulated: bool = False


class DetectorConfig(msgspec.Struct, frozen=True):
    """Which detector is trained, and the false alarms per day its thresholds are set to.

    `fusion` sees more and takes longer: for a large fleet `isolation_forest` is the one that keeps up.
    """

    kind: str = "fusion"
    false_alarms_per_day: float = 0.2


class TrainerConfig(msgspec.Struct, frozen=True):
    """Seconds of wall time between two looks, and of CPU time that one may spend on refitting channels."""

    period_s: float = 30.0
    refit_budget_s: float = 1.0


class MlflowConfig(msgspec.Struct, frozen=True):
    """Where the audit's mirror is, and for how many days what it did not take yet waits for it.

    `uri`: "sqlite" is the store in the mission directory, "" what `MLFLOW_TRACKING_URI` names, or that store. A fit
    that was not promoted stays for `keep_days` (0: for ever), after them one in `keep_one_in` (0: none).
    """

    uri: str = ""
    spool_days: float = 14.0
    keep_days: float = 30.0
    keep_one_in: int = 10


class Mission(msgspec.Struct, frozen=True, dict=True):
    """A whole `mission.toml`; `directory` is the folder it was read from."""

    directory: Path
    satellites: tuple[Satellite, ...]
    buses: dict[str, Bus]
    ground_stations: tuple[GroundStation, ...] = ()
    source: SourceConfig = SourceConfig()
    link: LinkConfig = LinkConfig()
    detector: DetectorConfig = DetectorConfig()
    trainer: TrainerConfig = TrainerConfig()
    mlflow: MlflowConfig = MlflowConfig()
    hooks: tuple[Hook, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether the frames are made by a simulator, here or elsewhere; shown on every screen for ever."""
        return self.source.kind == "sim" or self.source.simulated

    @property
    def flown_here(self) -> bool:
        """Whether the mission's own source is the simulator, which is then run by its station."""
        return self.source.kind == "sim"

    @cached_property
    def link_root(self) -> str:
        """The node of the link's database that all of this mission lies under."""
        return self.link.root(self.satellites[0].name)

    @cached_property
    def by_name(self) -> dict[str, Satellite]:
        """Satellite name -> satellite, in the order of the file."""
        return {one.name: one for one in self.satellites}

    def satellite(self, name: str) -> Satellite:
        """The satellite called `name`.

        Raises:
            KeyError: there is none.
        """
        return self.by_name[name]

    def bus_of(self, satellite: str) -> Bus:
        """The bus of the satellite called `satellite`.

        Raises:
            KeyError: there is none.
        """
        return self.buses[self.by_name[satellite].bus]

    def channel(self, satellite: str, channel: str) -> Channel:
        """A channel of one satellite.

        Raises:
            KeyError: no such satellite or channel.
        """
        return self.bus_of(satellite).channel(channel)


class MissionError(Exception):
    """A mission definition that cannot be used.

    `lines` holds every error, one line each: file, key, value, what is allowed.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


def read_mission(directory_or_file: Path) -> Mission:
    """Read `mission.toml` of a mission directory, or the file itself.

    Raises:
        MissionError: with every error found in the file.
    """
    from telemetry.mission_toml import read

    return read(directory_or_file)
