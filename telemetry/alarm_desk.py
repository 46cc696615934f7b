"""The station's alarm desk: transitions of limits, anomalies, stale values and operators' acts become alarm events.

Every method returns events to be journaled, already applied to the open alarms. Callers pass on live data only; the
limit monitor and `anomaly` drop what is stored.
"""

from __future__ import annotations

from telemetry.anomaly_alarms import AnomalyAlarms, AnomalyReport
from telemetry.limit_alarms import LimitAlarms
from telemetry.operator_acts import OperatorActs
from telemetry.orphans import Orphans
from telemetry.suppression import Suppression

__all__ = ["AlarmDesk", "AnomalyReport"]


class AlarmDesk(LimitAlarms, AnomalyAlarms, OperatorActs, Orphans, Suppression):
    """Owner of the open alarms of a station."""
