"""No station runs: hold the mission for a moment and do what a station would do with the inbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cubesat_tui.acts import CURSOR, Acts
from cubesat_tui.journal import whole_journal
from cubesat_tui.model_acts import ModelActs
from cubesat_tui.nominal import NominalByHand
from cubesat_tui.served_models import ServedModels
from telemetry.alarm_desk import AlarmDesk
from telemetry.clock import Clock, SystemClock
from telemetry.store.inbox import Inbox
from telemetry.store.reader import StoreReader
from telemetry.store.validity import invalid_rule
from telemetry.store.writer import StoreWriter

if TYPE_CHECKING:
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory, MissionLock


def apply_alone(
    directory: MissionDirectory, mission: Mission, lock: MissionLock, clock: Clock | None = None
) -> None:
    """Apply every request that waits, and end the shelves whose time is over; gives the lock back.

    Mission time is that of the clock, or of the newest data where the last station played some that is not live.

    Raises:
        telemetry.store.errors.StoreError: the store or the inbox cannot be used.
    """
    clock = clock or SystemClock()
    try:
        writer = StoreWriter(directory.telemetry, clock, invalid_rule(mission))
        try:
            inbox = Inbox(directory.inbox)
            try:
                _apply(directory, mission, writer, inbox, clock)
            finally:
                inbox.close()
        finally:
            writer.close()
    finally:
        lock.release()


def _apply(directory: MissionDirectory, mission: Mission, writer: StoreWriter, inbox: Inbox, clock: Clock) -> None:
    desk = AlarmDesk()
    reader = StoreReader(directory.telemetry)
    try:
        desk.restore(whole_journal(reader))
        health = reader.health()
    finally:
        reader.close()
    told = {} if health is None else health.body
    played = told.get("live") is False and isinstance(told.get("mission_ns"), int)

    def mission_now_ns() -> int:
        return int(told["mission_ns"]) if played else clock.now_ns()

    expired = desk.expire(mission_now_ns())
    models = ServedModels(mission, directory, writer, clock)
    nominal = NominalByHand(mission, clock.now_ns)
    before = writer.cursor(CURSOR)
    acts = Acts(
        inbox,
        desk,
        clock.now_ns,
        models,
        _nothing,
        before,
        nominal=nominal,
        mission_now_ns=mission_now_ns,
        governance=ModelActs(mission, models, clock.now_ns),
    )
    applied = acts.poll()
    writer.append([], [*expired, *applied.events], applied.cursors() if applied else {})
    acts.forget(applied)


def _nothing() -> None:
    """There is no station to stop."""
