"""What a batch means: validity, limits, score, alarms, gaps. Called once a batch, in the order of arrival."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cubesat_tui.gaps import GapFinder, pulse
from cubesat_tui.journal import whole_journal
from telemetry.alarm_desk import AlarmDesk, AnomalyReport
from telemetry.alarms import Event
from telemetry.clock import Clock
from telemetry.dictionary import Bus, Channel, Mission
from telemetry.frame import FrameBatch, Layout, Quality
from telemetry.freshness import invalid_mask
from telemetry.limits import LimitMonitor
from telemetry.store.rows import ScoreColumns, ScoredBatch

if TYPE_CHECKING:
    from cubesat_tui.forecast import Forecast
    from cubesat_tui.served_models import ServedModels
    from telemetry.store.reader import StoreReader
    from trainer.verdict import Verdict

Bools = npt.NDArray[np.bool_]
NOWHERE = (-1, -1)
CONFIRMED = 2
"""State of a row that belongs to a confirmed anomaly."""
PARTS = 5
"""Contributing channels that are kept with an anomaly."""


@dataclass
class _Watch:
    """What is followed for one satellite."""

    bus: Bus
    limits: LimitMonitor
    gaps: GapFinder
    places: dict[str, tuple[int, int]]
    """Packet -> (boot, seq) of the newest live frame seen."""


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
    ) -> None:
        """`forecast`: where limit contexts come from that no satellite sends."""
        self._forecast = forecast
        self._mission = mission
        self._models = models
        self._desk = desk
        self._clock = clock
        self._watches = {satellite.name: self._watch(satellite.name) for satellite in mission.satellites}
        self._channels: dict[tuple[str, str], tuple[Channel, ...]] = {}

    def _watch(self, satellite: str) -> _Watch:
        bus = self._mission.bus_of(satellite)
        return _Watch(bus, LimitMonitor(bus), GapFinder(satellite, *pulse(bus)), {})

    def restore(self, reader: StoreReader) -> list[Event]:
        """Take up what the store knows: open alarms, running limit episodes, and the newest frame of each packet.

        Returns what is to be journaled: alarms on channels that are no longer monitored.
        """
        self._desk.restore(whole_journal(reader))
        told: list[Event] = []
        for satellite, watch in self._watches.items():
            told += self._desk.resume(satellite, watch.limits, self._clock.now_ns())
            newest = reader.newest(satellite)
            watch.places = {packet: (frame.boot, frame.seq) for packet, frame in newest.items()}
            covered = [frame.t_ns for frame in reader.newest_any(satellite).values()]
            watch.gaps.newest_ns = max(covered, default=None)
        return told

    @property
    def newest_ns(self) -> int | None:
        """The newest generation time (UTC ns) of any satellite; None before the first frame."""
        seen = (watch.gaps.newest_ns for watch in self._watches.values())
        return max((t_ns for t_ns in seen if t_ns is not None), default=None)

    def invalid(self, batch: FrameBatch) -> Bools:
        """Which values are INVALID, shape (n, k)."""
        if len(batch.satellites) == 1:
            return self._invalid_of(batch.satellites[0], batch.layout, batch.values)
        mask = np.zeros(batch.values.shape, dtype=np.bool_)
        for index, satellite in enumerate(batch.satellites):
            rows = batch.satellite == index
            mask[rows] = self._invalid_of(satellite, batch.layout, batch.values[rows])
        return mask

    def _invalid_of(self, satellite: str, layout: Layout, values: npt.NDArray[np.float64]) -> Bools:
        key = (satellite, layout.digest)
        channels = self._channels.get(key)
        if channels is None:
            channels = self._channels[key] = self._watches[satellite].bus.channels_of(layout)
        return invalid_mask(channels, values)

    def judge(self, batch: FrameBatch) -> tuple[ScoredBatch, list[Event]]:
        """Validity and score of each frame, and what is to be journaled because of them."""
        invalid = self.invalid(batch)
        stored = (batch.quality & int(Quality.STORED)) != 0
        new = self._newer(batch, stored)
        events = self._monitor(batch, new)
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

    def _monitor(self, batch: FrameBatch, new: Bools) -> list[Event]:
        events: list[Event] = []
        for i in np.flatnonzero(new).tolist():
            frame = batch.frame(i)
            watch = self._watches[frame.satellite]
            gap = watch.gaps.step(batch.layout.packet, frame.t_ns, frame.received_ns)
            if gap is not None:
                events.append(gap)
            if watch.bus.derived and self._forecast is not None:
                said = self._forecast.at(frame.satellite, np.array([frame.t_ns]))
                watch.limits.predict({name: float(values[0]) for name, values in said.items()})
            transitions = watch.limits.step(frame)
            if transitions:
                events.extend(self._desk.limits(frame.satellite, transitions, frame.t_ns))
            ongoing = watch.limits.ongoing()
            if ongoing:
                events.extend(self._desk.progress(frame.satellite, ongoing, frame.t_ns))
        return events

    def _score(self, batch: FrameBatch, invalid: Bools, rows: Bools) -> tuple[ScoreColumns | None, list[Event]]:
        whole = bool(rows.all())
        if not rows.any():
            return None, []
        scored = self._models.scoring.score(
            batch if whole else batch.take(rows), invalid if whole else invalid[rows]
        )
        events: list[Event] = []
        for verdict in scored.verdicts:
            report = self._report(verdict)
            events.extend(self._desk.anomaly(verdict.satellite, report, verdict.t_ns))
        if scored.columns is not None:
            judged = batch if whole else batch.take(rows)
            if not scored.verdicts:
                events.extend(self._calm(judged, scored.columns))
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
                "parts": [dataclasses.asdict(part) for part in verdict.channels[:PARTS]],
            },
        )

    def _flagged(self, batch: FrameBatch, columns: ScoreColumns) -> list[Event]:
        """Count the live rows that belong to a confirmed anomaly."""
        events: list[Event] = []
        live = (batch.quality & int(Quality.STORED)) == 0
        confirmed = live & (columns.state == CONFIRMED)
        if not confirmed.any():
            return events
        for index, satellite in enumerate(batch.satellites):
            mine = np.flatnonzero(confirmed & (batch.satellite == index))
            if len(mine):
                score = float(columns.score[mine].max())
                events.extend(self._desk.flagged(satellite, len(mine), score, int(batch.t_ns[mine[-1]])))
        return events

    def _calm(self, batch: FrameBatch, columns: ScoreColumns) -> list[Event]:
        """Tell the desk of judged rows, so that an episode from before a restart can end."""
        events: list[Event] = []
        live = ((batch.quality & int(Quality.STORED)) == 0) & (columns.model != 0)
        for index, satellite in enumerate(batch.satellites):
            mine = np.flatnonzero(live & (batch.satellite == index))
            if len(mine):
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
