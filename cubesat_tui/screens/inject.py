"""Break something by hand: what, on what, how much and for how long, then once more yes or no."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Resize
from textual.widgets import Input

from cubesat_tui import messages
from cubesat_tui.drawing.inject_rows import (
    ALL,
    RUNNING,
    Item,
    about,
    channel_items,
    fields_of,
    keys_row,
    kind_items,
    list_rows,
    said_rows,
    target_items,
)
from cubesat_tui.drawing.rows import EMPTY, Row, row
from cubesat_tui.screens.dialog import Dialog, Line
from cubesat_tui.screens.mission_screen import WIDE
from cubesat_tui.widgets.lines import Lines
from sim.catalogue import KINDS, Fault, FaultRefused, Kind
from sim.injection import Wish, fault_of, seconds_text, sentence, usual_target, wish_in_words
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot

Step = Literal["kind", "target", "form", "sure"]
CHROME = 6
"""Rows of the box that are not the list: its border, a blank row, two of explanation, one of keys."""
NAME_SIZE = 16
CHANNEL_NAME_SIZE = 22


def why_not(snapshot: Snapshot | None, *, read_only: bool) -> str:
    """Why nothing can be broken from this console, in a sentence; empty where it can."""
    if read_only:
        return "This console is read-only: nothing can be broken from here."
    if snapshot is None:
        return "Nothing is known of the station yet."
    if not snapshot.mission.simulated:
        kind = snapshot.mission.source.kind
        return f"Only the simulator can be broken: the source of {plain_text(snapshot.satellite, 40)} is {kind}."
    if snapshot.link.state == "DOWN":
        return "No station is running: there is nothing to break."
    return ""


class InjectDialog(Dialog[None]):
    """Posts `FaultRequested` once the operator has confirmed; the station decides."""

    AUTO_FOCUS: ClassVar[str | None] = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,tab", "move(1)", show=False, priority=True),
        Binding("up,shift+tab", "move(-1)", show=False, priority=True),
        Binding("pagedown", "move(10)", show=False, priority=True),
        Binding("pageup", "move(-10)", show=False, priority=True),
        Binding("j", "letter(1)", show=False, priority=True),
        Binding("k", "letter(-1)", show=False, priority=True),
        Binding("slash", "find", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    InjectDialog #box { width: 78; border-subtitle-color: $dim; }
    InjectDialog.wide #box { width: 100; }
    InjectDialog #foot { margin-top: 1; }
    InjectDialog .field { height: 1; display: none; }
    InjectDialog .field Lines { width: 10; height: 1; }
    InjectDialog .field .hint { width: 1fr; }
    InjectDialog Input { width: 18; }
    InjectDialog #find { width: 1fr; display: none; }
    InjectDialog.form #list { display: none; }
    InjectDialog.form .field.used { display: block; }
    """
    FIELDS: ClassVar[dict[str, str]] = {"size": "Size", "lasts": "Lasts", "later": "Begins in", "how": "How"}

    def __init__(self, snapshot: Snapshot) -> None:
        """`snapshot`: of the satellite that is to be broken."""
        super().__init__()
        self._snapshot = snapshot
        self._satellite = snapshot.satellite
        self._channels = snapshot.mission.bus_of(snapshot.satellite).by_name
        self._step: Step = "kind"
        self._cursors: dict[Step, int] = {"kind": 0, "target": 0}
        self._kind: Kind | None = None
        self._target = ""
        self._ending: Mapping[str, Any] | None = None
        self._error = ""
        self._wish: Wish | None = None
        self._injected = tuple(snapshot.health.get("injected") or ())

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Lines(id="list")
            hint = "part of a name; arrows choose, enter takes it"
            yield Line(placeholder=hint, id="find", select_on_focus=True)
            for name, word in self.FIELDS.items():
                with Horizontal(classes="field", id=f"field-{name}"):
                    yield _Fixed((row((word, "label")),))
                    yield Line(id=name, select_on_focus=True)
                    yield Lines(id=f"hint-{name}", classes="hint")
            yield Lines(id="foot")

    def on_mount(self) -> None:
        self._lay()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # Where there is a line to type into, a letter is a letter.
        return not (action in ("letter", "find") and isinstance(self.focused, Input))

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width >= WIDE[0] and event.size.height >= WIDE[1], "wide")
        self.call_after_refresh(self._lay)

    def _items(self) -> list[Item]:
        words = self.query_one("#find", Input).value if self.has_class("finding") else ""
        items = self._kinds() if self._step == "kind" else self._targets()
        return [item for item in items if item.matches(words)]

    def _kinds(self) -> list[Item]:
        return kind_items(self._injected)

    def _targets(self) -> list[Item]:
        assert self._kind is not None
        if self._kind.targets == ("channel",):
            return channel_items(self._channels, self._snapshot.channels, self.console_app.signs)
        return target_items(self._kind)

    def _label(self, target: str) -> str:
        channel = self._channels.get(target)
        return plain_text(channel.label, 60) if channel is not None else ""

    def _lay(self) -> None:
        """Draw the step there is."""
        if not self.is_mounted:
            return
        box = self.query_one("#box", Vertical)
        kind = self._kind
        form = self._step in ("form", "sure")
        self.set_class(form, "form")
        ending = self._step == "sure" and self._ending is not None
        what = "" if kind is None or self._step == "kind" or ending else f": {kind.name}"
        self.entitle(f"BREAK SOMETHING ON {self._satellite}{what}")
        foot = self._foot(self.width_of_box(72))
        if form:
            box.border_subtitle = None
        else:
            items = self._items()
            cursor = self._cursors[self._step] = max(0, min(self._cursors[self._step], len(items) - 1))
            box.border_subtitle = Content(f"{cursor + 1} of {len(items)}" if items else "")
            size = box.content_size.width or 72
            room = max(3, self.size.height - CHROME - self.has_class("finding"))
            groups = len({item.group for item in items if item.group})
            height = min(room, max(1, len(items)) + groups)
            names = NAME_SIZE if self._step == "kind" else CHANNEL_NAME_SIZE
            names = min(names, max((len(item.name) for item in items), default=8))
            self.query_one("#list", Lines).draw(
                list_rows(items, cursor, size, height, names, self.console_app.signs)
            )
        self.query_one("#foot", Lines).draw(foot)

    def _foot(self, size: int) -> list[Row]:
        """What the choice means, and the keys of this step."""
        find = () if self.has_class("finding") else (("/", "find"),)
        match self._step:
            case "kind":
                items = self._items()
                here = items[self._cursors["kind"]] if self._cursors["kind"] < len(items) else None
                said = said_rows(about(here), size)[:2] if here is not None else []
                return [*_two(said), keys_row(("↑ ↓", "choose"), ("enter", "take it"), *find, ("esc", "close"))]
            case "target":
                assert self._kind is not None
                said = said_rows(f"{self._kind.name}: {self._kind.about}; on what?", size)[:2]
                return [*_two(said), keys_row(("↑ ↓", "choose"), ("enter", "take it"), *find, ("esc", "back"))]
            case "form":
                said, style = (self._error, "warning") if self._error else (self._sentence(), "value")
                return [
                    *_two(said_rows(said, size, style)[:2]),
                    keys_row(("tab", "next field"), ("enter", "do this"), ("esc", "back")),
                ]
            case "sure":
                if self._ending is not None:
                    name = str(self._ending["id"])
                    what = "all injected faults" if not name else plain_text(str(self._ending["text"]), 200)
                    said = f"End {what} now?"
                else:
                    said = f"{self._sentence()} on {self._satellite}, which is simulated. Sure?"
                return [
                    *_two(said_rows(said, size, "warning")[:2]),
                    keys_row(("enter", "yes, do it"), ("esc", "no, back")),
                ]

    def _sentence(self) -> str:
        fault = self._fault()
        if fault is None or self._wish is None:
            return ""
        later = f", in {seconds_text(self._wish.in_s)}" if self._wish.in_s else ""
        return plain_text(f"{sentence(fault, self._label(fault.target))}{later}", 300)

    def _fault(self) -> Fault | None:
        """What the form says, or None with `_error` set."""
        assert self._kind is not None
        texts = {name: self.query_one(f"#{name}", Input).value for name in self.FIELDS}
        try:
            self._wish = wish_in_words(self._kind.name, self._satellite, self._target, **texts)
            fault = fault_of(
                self._wish, "", self._snapshot.now_ns // 1_000_000_000, tuple(self._channels), (self._satellite,)
            )
        except FaultRefused as error:
            self._error = plain_text(str(error), 200)
            return None
        self._error = ""
        return fault

    def action_move(self, step: int) -> None:
        if self._step in ("kind", "target"):
            self._cursors[self._step] += step
            self._lay()
        elif self._step == "form":
            self.focus_next() if step > 0 else self.focus_previous()

    def action_letter(self, step: int) -> None:
        self.action_move(step)

    def action_find(self) -> None:
        if self._step in ("kind", "target"):
            self.add_class("finding")
            find = self.query_one("#find", Input)
            # At once: the next keys of a fast typist belong to this line.
            find.display = True
            self.set_focus(find)
            self._lay()

    def enter(self) -> None:
        match self._step:
            case "kind":
                self._take_kind()
            case "target":
                self._take_target()
            case "form":
                if self._fault() is not None:
                    self._go("sure")
                else:
                    self._lay()
            case "sure":
                self._ask()

    def action_back(self) -> None:
        if self.has_class("finding"):
            self._end_find()
            self._lay()
            return
        match self._step:
            case "kind":
                self.dismiss()
            case "target":
                self._go("kind")
            case "form":
                self._go("kind" if self._kind is not None and _only_target(self._kind) else "target")
            case "sure":
                self._go("kind" if self._ending is not None else "form")
                self._ending = None

    def _take_kind(self) -> None:
        items = self._items()
        if not items:
            return
        item = items[self._cursors["kind"]]
        self._keep_place(self._kinds(), item)
        if item.group == RUNNING:
            number = "" if item.name == ALL else item.name
            self._ending = {"id": number, "text": item.text}
            self._go("sure")
            return
        self._kind = kind = KINDS[item.name]
        only = _only_target(kind)
        if only:
            self._open_form(only)
        else:
            self._cursors["target"] = 0
            self._go("target")

    def _take_target(self) -> None:
        items = self._items()
        if not items or self._kind is None:
            return
        item = items[self._cursors["target"]]
        self._keep_place(self._targets(), item)
        self._open_form(item.text if self._kind.targets == ("channel",) else item.name)

    def _keep_place(self, items: Sequence[Item], item: Item) -> None:
        """The cursor stands on the same line when the list is shown again without its filter."""
        self._end_find()
        self._cursors[self._step] = items.index(item)

    def _open_form(self, target: str) -> None:
        assert self._kind is not None
        kind, self._target = self._kind, target
        for name, field in fields_of(kind).items():
            self.query_one(f"#field-{name}").set_class(field is not None, "used")
            value, hint = field or ("", "")
            with self.prevent(Input.Changed):
                self.query_one(f"#{name}", Input).value = value
            self.query_one(f"#hint-{name}", Lines).draw((row((hint, "dim")),))
        self._fault()
        self._go("form")

    def _go(self, step: Step) -> None:
        self._step = step
        self._end_find()
        self.set_class(step in ("form", "sure"), "form")
        for field in self.query(".field"):
            field.disabled = step == "sure"
        if step == "sure" and self._ending is not None:
            self.query(".field").remove_class("used")
        if step == "form":
            first = "size" if self.query_one("#field-size").has_class("used") else "lasts"
            self.set_focus(self.query_one(f"#{first}", Input))
        else:
            self.set_focus(None)
        self._lay()

    def _end_find(self) -> None:
        self.remove_class("finding")
        self.set_focus(None)
        find = self.query_one("#find", Input)
        find.display = False
        with self.prevent(Input.Changed):
            find.value = ""

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self._step == "form":
            self._fault()
        elif event.input.id == "find":
            self._cursors[self._step] = 0
        self._lay()

    def _ask(self) -> None:
        if self._ending is not None:
            body: dict[str, Any] = {"clear": self._ending["id"]}
        else:
            assert self._wish is not None
            body = msgspec.to_builtins(self._wish)
        self.console_app.post_message(messages.FaultRequested(body))
        self.dismiss()


class _Fixed(Lines):
    """Rows that do not change."""

    def __init__(self, rows: tuple[Row, ...]) -> None:
        super().__init__()
        self.rows = rows


def _only_target(kind: Kind) -> str:
    """The target of a kind that leaves no choice."""
    return usual_target(kind) if len(kind.targets) == 1 else ""


def _two(rows: Sequence[Row]) -> list[Row]:
    """Exactly two rows, so that nothing moves when the cursor does."""
    return [*rows[:2], *[EMPTY] * (2 - len(rows))]
