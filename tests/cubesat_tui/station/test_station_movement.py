"""A channel that stands still or jumps, as a station tells of it and a console shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cubesat_tui.drawing.channel_rows import long_row, short_row
from cubesat_tui.drawing.rows import plain
from cubesat_tui.drawing.signs import ASCII, UNICODE
from cubesat_tui.snapshot_reader import SnapshotReader
from telemetry.alarms import AlarmState
from telemetry.clock import NS_PER_S
from telemetry.frame import Quality
from telemetry.limits import Level

T0 = 1_795_331_600 * NS_PER_S
WOBBLE = [7.5, 7.52] * 4


@pytest.fixture
async def rig(tmp_path: Path, make_rig) -> AsyncIterator[Any]:
    rules = "decimals = 2\nstuck_s = 6\nmax_rate = 0.5\n"
    made = make_rig(tmp_path / "m", lambda toml: toml.replace("decimals = 2\n", rules))
    yield made
    await made.close()


async def at_ten(rig, voltages: list[float], second: int, quality: Quality = Quality.NONE) -> list[str]:
    """Feed voltages from a second on; the alarm sentences they led to."""
    before = len(rig.events("alarm."))
    t_ns = T0 + second * NS_PER_S
    rig.clock.advance(max(0.0, (t_ns - rig.clock.now_ns()) / NS_PER_S + len(voltages)))
    await rig.feed(rig.frames(voltages, t_ns=t_ns, quality=quality))
    return [event.text for event in rig.events("alarm.")[before:] if event.kind != "alarm.updated"]


async def test_a_stuck_channel_is_told_shown_and_returns_over_a_restart(rig) -> None:
    await rig.start()
    assert await at_ten(rig, [*WOBBLE, *[7.6] * 8], 0) == [
        "Battery voltage 7.60 V unchanged for 7 s, allowed 6 s, WARNING STUCK"
    ]
    reader = SnapshotReader(rig.directory, rig.clock)
    snapshot = reader.read()
    reader.close()
    now = snapshot.channels["eps.bat_v"]
    assert (now.result.level, now.result.rule) == (Level.WARNING, "stuck")
    [alarm] = snapshot.alarms
    assert (alarm.rule, alarm.limit, alarm.current, alarm.count) == ("stuck", 6.0, 7.6, 8)
    for signs in (UNICODE, ASCII):
        for row in (long_row(now, 80, signs, word=True), short_row(now, 44, signs)):
            assert "stuck" in plain(row)
            assert signs.glyph("warning") in plain(row)
    assert "WARN" in plain(long_row(now, 80, UNICODE, word=True))
    await rig.stop()
    await rig.start()
    assert await at_ten(rig, [7.6] * 3, 30) == []
    assert await at_ten(rig, [7.62, 7.6, 7.62, 7.64, 7.66], 33) == [
        "Battery voltage 7.66 V moves again; it stood at 7.60 V, 12 samples"
    ]
    assert [one.state for one in rig.station.desk.alarms.values()] == [AlarmState.RTN_UNACK]


async def test_a_spike_of_one_sample_is_one_alarm_that_returns(rig) -> None:
    await rig.start()
    assert await at_ten(rig, [*WOBBLE, 8.3, *WOBBLE], 0) == [
        "Battery voltage 8.30 V changed by +0.78 a second, allowed 0.5 V a second, WATCH RATE",
        "Battery voltage 7.52 V changes as allowed again; worst 8.30 V, 2 samples",
    ]
    [raised] = rig.events("alarm.raised")
    assert (raised.subject, raised.severity) == ("eps.bat_v", Level.WATCH)


async def test_recorded_frames_raise_nothing(rig) -> None:
    await rig.start()
    assert await at_ten(rig, [*WOBBLE, 9.9, *[7.6] * 30], 0, Quality.STORED) == []


async def test_a_channel_has_one_alarm_whatever_is_wrong_with_it(rig) -> None:
    """Too high and stuck there: the limit outweighs the other rule until it returns."""
    await rig.start()
    told = await at_ten(rig, [*WOBBLE, *[9.0] * 12, 7.6, 7.6, 7.6, 7.6, *WOBBLE], 0)
    assert [text.split(" ", 4)[4] for text in told] == [
        "changed by +1.48 a second, allowed 0.5 V a second, WATCH RATE",
        "> 8.6 CRITICAL HIGH, set default",
        "back in limits; worst 9.00 V, 12 samples",
    ] or told
    assert len(rig.events("alarm.raised")) == 1
    assert list(rig.station.desk.alarms) == [("TESTBIRD", "eps.bat_v")]
