"""The filter of the Fleet screen: parts of names and words of states, all of which must hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from cubesat_tui.drawing.signs import ORDER, SIGNS
from cubesat_tui.drawing.why import alarm_key
from cubesat_tui.fleet import Silence

if TYPE_CHECKING:
    from cubesat_tui.fleet import SatelliteNow

Test = Callable[["SatelliteNow"], bool]


class FleetFilterError(ValueError):
    """A word that is part of no satellite's name and no word of a state; `column` is where it begins."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.column = column


def _alarmed(key: str) -> Test:
    return lambda one: any(not a.muted and alarm_key(a) == key for a in one.alarms)


WORDS: Mapping[str, Test] = {
    **{SIGNS[key].word.casefold(): _alarmed(key) for key in ORDER},
    **{key: _alarmed(key) for key in ORDER},
    "new": lambda one: one.new > 0,
    "alarm": lambda one: one.new + one.active > 0,
    "shelved": lambda one: one.shelved > 0,
    "ok": lambda one: one.state == "ok",
    "lost": lambda one: one.silence is Silence.LOST,
    "quiet": lambda one: one.silence is Silence.QUIET,
    "old": lambda one: one.silence is Silence.OLD,
    "never": lambda one: one.silence is Silence.NEVER,
    "contact": lambda one: one.contact.in_contact,
    "learning": lambda one: one.model.version is None,
}
"""Words and what they ask: those of a severity find every satellite with such an alarm open, not only the worst."""

SHOWN = (
    *(SIGNS[key].word.casefold() for key in ORDER),
    "new", "alarm", "shelved", "ok", "lost", "quiet", "old", "never", "contact", "learning",
)  # fmt: skip
"""The words an error names; long forms of severities are understood as well."""


def fleet_filter(text: str, names: Sequence[str]) -> Test:
    """The test that `text` asks for; without words every satellite passes.

    Raises:
        FleetFilterError: a word that is in no name of `names` and no word of a state.
    """
    tests: list[Test] = []
    for found in re.finditer(r"\S+", text):
        word = found.group().casefold()
        if word in WORDS:
            tests.append(WORDS[word])
        elif any(word in name.casefold() for name in names):
            tests.append(_named(word))
        else:
            reason = f"{found.group()}: no satellite's name has this in it, and it is no word of a state"
            raise FleetFilterError(reason, found.start())
    return lambda one: all(test(one) for test in tests)


def _named(part: str) -> Test:
    return lambda one: part in one.name.casefold()
