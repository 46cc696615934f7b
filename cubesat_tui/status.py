"""How a mission stands, as one JSON object: what `cubesat-tui status` prints, made from the console's snapshot."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from cubesat_tui.moved_channels import newest_moved
from telemetry.clock import iso
from telemetry.limits import Level
from telemetry.run_query import parse_runs

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Alarm, Event
    from telemetry.clock import Clock
    from telemetry.store.directory import MissionDirectory


def read_status(directory: MissionDirectory, clock: Clock) -> dict[str, Any]:
    """The status of the mission in `directory`, whether a station runs there or not.

    Raises:
        telemetry.store.errors.StoreError: there is no store to read.
        telemetry.dictionary.MissionError: mission.toml cannot be used.
    """
    from cubesat_tui.fleet_status import satellite_objects
    from cubesat_tui.snapshot_reader import SnapshotReader
    from telemetry.store.reader import StoreReader

    snapshots = SnapshotReader(directory, clock)
    try:
        snapshot = snapshots.read(fleet=True)
    finally:
        snapshots.close()
    reader = StoreReader(directory.telemetry)
    try:
        frames = reader.frames_accepted()
        received = [
            frame.received_ns for satellite in reader.satellites() for frame in reader.newest(satellite).values()
        ]
        size = reader.store_bytes()
        fitted = reader.considered.page(parse_runs("fitted"), snapshot.satellite, limit=1)
    finally:
        reader.close()
    return {
        "mission": str(directory.path),
        "satellite": snapshot.satellite,
        "satellites": satellite_objects(snapshot.fleet),
        "simulated": snapshot.simulated,
        "frames": frames,
        "refused": dict(snapshot.health.get("refused", {})),
        "newest_generation_time": time_or_none(snapshot.newest_t_ns),
        "newest_reception_time": time_or_none(max(received, default=None)),
        "freshness": freshness(snapshot),
        "channels": channel_objects(snapshot),
        "link": snapshot.link.state,
        "link_detail": snapshot.link.detail,
        "station": {"running": is_running(directory), "beat_age_s": snapshot.link.beat_age_s}
        | {name: snapshot.health.get(name) for name in ("pid", "source", "rate", "scenario", "operator")},
        "pass": {
            "in_contact": snapshot.contact.in_contact,
            "station": snapshot.contact.station or None,
            "until": time_or_none(snapshot.contact.until_ns),
            "next": time_or_none(snapshot.contact.next_ns),
        },
        "predicted": _predicted(snapshot),
        "detector": snapshot.mission.detector.kind,
        "model_version": snapshot.model.version,
        "model_kind": None if snapshot.model.version is None else snapshot.model.kind or None,
        "retrain": snapshot.model.retrain,
        "next_retrain_s": snapshot.model.next_s,
        "learning": None
        if snapshot.model.learning is None
        else {"have": snapshot.model.learning[0], "need": snapshot.model.learning[1]},
        "moved": newest_moved(fitted),
        "trainer": dict(snapshot.health.get("trainer") or {}),
        "alarms": dict(
            Counter("INHIBITED" if a.inhibited_by and not a.shelved else a.state.name for a in snapshot.alarms)
        ),
        "disk_full": int(snapshot.health.get("disk_full") or 0),
        "store_bytes": size,
    }


def _predicted(snapshot: Snapshot) -> dict[str, Any] | None:
    """What the satellite does not send and its orbit tells; None where nothing is."""
    told = (snapshot.health.get("predicted") or {}).get(snapshot.satellite)
    if not told:
        return None
    return {"at": time_or_none(told["t_ns"]), "ground_station": told["station"] or None, "values": told["values"]}


def is_running(directory: MissionDirectory) -> bool:
    """Whether a station holds the mission, by the kernel's word."""
    from telemetry.store.directory import MissionLock

    return MissionLock(directory.station_lock).holder()


def freshness(snapshot: Snapshot) -> dict[str, Any]:
    """Age (s) of the newest value and how many channels are in each acquisition status."""
    sent = snapshot.mission.bus_of(snapshot.satellite).by_name
    counted = Counter(now.acquisition.value for name, now in snapshot.channels.items() if name in sent)
    age = snapshot.data_age_s
    return {"age_s": None if age is None else round(age, 3), "channels": dict(counted)}


def channel_objects(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Channel -> its newest value as it counts now: a value that is not ACQUIRED is no present value.

    `age_s` since reception, `monitoring` the level of its limits (DISABLED where the value is not checked).
    """
    return {
        name: {
            "value": now.value if now.value is not None and math.isfinite(now.value) else None,
            "text": now.channel.number(now.value) if now.value is not None else None,
            "unit": now.channel.unit,
            "acquisition": now.acquisition.value,
            "age_s": None if now.age_s is None else round(now.age_s, 3),
            "generation_time": time_or_none(now.t_ns),
            "monitoring": now.result.level.name,
            "rule": now.result.rule if now.result.level > 0 else None,
            "set": now.result.set_name or None,
            "anomalous": now.anomalous,
            "predicted": now.channel.predicted,
        }
        for name, now in snapshot.channels.items()
    }


def alarm_object(alarm: Alarm) -> dict[str, Any]:
    """An open alarm for `alarms --json`: times are ISO-8601, values in its unit, scores for an anomaly."""
    return {
        "id": alarm.id,
        "satellite": alarm.satellite,
        "subject": alarm.subject,
        "kind": alarm.kind,
        "state": alarm.state.name,
        "word": alarm.state.word,
        "severity": Level(alarm.severity).name,
        "level": Level(alarm.level).name,
        "raised": iso(alarm.raised_ns),
        "returned": time_or_none(alarm.returned_ns),
        "acknowledged": time_or_none(alarm.acked_ns),
        "acknowledged_by": alarm.acked_by or None,
        "text": alarm.text,
        "trigger": alarm.trigger,
        "worst": alarm.worst,
        "current": alarm.current,
        "rule": alarm.rule or None,
        "limit": alarm.limit,
        "set": alarm.set_name or None,
        "count": alarm.count,
        "violations": alarm.violations,
        "channels": list(alarm.channels),
        "shelved_until": time_or_none(alarm.shelved_until_ns),
        "shelved_by": alarm.shelved_by or None,
        "shelf_reason": alarm.shelf_reason or None,
        "inhibited_by": alarm.inhibited_by or None,
        "notes": [{"at": iso(note.at_ns), "by": note.actor, "text": note.text} for note in alarm.notes],
    }


def event_object(event: Event) -> dict[str, Any]:
    """A journal row for `events --json`."""
    return {
        "id": event.id,
        "at": iso(event.at_ns),
        "satellite": event.satellite or None,
        "kind": event.kind,
        "severity": Level(event.severity).name,
        "subject": event.subject,
        "actor": event.actor or None,
        "text": event.text,
        "body": event.body,
    }


def time_or_none(ns: int | None) -> str | None:
    """ISO-8601 of an instant that may not be known."""
    return None if ns is None else iso(ns)
