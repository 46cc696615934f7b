"""Line 2 of every screen in fixed time and while paused: reverse, in words, and in signs every terminal has."""

from __future__ import annotations

from typing import NamedTuple

from cubesat_tui.drawing.numbers import clock_text, count_text, utc
from cubesat_tui.drawing.rows import Row, pad

BACK = "space = LIVE"


class PastBanner(NamedTuple):
    """The stretch shown (UTC ns), how many alarms are new since now was left, and whether it is still read."""

    t0_ns: int
    t1_ns: int
    news: int
    reading: bool


def past_row(banner: PastBanner, size: int) -> Row:
    """`### PAST 2026-11-22 06:40:00Z..06:50:00Z ### 2 NEW ALARMS NOW ### space = LIVE ###`, in `size` cells.

    Where that does not fit, the date goes first, then words; that it is past, what is new and the way back stay.
    """
    spans, words = _spans(banner), _words(banner)
    forms = [(spans[0], word) for word in words[:2]] + [(span, word) for span in spans[1:] for word in words]
    made = ""
    for span, word in forms:
        made = f"### PAST {span} ### {word} ### {BACK} "
        if len(made) < size:
            break
    else:
        # Narrower than any terminal in use: the way back is what must not be cut off.
        made = f"# PAST # {f'{banner.news} NEW # ' if banner.news else ''}{BACK} "
    return pad(((made.ljust(size, "#"), "reverse"),), size)


def fleet_row(banner: PastBanner, size: int) -> Row:
    """As `past_row`, on the one screen that shows what is now while the others show the past."""
    news = f"{_words(banner)[-1]} ### " if banner.news else ""
    forms = (
        f"### ALL SATELLITES NOW, elsewhere PAST {_spans(banner)[-1]} ### {news}{BACK} ",
        f"### NOW, elsewhere PAST ### {news}{BACK} ",
    )
    made = next((form for form in forms if len(form) < size), forms[-1])
    return pad(((made.ljust(size, "#"), "reverse"),), size)


def paused_row(at_ns: int, frames: int, size: int) -> Row:
    """`=== PAUSED at 07:14:03Z, 38 frames since === space = LIVE ===`. `frames`: how many came since."""
    text = f"=== PAUSED at {clock_text(at_ns)}Z, {count_text(max(0, frames))} frames since === {BACK} "
    return pad(((text.ljust(size, "="), "reverse"),), size)


def _spans(banner: PastBanner) -> tuple[str, ...]:
    """The stretch, longest form first."""
    first, last = utc(banner.t0_ns), utc(banner.t1_ns)
    clocks = f"{clock_text(banner.t0_ns)}Z..{clock_text(banner.t1_ns)}Z"
    end = clock_text(banner.t1_ns)
    if first.date() == last.date():
        return f"{last:%Y-%m-%d} {clocks}", f"{last:%m-%d} {clocks}", f"{last:%m-%d} {end}Z", f"{end}Z"
    both = f"{first:%m-%d} {clock_text(banner.t0_ns)}Z..{last:%m-%d} {end}Z"
    return f"{first:%Y-}{both}", both, f"{last:%m-%d} {end}Z", f"{end}Z"


def _words(banner: PastBanner) -> tuple[str, ...]:
    """What is new, longest form first; it is never left out."""
    if not banner.news:
        return ("reading ...", "reading") if banner.reading else ("no new alarm", "no new")
    many = "S" if banner.news > 1 else ""
    count = count_text(banner.news)
    return f"{count} NEW ALARM{many} NOW", f"{count} NEW ALARM{many}", f"{count} NEW"
