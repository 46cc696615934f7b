"""The card of a first start. It names only keys that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from cubesat_tui.drawing.rows import Row, left, row, spread
from cubesat_tui.drawing.signs import SIGNS, SignSet
from cubesat_tui.keymap import INJECT, exists
from cubesat_tui.screens.modal import Modal
from cubesat_tui.widgets.card import Card
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from cubesat_tui.app import ConsoleApp
    from cubesat_tui.snapshot import Snapshot

SIZE = 74
_PLACES = (
    (("mode.events", "5", "Events    what needs you, why, what to do"), ("events.ack", "a", "acknowledge")),
    (("mode.clusters", "2", "Clusters  where the model sees it"), ("anomaly.next", "n", "next anomaly")),
    (("mode.ledger", "4", "Ledger    every frame ever stored"), ("ledger.export", "e", "export to CSV")),
    ((INJECT, "f", "break something yourself"), ("keys", "?", "keys and signs")),
)


def welcome_rows(
    satellite: str, simulated: bool, scenario: str, operator: str, signs: SignSet, inner: int = SIZE - 2
) -> list[Row]:
    """The card's text. Only `scenario` "hello" promises a fault within the minute."""
    rows: list[Row] = []
    if simulated:
        rows.append(
            row(
                " You are looking at ",
                (satellite, "value"),
                ", a ",
                ("SIMULATED", "value"),
                " satellite. No real one is",
            )
        )
        rows.append(row(" connected. The model is learning what is usual for it."))
    else:
        rows.append(row(" You are looking at ", (satellite, "value"), ". Frames are shown as they are received."))
    rows.append(())
    if simulated and scenario == "hello":
        rows.append(row((" In the next minute something will go wrong. Find it:", "title")))
    elif simulated and scenario != "quiet":
        rows.append(row((f" Scenario {plain_text(scenario, 40)}. See what happens:", "title")))
    for left_act, right_act in _PLACES:
        cells: Row = ()
        if exists(left_act[0]) and (simulated or left_act[0] != INJECT):
            cells = row((f"   {left_act[1]}  ", "key"), left(left_act[2], 44))
        if exists(right_act[0]):
            cells = (*(cells or row(" " * 50)), *row((f"{right_act[1]}  ", "key"), right_act[2]))
        if cells:
            rows.append(cells)
    rows += [
        (),
        row(
            " ",
            *(
                (f"{signs.glyph(k)} {t}  ", SIGNS[k].style)
                for k, t in (("critical", "critical"), ("warning", "warning"))
            ),
            (f"{signs.glyph('anomaly')} anomaly (a model's opinion)  ", "anomaly"),
            (f"{signs.glyph('expired')} old value", "dim"),
        ),
        row(
            (" All times are UTC. Your name in the log: ", "label"),
            (operator, "value"),
            (" (change: --operator)", "label"),
        ),
        row((" Own data: cubesat-tui replay FILE --map MAP.toml    docs/your-own.md", "label")),
        spread((), row(("any key to start ", "value")), inner),
    ]
    return rows


class WelcomeCard(Modal[None]):
    """Telemetry moves behind it; the first key closes it, and a key of a mode also goes there."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,space", "close", show=False)]
    DEFAULT_CSS = "WelcomeCard { align: center middle; background: $background 40%; }"

    @property
    def _owner(self) -> ConsoleApp:
        return cast("ConsoleApp", self.app)

    def compose(self) -> ComposeResult:
        yield Card("WELCOME TO CUBESAT-TUI", self._rows(None), SIZE)

    def on_mount(self) -> None:
        self.watch(self.app, "snapshot", self._follow)

    def _follow(self, snapshot: Snapshot | None) -> None:
        if snapshot is not None:
            self.query_one(Card).replace("WELCOME TO CUBESAT-TUI", self._rows(snapshot))

    def _rows(self, snapshot: Snapshot | None) -> list[Row]:
        satellite, simulated, scenario = "a satellite", False, "quiet"
        if snapshot is not None:
            satellite, simulated = snapshot.satellite, snapshot.simulated
            scenario = str(snapshot.health.get("scenario") or snapshot.mission.source.scenario)
        return welcome_rows(satellite, simulated, scenario, self._owner.operator, self._owner.signs)

    def on_key(self, event: events.Key) -> None:
        # Not stopped: `5` closes the card and goes to Events in one press, as its lines promise.
        if event.key not in ("ctrl+c", "ctrl+q"):
            self.dismiss(None)

    def action_close(self) -> None:
        self.dismiss(None)
