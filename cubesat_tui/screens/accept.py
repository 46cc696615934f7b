"""Accept as nominal: which channels, over which time, and why; the next fit learns it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from cubesat_tui import messages
from cubesat_tui.drawing.inject_rows import keys_row, said_rows
from cubesat_tui.drawing.rows import EMPTY, Row, row
from cubesat_tui.drawing.why import alarm_label
from cubesat_tui.faults_by_hand import Refused
from cubesat_tui.nominal import LEAST_REASON, Nominal, checked, of_alarm, sentence
from cubesat_tui.widgets.lines import Lines
from telemetry.clock import NS_PER_S, iso, parse_iso
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from cubesat_tui.app import ConsoleApp
    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Alarm

ABOUT = (
    "These rows leave quarantine and are learned with the next fit; what looks like them is no anomaly then."
    " Hard limits are never learned. This cannot be undone."
)


class AcceptDialog(ModalScreen[None]):
    """Posts `AcceptRequested`; the station decides."""

    AUTO_FOCUS = "#reason"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "accept", show=False, priority=True),
        Binding("escape", "close", show=False, priority=True),
        Binding("down,tab", "app.focus_next", show=False, priority=True),
        Binding("up,shift+tab", "app.focus_previous", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    AcceptDialog { align: center middle; background: $background 60%; }
    AcceptDialog #box { width: 78; max-width: 100%; height: auto; max-height: 100%; padding: 0 1;
        background: $panel; border: round $line; border-title-color: $accent; border-title-style: bold; }
    AcceptDialog.ascii #box { border: ascii $line; }
    AcceptDialog #about { margin-bottom: 1; }
    AcceptDialog #foot { margin-top: 1; }
    AcceptDialog .field { height: 1; }
    AcceptDialog .field Lines { width: 10; height: 1; }
    AcceptDialog Input { width: 1fr; height: 1; border: none; padding: 0 1; background: $cursor; }
    AcceptDialog Input:focus { border: none; }
    """
    FIELDS: ClassVar[dict[str, str]] = {"channels": "Channels", "from": "From", "to": "To", "reason": "Reason"}

    def __init__(self, snapshot: Snapshot, alarm: Alarm) -> None:
        """`alarm`: the anomaly that is to be accepted; channels and span are its own to begin with."""
        super().__init__()
        self._snapshot = snapshot
        self._label = alarm_label(alarm, snapshot)
        self._first = of_alarm(alarm, snapshot.now_ns)
        self._said = ""
        self._wish: Nominal | None = None

    @property
    def _owner(self) -> ConsoleApp:
        return cast("ConsoleApp", self.app)

    def compose(self) -> ComposeResult:
        values = {
            "channels": " ".join(self._first.channels),
            "from": iso(self._first.t0_ns // NS_PER_S * NS_PER_S),
            "to": iso(-(-self._first.t1_ns // NS_PER_S) * NS_PER_S),
            "reason": "",
        }
        with Vertical(id="box"):
            yield Lines(id="about")
            for name, word in self.FIELDS.items():
                with Horizontal(classes="field"):
                    head = Lines()
                    head.rows = (row((word, "label")),)
                    yield head
                    field = Input(plain_text(values[name], 1000), id=name, select_on_focus=False)
                    field.cursor_blink = False
                    yield field
            yield Lines(id="foot")

    def on_mount(self) -> None:
        self.set_class(self._owner.signs.ascii, "ascii")
        box = self.query_one("#box", Vertical)
        box.border_title = Content(f"ACCEPT AS NOMINAL: {plain_text(self._label, 40)}")
        self.call_after_refresh(self._lay)

    def on_resize(self) -> None:
        self.call_after_refresh(self._lay)

    def _lay(self) -> None:
        if not self.is_mounted:
            return
        size = max(20, self.query_one("#box", Vertical).content_size.width or 72)
        self.query_one("#about", Lines).draw(said_rows(ABOUT, size)[:3])
        self._wish, self._said = self._read()
        reason = self.query_one("#reason", Input).value.strip()
        if self._wish is not None:
            text, style = sentence(self._wish, self._snapshot.mission), "value"
        elif len(reason) < LEAST_REASON:
            text, style = f"A reason of at least {LEAST_REASON} letters: the audit will say it.", "label"
        else:
            text, style = self._said, "warning"
        said: list[Row] = list(said_rows(plain_text(text, 300), size, style)[:2])
        said += [EMPTY] * (2 - len(said))
        keys = keys_row(("tab", "next field"), ("enter", "accept it"), ("esc", "leave it"))
        self.query_one("#foot", Lines).draw((*said, keys))

    def _read(self) -> tuple[Nominal | None, str]:
        """What the fields say, or why it cannot be."""
        texts = {name: self.query_one(f"#{name}", Input).value.strip() for name in self.FIELDS}
        try:
            wish = msgspec.structs.replace(
                self._first,
                reason=texts["reason"],
                channels=tuple(texts["channels"].replace(",", " ").split()),
                t0_ns=parse_iso(texts["from"]),
                t1_ns=parse_iso(texts["to"]),
            )
            return checked(wish, self._snapshot.mission, self._snapshot.now_ns), ""
        except (Refused, ValueError) as error:
            return None, str(error)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._lay()

    def action_accept(self) -> None:
        # Behind the keys that are on their way to the field: who types ahead means the whole reason.
        (self.focused or self).call_later(self._accept)

    def _accept(self) -> None:
        if not self.is_current:
            return
        self._lay()
        if self._wish is None:
            self.notify(plain_text(self._said, 200), severity="warning", markup=False, timeout=4)
            return
        self._owner.post_message(messages.AcceptRequested(msgspec.to_builtins(self._wish)))
        self.dismiss()

    def action_close(self) -> None:
        self.dismiss()
