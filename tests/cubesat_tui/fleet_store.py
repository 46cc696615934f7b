"""A made-up fleet: few satellites in all states there are, or a hundred of which most are well."""

from __future__ import annotations

from pathlib import Path

import fabricated
import numpy as np
from fabricated import NOW, S

from telemetry.alarms import Event
from telemetry.clock import ManualClock
from telemetry.dictionary import Bus, read_mission
from telemetry.frame import FrameBatch, Quality
from telemetry.store.directory import MissionDirectory
from telemetry.store.rows import ContactRow, RunRow, ScoredBatch
from telemetry.store.writer import StoreWriter

WELL = 3


def names(count: int) -> list[str]:
    """KESTREL-001, ..."""
    return [f"KESTREL-{i:03d}" for i in range(1, count + 1)]


def mission_toml(count: int, *, visible: bool = False) -> str:
    """The mission of `fabricated`, flown by `count` satellites; `visible`: heard outside passes too."""
    text = fabricated.mission_toml()
    one = text[text.index("[[satellite]]") : text.index("[bus.3u]")]
    many = "".join(one.replace(fabricated.SATELLITE, name) for name in names(count))
    return text.replace(one, many) + f"visible = {str(visible).lower()}\n"


def frames(bus: Bus, satellites: list[str], first_ns: int, last_ns: int) -> list[FrameBatch]:
    """Every packet of each satellite at 1 Hz in [first, last], one batch a packet."""
    grid = np.arange(first_ns, last_ns + 1, S, dtype=np.int64)
    n, many = len(grid), len(satellites)
    out = []
    for k, (_, layout) in enumerate(bus.layouts.items()):
        columns = np.column_stack([np.rint(fabricated.values(c, grid)) if c in fabricated._ENUMS else fabricated.values(c, grid) for c in layout.names])  # fmt: skip  # noqa: E501
        t = np.repeat(grid, many)
        out.append(
            FrameBatch(
                layout, tuple(satellites), np.tile(np.arange(many), n), np.full(n * many, fabricated.BOOT),
                (t // S - fabricated.BOOT) * 8 + k, t, t + 20_000_000,
                np.full(n * many, int(Quality.SIMULATED)), np.repeat(columns, many, axis=0),
            )
        )  # fmt: skip
    return out


def alarm(satellite: str, age_s: float, subject: str, severity: int, text: str, kind: str = "limit") -> Event:
    """An alarm that was raised `age_s` seconds ago and is still there."""
    body = {"kind": kind, "level": severity, "side": 1, "limit": 5.0, "trigger": 5.1, "count": 12, "text": text}
    return Event(NOW - round(age_s * S), satellite, "alarm.raised", severity, subject, "", body)


def events(count: int) -> list[Event]:
    """Satellite 2 severe and warned, 3 critical, 4 anomalous, 6 warned and acknowledged by ann."""
    of = names(count)
    found = [
        alarm(of[1], 143, "adcs.rate_x", 5, "Body rate X 5.1 deg/s > 5 SEVERE HIGH, set default, 3 of 3 samples"),
        alarm(of[1], 90, "thm.t_px", 2, "Panel +X 60.2 degC > 60 WARNING HIGH, set default"),
        alarm(of[2], 80, "adcs.rw_x", 4, "Wheel X speed 6204 rpm > 6000 CRITICAL HIGH, set default"),
        alarm(of[3], 70, "anomaly:pld.dist_s", 2, "Distance S 80.1 cm, usual here 55.1 +-0.5", "anomaly"),
        alarm(of[5], 300, "thm.t_px", 2, "Panel +X 60.2 degC > 60 WARNING HIGH, set default"),
        Event(NOW - 200 * S, of[5], "alarm.acknowledged", 0, "thm.t_px", "ann", {"text": "ann acknowledged"}),
    ]
    return sorted(found, key=lambda event: event.at_ns)


def fill(path: Path, count: int = 12, *, visible: bool = False) -> MissionDirectory:
    """A store that ends at NOW: 5 was lost in a missed pass, 7 is quiet, 8 was never heard, 9 has no model."""
    directory = MissionDirectory(path)
    directory.create()
    directory.toml.write_text(mission_toml(count, visible=visible))
    of = names(count)
    bus = read_mission(directory.path).bus_of(of[0])
    writer = StoreWriter(directory.telemetry, ManualClock(NOW))
    silent = [of[4], of[6]]
    heard = [name for name in of if name not in (*silent, of[7])]
    last = NOW - 400_000_000
    batches = frames(bus, heard, last - 59 * S, last) + frames(bus, silent, last - 2460 * S, last - 2450 * S)
    writer.append([ScoredBatch(batch) for batch in batches], events(count), {"sim": "{}"})
    for i, name in enumerate(of):
        passes = [(NOW - 200 * S, 572), (NOW + 5700 * S, 500)]
        if i >= WELL:
            passes = [(NOW - 5000 * S, 600), (NOW + (764 + 97 * i) * S, 540)]
        if i in (4, 6):
            passes[0] = (NOW - 2800 * S, 600)
        if i == 4:
            passes.insert(1, (NOW - 1440 * S, 480))
        rows = [ContactRow(satellite=name, station="Munich" if i % 2 else "Kiruna", acquisition_ns=a,
                           loss_ns=a + n * S, max_el_deg=40.0) for a, n in passes]  # fmt: skip
        writer.replace_contacts(name, rows)
        if i != 8:
            writer.record_run(
                RunRow(
                    retrain=i + 1,
                    at_ns=NOW - (7300 + 60 * i) * S,
                    satellite=name,
                    decision="promoted",
                    version=i + 1,
                )
            )
    writer.beat(fabricated.health(learning={"have": 540, "need": 1000}))
    writer.close()
    return directory
