"""The predicted channels of a snapshot, as the station's heartbeat tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cubesat_tui.snapshot import ChannelNow
from telemetry.freshness import Acquisition
from telemetry.limits import DISABLED
from telemetry.predicted import predicted_channels

if TYPE_CHECKING:
    from telemetry.dictionary import Mission


def predicted_values(body: Mapping[str, Any], satellite: str) -> dict[str, float]:
    """Channel -> value from the body of a heartbeat."""
    told = (body.get("predicted") or {}).get(satellite) or {}
    return {name: float(value) for name, value in (told.get("values") or {}).items()}


def predicted_now(
    mission: Mission, satellite: str, body: Mapping[str, Any], *, fresh: bool
) -> dict[str, ChannelNow]:
    """Predicted channels that the satellite does not send; EXPIRED when the station that told them is silent."""
    values = predicted_values(body, satellite)
    if not values:
        return {}
    at = int(body["predicted"][satellite].get("t_ns") or 0)
    return {
        channel.name: ChannelNow(
            channel=channel,
            value=values[channel.name],
            text=channel.number(values[channel.name]),
            t_ns=at,
            age_s=None,
            acquisition=Acquisition.ACQUIRED if fresh else Acquisition.EXPIRED,
            result=DISABLED,
            anomalous=False,
            spark=(),
        )
        for channel in predicted_channels(mission, satellite)
        if channel.name in values
    }
