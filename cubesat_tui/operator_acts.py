"""What an operator does with alarms, by one key from any screen that selects one: acknowledge, shelve, note, undo.

Everything is asked of the station with what was seen, and the station's answer is what the operator reads. An act
meets the alarm that was on the screen or nothing: a read-only console, an alarm that is over, and a selection that
moved by itself each refuse in words before a dialog opens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from textual import work

from cubesat_tui.attention import Attention, is_real, listens
from cubesat_tui.drawing.event_rows import act_words
from cubesat_tui.drawing.numbers import date_clock_text
from cubesat_tui.drawing.why import alarm_label
from cubesat_tui.mission_app import MissionApp
from telemetry.alarms import ACK_UNDONE, ACKNOWLEDGED, CLEARED, NOTE, SHELVED, SHIFT_NOTE, UNSHELVED, Event
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from cubesat_tui.drawing.signs import SignSet
    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Alarm, Key

REFUSED = "act.refused"


class OperatorActs(MissionApp):
    """The acts; screens say which alarm they are about (`MissionScreen.selected_alarm`, `shown_alarms`)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.attention = Attention(self._to_terminal, self.clock.monotonic)
        self._begun = False

    def _to_terminal(self, text: str) -> None:
        if self._driver is not None and not self.is_headless and listens():
            self._driver.write(text)

    def on_mount(self) -> None:
        # The first snapshot is read before there is a terminal to write to.
        self._begun = True
        if self.snapshot is not None:
            self.attention.look(self.snapshot)

    def watch_snapshot(self, snapshot: Snapshot | None) -> None:
        super().watch_snapshot(snapshot)
        if snapshot is not None and self._begun:
            self.attention.look(snapshot)

    async def on_unmount(self) -> None:
        self.attention.leave()

    def action_acknowledge(self) -> None:
        found = self._chosen("acknowledged")
        if found is None:
            return
        (seen, alarm), newest = found, self.snapshot
        if newest is None:
            return
        if alarm.muted:
            self.say(f"{self._named(alarm)} is {muted_words(alarm)}: nothing waits for an acknowledgement.")
        elif alarm.key in newest.pending:
            self.say(f"{self._named(alarm)}: {newest.pending[alarm.key]}, the owner has not answered yet.")
        elif not alarm.awaits_operator:
            when = f" at {date_clock_text(alarm.acked_ns)}" if alarm.acked_ns is not None else ""
            self.say(f"Acknowledged already by {alarm.acked_by or 'somebody'}{when}.")
        else:
            self.ask_about(alarm, "ack", {"satellite": seen.satellite, "subject": seen.subject, **as_seen(seen)})

    def action_acknowledge_shown(self) -> None:
        from cubesat_tui.screens.confirm import ConfirmAcknowledge

        screen, shown = self.mission_screen, self.shown
        if not self._may("acknowledged") or screen is None or shown is None:
            return
        now = {alarm.key: alarm for alarm in (self.snapshot or shown).alarms}
        # As they were seen, but only where the present one still waits.
        seen = [a for a in screen.shown_alarms(shown) if a.key in now and now[a.key].needs_acknowledgement]
        if not seen:
            self.say("Nothing shown here waits for an acknowledgement.")
            return
        self.push_screen(ConfirmAcknowledge(seen, shown, screen.narrowed), partial(self._acknowledge_all, seen))

    def _acknowledge_all(self, seen: Sequence[Alarm], meant: bool | None) -> None:
        if meant:
            screen = self.mission_screen
            self._acted(screen.alarm_selection if screen is not None else None, [alarm.key for alarm in seen])
            self._ask_station(
                "ack_all", {"subjects": [[a.satellite, a.subject, a.severity, a.raised_ns] for a in seen]}
            )

    def action_shelve(self) -> None:
        from cubesat_tui.screens.shelve import ShelveDialog, UnshelveDialog

        found = self._chosen("shelved")
        if found is None or self.snapshot is None:
            return
        # As it is now: the dialog shows it, and says so where it becomes worse.
        alarm = found[1]
        self.push_screen((UnshelveDialog if alarm.shelved else ShelveDialog)(self.snapshot, alarm))

    def action_note(self) -> None:
        from cubesat_tui.screens.note import NoteDialog

        screen, shown = self.mission_screen, self.shown
        if not self._may("noted") or screen is None or shown is None or self.snapshot is None:
            return
        alarm = None
        if screen.selected_alarm(shown) is not None:
            found = self._chosen("noted")
            if found is None:
                return
            alarm = found[1]
        self.push_screen(NoteDialog(self.snapshot, alarm))

    def action_undo(self) -> None:
        if self._may("undone"):
            self._ask_station("undo", {})

    def action_switch_bell(self) -> None:
        self.attention.bell_on = not self.attention.bell_on
        if not self.attention.bell_on:
            self.say("Bell off: b turns it on again.")
        elif self.snapshot is not None and not is_real(self.snapshot):
            self.say("Bell on; a simulator and a replay never ring.")
        else:
            self.say("Bell on: it rings once for a new CRITICAL or SEVERE alarm.")

    def ask_about(self, alarm: Alarm | None, kind: str, body: dict[str, Any]) -> None:
        """Ask the station for an act of the operator on `alarm`."""
        screen = self.mission_screen
        if alarm is not None and screen is not None and kind != "note":
            self._acted(screen.alarm_selection, [alarm.key])
        self._ask_station(kind, body)

    @staticmethod
    def _acted(selection: Any, keys: Sequence[Key]) -> None:
        if selection is not None:
            selection.acted(*keys)

    def _may(self, done: str) -> bool:
        if self.read_only:
            self.say(f"This console is read-only: nothing can be {done} from here.", "warning")
        return not self.read_only

    def _chosen(self, done: str) -> tuple[Alarm, Alarm] | None:
        """The selected alarm as it is seen and as it is now; None after words that say why there is none."""
        screen, shown, newest = self.mission_screen, self.shown, self.snapshot
        if not self._may(done) or screen is None or shown is None or newest is None:
            return None
        seen = screen.selected_alarm(shown)
        if seen is None:
            self.say(screen.no_alarm)
            return None
        selection = screen.alarm_selection
        lost = selection.surprise(self.clock.now_ns()) if selection is not None else None
        if lost is not None:
            what = lost[1].removeprefix("anomaly:")
            label = shown.channels[what].channel.label if what in shown.channels else what
            text = f"Selected is {self._named(seen)} now, no longer {label}: look, then press again."
            self.say(text, "warning")
            return None
        now = next((a for a in newest.alarms if a.key == seen.key), None)
        if now is None or now.raised_ns != seen.raised_ns:
            self.say(f"{self._named(seen)} is over by now: only what is open can be {done}.", "warning")
            return None
        return seen, now

    def _named(self, alarm: Alarm) -> str:
        return plain_text(alarm_label(alarm, self.snapshot) if self.snapshot is not None else alarm.channel, 60)

    @work(group="inbox")
    async def _ask_station(self, kind: str, body: dict[str, Any]) -> None:
        if self.read_only:
            self.say("This console is read-only: nothing was asked of the station.", "warning")
            return
        request = await self._left(kind, body)
        if request is None:
            return
        if self._say_waiting():
            return
        events = await self._requests.answers(self.view, request, len(body.get("subjects", ())))
        if events:
            self.say(*told(events, self.snapshot, self.signs))
        else:
            self._say_waiting(patient=True)


def as_seen(alarm: Alarm) -> dict[str, int]:
    """What the operator saw of an alarm: the station refuses where it is another, or worse, by then."""
    return {"severity": alarm.severity, "raised_ns": alarm.raised_ns}


def muted_words(alarm: Alarm) -> str:
    """`shelved by lk`, or `muted: link down`."""
    if alarm.shelved:
        return f"shelved by {alarm.shelved_by or 'somebody'}"
    return f"muted: {alarm.inhibited_by}"


_DONE = {
    ACKNOWLEDGED: "{} acknowledged",
    ACK_UNDONE: "{} acknowledgements taken back",
    SHELVED: "{} back on the shelf",
    UNSHELVED: "{} taken off the shelf",
    CLEARED: "{} cleared",
}


def told(events: Sequence[Event], snapshot: Snapshot | None, signs: SignSet) -> tuple[str, str]:
    """(sentence, severity of the toast) of the station's answer to one request, oldest first."""
    refused = [event for event in events if event.kind == REFUSED]
    acted = [event for event in events if event.kind != REFUSED]
    # What was acknowledged after its return is cleared with it: one act, told once.
    first = {(event.satellite, event.subject): event for event in reversed(acted)}
    if len(first) <= 1 and not (first and refused):
        event = events[0]
        text = event.text
        if snapshot is not None and (event.kind in _DONE or event.kind in (NOTE, SHIFT_NOTE)):
            text = f"{event.actor} {act_words(event, snapshot, signs)}."
        return plain_text(text), "warning" if refused else "information"
    counts = Counter(event.kind for event in first.values())
    parts = [_DONE.get(kind, "{} done").format(count) for kind, count in counts.items()]
    if refused:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        parts.append(f"{len(refused)} refused: {refused[0].text}{more}")
    return plain_text("; ".join(parts), 300), "warning" if refused else "information"
