"""The two lines on top of every screen: link, pass, data, model; tabs, alarms, clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from cubesat_tui.drawing.numbers import (
    age_text,
    clock_text,
    count_text,
    countdown,
    date_clock_text,
    month_clock_text,
)
from cubesat_tui.drawing.past_banner import PastBanner, fleet_row, past_row, paused_row
from cubesat_tui.drawing.rows import Row, Span, left, pad, spread, width
from cubesat_tui.drawing.signs import ORDER, SIGNS, SignSet

if TYPE_CHECKING:
    from cubesat_tui.snapshot import ContactNow, LinkNow, Snapshot

TABS = (
    ("1", "live", "Live", "Live"),
    ("2", "clusters", "Clusters", "Clust"),
    ("3", "models", "Models", "Models"),
    ("4", "ledger", "Ledger", "Ledger"),
    ("5", "events", "Events", "Events"),
)
FLEET_TAB = ("6", "fleet", "Fleet", "Fleet")
"""Stands on the line of a mission with several satellites."""
_GOOD_LINKS = {"LIVE", "QUIET", "REPLAY"}
_SILENT = {"DOWN", "MONITOR DOWN"}
"""Links beyond which nobody is known to fit models."""


def status_rows(
    snapshot: Snapshot,
    mode: str,
    size: int,
    signs: SignSet,
    paused: tuple[int, int] | None = None,
    past: PastBanner | None = None,
    line: tuple[str, str] = ("", ""),
) -> tuple[Row, Row]:
    """Both lines, `size` cells each. `snapshot` is the live one, always.

    `paused`: (mission time ns, frames) when the screen was stopped; `past`: what is shown instead of now; `line`:
    how the line to this terminal is drawn for, in words for a wide and for a narrow screen.
    """
    first = _fleet_truths(snapshot, size) if mode == FLEET_TAB[1] else _truths(snapshot, size)
    if past is not None:
        return first, fleet_row(past, size) if mode == FLEET_TAB[1] else past_row(past, size)
    if paused is not None:
        return first, paused_row(paused[0], snapshot.frames - paused[1], size)
    return first, _tabs_line(snapshot, mode, size, signs, line)


def waiting_rows(mode: str, size: int, reason: str) -> tuple[Row, Row]:
    """Both lines before the first snapshot."""
    tabs: Row = tuple(span for number, key, _, short in TABS for span in _tab(number, short, key == mode))
    return pad(((" LINK CONNECTING ", "value"), (reason, "dim")), size), pad(tabs, size)


USUAL = "fusion"
DETECTORS = {"fusion": USUAL, "isolation_forest": "forest"}
"""The word for a kind of model."""
_FORMS = (
    # roomy, link's source, ground station, words about the model
    (True, True, True, 3),
    (False, True, True, 2),
    (False, False, True, 2),
    (False, False, True, 1),
    (False, False, False, 1),
    (False, False, False, 0),
)
"""From a wide terminal to a narrow one: the three truths stay, words go."""


def _truths(snapshot: Snapshot, size: int) -> Row:
    made = _fitted(snapshot, snapshot.link, size)
    over, detail = width(made) - size, snapshot.link.detail
    if 0 < over < len(detail):
        # A reason may be of any length, and there are two more truths behind it.
        shorter = msgspec.structs.replace(snapshot.link, detail=left(detail, len(detail) - over))
        made = _fitted(snapshot, shorter, size)
    return pad(made, size)


def _fitted(snapshot: Snapshot, link: LinkNow, size: int) -> Row:
    """The roomiest form that fits, else the narrowest."""
    name: Row = ((f" {snapshot.satellite}", "identity"), (" SIM " if snapshot.simulated else " ", "identity"))
    made: Row = name
    for roomy, source, place, words in _FORMS:
        bar: Span = (" │ " if roomy else "|", "rule")
        fields = [
            _link(link, source),
            _contact(snapshot.contact, snapshot.now_ns, place),
            _data(snapshot, roomy),
        ]
        if words:
            fields.append(_model(snapshot, words))
        made = (*name, *(span for field in fields for span in (bar, *field)))
        if width(made) <= size:
            break
    return made


def _fleet_truths(snapshot: Snapshot, size: int) -> Row:
    """`FLEET 100 SIM|LINK LIVE relay|PASS 3 in contact|DATA oldest 41m|MODELS 98 of 100`."""
    fleet = snapshot.fleet
    count = len(snapshot.mission.satellites)
    name: Row = ((f" FLEET {count}", "identity"), (" SIM " if snapshot.simulated else " ", "identity"))
    made: Row = name
    for roomy, source, words in (
        (True, True, True),
        (False, True, True),
        (False, False, True),
        (False, False, False),
    ):
        bar: Span = (" │ " if roomy else "|", "rule")
        fields = [_link(snapshot.link, source)]
        if fleet is not None:
            known = fleet.oldest_s
            oldest = "none" if known is None else age_text(known)
            fields += [
                (("PASS ", "label"), (f"{fleet.in_contact}{' in contact' if words else ''}", "value")),
                (
                    ("DATA ", "label"),
                    ("oldest " if words else "", "label"),
                    (oldest if roomy else oldest.replace(" min", "m").replace(" ", ""), "value"),
                ),
                (("MODELS ", "label"), (f"{fleet.with_model} of {count}", "value")),
            ]
        made = (*name, *(span for field in fields for span in (bar, *field)))
        if width(made) <= size:
            break
    return pad(made, size)


def _link(link: LinkNow, source: bool) -> Row:
    good = link.state in _GOOD_LINKS
    style = "good" if link.state == "LIVE" else "value" if good else "distress"
    # The reason of a bad link is never the word that goes; the name of a good one's source is.
    more = f" {link.detail}" if link.detail and (source or not good) else ""
    trouble: Row = ((f", {link.trouble}", "distress"),) if link.trouble else ()
    return (("LINK ", "label"), (link.state, style), (more, "label" if good else style), *trouble)


def _contact(contact: ContactNow, now_ns: int, named: bool) -> Row:
    head: Span = ("PASS ", "label")
    place = f"{contact.station} " if contact.station and named else ""
    if contact.in_contact and contact.until_ns is not None:
        return (head, (place, "value"), ("LOS ", "label"), (countdown((contact.until_ns - now_ns) / 1e9), "value"))
    if contact.in_contact:
        return (head, (f"{place}in contact", "value"))
    if contact.next_ns is not None:
        return (head, ("AOS ", "label"), (place, "label"), (countdown((contact.next_ns - now_ns) / 1e9), "plain"))
    return (head, ("none known" if named else "-", "dim"))


def _data(snapshot: Snapshot, roomy: bool) -> Row:
    if snapshot.data_age_s is None:
        return (("DATA ", "label"), ("none yet" if roomy else "none", "dim"))
    text = age_text(snapshot.data_age_s)
    old = "dim" if snapshot.link.state == "QUIET" else "distress"
    style = "value" if snapshot.data_age_s < 5 else old
    return (("DATA ", "label"), (text if roomy else text.replace(" ", ""), style))


def _model(snapshot: Snapshot, words: int) -> Row:
    model = snapshot.model
    spans: list[Span] = [("MODEL ", "label")]
    if model.version is not None:
        spans.append((f"v{model.version}", "value"))
        detector = DETECTORS.get(model.kind, "")
        # The usual one is named where there is room for it, the other wherever there is room for words.
        if detector and (words > 2 or (detector != USUAL and words > 1)):
            spans.append((f" {detector}", "label"))
    elif model.learning is not None:
        have, need = model.learning
        percent = min(99, 100 * have // max(1, need))
        spans.append(
            (f"learning {count_text(have)} of {count_text(need)}" if words > 2 else f"learn {percent}%", "dim")
        )
    else:
        spans.append(("none yet" if words > 2 else "none", "dim"))
    if snapshot.link.state in _SILENT:
        return tuple(spans)
    if model.error:
        spans.append((" trainer down" if words > 1 else " !", "distress"))
        return tuple(spans)
    if model.retrain is not None and words > 1:
        spans.append((f" #{model.retrain}", "label"))
    if model.next_s is not None:
        seconds = max(0, int(model.next_s))
        spans.append((f" retrain in {seconds} s" if words > 2 else f" {seconds}s", "label"))
    return tuple(spans)


def _tab(number: str, word: str, active: bool) -> Row:
    if active:
        return ((" ", "plain"), (f"{number} {word.upper()}", "title"))
    return ((" ", "plain"), (number, "key"), (f" {word}", "label"))


def counts_row(counted: Mapping[str, tuple[int, int]], signs: SignSet) -> Row:
    """`CRIT ◆1/1 ▲0/1 ◈1/1`: new/active by severity, the worst in words; `no alarm` when there is none."""
    spans: list[Span] = []
    worst = ""
    for key in ORDER:
        new, active = counted.get(key, (0, 0))
        if new or active:
            worst = worst or key
            spans.append((f" {signs.glyph(key)}{new}/{active}", SIGNS[key].style if new or active else "dim"))
    if not worst:
        return (("no alarm", "dim"),)
    return ((SIGNS[worst].word, SIGNS[worst].style), *spans)


def _tabs_line(snapshot: Snapshot, mode: str, size: int, signs: SignSet, line: tuple[str, str]) -> Row:
    whole = mode == FLEET_TAB[1] and snapshot.fleet is not None
    counts = counts_row(snapshot.fleet.counts if whole and snapshot.fleet else snapshot.counts, signs)
    shown = (*TABS, FLEET_TAB) if len(snapshot.mission.satellites) > 1 else TABS
    for wide, date, letters in (
        (True, True, 9),
        (False, True, 9),
        (False, False, 9),
        (False, False, 4),
        (False, False, 1),
    ):
        tabs: Row = tuple(
            span
            for number, key, word, short in shown
            for span in _tab(
                number, word if wide else short if key == mode and letters > 1 else short[:letters], key == mode
            )
        )
        if not date:
            # The blank before the first tab is the cell that is missing at 80 columns.
            tabs = tabs[1:]
        time = date_clock_text(snapshot.now_ns) if wide else month_clock_text(snapshot.now_ns)
        clock: Row = ((("UTC " if wide else "") + (time if date else clock_text(snapshot.now_ns) + "Z"), "value"),)
        gap = "     " if wide else "  "
        words = line[0] if wide else line[1]
        if words:
            clock = (("line ", "label") if wide else ("", "plain"), (f"{words}  ", "label"), *clock)
        start: Row = (*tabs, (gap, "plain"), *counts)
        if width(start) + width(clock) + 1 <= size:
            break
    return pad(spread(start, clock, size), size)
