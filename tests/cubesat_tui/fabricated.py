# ruff: noqa: E501
"""A small mission, made up to the second: what the console tests look at. Nothing in it is random."""

from __future__ import annotations

import os
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from telemetry.alarms import Event
from telemetry.clock import ManualClock
from telemetry.dictionary import read_mission
from telemetry.frame import FrameBatch, Quality
from telemetry.store.directory import MissionDirectory
from telemetry.store.rows import ContactRow, HealthRow, ScoredBatch
from telemetry.store.writer import StoreWriter

NOW = 1_795_331_643_000_000_000
"""2026-11-22T07:14:03Z."""
S = 1_000_000_000
BOOT = 1_795_300_000
SATELLITE = "KESTREL-1"

TLE = (
    "1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927",
    "2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537",
)
CHANNELS = (
    # name, label, unit, decimals, warning, critical, middle, swing
    ("eps.bat_v", "Battery voltage", "V", 3, (7.0, 8.35), (6.4, 8.5), 7.9, 0.1),
    ("eps.bat_i", "Battery current", "A", 3, (-1.5, 1.5), (-2.5, 2.5), -0.4, 0.2),
    ("eps.bat_soc", "State of charge", "%", 0, (40, 101), (20, 110), 81.0, 4.0),
    ("eps.bat_t", "Battery temp", "degC", 1, (2, 40), (-5, 50), 14.2, 1.0),
    ("eps.bus5v_v", "Bus 5V", "V", 3, (4.8, 5.2), (4.6, 5.4), 5.0, 0.01),
    ("eps.heater_on", "Heater", "", 0, None, None, 0.0, 0.0),
    ("thm.t_px", "Panel +X", "degC", 1, (-20, 60), (-40, 90), 55.0, 17.1),
    ("thm.t_mx", "Panel -X", "degC", 1, (-20, 60), (-40, 90), -12.0, 6.0),
    ("adcs.rw_x", "Wheel X speed", "rpm", 0, (-5000, 5000), (-6000, 6000), 3800.0, 2404.0),
    ("adcs.rate_x", "Body rate X", "deg/s", 2, (-2, 2), (-5, 5), 0.38, 0.1),
    ("adcs.mag_x", "Magnetic field X", "uT", 1, None, None, 31.9, 9.0),
    ("com.rssi_dn", "Signal strength", "dBm", 1, (-115, -60), (-120, -50), -101.4, 6.0),
    ("com.doppler", "Doppler", "kHz", 2, None, None, -6.1, 4.0),
    ("com.pa_t", "PA temp", "degC", 1, (-10, 60), (-20, 70), 48.9, 3.0),
    ("gs.range_km", "Slant range", "km", 0, None, None, 1204.0, 300.0),
    ("orb.alt_km", "Altitude", "km", 1, (300, 700), (200, 800), 548.2, 5.0),
    ("orb.eclipse", "Eclipse", "", 0, None, None, 0.0, 0.0),
    ("obc.cpu", "CPU load", "%", 0, (-1, 85), (-1, 97), 34.0, 4.0),
    ("obc.mem", "Memory", "%", 0, (-1, 90), (-1, 98), 61.0, 1.0),
    ("obc.mode", "Mode", "", 0, None, None, 4.0, 0.0),
    ("pld.dist_n", "Distance N", "cm", 1, (10, 120), (5, 150), 61.2, 0.4),
    ("pld.dist_s", "Distance S", "cm", 1, (10, 120), (5, 150), 55.1, 0.5),
    ("pld.dist_e", "Distance E", "cm", 1, (10, 120), (5, 150), 58.9, 0.4),
    ("pld.dist_w", "Distance W", "cm", 1, (10, 120), (5, 150), 60.4, 0.4),
)
_CONTACT_ONLY = ("com.rssi_dn", "com.doppler", "gs.range_km")
_ENUMS = {
    "obc.mode": '0 = "BOOT", 1 = "SAFE", 2 = "DETUMBLE", 3 = "NOMINAL", 4 = "PAYLOAD"',
    "orb.eclipse": '0 = "sunlit", 1 = "eclipse"',
    "eps.heater_on": '0 = "off", 1 = "on"',
}


def mission_toml() -> str:
    """The text of its mission.toml."""
    lines = ["schema = 1", "[[satellite]]", f'name = "{SATELLITE}"', 'bus = "3u"', f"tle = {list(TLE)}", "[bus.3u]"]
    lines += [
        'context = ["obc.mode", "orb.eclipse"]',
        "[bus.3u.packets]",
        'rf = ["com.rssi_dn", "com.doppler", "gs.*"]',
    ]
    lines += ['slow = ["eps.bus5v_v"]']
    for name, label, unit, decimals, warning, critical, _, _ in CHANNELS:
        lines += [
            "[[bus.3u.channel]]",
            f'name = "{name}"',
            f'label = "{label}"',
            f'unit = "{unit}"',
            f"decimals = {decimals}",
        ]
        lines += ["contact_only = true"] if name in _CONTACT_ONLY else []
        lines += [f"enum = {{{_ENUMS[name]}}}"] if name in _ENUMS else []
        lines += ['action = "desaturate; above 6300 command SAFE (ADCS-07)"'] if name == "adcs.rw_x" else []
        if warning:
            lines += ["[[bus.3u.channel.limits]]", f"warning = {list(warning)}", f"critical = {list(critical)}"]
    lines += ["[[ground_station]]", 'name = "Munich"', "lat = 48.1", "lon = 11.3", "[source]", 'kind = "sim"']
    return "\n".join(lines) + "\n"


def values(name: str, t_ns: np.ndarray) -> np.ndarray:
    """The made-up course of a channel: slow waves; a wheel that runs away, a rangefinder that jumps by 25 cm."""
    row = next(c for c in CHANNELS if c[0] == name)
    middle, swing = row[6], row[7]
    age = (NOW - t_ns) / S
    if name == "adcs.rw_x":
        return middle + swing * np.clip(1.6 * np.sin(age / 130) * np.exp(-age / 900) + np.exp(-age / 60), -1, 1)
    if name == "thm.t_px":
        return middle + swing * np.cos(age / 2000)
    if name == "pld.dist_s":
        return middle + swing * np.sin(age * 2.1) + np.where((age < 103) & (age >= 0), 25.0, 0.0)
    phase = sum(map(ord, name)) % 13
    return middle + swing * np.sin(age / 300 + phase) + 0.2 * swing * np.sin(age * 1.7 + phase)


def batches(
    first_ns: int, last_ns: int, *, contact: bool = True, bus5v_until: int | None = None
) -> list[FrameBatch]:
    """All packets at 1 Hz in [first, last]; `bus5v_until` lets the slow packet fall silent."""
    mission = fabricated_mission()
    grid = np.arange(first_ns, last_ns + 1, S, dtype=np.int64)
    out = []
    for k, (packet, layout) in enumerate(mission.layouts.items()):
        t = grid
        if packet == "rf" and not contact:
            continue
        if packet == "slow" and bus5v_until is not None:
            t = grid[grid <= bus5v_until]
        if not len(t):
            continue
        n = len(t)
        columns = np.column_stack([np.rint(values(c, t)) if c in _ENUMS else values(c, t) for c in layout.names])
        seq = (t // S - BOOT) * 4 + k
        out.append(
            FrameBatch(
                layout, (SATELLITE,), np.zeros(n, np.int64), np.full(n, BOOT), seq, t, t + 20_000_000,
                np.full(n, int(Quality.SIMULATED)), columns,
            )
        )  # fmt: skip
    return out


_bus = []


def fabricated_mission():
    """The bus of the made-up mission."""
    if not _bus:
        import tempfile

        with tempfile.TemporaryDirectory() as place:
            Path(place, "mission.toml").write_text(mission_toml())
            _bus.append(read_mission(Path(place)).bus_of(SATELLITE))
    return _bus[0]


def alarm_events() -> list[Event]:
    """A runaway wheel (critical, new), a jumped rangefinder (anomaly, new), a warm panel (acknowledged by ann)."""
    wheel = {"kind": "limit", "side": 1, "trigger": 5012.0, "count": 12, "set": "default"}
    contributions = [
        {
            "channel": "pld.dist_s",
            "share": 0.71,
            "value": 80.1,
            "usual": 55.1,
            "spread": 0.5,
            "sigma": 50.0,
            "marginal": 49.8,
            "conditional": 61.3,
            "forecast": 55.2,
            "member": "forecast",
            "direction": 1,
        },
        {
            "channel": "eps.bus5v_v",
            "share": 0.19,
            "value": 5.01,
            "usual": 5.0,
            "spread": 0.01,
            "sigma": 1.1,
            "marginal": 1.1,
            "conditional": 3.4,
            "forecast": None,
            "member": "place",
            "direction": 1,
        },
        {
            "channel": "pld.dist_n",
            "share": 0.06,
            "value": 61.3,
            "usual": 61.2,
            "spread": 0.4,
            "sigma": 0.3,
            "marginal": 0.3,
            "conditional": -0.4,
            "forecast": None,
            "member": "place",
            "direction": 0,
        },
    ]
    return [
        _event(901, "station.started", 0, "", {"text": "station started, source sim"}),
        _event(
            301, "alarm.raised", 2, "thm.t_px",
            {
                "kind": "limit", "side": 1, "limit": 60.0, "trigger": 60.2, "worst": 73.0, "current": 72.1, "count": 301,
                "level": 2, "set": "default", "text": "Panel +X 60.2 degC > 60.0 WARNING HIGH, set default, 3 of 3 samples",
            },
        ),
        _event(283, "alarm.acknowledged", 0, "thm.t_px", {"text": "ann acknowledged: Panel +X 60.2 degC > 60.0 WARNING HIGH"}, actor="ann"),
        _event(
            103, "alarm.raised", 2, "anomaly:pld.dist_s",
            {
                "kind": "anomaly", "level": 2, "trigger": 0.94, "worst": 0.94, "current": 0.94, "count": 84, "p": 0.0004,
                "threshold": 0.62, "channels": ["pld.dist_s", "eps.bus5v_v", "pld.dist_n"], "parts": contributions,
                "text": "Distance S 80.1 cm, usual here 55.1 +-0.5",
            },
        ),
        _event(
            32, "alarm.raised", 2, "adcs.rw_x",
            {**wheel, "level": 2, "limit": 5000.0, "worst": 5012.0, "current": 5012.0, "text": "Wheel X speed 5012 rpm > 5000 WARNING HIGH"},
        ),
        _event(
            12, "alarm.severity", 4, "adcs.rw_x",
            {**wheel, "level": 4, "limit": 6000.0, "worst": 6204.0, "current": 6204.0, "text": "Wheel X speed 6204 rpm > 6000 CRITICAL HIGH, set default, 3 of 3 samples"},
        ),
    ]  # fmt: skip


def _event(age_s: float, kind: str, severity: int, subject: str, body: dict, actor: str = "") -> Event:
    return Event(NOW - round(age_s * S), SATELLITE, kind, severity, subject, actor, body)


class NearStation:
    """The station of the console's own process, up as soon as it is asked to be, or not at all."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.started = 0

    def start(self) -> Future[None]:
        self.started += 1
        begun: Future[None] = Future()
        if self.error is None:
            begun.set_result(None)
        else:
            begun.set_exception(self.error)
        return begun


def health(beat_ns: int = NOW, **changes: object) -> HealthRow:
    """What the station reports."""
    body: dict[str, object] = {
        "link": "LIVE", "source": "sim", "rate": 1, "simulated": True, "accepted": 34_412, "refused": {},
        "model": {"version": 17, "sha256": "5b1d", "at_ns": NOW - 60 * S, "kind": "fusion"}, "learning": None,
        "trainer": {"state": "idle", "retrain": 182, "error": ""}, "disk_full": 0, "pid": os.getpid(),
    }  # fmt: skip
    return HealthRow(station="here", beat_ns=beat_ns, next_retrain_ns=NOW + 11 * S, body={**body, **changes})


def fill(
    path: Path, *, minutes: int = 30, contact: bool = True, events: list[Event] | None = None
) -> MissionDirectory:
    """A mission directory whose store ends at NOW."""
    directory = MissionDirectory(path)
    directory.create()
    directory.toml.write_text(mission_toml())
    writer = StoreWriter(directory.telemetry, ManualClock(NOW))
    first = NOW - minutes * 60 * S
    rows = batches(first, NOW - 400_000_000, contact=contact, bus5v_until=NOW - 42 * S)
    writer.append(
        [ScoredBatch(batch) for batch in rows], alarm_events() if events is None else events, {"sim": "{}"}
    )
    acquisition = NOW - 200 * S if contact else NOW + 764 * S
    passes = [
        ContactRow(satellite=SATELLITE, station="Munich", acquisition_ns=acquisition + n * 5700 * S,
                   loss_ns=acquisition + (572 + n * 5700) * S, max_el_deg=61.0 - 14 * n)
        for n in range(3)
    ]  # fmt: skip
    writer.replace_contacts(SATELLITE, passes)
    writer.beat(health())
    writer.close()
    return directory


def clock() -> ManualClock:
    """Stands at NOW."""
    return ManualClock(NOW)


async def settled(pilot, done=None) -> None:
    """Wait until the console shows its first snapshot and every worker but the endless one has come home.

    `done`: a further condition. Raises TimeoutError after ten seconds.
    """
    import asyncio

    app = pilot.app
    async with asyncio.timeout(10):
        while True:
            await pilot.pause()
            busy = [w for w in app.workers if w.is_running and w.group not in ("snapshots", "quit")]
            if app.snapshot is not None and not busy and (done is None or done()):
                break
            await asyncio.sleep(0.01)
        await pilot.pause()


def screen_text(app) -> str:
    """The characters on screen, one line a row: what an operator reads."""
    app.screen._compositor_refresh() if hasattr(app.screen, "_compositor_refresh") else None
    width, height = app.size
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips[:height])[
        : width * height * 4
    ]
