"""The words beside the cloud: what is drawn, what the modes are, what is selected and why it stands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cubesat_tui.drawing.ledger_cells import time_text
from cubesat_tui.drawing.numbers import clock_text, count_text, span_text
from cubesat_tui.drawing.opinion_text import CONFIRMED, THRESHOLD, p_text
from cubesat_tui.drawing.rows import Row, crop, left, right, row, width
from cubesat_tui.drawing.signs import UNICODE, SignSet, unit
from cubesat_tui.drawing.why import contributions, shown_units

if TYPE_CHECKING:
    from cubesat_tui.feature_space import FeatureSpace
    from telemetry.alarms import Event
    from telemetry.dictionary import Bus

RAISED = "alarm.raised"
ANOMALY = "anomaly:"


def wrapped(text: str, size: int) -> list[str]:
    """Lines of at most `size` characters, and at least one, broken at blanks where there are any."""
    size = max(1, size)
    lines: list[str] = []
    line = ""
    for word in text.split():
        piece = word
        while piece:
            room = size - len(line) - (1 if line else 0)
            if len(piece) <= room:
                line, piece = f"{line} {piece}".strip(), ""
            elif line:
                lines.append(line)
                line = ""
            else:
                lines.append(piece[:size])
                piece = piece[size:]
    return [*lines, line] if line else lines


def drawn_text(space: FeatureSpace, orbit_ns: int | None, span_ns: int, until_ns: int | None = None) -> str:
    """`1,200 of 5,634 hk frames, last orbit`, and how many of them a model has judged.

    `until_ns`: the end of the span where it is not now.
    """
    when = "last orbit" if orbit_ns is not None else f"last {span_text(span_ns / 1e9)}"
    if until_ns is not None:
        when = f"{span_text(span_ns / 1e9)} to {clock_text(until_ns)}Z"
    judged = "" if space.judged == space.read else f", {count_text(space.judged)} judged"
    return f"{count_text(len(space))} of {count_text(space.read)} {space.packet} frames, {when}{judged}"


def legend(
    space: FeatureSpace, styles: Sequence[str], letters: str | None, size: int, signs: SignSet = UNICODE
) -> Row:
    """The modes as one partition of all frames, then the signs on top of them; words give way to fit `size`."""
    modes = [
        ((f" {letters[i] if letters else '⠿'} ", styles[i]), (f"{name} {share * 100:.0f} %", "label"))
        for i, (name, share) in enumerate(zip(space.modes, space.mode_share, strict=True))
    ]
    spans = row(*(span for pair in modes for span in pair))
    flagged = row((f"  {signs.glyph('anomaly')} ", "anomaly"), (count_text(space.confirmed), "label"))
    long = row((f"  {signs.glyph('anomaly')} ", "anomaly"), (f"anomaly {count_text(space.confirmed)}", "label"))
    newest, trail = row(("  @ ", "value"), ("newest", "label")), row(("  + ", "value"), ("its trail", "label"))
    for tail in (
        (*long, *newest, *trail),
        (*long, *newest),
        (*long, ("  @", "value")),
        (*flagged, ("  @", "value")),
    ):
        if width(spans) + width(tail) <= size:
            return (*spans, *tail)
    return crop((*flagged, *spans), size)


def axis_words(space: FeatureSpace, label: str | None) -> str:
    """What the three letters of the axis cross mean; `label` of the channel whose own axes are drawn."""
    if label is None:
        return "axes: principal components 1, 2, 3"
    return f"axes of {label}: v value, m rolling mean, d rolling deviation"


def verdict_at(events: Sequence[Event], t_ns: int) -> Mapping[str, Any] | None:
    """Body of the anomaly that was open at `t_ns`: the newest raised not later (or within its confirmation)."""
    grace = 10_000_000_000
    for event in events:
        if event.kind == RAISED and event.subject.startswith(ANOMALY) and event.at_ns <= t_ns + grace:
            ended = [
                later.at_ns
                for later in events
                if later.subject == event.subject and later.kind == "alarm.returned" and later.at_ns >= event.at_ns
            ]
            return event.body if not ended or t_ns <= min(ended) + grace else None
    return None


def selected_rows(
    space: FeatureSpace,
    chosen: int,
    place: tuple[int, int],
    bus: Bus,
    body: Mapping[str, Any] | None,
    *,
    size: int,
    signs: SignSet = UNICODE,
) -> tuple[Row, ...]:
    """The selected anomaly: when, how sure, which channels, and the sentence.

    `place`: its number and how many there are. `body`: what the journal keeps of it, None when out of reach.
    """
    lines: list[Row] = [
        row((left(f"ANOMALY {place[0]} of {place[1]}", size), "title")),
        row((time_text(int(space.t_ns[chosen])) + "Z", "value")),
        *opinion_rows(space, chosen, signs),
        (),
        *why_rows(space, chosen, bus, body, size, signs),
    ]
    return tuple(lines)


def opinion_rows(space: FeatureSpace, chosen: int, signs: SignSet) -> list[Row]:
    """How far a frame stands out, for which model, in which mode; the forest beside a fusion."""
    mode = space.modes[int(space.mode[chosen])]
    state = int(space.state[chosen])
    if state < 0:
        return [row(("not judged yet", "dim")), row((mode, "label"))]
    score, p = float(space.score[chosen]), float(space.p[chosen])
    sign = f"{signs.glyph('anomaly')} " if state >= CONFIRMED else ""
    style = "anomaly" if score > THRESHOLD else "value"
    # The kind is known of the model that scores now, and the frame may have been judged by one before.
    lines = [
        row((f"{sign}score {score:.3f}", style), (f"  {p_text(p, space.least_p)}", style)),
        row((f"threshold {THRESHOLD}, {mode}", "label")),
        row((f"model v{int(space.model[chosen])}" + (f", {space.kind}" if space.kind else ""), "label")),
    ]
    forest = space.forest.get(int(space.ids[chosen]))
    if forest is not None:
        lines.append(row((f"forest {forest:.2f} (no vote)", "dim")))
    return lines


def why_rows(
    space: FeatureSpace, chosen: int, bus: Bus, body: Mapping[str, Any] | None, size: int, signs: SignSet
) -> list[Row]:
    """The contributing channels of an anomaly and its sentence, or what lies furthest from usual in the picture."""
    lines: list[Row] = [row(("WHY", "title"))]
    parts = [part for part in contributions(body or {}) if "share" in part and "channel" in part]
    for part in parts[:5]:
        lines.append(_share_row(label_of(bus, str(part["channel"])), float(part["share"]), size, signs))
    if body is not None and body.get("text"):
        lines += [(), *(row((line, "plain")) for line in wrapped(shown_units(str(body["text"]), signs), size))]
    if not parts:
        lines += deviation_rows(space, chosen, bus, size)
    return lines


def deviation_rows(space: FeatureSpace, chosen: int, bus: Bus, size: int) -> list[Row]:
    """The channels furthest from what is usual in the same mode of this picture, with both values."""
    lines: list[Row] = []
    for name, value, usual, sigma in space.deviations(chosen, 4):
        channel = bus.by_name[name]
        away = f"{sigma:.1f} sd" if sigma < 100 else ">99 sd"
        lines += [
            row((left(channel.label, size - 8), "value"), (right(away, 8), "anomaly")),
            row((f"  {channel.number(value)}, usual {channel.number(usual)} {unit(channel.unit)}"[:size], "label")),
        ]
    if lines:
        lines += [row((line, "dim")) for line in wrapped("sd: spreads of this mode in this picture", size)]
    return lines


def newest_rows(
    space: FeatureSpace,
    bus: Bus,
    body: Mapping[str, Any] | None,
    size: int,
    signs: SignSet = UNICODE,
    *,
    selects: bool = True,
) -> tuple[Row, ...]:
    """Nothing selected: the newest frame, why where it belongs to an anomaly, and how to get to an older one.

    `selects`: `n` selects an anomaly; in the past it goes to the next alarm.
    """
    if not len(space):
        return (row(("no frame to draw yet", "dim")),)
    at = len(space) - 1
    lines: list[Row] = [
        row(("NEWEST FRAME @", "title")),
        row((time_text(int(space.t_ns[at])) + "Z", "value")),
        *opinion_rows(space, at, signs),
        (),
    ]
    episodes = space.episodes()
    if int(space.state[at]) >= CONFIRMED:
        lines += [*why_rows(space, at, bus, body, size, signs), ()]
    if not episodes:
        return (*lines, *(row((text, "label")) for text in wrapped("No confirmed anomaly in this picture.", size)))
    word = " select" if selects else " next alarm, later"
    return (*lines, *episode_rows(space, None, signs), (), row(("n", "key"), (word, "label")))


def episode_rows(
    space: FeatureSpace, place: int | None, signs: SignSet = UNICODE, most: int = 8
) -> tuple[Row, ...]:
    """The anomalies of the picture, newest first; number `place` (from 1) is marked."""
    episodes = space.episodes()
    word = "anomaly" if len(episodes) == 1 else "anomalies"
    lines = [row((f"{len(episodes)} {word}, newest first", "title"))]
    for i, number in enumerate(episodes[:most]):
        said = f"{clock_text(int(space.t_ns[number]))}Z  {float(space.score[number]):.3f}"
        mark = signs.pointer if place == i + 1 else " "
        lines.append(row((mark, "value"), (f"{signs.glyph('anomaly')} ", "anomaly"), (said, "plain")))
    if len(episodes) > most:
        lines.append(row((f"  {len(episodes) - most} older ones", "dim")))
    return tuple(lines)


def mode_rows(space: FeatureSpace, styles: Sequence[str], letters: str | None, size: int) -> tuple[Row, ...]:
    """The partition as a list with bars, for the wide layout."""
    lines: list[Row] = [row(("MODES, parts of one whole", "title"))]
    for i, (name, share) in enumerate(zip(space.modes, space.mode_share, strict=True)):
        sign = letters[i] if letters else "⠿"
        lines.append(
            row((f"{sign} ", styles[i]), (left(name, size - 10), "plain"), (f"{share * 100:5.1f} %", "label"))
        )
    return tuple(lines)


def label_of(bus: Bus, name: str) -> str:
    """Label of a channel, its name where the mission no longer has it."""
    known = bus.by_name.get(name)
    return known.label if known is not None else name


def _share_row(label: str, share: float, size: int, signs: SignSet) -> Row:
    bar = max(3, size - 17 - 6)
    full = round(max(0.0, min(1.0, share)) * bar)
    return row(
        (left(label, 16) + " ", "value"),
        (signs.bar * full, "anomaly"),
        (" " * (bar - full), "plain"),
        (f" {share * 100:3.0f} %", "label"),
    )
