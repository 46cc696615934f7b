"""The link of a replica in the words of the status bar: the worst of its own link and the owner's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cubesat_tui.owner_watch import MONITOR_DOWN
from telemetry.links.link import BACKFILL, CONNECTING, DOWN, LIVE, REFUSED, STALE

if TYPE_CHECKING:
    from cubesat_tui.owner_watch import OwnerWatch
    from telemetry.links.link import LinkReport


def link_words(own: LinkReport, owner: OwnerWatch, name: str) -> tuple[str, str]:
    """(state, detail) for the heartbeat; an empty detail stands for the name of the link.

    What keeps everything away comes first, then that nobody monitors, then what is not here yet; where all that is
    well, the link is what the owner's own link is.
    """
    if own.state in (REFUSED, DOWN):
        return own.state, own.detail or name
    if owner.silent:
        if owner.report is None:
            return MONITOR_DOWN, "no owner has reported"
        return MONITOR_DOWN, f"owner silent {_short(owner.silent_s)}"
    if own.state in (CONNECTING, BACKFILL, STALE):
        return own.state, own.detail or name
    if owner.report is None:
        return CONNECTING, "no owner has reported yet"
    state, detail = owner.report.link, owner.report.detail
    return (state, "") if state == LIVE else (state, f"owner: {detail}" if detail else "at the owner")


def _short(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (120, "min")):
        if seconds >= size:
            return f"{int(seconds // (60 if size == 120 else size))} {unit}"
    return f"{int(seconds)} s"
