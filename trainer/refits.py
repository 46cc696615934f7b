"""Which channels are due for a refit, and why: enough newly accepted rows, a new mode, or an operator's act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from trainer.acceptances import Acceptance, Release

if TYPE_CHECKING:
    from trainer.rows import StoredRows
    from trainer.served import Scorer

NEW_ROWS = 500
"""Newly accepted rows of a packet that make its channels due, at least."""

NEW_PART = 20
"""And at least one in so many of the packet's rows in the window: less teaches nothing new."""

TOGETHER = 50
"""Where one packet has enough, those that have one in so many of what they need come along: one gate for all, and
what is seen where holds for all of them."""

NEW_MODE_ROWS = 60
"""Rows in a mode the champion does not know that make all channels due."""

GROWN = 1.5
"""A window so much longer than the champion's teaches every channel something."""

Act = Acceptance | Release


@dataclass(frozen=True)
class Due:
    """What is to be fitted."""

    wanted: bool
    """There is a reason to fit."""
    channels: tuple[str, ...] | None
    """None: all of them, in one piece."""
    packets: tuple[str, ...]
    """Packets whose channels are among them because of their new rows."""
    new_rows: int
    """Newly accepted rows of the packet that has most."""
    reason: str
    acts: tuple[Act, ...] = ()
    """What operators declared nominal and no champion knows."""


@dataclass(slots=True)
class Tried:
    """What a satellite has had a challenger for, promoted or not: it is not due again for the same."""

    act: int = 0
    """Newest journal row of an operator's act."""
    rows: dict[str, int] = field(default_factory=dict[str, int])
    """Packet -> newest row its channels were fitted to; where it is not there, the champion's."""
    modes: set[str] = field(default_factory=set[str])
    refused: tuple[Act, ...] = ()
    """Acts whose challenger the gate rejected: the next refit, whatever it is due for, takes them up again."""


def due_now(rows: StoredRows, champion: Scorer | None, tried: Tried, *, force: bool) -> Due:
    """What is due.

    Args:
        rows: what could be learned from.
        champion: the model that serves.
        tried: what had its challenger.
        force: fit everything, whatever there is.
    """
    packets = rows.packets
    if champion is None:
        return Due(True, None, packets, rows.accepted_after(0), "first model")
    known = champion.manifest.window.last_id
    new = {packet: rows.new_rows(packet, tried.rows.get(packet, known)) for packet in packets}
    most = max(new.values(), default=0)
    all_new = max((rows.new_rows(packet, known) for packet in packets), default=0)
    since = f"{all_new} newly accepted rows since v{champion.version}"
    acts = rows.acts.after(tried.act)
    need = {packet: max(NEW_ROWS, rows.rows_of(packet) // NEW_PART) for packet in packets}
    enough = any(count >= need[packet] for packet, count in new.items())
    busy = tuple(packet for packet, count in new.items() if enough and count * TOGETHER >= need[packet])
    wants = next((need[packet] for packet in packets if new[packet] == most), NEW_ROWS)
    waiting = f"{most} newly accepted rows, a fit wants {wants}"
    asked = (*tried.refused, *acts)
    if (busy or acts) and any(isinstance(act, Release) for act in asked):
        return Due(True, None, packets, most, since, asked)
    mode = _new_mode(rows, champion, known)
    if mode and mode not in tried.modes:
        tried.modes.add(mode)
        return Due(True, None, packets, most, mode, asked)
    if busy and (rows.count > GROWN * champion.manifest.window.rows or force):
        return Due(True, None, packets, most, since, asked)
    if busy or acts:
        judged = {name for packet in busy for name in _channels(champion, packet)}
        judged |= {name for act in asked if isinstance(act, Acceptance) for name in act.channels}
        every = [name for packet in champion.packets for name in _channels(champion, packet)]
        # A channel no model judges yet may be one now.
        channels = tuple(name for name in every if name in judged) or None
        return Due(True, channels, busy, most, since, asked)
    if force:
        return Due(False, None, packets, most, waiting)
    return Due(False, (), (), most, waiting)


def excused(acts: Sequence[Act]) -> frozenset[str]:
    """Channels an operator has just declared nominal: the model that learns it is blinder there, as was asked."""
    return frozenset(name for act in acts if isinstance(act, Acceptance) for name in act.channels)


def _channels(champion: Scorer, packet: str) -> tuple[str, ...]:
    model = champion.packets.get(packet)
    return () if model is None else model.channels


def _new_mode(rows: StoredRows, champion: Scorer, known: int) -> str:
    """A sentence about a context code the champion does not know; empty where there is none."""
    keys = champion.keys
    for i, name in enumerate(champion.manifest.context):
        for code, count in rows.codes_after(name, known).items():
            if count >= NEW_MODE_ROWS and not np.any(keys[:, i] == code):
                return f"{name} {code:g} is a mode v{champion.version} does not know"
    return ""
