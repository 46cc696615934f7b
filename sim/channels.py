"""The channels of the simulated 3U: what each is called, how it is sampled, what is normal, what to do.

One table for two readers: `sim.preset` writes it into a demo mission's mission.toml, `sim.sensors` takes noise and
resolution from it. Soft limits are the `warning` pair, hard limits the `critical` pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

INF: Final = float("inf")
Range = tuple[float, float]

MODES: Final = ((0, "BOOT"), (1, "SAFE"), (2, "DETUMBLE"), (3, "NOMINAL"), (4, "PAYLOAD"))
SUNLIT: Final = ((0, "SUNLIT"), (1, "ECLIPSE"))
SWITCH: Final = ((0, "OFF"), (1, "ON"))


@dataclass(frozen=True, slots=True)
class SimChannel:
    """One channel: sigma and resolution of its sensor in its own unit, limits as (low, high)."""

    name: str
    label: str
    unit: str
    packet: str
    sigma: float
    resolution: float
    decimals: int
    warning: Range | None = None
    critical: Range | None = None
    valid: Range | None = None
    enum: tuple[tuple[int, str], ...] = ()
    action: str = ""
    safe_warning: Range | None = None
    """Soft limits while the on-board computer is in SAFE mode, where they differ."""

    @property
    def period_s(self) -> int:
        return PACKET_PERIOD_S[self.packet]

    @property
    def contact_only(self) -> bool:
        return self.packet == "rf"


PACKET_PERIOD_S: Final = {"hk": 1, "pld": 1, "thm": 5, "slow": 10, "rf": 1}
"""Seconds between two packets of a kind; `rf` is made during a pass only."""

PACKET_PATTERNS: Final = {
    "hk": (
        "eps.bat_v",
        "eps.bat_i",
        "eps.heater_on",
        "eps.pv_*",
        "eps.bus*",
        "adcs.*",
        "obc.cpu",
        "obc.mode",
        "orb.*",
    ),
    "pld": ("pld.*",),
    "thm": ("thm.*", "eps.bat_t", "com.pa_t"),
    "slow": ("eps.bat_soc", "obc.mem", "obc.uptime", "obc.reboots"),
    "rf": ("com.rssi_dn", "com.rssi_up", "com.doppler", "gs.*"),
}
"""Channels of each packet, as patterns; housekeeping first, because limits look at the mode in it."""

_ARRAY = (
    "Compare the other panels at the same Sun angle. Lasting loss: shed payload, watch battery current (EPS-03)."
)
_PANEL_T = "Check Sun angle and heater state; if it keeps moving, change attitude to shade or warm it (THM-02)."
_RATE = "Look at the other axes and magnetometer; above 5 deg/s command DETUMBLE (ADCS-01)."
_MAG = (
    "Compare with the field model; a jump with panel current points to wiring, else restart the sensor (ADCS-04)."
)
_DIST = "Compare the other three faces; if one alone moved, power-cycle that rangefinder (PLD-02)."
_RAIL = "Switch off the payload; if the rail stays off, reset the power board (EPS-05)."


def _panel(face: str, high: float, critical: float) -> SimChannel:
    sign = {"p": "+", "m": "-"}[face[0]]
    return SimChannel(
        f"eps.pv_i_{face}",
        f"Array {sign}{face[1].upper()} current",
        "A",
        "hk",
        0.003,
        0.005,
        3,
        (-INF, high),
        (-INF, critical),
        (-0.5, 5.0),
        action=_ARRAY,
    )


def _temperature(face: str) -> SimChannel:
    label = f"Panel { ({'p': '+', 'm': '-'}[face[0]]) }{face[1].upper()} temp"
    return SimChannel(
        f"thm.t_{face}", label, "degC", "thm", 0.07, 0.1, 1, (-40, 70), (-60, 90), (-120, 150), action=_PANEL_T
    )


def _distance(face: str) -> SimChannel:
    label = f"Distance {face.upper()}"
    return SimChannel(
        f"pld.dist_{face}", label, "cm", "pld", 0.4, 0.01, 1, (20, 100), (10, 300), (0, 500), action=_DIST
    )


CHANNELS: Final[tuple[SimChannel, ...]] = (
    SimChannel(
        "eps.bat_v",
        "Battery voltage",
        "V",
        "hk",
        0.004,
        0.01,
        2,
        (7.2, 8.35),
        (6.4, 8.5),
        (0, 10),
        action="Low: payload off, then transmitter off; below 6.8 command SAFE. High: check charger (EPS-01).",
        safe_warning=(7.0, 8.35),
    ),
    SimChannel(
        "eps.bat_i",
        "Battery current",
        "A",
        "hk",
        0.004,
        0.003,
        3,
        (-1.6, 1.4),
        (-2.5, 2.0),
        (-5, 5),
        action="Find the load that changed: transmitter, payload or heater; then compare array currents (EPS-02).",
    ),
    SimChannel(
        "eps.bat_soc",
        "State of charge",
        "%",
        "slow",
        0.1,
        1,
        0,
        (60, INF),
        (45, INF),
        (0, 110),
        action="Payload off until the next sunlit orbit; below 50 expect SAFE mode (EPS-01).",
    ),
    SimChannel(
        "eps.bat_t",
        "Battery temp",
        "degC",
        "thm",
        0.1,
        0.1,
        1,
        (0, 40),
        (-5, 50),
        (-60, 100),
        action="Cold: confirm the heater is on. Hot: stop charging and the payload (THM-01).",
    ),
    SimChannel("eps.heater_on", "Battery heater", "", "hk", 0, 1, 0, enum=SWITCH),
    SimChannel("eps.pv_v_x", "Array X voltage", "V", "hk", 0.004, 0.002, 3, (-INF, 5.8), (-INF, 6.5), (-1, 10)),
    SimChannel("eps.pv_v_y", "Array Y voltage", "V", "hk", 0.004, 0.002, 3, (-INF, 5.8), (-INF, 6.5), (-1, 10)),
    SimChannel("eps.pv_v_z", "Array Z voltage", "V", "hk", 0.004, 0.002, 3, (-INF, 5.8), (-INF, 6.5), (-1, 10)),
    _panel("px", 2.2, 2.6),
    _panel("mx", 2.2, 2.6),
    _panel("py", 2.2, 2.6),
    _panel("my", 2.2, 2.6),
    _panel("pz", 0.7, 0.9),
    SimChannel("eps.bus3v3_v", "Bus 3V3", "V", "hk", 0.004, 0.005, 3, (3.2, 3.4), (3.1, 3.5), (0, 6), action=_RAIL),
    SimChannel(
        "eps.bus3v3_i",
        "Bus 3V3 current",
        "A",
        "hk",
        0.003,
        0.003,
        3,
        (-INF, 0.8),
        (-INF, 1.0),
        (-1, 5),
        action=_RAIL,
    ),
    SimChannel("eps.bus5v_v", "Bus 5V", "V", "hk", 0.004, 0.005, 3, (4.85, 5.15), (4.7, 5.3), (0, 8), action=_RAIL),
    SimChannel(
        "eps.bus5v_i", "Bus 5V current", "A", "hk", 0.003, 0.003, 3, (-INF, 1.2), (-INF, 1.5), (-1, 5), action=_RAIL
    ),
    _temperature("px"),
    _temperature("mx"),
    _temperature("py"),
    _temperature("my"),
    _temperature("pz"),
    _temperature("mz"),
    SimChannel(
        "thm.t_int",
        "Internal temp",
        "degC",
        "thm",
        0.1,
        0.1,
        1,
        (-15, 45),
        (-25, 60),
        (-80, 120),
        action="Compare all panels; a lone rise points to a load left on (THM-03).",
    ),
    SimChannel(
        "adcs.rate_x", "Rate X", "deg/s", "hk", 0.01, 0.004, 3, (-0.5, 0.5), (-5, 5), (-100, 100), action=_RATE
    ),
    SimChannel(
        "adcs.rate_y", "Rate Y", "deg/s", "hk", 0.01, 0.004, 3, (-0.5, 0.5), (-5, 5), (-100, 100), action=_RATE
    ),
    SimChannel(
        "adcs.rate_z", "Rate Z", "deg/s", "hk", 0.01, 0.004, 3, (-0.5, 0.5), (-5, 5), (-100, 100), action=_RATE
    ),
    SimChannel("adcs.mag_x", "Field X", "uT", "hk", 0.15, 0.1, 1, (-55, 55), (-70, 70), (-200, 200), action=_MAG),
    SimChannel("adcs.mag_y", "Field Y", "uT", "hk", 0.15, 0.1, 1, (-55, 55), (-70, 70), (-200, 200), action=_MAG),
    SimChannel("adcs.mag_z", "Field Z", "uT", "hk", 0.15, 0.1, 1, (-55, 55), (-70, 70), (-200, 200), action=_MAG),
    SimChannel(
        "adcs.att_err",
        "Pointing error",
        "deg",
        "hk",
        0.01,
        0.01,
        2,
        (-INF, 3),
        (-INF, 15),
        (0, 180),
        action="Look at the rates; if they are small suspect the attitude sensor, else hold the payload (ADCS-02).",
    ),
    SimChannel(
        "com.rssi_dn",
        "Signal strength",
        "dBm",
        "rf",
        0,
        0.5,
        1,
        (-121, INF),
        (-127, INF),
        (-160, 0),
        action="Compare with range and elevation; weak when high: check polarisation and pointing (COM-01).",
    ),
    SimChannel(
        "com.rssi_up",
        "Uplink signal",
        "dBm",
        "rf",
        0,
        1,
        0,
        (-110, INF),
        None,
        (-160, 0),
        action="Check the ground transmitter's power and antenna before blaming the satellite (COM-02).",
    ),
    SimChannel(
        "com.doppler",
        "Doppler",
        "Hz",
        "rf",
        15,
        1,
        0,
        (-11_000, 11_000),
        (-15_000, 15_000),
        (-50_000, 50_000),
        action="Check the station's clock and element set (COM-03).",
    ),
    SimChannel(
        "com.pa_t",
        "Amplifier temp",
        "degC",
        "thm",
        0.2,
        0.1,
        1,
        (-30, 55),
        (-40, 70),
        (-80, 150),
        action="Reduce transmit duty; above 65 switch the transmitter off (COM-04).",
    ),
    SimChannel("gs.range_km", "Range", "km", "rf", 0, 0.1, 0),
    SimChannel("gs.elevation", "Elevation", "deg", "rf", 0, 0.1, 1, None, None, (-90, 90)),
    SimChannel(
        "obc.cpu",
        "Processor load",
        "%",
        "hk",
        3,
        1,
        0,
        (-INF, 80),
        (-INF, 95),
        (0, 100),
        action="List the tasks; stop the one that runs away, or wait for a scheduled check to end (OBC-01).",
    ),
    SimChannel(
        "obc.mem",
        "Memory used",
        "%",
        "slow",
        0.3,
        1,
        0,
        (-INF, 80),
        (-INF, 95),
        (0, 100),
        action="Plan a restart at the next pass before it reaches 95 (OBC-02).",
    ),
    SimChannel("obc.uptime", "Uptime", "s", "slow", 0, 1, 0),
    SimChannel("obc.reboots", "Restarts", "", "slow", 0, 1, 0),
    SimChannel("obc.mode", "Mode", "", "hk", 0, 1, 0, enum=MODES),
    SimChannel("orb.alt_km", "Altitude", "km", "hk", 0, 0.1, 1, (300, 700), (200, 900), (100, 2_000)),
    SimChannel("orb.lat", "Latitude", "deg", "hk", 0, 0.01, 2, None, None, (-90, 90)),
    SimChannel("orb.lon", "Longitude", "deg", "hk", 0, 0.01, 2, None, None, (-180, 180)),
    SimChannel("orb.eclipse", "Sunlight", "", "hk", 0, 1, 0, enum=SUNLIT),
    _distance("n"),
    _distance("e"),
    _distance("s"),
    _distance("w"),
)

BY_NAME: Final = {channel.name: channel for channel in CHANNELS}
