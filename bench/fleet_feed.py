"""A hundred satellites at 1 Hz written into a mission, without a station: what the Fleet screen is measured on.

    python -m bench.fleet_feed DIR

Every packet of every satellite each second, committed in one batch a packet kind, a heartbeat with it, and
every five seconds an alarm that comes or goes. Ends when its stdin does.
"""

from __future__ import annotations

import select
import sys
import time
from pathlib import Path

import numpy as np

from sim.preset import demo_mission_toml
from telemetry.alarms import Event
from telemetry.clock import NS_PER_S, SystemClock
from telemetry.dictionary import Bus, read_mission
from telemetry.frame import FrameBatch, Layout
from telemetry.store.directory import MissionDirectory
from telemetry.store.rows import ContactRow, HealthRow, RunRow, ScoredBatch
from telemetry.store.writer import StoreWriter

SATELLITES = 100
ALARMED = 20
"""So many of them have an alarm now and then."""


def middle(bus: Bus, name: str) -> float:
    """A value inside the limits of a channel."""
    channel = bus.channel(name)
    pair = next((one.warning or one.critical for one in channel.limits), None) or channel.valid or (0.0, 0.0)
    return 0.0 if channel.enum or not np.isfinite(sum(pair)) else sum(pair) / 2


def second(layout: Layout, bus: Bus, names: tuple[str, ...], number: int, now_ns: int) -> FrameBatch:
    """One frame of each satellite."""
    many = len(names)
    values = np.array([middle(bus, name) for name in layout.names]) + np.zeros((many, 1))
    return FrameBatch(
        layout,
        names,
        np.arange(many),
        np.full(many, 1_790_000_000),
        np.full(many, number),
        np.full(many, now_ns),
        np.full(many, now_ns + 1),
        np.zeros(many, np.int64),
        values,
    )


def prepare(place: Path) -> MissionDirectory:
    """A mission of a hundred satellites, each with a model and with passes."""
    directory = MissionDirectory(place)
    directory.create()
    now = SystemClock().now_ns()
    directory.toml.write_text(demo_mission_toml(now, 1, "quiet", satellites=SATELLITES), encoding="utf-8")
    writer = StoreWriter(directory.telemetry, SystemClock())
    for i, satellite in enumerate(read_mission(directory.path).satellites):
        begins = [now + (i * 57 + n * 5700) * NS_PER_S for n in range(-2, 14)]
        writer.replace_contacts(
            satellite.name,
            [ContactRow(satellite=satellite.name, station="Munich", acquisition_ns=t, loss_ns=t + 500 * NS_PER_S,
                        max_el_deg=40.0) for t in begins],
        )  # fmt: skip
        run = RunRow(retrain=i + 1, at_ns=now, satellite=satellite.name, decision="promoted", version=i + 1)
        writer.record_run(run)
    writer.close()
    return directory


def feed(directory: MissionDirectory) -> None:
    """Write a second of the fleet each second until stdin ends."""
    clock = SystemClock()
    mission = read_mission(directory.path)
    names = tuple(one.name for one in mission.satellites)
    bus = mission.bus_of(names[0])
    layouts = list(bus.layouts.values())
    writer = StoreWriter(directory.telemetry, clock)
    begun, number, accepted = time.monotonic(), 0, 0
    while True:
        now = clock.now_ns()
        batches = [
            ScoredBatch(second(layout, bus, names, number * len(layouts) + k, now))
            for k, layout in enumerate(layouts)
        ]
        events: list[Event] = []
        if number % 5 == 0:
            turn = number // 5
            who, kind = names[turn % ALARMED], "alarm.raised" if turn // ALARMED % 2 == 0 else "alarm.cleared"
            body = {"kind": "limit", "level": 4, "side": 1, "text": "Body rate X 5.1 deg/s > 5 CRITICAL HIGH"}
            events.append(Event(now, who, kind, 4, "adcs.rate_x", "", body))
        accepted += writer.append(batches, events, {"sim": "{}"}).accepted
        health = {"link": "LIVE", "source": "sim", "rate": 1, "simulated": True, "accepted": accepted}
        writer.beat(HealthRow(station="station", beat_ns=clock.now_ns(), next_retrain_ns=None, body=health))
        number += 1
        if select.select([sys.stdin], [], [], max(0.0, begun + number - time.monotonic()))[0]:
            break
    writer.close()


if __name__ == "__main__":
    feed(MissionDirectory(Path(sys.argv[1])))
