"""The channels of the simulated satellites: what each is called, how it is sampled, what is normal, what to do.

One table for two readers: `sim.preset` writes it into a mission's mission.toml, `sim.sensors` takes noise and
resolution from it. Noise and resolution are of the size real flight data shows. Soft limits are the `warning` pair,
hard limits the `critical` pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

INF: Final = float("inf")
Range = tuple[float, float]
Limits = tuple[Range | None, Range | None]
"""Soft and hard limits."""

MODES: Final = ((0, "BOOT"), (1, "SAFE"), (2, "DETUMBLE"), (3, "NOMINAL"), (4, "PAYLOAD"))
POINTING: Final = ((0, "IDLE"), (1, "DETUMBLE"), (2, "NADIR"))
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
    modes: tuple[tuple[str, Range, Range | None], ...] = ()
    """Soft and hard limits in single modes of the computer, where they differ."""

    @property
    def period_s(self) -> int:
        return PACKET_PERIOD_S[self.packet]

    @property
    def contact_only(self) -> bool:
        return self.packet == "rf"


PACKET_PERIOD_S: Final = {"hk": 1, "pld": 1, "thm": 5, "slow": 10, "rf": 1}
"""Seconds between two packets of a kind; `rf` is made during a pass only."""

PACKET_PATTERNS: Final[Mapping[str, tuple[str, ...]]] = {
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
    "rf": ("com.rssi_dn", "com.doppler", "gs.*"),
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
_ACTION: Final = {
    "eps.bat_v": "Low: payload off, then transmitter off; below 6.8 command SAFE. High: check charger (EPS-01).",
    "eps.bat_i": (
        "Find the load that changed: transmitter, payload or heater; then compare array currents (EPS-02)."
    ),
    "eps.bat_soc": "Payload off until the next sunlit orbit; below 50 expect SAFE mode (EPS-01).",
    "eps.bat_t": "Cold: confirm the heater is on. Hot: stop charging and the payload (THM-01).",
    "thm.t_int": "Compare all panels; a lone rise points to a load left on (THM-03).",
    "adcs.att_err": (
        "Look at the rates; if they are small suspect the attitude sensor, else hold the payload (ADCS-02)."
    ),
    "com.rssi_dn": "Compare with range and elevation; weak when high: check polarisation and pointing (COM-01).",
    "com.rssi_up": "Check the ground transmitter's power and antenna before blaming the satellite (COM-02).",
    "com.rssi_bg": "Compare passes over other stations; a steady rise points to the receiver (COM-05).",
    "com.doppler": "Check the station's clock and element set (COM-03).",
    "com.pa_t": "Reduce transmit duty; above 65 switch the transmitter off (COM-04).",
    "obc.cpu": "List the tasks; stop the one that runs away, or wait for a scheduled check to end (OBC-01).",
    "obc.mem": "Plan a restart at the next pass before it reaches 95 (OBC-02).",
    "rw_speed": "Let the magnetorquers unload the wheels; near the limit leave pointing for a while (ADCS-05).",
    "adcs.rw_i": "Current without speed is friction: run the wheel in slowly (ADCS-05).",
    "adcs.q": "A quaternion off unit length is a fault of the estimator: restart the attitude computer (ADCS-06).",
}

_SPINNING: Final = (
    ("DETUMBLE", (-15.0, 15.0), (-30.0, 30.0)),
    ("BOOT", (-15.0, 15.0), (-30.0, 30.0)),
)
_LOST: Final = tuple((mode, (-INF, 180.0), None) for mode in ("DETUMBLE", "BOOT", "SAFE"))
_SILENT: Final = tuple((mode, (-140.0, INF), None) for mode in ("DETUMBLE", "BOOT"))
"""A computer that starts does not send, the antenna of a satellite that turns looks away: only noise is heard."""


def _channel(
    name: str,
    label: str,
    unit: str,
    packet: str,
    sampled: tuple[float, float, int],
    limits: Limits = (None, None),
    valid: Range | None = None,
    action: str | None = None,
    modes: tuple[tuple[str, Range, Range | None], ...] = (),
) -> SimChannel:
    """`sampled`: sigma, resolution, decimals."""
    words = _ACTION.get(name, "") if action is None else action
    return SimChannel(name, label, unit, packet, *sampled, *limits, valid, action=words, modes=modes)


def _code(name: str, label: str, enum: tuple[tuple[int, str], ...]) -> SimChannel:
    return SimChannel(name, label, "", "hk", 0, 1, 0, enum=enum)


def _faces(make: str) -> list[tuple[str, str]]:
    return [(make + sign + axis, f"{'+' if sign == 'p' else '-'}{axis.upper()}") for axis in "xyz" for sign in "pm"]


def _above(low: float, high: float) -> Limits:
    return (low, INF), (high, INF)


def _below(low: float, high: float) -> Limits:
    return (-INF, low), (-INF, high)


def _around(soft: float, hard: float) -> Limits:
    return (-soft, soft), (-hard, hard)


_POWER: Final = (
    _channel(
        "eps.bat_v", "Battery voltage", "V", "hk", (0.004, 0.01, 2), ((7.2, 8.35), (6.4, 8.5)), (0, 10),
        modes=(("SAFE", (7.0, 8.35), (6.4, 8.5)),),
    ),
    _channel("eps.bat_i", "Battery current", "A", "hk", (0.004, 0.003, 3), ((-1.6, 1.4), (-2.5, 2.0)), (-5, 5)),
    _channel(
        "eps.bat_soc", "State of charge", "%", "slow", (0.1, 1, 0), _above(60, 45), (0, 110),
        modes=(("SAFE", (40.0, INF), (30.0, INF)),),
    ),
    _channel("eps.bat_t", "Battery temp", "degC", "thm", (0.1, 0.1, 1), ((0, 40), (-5, 50)), (-60, 100)),
    _code("eps.heater_on", "Battery heater", SWITCH),
    *(
        _channel(
            f"eps.pv_v_{a}", f"Array {a.upper()} voltage", "V", "hk", (0.004, 0.002, 3), _below(5.8, 6.5), (-1, 10)
        )
        for a in "xyz"
    ),
    *(
        _channel(name, f"Array {face} current", "A", "hk", (0.003, 0.005, 3), limits, (-0.5, 5), _ARRAY)
        for (name, face), limits in zip(
            _faces("eps.pv_i_"), (*(_below(2.2, 2.6),) * 4, *(_below(0.7, 0.9),) * 2), strict=True
        )
    ),
    _channel("eps.bus3v3_v", "Bus 3V3", "V", "hk", (0.004, 0.005, 3), ((3.2, 3.4), (3.1, 3.5)), (0, 6), _RAIL),
    _channel("eps.bus3v3_i", "Bus 3V3 current", "A", "hk", (0.003, 0.003, 3), _below(0.8, 1.0), (-1, 5), _RAIL),
    _channel("eps.bus5v_v", "Bus 5V", "V", "hk", (0.004, 0.005, 3), ((4.85, 5.15), (4.7, 5.3)), (0, 8), _RAIL),
    _channel("eps.bus5v_i", "Bus 5V current", "A", "hk", (0.003, 0.003, 3), _below(1.2, 1.5), (-1, 5), _RAIL),
)  # fmt: skip
_HEAT: Final = (
    *(
        _channel(
            name, f"Panel {face} temp", "degC", "thm", (0.07, 0.1, 1), ((-40, 80), (-60, 90)), (-120, 150), _PANEL_T
        )
        for name, face in _faces("thm.t_")
    ),
    _channel("thm.t_int", "Internal temp", "degC", "thm", (0.1, 0.1, 1), ((-15, 45), (-25, 60)), (-80, 120)),
)
_ATTITUDE: Final = (
    *(
        _channel(
            f"adcs.rate_{a}", f"Rate {a.upper()}", "deg/s", "hk", (0.01, 0.004, 3), _around(0.5, 5), (-100, 100),
            _RATE, modes=_SPINNING,
        )
        for a in "xyz"
    ),
    *(
        _channel(
            f"adcs.mag_{a}", f"Field {a.upper()}", "uT", "hk", (0.15, 0.1, 1), _around(55, 70), (-200, 200), _MAG
        )
        for a in "xyz"
    ),
    _channel(
        "adcs.att_err", "Pointing error", "deg", "hk", (0.05, 0.01, 2), _below(3, 15), (0, 180), modes=_LOST
    ),
    _code("adcs.mode", "Attitude mode", POINTING),
)  # fmt: skip
_RADIO: Final = (
    _channel(
        "com.rssi_dn", "Signal strength", "dBm", "rf", (0, 0.5, 1), _above(-121, -127), (-160, 0), modes=_SILENT
    ),
    _channel("com.doppler", "Doppler", "Hz", "rf", (15, 1, 0), _around(11_000, 15_000), (-50_000, 50_000)),
    _channel("com.pa_t", "Amplifier temp", "degC", "thm", (0.2, 0.1, 1), ((-30, 55), (-40, 70)), (-80, 150)),
    _channel("gs.range_km", "Range", "km", "rf", (0, 0.1, 0)),
    _channel("gs.elevation", "Elevation", "deg", "rf", (0, 0.1, 1), valid=(-90, 90)),
)
_COMPUTER: Final = (
    _channel("obc.cpu", "Processor load", "%", "hk", (3, 1, 0), _below(80, 95), (0, 100)),
    _channel("obc.mem", "Memory used", "%", "slow", (0.3, 1, 0), _below(80, 95), (0, 100)),
    _channel("obc.uptime", "Uptime", "s", "slow", (0, 1, 0)),
    _channel("obc.reboots", "Restarts", "", "slow", (0, 1, 0)),
    _code("obc.mode", "Mode", MODES),
)
_ORBIT: Final = (
    _channel("orb.alt_km", "Altitude", "km", "hk", (0, 0.1, 1), ((300, 700), (200, 900)), (100, 2_000)),
    _channel("orb.lat", "Latitude", "deg", "hk", (0, 0.01, 2), valid=(-90, 90)),
    _channel("orb.lon", "Longitude", "deg", "hk", (0, 0.01, 2), valid=(-180, 180)),
    _code("orb.eclipse", "Sunlight", SUNLIT),
)
_PAYLOAD: Final = tuple(
    _channel(
        f"pld.dist_{face}", f"Distance {face.upper()}", "cm", "pld", (0.4, 0.01, 1), ((20, 100), (10, 300)),
        (0, 500), _DIST,
    )
    for face in "nesw"
)  # fmt: skip

CHANNELS: Final = (*_POWER, *_HEAT, *_ATTITUDE, *_RADIO, *_COMPUTER, *_ORBIT, *_PAYLOAD)
"""Of the 3U: 45 of the core, place and sunlight by the on-board orbit model, range and elevation on the ground."""

_MORE: Final = (
    *(
        _channel(
            f"adcs.rw_speed_{a}", f"Wheel {a.upper()} speed", "rpm", "hk", (2, 1, 0), _around(5_000, 6_000),
            (-10_000, 10_000), _ACTION["rw_speed"],
        )
        for a in "xyz"
    ),
    _channel("adcs.rw_i", "Wheel current", "A", "hk", (0.002, 0.002, 3), _below(0.3, 0.5), (-0.1, 2)),
    *(
        _channel(
            f"adcs.q_{i}", f"Quaternion {i}", "", "hk", (1e-4, 3e-5, 4), _around(1.001, 1.01), (-2, 2),
            _ACTION["adcs.q"],
        )
        for i in range(1, 5)
    ),
    _channel("com.rssi_up", "Uplink signal", "dBm", "rf", (1.2, 1, 0), ((-110, INF), None), (-160, 0)),
    _channel("com.rssi_bg", "Background noise", "dBm", "slow", (1.2, 1, 0), ((-INF, -105), None), (-160, 0)),
    _channel("com.tx_count", "Packets sent", "", "slow", (0, 1, 0)),
)  # fmt: skip
"""What the extended 3U sends besides."""

_SMALL: Final = {
    "eps.bat_v": ((3.62, 4.25), (3.3, 4.3)),
    "eps.bat_i": ((-1.2, 1.1), (-1.8, 1.5)),
    **{name: _below(0.7, 0.9) for name, _ in _faces("eps.pv_i_")},
    "com.rssi_dn": ((-129, INF), (-132, INF)),
    "adcs.att_err": (None, None),
}
"""Limits of the 1U where they differ: smaller arrays, one cell in series, nothing that points."""

_SMALL_MODES: Final = {"eps.bat_v": (("SAFE", (3.5, 4.25), (3.3, 4.3)),), "adcs.att_err": ()}


def _small(channel: SimChannel) -> SimChannel:
    warning, critical = _SMALL.get(channel.name, (channel.warning, channel.critical))
    modes = _SMALL_MODES.get(channel.name, channel.modes)
    action = channel.action if channel.name != "adcs.att_err" else ""
    return replace(channel, warning=warning, critical=critical, modes=modes, action=action)


PRESETS: Final[Mapping[str, tuple[SimChannel, ...]]] = {
    "3u": CHANNELS,
    "3u-extended": (*CHANNELS, *_MORE),
    "1u": tuple(_small(channel) for channel in CHANNELS),
}
"""Bus name -> its channels."""

TABLE: Final = PRESETS["3u-extended"]
"""All the simulator has values for, in the order of the arrays it makes."""

BY_NAME: Final = {channel.name: channel for channel in TABLE}
COLUMN: Final = {channel.name: i for i, channel in enumerate(TABLE)}


def packets_of(bus: str) -> dict[str, tuple[str, ...]]:
    """Channel patterns of each packet of a preset."""
    patterns: dict[str, tuple[str, ...]] = dict(PACKET_PATTERNS)
    if bus == "3u-extended":
        patterns["slow"] = (*patterns["slow"], "com.rssi_bg", "com.tx_count")
        patterns["rf"] = (*patterns["rf"], "com.rssi_up")
    return patterns
