"""Whatever stands in a database: a replica lives on, and its console can be drawn."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cubesat_tui.app import ConsoleApp
from telemetry.links.link_keys import StreamKey
from telemetry.links.record import Record
from tests.cubesat_tui.fabricated import NOW, SATELLITE
from tests.cubesat_tui.memory_link import START_S
from tests.cubesat_tui.test_replica import HEALTH, World, world

__all__ = ["world"]

BIG, HUGE = 2**62, 10**30
REPORTS: dict[str, dict[str, Any]] = {
    "mission time beyond 64 bits": {"live": False, "mission_ns": HUGE},
    "mission time far ahead": {"live": False, "mission_ns": BIG},
    "mission time far behind": {"live": False, "mission_ns": -BIG},
    "retrain beyond 64 bits": {"trainer": {"state": "running", "retrain": HUGE, "next_ns": HUGE}},
    "next retrain far ahead": {"trainer": {"state": "running", "retrain": -1, "next_ns": BIG}},
    "model beyond 64 bits": {
        "model": {"version": HUGE, "at_ns": HUGE, "retrain": HUGE, "sha256": "x", "kind": "y"}
    },
    "model far ahead": {"model": {"version": -5, "at_ns": BIG}},
    "states nobody knows": {"link": "[red]\x1b[31mX", "detail": "\x1b]0;x\x07", "trainer": {"state": "\x1b[2J"}},
    "held of another shape": {"held": {SATELLITE: {"at_ns": "soon", "by": 5}}},
    "held empty": {"held": {SATELLITE: {}}},
    "learning of another shape": {"learning": {"x": HUGE}},
    "counts beyond 64 bits": {"refused": {"x" * 500: HUGE}, "disk_full": HUGE},
    "counts below zero": {"refused": {"x": -HUGE}, "disk_full": -HUGE},
    "fault far ahead": {
        "injected": [{"id": "f", "satellite": "nobody", "text": "t", "start_s": 1e300, "end_s": -1e300}]
    },
    "rate of nothing": {"live": False, "rate": 0.0},
    "rate of everything": {"live": False, "rate": 1e300},
    "rate below zero": {"live": False, "rate": -1e300},
}


@pytest.mark.parametrize("odd", REPORTS.values(), ids=REPORTS.keys())
async def test_no_report_ends_a_replica_or_its_console(world: World, odd: dict[str, Any]) -> None:
    mirror = world.mirror()
    await mirror.start()
    await world.publish()
    await world.server.say(NOW / 1e6, json.dumps(HEALTH | odd))
    await mirror.until(lambda: mirror.replica.owner.report is not None or mirror.replica.owner.refused)
    beats: list[int] = []
    await mirror.until(lambda: beats.append(1) or len(beats) > 150)
    mirror.snapshot()
    await world.report()
    world.clock.advance(1)
    await mirror.until(lambda: mirror.body()["link"] == "LIVE")


def event(**fields: Any) -> dict[str, Any]:
    usual = {"at_ns": NOW, "satellite": SATELLITE, "kind": "alarm.raised", "severity": 3, "subject": "eps.bat_v"}
    return {**usual, "actor": "", "body": {}, **fields}


KINDS = (
    "alarm.raised",
    "alarm.acknowledged",
    "alarm.returned",
    "alarm.cleared",
    "alarm.shelved",
    "alarm.unshelved",
    "alarm.escalated",
    "note",
    "act.undone",
    "act.refused",
    "model.promoted",
    "link.missing",
    "station.started",
    "nominal.accepted",
    "publish.down",
    "detector.accepted",
    "handover.closed",
)
BODIES = (
    {},
    {"value": "x", "until_ns": "x", "text": 5, "state": [], "low": {}, "limit": HUGE / 1e20, "p": "x"},
    {"until_ns": BIG, "raised_ns": -BIG, "value": 1e300, "state": "NO STATE", "channels": 5, "top": {"a": 1}},
    {"events": 3, "subjects": 3, "id": 7, "request": {}, "undoes": "x", "why": [[[]]], "version": "x"},
)


async def test_no_event_ends_a_replica_or_its_console(world: World) -> None:
    mirror = world.mirror()
    await mirror.start()
    await world.publish()
    await world.report()
    events = [event(kind=kind, body=body) for kind in KINDS for body in BODIES]
    events += [event(satellite="NOBODY", kind=kind) for kind in KINDS]
    events += [
        event(subject="no.channel"),
        event(subject="anomaly:x" * 30),
        event(severity=99),
        event(severity=-99),
    ]
    events += [event(at_ns=BIG), event(at_ns=-BIG), event(at_ns=2**63 - 1), event(at_ns=-(2**63))]
    for number, one in enumerate(events, 100_000):
        key = StreamKey("journal", START_S, number).text
        await world.server.append("journal", Record(key, number, number, 1, json.dumps([one])))
    last = f"{StreamKey('journal', START_S, 100_000 + len(events) - 1).text} {100_000 + len(events) - 1}"
    await mirror.until(lambda: mirror.read(lambda r: r.cursor("firebase", "journal")) == last)
    beats: list[int] = []
    await mirror.until(lambda: beats.append(1) or len(beats) > 150)
    mirror.snapshot()
    assert mirror.replica.intake.refused["wrong shape"]


FRAMES: dict[str, dict[str, Any]] = {
    "as it should be": {},
    "generation time at the end of time": {"t_ns": [2**63 - 1]},
    "generation time before all time": {"t_ns": [-(2**63)]},
    "reception that wraps": {"t_ns": [2**62], "delay_ns": [2**62 + 2**61]},
    "reception far ahead": {"delay_ns": [2**61]},
    "boot beyond u32": {"boot": [2**62]},
    "boot below zero": {"boot": [-1]},
    "number beyond all": {"seq": [2**63 - 1]},
    "number below zero": {"seq": [-(2**63)]},
    "values beyond": {"values": [["inf"]] * 200},
}


@pytest.mark.parametrize("odd", FRAMES.values(), ids=FRAMES.keys())
async def test_no_frame_ends_a_replica_or_its_console(world: World, odd: dict[str, Any]) -> None:
    mirror = world.mirror()
    await mirror.start()
    await world.publish()
    await world.report()
    (last,) = [item for item in world.server.streams["frames"] if isinstance(item, Record)][-1:]
    (one, *_) = json.loads(last.text)
    fields = {"n": 1, "boot": [1_800_000_000], "seq": [1], "t_ns": [NOW], "delay_ns": [0], "quality": [0]}
    values = [[7.0]] * len(world.server.layouts[one["layout"]])
    told = {**one, **fields, "values": values, "satellites": [SATELLITE], "satellite": None, **odd}
    told["values"] = told["values"][: len(values)]
    key = StreamKey("frames", START_S, 900_000).text
    await world.server.append("frames", Record(key, 900_000, 900_000, 1, json.dumps([told])))
    await mirror.until(lambda: mirror.read(lambda r: r.cursor("firebase", "frames")) == f"{key} 900000")
    beats: list[int] = []
    await mirror.until(lambda: beats.append(1) or len(beats) > 150)
    mirror.snapshot()


RUNS: dict[str, dict[str, Any]] = {
    "numbers far out": {"retrain": 2**63 - 1, "version": -(2**63), "rows": -1, "excluded": 2**63 - 1, "parent": 0},
    "figures far out": {"fit_s": 1e308, "threshold": -1e308, "drift": 1e308, "anomaly_rate": -5.0},
    "times far out": {"at_ns": 2**63 - 1, "window_from": -(2**63), "window_to": 2**63 - 1},
    "a decision nobody knows": {"decision": "[red]\x1b[2J", "reason": "\x1b]0;x\x07" * 900},
    "of nobody": {"satellite": "NOBODY"},
    "another body": {"body": {"channels": 5, "figures": "x", "gate": [], "why": {"a": 1}, "checks": "x"}},
}


@pytest.mark.parametrize("odd", RUNS.values(), ids=RUNS.keys())
async def test_no_considered_fit_ends_a_replica_or_its_console(world: World, odd: dict[str, Any]) -> None:
    mirror = world.mirror()
    await mirror.start()
    await world.publish()
    await world.report()
    for number, decision in enumerate(("promoted", "kept", "rejected"), 900_000):
        told = {"retrain": number, "at_ns": NOW, "satellite": SATELLITE, "decision": decision, "version": 9, **odd}
        key = StreamKey("runs", START_S, number).text
        await world.server.append("runs", Record(key, number, number, 1, json.dumps([told])))
    await mirror.until(lambda: mirror.read(lambda r: r.cursor("firebase", "runs")) == f"{key} {number}")
    beats: list[int] = []
    await mirror.until(lambda: beats.append(1) or len(beats) > 150)
    mirror.snapshot()


async def test_all_screens_are_drawn_over_what_anybody_wrote(world: World) -> None:
    mirror = world.mirror()
    await mirror.start()
    await world.publish()
    await world.report()
    odd_events = [event(kind=kind, body=body) for kind in KINDS for body in BODIES]
    odd_events += [event(satellite="NOBODY"), event(subject="no.channel"), event(subject="anomaly:x" * 30)]
    odd_events += [event(at_ns=2**63 - 1), event(at_ns=-(2**63)), event(severity=99), event(severity=-99)]
    for number, one in enumerate(odd_events, 100_000):
        key = StreamKey("journal", START_S, number).text
        await world.server.append("journal", Record(key, number, number, 1, json.dumps([one])))
    number = 0
    for number, odd in enumerate(RUNS.values(), 900_000):
        told = {
            "retrain": number,
            "at_ns": NOW,
            "satellite": SATELLITE,
            "decision": "promoted",
            "version": 9,
            **odd,
        }
        key = StreamKey("runs", START_S, number).text
        await world.server.append("runs", Record(key, number, number, 1, json.dumps([told])))
    await mirror.until(lambda: mirror.read(lambda r: r.cursor("firebase", "runs")) == f"{key} {number}")
    await world.report(**(REPORTS["states nobody knows"] | REPORTS["model far ahead"] | REPORTS["held empty"]))
    beats: list[int] = []
    await mirror.until(lambda: beats.append(1) or len(beats) > 150)
    app = ConsoleApp(mirror.directory, clock=world.clock, operator="ann")
    async with app.run_test(size=(80, 24)) as pilot:
        for page in "123451":
            await pilot.press(page)
            for _ in range(10):
                await pilot.pause()
        drawn = app.export_screenshot()
    assert app.return_code in (None, 0)
    assert "\x1b" not in drawn
