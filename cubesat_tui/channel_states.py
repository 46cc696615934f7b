"""From the newest frames of a satellite to what each of its channels is: value, freshness, limits, small curve."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from cubesat_tui.snapshot import ChannelNow
from telemetry.freshness import Acquisition, acquisition, is_invalid
from telemetry.limits import DISABLED, LIMIT, Level, Result, check

if TYPE_CHECKING:
    from telemetry.alarms import Alarm
    from telemetry.dictionary import Bus
    from telemetry.frame import Frame


class Circumstances(msgspec.Struct, frozen=True):
    """What decides how values are judged beside themselves.

    `age_s`: how old a frame is, in seconds. `rate`: generation seconds per second of that age. `predicted`: context
    that the satellite does not send. `alarms`: those of the satellite.
    """

    age_s: Callable[[Frame], float]
    rate: float
    in_contact: bool
    predicted: Mapping[str, float]
    alarms: Sequence[Alarm]


def newest_values(frames: Sequence[Frame]) -> dict[str, tuple[float, Frame]]:
    """Channel -> its newest value and the frame that brought it; `frames` oldest first."""
    newest: dict[str, tuple[float, Frame]] = {}
    for frame in frames:
        for name, value in zip(frame.layout.names, frame.values.tolist(), strict=True):
            newest[name] = (value, frame)
    return newest


def valid_values(bus: Bus, newest: Mapping[str, tuple[float, Frame]]) -> dict[str, tuple[float, int]]:
    """Channel -> value and generation time, of those values that are valid."""
    return {
        name: (value, frame.t_ns)
        for name, (value, frame) in newest.items()
        if name in bus.by_name and not is_invalid(bus.by_name[name], value)
    }


def channel_states(
    bus: Bus,
    newest: Mapping[str, tuple[float, Frame]],
    sparks: Mapping[str, tuple[float, ...]],
    told: Circumstances,
) -> dict[str, ChannelNow]:
    """Every channel of the bus by name."""
    context = {**told.predicted, **{name: value for name, (value, _) in newest.items()}}
    active = [alarm for alarm in told.alarms if alarm.active]
    anomalous = {name for alarm in active if alarm.kind == "anomaly" for name in (*alarm.channels, alarm.channel)}
    moving = {alarm.channel: alarm for alarm in active if alarm.rule not in ("", LIMIT)}
    out: dict[str, ChannelNow] = {}
    for name, channel in bus.by_name.items():
        value, frame = newest.get(name, (None, None))
        age = None if frame is None else told.age_s(frame)
        status = acquisition(channel, value, age, told.rate, told.in_contact)
        silent = channel.contact_only and not told.in_contact and status is Acquisition.NOT_RECEIVED
        known = value is not None and math.isfinite(value) and status is Acquisition.ACQUIRED
        result = check(channel, value, context) if known and value is not None else DISABLED
        if known and name in moving:
            result = _worse(result, moving[name])
        out[name] = ChannelNow(
            channel=channel,
            value=value,
            text="no signal" if silent else "-" if value is None else channel.number(value),
            t_ns=None if frame is None else frame.t_ns,
            age_s=age,
            acquisition=status,
            result=result,
            anomalous=name in anomalous,
            spark=sparks.get(name, ()),
            limits=channel.limit_set(context),
            silent=silent,
        )
    return out


def _worse(result: Result, alarm: Alarm) -> Result:
    """The worse of a check of the newest value and an alarm on how it moves, which only the station follows."""
    if alarm.level <= result.level:
        return result
    return Result(Level(alarm.level), alarm.side, alarm.limit, alarm.set_name, alarm.rule)
