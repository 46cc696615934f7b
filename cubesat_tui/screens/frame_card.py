"""One frame in full: every value as it was sent, both times, and what the model says about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from cubesat_tui.drawing.cluster_lines import label_of, verdict_at, wrapped
from cubesat_tui.drawing.ledger_cells import channel_span, quality_text, state_span
from cubesat_tui.drawing.rows import Row, left, right, row
from cubesat_tui.drawing.signs import UNICODE, SignSet, unit
from cubesat_tui.drawing.why import contributions, shown_units
from cubesat_tui.screens.reading_card import ReadingCard
from cubesat_tui.widgets.card import Card
from telemetry.clock import iso

if TYPE_CHECKING:
    from telemetry.alarms import Event
    from telemetry.dictionary import Mission
    from telemetry.store.rows import LedgerRow

WIDTH = 76


class FrameCard(ReadingCard):
    """Scrolls with the arrows; any of esc, enter and q closes it."""

    DEFAULT_CSS = "FrameCard { align: center middle; background: $background 60%; }"

    def __init__(
        self, stored: LedgerRow, context: Mapping[str, float], mission: Mission, events: Sequence[Event]
    ) -> None:
        """`context`: values of the context channels that held, for the limits; `events` newest first."""
        super().__init__()
        self._stored = stored
        self._held = context
        self._mission = mission
        self._events = events

    def compose(self) -> ComposeResult:
        signs: SignSet = getattr(self.app, "signs", UNICODE)
        stored = self._stored
        title = f"FRAME {stored.satellite} {stored.layout.packet} {stored.boot}/{stored.seq}"
        yield Card(title, frame_rows(stored, self._held, self._mission, self._events, signs), WIDTH)


def frame_rows(
    stored: LedgerRow,
    context: Mapping[str, float],
    mission: Mission,
    events: Sequence[Event],
    signs: SignSet = UNICODE,
) -> tuple[Row, ...]:
    """Times and place, the model's opinion with its reasons, then every value in the order of the packet."""
    bus = mission.bus_of(stored.satellite)
    lines: list[Row] = [
        _pair("generated", iso(stored.t_ns)),
        _pair("received", f"{iso(stored.received_ns)}  {(stored.received_ns - stored.t_ns) / 1e9:+.3f} s"),
        _pair("quality", quality_text(stored.quality)),
        _pair("place", f"row {stored.id} of the ledger, boot {stored.boot}, sequence {stored.seq}"),
    ]
    if stored.model is None or stored.score is None:
        lines.append(_pair("model", "not judged: no model was live, or none judges this packet"))
    else:
        text, style = state_span(stored, signs)
        chance = "" if stored.p is None else f"  p {stored.p:.3g}"
        said = f"  score {stored.score:.4f}{chance}  model v{stored.model}"
        lines.append(row((left(" model", 12), "label"), (text.strip(), style), (said, "plain")))
    if (stored.state or 0) >= 2:
        body = verdict_at(events, stored.t_ns)
        if body is not None:
            lines += [
                _pair("why" if i == 0 else "", line)
                for i, line in enumerate(wrapped(shown_units(str(body.get("text", "")), signs), 60))
            ]
            lines += [
                _pair("", f"{left(label_of(bus, str(part['channel'])), 24)} {float(part['share']) * 100:3.0f} %")
                for part in contributions(body)
                if "share" in part
            ]
        else:
            lines.append(_pair("why", "its alarm is older than the events at hand: see Events"))
    held = {
        **context,
        **{n: float(v) for n, v in zip(stored.layout.names, stored.values, strict=True) if n in bus.context},
    }
    lines += [(), row((left(" channel", 36), "title"), (right("value", 14), "title"))]
    for channel in bus.channels_of(stored.layout):
        text, style = channel_span(channel, stored, held, signs)
        lines.append(
            row(
                (" " + left(channel.label, 22), "plain"),
                (left(channel.name, 13), "dim"),
                (right(text, 14), "value" if style == "plain" else style),
                (f" {unit(channel.unit, signs)}", "label"),
            )
        )
    return tuple(lines)


def _pair(word: str, text: str) -> Row:
    return row((left(f" {word}", 12), "label"), (text, "plain"))
