"""Every option of a channel and of a limit set has an effect: a mutation of each changes what happens.

The options are read from the schema, so one that is added without a case here fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from cubesat_tui.drawing.alarm_rows import box_rows
from cubesat_tui.drawing.channel_rows import state_key
from cubesat_tui.drawing.inspect_rows import inspect_rows
from cubesat_tui.drawing.rows import plain
from cubesat_tui.drawing.signs import UNICODE
from cubesat_tui.snapshot import ChannelNow, ContactNow, LinkNow, ModelNow, Snapshot
from telemetry.alarm_desk import AlarmDesk
from telemetry.channel_toml import CHANNEL
from telemetry.clock import NS_PER_S
from telemetry.dictionary import Channel, Mission, MissionError, read_mission
from telemetry.frame import Frame, FrameBatch
from telemetry.freshness import Acquisition, Validity, acquisition
from telemetry.limits import DISABLED, LimitMonitor, levels
from telemetry.limits_toml import LIMITS
from telemetry.movement import Movement
from telemetry.standing import Standing

TOML = """
schema = 1
[[satellite]]
name = "K"
bus = "b"
[source]
kind = "stream"
[bus.b]
context = ["obc.mode"]
[bus.b.packets]
hk = ["obc.mode", "*"]
[[bus.b.channel]]
{channel}
{limits}
[[bus.b.channel]]
name = "obc.mode"
enum = {{0 = "SAFE", 1 = "NOMINAL"}}
"""
NAME = 'name = "a.x"'
BAND = "warning = [0, 10]"
SAFE, NOMINAL = 0.0, 1.0
Probe = Callable[[Mission], Any]


def told(*values: float, mode: float = NOMINAL, step_s: float = 1.0) -> Probe:
    """Everything the alarm desk says while the first channel has these values, a frame each."""

    def story(mission: Mission) -> list[tuple[int, str, int, dict[str, Any]]]:
        bus = mission.buses["b"]
        layout = bus.layouts["hk"]
        limits, movement, standing, desk = LimitMonitor(bus), Movement(bus, layout), Standing(), AlarmDesk()
        validity = Validity(bus.channels_of(layout))
        found: list[tuple[int, str, int, dict[str, Any]]] = []
        for i, value in enumerate(values):
            t_ns = round(i * step_s * NS_PER_S)
            frame = Frame("K", 1, i, t_ns, t_ns, 0, layout, np.array([value, mode]))
            batch = FrameBatch.of([frame])
            moved = movement.step(batch, validity.mask(batch.values), np.ones(1, dtype=bool), lambda *_: {})
            changes = [*limits.step(frame), *(change for _, change in moved.changes)]
            for event in desk.limits("K", standing.merge(changes), t_ns):
                found.append((i, event.kind, event.severity, event.body))
        return found

    return story


def of(question: Callable[[Channel], Any]) -> Probe:
    """An answer that needs the first channel only."""
    return lambda mission: question(mission.buses["b"].channels[0])


def drawn(channel: Channel) -> str:
    status = acquisition(channel, 1.0, 0.0)
    return state_key(ChannelNow(channel, 1.0, "1", 0, 0.0, status, DISABLED, False, ()))


class Case(NamedTuple):
    """A mission without the option (or with another value of it), the same with it, and where it shows."""

    without: str
    within: str
    probe: Probe


HIGH = told(*[11.0] * 5, *[5.0] * 5)
ENUM = f'{NAME}\nenum = {{0 = "OFF", 1 = "ON", 2 = "TEST"}}'
DELTA = f"{NAME}\ndelta = [-1, 1]"
CHANNELS = {
    "name": Case(NAME, 'name = "a.y"', HIGH),
    "label": Case(NAME, f'{NAME}\nlabel = "Wheel"', HIGH),
    "unit": Case(NAME, f'{NAME}\nunit = "V"', HIGH),
    "decimals": Case(NAME, f"{NAME}\ndecimals = 3", told(*[11.12345] * 3)),
    "period_s": Case(NAME, f"{NAME}\nperiod_s = 5", of(lambda c: acquisition(c, 1.0, 10.0))),
    "expiry_periods": Case(NAME, f"{NAME}\nexpiry_periods = 20", of(lambda c: acquisition(c, 1.0, 10.0))),
    "contact_only": Case(
        NAME, f"{NAME}\ncontact_only = true", of(lambda c: acquisition(c, 1.0, 10.0, in_contact=False))
    ),
    "predicted": Case(NAME, f"{NAME}\npredicted = true", of(drawn)),
    "valid": Case(NAME, f"{NAME}\nvalid = [-5, 10.5]", HIGH),
    "sentinels": Case(NAME, f"{NAME}\nsentinels = [11]", HIGH),
    "enum": Case(NAME, f'{NAME}\nenum = {{11 = "MUCH", 5 = "SOME"}}', HIGH),
    "action": Case(NAME, f'{NAME}\naction = "shed load"', HIGH),
    "min_violations": Case(NAME, f"{NAME}\nmin_violations = 4", HIGH),
    "min_conformance": Case(NAME, f"{NAME}\nmin_conformance = 4", HIGH),
    "stuck_s": Case(NAME, f"{NAME}\nstuck_s = 6", told(*[5.0] * 9)),
    "stuck_when": Case(
        f"{NAME}\nstuck_s = 6", f'{NAME}\nstuck_s = 6\nstuck_when = "obc.mode = SAFE"', told(*[5.0] * 9)
    ),
    "max_rate": Case(NAME, f"{NAME}\nmax_rate = 1", told(1.0, 3.0, 3.0)),
    "rate_when": Case(
        f"{NAME}\nmax_rate = 1", f'{NAME}\nmax_rate = 1\nrate_when = "obc.mode = SAFE"', told(1.0, 3.0, 3.0)
    ),
    "delta": Case(NAME, DELTA, told(1.0, 3.0, 3.0)),
    "delta_when": Case(DELTA, f'{DELTA}\ndelta_when = "obc.mode = SAFE"', told(1.0, 3.0, 3.0)),
    "delta_level": Case(DELTA, f'{DELTA}\ndelta_level = "critical"', told(1.0, 3.0, 3.0)),
    "latch": Case(NAME, f"{NAME}\nlatch = true", HIGH),
}
ON = told(*[1.0] * 5, *[0.0] * 5)
SETS = {
    **{
        level: Case("watch = [-20, 20]" if level != "watch" else "severe = [-20, 20]", f"{level} = [0, 10]", HIGH)
        for level in ("watch", "warning", "distress", "critical", "severe")
    },
    "when": Case(
        'when = "obc.mode = SAFE"\nwarning = [0, 20]\n[[bus.b.channel.limits]]\nwarning = [0, 10]',
        'when = "obc.mode = NOMINAL"\nwarning = [0, 20]\n[[bus.b.channel.limits]]\nwarning = [0, 10]',
        HIGH,
    ),
    "latch": Case(BAND, f"{BAND}\nlatch = true", HIGH),
    "action": Case(BAND, f'{BAND}\naction = "shed load"', HIGH),
    "exclusive": Case(BAND, f"{BAND}\nexclusive = true", told(*[10.0] * 5)),
    "states": Case('expected = ["ON", "OFF"]', 'expected = ["OFF"]\nstates = {ON = "critical"}', ON),
    "expected": Case('states = {TEST = "watch"}', 'states = {TEST = "watch"}\nexpected = "OFF"', ON),
    "expected_level": Case('expected = "OFF"', 'expected = "OFF"\nexpected_level = "severe"', ON),
}  # fmt: skip


def mission_of(tmp_path: Path, channel: str, limits: str) -> Mission:
    file = tmp_path / "mission.toml"
    sets = f"[[bus.b.channel.limits]]\n{limits}" if limits else ""
    file.write_text(TOML.format(channel=channel, limits=sets), encoding="utf-8")
    return read_mission(file)


@pytest.mark.parametrize("option", [*CHANNEL])
def test_every_option_of_a_channel_changes_what_happens(tmp_path: Path, option: str) -> None:
    case = CHANNELS[option]
    bands = "" if option in ("stuck_s", "stuck_when", "max_rate", "rate_when") or "delta" in option else BAND
    before, after = (case.probe(mission_of(tmp_path, text, bands)) for text in (case.without, case.within))
    assert before != after


@pytest.mark.parametrize("option", [*LIMITS])
def test_every_option_of_a_limit_set_changes_what_happens(tmp_path: Path, option: str) -> None:
    case = SETS[option]
    channel = ENUM if case.probe is ON else NAME
    before, after = (case.probe(mission_of(tmp_path, channel, text)) for text in (case.without, case.within))
    assert before != after


def test_the_mission_says_for_how_long_values_hold_and_a_channel_says_it_of_itself(tmp_path: Path) -> None:
    ten = "[monitoring]\nexpiry_periods = 10\n"
    held: list[float] = []
    for head, more in (("", ""), (ten, ""), (ten, "\nexpiry_periods = 2")):
        file = tmp_path / "mission.toml"
        file.write_text(TOML.format(channel=NAME + more, limits="") + head, encoding="utf-8")
        held.append(read_mission(file).buses["b"].channels[0].expiry_periods)
    assert held == [3, 10, 2]


@pytest.mark.parametrize(
    ("limits", "value", "text"),
    [
        ('expected = "OFF"', 1.0, "a.x ON (1), expected OFF, WARNING, set default"),
        ('expected = ["OFF", "TEST"]', 1.0, "a.x ON (1), expected OFF or TEST, WARNING, set default"),
        ('states = {ON = "critical"}', 1.0, "a.x ON (1), CRITICAL, set default"),
        ('when = "obc.mode = NOMINAL"\nexpected = "OFF"\n[[bus.b.channel.limits]]\nexpected = "ON"', 1.0,
         "a.x ON (1), expected OFF, WARNING, set NOMINAL"),
        ('expected = "OFF"\nexpected_level = "watch"\nstates = {TEST = "severe"}', 2.0,
         "a.x TEST (2), expected OFF, SEVERE, set default"),
    ],
)  # fmt: skip
def test_the_text_of_a_state_says_value_level_what_is_expected_and_set(
    tmp_path: Path, limits: str, value: float, text: str
) -> None:
    events = told(*[value] * 3)(mission_of(tmp_path, ENUM, limits))
    assert [event[3]["text"] for event in events] == [text]


def test_a_state_returns_and_tells_the_worst_one(tmp_path: Path) -> None:
    mission = mission_of(tmp_path, ENUM, 'states = {ON = "warning", TEST = "critical"}')
    events = told(*[1.0] * 3, *[2.0] * 3, *[1.0] * 4, *[0.0] * 3)(mission)
    assert [(i, kind, severity) for i, kind, severity, _ in events] == [
        (2, "alarm.raised", 2),
        (5, "alarm.severity", 4),
        (8, "alarm.updated", 2),
        (12, "alarm.returned", 0),
    ]
    assert events[-1][3]["text"] == "a.x OFF back in limits; worst TEST, 10 samples"


@pytest.mark.parametrize(
    ("channel", "limits", "line"),
    [
        (NAME, 'states = {ON = "watch"}', 'limits[0].states.ON: "watch": allowed: nothing without an enum'),
        (ENUM, 'states = {ONE = "watch"}', "limits[0].states.ONE: \"watch\": allowed: labels of the enum on the"),
        (ENUM, 'states = {ON = "bad"}', 'limits[0].states.ON: "bad": allowed: "watch" or "warning" or'),
        (ENUM, 'expected = "ONE"', 'limits[0].expected: "ONE": allowed: labels of the enum on the left: OFF, ON'),
        (ENUM, "expected = 1", "limits[0].expected: 1.0: allowed: labels of the enum"),
        (NAME, 'expected = "ON"', 'limits[0].expected: "ON": allowed: a number'),
        (NAME, "expected = nan", "limits[0].expected: nan: allowed: a finite number"),
        (NAME, "expected = []", "limits[0].expected: []: allowed: a label"),
        (ENUM, 'expected = "ON"\nstates = {ON = "watch"}', 'limits[0].expected: "ON": allowed: a label without'),
        (NAME, f'{BAND}\nexpected_level = "watch"', "expected_level: \"watch\": allowed: nothing without expected"),
        (NAME, f'{BAND}\nexclusive = ["critical high"]', 'exclusive: "critical high": allowed: "warning low" or'),
        (NAME, "warning = [0, inf]\nexclusive = [\"warning high\"]", 'exclusive: "warning high": allowed: "warn'),
        (NAME, "warning = [0, 0]\nexclusive = true", "limits[0].warning: [0.0, 0.0]: allowed: a band that holds"),
        (NAME, f'{BAND}\ncritical = [0, 20]\nexclusive = ["critical low"]', "critical: [0.0, 20.0]: allowed: a"),
        (f'{NAME}\ndelta_level = "watch"', BAND, 'delta_level: "watch": allowed: nothing without delta'),
        (f'{NAME}\ndelta_when = "obc.mode = SAFE"', BAND, "delta_when: \"obc.mode = SAFE\": allowed: nothing with"),
        (f"{ENUM}\ndelta = [0, 0]", BAND, "delta: [0.0, 0.0]: allowed: nothing beside enum"),
        (f"{NAME}\nexpiry_periods = 0.5", BAND, "expiry_periods: 0.5: allowed: a number of periods from 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line_with_key_value_and_what_is_allowed(
    tmp_path: Path, channel: str, limits: str, line: str
) -> None:
    with pytest.raises(MissionError) as caught:
        mission_of(tmp_path, channel, limits)
    assert len(caught.value.lines) == 1
    assert line in caught.value.lines[0]
    assert caught.value.lines[0].startswith("mission.toml: bus.b.channel[0].")


def test_a_column_of_states_is_checked_like_its_values(tmp_path: Path) -> None:
    text = 'expected = ["OFF", "TEST"]\nexpected_level = "watch"\nstates = {TEST = "critical"}\nwarning = [-1, 1]'
    with pytest.raises(MissionError, match="without a level"):
        mission_of(tmp_path, ENUM, text)
    channel = mission_of(tmp_path, ENUM, text.replace(', "TEST"', "")).buses["b"].channels[0]
    assert levels(channel.limits[0], np.array([0.0, 1.0, 2.0, math.nan])).tolist() == [0, 1, 4, -1]


def shown(mission: Mission, *values: float, mode: float = NOMINAL) -> tuple[str, str]:
    """Text of the box of the alarm and of the card of its channel after these values."""
    desk, bus = AlarmDesk(), mission.buses["b"]
    monitor = LimitMonitor(bus)
    for i, value in enumerate(values):
        desk.limits("K", monitor.step({bus.channels[0].name: value, "obc.mode": mode}), i * NS_PER_S)
    [alarm] = desk.alarms.values()
    channel = bus.channels[0]
    value, result = values[-1], monitor.ongoing()[0].result
    now = ChannelNow(
        channel, value, channel.number(value), 0, 0.0, Acquisition.ACQUIRED, result, False, (), channel.limits[0]
    )
    link, contact = LinkNow("LIVE", "", 0.0), ContactNow()
    seen = Snapshot(1, 0, 0, mission, "K", False, link, contact, 0.0, ModelNow(), (alarm,), {channel.name: now})
    box = " ".join(plain(row).strip() for row in box_rows(alarm, seen, 44, UNICODE, mark=False))
    _, card = inspect_rows(seen, alarm, now, 100, UNICODE)
    return box, " | ".join(" ".join(plain(row).split()) for row in card)


def test_a_state_an_expected_value_and_an_exclusive_bound_are_shown_as_such(tmp_path: Path) -> None:
    box, card = shown(mission_of(tmp_path, ENUM, 'expected = "OFF"\nstates = {TEST = "severe"}'), *[1.0] * 3)
    assert "a.x ON (1), expected OFF, WARNING" in box
    assert "anything but OFF" in card
    assert "SEVR TEST" in card
    text = f'{BAND}\nexclusive = ["warning high"]\naction = "shed load"'
    box, card = shown(mission_of(tmp_path, NAME, text), *[10.0] * 3)
    assert ">= 10 WARN" in box
    assert "10 >= 10" in card
    assert "warning high exclusive" in card
    assert "shed load" in card
