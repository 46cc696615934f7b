"""Every key the console answers, once: id, keys, action, words. Only acts that exist are here.

Bindings, the keys line, `?` and the welcome card are all made from this table, so none of them can name a key
that does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True, slots=True)
class Key:
    """One act.

    `scope` is "app" or the mode it lives in; `short` is its word on the keys line ("" keeps it off the line),
    `text` its sentence in `?`. `keys` is a comma-separated list in Textual's names; `shown` is how it is printed.
    """

    id: str
    scope: str
    keys: str
    action: str
    shown: str
    short: str
    text: str
    priority: bool = False


KEYS: tuple[Key, ...] = (
    Key("mode.live", "app", "1", "mode('live')", "1", "", "Live: now, worst first"),
    Key("mode.clusters", "app", "2", "mode('clusters')", "2", "", "Clusters: where the model sees each frame"),
    Key("mode.models", "app", "3", "mode('models')", "3", "", "Models: every training run and its decision"),
    Key("mode.ledger", "app", "4", "mode('ledger')", "4", "", "Ledger: every frame ever stored"),
    Key("mode.events", "app", "5", "mode('events')", "5", "", "Events: what needs you, why, what to do"),
    Key("anomaly.next", "app", "n", "next_anomaly(1)", "n", "", "go to the next open anomaly"),
    Key("anomaly.previous", "app", "N", "next_anomaly(-1)", "N", "", "go to the previous open anomaly"),
    Key("pause", "app", "space", "pause", "space", "pause", "the screen stands still; the station does not"),
    Key("theme", "app", "t", "theme", "t", "", "next theme: night, day, high contrast"),
    Key("keys", "app", "question_mark", "keys", "?", "keys", "this card"),
    Key("repaint", "app", "ctrl+l", "repaint", "ctrl+l", "", "paint the whole screen again"),
    Key("quit", "app", "q", "ask_quit", "q", "quit", "leave; asks what becomes of the station"),
    Key("quit.interrupt", "app", "ctrl+c,ctrl+q", "ask_quit", "ctrl+c", "", "the same as q", priority=True),
    Key("live.ack", "live", "a", "acknowledge", "a", "acknowledge", "acknowledge the selected alarm"),
    Key("live.panel", "live", "tab", "panel(1)", "tab", "panel", "next panel"),
    Key("live.panel_back", "live", "shift+tab", "panel(-1)", "shift+tab", "", "previous panel"),
    Key("live.move", "live", "down,j", "move(1)", "↓ j", "", "next row: its trend and its why"),
    Key("live.move_back", "live", "up,k", "move(-1)", "↑ k", "", "previous row"),
    Key("live.inspect", "live", "enter", "inspect", "enter", "inspect", "everything known about the row"),
    Key("live.find", "live", "slash", "find", "/", "find", "find a channel by name or label"),
    Key("live.zoom_in", "live", "left_square_bracket", "zoom(-1)", "[", "", "trend: shorter span"),
    Key("live.zoom_out", "live", "right_square_bracket", "zoom(1)", "]", "", "trend: longer span"),
    Key("live.pan_back", "live", "less_than_sign", "pan(-1)", "<", "", "trend: earlier"),
    Key("live.pan_on", "live", "greater_than_sign", "pan(1)", ">", "", "trend: later, until now"),
    Key("live.copy", "live", "y", "copy", "y", "", "copy the row as text"),
    Key("live.back", "live", "escape", "back", "esc", "", "back to now, back to the first alarm"),
    Key("events.ack", "events", "a", "acknowledge", "a", "ack", "acknowledge the selected alarm"),
    Key("events.ack_shown", "events", "A", "acknowledge_shown", "A", "ack shown", "acknowledge every alarm shown"),
    Key("events.move", "events", "down,j", "move(1)", "↓ j", "", "next row"),
    Key("events.move_back", "events", "up,k", "move(-1)", "↑ k", "", "previous row"),
    Key("events.page", "events", "pagedown", "move(10)", "pgdn", "", "ten rows on"),
    Key("events.page_back", "events", "pageup", "move(-10)", "pgup", "", "ten rows back"),
    Key("events.tab", "events", "tab", "tab", "tab", "open/all", "open alarms, or all events"),
    Key("events.find", "events", "slash", "find", "/", "search", "search in the list"),
    Key("events.why", "events", "enter", "why", "enter", "why", "the whole why, what led to it, what to do"),
    Key("events.jump", "events", "g", "jump", "g", "go there", "go to that moment on Live"),
    Key("events.copy", "events", "y", "copy", "y", "", "copy the row as text"),
    Key("events.back", "events", "escape", "back", "esc", "", "end the search, back to the open alarms"),
)


def bindings(scope: str, keys: Iterable[Key] = KEYS) -> list[BindingType]:
    """The Textual bindings of a scope; ids let a key map be remapped."""
    return [
        Binding(key.keys, key.action, key.text, show=False, id=f"{key.id}", priority=key.priority)
        for key in keys
        if key.scope == scope
    ]


def keys_line(scope: str) -> tuple[tuple[str, str], ...]:
    """(key, word) pairs of the bottom line: those of the screen first, then those of the app."""
    own = [(k.shown, k.short) for k in KEYS if k.scope == scope and k.short]
    return (*own, *((k.shown, k.short) for k in KEYS if k.scope == "app" and k.short))


def exists(key_id: str) -> bool:
    """Whether an act is bound."""
    return any(key.id == key_id for key in KEYS)
