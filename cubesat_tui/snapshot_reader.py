"""Mission store -> Snapshot, incrementally, on one thread.

`poll` asks `PRAGMA data_version` first: while nothing was committed only ages grow, and one snapshot a second is
enough for them. Alarms are the fold of the journal rows that came since the last poll.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from cubesat_tui.channel_states import Circumstances, channel_states, newest_values, valid_values
from cubesat_tui.choked import choked
from cubesat_tui.past_journal import PastJournal
from cubesat_tui.predicted_now import predicted_now, predicted_values
from cubesat_tui.reported import SILENT_S, age_s, hold_of, link_of, model_of, pass_of, rate_of
from cubesat_tui.snapshot import LinkNow, ModelNow, Pass, Snapshot
from cubesat_tui.spark_history import SparkHistory
from telemetry.alarms import UPDATED, Event, urgency
from telemetry.dictionary import Mission, read_mission
from telemetry.freshness import invalid_mask
from telemetry.store.errors import StoreError
from telemetry.store.reader import StoreReader

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from cubesat_tui.fleet import FleetNow
    from cubesat_tui.fleet_reader import Champions, FleetReader
    from telemetry.alarms import Alarm, Key
    from telemetry.clock import Clock
    from telemetry.frame import Float64s, Frame, Layout
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.rows import HealthRow, InvalidRule

IDLE_S = 1.0
"""Without news, ages are redrawn this often."""
CONTACTS_S = 5.0
FLEET_S = 1.0
"""All satellites are looked at this often, and at once when the journal grew."""
EVENTS = 200
_DAY_NS = 86_400_000_000_000


def invalid_by(mission: Mission) -> InvalidRule:
    """The rule that says which values of a mission's frames are INVALID."""

    def rule(satellite: str, layout: Layout, values: Float64s) -> npt.NDArray[np.bool_]:
        return invalid_mask(mission.bus_of(satellite).channels_of(layout), values)

    return rule


def _in_order(frames: Iterable[Frame]) -> list[Frame]:
    """Oldest first: by boot and sequence number, or by generation time where any frame has none."""
    found = list(frames)
    if any(frame.place is None for frame in found):
        return sorted(found, key=lambda frame: frame.t_ns)
    return sorted(found, key=lambda frame: (frame.boot, frame.seq))


class SnapshotReader:
    """Reads one mission; every method on the same thread."""

    def __init__(
        self,
        directory: MissionDirectory,
        clock: Clock,
        satellite: str | None = None,
        mission: Mission | None = None,
        station_pid: int | None = None,
        past: PastJournal | None = None,
    ) -> None:
        """`mission`: its definition, where it was read already.

        `station_pid`: the process in which a station is being started. Until its first heartbeat the link is
        CONNECTING, whatever became of the station before. `past`: what is to be told of the journal as it is read,
        empty as yet.
        """
        self._directory = directory
        self._clock = clock
        self._wanted = satellite
        self._mission = mission
        self._coming = station_pid
        self._reader: StoreReader | None = None
        self._sparks: SparkHistory | None = None
        self._version = -1
        self._read_at = -math.inf
        self._silent_at = math.inf
        """When (monotonic) the heartbeat seen last will be too old."""
        self._seen: tuple[object, ...] = ()
        self._contacts_at = -math.inf
        self._passes: tuple[Pass, ...] = ()
        self._seq = 0
        self._journal_id = 0
        self._past = past or PastJournal()
        self._alarms: Mapping[Key, Alarm] = {}
        self._events: deque[Event] = deque(maxlen=EVENTS)
        self._told: Counter[str] = Counter()
        """Journal rows by satellite."""
        self._champions: Champions | None = None
        self._fleet: FleetReader | None = None
        self._fleet_now: tuple[FleetNow, float, int] | None = None

    def focus(self, satellite: str) -> None:
        """From the next snapshot on look at `satellite`, which the mission has."""
        if self._reader is None or satellite == self._wanted:
            self._wanted = satellite
            return
        self._wanted = satellite
        self._version, self._contacts_at = -1, -math.inf
        page = self._reader.journal_page(self._journal_id + 1, limit=EVENTS, satellite=satellite, without=UPDATED)
        self._events = deque(reversed(page), EVENTS)
        self._seen = ()

    def poll(self, fleet: bool = False) -> Snapshot | None:
        """A new snapshot, or None while there is no store yet or nothing on screen would change.

        `fleet`: all satellites are on screen.

        Raises:
            MissionError: mission.toml cannot be used.
        """
        reader = self._open()
        if reader is None:
            return None
        version, now = reader.data_version(), self._clock.monotonic()
        if not fleet:
            self._fleet_now = None
        elif self._fleet_now is None:
            self._version, self._seen = -1, ()
        quiet = version == self._version and now < self._silent_at
        if quiet and now - self._read_at < IDLE_S:
            return None
        snapshot = self.read(fleet)
        self._version = version
        beat = snapshot.link.beat_age_s
        # The moment a station falls silent is news although nothing was written.
        self._silent_at = math.inf if beat is None or beat > SILENT_S else now + SILENT_S - beat
        # A commit that changed nothing on screen (a finished fit, a cursor) only makes ages grow.
        seen = (snapshot.newest_t_ns, snapshot.link.state, self._journal_id, snapshot.model.version)
        if seen == self._seen and now - self._read_at < IDLE_S:
            return None
        self._seen, self._read_at = seen, now
        return snapshot

    def read(self, fleet: bool = False) -> Snapshot:
        """The newest snapshot, with all satellites if `fleet`.

        Raises:
            StoreError: there is no store.
        """
        reader = self._open()
        if reader is None or self._mission is None or self._sparks is None:
            raise StoreError(f"{self._directory.telemetry}: there is no mission store yet")
        mission = self._mission
        satellite = self._wanted or mission.satellites[0].name
        self._follow_journal(reader)
        health = reader.health()
        body: Mapping[str, Any] = health.body if health is not None else {}
        frames = reader.newest_of_layouts(satellite)
        wall = self._clock.now_ns()
        ordered = _in_order(frames)
        newest_t = ordered[-1].t_ns if ordered else None
        rate = rate_of(body)
        live = bool(body.get("live", body.get("link") != "REPLAY" and rate == 1.0))
        now = wall if live or newest_t is None else newest_t
        self._follow_contacts(reader, satellite, now)
        contact = pass_of(self._passes, body, satellite, now)
        coming = self._is_coming(health, wall)
        link = link_of(health, wall, rate, coming=coming)
        silent = coming or link.state == "DOWN"
        if silent and choked(self._directory):
            link = LinkNow("DISK FULL", "frames refused until there is space", link.beat_age_s)
        model = model_of(health, wall, coming=coming)
        if len(mission.satellites) > 1:
            model = self._model_of(reader, satellite, model)
        model = msgspec.structs.replace(model, hold=hold_of(body, satellite, wall))
        self._seq += 1
        alarms = tuple(sorted((a for a in self._alarms.values() if a.satellite == satellite), key=urgency))
        told = Circumstances(
            lambda frame: age_s(wall, frame.received_ns),
            rate,
            contact.in_contact,
            predicted_values(body, satellite),
            alarms,
        )
        bus, known = mission.bus_of(satellite), newest_values(ordered)
        sparks = self._sparks.step(satellite, bus.channels, now, valid_values(bus, known))
        channels = channel_states(bus, known, sparks, told)
        channels |= predicted_now(mission, satellite, body, fresh=not silent)
        return Snapshot(
            seq=self._seq,
            now_ns=now,
            wall_ns=wall,
            mission=mission,
            satellite=satellite,
            simulated=mission.simulated,
            link=link,
            contact=contact,
            data_age_s=min((age_s(wall, frame.received_ns) for frame in frames), default=None),
            model=model,
            alarms=alarms,
            channels=channels,
            events=tuple(reversed(self._events)),
            passes=self._passes,
            frames=int(body.get("accepted") or 0) or reader.frames_accepted(),
            newest_t_ns=newest_t,
            health=body,
            fleet=self._read_fleet(reader, health, wall, now, link) if fleet else None,
            elsewhere=tuple(a for a in self._alarms.values() if a.satellite != satellite),
            told=self._told.total() if len(mission.satellites) == 1 else self._told[satellite] + self._told[""],
        )

    def close(self) -> None:
        """Close the store."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _open(self) -> StoreReader | None:
        if self._reader is not None:
            return self._reader
        if self._mission is None:
            self._mission = read_mission(self._directory.path)
        try:
            self._reader = StoreReader(self._directory.telemetry, invalid_by(self._mission))
        except StoreError:
            # The station makes the store a moment after the console started; the status bar says CONNECTING.
            return None
        self._sparks = SparkHistory(self._reader)
        return self._reader

    def _is_coming(self, health: HealthRow | None, wall_ns: int) -> bool:
        if self._coming is not None and health is not None and health.body.get("pid") == self._coming:
            # A process of long ago may have had the same number.
            self._coming = self._coming if age_s(wall_ns, health.beat_ns) > SILENT_S else None
        return self._coming is not None

    def _follow_journal(self, reader: StoreReader) -> None:
        while True:
            events = reader.journal(self._journal_id)
            for event in events:
                if event.kind != UPDATED:
                    self._told[event.satellite] += 1
                    if self._concerns(event):
                        self._events.append(event)
            if not events:
                return
            self._past.take(events)
            self._alarms = dict(self._past.newest)
            self._journal_id = events[-1].id

    def _concerns(self, event: Event) -> bool:
        """Whether the screens of the satellite looked at tell of `event`."""
        if self._mission is None or len(self._mission.satellites) == 1:
            return True
        return event.satellite in ("", self._wanted or self._mission.satellites[0].name)

    def _champions_of(self, mission: Mission) -> Champions:
        if self._champions is None:
            from cubesat_tui.fleet_reader import Champions

            self._champions = Champions(mission)
        return self._champions

    def _model_of(self, reader: StoreReader, satellite: str, newest: ModelNow) -> ModelNow:
        """The heartbeat names the model promoted last; here the one that scores `satellite`."""
        if self._mission is None:
            return newest
        served = self._champions_of(self._mission).follow(reader).get(satellite)
        if served is None:
            return msgspec.structs.replace(newest, version=None, sha256=None, before=None)
        known = newest.before if newest.version == served.version else None
        return msgspec.structs.replace(
            newest, version=served.version, sha256=served.sha256, learning=None, before=known
        )

    def _read_fleet(
        self, reader: StoreReader, health: HealthRow | None, wall_ns: int, now_ns: int, link: LinkNow
    ) -> FleetNow | None:
        monotonic = self._clock.monotonic()
        known = self._fleet_now
        if known is not None and known[2] == self._journal_id and 0 <= monotonic - known[1] < FLEET_S:
            return known[0]
        if self._mission is None:
            return None
        if self._fleet is None:
            from cubesat_tui.fleet_reader import FleetReader

            self._fleet = FleetReader(self._mission, self._champions_of(self._mission))
        down = link.beat_age_s is None or link.beat_age_s > SILENT_S
        times = (wall_ns, now_ns, monotonic)
        found = self._fleet.read(reader, self._alarms, health, times, station_down=down)
        self._fleet_now = (found, monotonic, self._journal_id)
        return found

    def _follow_contacts(self, reader: StoreReader, satellite: str, now_ns: int) -> None:
        if self._clock.monotonic() - self._contacts_at < CONTACTS_S:
            return
        self._contacts_at = self._clock.monotonic()
        self._passes = tuple(
            Pass(c.station, c.acquisition_ns, c.loss_ns, c.max_el_deg)
            for c in reader.contacts(now_ns, now_ns + _DAY_NS, satellite)
        )
