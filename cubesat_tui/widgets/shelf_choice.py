"""For how long: 5, 15 or 60 minutes, or until a time of day; one row, left and right, or digits."""

from __future__ import annotations

from textual.events import Key
from textual.message import Message

from cubesat_tui.drawing.rows import Span, row
from cubesat_tui.shelf_time import PRESETS_MIN, next_hour, until_clock
from cubesat_tui.widgets.lines import Lines
from telemetry.clock import NS_PER_S

_DIGITS = 4


class ShelfChoice(Lines, can_focus=True):
    """Answers `until`; a digit typed begins a time of day."""

    DEFAULT_CSS = """
    ShelfChoice { width: 1fr; height: 1; padding: 0; }
    ShelfChoice:focus { background: $cursor; }
    """

    class Changed(Message):
        """Another time is chosen, or typed."""

    def __init__(self, now_ns: int, *, id: str) -> None:
        super().__init__(id=id)
        self._at = 1
        self._typed = next_hour(now_ns).replace(":", "")
        self._fresh = True
        """Nothing was typed yet: the first digit replaces what is proposed."""

    @property
    def minutes(self) -> int | None:
        """The length chosen; None for a time of day."""
        return PRESETS_MIN[self._at] if self._at < len(PRESETS_MIN) else None

    def until(self, now_ns: int) -> int:
        """When the shelf ends, UTC ns.

        Raises:
            ValueError: what was typed is no time of day; in words.
        """
        minutes = self.minutes
        return now_ns + minutes * 60 * NS_PER_S if minutes is not None else until_clock(self._clock, now_ns)

    @property
    def _clock(self) -> str:
        return f"{self._typed[:2]}:{self._typed[2:]}"

    def on_mount(self) -> None:
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def on_key(self, event: Key) -> None:
        if event.key in ("left", "right", "h", "l", "space"):
            step = -1 if event.key in ("left", "h") else 1
            self._at = (self._at + step) % (len(PRESETS_MIN) + 1)
        elif event.character is not None and event.character.isdecimal():
            self._at = len(PRESETS_MIN)
            self._typed = (
                event.character if self._fresh or len(self._typed) >= _DIGITS else self._typed + event.character
            )
            self._fresh = False
        elif event.key == "backspace":
            self._at, self._fresh = len(PRESETS_MIN), False
            self._typed = self._typed[:-1]
        elif event.character == ":":
            pass
        else:
            return
        event.stop()
        event.prevent_default()
        self._draw()
        self.post_message(self.Changed())

    def _draw(self) -> None:
        words = [*(f"{minutes} min" for minutes in PRESETS_MIN), f"until {self._clock} UTC"]
        if self.size.width < 58:
            words = [*(str(minutes) for minutes in PRESETS_MIN), self._clock]
        spans: list[Span] = []
        for i, word in enumerate(words):
            mark = "(*)" if i == self._at else "( )"
            spans.append((f" {mark} {word} ", "value" if i == self._at else "label"))
        self.draw((row(*spans),))
