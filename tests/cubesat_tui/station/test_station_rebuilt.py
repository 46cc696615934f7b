"""What was being counted when a station ended is counted on by the next one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telemetry.alarm_desk import AlarmDesk, AnomalyReport
from telemetry.clock import NS_PER_S
from telemetry.dictionary import read_mission
from telemetry.frame import Frame, FrameBatch, Quality

T0 = 1_795_331_600 * NS_PER_S
SATELLITE = "TESTBIRD"
MakeRig = Callable[[Path, Callable[[str], str]], Any]


async def again(rig: Any) -> None:
    await rig.stop()
    await rig.start()


def texts(rig: Any) -> list[str]:
    return [event.text for event in rig.events("alarm.") if event.kind != "alarm.updated"]


@pytest.mark.parametrize("before", [1, 2])
async def test_bad_samples_before_a_restart_count(rig: Any, before: int) -> None:
    await rig.start()
    await rig.feed(rig.frames([7.5, *[8.5] * before], t_ns=T0))
    await again(rig)
    assert texts(rig) == []
    await rig.feed(rig.frames([8.5] * (2 - before) or [7.5], t_ns=T0 + (1 + before) * NS_PER_S))
    assert texts(rig) == []
    if before == 1:
        await rig.feed(rig.frames([8.5], t_ns=T0 + 3 * NS_PER_S))
        assert texts(rig) == ["Battery voltage 8.50 V > 8.4 WARNING HIGH, set default"]
        assert rig.events("alarm.raised")[0].body["count"] == 3


async def test_recorded_frames_count_neither_before_nor_after(rig: Any) -> None:
    await rig.start()
    await rig.feed(rig.frames([8.5] * 2, t_ns=T0, quality=Quality.STORED))
    await again(rig)
    await rig.feed(rig.frames([8.5], t_ns=T0 + 3 * NS_PER_S))
    assert texts(rig) == []


async def test_good_samples_before_a_restart_count_towards_the_return(rig: Any) -> None:
    await rig.start()
    await rig.feed(rig.frames([8.5, 8.5, 8.5, 7.5, 7.5], t_ns=T0))
    await again(rig)
    await rig.feed(rig.frames([7.5], t_ns=T0 + 5 * NS_PER_S))
    assert texts(rig)[1:] == ["Battery voltage 7.50 V back in limits; worst 8.50 V, 3 samples"]


async def test_a_value_that_stood_still_before_a_restart_has_stood_since_then(
    tmp_path: Path, make_rig: MakeRig
) -> None:
    rig = make_rig(tmp_path / "m", lambda toml: toml.replace("decimals = 2\n", "decimals = 2\nstuck_s = 60\n"))
    await rig.start()
    await rig.feed(rig.frames([7.5] * 55, t_ns=T0))
    await again(rig)
    await rig.feed(rig.frames([7.5] * 6, t_ns=T0 + 55 * NS_PER_S))
    assert texts(rig) == []
    await rig.feed(rig.frames([7.5], t_ns=T0 + 61 * NS_PER_S))
    assert texts(rig) == ["Battery voltage 7.50 V unchanged for 61 s, allowed 60 s, WARNING STUCK"]
    await rig.close()


async def test_the_limits_of_a_mode_hold_before_the_mode_is_sent_again(tmp_path: Path, make_rig: MakeRig) -> None:
    """The mode comes in a packet of its own; after a restart its newest value is known from the store."""

    def toml_of(toml: str) -> str:
        safe = '[[bus.b.channel.limits]]\nwhen = "thm.t_px > 50"\nwarning = [0, 5]\n\n'
        text = toml.replace("context = []", 'context = ["thm.t_px"]')
        return text.replace("[[bus.b.channel.limits]]\n", safe + "[[bus.b.channel.limits]]\n", 1)

    rig = make_rig(tmp_path / "m", toml_of)
    await rig.start()
    layout, now = rig.mission.bus_of("TESTBIRD").layouts["thm"], rig.clock.now_ns()
    hot = Frame("TESTBIRD", 1_795_331_600, 500, T0, now, 0, layout, np.array([60.0]))
    await rig.feed(FrameBatch.of([hot]))
    await again(rig)
    await rig.feed(rig.frames([7.5] * 3, t_ns=T0 + NS_PER_S))
    assert texts(rig) == ["Battery voltage 7.50 V > 5 WARNING HIGH, set thm.t_px > 50"]
    await rig.close()


async def test_a_packet_renamed_between_two_starts_leaves_no_alarm_that_never_ends(rig: Any) -> None:
    await rig.start()
    raised = AlarmDesk().anomaly(
        SATELLITE, AnomalyReport("thm", "started", ("thm.t_px",), "Panel +X 80 degC, usual 20", 0.9), T0
    )
    rig.station.desk.restore(raised)
    rig.station.ingest.note(raised)
    await rig.until(lambda: bool(rig.events("alarm.raised")))
    await rig.stop()
    text = rig.directory.toml.read_text(encoding="utf-8")
    rig.directory.toml.write_text(text.replace('thm = ["thm.t_px"]', 'thermal = ["thm.t_px"]'), encoding="utf-8")
    rig.mission = read_mission(rig.directory.path)
    await rig.start()
    await rig.until(lambda: bool(rig.events("alarm.returned")))
    [returned] = rig.events("alarm.returned")
    assert returned.text == "packet thm is no longer in mission.toml: Panel +X 80 degC, usual 20"
    rig.ask("ack", {"satellite": SATELLITE, "subject": "anomaly:thm.t_px"})
    await rig.until(lambda: bool(rig.events("alarm.cleared")))
    assert not rig.station.desk.alarms


async def test_an_anomaly_that_nothing_judges_after_a_restart_ends_in_words(rig: Any) -> None:
    await rig.start()
    raised = AlarmDesk().anomaly(
        SATELLITE, AnomalyReport("hk", "started", ("eps.bat_v",), "Battery voltage 9 V, usual 8", 0.9), T0
    )
    rig.station.desk.restore(raised)
    rig.station.ingest.note(raised)
    await rig.until(lambda: bool(rig.events("alarm.raised")))
    await rig.stop()
    await rig.start()
    for _ in range(12):
        await rig.feed(rig.frames([7.5] * 60))
        rig.clock.advance(60.0)
    await rig.until(lambda: bool(rig.events("alarm.returned")))
    told = [one for one in rig.events("alarm.returned") if one.subject == "anomaly:eps.bat_v"]
    assert [one.text for one in told] == ["no model has judged packet hk for 10 min: Battery voltage 9 V, usual 8"]
