"""What a batch means: validity, limits, score, alarms, gaps. Called once a batch, in the order of arrival."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cubesat_tui.gaps import GapFinder, pulse
from cubesat_tui.journal import whole_journal
from cubesat_tui.rebuilt import PastContext, newest_rows
from telemetry.alarm_desk import AlarmDesk, AnomalyReport
from telemetry.alarms import Event
from telemetry.calm import CalmRows
from telemetry.clock import Clock
from telemetry.dictionary import Bus, Mission
from telemetry.frame import Float64s, Frame, FrameBatch, Int64s, Layout, Quality
from telemetry.freshness import Validity
from telemetry.limits import LIMIT, Level, LimitMonitor, Result, Transition
from telemetry.movement import Movement
from telemetry.standing import Standing
from telemetry.store.rows import ScoreColumns, ScoredBatch

if TYPE_CHECKING:
    from cubesat_tui.contacts import ContactWatch
    from cubesat_tui.forecast import Forecast
    from cubesat_tui.served_models import ServedModels
    from telemetry.store.reader import StoreReader
    from trainer.verdict import Verdict

Bools = npt.NDArray[np.bool_]
NOWHERE = (-1, -1)
NO_SEQUENCE = int(Quality.NO_SEQUENCE)
CONFIRMED = 2
"""State of a row that belongs to a confirmed anomaly."""
PARTS = 5
"""Contributing channels that are kept with an anomaly."""


@dataclass
class _Watch:
    """What is followed for one satellite."""

    name: str
    bus: Bus
    limits: LimitMonitor
    standing: Standing
    movements: list[Movement]
    """Of the bus's packets, shared by its satellites."""
    gaps: GapFinder
    places: dict[str, tuple[int, int]]
    """Packet -> (boot, seq) of the newest live frame seen."""

    def resume(self, channel: str, level: Level, side: int, count: int, worst: float, rule: str = LIMIT) -> bool:
        """`telemetry.alarm_desk.Resumes`."""
        if rule == LIMIT:
            found = self.limits.resume(channel, level, side, count, worst)
        else:
            found = any(one.resume(self.name, channel, rule, worst, count) for one in self.movements)
        if found:
            result = Result(level, side, rule=rule)
            self.standing.take_up(Transition(self.bus.by_name[channel], result, worst, True, count, worst, ""))
        return found

    def step(self, frame: Frame, predicted: dict[str, float] | None) -> list[Transition]:
        """What a frame changes in the limits of its channels."""
        if predicted is not None:
            self.limits.predict(predicted)
        return self.limits.step(frame)


class Judgement:
    """Monitors every satellite of a mission.

    A frame that is not newer (by boot and sequence number, within its packet) than one seen before is a duplicate
    or comes late: it is stored, or refused as a duplicate, by the store, and changes no state here. Frames recorded
    on board are scored and raise nothing.
    """

    def __init__(
        self,
        mission: Mission,
        models: ServedModels,
        desk: AlarmDesk,
        clock: Clock,
        forecast: Forecast | None = None,
        contacts: ContactWatch | None = None,
    ) -> None:
        """`forecast`: where limit contexts come from that no satellite sends. `contacts`: of satellites that
        are heard in passes only, what explains a silence."""
        self._contacts = contacts if not mission.source.visible else None
        self._forecast = forecast
        self._mission = mission
        self._models = models
        self._desk = desk
        self._clock = clock
        self._rules: dict[tuple[str, str], tuple[Validity, CalmRows, Movement]] = {}
        """(bus, digest of a layout) -> what its values must be."""
        self._watches = {satellite.name: self._watch(satellite.name) for satellite in mission.satellites}

    def _watch(self, satellite: str) -> _Watch:
        bus = self._mission.bus_of(satellite)
        movements = [self._rule(bus, layout)[2] for layout in bus.layouts.values()]
        gaps = GapFinder(satellite, *pulse(bus))
        return _Watch(satellite, bus, LimitMonitor(bus), Standing(), movements, gaps, {})

    def restore(self, reader: StoreReader) -> list[Event]:
        """Take up what the store knows: open alarms, running limit episodes, and the newest frame of each packet.

        Returns what is to be journaled: alarms on what is no longer monitored.
        """
        self._desk.restore(whole_journal(reader))
        told = self._desk.let_go(self._mission, self._clock.now_ns())
        for satellite, watch in self._watches.items():
            told += self._desk.resume(satellite, watch, self._clock.now_ns())
            newest = reader.newest(satellite)
            watch.places = {packet: (frame.boot, frame.seq) for packet, frame in newest.items()}
            covered = [frame.t_ns for frame in reader.newest_any(satellite).values()]
            watch.gaps.newest_ns = max(covered, default=None)
            quick = [frame for packet, frame in newest.items() if packet in watch.gaps.packets]
            numbered = [(frame.place, frame.t_ns - frame.received_ns) for frame in quick if frame.place is not None]
            watch.gaps.place, watch.gaps.lead_ns = max(numbered, default=(None, None))
            self._rebuild(watch, newest_rows(reader, satellite, watch.bus, len(self._watches)))
        return told

    def _rebuild(self, watch: _Watch, batches: list[FrameBatch]) -> None:
        """Count on where the station ended; nothing is told of frames that were judged before."""
        past = PastContext(watch.bus, batches)
        told_ns = {
            alarm.subject: alarm.updated_ns
            for alarm in self._desk.alarms.values()
            if alarm.satellite == watch.name and alarm.kind == "limit" and alarm.active
        }

        def context(_: str, t_ns: Int64s) -> dict[str, Float64s | float]:
            found: dict[str, Float64s | float] = dict(past.at(t_ns))
            if watch.bus.derived and self._forecast is not None:
                found.update(self._forecast.at(watch.name, t_ns))
            return found

        frames = sorted((batch.frame(i) for batch in batches for i in range(len(batch))), key=lambda one: one.t_ns)
        for frame in frames:
            watch.limits.rebuild(frame, told_ns, self._predicted(watch, frame.t_ns))
        for batch in batches:
            movement = self._rule(watch.bus, batch.layout)[2]
            movement.rebuild(batch, self.invalid(batch), context)

    @property
    def newest_ns(self) -> int | None:
        """The newest generation time (UTC ns) of any satellite; None before the first frame."""
        seen = (watch.gaps.newest_ns for watch in self._watches.values())
        return max((t_ns for t_ns in seen if t_ns is not None), default=None)

    def invalid(self, batch: FrameBatch) -> Bools:
        """Which values are INVALID, shape (n, k)."""
        mask = np.zeros(batch.values.shape, dtype=np.bool_)
        for bus, rows in self._by_bus(batch):
            mask[rows] = self._rule(bus, batch.layout)[0].mask(batch.values[rows])
        return mask

    def _by_bus(self, batch: FrameBatch) -> list[tuple[Bus, Bools | slice]]:
        """The buses of the batch's satellites, each with its rows; nearly always there is one."""
        buses = [self._watches[name].bus for name in batch.satellites]
        if all(bus is buses[0] for bus in buses):
            return [(buses[0], slice(None))]
        of_row = np.array([bus.name for bus in buses])[batch.satellite]
        return [(bus, of_row == bus.name) for bus in {bus.name: bus for bus in buses}.values()]

    def _rule(self, bus: Bus, layout: Layout) -> tuple[Validity, CalmRows, Movement]:
        key = (bus.name, layout.digest)
        rule = self._rules.get(key)
        if rule is None:
            validity, calm = Validity(bus.channels_of(layout)), CalmRows(bus, layout)
            rule = self._rules[key] = validity, calm, Movement(bus, layout)
        return rule

    def judge(self, batch: FrameBatch) -> tuple[ScoredBatch, list[Event]]:
        """Validity and score of each frame, and what is to be journaled because of them."""
        invalid = self.invalid(batch)
        stored = (batch.quality & int(Quality.STORED)) != 0
        new = self._newer(batch, stored)
        events = self._monitor(batch, invalid, new)
        scores, told = self._score(batch, invalid, new | stored)
        return ScoredBatch(batch, scores, invalid), events + told

    def _newer(self, batch: FrameBatch, stored: Bools) -> Bools:
        """Live rows that are newer than everything seen of their packet before; advances what was seen."""
        packet = batch.layout.packet
        new = np.zeros(len(batch), dtype=np.bool_)
        watches = [self._watches[name] for name in batch.satellites]
        rows = zip(batch.satellite.tolist(), batch.boot.tolist(), batch.seq.tolist(), stored.tolist(), strict=True)
        for i, (satellite, boot, seq, is_stored) in enumerate(rows):
            if is_stored:
                continue
            places = watches[satellite].places
            if (boot, seq) > places.get(packet, NOWHERE):
                places[packet] = (boot, seq)
                new[i] = True
        return new

    def _monitor(self, batch: FrameBatch, invalid: Bools, new: Bools) -> list[Event]:
        """Gaps, limits and movement of new rows. One that changes nothing costs its place in one pass over all."""
        events: list[Event] = []
        packet = batch.layout.packet
        moved, lasting = self._moved(batch, invalid, new)
        calm = self._calm_rows(batch, invalid, new)
        watches = [self._watches[name] for name in batch.satellites]
        rows = np.flatnonzero(new)
        columns = (batch.satellite, batch.t_ns, batch.received_ns, batch.boot, batch.seq, batch.quality)
        told = zip(rows.tolist(), *(column[rows].tolist() for column in columns), strict=True)
        for i, satellite, t_ns, received_ns, boot, seq, quality in told:
            watch = watches[satellite]
            place = None if quality & NO_SEQUENCE else (boot, seq)
            gap = watch.gaps.step(packet, t_ns, received_ns, place)
            if gap is not None and self._is_loss(gap):
                events.append(gap)
            if calm[i] and i not in moved and i not in lasting:
                continue
            changes: list[Transition] = []
            if not calm[i]:
                changes = watch.step(batch.frame(i), self._predicted(watch, t_ns))
            transitions = watch.standing.merge([*changes, *moved.get(i, ())])
            if transitions:
                events.extend(self._desk.limits(watch.name, transitions, t_ns))
            ongoing = [*watch.limits.ongoing(), *lasting.get(i, ())]
            if ongoing:
                events.extend(self._desk.progress(watch.name, watch.standing.speaking(ongoing), t_ns))
        return events

    def _moved(
        self, batch: FrameBatch, invalid: Bools, new: Bools
    ) -> tuple[dict[int, list[Transition]], dict[int, list[Transition]]]:
        """Row -> what changed by standing still or jumping; row -> what is still so."""
        moved: dict[int, list[Transition]] = {}
        lasting: dict[int, list[Transition]] = {}
        live = new & ((batch.quality & int(Quality.STORED | Quality.LATE)) == 0)
        for bus, rows in self._by_bus(batch):
            mine = np.zeros(len(batch), dtype=np.bool_)
            mine[rows] = live[rows]
            found = self._rule(bus, batch.layout)[2].step(batch, invalid, mine, self._context)
            for told, by_row in zip(found, (moved, lasting), strict=True):
                for i, change in told:
                    by_row.setdefault(i, []).append(change)
        return moved, lasting

    def _context(self, satellite: str, t_ns: Int64s) -> dict[str, Float64s | float]:
        """`telemetry.movement.Context`: what was sent last, or is predicted."""
        watch = self._watches[satellite]
        found: dict[str, Float64s | float] = dict(watch.limits.context)
        if watch.bus.derived and self._forecast is not None:
            found.update(self._forecast.at(satellite, t_ns))
        return found

    def _predicted(self, watch: _Watch, t_ns: int) -> dict[str, float] | None:
        """Context of a frame that its satellite does not send; None where there is none."""
        if not watch.bus.derived or self._forecast is None:
            return None
        said = self._forecast.at(watch.name, np.array([t_ns]))
        return {name: float(values[0]) for name, values in said.items()}

    def _is_loss(self, gap: Event) -> bool:
        """Whether a silence was none between passes: what was recorded then comes down later."""
        times = gap.body["t0_ns"], gap.body["t1_ns"]
        return self._contacts is None or self._contacts.unbroken(gap.satellite, *times)

    def _calm_rows(self, batch: FrameBatch, invalid: Bools, new: Bools) -> Bools:
        """New rows that change no limit state; where the context is predicted, each is looked at on its own."""
        calm = np.zeros(len(batch), dtype=np.bool_)
        if not new.any():
            return calm
        for bus, rows in self._by_bus(batch):
            watches = [self._watches[name] for name in batch.satellites]
            monitors = [None if one.bus is not bus or bus.derived else one.limits for one in watches]
            calm[rows] = self._rule(bus, batch.layout)[1].find(batch, invalid, monitors)[rows]
        return calm

    def _score(self, batch: FrameBatch, invalid: Bools, rows: Bools) -> tuple[ScoreColumns | None, list[Event]]:
        whole = bool(rows.all())
        if not rows.any():
            return None, []
        judged = batch if whole else batch.take(rows)
        scored = self._models.scoring.score(judged, invalid if whole else invalid[rows])
        events: list[Event] = []
        for verdict in scored.verdicts:
            report = self._report(verdict)
            events.extend(self._desk.anomaly(verdict.satellite, report, verdict.t_ns))
        if not scored.verdicts:
            events.extend(self._calm(judged, scored.columns))
        if scored.columns is not None:
            events.extend(self._flagged(judged, scored.columns))
        if scored.columns is None or whole:
            return scored.columns, events
        return _scattered(scored.columns, rows), events

    def _report(self, verdict: Verdict) -> AnomalyReport:
        """The verdict in the desk's words. An episode spans packets; it goes by the packet of its lead channel."""
        bus = self._watches[verdict.satellite].bus
        parts = sorted(verdict.channels, key=lambda part: part.channel != verdict.lead)
        packet = next((name for name, channels in bus.packets if verdict.lead in channels), "")
        return AnomalyReport(
            packet,
            verdict.phase,
            tuple(part.channel for part in parts),
            verdict.sentence if verdict.phase != "ended" else "",
            verdict.score,
            {
                "model": verdict.model,
                "threshold": verdict.threshold,
                "p": verdict.p,
                "started_ns": verdict.started_ns,
                "times": verdict.times,
                "parts": [dataclasses.asdict(part) for part in verdict.channels[:PARTS]],
            },
        )

    def _flagged(self, batch: FrameBatch, columns: ScoreColumns) -> list[Event]:
        """Count the live rows that belong to a confirmed anomaly."""
        events: list[Event] = []
        live = (batch.quality & int(Quality.STORED)) == 0
        confirmed = live & (columns.state == CONFIRMED)
        for index in np.unique(batch.satellite[confirmed]).tolist():
            mine = np.flatnonzero(confirmed & (batch.satellite == index))
            score = float(columns.score[mine].max())
            t_ns = int(batch.t_ns[mine[-1]])
            events.extend(self._desk.flagged(batch.satellites[index], len(mine), score, t_ns))
        return events

    def _calm(self, batch: FrameBatch, columns: ScoreColumns | None) -> list[Event]:
        """Tell the desk of judged rows, or that none is, so that an episode from before a restart can end."""
        events: list[Event] = []
        if not self._desk.inherited:
            return events
        live = (batch.quality & int(Quality.STORED)) == 0
        for index, satellite in enumerate(batch.satellites):
            all_mine = np.flatnonzero(live & (batch.satellite == index))
            mine = all_mine[:0] if columns is None else all_mine[columns.model[all_mine] != 0]
            if len(all_mine) and not len(mine):
                t_ns = int(batch.t_ns[all_mine[-1]])
                events.extend(self._desk.unjudged(satellite, batch.layout.packet, len(all_mine), t_ns))
            elif columns is not None and len(mine):
                calm = 0 if columns.state[mine].any() else len(mine)
                t_ns = int(batch.t_ns[mine[-1]])
                events.extend(self._desk.nominal(satellite, batch.layout.packet, calm, t_ns))
        return events


def _scattered(columns: ScoreColumns, rows: Bools) -> ScoreColumns:
    """The columns of some rows among all; the others have no model."""
    n = len(rows)
    whole = ScoreColumns(
        np.zeros(n, dtype=np.int64),
        np.full(n, np.nan),
        np.full(n, np.nan),
        np.zeros(n, dtype=np.int64),
        np.zeros((n, 3), dtype=np.float32),
    )
    whole.model[rows] = columns.model
    whole.score[rows] = columns.score
    whole.p[rows] = columns.p
    whole.state[rows] = columns.state
    whole.axes[rows] = columns.axes
    return whole
