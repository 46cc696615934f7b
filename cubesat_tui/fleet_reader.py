"""Mission store -> FleetNow: all satellites with one statement a question, and only what is new.

Alarms come folded from the snapshot's reader; frames are never read, only when each satellite was heard last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cubesat_tui.drawing.why import alarm_key
from cubesat_tui.fleet import (
    RANKS,
    STALE_PERIODS,
    STALE_SLACK_S,
    FleetNow,
    ModelOf,
    SatelliteNow,
    Silence,
    silence_of,
)
from cubesat_tui.reported import contact_of, counts_of
from cubesat_tui.snapshot import Pass
from telemetry.alarms import urgency

if TYPE_CHECKING:
    from telemetry.alarms import Alarm, Key
    from telemetry.dictionary import Channel, Mission
    from telemetry.store.fleet import Promotion
    from telemetry.store.reader import StoreReader
    from telemetry.store.rows import HealthRow

PASSES_S = 60.0
PASSES_SOON_S = 5.0
"""Contact windows are read again after so many wall seconds, the second as long as a satellite has none: a station
writes them a moment after it started, and then every few hours."""
BEHIND_NS = 12 * 3_600_000_000_000
AHEAD_NS = 24 * 3_600_000_000_000


class Champions:
    """The model that scores each satellite: the fold of its promotions, and of what operators put there instead."""

    def __init__(self, mission: Mission) -> None:
        self._first = mission.satellites[0].name
        self._last_id = self._last_row = 0
        self._served: dict[str, Promotion] = {}

    def follow(self, reader: StoreReader) -> Mapping[str, Promotion]:
        """Satellite -> its newest promotion."""
        for one in reader.promotions(self._last_id):
            self._last_id = one.id
            self._take(one)
        for one in reader.put_by_hand(self._last_row):
            self._last_row = one.id
            self._take(one)
        return self._served

    def _take(self, one: Promotion) -> None:
        name = one.satellite or self._first
        before = self._served.get(name)
        if before is None or before.at_ns <= one.at_ns:
            self._served[name] = one


class FleetReader:
    """Reads the satellites of one mission; every method on the thread of the store's reader."""

    def __init__(self, mission: Mission, champions: Champions) -> None:
        self._mission = mission
        self._champions = champions
        self._stale_s = {name: _stale_s(bus.channels) for name, bus in mission.buses.items()}
        self._passes: dict[str, list[Pass]] = {}
        self._passes_at = -math.inf
        self._alarms_of: Mapping[Key, Alarm] | None = None
        self._alarms: dict[str, tuple[Alarm, ...]] = {}

    def read(
        self,
        reader: StoreReader,
        alarms: Mapping[Key, Alarm],
        health: HealthRow | None,
        times: tuple[int, int, float],
        *,
        station_down: bool,
    ) -> FleetNow:
        """All satellites now.

        Args:
            reader: the mission store.
            alarms: every open alarm of the mission.
            health: the newest heartbeat.
            times: wall clock and mission time (UTC ns), and the monotonic clock (s).
            station_down: no station runs: what became silent since its last beat says nothing of a satellite.
        """
        wall, now, monotonic = times
        body: Mapping[str, Any] = health.body if health is not None else {}
        every = PASSES_S if len(self._passes) >= len(self._mission.satellites) else PASSES_SOON_S
        if monotonic - self._passes_at >= every:
            self._read_passes(reader, now)
            self._passes_at = monotonic
        self._sort_alarms(alarms)
        heard, served = reader.heard(), self._champions.follow(reader)
        learned = self._learned(body, served)
        rate = body.get("rate")
        rate = float(rate) if isinstance(rate, int | float) and rate > 0 else 1.0
        # A dead station is not a lost satellite: silence is judged as it was at its last beat.
        behind = max(0, wall - health.beat_ns) if station_down and health is not None else 0
        visible = self._mission.flown_here and self._mission.source.visible
        rows: list[SatelliteNow] = []
        for satellite in self._mission.satellites:
            name = satellite.name
            last, passes = heard.get(name), self._passes.get(name, [])
            age = None if last is None else max(0.0, (wall - last.received_ns) / 1e9)
            silence, missed = silence_of(
                None if last is None else last.t_ns,
                None if age is None else max(0.0, age - behind / 1e9),
                now - behind,
                self._stale_s[satellite.bus] / rate + STALE_SLACK_S,
                [] if visible else passes,
            )
            if station_down and silence is Silence.HEARD:
                silence = Silence.OLD
            open_alarms = self._alarms.get(name, ())
            counted = [alarm for alarm in open_alarms if not alarm.muted]
            champion = served.get(name)
            rows.append(
                SatelliteNow(
                    name=name,
                    worst=min(map(alarm_key, counted), key=RANKS.index, default="ok"),
                    silence=silence,
                    new=sum(alarm.needs_acknowledgement for alarm in counted),
                    active=sum(alarm.active for alarm in counted),
                    shelved=sum(alarm.shelved for alarm in open_alarms),
                    age_s=age,
                    heard_ns=None if last is None else last.t_ns,
                    contact=contact_of(passes, now),
                    missed=missed,
                    model=ModelOf(learned=learned)
                    if champion is None
                    else ModelOf(champion.version, champion.at_ns),
                    alarms=open_alarms,
                )
            )
        return FleetNow(now, wall, tuple(rows), counts_of(alarms.values()))

    def _read_passes(self, reader: StoreReader, now_ns: int) -> None:
        self._passes = {}
        for row in reader.contacts(now_ns - BEHIND_NS, now_ns + AHEAD_NS):
            one = Pass(row.station, row.acquisition_ns, row.loss_ns, row.max_el_deg)
            self._passes.setdefault(row.satellite, []).append(one)

    def _sort_alarms(self, alarms: Mapping[Key, Alarm]) -> None:
        if alarms is self._alarms_of:
            return
        found: dict[str, list[Alarm]] = {}
        for alarm in alarms.values():
            found.setdefault(alarm.satellite, []).append(alarm)
        self._alarms = {name: tuple(sorted(some, key=urgency)) for name, some in found.items()}
        self._alarms_of = alarms

    def _learned(self, body: Mapping[str, Any], served: Mapping[str, Promotion]) -> float | None:
        """What the trainer tells is about one satellite; it is known which as long as only one has no model."""
        told = body.get("learning") or {}
        without = sum(one.name not in served for one in self._mission.satellites)
        if {"have", "need"} <= told.keys() and without == 1:
            return min(1.0, int(told["have"]) / max(1, int(told["need"])))
        return None


def _stale_s(channels: Sequence[Channel]) -> float:
    """Generation seconds without a frame after which a satellite of this bus is silent."""
    return STALE_PERIODS * min((c.period_s for c in channels if not c.contact_only), default=1.0)
