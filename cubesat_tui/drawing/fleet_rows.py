"""Satellites as rows: one line each, heads, and what there is to say about the one under the cursor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len

from cubesat_tui.drawing.numbers import age_text, clock_text, count_text, countdown, month_clock_text
from cubesat_tui.drawing.rows import EMPTY, Row, Span, chosen, crop, left, right, row, spread
from cubesat_tui.drawing.signs import SIGNS, SignSet
from cubesat_tui.drawing.why import alarm_key, shown_units, state_word
from cubesat_tui.fleet import Silence

if TYPE_CHECKING:
    from cubesat_tui.fleet import FleetNow, ModelOf, SatelliteNow
    from cubesat_tui.fleet_filter import FleetFilterError
    from telemetry.alarms import Alarm
    from telemetry.dictionary import Mission

_SILENT = {"lost": ("LOST", "distress"), "quiet": ("quiet", "dim")}
"""States that are forms of an old value: word and style; the glyph is that of one."""
_CALM = ("ok", "quiet", "never")
WIDE = 116
FRESH_S = 5.0


@dataclass(frozen=True, slots=True)
class _Widths:
    name: int
    worst: int
    new: int
    data: int
    contact: int
    model: int
    note: int


def _widths(size: int) -> _Widths:
    fixed = (22, 10, 9, 10, 30, 20) if size >= WIDE else (13, 8, 8, 8, 19, 13)
    return _Widths(*fixed, note=max(0, size - 2 - sum(fixed)))


def head_row(total: int, shown: int, sort: str, filter_text: str, size: int) -> Row:
    """`100 satellites, 7 shown by "warn"      sort: worst, then new  S     / filter`."""
    by = f' by "{filter_text}"' if filter_text else ""
    start = row((f" {count_text(total)} satellites, {count_text(shown)} shown{by}", "value"))
    end = row((f"sort: {sort}  ", "label"), ("S", "key"), ("     ", "label"), ("/", "key"), (" filter ", "label"))
    return spread(start, end, size)


def column_heads(size: int) -> Row:
    """The heads over `satellite_row`."""
    w = _widths(size)
    text = (
        f"  {left('satellite', w.name)}{left('worst', w.worst)}{left('new/act', w.new)}{left('data', w.data)}"
        f"{left('pass', w.contact)}{left('model', w.model)}{left('note', w.note)}"
    )
    return row((text, "dim"))


def satellite_row(one: SatelliteNow, fleet: FleetNow, mission: Mission, size: int, signs: SignSet) -> Row:
    """One satellite in exactly `size` cells."""
    w = _widths(size)
    note, note_style = _note(one, mission, size >= WIDE, signs)
    return row(
        "  ",
        (left(one.name, w.name - 1) + " ", "plain" if one.state in _CALM else "value"),
        *_state(one, w.worst, signs),
        (left(f"{one.new}/{one.active}" if one.new or one.active else "-", w.new), "value" if one.new else "dim"),
        _data(one, w.data),
        _contact(one, fleet, w.contact),
        (left(_model(one.model, fleet), w.model), "label" if one.model.version is not None else "dim"),
        (left(note, w.note), note_style),
    )


def selected_row(line: Row, size: int, signs: SignSet) -> Row:
    """A row of `satellite_row` under the cursor."""
    return chosen(((signs.pointer, "key"), (" ", "plain"), *line[1:]), size)


def _state(one: SatelliteNow, size: int, signs: SignSet) -> tuple[Span, Span]:
    key = one.state
    if key in _SILENT:
        word, style = _SILENT[key]
        text = f"{signs.glyph('expired')} {word}"
    else:
        sign = SIGNS[key]
        style = "label" if key == "ok" else sign.style
        # What is shelved never lets a satellite read as plain OK.
        text = f"{signs.glyph(key)} {sign.word}{f' {one.shelved}z' if one.shelved and key == 'ok' else ''}"
    return (left(text, min(size - 1, cell_len(text))), style), (" " * max(1, size - cell_len(text)), "plain")


def _data(one: SatelliteNow, size: int) -> Span:
    if one.age_s is None:
        return left("never", size), "dim"
    style = "plain" if one.age_s < FRESH_S else "dim" if one.silence is Silence.QUIET else "distress"
    return left(age_text(one.age_s), size), style


def _contact(one: SatelliteNow, fleet: FleetNow, size: int) -> Span:
    contact = one.contact
    room = size - 1
    if one.missed is not None and not contact.in_contact:
        return left(f"missed AOS {clock_text(one.missed.acquisition_ns)[:5]}Z", size), "distress"
    if contact.in_contact:
        until = f" LOS {_countdown((contact.until_ns or fleet.now_ns) - fleet.now_ns)}"
        return left(contact.station[: room - len(until)] + until, size), "value"
    if contact.next_ns is not None:
        left_over = f" {_countdown(contact.next_ns - fleet.now_ns)}"
        return left(f"AOS {contact.station[: room - 4 - len(left_over)]}{left_over}", size), "label"
    return left("-", size), "dim"


def _countdown(ns: int) -> str:
    """Seconds from a quarter of an hour on: a hundred of them that count down all day only flicker."""
    return countdown(ns / 1e9) if ns < 900_000_000_000 else f"{ns // 60_000_000_000} min"


def _model(model: ModelOf, fleet: FleetNow) -> str:
    if model.version is None:
        return "learning" if model.learned is None else f"learning {int(100 * min(model.learned, 0.99))} %"
    age = "" if model.since_ns is None else _short_age((fleet.wall_ns - model.since_ns) / 1e9)
    return f"v{model.version} {age}".rstrip()


def _short_age(seconds: float) -> str:
    """Whole minutes below two hours: a model's age that changed every second would only flicker."""
    return f"{int(max(0.0, seconds) // 60)} min" if seconds < 7200 else age_text(seconds)


def _note(one: SatelliteNow, mission: Mission, wide: bool, signs: SignSet) -> Span:
    alarm = worst_alarm(one)
    if alarm is None:
        return (f"{one.shelved} shelved", "label") if one.shelved else ("", "plain")
    text = _label(one.name, alarm, mission)
    if wide:
        text = shown_units(alarm.text, signs) or text
    return text, "value" if alarm.needs_acknowledgement else "label"


def worst_alarm(one: SatelliteNow, unacknowledged: bool = False) -> Alarm | None:
    """The alarm that gives the satellite its state; with `unacknowledged` the worst one that waits for somebody."""
    from cubesat_tui.fleet import RANKS

    some = [a for a in one.alarms if not a.muted]
    if unacknowledged:
        some = [a for a in some if a.needs_acknowledgement]
    # Of equals the most urgent, in which order they come.
    return min(some, key=lambda a: RANKS.index(alarm_key(a)), default=None)


def _label(satellite: str, alarm: Alarm, mission: Mission) -> str:
    channel = mission.bus_of(satellite).by_name.get(alarm.channel)
    return channel.label if channel is not None and channel.label else alarm.channel


def detail_rows(
    one: SatelliteNow, fleet: FleetNow, mission: Mission, size: int, most: int, signs: SignSet
) -> list[Row]:
    """At most `most` lines about one satellite, its worst first; with room for more its next pass and its model.

    A single line begins with its name.
    """
    lines: list[Row] = []
    if one.silence in (Silence.LOST, Silence.OLD, Silence.QUIET, Silence.NEVER):
        lines.append(row((_silence_words(one, fleet), "distress" if one.silence is Silence.LOST else "label")))
    worst = worst_alarm(one)
    told = [] if worst is None else [worst, *(a for a in one.alarms if a is not worst)]
    lines += [_alarm_row(alarm, one, mission, signs) for alarm in told]
    if worst is not None and one.worst == one.state and len(lines) > len(told):
        lines.append(lines.pop(0))
    if not lines:
        lines.append(row(("in limits, nothing open", "label")))
    if most > 1:
        tail = _tail_rows(one, fleet)
        lines = [*lines[: max(1, most - len(tail))], *tail]
    name = row((f" {one.name}: " if most == 1 else " ", "title"))
    return [crop((*name, *line), size) for line in lines[:most]]


def _alarm_row(alarm: Alarm, one: SatelliteNow, mission: Mission, signs: SignSet) -> Row:
    sign = SIGNS[alarm_key(alarm)]
    text = shown_units(alarm.text, signs) or _label(one.name, alarm, mission)
    since = f", since {clock_text(alarm.raised_ns)}Z"
    state = state_word(alarm)
    return row((f"{signs.glyph(sign.key)} {state}", sign.style), (f" {text}", "plain"), (since, "label"))


def _silence_words(one: SatelliteNow, fleet: FleetNow) -> str:
    if one.heard_ns is None:
        return "no frame was ever received live"
    last = f"no frame since {month_clock_text(one.heard_ns)}"
    if one.silence is Silence.QUIET:
        return f"{last}: loss of signal, as expected"
    if one.missed is not None:
        begun = clock_text(one.missed.acquisition_ns)
        return f"{last}: nothing came in the pass over {one.missed.station} from {begun}Z"
    return last


def _tail_rows(one: SatelliteNow, fleet: FleetNow) -> list[Row]:
    contact, model = one.contact, one.model
    if contact.in_contact and contact.until_ns is not None:
        where = f"in contact with {contact.station} until {clock_text(contact.until_ns)}Z"
    elif contact.next_ns is not None:
        where = f"next pass over {contact.station} at {month_clock_text(contact.next_ns)}"
    else:
        where = "no pass is known"
    scores = "no model yet: learning"
    if model.version is not None:
        since = "" if model.since_ns is None else f" since {month_clock_text(model.since_ns)}"
        scores = f"model v{model.version} scores{since}"
    return [row((where, "label")), row((scores, "label"))]


def empty_rows(filter_text: str) -> list[Row]:
    """What stands where no row does."""
    return [
        EMPTY,
        row((f'   No satellite is "{filter_text}" now.', "value")),
        row(("   esc: all of them again    / : change the filter", "label")),
    ]


def filter_error_rows(
    error: FleetFilterError, words: tuple[str, ...], size: int, indent: int = 9
) -> tuple[Row, ...]:
    """Caret under the word that is wrong, the sentence, and the words that are known."""
    return (
        row((right("^", min(indent + error.column + 1, size)), "warning")),
        row((left(f" {error.message}", size), "warning")),
        row((left(f" words: {', '.join(words)}", size), "label")),
    )
