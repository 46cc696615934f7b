"""Clusters: where the model sees each frame of the last orbit, which modes there are, and what stands apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from cubesat_tui import messages
from cubesat_tui.drawing.cluster_lines import (
    axis_words,
    drawn_text,
    episode_rows,
    label_of,
    legend,
    mode_rows,
    newest_rows,
    selected_rows,
    verdict_at,
    wrapped,
)
from cubesat_tui.drawing.numbers import count_text
from cubesat_tui.drawing.opinion_text import learning_text
from cubesat_tui.drawing.projection import STEP_DEG
from cubesat_tui.drawing.rows import Row, plain, row, spread
from cubesat_tui.keymap import bindings
from cubesat_tui.revolution import orbit_ns
from cubesat_tui.screens.mission_screen import MissionScreen
from cubesat_tui.widgets.lines import Lines
from cubesat_tui.widgets.scatter import Scatter, mode_letters, mode_style

if TYPE_CHECKING:
    from cubesat_tui.feature_space import FeatureSpace, ServedModel, Wanted
    from cubesat_tui.snapshot import Snapshot

NS = 1_000_000_000
EVERY_NS = 2 * NS
"""The picture moves on at most this often; turning it is immediate."""
NO_ORBIT_NS = 5_400 * NS


class ClustersScreen(MissionScreen):
    """Scatter with its legend, and beside it the selected anomaly."""

    MODE = "clusters"
    SHOWS_ANOMALIES = True
    BINDINGS: ClassVar[list[BindingType]] = bindings("clusters")
    DEFAULT_CSS = """
    ClustersScreen #clusters-title { height: 1; }
    ClustersScreen #clusters-body { height: 1fr; }
    ClustersScreen #scatter-side { width: 53; height: 1fr; }
    ClustersScreen Scatter { width: 1fr; }
    ClustersScreen #cluster-side { width: 1fr; height: 1fr; padding: 0 0 0 1; }
    ClustersScreen #cluster-detail { height: 1fr; }
    ClustersScreen #cluster-modes { height: auto; display: none; }
    ClustersScreen #clusters-legend { height: 1; }
    ClustersScreen.wide #scatter-side { width: 1fr; border: round $line; }
    ClustersScreen.wide #cluster-side { width: 44; padding: 0; }
    ClustersScreen.wide #cluster-detail { border: round $line; padding: 0 1; }
    ClustersScreen.wide #cluster-modes { display: block; border: round $line; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.channel: str | None = None
        """Channel of the original's axes; None for the model's projection."""
        self._packet: str | None = None
        self._served: ServedModel | None = None
        self._read_ns: int | None = None
        self._reading: Wanted | None = None
        self._past_ns: int | None = None
        """The moment of the past that was asked for last."""
        self._wanted_last: Wanted | None = None
        self._error = ""
        self._select_next = 0
        """Step with which an anomaly is selected as soon as another packet has been read; 0: none."""

    def compose_body(self) -> ComposeResult:
        yield Lines(id="clusters-title")
        with Horizontal(id="clusters-body"):
            with Vertical(id="scatter-side"):
                yield Scatter(id="scatter")
            with Vertical(id="cluster-side"):
                yield Lines(id="cluster-detail")
                yield Lines(id="cluster-modes")
        yield Lines(id="clusters-legend")

    @property
    def scatter(self) -> Scatter:
        return self.query_one(Scatter)

    @property
    def space(self) -> FeatureSpace | None:
        """What is drawn."""
        return self.scatter.space

    def show(self, snapshot: Snapshot) -> None:
        if self._wanted_last is not None and self._wanted_last.satellite != snapshot.satellite:
            self._wanted_last = self._packet = self.scatter.selected_id = None
            self.scatter.show(None)
        if snapshot.model.version is None:
            self.scatter.show(None)
            self._draw_text(snapshot)
            return
        if (self._past_ns is None) != (snapshot.past_ns is None):
            # What was drawn is not what this moment looked like.
            self.scatter.show(None)
        self._read_if_due(snapshot)
        self._draw_text(snapshot)

    # Reading

    def _wanted(self, snapshot: Snapshot) -> Wanted:
        from cubesat_tui.feature_space import Wanted

        if self._packet is None:
            open_now = [alarm.channel for alarm in snapshot.alarms if alarm.kind == "anomaly"]
            bus = snapshot.mission.bus_of(snapshot.satellite)
            carriers = {channel: packet for packet, channels in bus.packets for channel in channels}
            self._packet = next((carriers[name] for name in open_now if name in carriers), None)
        return Wanted(
            satellite=snapshot.satellite,
            packet=self._packet,
            channel=self.channel,
            version=snapshot.model.version or 0,
            sha256=snapshot.model.sha256,
            t1_ns=self._end_ns(snapshot),
            span_ns=self._span_ns(snapshot),
        )

    @staticmethod
    def _end_ns(snapshot: Snapshot) -> int:
        if snapshot.past_ns is not None:
            return snapshot.past_ns
        return snapshot.newest_t_ns if snapshot.newest_t_ns is not None else snapshot.now_ns

    def _span_ns(self, snapshot: Snapshot) -> int:
        """Now the last orbit, in which every mode comes by; in the past the stretch that the conductor holds."""
        if snapshot.past_ns is not None:
            return self.console_app.time.span_ns
        return orbit_ns(snapshot.mission, snapshot.satellite) or NO_ORBIT_NS

    def _read_if_due(self, snapshot: Snapshot, at_once: bool = False) -> None:
        wanted = self._wanted(snapshot)
        last = self._wanted_last
        due = (
            at_once
            or last is None
            or abs(wanted.t1_ns - last.t1_ns) >= EVERY_NS
            or self._past_ns != snapshot.past_ns
            or _question(wanted) != _question(last)
        )
        if due and self._reading is None:
            self._reading, self._past_ns = wanted, snapshot.past_ns
            self._read(wanted, snapshot)

    @work(group="clusters", exit_on_error=False)
    async def _read(self, wanted: Wanted, snapshot: Snapshot) -> None:
        from cubesat_tui.feature_space import ServedModel, feature_space
        from trainer.served import ScorerRefused

        if self._served is None:
            self._served = ServedModel(Path(self.console_app.directory.models))
        served, bus = self._served, snapshot.mission.bus_of(wanted.satellite)
        try:
            space = await self.console_app.view.ask(lambda reader: feature_space(reader, served, bus, wanted))
            self._error = ""
        except ScorerRefused as refused:
            space, self._error = None, f"The model of v{wanted.version} cannot be read: {refused.reason}"
        finally:
            self._reading = None
        self._wanted_last = wanted
        if self.console_app.shown is None:
            return
        shown = self.console_app.shown
        here = (shown.satellite, self._packet, self.channel)
        if (wanted.satellite, wanted.packet, wanted.channel) != here or self._past_ns != shown.past_ns:
            self._read_if_due(shown)
            return
        self.scatter.show(space)
        self._draw_text(self.console_app.shown)
        if self._select_next and space is not None and space.episodes():
            step, self._select_next = self._select_next, 0
            self.next_anomaly(step)

    # Keys

    def action_turn(self, azimuth: int, elevation: int) -> None:
        self.scatter.turn(azimuth * STEP_DEG, elevation * STEP_DEG)
        self._redraw()

    def action_axes(self) -> None:
        """The model's projection, or value, rolling mean and rolling deviation of one channel."""
        space = self.space
        if space is None or not space.channels:
            return
        self.channel = None if self.channel is not None else self._first_channel(space)
        self._again()

    def _first_channel(self, space: FeatureSpace) -> str:
        snapshot = self.console_app.shown
        anomalous = [a.channel for a in snapshot.alarms if a.kind == "anomaly"] if snapshot is not None else []
        deviating = [name for number in space.episodes()[:1] for name, *_ in space.deviations(number, 1)]
        return next((c for c in (*anomalous, *deviating) if c in space.channels), space.channels[0])

    def action_next_view(self, step: int) -> None:
        """The next packet; with the original's axes, the next channel."""
        space = self.space
        if space is None:
            return
        if self.channel is not None:
            self.channel = _after(space.channels, self.channel, step)
        else:
            self._packet = _after(space.packets, space.packet, step)
            self.scatter.selected_id = None
        self._again()

    def next_anomaly(self, step: int) -> None:
        """Select the next older (1) or newer (-1) anomaly, in this packet and then in the next that has any."""
        space, snapshot = self.space, self.console_app.shown
        if space is None or snapshot is None:
            return
        episodes = space.episodes()
        place = self._place(space)
        number = (0 if step > 0 else len(episodes) - 1) if place is None else place[0] - 1 + step
        if 0 <= number < len(episodes):
            self.scatter.selected_id = int(space.ids[episodes[number]])
            self._redraw()
            return
        others = [name for name in anomalous_packets(snapshot, space.packets) if name != space.packet]
        if others:
            self._packet, self.channel, self._select_next = (
                _after((space.packet, *others), space.packet, step),
                None,
                step,
            )
            self.scatter.selected_id = None
            self._again()
        elif episodes:
            self.scatter.selected_id = int(space.ids[episodes[0 if step > 0 else -1]])
            self._redraw()
        else:
            self.post_message(messages.Notice("no confirmed anomaly in this picture"))

    def action_back(self) -> None:
        """First the selection, then the view."""
        if self.scatter.selected_id is not None:
            self.scatter.selected_id = None
        elif self.channel is not None:
            self.channel = None
            self._again()
            return
        else:
            self.scatter.view = type(self.scatter.view)()
            self.scatter.rescale()
        self._redraw()

    def _row_in_hand(self) -> int | None:
        """Row of the selected anomaly, else of the newest frame."""
        space = self.space
        if space is None or not len(space):
            return None
        found = (space.ids == self.scatter.selected_id).nonzero()[0]
        return int(found[0]) if len(found) else len(space) - 1

    def moment(self, snapshot: Snapshot) -> int | None:
        space, number = self.space, self._row_in_hand()
        return None if space is None or number is None else int(space.t_ns[number])

    @work(exclusive=True, group="clusters-inspect")
    async def action_inspect(self) -> None:
        space, number, snapshot = self.space, self._row_in_hand(), self.console_app.shown
        if space is None or number is None or snapshot is None:
            return
        from cubesat_tui.screens.frame_card import FrameCard

        stored = await self.console_app.view.frame_row(int(space.ids[number]))
        if stored is not None:
            self.app.push_screen(FrameCard(stored, {}, snapshot.mission, snapshot.events))

    def action_copy(self) -> None:
        text = "\n".join(plain(line) for line in self.query_one("#cluster-detail", Lines).rows)
        self.post_message(messages.CopyRequested(text, "what is selected"))

    def _again(self) -> None:
        if self.console_app.shown is not None:
            self._read_if_due(self.console_app.shown, at_once=True)

    def _redraw(self) -> None:
        self.scatter.repaint()
        if self.console_app.shown is not None:
            self._draw_text(self.console_app.shown)

    # Words

    def _place(self, space: FeatureSpace) -> tuple[int, int] | None:
        """Number of the selected anomaly and how many there are, newest is 1; None when nothing is selected."""
        if self.scatter.selected_id is None:
            return None
        episodes = space.episodes()
        chosen = (space.ids == self.scatter.selected_id).nonzero()[0]
        if not len(chosen) or not episodes:
            return None
        t_ns = int(space.t_ns[int(chosen[0])])
        nearest = min(range(len(episodes)), key=lambda i: abs(int(space.t_ns[episodes[i]]) - t_ns))
        return nearest + 1, len(episodes)

    def _draw_text(self, snapshot: Snapshot) -> None:
        title, detail = self.query_one("#clusters-title", Lines), self.query_one("#cluster-detail", Lines)
        low, modes = self.query_one("#clusters-legend", Lines), self.query_one("#cluster-modes", Lines)
        space = self.space
        if space is None:
            title.draw((row((" FEATURE SPACE", "title")),))
            detail.draw(self._empty_rows(snapshot, max(10, detail.size.width)))
            low.draw(())
            modes.draw(())
            return
        span = orbit_ns(snapshot.mission, snapshot.satellite)
        view = self.scatter.view
        end = row((f"turned {view.azimuth:.0f}°, up {view.elevation:.0f}° ", "dim"))
        drawn = drawn_text(space, span, span or NO_ORBIT_NS)
        if snapshot.past_ns is not None and self._wanted_last is not None:
            drawn = drawn_text(space, None, self._wanted_last.span_ns, self._wanted_last.t1_ns)
        title.draw((spread(row((" FEATURE SPACE ", "title"), (drawn, "label")), end, self.size.width),))
        styles = [mode_style(i) for i in range(len(space.modes))]
        letters = mode_letters(space.modes) if self.scatter.few_colours else None
        signs = self.console_app.signs
        low.draw((legend(space, styles, letters, self.size.width, signs),))
        size = max(10, detail.size.width)
        bus = snapshot.mission.bus_of(snapshot.satellite)
        words = axis_words(space, None if self.channel is None else label_of(bus, self.channel))
        axes = tuple(row((text, "dim")) for text in wrapped(words, size))
        modes.draw((*mode_rows(space, styles, letters, size), (), *axes))
        place, number = self._place(space), self._row_in_hand()
        lines: tuple[Row, ...]
        body = None if number is None else verdict_at(snapshot.events, int(space.t_ns[number]))
        if place is not None and number is not None:
            lines = selected_rows(space, number, place, bus, body, size=size, signs=signs)
            if self.wide:
                lines = (*lines, (), *episode_rows(space, place[0], signs))
        else:
            lines = newest_rows(space, bus, body, size, signs, selects=snapshot.past_ns is None)
        if not self.wide:
            lines = (*lines, (), *axes)
        if self.scatter.beyond:
            beyond = f"{count_text(self.scatter.beyond)} off the scale, in the rim"
            lines = (*lines, *(row((text, "dim")) for text in wrapped(beyond, size)))
        detail.draw(lines)

    def _empty_rows(self, snapshot: Snapshot, size: int) -> tuple[Row, ...]:
        if self._error:
            return tuple(row((line, "warning")) for line in wrapped(self._error, size))
        if snapshot.model.version is not None:
            return (row(("reading ...", "dim")),)
        if snapshot.past_ns is not None:
            return tuple(row((line, "value")) for line in wrapped("No model scored at this moment.", size))
        head = "learning" if snapshot.model.learning is None else learning_text(snapshot.model)
        text = f"{head}: the picture appears with the first model, which needs that many frames."
        todo = "Nothing to do: let telemetry come. Until then limits and rules alone raise alarms."
        if snapshot.model.error:
            text = f"{head}: no training happens: {snapshot.model.error}"
            todo = "cubesat-tui doctor says what is missing."
        lines = [*wrapped(text, size), "", *wrapped(todo, size)]
        return tuple(row((line, "value")) for line in lines)


def anomalous_packets(snapshot: Snapshot, packets: tuple[str, ...]) -> list[str]:
    """Packets of the anomalies the console knows of, newest first."""
    bus = snapshot.mission.bus_of(snapshot.satellite)
    carriers = {channel: packet for packet, channels in bus.packets for channel in channels}
    found: dict[str, None] = {}
    for event in snapshot.events:
        if event.kind == "alarm.raised" and event.subject.startswith("anomaly:"):
            for channel in event.body.get("channels") or [event.subject.removeprefix("anomaly:")]:
                found.setdefault(carriers.get(str(channel), ""))
    return [name for name in found if name in packets]


def _question(wanted: Wanted) -> tuple[object, ...]:
    """What is asked beside when."""
    return wanted.version, wanted.packet, wanted.channel, wanted.span_ns


def _after(names: tuple[str, ...], current: str, step: int) -> str:
    at = names.index(current) if current in names else -step
    return names[(at + step) % len(names)]
