"""How far a long run of the simulator has come: a line that moves in a terminal and comes rarely in a log."""

from __future__ import annotations

import time
from typing import Final, TextIO

TERMINAL_EVERY_S: Final = 0.5
LOG_EVERY_S: Final = 10.0


class ProgressLine:
    """Says share, speed and time left; nothing in the first half second, ten where nobody watches.

    Args:
        out: where to; a line is rewritten where that is a terminal, else a new one comes now and then.
        seconds: of generation time to be flown; None: no end is known.
        satellites: flown at once.
    """

    def __init__(self, out: TextIO, seconds: int | None, satellites: int) -> None:
        self._out = out
        self.seconds, self._satellites = seconds, satellites
        self._moves = out.isatty()
        self._every_s = TERMINAL_EVERY_S if self._moves else LOG_EVERY_S
        self._began = self._said = time.monotonic()
        self._shown = False

    def update(self, flown_s: int) -> None:
        """`flown_s` seconds have been flown."""
        now = time.monotonic()
        if now - self._said < self._every_s:
            return
        self._said = now
        self._shown = True
        text = progress_text(flown_s, now - self._began, self.seconds, self._satellites)
        self._out.write(f"\r{text}\x1b[K" if self._moves else f"{text}\n")
        self._out.flush()

    def close(self) -> None:
        """End the line."""
        if self._shown and self._moves:
            self._out.write("\r\x1b[K")
            self._out.flush()


def progress_text(flown_s: int, took_s: float, seconds: int | None, satellites: int) -> str:
    """` 42 %   7,310 satellite-seconds/s   1 min 20 s left`."""
    speed = flown_s / max(took_s, 1e-3)
    said = f"{speed * satellites:,.0f} satellite-seconds/s"
    if seconds is None:
        return said
    left = f"{_words((seconds - flown_s) / speed)} left" if speed else "time left unknown"
    return f"{100.0 * flown_s / max(1, seconds):3.0f} %   {said}   {left}"


def _words(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
