"""Where a simulator stands, as the text that is stored with its frames."""

from __future__ import annotations

import base64
import math

import msgspec
import numpy as np

from sim.catalogue import Fault
from sim.state import STATE_FIELDS, State


class Stretch(msgspec.Struct, omit_defaults=True):
    """What a satellite has recorded in one boot and not sent down yet: where to fly from to make it again."""

    boot: int
    next: int
    """UTC second of the first that was not sent down."""
    seq: int
    """Number of that second's first packet."""
    state: str
    held: dict[str, float] = {}
    until: int | None = None
    """Second in which the boot ended; None: it is recording."""


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
    record: dict[str, list[Stretch]] = {}
    """Satellite -> what waits on board for a pass, oldest first."""
    since: dict[str, int] = {}
    """Satellite -> UTC second in which its present contact began."""


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
        recorded = (stretch.state for stretches in cursor.record.values() for stretch in stretches)
        for state in (*cursor.state.values(), *recorded):
            unpacked(state)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ValueError(f"cursor of the simulator cannot be read: {error}") from None
    return cursor
