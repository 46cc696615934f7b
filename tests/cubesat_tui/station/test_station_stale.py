"""Silence: marked always, alarmed once a satellite, and not where its cause is shown elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cubesat_tui.contacts import ContactWatch
from cubesat_tui.drawing.signs import ASCII
from cubesat_tui.drawing.status_lines import status_rows
from cubesat_tui.link_state import LinkState
from cubesat_tui.snapshot_reader import SnapshotReader
from cubesat_tui.staleness import NO_PASS_WORDS, RISE_NS, SET_NS, SETTLE_S, Staleness
from cubesat_tui.status import read_status
from telemetry.alarm_desk import AlarmDesk
from telemetry.alarms import STALE, Event
from telemetry.clock import NS_PER_S, ManualClock
from telemetry.dictionary import Bus, Channel, Mission, Satellite, SourceConfig
from telemetry.frame import Frame, FrameBatch, Quality
from telemetry.store.reader import StoreReader
from telemetry.store.rows import ContactRow

T0 = 1_795_331_600 * NS_PER_S
TEN = tuple(Channel(f"eps.v{i}", f"Voltage {i}") for i in range(10))
SLOW = Channel("thm.t", "Panel", period_s=10)
SIGNAL = Channel("com.rssi", "Signal", contact_only=True)
PACKETS = (("hk", tuple(one.name for one in TEN)), ("thm", ("thm.t",)), ("com", ("com.rssi",)))
BUS = Bus("b", (*TEN, SLOW, SIGNAL), (), PACKETS)


class Sky:
    """A station's view of satellites K and L, driven by hand."""

    def __init__(self, *, visible: bool = True, passes: list[tuple[float, float]] | None = None) -> None:
        mission = Mission(
            Path(),
            (Satellite("K", "b"), Satellite("L", "b")),
            {"b": BUS},
            source=SourceConfig("stream", visible=visible),
        )
        self.mission = mission
        self.clock = ManualClock(T0)
        self.contacts = ContactWatch()
        rows = [
            ContactRow(
                satellite="K",
                station="Munich",
                acquisition_ns=T0 + round(a * NS_PER_S),
                loss_ns=T0 + round(b * NS_PER_S),
                max_el_deg=40.0,
            )
            for a, b in passes or []
        ]
        self.contacts.plan("K", rows)
        self.desk = AlarmDesk()
        self.link = LinkState(mission, self.clock, self.contacts)
        self.watch = Staleness(mission, self.clock, self.desk, self.link, self.contacts)
        self.journal: list[Event] = []
        self.sending = {"K": {"hk", "thm"}}

    def run(self, seconds: float) -> list[Event]:
        """Let time pass, every packet in `sending` coming once a second; what was journaled."""
        before = len(self.journal)
        for _ in range(round(seconds)):
            self.clock.advance(1.0)
            for satellite, packets in self.sending.items():
                for packet in sorted(packets):
                    self.send(satellite, packet)
            self.journal += self.watch.step(self.clock.now_ns())
        return self.journal[before:]

    def send(self, satellite: str, packet: str, quality: Quality = Quality.NONE) -> None:
        layout, now = BUS.layouts[packet], self.clock.now_ns()
        values = np.ones(len(layout))
        batch = FrameBatch.of([Frame(satellite, 1, now // NS_PER_S, now, now, int(quality), layout, values)])
        self.link.received(batch)
        self.watch.received(batch)

    @property
    def alarm(self) -> Any:
        return self.desk.alarms.get(("K", STALE))


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


def test_ten_silent_channels_are_one_alarm_that_lists_them_and_returns() -> None:
    sky = Sky()
    assert sky.run(30) == []
    sky.sending["K"] = {"thm"}
    assert sky.run(4 + SETTLE_S) == []
    raised = sky.run(2)
    assert kinds(raised) == ["alarm.raised"]
    assert sky.alarm.kind == "stale"
    assert set(sky.alarm.channels) == {one.name for one in TEN}
    assert sky.alarm.text == "10 channels too old: eps.v0, eps.v1, eps.v2 and 7 more"
    assert sky.run(600) == []
    sky.sending["K"] = {"hk", "thm"}
    assert kinds(sky.run(SETTLE_S + 3)) == ["alarm.returned"]
    assert sky.run(60) == []


def test_a_slow_channel_that_stops_is_alarmed_on_by_its_own_period() -> None:
    sky = Sky()
    sky.run(30)
    sky.sending["K"] = {"hk"}
    assert sky.run(31 + SETTLE_S) == []
    assert kinds(sky.run(2)) == ["alarm.raised"]
    assert sky.alarm.channels == ("thm.t",)


def test_a_satellite_that_falls_silent_has_one_alarm_that_grows() -> None:
    sky = Sky()
    sky.sending["L"] = {"hk", "thm"}
    sky.run(30)
    sky.sending["K"] = set()
    assert kinds(sky.run(120)) == ["alarm.raised", "alarm.updated"]
    assert len(sky.alarm.channels) == 11
    assert sky.alarm.text == "nothing received since 07:13:50Z: 11 of 11 channels too old"
    assert ("L", STALE) not in sky.desk.alarms


def test_what_was_recorded_on_board_does_not_make_a_channel_fresh() -> None:
    sky = Sky()
    sky.run(10)
    sky.sending["K"] = {"hk"}
    sky.run(20)
    sky.send("K", "thm", Quality.STORED)
    assert kinds(sky.run(20)) == ["alarm.raised"]


def test_inside_an_expected_loss_of_signal_nothing_is_alarmed_and_after_it_there_is() -> None:
    sky = Sky(visible=False, passes=[(-600, 300), (6000, 6600)])
    sky.run(300)
    sky.sending["K"] = set()
    assert sky.run(5690) == []
    assert sky.run(10 + RISE_NS / NS_PER_S) == []
    assert kinds(sky.run(40)) == ["alarm.raised", "alarm.updated"]


def test_in_a_pass_it_is_alarmed_and_muted_when_the_pass_is_over() -> None:
    sky = Sky(visible=False, passes=[(-600, 300), (6000, 6600)])
    sky.run(100)
    sky.sending["K"] = {"thm"}
    assert kinds(sky.run(30)) == ["alarm.raised"]
    [muted] = sky.run(170)
    assert (muted.kind, muted.body["by"], muted.at_ns) == (
        "alarm.inhibited", "loss of signal", T0 + 300 * NS_PER_S - SET_NS,
    )  # fmt: skip
    sky.sending["K"] = set()
    assert sky.run(5700) == []
    sky.sending["K"] = {"hk", "thm"}
    assert kinds(sky.run(200)) == ["alarm.returned", "alarm.cleared"]


def test_a_pass_that_brings_nothing_releases_the_alarm_of_the_one_before() -> None:
    sky = Sky(visible=False, passes=[(-600, 300), (6000, 6600)])
    sky.run(100)
    sky.sending["K"] = {"thm"}
    sky.run(200)
    assert sky.alarm.inhibited_by == "loss of signal"
    assert "alarm.released" in kinds(sky.run(5900))
    assert sky.alarm.inhibited_by == ""


def test_without_a_known_pass_silence_is_listed_with_what_is_missing_and_never_rings() -> None:
    sky = Sky(visible=False)
    sky.run(10)
    sky.sending["K"] = set()
    assert kinds(sky.run(20)) == ["alarm.raised", "alarm.inhibited"]
    assert sky.alarm.inhibited_by == "no pass known"
    assert not sky.alarm.needs_acknowledgement
    assert "nothing received since" in sky.alarm.text
    assert sky.alarm.text.endswith("; " + NO_PASS_WORDS)
    assert sky.link.state == ("QUIET", "no pass known")
    assert kinds(sky.run(60)) == ["alarm.updated"], "the slow channel"
    assert sky.run(5900) == [], "it does not come and go"
    sky.sending["K"] = {"hk", "thm"}
    assert kinds(sky.run(10)) == ["alarm.returned", "alarm.cleared"], "it was heard: nothing is left to do"
    assert sky.link.state[0] == "LIVE"


def test_one_of_many_channels_that_falls_silent_with_no_pass_known_says_so_too() -> None:
    sky = Sky(visible=False)
    sky.sending["K"] = {"hk", "thm"}
    sky.run(10)
    sky.sending["K"] = {"hk"}
    sky.run(60)
    assert sky.alarm.text == f"1 channel too old: thm.t; {NO_PASS_WORDS}"
    assert sky.alarm.inhibited_by == "no pass known"


def test_passes_that_become_known_are_the_cause_from_then_on() -> None:
    sky = Sky(visible=False)
    sky.run(10)
    sky.sending["K"] = set()
    sky.run(20)
    now = sky.clock.now_ns()
    row = ContactRow(
        satellite="K",
        station="Munich",
        acquisition_ns=now + 300 * NS_PER_S,
        loss_ns=now + 900 * NS_PER_S,
        max_el_deg=9,
    )
    sky.contacts.plan("K", [row])
    sky.run(5)
    assert sky.alarm.inhibited_by == "loss of signal"
    sky.run(300 + (RISE_NS // NS_PER_S) + 30)
    assert sky.alarm.inhibited_by == ""
    assert sky.alarm.needs_acknowledgement
    assert NO_PASS_WORDS not in sky.alarm.text


def test_before_passes_are_computed_nothing_is_said_about_them() -> None:
    sky = Sky(visible=False)
    sky.contacts = ContactWatch()
    sky.watch = Staleness(sky.mission, sky.clock, sky.desk, sky.link, sky.contacts)
    sky.run(10)
    sky.sending["K"] = set()
    assert kinds(sky.run(20)) == ["alarm.raised"]


def test_a_channel_that_is_sent_in_a_pass_only_is_alarmed_on_in_a_pass_only() -> None:
    sky = Sky(passes=[(-600, 100), (1000, 1600)])
    sky.sending["K"] = {"hk", "thm", "com"}
    sky.run(100)
    sky.sending["K"] = {"hk", "thm"}
    assert sky.run(900 + RISE_NS / NS_PER_S) == []
    raised = sky.run(30)
    assert kinds(raised) == ["alarm.raised"]
    assert sky.alarm.channels == ("com.rssi",)
    assert kinds(sky.run(600)) == ["alarm.returned"]


def test_a_link_that_is_cut_mutes_the_alarm_and_counts_no_silence() -> None:
    sky = Sky()
    sky.run(10)
    sky.sending["K"] = {"hk"}
    sky.run(40)
    assert sky.alarm.inhibited_by == ""
    sky.link.lost("connection refused")
    sky.sending["K"] = set()
    assert kinds(sky.run(600)) == ["alarm.inhibited"]
    assert sky.alarm.inhibited_by == "link down"
    sky.sending["K"] = {"hk"}
    told = sky.run(50)
    assert kinds(told) == ["alarm.released"]
    assert sky.alarm.active
    assert sky.alarm.channels == ("thm.t",)


def test_a_link_that_comes_back_with_everything_is_silent_about_it() -> None:
    sky = Sky()
    sky.run(10)
    sky.link.lost("connection refused")
    sky.sending["K"] = set()
    assert sky.run(600) == []
    sky.sending["K"] = {"hk"}
    assert sky.run(20) == []
    sky.sending["K"] = {"hk", "thm"}
    assert sky.run(60) == []


def test_an_alarm_that_a_cut_link_muted_returns_without_a_word_when_everything_is_there_again() -> None:
    sky = Sky()
    sky.run(10)
    sky.sending["K"] = {"hk"}
    sky.run(40)
    sky.link.lost("connection refused")
    sky.sending["K"] = set()
    sky.run(60)
    sky.sending["K"] = {"hk", "thm"}
    assert kinds(sky.run(60)) == ["alarm.returned", "alarm.cleared"]


def test_a_replay_a_full_disk_and_a_station_that_slept_are_no_silence() -> None:
    sky = Sky()
    sky.run(10)
    sky.sending["K"] = set()
    for _ in range(60):
        sky.clock.advance(1.0)
        assert sky.watch.step(sky.clock.now_ns(), refusing=True) == []
    sky.clock.advance(3600)
    assert sky.run(4) == []
    sky.link.live = False
    assert sky.run(600) == []


@pytest.mark.parametrize("hour", [0.0, 3600.0])
async def test_a_frozen_source_shows_expired_everywhere_and_one_alarm(rig: Any, hour: float) -> None:
    """Within three periods and a second of the last frame, in the snapshot and in the CLI's JSON."""
    await rig.start()
    rig.clock.advance(hour)
    await rig.feed(rig.frames([7.5]))
    begun = rig.clock.monotonic()
    reader = SnapshotReader(rig.directory, rig.clock)
    fresh = read_status(rig.directory, rig.clock)["channels"]
    assert {name: one["acquisition"] for name, one in fresh.items()} == {
        "eps.bat_v": "ACQUIRED", "obc.mode": "ACQUIRED", "thm.t_px": "NOT_RECEIVED",
    }  # fmt: skip
    await rig.until(lambda: rig.clock.monotonic() - begun >= 4.05)
    assert {name: now.acquisition.value for name, now in reader.read().channels.items()} == {
        "eps.bat_v": "EXPIRED", "obc.mode": "EXPIRED", "thm.t_px": "NOT_RECEIVED",
    }  # fmt: skip
    told = read_status(rig.directory, rig.clock)["channels"]["eps.bat_v"]
    assert (told["acquisition"], told["value"], told["monitoring"]) == ("EXPIRED", 7.5, "DISABLED")
    assert 4.0 < told["age_s"] < 6.0
    await rig.until(lambda: bool(rig.events("alarm.raised")))
    assert rig.clock.monotonic() - begun < 4 + SETTLE_S + 2.5
    [alarm] = [one for one in reader.read().alarms if one.kind == "stale"]
    assert set(alarm.channels) == {"eps.bat_v", "obc.mode"}
    reader.close()


async def test_ten_channels_are_marked_in_a_loss_of_signal_and_nothing_is_alarmed(
    tmp_path: Path, make_rig: Callable[[Path, Callable[[str], str]], Any]
) -> None:
    """A stream that is heard in passes only: its satellite sinks, and every value becomes EXPIRED."""
    ten = "".join(f'[[bus.b.channel]]\nname = "eps.v{i}"\nperiod_s = 1\n\n' for i in range(10))
    orbit = (
        'bus = "b"\ntle = [\n"1 99700U          26100.00000000  .00000100  00000-0  27000-4 0    12",\n'
        '"2 99700  98.1880 170.0000 0012000  90.0000 270.2000 14.57100000    11",\n]\n\n'
        '[[ground_station]]\nname = "Munich"\nlat = 48.1\nlon = 11.3\n'
    )

    def toml_of(toml: str) -> str:
        toml = toml.replace('bus = "b"\n', orbit, 1).replace('kind = "stream"', 'kind = "stream"\nvisible = false')
        toml = toml.replace('hk = ["eps.bat_v", "obc.mode"]', 'hk = ["eps.bat_v", "obc.mode"]\nten = ["eps.v*"]')
        return toml.replace("[source]", ten + "[source]")

    rig = make_rig(tmp_path / "m", toml_of)
    await rig.start()
    await rig.until(lambda: rig.station.contacts.known("TESTBIRD"))
    rows = rig.read(lambda reader: reader.contacts(rig.clock.now_ns(), rig.clock.now_ns() + 86_400 * NS_PER_S))
    first = next(row for row in rows if row.loss_ns - row.acquisition_ns > 300 * NS_PER_S)
    rig.clock.advance((first.loss_ns - rig.clock.now_ns()) / NS_PER_S - 40)
    layout = rig.mission.bus_of("TESTBIRD").layouts["ten"]
    assert len(layout) == 10
    for i in range(8):
        now = rig.clock.now_ns()
        frame = Frame("TESTBIRD", 1_795_331_600, 900 + i, now, now, 0, layout, np.arange(10.0))
        await rig.feed(FrameBatch.of([frame]))
        rig.clock.advance(1.0)
    begun = rig.clock.now_ns()
    await rig.until(lambda: rig.clock.now_ns() - begun > 120 * NS_PER_S, seconds=0.5)
    marked = read_status(rig.directory, rig.clock)
    assert [name for name, one in marked["channels"].items() if one["acquisition"] == "EXPIRED"] == list(
        layout.names
    )
    assert (marked["link"], marked["alarms"]) == ("QUIET", {})
    assert rig.events("alarm.") == []
    await rig.close()


async def test_a_source_that_dies_is_link_down_within_five_seconds_and_no_stale_alarm(rig: Any) -> None:
    await rig.start()
    await rig.feed(rig.frames([7.5]))
    reader = SnapshotReader(rig.directory, rig.clock)
    rig.source.put(ConnectionError("connection reset"))
    cut = rig.clock.monotonic()

    def line() -> str:
        return "".join(text for text, _ in status_rows(reader.read(), "live", 80, ASCII)[0])

    await rig.until(lambda: "LINK DOWN" in line())
    assert rig.clock.monotonic() - cut < 5
    made = len(rig.sources)
    for _ in range(40):
        rig.clock.advance(0.5)
        await rig.until(lambda: True)
    assert rig.events("alarm.raised") == []
    assert len(rig.sources) >= made
    reader.close()


async def test_the_alarm_of_a_silent_channel_outlives_a_restart(rig: Any) -> None:
    await rig.start()
    await rig.feed(rig.frames([7.5]))
    await rig.until(lambda: bool(rig.events("alarm.raised")))
    await rig.stop()
    rig.clock.advance(600)
    await rig.start()
    await rig.until(lambda: rig.station.clock.monotonic() > 0)
    assert set(rig.station.staleness.expired("TESTBIRD")) == {"eps.bat_v", "obc.mode"}
    for _ in range(9):
        await rig.feed(rig.frames([7.5]))
        rig.clock.advance(0.9)
    await rig.until(lambda: bool(rig.events("alarm.returned")))
    assert len(rig.events("alarm.raised")) == 1


def test_an_alarm_lets_go_of_a_channel_that_the_mission_has_no_more() -> None:
    sky = Sky()
    sky.run(10)
    sky.sending["K"] = {"thm"}
    sky.run(30)
    desk = AlarmDesk()
    desk.restore(sky.journal)
    bus = Bus("b", TEN[:9])
    layout = bus.layouts["hk"]
    mission = Mission(Path(), (Satellite("K", "b"),), {"b": bus}, source=SourceConfig("stream"))
    link = LinkState(mission, sky.clock, sky.contacts)
    watch = Staleness(mission, sky.clock, desk, link, sky.contacts)

    class Empty(StoreReader):
        def __init__(self) -> None: ...

        def newest_of_layouts(self, satellite: str) -> list[Frame]:
            return []

    watch.restore(Empty())
    told: list[Event] = []
    for i in range(20):
        sky.clock.advance(1.0)
        now = sky.clock.now_ns()
        batch = FrameBatch.of([Frame("K", 2, i, now, now, 0, layout, np.ones(9))])
        link.received(batch)
        watch.received(batch)
        told += watch.step(now)
    assert kinds(told)[-1] == "alarm.returned"
    assert not desk.alarms[("K", STALE)].active


async def test_a_channel_left_out_of_later_frames_is_expired_and_not_forgotten(
    tmp_path: Path, make_rig: Callable[[Path, Callable[[str], str]], Any]
) -> None:
    rig = make_rig(tmp_path / "m", lambda toml: toml)
    await rig.start()
    await rig.feed(rig.frames([7.5]))
    whole = rig.mission.bus_of("TESTBIRD").layouts["hk"]
    part = type(whole)("hk", whole.columns[1:])
    for i in range(8):
        rig.clock.advance(1.0)
        now = rig.clock.now_ns()
        frame = Frame("TESTBIRD", 1_795_331_600, 100 + i, now, now, 0, part, np.array([1.0]))
        await rig.feed(FrameBatch.of([frame]))
    channels = read_status(rig.directory, rig.clock)["channels"]
    assert (channels["eps.bat_v"]["acquisition"], channels["eps.bat_v"]["value"]) == ("EXPIRED", 7.5)
    assert channels["obc.mode"]["acquisition"] == "ACQUIRED"
    await rig.until(lambda: bool(rig.events("alarm.raised")))
    assert rig.events("alarm.raised")[0].body["channels"] == ["eps.bat_v"]
    await rig.close()
