"""Which open alarm is selected: the selection belongs to the alarm, never to a row. Pure state.

A list that grows moves under the selection, never the selection in the list. Where the selected alarm is over, the
selection has to go somewhere else; `surprise` says so to the next act, which is then not done: what it would have
met is not what the operator was looking at. Only one that leaves because of what the operator did to it is expected
to: at once, and not hours later because its condition is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telemetry.alarms import Alarm, AlarmState, Key


LOOK_NS = 2_000_000_000
"""What an operator has had before the eyes for so long is what a key means."""
DONE_WITHIN_S = 10.0
"""What an act does away with is gone by then, or the act was refused."""


class AlarmSelection:
    """The selected alarm among those of a list that changes by itself."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._key: Key | None = None
        self._at = 0
        """Where it stood last."""
        self._lost: Key | None = None
        self._drifted: tuple[Key, int] | None = None
        self._state: AlarmState | None = None
        """Of the selected alarm, when it was seen last."""
        self._own: dict[Key, tuple[float, AlarmState | None]] = {}
        """Alarms this operator acted on, when and in which state: that these acts end them is no surprise."""

    @property
    def key(self) -> Key | None:
        """The key of the selected alarm; None until a list was seen, or while it was empty."""
        return self._key

    def among(self, alarms: Sequence[Alarm]) -> Alarm | None:
        """The selected one of `alarms`: the same as before wherever it stands, else what took its place.

        The first list selects its first alarm, and stays with it.
        """
        if not alarms:
            if self._key is not None:
                self._leave()
            return None
        keys = [alarm.key for alarm in alarms]
        if self._key not in keys:
            if self._key is not None:
                self._leave()
            self._at = min(self._at, len(keys) - 1)
            self._key = keys[self._at]
        self._at = keys.index(self._key)
        alarm = alarms[self._at]
        own = self._own.get(alarm.key)
        if own is not None and own[1] is not None and alarm.state is not own[1]:
            # The act is done, and it is still here: what ends it later is something else.
            del self._own[alarm.key]
        self._state = alarm.state
        return alarm

    def _leave(self) -> None:
        assert self._key is not None
        at, _ = self._own.pop(self._key, (-DONE_WITHIN_S, None))
        if self._monotonic() - at >= DONE_WITHIN_S and self._lost is None:
            self._lost = self._key
        self._key = None

    def move(self, alarms: Sequence[Alarm], step: int) -> None:
        """`step` rows on among `alarms`; stops at the ends."""
        if self.among(alarms) is not None:
            self._at = max(0, min(len(alarms) - 1, self._at + step))
            self.choose(alarms[self._at].key)

    def choose(self, key: Key) -> None:
        """Select `key`: what the operator chose is no surprise."""
        self._key, self._lost, self._drifted = key, None, None

    def drift(self, key: Key, now_ns: int) -> None:
        """Nobody has pressed a key for long: select `key`, the worst. Whoever acts at that moment is warned."""
        if self._key is not None and key != self._key:
            self._drifted = (self._key, now_ns)
        self._key, self._lost = key, None

    def release(self) -> None:
        """The operator changed the list (another filter, another satellite): the next list selects its first."""
        self._key, self._lost, self._drifted, self._at = None, None, None, 0

    def acted(self, *keys: Key) -> None:
        """The operator acts on these."""
        now = self._monotonic()
        self._own |= {key: (now, self._state if key == self._key else None) for key in keys}

    def surprise(self, now_ns: int | None = None) -> Key | None:
        """The alarm that was selected before, where the selection has moved by itself since.

        Because that alarm is over; or, less than `LOOK_NS` before `now_ns`, to a worse one. Told once: whoever asks
        has been warned.
        """
        lost, self._lost = self._lost, None
        drifted, self._drifted = self._drifted, None
        if lost is None and drifted is not None and now_ns is not None and 0 <= now_ns - drifted[1] < LOOK_NS:
            return drifted[0]
        return lost
