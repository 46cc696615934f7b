"""The two lines on top of every screen: link, pass, data, model; tabs, alarms, clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cubesat_tui.drawing.numbers import (
    age_text,
    clock_text,
    count_text,
    countdown,
    date_clock_text,
    month_clock_text,
)
from cubesat_tui.drawing.rows import Row, Span, pad, spread, width
from cubesat_tui.drawing.signs import ORDER, SIGNS, SignSet

if TYPE_CHECKING:
    from cubesat_tui.snapshot import ContactNow, LinkNow, ModelNow, Snapshot

TABS = (
    ("1", "live", "Live", "Live"),
    ("2", "clusters", "Clusters", "Clust"),
    ("3", "models", "Models", "Models"),
    ("4", "ledger", "Ledger", "Ledger"),
    ("5", "events", "Events", "Events"),
)
_GOOD_LINKS = {"LIVE", "REPLAY"}


def status_rows(
    snapshot: Snapshot, mode: str, size: int, signs: SignSet, paused: tuple[int, int] | None = None
) -> tuple[Row, Row]:
    """Both lines, `size` cells each. `paused`: (mission time ns, frames) when the screen was stopped."""
    first = _truths(snapshot, size)
    if paused is not None:
        return first, _pause_line(snapshot, paused, size)
    return first, _tabs_line(snapshot, mode, size, signs)


def waiting_rows(mode: str, size: int, reason: str) -> tuple[Row, Row]:
    """Both lines before the first snapshot."""
    tabs: Row = tuple(span for number, key, _, short in TABS for span in _tab(number, short, key == mode))
    return pad(((" LINK CONNECTING ", "value"), (reason, "dim")), size), pad(tabs, size)


def _truths(snapshot: Snapshot, size: int) -> Row:
    name: Row = ((f" {snapshot.satellite}", "identity"), (" SIM " if snapshot.simulated else " ", "identity"))
    stale = snapshot.link.state == "DOWN"
    for roomy, detail in ((True, 2), (False, 2), (False, 1), (False, 0)):
        bar: Span = (" │ " if roomy else "|", "rule")
        fields: tuple[Row, ...] = (
            _link(snapshot.link, detail),
            _contact(snapshot.contact, snapshot.now_ns, detail),
            _data(snapshot, roomy),
            _model(snapshot.model, roomy, detail, stale),
        )
        if detail == 0:
            fields = fields[:3]
        made: Row = (*name, *(span for field in fields for span in (bar, *field)))
        if width(made) <= size:
            return pad(made, size)
    return pad(made, size)


def _link(link: LinkNow, detail: int) -> Row:
    style = "good" if link.state == "LIVE" else "value" if link.state in _GOOD_LINKS else "distress"
    more = (
        f" {link.detail}"
        if link.detail and (detail == 2 or (detail == 1 and link.state not in _GOOD_LINKS))
        else ""
    )
    return (("LINK ", "label"), (link.state, style), (more, "label" if link.state in _GOOD_LINKS else style))


def _contact(contact: ContactNow, now_ns: int, detail: int) -> Row:
    place = f"{contact.station} " if contact.station and detail else ""
    if contact.in_contact and contact.until_ns is not None:
        return (
            ("PASS ", "label"),
            (place, "value"),
            ("LOS ", "label"),
            (countdown((contact.until_ns - now_ns) / 1e9), "value"),
        )
    if contact.in_contact:
        return (("PASS ", "label"), (f"{place}in contact", "value"))
    if contact.next_ns is not None:
        return (
            ("PASS ", "label"),
            ("AOS ", "label"),
            (place, "label"),
            (countdown((contact.next_ns - now_ns) / 1e9), "plain"),
        )
    return (("PASS ", "label"), ("none known" if detail else "-", "dim"))


def _data(snapshot: Snapshot, roomy: bool) -> Row:
    if snapshot.data_age_s is None:
        return (("DATA ", "label"), ("none yet", "dim"))
    text = age_text(snapshot.data_age_s)
    style = "value" if snapshot.data_age_s < 5 else "distress"
    return (("DATA ", "label"), (text if roomy else text.replace(" ", ""), style))


def _model(model: ModelNow, roomy: bool, detail: int, stale: bool) -> Row:
    spans: list[Span] = [("MODEL ", "label")]
    if model.version is not None:
        spans.append((f"v{model.version}", "value"))
    elif model.learning is not None and detail:
        have, need = model.learning
        spans.append(
            (f"learning {count_text(have)} of {count_text(need)}" if roomy else f"learn {have}/{need}", "dim")
        )
    else:
        spans.append(("none yet" if detail else "-", "dim"))
    if model.error:
        spans.append((" trainer down" if roomy else " no trainer", "distress"))
        return tuple(spans)
    if model.retrain is not None:
        spans.append((f" #{model.retrain}", "label"))
    if model.next_s is not None and not stale:
        seconds = max(0, int(model.next_s))
        spans.append((f" retrain in {seconds} s" if roomy else f" {seconds}s", "label"))
    return tuple(spans)


def _tab(number: str, word: str, active: bool) -> Row:
    if active:
        return ((" ", "plain"), (f"{number} {word.upper()}", "title"))
    return ((" ", "plain"), (number, "key"), (f" {word}", "label"))


def counts_row(snapshot: Snapshot, signs: SignSet) -> Row:
    """`CRIT ◆1/1 ▲0/1 ◈1/1`: new/active by severity, the worst in words; `no alarm` when there is none."""
    spans: list[Span] = []
    worst = ""
    for key in ORDER:
        new, active = snapshot.counts.get(key, (0, 0))
        if new or active:
            worst = worst or key
            spans.append((f" {signs.glyph(key)}{new}/{active}", SIGNS[key].style if new or active else "dim"))
    if not worst:
        return (("no alarm", "dim"),)
    return ((SIGNS[worst].word, SIGNS[worst].style), *spans)


def _tabs_line(snapshot: Snapshot, mode: str, size: int, signs: SignSet) -> Row:
    counts = counts_row(snapshot, signs)
    for wide, date in ((True, True), (False, True), (False, False)):
        tabs: Row = tuple(
            span for number, key, word, short in TABS for span in _tab(number, word if wide else short, key == mode)
        )
        if not date:
            tabs = tuple(span for number, key, _, short in TABS for span in _tab(number, short[:1], key == mode))
        time = date_clock_text(snapshot.now_ns) if wide else month_clock_text(snapshot.now_ns)
        clock: Row = ((("UTC " if wide else "") + (time if date else clock_text(snapshot.now_ns) + "Z"), "value"),)
        gap = "     " if wide else "  "
        start: Row = (*tabs, (gap, "plain"), *counts)
        if width(start) + width(clock) + 1 <= size:
            break
    return pad(spread(start, clock, size), size)


def _pause_line(snapshot: Snapshot, paused: tuple[int, int], size: int) -> Row:
    at_ns, frames = paused
    text = f"=== PAUSED at {clock_text(at_ns)}Z, {count_text(max(0, snapshot.frames - frames))} frames since === "
    return pad((((text + "space = LIVE ").ljust(size, "="), "reverse"),), size)
