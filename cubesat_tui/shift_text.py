"""A shift as text: at most 60 lines to paste into a log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cubesat_tui.drawing.numbers import clock_text, date_clock_text, month_clock_text
from cubesat_tui.gaps import in_words
from cubesat_tui.shift import Shift
from telemetry.alarms import Alarm, Event
from telemetry.clock import NS_PER_S
from telemetry.limits import Level
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.store.rows import ContactRow

MOST = 60
WIDEST = 200
"""Characters of a line."""


def shift_lines(shift: Shift, most: int = MOST) -> list[str]:
    """The whole handover. Where there is too much, each part tells its first and how many more there are."""
    several = len(shift.satellites) > 1
    parts: list[tuple[str, list[str]]] = [
        (f"OPEN {len(shift.unshelved)}{_new(shift)}", [_open(one, several) for one in shift.unshelved]),
        (f"SHELVED {len(shift.shelved)}", [_shelved(one, several) for one in shift.shelved]),
        (f"NOTES {len(shift.notes)}", [_note(one, several) for one in reversed(shift.notes)]),
        (f"ACTS {len(shift.acts)}", [_act(one) for one in reversed(shift.acts)]),
        (_gap_title(shift), [_gap(one, several) for one in reversed(shift.gaps)]),
        (_model_title(shift), [_act(one) for one in reversed(shift.models)]),
        (f"TROUBLE {len(shift.trouble)}", [_act(one) for one in reversed(shift.trouble)]),
        (f"NEXT PASSES {len(shift.passes) or 'none known in 24 h'}", [_pass(one, several) for one in shift.passes]),
    ]
    head = [_head(shift), _raised(shift)]
    shown = _shares([len(rows) for _, rows in parts], most - len(head) - len(parts))
    lines = head
    for (title, rows), size in zip(parts, shown, strict=True):
        lines.append(title)
        lines += [f"  {one}" for one in _cut(rows, size)]
    return [plain_text(line, WIDEST) for line in lines]


def _cut(rows: list[str], size: int) -> list[str]:
    if size >= len(rows):
        return rows
    kept = rows[: max(0, size - 1)]
    return [*kept, f"... and {len(rows) - len(kept)} more"][:size]


LEAST = (12, 5, 6, 8, 3, 3, 3, 4)
"""Lines that each part has at least where it needs them; what others leave goes to the first ones."""


def _shares(wanted: Sequence[int], room: int) -> list[int]:
    shares = [min(one, least) for one, least in zip(wanted, LEAST, strict=True)]
    for i in range(len(shares)):
        while sum(shares) > room and shares[-1 - i] > 0:
            shares[-1 - i] -= 1
    for i, one in enumerate(wanted):
        shares[i] += max(0, min(one - shares[i], room - sum(shares)))
    return shares


def _head(shift: Shift) -> str:
    more = len(shift.satellites) - 3
    names = ", ".join(shift.satellites[:3]) + (f" and {more} more" if more > 0 else "")
    hours = in_words((shift.now_ns - shift.since_ns) / NS_PER_S)
    sim = " SIM" if shift.simulated else ""
    return f"HANDOVER {names}{sim}  {date_clock_text(shift.since_ns)} to {date_clock_text(shift.now_ns)} ({hours})"


def _raised(shift: Shift) -> str:
    by = ", ".join(f"{count} {level.name}" for level, count in shift.counted().items())
    return f"RAISED {len(shift.raised)}" + (f": {by}; {shift.still_open} still open" if shift.raised else "")


def _new(shift: Shift) -> str:
    new = sum(one.needs_acknowledgement for one in shift.unshelved)
    return f" ({new} not acknowledged)" if new else ""


def _whose(satellite: str, several: bool) -> str:
    return f"{satellite} " if several and satellite else ""


def _open(alarm: Alarm, several: bool) -> str:
    when = month_clock_text(alarm.raised_ns)
    told = f"{alarm.state.word:8} {Level(alarm.severity).name:8} {when}  {_whose(alarm.satellite, several)}"
    done = [f"acknowledged by {alarm.acked_by}"] if alarm.acked_by else []
    done += [f"muted, {alarm.inhibited_by}"] if alarm.inhibited_by else []
    return told + alarm.text + (f" ({'; '.join(done)})" if done else "")


def _shelved(alarm: Alarm, several: bool) -> str:
    until = "" if alarm.shelved_until_ns is None else f"until {month_clock_text(alarm.shelved_until_ns)} "
    level = Level(alarm.severity).name
    whose = _whose(alarm.satellite, several)
    return f"{until}by {alarm.shelved_by}: {alarm.shelf_reason}; {level} {whose}{alarm.text}"


def _note(event: Event, several: bool) -> str:
    about = f" on {_whose(event.satellite, several)}{event.subject}" if event.subject else ""
    return f"{month_clock_text(event.at_ns)} {event.actor}{about}: {event.text}"


def _act(event: Event) -> str:
    who = f"{event.actor}: " if event.actor and event.actor not in event.text else ""
    return f"{month_clock_text(event.at_ns)} {who}{event.text}"


def gap_s(event: Event) -> float:
    """How long a gap was, in seconds."""
    return float(event.body.get("seconds", 0.0))


def _gap_title(shift: Shift) -> str:
    seconds = sum(gap_s(one) for one in shift.gaps)
    return f"GAPS {len(shift.gaps)}" + (f", {in_words(seconds)} in all" if shift.gaps else "")


def _gap(event: Event, several: bool) -> str:
    times = f"{month_clock_text(event.body['t0_ns'])} to {month_clock_text(event.body['t1_ns'])}"
    return f"{times} {_whose(event.satellite, several)}{in_words(gap_s(event))}"


def _model_title(shift: Shift) -> str:
    return f"MODEL {versions(shift)}" if shift.models else "MODEL unchanged"


def _pass(row: ContactRow, several: bool) -> str:
    length = in_words((row.loss_ns - row.acquisition_ns) / NS_PER_S)
    times = f"{month_clock_text(row.acquisition_ns)} to {clock_text(row.loss_ns)}Z"
    return f"{times} {_whose(row.satellite, several)}{row.station}, {length}, max {row.max_el_deg:.0f} deg"


def versions(shift: Shift) -> str:
    """`v17 -> v18`: which model scored when it began, and which at its end."""
    newest = shift.models[-1].body.get("version")
    return f"v{newest}" if shift.before is None else f"v{shift.before} -> v{newest}"
