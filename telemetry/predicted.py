"""Channels that follow from an orbit: known for every satellite with an element set, whether it sends them or not.

They are in no layout and no packet, so nothing can store them as frames. A bus may name them in its `context`, so
that limits know light from shadow on a satellite that does not report it.
"""

from __future__ import annotations

from telemetry.dictionary import Channel, Mission

_ORBIT = (
    Channel("orb.alt_km", "Altitude", "km", decimals=1, predicted=True),
    Channel("orb.eclipse", "Sunlight", enum=((0, "sunlit"), (1, "eclipse")), predicted=True),
)
_GROUND = (
    Channel("gs.range_km", "Range", "km", decimals=0, predicted=True),
    Channel("gs.elevation", "Elevation", "deg", decimals=1, predicted=True),
)
PREDICTED = {channel.name: channel for channel in (*_ORBIT, *_GROUND)}
"""By name. The last two tell of the ground station that sees the satellite highest."""


def needs_station(name: str) -> bool:
    """Whether a channel of `PREDICTED` is seen from the ground."""
    return any(channel.name == name for channel in _GROUND)


def predicted_channels(mission: Mission, satellite: str) -> tuple[Channel, ...]:
    """What can be predicted of a satellite and is not sent by it; empty without an element set."""
    if mission.satellite(satellite).tle is None:
        return ()
    own = mission.bus_of(satellite).by_name
    given = (*_ORBIT, *_GROUND) if mission.ground_stations else _ORBIT
    return tuple(channel for channel in given if channel.name not in own)
