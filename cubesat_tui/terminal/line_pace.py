"""How fast the line to the terminal was seen to take frames, and how often it is drawn on for it.

Every frame is a measurement: its bytes, and the seconds until the terminal answered that it has drawn them (where
it never answers: until the last byte was taken). The shortest answer to a few bytes is the way there and back; what
a frame takes longer than that is the time its bytes took.
"""

from __future__ import annotations

import statistics
from collections import deque

AUTO, FULL, THIN = "auto", "full", "thin"
FULL_PERIOD_S = 0.25
THIN_PERIOD_S = 1.0
LONGEST_PERIOD_S = 10.0
"""However slow the reader: a value is never longer old on the screen than this without its age saying so."""
A_TICK = 1250
"""Bytes of an update at the full rate."""
SLOW_S = 0.12
"""A line that needs so long for them has no room for four of them a second and for what keys ask."""
QUICK_S = 0.06
"""One that needs no longer has."""
TELLING = 200
"""A frame of fewer bytes says how long the way is, not how wide."""
LAST = 5
"""So many measurements decide by their median."""
WAYS = 20
"""So many frames of a few bytes decide how long the way is: it may grow as well."""
ENOUGH = 3
"""Before a line that is taken for thin is taken for fast."""


class LinePace:
    """What is known of one line. The driver calls `took` from its own threads, the app reads.

    `asked`: auto, full or thin. `remote`: the line leads through SSH, so it is taken for thin until it was seen to
    be fast. `between`: a multiplexer that answers in the terminal's place ("" where there is none): over SSH its
    quick answers say nothing about the line behind it.
    """

    def __init__(self, asked: str = AUTO, *, remote: bool = False, between: str = "") -> None:
        self.asked = asked
        self.thin = asked == THIN or (asked == AUTO and remote)
        self.answers = False
        """Whether this terminal has ever answered a question."""
        self.owed = 0
        """Answers to where the cursor is that have not come yet."""
        self.entered = False
        """Whether the terminal is on its alternate screen before the driver begins."""
        self._remote = remote
        self._between = between
        self._ways: deque[float] = deque(maxlen=WAYS)
        self._ticks: deque[float] = deque(maxlen=LAST)
        self._lags: deque[float] = deque(maxlen=LAST)

    def took(self, size: int, seconds: float, *, answered: bool) -> None:
        """A frame of `size` bytes was drawn, or where nothing answers taken, `seconds` after its first byte."""
        if answered:
            self.answers = True
            if size < TELLING or (self._ways and seconds < min(self._ways)):
                self._ways.append(seconds)
        lag = max(0.0, seconds - min(self._ways, default=0.0)) if answered else seconds
        if size:
            self._lags.append(lag)
        if size < TELLING:
            return
        self._ticks.append(lag * min(1.0, A_TICK / size))
        if self.asked != AUTO:
            return
        tick = statistics.median(self._ticks)
        if tick > SLOW_S:
            self.thin = True
        elif tick < QUICK_S and self.thin and len(self._ticks) >= ENOUGH and self._knows(answered=answered):
            self.thin = False

    def _knows(self, *, answered: bool) -> bool:
        """Whether who took a frame quickly is the terminal, and not something that keeps it for a slow line."""
        return not self._remote or (answered and not self._between)

    @property
    def period_s(self) -> float:
        """Seconds between two updates. Updates take at most half of the line; the rest is for what keys ask."""
        shortest = THIN_PERIOD_S if self.thin else FULL_PERIOD_S
        if not self._lags:
            return shortest
        return min(LONGEST_PERIOD_S, max(shortest, 2 * statistics.median(self._lags)))

    @property
    def words(self) -> str:
        """What was chosen, and how often it draws: `full 4/s`, `thin 1/s`, `thin every 4 s`."""
        word = THIN if self.thin else FULL
        period = self.period_s
        if period <= THIN_PERIOD_S * 1.05:
            return f"{word} {1 / period:.0f}/s"
        return f"{word} every {period:.0f} s" if period >= 1.5 else f"{word} every {period:.1f} s"

    @property
    def short_words(self) -> str:
        """The same for a narrow screen: nothing while all is usual, `thin`, `thin 4s`."""
        period = self.period_s
        late = f" {period:.0f}s" if period >= 1.5 else ""
        return f"{THIN if self.thin else FULL}{late}" if self.thin or late else ""
