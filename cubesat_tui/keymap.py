"""Every key the console answers, once: id, keys, action, words. Only acts that exist are here.

Bindings, the keys line, `?` and the welcome card are all made from this table, so none of them can name a key
that does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from textual.binding import Binding, BindingType


class Key(msgspec.Struct, frozen=True):
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


INJECT = "fault.inject"
KEYS: tuple[Key, ...] = (
    Key("mode.live", "app", "1", "mode('live')", "1", "", "Live: now, worst first"),
    Key("mode.clusters", "app", "2", "mode('clusters')", "2", "", "Clusters: where the model sees each frame"),
    Key("mode.models", "app", "3", "mode('models')", "3", "", "Models: every training run and its decision"),
    Key("mode.ledger", "app", "4", "mode('ledger')", "4", "", "Ledger: every frame ever stored"),
    Key("mode.events", "app", "5", "mode('events')", "5", "", "Events: what needs you, why, what to do"),
    Key("mode.fleet", "app", "6", "mode('fleet')", "6", "", "Fleet: every satellite, worst first"),
    Key(
        "anomaly.next", "app", "n", "next_anomaly(1)", "n", "", "next open anomaly; in the past: next alarm, later"
    ),
    Key("anomaly.previous", "app", "N", "next_anomaly(-1)", "N", "", "the previous one; in the past: earlier"),
    Key("pause", "app", "space", "pause", "space", "pause", "the screen stands still; again, or in the past: live"),
    Key("time.earlier", "app", "less_than_sign", "pan(-1)", "<", "", "into the past: half a stretch earlier"),
    Key("time.later", "app", "greater_than_sign", "pan(1)", ">", "", "half a stretch later, until now"),
    Key(
        "time.shorter",
        "app",
        "left_square_bracket",
        "zoom(-1)",
        "[",
        "",
        "a shorter stretch of time, down to 1 min",
    ),
    Key("time.longer", "app", "right_square_bracket", "zoom(1)", "]", "", "a longer stretch of time, up to 7 d"),
    Key("time.go_to", "app", "g", "go_to_time", "g", "", "go to a time (UTC); proposes the selected row's"),
    Key(INJECT, "app", "f", "inject", "f", "inject", "break something yourself (the simulator only)"),
    Key("anomaly.accept", "app", "i", "accept", "i", "", "accept the selected anomaly as nominal: learn it"),
    Key("note", "app", "m", "note", "m", "", "write a note: on the selected alarm, or on the shift"),
    Key("undo", "app", "u", "undo", "u", "", "undo your last acknowledgement or shelf, within 30 s"),
    Key("bell", "app", "b", "switch_bell", "b", "", "bell off or on: it rings for what is new, CRITICAL and real"),
    Key("handover", "app", "w", "handover", "w", "", "handover: what the last eight hours leave to the next shift"),
    Key("save_screen", "app", "P", "save_screen", "P", "", "save the screen as text and picture with the exports"),
    Key("theme", "app", "t", "theme", "t", "", "next theme: night, day, high contrast"),
    Key("keys", "app", "question_mark", "keys", "?", "keys", "this card"),
    Key("repaint", "app", "ctrl+l", "repaint", "ctrl+l", "", "paint the whole screen again"),
    Key("quit", "app", "q", "ask_quit", "q", "quit", "leave; asks what becomes of the station"),
    Key("quit.interrupt", "app", "ctrl+c,ctrl+q", "ask_quit", "ctrl+c", "", "the same as q", priority=True),
    Key("live.ack", "live", "a", "app.acknowledge", "a", "acknowledge", "acknowledge the selected alarm"),
    Key(
        "live.ack_shown", "live", "A", "app.acknowledge_shown", "A", "", "acknowledge every alarm shown; asks first"
    ),
    Key(
        "live.shelve",
        "live",
        "s",
        "app.shelve",
        "s",
        "shelve",
        "shelve the selected alarm, or take it off the shelf",
    ),
    Key("live.panel", "live", "tab", "panel(1)", "tab", "panel", "next panel"),
    Key("live.panel_back", "live", "shift+tab", "panel(-1)", "shift+tab", "", "previous panel"),
    Key("live.move", "live", "down,j", "move(1)", "↓ j", "", "next row: its trend and its why"),
    Key("live.move_back", "live", "up,k", "move(-1)", "↑ k", "", "previous row"),
    Key("live.inspect", "live", "enter", "inspect", "enter", "inspect", "everything known about the row"),
    Key("live.follow", "live", "plus", "follow", "+", "", "keep the marked channel in the trend, or let it go"),
    Key("live.choose", "live", "c", "choose", "c", "", "choose and order the panels, and one of your own"),
    Key("live.mark", "live", "v", "mark", "v", "", "mark a window (begin, end): which channels changed in it"),
    Key("live.slide_back", "live", "left,h", "slide(-1)", "← h", "", "the end of a window being marked: earlier"),
    Key("live.slide_on", "live", "right,l", "slide(1)", "→ l", "", "the end of a window being marked: later"),
    Key("live.find", "live", "slash", "find", "/", "find", "find a channel by name or label"),
    Key("live.copy", "live", "y", "copy", "y", "", "copy the row as text"),
    Key("live.back", "live", "escape", "back", "esc", "", "back to now, to the first alarm, to the fleet"),
    Key("events.ack", "events", "a", "app.acknowledge", "a", "ack", "acknowledge the selected alarm"),
    Key(
        "events.ack_shown",
        "events",
        "A",
        "app.acknowledge_shown",
        "A",
        "ack shown",
        "acknowledge every alarm listed; asks first",
    ),
    Key(
        "events.shelve",
        "events",
        "s",
        "app.shelve",
        "s",
        "shelve",
        "shelve the selected alarm, or take it off the shelf",
    ),
    Key("events.why", "events", "enter", "why", "enter", "why", "the whole why, what led to it, what to do"),
    Key("events.find", "events", "slash", "find", "/", "search", "search in the list"),
    Key("events.tab", "events", "tab", "tab", "tab", "open/all", "open alarms, or all events"),
    Key("events.move", "events", "down,j", "move(1)", "↓ j", "", "next row"),
    Key("events.move_back", "events", "up,k", "move(-1)", "↑ k", "", "previous row"),
    Key("events.page", "events", "pagedown", "move(10)", "pgdn", "", "ten rows on"),
    Key("events.page_back", "events", "pageup", "move(-10)", "pgup", "", "ten rows back"),
    Key("events.first", "events", "home", "first", "home", "", "the first row: the worst alarm, the newest event"),
    Key(
        "events.level",
        "events",
        "right,l",
        "level(1)",
        "← →",
        "level",
        "severity listed: all, from WATCH up ... SEVERE",
    ),
    Key("events.level_back", "events", "left,h", "level(-1)", "← h", "", "less severe ones as well"),
    Key("events.copy", "events", "y", "copy", "y", "", "copy the row as text"),
    Key("events.back", "events", "escape", "back", "esc", "", "end search and severity, back to the open alarms"),
    Key("clusters.left", "clusters", "left,h", "turn(-1, 0)", "← h", "", "turn the picture left"),
    Key("clusters.right", "clusters", "right,l", "turn(1, 0)", "→ l", "", "turn the picture right"),
    Key("clusters.up", "clusters", "up,k", "turn(0, 1)", "↑ k", "", "look from further up"),
    Key("clusters.down", "clusters", "down,j", "turn(0, -1)", "↓ j", "", "look from further down"),
    Key(
        "clusters.axes",
        "clusters",
        "x",
        "axes",
        "x",
        "axes",
        "model's axes, or value, mean, deviation of a channel",
    ),
    Key(
        "clusters.next",
        "clusters",
        "tab",
        "next_view(1)",
        "tab",
        "packet",
        "next packet; on a channel's axes next channel",
    ),
    Key(
        "clusters.previous", "clusters", "shift+tab", "next_view(-1)", "shift+tab", "", "previous packet or channel"
    ),
    Key(
        "clusters.inspect", "clusters", "enter", "inspect", "enter", "inspect", "every value of the selected frame"
    ),
    Key("clusters.copy", "clusters", "y", "copy", "y", "", "copy what is selected as text"),
    Key("clusters.back", "clusters", "escape", "back", "esc", "", "back: selection, axes, view"),
    Key("models.inspect", "models", "enter", "inspect", "enter", "inspect", "unfold kept runs; lineage of a run"),
    Key("models.find", "models", "slash", "find", "/", "filter", "by decision, version, number, figure, reason"),
    Key("models.diff", "models", "d", "diff", "d", "diff", "the run beside the champion, or beside any other"),
    Key("models.promote", "models", "p", "promote", "p", "promote", "let the selected run's model score; asks why"),
    Key("models.roll_back", "models", "R", "roll_back", "R", "roll back", "return to the model before; asks why"),
    Key("models.hold", "models", "z", "hold", "z", "hold", "hold automatic promotion for a time, or release it"),
    Key("models.chart", "models", "tab", "next_chart(1)", "tab", "chart", "next chart"),
    Key("models.chart_back", "models", "shift+tab", "next_chart(-1)", "shift+tab", "", "previous chart"),
    Key("models.sort", "models", "S", "sort", "S", "", "next order: newest, oldest, drift, false alarms, ..."),
    Key("models.columns", "models", "c", "columns", "c", "", "the next columns of figures"),
    Key("models.columns_back", "models", "left,h", "columns_on(-1)", "← h", "", "columns to the left"),
    Key("models.columns_on", "models", "right,l", "columns_on(1)", "→ l", "", "columns to the right"),
    Key("models.move", "models", "down,j", "move(1)", "↓ j", "", "next run"),
    Key("models.move_back", "models", "up,k", "move(-1)", "↑ k", "", "previous run"),
    Key("models.page", "models", "pagedown", "page(1)", "pgdn", "", "a page of runs on"),
    Key("models.page_back", "models", "pageup", "page(-1)", "pgup", "", "a page of runs back"),
    Key("models.newest", "models", "home", "newest", "home", "", "the first line: the newest run"),
    Key("models.address", "models", "o", "address", "o", "MLflow", "where MLflow shows the runs: copied, and told"),
    Key("models.copy", "models", "y", "copy", "y", "", "copy the run as text"),
    Key("models.back", "models", "escape", "back", "esc", "", "leave the line, the filter, groups, the place"),
    Key("ledger.find", "ledger", "slash", "find", "/", "filter", "filter by time, satellite, anomaly, channels"),
    Key("ledger.export", "ledger", "e", "export", "e", "export", "export what is filtered, or the whole ledger"),
    Key(
        "ledger.inspect",
        "ledger",
        "enter",
        "inspect",
        "enter",
        "inspect",
        "every value of the frame, both times, why",
    ),
    Key("ledger.columns", "ledger", "c", "columns", "c", "columns", "put the next group of channels first"),
    Key("ledger.columns_back", "ledger", "left,h", "columns_on(-1)", "← h", "", "columns to the left"),
    Key("ledger.columns_on", "ledger", "right,l", "columns_on(1)", "→ l", "", "columns to the right"),
    Key("ledger.move", "ledger", "down,j", "move(1)", "↓ j", "", "next row: older"),
    Key("ledger.move_back", "ledger", "up,k", "move(-1)", "↑ k", "", "previous row: newer"),
    Key("ledger.page", "ledger", "pagedown", "page(1)", "pgdn", "", "a page of older rows"),
    Key("ledger.page_back", "ledger", "pageup", "page(-1)", "pgup", "", "a page of newer rows"),
    Key("ledger.newest", "ledger", "home", "newest", "home", "", "the newest row, following again"),
    Key("ledger.copy", "ledger", "y", "copy", "y", "", "copy the row as text"),
    Key("ledger.back", "ledger", "escape", "back", "esc", "", "leave the line, then the filter, then the place"),
    Key("fleet.focus", "fleet", "enter", "look", "enter", "focus", "all other screens show this satellite"),
    Key("fleet.ack", "fleet", "a", "acknowledge", "a", "ack its worst", "acknowledge its worst new alarm"),
    Key("fleet.sort", "fleet", "S", "sort", "S", "sort", "next order: worst, name, oldest data, next pass"),
    Key("fleet.find", "fleet", "slash", "find", "/", "filter", "part of a name, or words: warn, new, lost, ok"),
    Key("fleet.move", "fleet", "down,j", "move(1)", "↓ j", "", "next satellite"),
    Key("fleet.move_back", "fleet", "up,k", "move(-1)", "↑ k", "", "previous satellite"),
    Key("fleet.page", "fleet", "pagedown", "page(1)", "pgdn", "", "a page on"),
    Key("fleet.page_back", "fleet", "pageup", "page(-1)", "pgup", "", "a page back"),
    Key("fleet.first", "fleet", "home", "first", "home", "", "the first row"),
    Key("fleet.copy", "fleet", "y", "copy", "y", "", "copy what is known about the satellite as text"),
    Key("fleet.back", "fleet", "escape", "back", "esc", "", "leave the line, then the filter, then the place"),
)


def bindings(scope: str, keys: Iterable[Key] = KEYS) -> list[BindingType]:
    """The Textual bindings of a scope; ids let a key map be remapped."""
    return [
        Binding(key.keys, key.action, key.text, show=False, id=f"{key.id}", priority=key.priority)
        for key in keys
        if key.scope == scope
    ]


def keys_line(scope: str, simulated: bool = True) -> tuple[tuple[str, str], ...]:
    """(key, word) pairs of the bottom line: those of the screen first, then those of the app.

    `simulated`: what is shown comes from the simulator.
    """
    own = [(k.shown, k.short) for k in KEYS if k.scope == scope and k.short]
    everywhere = (k for k in KEYS if k.scope == "app" and k.short and (simulated or k.id != INJECT))
    return (*own, *((k.shown, k.short) for k in everywhere))


def of_fleet_only(key: Key) -> bool:
    """Whether a key does something only where the mission has several satellites."""
    return key.id == "mode.fleet"


def exists(key_id: str) -> bool:
    """Whether an act is bound."""
    return any(key.id == key_id for key in KEYS)
