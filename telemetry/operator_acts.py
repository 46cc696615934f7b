"""What operators do with alarms: acknowledge, write a note, and take back what they did a moment ago."""

from __future__ import annotations

from typing import Any

import msgspec

from telemetry.alarms import (
    ACK_UNDONE,
    ACKNOWLEDGED,
    CLEARED,
    NOTE,
    SHELVED,
    SHIFT_NOTE,
    UNDONE,
    UNSHELVED,
    Alarm,
    AlarmState,
    Event,
    Key,
)
from telemetry.clock import NS_PER_S, iso
from telemetry.limits import Level
from telemetry.open_alarms import UNDO_NS, Done, no_alarm
from telemetry.plain_text import plain_text
from telemetry.shelving import LEAST_REASON, Shelving, is_shelved, overtaken, too_short

LONGEST_NOTE = 300
AHEAD_NS = NS_PER_S
"""By so much a clock is corrected every day."""


class OperatorActs(Shelving):
    """Applies acts. One that cannot be done returns the sentence that says why not."""

    def acknowledge(
        self,
        key: Key,
        actor: str,
        at_ns: int,
        *,
        seen: int | None = None,
        raised_ns: int | None = None,
        request: str = "",
    ) -> list[Event] | str:
        """Acknowledge an alarm; the events, or the sentence that says why not.

        An alarm that has returned is cleared with it; one whose condition holds stays acknowledged until it clears.
        A latched one stays even then: it is cleared by the next acknowledgement after its return.

        Args:
            seen: severity of what the operator saw; refused when it is more severe by now.
            raised_ns: when what the operator saw was raised; refused when it is another alarm by now.
            request: id of the request, which the events carry.
        """
        alarm = self._alarms.get(key)
        actor, subject = plain_text(actor, 40).strip(), plain_text(key[1], 80)
        if alarm is None:
            return no_alarm(key)
        if not actor:
            return "an acknowledgement needs the operator's name"
        if other := overtaken(alarm, seen, raised_ns):
            return other
        if alarm.shelved:
            return f"{is_shelved(alarm)}: unshelve it first"
        if alarm.state is AlarmState.LATCH_ACK:
            return [self._clear(alarm, at_ns, actor, request)]
        if alarm.acked_ns is not None:
            return f"{subject} was acknowledged by {alarm.acked_by or 'nobody'} at {iso(alarm.acked_ns)}"
        body = {"text": f"{actor} acknowledged: {alarm.text}"}
        events = [self._do(at_ns, key, ACKNOWLEDGED, body, actor=actor, request=request)]
        if key not in self._alarms:
            events.append(self._clear(alarm, at_ns, request=request))
        return events

    def note(self, key: Key, actor: str, text: str, at_ns: int, request: str = "") -> list[Event] | str:
        """Write a note to an open alarm, or with the subject "" one for the shift."""
        actor, text = plain_text(actor, 40).strip(), plain_text(text, LONGEST_NOTE).strip()
        if not actor:
            return "a note needs the operator's name"
        if too_short(text):
            return f"a note has at least {LEAST_REASON} characters"
        if key[1] and key not in self._alarms:
            return f"{no_alarm(key)} to write a note to"
        kind = NOTE if key[1] else SHIFT_NOTE
        return [self._do(at_ns, key, kind, {"text": text}, actor=actor, request=request)]

    def undo(
        self, actor: str, at_ns: int, satellite: str = "", subject: str = "", request: str = ""
    ) -> tuple[list[Event], list[str]]:
        """Take back what `actor` did last within 30 s: an acknowledgement, a clearing, a shelf or the end of one.

        What one request did to several alarms is taken back together; `satellite` and `subject` choose among it.

        By the station's clock; an act that lies in its future was done before the clock was set back: how long ago
        that was is not known, and it stays.

        Returns:
            The events, and the sentences that say what was not taken back and why.
        """
        actor = plain_text(actor, 40).strip()
        mine = [
            one
            for one in self._done
            if one.event.actor == actor
            and at_ns - one.event.at_ns <= UNDO_NS
            and satellite in ("", one.key[0])
            and subject in ("", one.key[1])
        ]
        if not mine:
            on = f" on {plain_text(subject, 80)}" if subject else ""
            return [], [
                f"{actor or 'nobody'} did nothing{on} in the last {UNDO_NS // NS_PER_S} s that can be undone"
            ]
        if mine[-1].event.at_ns - at_ns > AHEAD_NS:
            return [], [f"the clock was set back since {actor} did that: it can no longer be undone"]
        newest = mine[-1].event.body.get("id")
        together = [one for one in mine if newest and one.event.body.get("id") == newest] or mine[-1:]
        events: list[Event] = []
        refused: list[str] = []
        for one in reversed(together):
            found = self._undone(one, at_ns, request)
            if isinstance(found, str):
                refused.append(found)
            else:
                events += found
        return events, refused

    def _undone(self, done: Done, at_ns: int, request: str) -> list[Event] | str:
        """The further events that take one act back, or why that cannot be."""
        now, act = self._alarms.get(done.key), done.event
        subject = plain_text(act.subject, 80)
        if now is not None and done.gone is not None:
            return f"{subject} was raised anew: look again"
        if now is None and done.ended_by not in ("", act.actor):
            return f"{subject} was cleared by {done.ended_by} since"
        kind, told, what = ACK_UNDONE, {}, "the acknowledgement"
        if act.kind == SHELVED:
            kind, told, what = UNSHELVED, {"why": UNDONE}, "the shelf"
            if now is None or (now.shelved_ns, now.shelved_by) != (act.at_ns, act.actor):
                return f"the shelf of {subject} has ended by itself"
        elif act.kind == UNSHELVED:
            if now is not None and now.shelved:
                return is_shelved(now)
            before, after = done.before, now or done.gone
            if after is not None and after.severity > before.severity:
                return f"{subject} is now {Level(after.severity).name}: look again"
            kind, what = SHELVED, "the end of the shelf"
            told = {
                "until_ns": before.shelved_until_ns,
                "reason": before.shelf_reason,
                "again": _again(before, after, act),
            }
        elif act.kind == CLEARED:
            told, what = {"reset": True}, "the clearing"
        elif now is not None and (now.acked_ns, now.acked_by) != (act.at_ns, act.actor):
            return f"{subject} asks again already"
        text = f"{act.actor} took back {what}: {done.before.text}"
        body: dict[str, Any] = {"text": text, "undoes_ns": act.at_ns, **told}
        if now is None:
            body["alarm"] = msgspec.to_builtins(done.gone)
        events = [self._do(at_ns, done.key, kind, body, actor=act.actor, request=request)]
        return events + self._end_of(done.before, at_ns, request)


def _again(before: Alarm, after: Alarm | None, act: Event) -> dict[str, Any]:
    """Whose shelf it was; an acknowledgement that came with its end goes with that."""
    told: dict[str, Any] = {"shelved_ns": before.shelved_ns, "shelved_by": before.shelved_by}
    if after is not None and (after.acked_ns, after.acked_by) == (act.at_ns, act.actor):
        told |= {"acked_ns": None, "acked_by": ""}
    return told
