"""What a shift leaves to the next one: made of the journal, the open alarms and the passes to come."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from cubesat_tui.journal import journal_after
from cubesat_tui.past_journal import PROMOTED, PastJournal
from cubesat_tui.status import alarm_object, event_object
from telemetry.alarms import ALARM_KINDS, NOTE, RAISED, SHIFT_NOTE, UPDATED, Alarm, Event, Key, fold_into, urgency
from telemetry.clock import iso
from telemetry.limits import Level

if TYPE_CHECKING:
    from telemetry.dictionary import Mission
    from telemetry.store.reader import StoreReader
    from telemetry.store.rows import ContactRow

DAY_NS = 86_400_000_000_000
NOTES = (NOTE, SHIFT_NOTE)
GAP = "gap.found"
_NO_ACTS = ("station.", "console.", "trainer.", "mlflow.", "act.refused", *NOTES)
"""What bears an operator's name and is no act on the mission."""


class Shift(msgspec.Struct, frozen=True):
    """From `since_ns` to `now_ns` (mission time, UTC ns).

    `alarms` are open at its end, most urgent first. `raised` are those that began in it, as they became; one that
    is over by now stands in it as it was last. `events` are those of the journal in it, oldest first, without the
    numbers an open alarm counts on with. `before` is the version of the model when it began, None for none.
    """

    satellites: tuple[str, ...]
    simulated: bool
    since_ns: int
    now_ns: int
    alarms: tuple[Alarm, ...] = ()
    raised: tuple[Alarm, ...] = ()
    events: tuple[Event, ...] = ()
    passes: tuple[ContactRow, ...] = ()
    before: int | None = None

    @property
    def shelved(self) -> tuple[Alarm, ...]:
        return tuple(alarm for alarm in self.alarms if alarm.shelved)

    @property
    def unshelved(self) -> tuple[Alarm, ...]:
        """Open alarms on no shelf."""
        return tuple(alarm for alarm in self.alarms if not alarm.shelved)

    @property
    def still_open(self) -> int:
        """How many of those that began in it are open."""
        now = {alarm.id for alarm in self.alarms}
        return sum(alarm.id in now for alarm in self.raised)

    @property
    def acts(self) -> tuple[Event, ...]:
        """What operators did, by their names."""
        return tuple(one for one in self.events if one.actor and not one.kind.startswith(_NO_ACTS))

    @property
    def notes(self) -> tuple[Event, ...]:
        return tuple(one for one in self.events if one.kind in NOTES)

    @property
    def gaps(self) -> tuple[Event, ...]:
        return tuple(one for one in self.events if one.kind == GAP)

    @property
    def models(self) -> tuple[Event, ...]:
        """Promotions, and what else changed which model scores."""
        return tuple(one for one in self.events if one.kind in PROMOTED)

    @property
    def trouble(self) -> tuple[Event, ...]:
        """What went wrong with the station itself."""
        kinds = ("link.lost", "link.down", "store.full", "hook.failed", "model.stalled", "channels.moved")
        return tuple(one for one in self.events if one.kind in kinds)

    def counted(self) -> Counter[Level]:
        """How many began in it, by the worst level they came to, the worst first."""
        found = sorted((Level(alarm.severity) for alarm in self.raised), reverse=True)
        return Counter(found)


def read_shift(
    reader: StoreReader, mission: Mission, since_ns: int, now_ns: int, past: PastJournal | None = None
) -> Shift:
    """The shift of a mission.

    The open alarms are the fold of the whole journal: what `past` knows of it is not read again.
    """
    start = (past or PastJournal()).before(since_ns)
    alarms: dict[Key, Alarm] = dict(start.alarms)
    raised: dict[str, Alarm] = {}
    events: list[Event] = []
    before = start.version
    for event in journal_after(reader, start.last_id):
        inside = event.at_ns >= since_ns
        if event.kind in ALARM_KINDS:
            key = (event.satellite, event.subject)
            known = key in alarms
            fold_into(alarms, event)
            now = alarms.get(key)
            if now is not None and ((event.kind == RAISED and inside and not known) or now.id in raised):
                raised[now.id] = now
        if inside and event.kind != UPDATED:
            events.append(event)
        elif not inside and event.kind in PROMOTED:
            before = event.body.get("version")
    return Shift(
        tuple(satellite.name for satellite in mission.satellites),
        mission.simulated,
        since_ns,
        now_ns,
        tuple(sorted(alarms.values(), key=urgency)),
        tuple(raised.values()),
        tuple(events),
        tuple(reader.contacts(now_ns, now_ns + DAY_NS)),
        before,
    )


def shift_object(shift: Shift) -> dict[str, Any]:
    """For `handover --json`."""
    return {
        "from": iso(shift.since_ns),
        "until": iso(shift.now_ns),
        "satellites": list(shift.satellites),
        "simulated": shift.simulated,
        "open": [alarm_object(alarm) for alarm in shift.unshelved],
        "shelved": [alarm_object(alarm) for alarm in shift.shelved],
        "raised": {
            "count": len(shift.raised),
            "open": shift.still_open,
            "by_severity": {level.name: count for level, count in shift.counted().items()},
        },
        "acts": [event_object(event) for event in shift.acts],
        "notes": [event_object(event) for event in shift.notes],
        "gaps": [
            {
                "satellite": event.satellite,
                "from": iso(event.body["t0_ns"]),
                "until": iso(event.body["t1_ns"]),
                "seconds": event.body["seconds"],
            }
            for event in shift.gaps
        ],
        "models": [event_object(event) for event in shift.models],
        "trouble": [event_object(event) for event in shift.trouble],
        "passes": [
            {
                "satellite": row.satellite,
                "station": row.station,
                "acquisition": iso(row.acquisition_ns),
                "loss": iso(row.loss_ns),
                "max_elevation_deg": round(row.max_el_deg, 3),
            }
            for row in shift.passes
        ],
    }
