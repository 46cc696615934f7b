"""What the commands that act on alarms and models share: mission, name, request, the events that answer it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cubesat_tui.commands.asking import PATIENCE_S, ask
from cubesat_tui.commands.options import open_stored, operator_of, refuse
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.alarms import Alarm, Event
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory, MissionLock

REFUSED = "act.refused"


@dataclass(frozen=True)
class Acting:
    """One operator about to act on one mission."""

    directory: MissionDirectory
    mission: Mission
    actor: str

    def satellite(self, given: str | None) -> str:
        """The satellite that is meant.

        Raises:
            Refusal: the mission has none of that name.
        """
        name = given or self.mission.satellites[0].name
        # One that mission.toml has no more may have left an alarm.
        if name not in self.mission.by_name and name not in {one.satellite for one in open_alarms(self.directory)}:
            refuse(f"--satellite: {plain_text(name, 80)!r}: allowed: {', '.join(self.mission.by_name)}")
        return name

    def ask(self, kind: str, body: dict[str, Any], undone: str) -> list[Event]:
        """Ask the station, or do it where none runs; the events that answer, in the order of the journal.

        Args:
            undone: what did not happen, in words, where no station answers.

        Raises:
            Refusal: a station holds the mission but does not answer (exit 3).
        """

        def answered(request: str, events: list[Event]) -> list[Event] | None:
            # All of one request is journaled in one transaction.
            return [one for one in events if request in (one.body.get("request"), one.body.get("id"))] or None

        return ask(
            self.directory,
            kind,
            body,
            self.actor,
            answered,
            silence=f"the station does not answer; {undone}",
            patience_s=PATIENCE_S,
            alone=lambda lock: apply_without_station(self.directory, self.mission, lock),
        )


def begin(
    context: click.Context, mission_path: Path | None, operator: str | None, nothing: str = "there is no alarm"
) -> Acting:
    """Open the mission that is meant; `nothing`: what there is not, in words, where no station has run.

    Raises:
        Refusal: there is none (exit 2), or no station has run there yet (exit 3).
    """
    directory, mission = open_stored(context, mission_path, nothing)
    return Acting(directory, mission, operator_of(context, operator))


def open_alarms(directory: MissionDirectory) -> list[Alarm]:
    """Those of every satellite."""
    from cubesat_tui.journal import whole_journal
    from telemetry.alarms import fold_all
    from telemetry.store.reader import StoreReader

    reader = StoreReader(directory.telemetry)
    try:
        return list(fold_all(whole_journal(reader)).values())
    finally:
        reader.close()


def outcome(event: Event) -> dict[str, Any]:
    """What became of one act, for `--json`."""
    done = event.kind != REFUSED
    return {"satellite": event.satellite, "subject": event.subject, "done": done, "text": event.text}


def say_outcome(one: dict[str, Any]) -> None:
    """One line, on stderr where nothing was done."""
    click.echo(plain_text(str(one["text"]), 600), err=not one["done"])


def apply_without_station(directory: MissionDirectory, mission: Mission, lock: MissionLock) -> None:
    """No station runs: hold the mission for a moment and do what a station would do with the inbox."""
    from cubesat_tui.alone import apply_alone

    apply_alone(directory, mission, lock)
