"""Passes kept up to date: computed again every few hours, in the store and in the watch."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from cubesat_tui.contacts import REFRESH_NS, ContactWatch, compute_contacts, orbit_note
from telemetry.store.errors import StoreFull

if TYPE_CHECKING:
    from telemetry.dictionary import Mission
    from telemetry.store.writer import StoreWriter


class ContactPlan:
    """The passes of all satellites of a mission; for the writer's thread."""

    def __init__(self, mission: Mission, contacts: ContactWatch, writer: StoreWriter) -> None:
        self._mission = mission
        self._contacts = contacts
        self._writer = writer
        self._planned_ns: int | None = None
        self._notes: dict[str, str] = {}

    async def follow(self, now_ns: int) -> dict[str, str]:
        """Compute what is due; satellite -> what is wrong with its orbit, where that is news."""
        if self._planned_ns is not None and abs(now_ns - self._planned_ns) <= REFRESH_NS:
            return {}
        self._planned_ns = now_ns
        told: dict[str, str] = {}
        for satellite in self._mission.satellites:
            rows = await asyncio.to_thread(compute_contacts, self._mission, satellite.name, now_ns)
            self._contacts.plan(satellite.name, rows)
            with contextlib.suppress(StoreFull):
                self._writer.replace_contacts(satellite.name, rows)
            note = await asyncio.to_thread(orbit_note, self._mission, satellite.name, now_ns)
            if note and self._notes.get(satellite.name) != note:
                self._notes[satellite.name] = told[satellite.name] = note
        return told
