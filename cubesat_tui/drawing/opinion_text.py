"""What the detector thinks, in one line: score and p of the newest row, or why there is none."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cubesat_tui.drawing.numbers import count_text
from cubesat_tui.drawing.rows import Row, Span, row
from cubesat_tui.drawing.signs import SignSet
from cubesat_tui.drawing.why import contributions

if TYPE_CHECKING:
    from collections.abc import Callable

    from cubesat_tui.opinion import Opinion
    from cubesat_tui.snapshot import ModelNow, Snapshot
    from cubesat_tui.usual_here import UsualHere
    from telemetry.alarms import Alarm

THRESHOLD = 0.5
"""A row's score is put on one scale for all channels, on which this is the threshold (`trainer.served`)."""
CONFIRMED = 2


def p_text(p: float, least: float = 0.0) -> str:
    """`p 0.42`; `p < 0.0014` at the least a model can tell."""
    if not math.isfinite(p):
        return "p -"
    return f"p < {least:.2g}" if p <= least * (1 + 1e-9) else f"p {p:.2g}"


def learning_text(model: ModelNow) -> str:
    """`learning 1,200 of 5,730`, while no model scores."""
    if model.learning is None:
        return "no model yet"
    have, need = model.learning
    return f"learning {count_text(have)} of {count_text(need)}"


def opinion_row(
    snapshot: Snapshot, channel: str, found: Opinion | None, usual: UsualHere | None, signs: SignSet
) -> Row:
    """`hk row  score 0.31  p 0.42  v12`: the newest row that carried `channel`.

    Then the contributing channels of the anomaly that it takes part in, or that the row shows, and why no band is
    drawn. Without any of it: that the channel is not judged, or how far the learning is.
    """
    if snapshot.model.version is None:
        return row((learning_text(snapshot.model), "label"))
    if usual is not None and not usual.judged:
        return row((usual.words, "dim"))
    spans: list[Span] = []
    flagged = found is not None and found.state >= CONFIRMED
    packet = packet_of(snapshot, channel)
    if found is None or found.state < 0:
        spans.append(("not judged yet", "dim"))
    else:
        sign = f"{signs.glyph('anomaly')} " if flagged else ""
        p = p_text(found.p, usual.least_p if usual is not None else 0.0)
        style = "anomaly" if found.score > THRESHOLD else "value"
        spans += [(f"{packet} row  " if packet else "", "label")]
        spans += [(f"{sign}score {found.score:.2f}", style), (f"  {p}  v{found.model}", "label")]
    parts = running_parts(snapshot, lambda alarm: channel in (alarm.channel, *alarm.channels))
    if flagged and not parts:
        parts = running_parts(snapshot, lambda alarm: packet_of(snapshot, alarm.channel) == packet)
    words = usual.words if usual is not None else ""
    if parts:
        # The lead alone where there is more to say.
        spans += [("  ", "plain"), (", ".join(parts[:1] if words else parts), "anomaly")]
    if words:
        spans.append((f"  {words}", "dim"))
    return row(*spans)


def packet_of(snapshot: Snapshot, channel: str) -> str:
    """The packet that carries a channel; empty where none does."""
    packets = snapshot.mission.bus_of(snapshot.satellite).packets
    return next((packet for packet, channels in packets if channel in channels), "")


def running_parts(snapshot: Snapshot, wanted: Callable[[Alarm], bool], most: int = 3) -> list[str]:
    """`Distance S 71 %`, ...: the channels that make up the most urgent running anomaly that is `wanted`."""
    for alarm in snapshot.alarms:
        if alarm.kind == "anomaly" and alarm.active and wanted(alarm):
            bus = snapshot.mission.bus_of(snapshot.satellite)
            named = [
                (str(part["channel"]), float(part["share"]))
                for part in contributions(alarm.body)
                if "channel" in part and isinstance(part.get("share"), int | float)
            ]
            return [
                f"{bus.by_name[name].label or name if name in bus.by_name else name} {share * 100:.0f} %"
                for name, share in named[:most]
            ]
    return []
