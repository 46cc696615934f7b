"""`?`: the keys that exist here and the signs."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from cubesat_tui.drawing.rows import Row, left
from cubesat_tui.drawing.signs import SIGNS, UNICODE, SignSet
from cubesat_tui.keymap import KEYS, of_fleet_only
from cubesat_tui.screens.reading_card import ReadingCard
from cubesat_tui.widgets.card import Card

FLEET_WORDS: tuple[Row, ...] = (
    ((" Words of a satellite", "title"),),
    (("  LOST      ", "value"), ("silent, and a pass brought nothing", "plain")),
    (("  quiet     ", "value"), ("silent outside a pass, as expected", "plain")),
    (("  OK 2z     ", "value"), ("in limits, but two alarms are shelved", "plain")),
    (),
)


def keys_rows(mode: str, signs: SignSet = UNICODE, fleet: bool = True) -> tuple[Row, ...]:
    """The keys of the mode, those of every screen, then the signs with their words.

    `fleet`: the mission has several satellites.
    """
    rows: list[Row] = [((f" On {mode.capitalize()}", "title"),)]
    rows += [((f"  {left(k.shown, 10)}", "key"), (k.text, "plain")) for k in KEYS if k.scope == mode]
    rows += [(), ((" Everywhere", "title"),)]
    rows += [
        ((f"  {left(k.shown, 10)}", "key"), (k.text, "plain"))
        for k in KEYS
        if k.scope == "app" and (fleet or not of_fleet_only(k))
    ]
    rows += [(("  ctrl+p    ", "key"), ("command palette: every act, every channel", "plain")), ()]
    rows += [((" Signs: shape, word and colour; counts are new/active", "title"),)]
    rows += [((f"  {signs.glyph(s.key)} {left(s.word, 7)}", s.style), (s.meaning, "plain")) for s in SIGNS.values()]
    rows += [
        (),
        *(FLEET_WORDS if mode == "fleet" else ()),
        ((" Words of an alarm", "title"),),
        (("  NEW       ", "value"), ("UNACK_ALARM: nobody has acknowledged it", "plain")),
        (("  ACKED     ", "value"), ("ACK_ALARM: acknowledged, still there", "plain")),
        (("  RETURNED  ", "value"), ("RTN_UNACK: gone by itself, still to be acknowledged", "plain")),
        (("  LATCHED   ", "value"), ("LATCH_UNACK, LATCH_ACK: over, kept until it is cleared", "plain")),
        (("  SHELVED   ", "value"), ("SHELVED: silent until a time somebody set", "plain")),
        (),
        ((" All times are UTC. Units are as sent, never converted.", "label"),),
    ]
    return tuple(rows)


class KeysCard(ReadingCard):
    """Keys and signs; any other key closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "close", show=False),
    ]
    DEFAULT_CSS = "KeysCard { align: center middle; background: $background 60%; }"

    def __init__(self, mode: str, fleet: bool = True) -> None:
        super().__init__()
        self._mode = mode
        self._fleet = fleet

    def compose(self) -> ComposeResult:
        signs = self.app.signs if hasattr(self.app, "signs") else UNICODE  # pyright: ignore[reportAttributeAccessIssue]
        yield Card("KEYS AND SIGNS", keys_rows(self._mode, signs, self._fleet), 70)
