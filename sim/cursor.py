"""Where a simulator stands, as the text that is stored with its frames."""

from __future__ import annotations

import base64
import math

import msgspec
import numpy as np

from sim.catalogue import Fault
from sim.state import STATE_FIELDS, State


class Cursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything needed to go on as if it had never stopped."""

    seed: int
    scenario: str
    first_start: int
    boot: int
    next: int
    """UTC second that is flown next."""
    seq: dict[str, int]
    state: dict[str, str]
    """Satellite -> its state, `packed`."""
    held: dict[str, dict[str, float]] = {}
    """Bus -> what its plan of faults remembers."""
    given: tuple[Fault, ...] = ()
    """Faults given by hand that may still act."""
    sent: int = 0
    """What arrives before this UTC second was sent already: packets are on their way that were made before it."""


def packed(state: State[float]) -> str:
    """The state's numbers, little-endian doubles, as base64: exact, and a third of their decimal digits."""
    return base64.b64encode(np.array(state.as_list(), dtype="<f8").tobytes()).decode()


def unpacked(text: str) -> State[float]:
    """Read `packed` back.

    Raises:
        ValueError: that is no state.
    """
    values = np.frombuffer(base64.b64decode(text, validate=True), dtype="<f8").tolist()
    if len(values) != len(STATE_FIELDS) or not all(map(math.isfinite, values)):
        raise ValueError(f"a state has {len(STATE_FIELDS)} finite values")
    return State.from_list(values)


def written(cursor: Cursor) -> str:
    """`cursor` as text."""
    return msgspec.json.encode(cursor).decode()


def read(text: str) -> Cursor:
    """Read `written` back.

    Raises:
        ValueError: that is no cursor of the simulator.
    """
    try:
        cursor = msgspec.json.decode(text, type=Cursor)
        for state in cursor.state.values():
            unpacked(state)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ValueError(f"cursor of the simulator cannot be read: {error}") from None
    return cursor
