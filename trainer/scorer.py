"""Scoring as frames arrive: rolling state, 3-of-5 confirmation, episodes. numpy only, used by the station.

`LiveScoring` keeps everything that must outlive a model (windows, context, the newest accepted rows, the running
episode), so a new scorer is swapped in between two frames without forgetting anything. It never sees what a channel
is called for: it sees numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s, FrameBatch, Int64s, Layout, Quality
from telemetry.store.rows import ScoreColumns
from trainer.context import ContextTrack, changes
from trainer.features import WINDOW, RollingRing
from trainer.served import THRESHOLD, Judged, Scorer, ScorerRefused
from trainer.verdict import Contribution, Scored, Verdict, sentence

if TYPE_CHECKING:
    from telemetry.dictionary import Bus, Channel, Mission

__all__ = ["Contribution", "LiveScoring", "Scored", "Scorer", "ScorerRefused", "Verdict"]

CONFIRM = 3
"""Rows above the threshold, of the newest `WINDOW`, that confirm a channel."""

USUAL_ROWS = 60
"""Accepted rows that `usual here` is taken from."""

LINGER_NS = 20_000_000_000
"""An episode ends after this long without an active channel: what comes sooner has the same cause."""

_SILENT_NS = 120_000_000_000
_MAD = 1.4826

SIDED = 3.0
"""Normal spreads away from which value or mean is above or below usual, and not only restless."""

Bools = npt.NDArray[np.bool_]


@dataclass(slots=True)
class _Active:
    """A channel that is part of the running episode."""

    newest_ns: int
    unflagged: int
    release: int
    silent_ns: int
    part: Contribution


@dataclass(slots=True)
class _Episode:
    lead: str
    started_ns: int
    active: dict[str, _Active]
    seen: dict[str, Contribution]
    """Every channel that took part, at its worst."""
    calm_ns: int | None = None
    """Since when no channel is active."""


@dataclass(slots=True)
class _Stream:
    """One packet of one satellite, live or stored."""

    layout: Layout
    ring: RollingRing
    period_s: float
    boot: int
    codes: Float64s | None = None
    flags: Bools = field(default_factory=lambda: np.zeros((0, 0), dtype=np.bool_))
    accepted: Float64s = field(default_factory=lambda: np.empty((0, 0)))


class _SatelliteState:
    def __init__(self, name: str, bus: Bus) -> None:
        self.name = name
        self.channels: dict[str, Channel] = {channel.name: channel for channel in bus.channels}
        self.track = ContextTrack(context_channels(bus))
        self.streams: dict[tuple[str, bool], _Stream] = {}
        self.episode: _Episode | None = None

    def stream(self, layout: Layout, stored: bool, boot: int) -> _Stream:
        found = self.streams.get((layout.digest, stored))
        if found is None:
            period = packet_period(self.channels[name] for name in layout.names if name in self.channels)
            ring = RollingRing(len(layout), period)
            found = _Stream(layout, ring, period, boot)
            found.flags = np.zeros((WINDOW - 1, len(layout)), dtype=np.bool_)
            found.accepted = np.empty((0, len(layout)))
            self.streams[layout.digest, stored] = found
        return found


def context_channels(bus: Bus) -> tuple[str, ...]:
    """Channels whose value is a mode of the satellite: the bus's context, and whatever else is enumerated.

    A load that is switched steps other channels; where its switch is telemetered, that is no anomaly.
    """
    enumerated = (channel.name for channel in bus.channels if channel.enum and not channel.contact_only)
    return tuple(dict.fromkeys((*bus.context, *enumerated)))


def packet_period(channels: Iterable[Channel]) -> float:
    """Seconds between packets: the shortest period of the channels they carry."""
    return min((channel.period_s for channel in channels), default=1.0)


def contact_packet(layout: Layout, channels: dict[str, Channel]) -> bool:
    """Whether the packet is sent only during a pass."""
    return all(name in channels and channels[name].contact_only for name in layout.names)


class LiveScoring:
    """Scores every frame of every satellite of a mission; one object per station, used by one thread."""

    def __init__(self, mission: Mission, scorers: Iterable[Scorer] = ()) -> None:
        self._mission = mission
        self._satellites: dict[str, _SatelliteState] = {}
        self._scorers: dict[str, Scorer] = {}
        for scorer in scorers:
            self.swap(scorer)

    def scorer(self, satellite: str) -> Scorer | None:
        """The model that judges `satellite` now; None while it is learning."""
        return self._scorers.get(satellite)

    def swap(self, scorer: Scorer) -> None:
        """Judge the scorer's satellite with it from the next frame on; windows and episode carry over."""
        self._scorers[scorer.satellite] = scorer

    def score(self, batch: FrameBatch, invalid: Bools | None = None) -> Scored:
        """Judge a batch and remember what the next one needs.

        Args:
            batch: frames of one layout, each satellite's in order of generation time. Older rows than the newest
                one seen are not judged (model 0).
            invalid: True where a value is INVALID, shape (n, k); NaN is always INVALID.

        A row in which no window is full yet (after a gap, or a change of mode) has no opinion: model 0. Rows marked
        STORED are judged, with windows of their own, and never start or extend an episode.
        """
        n = len(batch)
        values = batch.values if invalid is None else np.where(invalid, np.nan, batch.values)
        model = np.zeros(n, dtype=np.int64)
        columns = ScoreColumns(
            model,
            np.full(n, np.nan),
            np.full(n, np.nan),
            np.zeros(n, dtype=np.int64),
            np.zeros((n, 3), dtype=np.float32),
        )
        verdicts: list[Verdict] = []
        stored = (batch.quality & int(Quality.STORED)) != 0
        for index, name in enumerate(batch.satellites):
            mine = batch.satellite == index
            for is_stored in (True, False):
                rows = np.flatnonzero(mine & (stored == is_stored))
                if len(rows):
                    self._rows(name, batch, values, rows, is_stored, columns, verdicts)
        verdicts.sort(key=lambda verdict: verdict.row)
        known = any(name in self._scorers for name in batch.satellites)
        return Scored(columns if known else None, tuple(verdicts))

    def _satellite(self, name: str) -> _SatelliteState:
        state = self._satellites.get(name)
        if state is None:
            state = self._satellites[name] = _SatelliteState(name, self._mission.bus_of(name))
        return state

    def _rows(
        self,
        name: str,
        batch: FrameBatch,
        all_values: Float64s,
        rows: npt.NDArray[np.intp],
        stored: bool,
        columns: ScoreColumns,
        verdicts: list[Verdict],
    ) -> None:
        state = self._satellite(name)
        layout = batch.layout
        stream = state.stream(layout, stored, int(batch.boot[rows[0]]))
        rows = _in_order(batch, rows, stream)
        if not len(rows):
            return
        t_ns, values, boot = batch.t_ns[rows], all_values[rows], batch.boot[rows]
        for channel in state.track.channels:
            column = layout.positions.get(channel)
            if column is not None:
                state.track.observe(channel, t_ns, values[:, column])
        if contact_packet(layout, state.channels):
            state.track.observe_contact(t_ns)
        codes = state.track.codes(t_ns)
        separate = changes(codes, stream.codes) | (np.diff(boot, prepend=stream.boot) != 0)
        features, _ = stream.ring.push(t_ns, values, separate)
        stream.codes, stream.boot = codes[-1], int(boot[-1])

        scorer = self._scorers.get(name)
        flags = np.zeros(values.shape, dtype=np.bool_)
        judged: Judged | None = None
        positions = np.empty(0, dtype=np.intp)
        if scorer is not None and layout.packet in scorer.packets:
            packet = scorer.packets[layout.packet]
            if all(channel in layout.positions for channel in packet.channels):
                positions = np.array([layout.positions[channel] for channel in packet.channels], dtype=np.intp)
                judged = self._judge(scorer, state, layout.packet, features[:, positions], t_ns, codes)
                flags[:, positions] = judged.flagged
        if judged is not None and scorer is not None:
            seen = ~np.isnan(judged.row_score)
            columns.model[rows[seen]] = scorer.version
            columns.score[rows] = judged.row_score
            columns.p[rows] = judged.p
            columns.axes[rows] = judged.axes
        columns.state[rows] = flags.any(axis=1)
        if stored:
            return
        confirmed = self._episode(
            state, stream, scorer, judged, positions, flags, rows, t_ns, values, columns, verdicts
        )
        columns.state[rows[confirmed]] = 2
        calm = values[~flags.any(axis=1) & ~confirmed]
        stream.accepted = np.concatenate((stream.accepted, calm))[-USUAL_ROWS:]
        stream.flags = np.concatenate((stream.flags, flags))[-(WINDOW - 1) :]

    @staticmethod
    def _judge(
        scorer: Scorer, state: _SatelliteState, packet: str, features: Float64s, t_ns: Int64s, codes: Float64s
    ) -> Judged:
        order = [
            state.track.channels.index(name) for name in scorer.manifest.context if name in state.track.channels
        ]
        chosen = codes[:, [*order, codes.shape[1] - 1]]
        if chosen.shape[1] != scorer.keys.shape[1]:
            chosen = np.full((len(t_ns), scorer.keys.shape[1]), np.nan)
        bins, key = scorer.place(t_ns, chosen)
        return scorer.judge(packet, features, bins, key)

    def _episode(
        self,
        state: _SatelliteState,
        stream: _Stream,
        scorer: Scorer | None,
        judged: Judged | None,
        positions: npt.NDArray[np.intp],
        flags: Bools,
        rows: npt.NDArray[np.intp],
        t_ns: Int64s,
        values: Float64s,
        columns: ScoreColumns,
        verdicts: list[Verdict],
    ) -> Bools:
        """Confirm, extend and end the satellite's episode; True for rows with a flagged, confirmed channel."""
        n = len(t_ns)
        confirmed_rows = np.zeros(n, dtype=np.bool_)
        joined = np.concatenate((stream.flags, flags)).astype(np.int8)
        count = joined[WINDOW - 1 :].copy()
        for back in range(1, WINDOW):
            count += joined[WINDOW - 1 - back : len(joined) - back]
        newly = (count >= CONFIRM) & flags
        if state.episode is None and not newly.any():
            return confirmed_rows
        lasting = flags.copy()
        if judged is not None:
            lasting[:, positions] = judged.lasting
        column_of = {int(position): i for i, position in enumerate(positions)}
        names = stream.layout.names
        for i in range(n):
            episode = state.episode
            joiners = [
                int(c) for c in np.flatnonzero(newly[i]) if episode is None or names[c] not in episode.active
            ]
            if joiners and judged is not None and scorer is not None:
                usual_rows = np.concatenate((stream.accepted, values[:i][~flags[:i].any(axis=1)]))[-USUAL_ROWS:]
                started = episode is None
                if episode is None:
                    episode = state.episode = _Episode("", int(t_ns[i]), {}, {})
                fresh = any(names[c] not in episode.seen for c in joiners)
                for c in joiners:
                    part = _contribution(names[c], values[i, c], usual_rows[:, c], judged.z[i, column_of[c]])
                    silent = max(_SILENT_NS, int(10e9 * stream.period_s))
                    release = WINDOW if stream.period_s <= 2 else 2
                    episode.active[names[c]] = _Active(int(t_ns[i]), 0, release, silent, part)
                    before = episode.seen.get(names[c])
                    if before is None or before.sigma < part.sigma:
                        episode.seen[names[c]] = part
                parts = _shares(episode.seen.values())
                if started:
                    episode.lead = parts[0].channel
                if fresh:
                    phase = "started" if started else "ongoing"
                    verdicts.append(self._verdict(state, scorer, episode, phase, rows[i], i, t_ns, columns, parts))
            if episode is None:
                continue
            confirmed_rows[i] = self._advance(episode, stream.layout, lasting[i], int(t_ns[i]))
            if episode.active:
                episode.calm_ns = None
            elif episode.calm_ns is None:
                episode.calm_ns = int(t_ns[i])
            if episode.calm_ns is not None and t_ns[i] - episode.calm_ns >= LINGER_NS:
                state.episode = None
                if scorer is not None:
                    verdicts.append(
                        self._verdict(
                            state,
                            scorer,
                            episode,
                            "ended",
                            rows[i],
                            i,
                            t_ns,
                            columns,
                            _shares(episode.seen.values()),
                        )
                    )
        return confirmed_rows

    @staticmethod
    def _advance(episode: _Episode, layout: Layout, lasting: Bools, t_ns: int) -> bool:
        """Count a row for the active channels it carries; release the calm and the silent ones."""
        hit = False
        for name in list(episode.active):
            active = episode.active[name]
            column = layout.positions.get(name)
            if column is not None:
                active.newest_ns = t_ns
                active.unflagged = 0 if lasting[column] else active.unflagged + 1
                hit = hit or bool(lasting[column])
            if active.unflagged >= active.release or t_ns - active.newest_ns > active.silent_ns:
                del episode.active[name]
        return hit

    @staticmethod
    def _verdict(
        state: _SatelliteState,
        scorer: Scorer,
        episode: _Episode,
        phase: Literal["started", "ongoing", "ended"],
        row: np.intp,
        i: int,
        t_ns: Int64s,
        columns: ScoreColumns,
        parts: tuple[Contribution, ...],
    ) -> Verdict:
        lead = next((part for part in parts if part.channel == episode.lead), parts[0])
        return Verdict(
            int(row),
            state.name,
            int(t_ns[i]),
            phase,
            episode.lead,
            episode.started_ns,
            float(columns.score[row]),
            THRESHOLD,
            float(columns.p[row]),
            scorer.version,
            parts,
            sentence(state.channels[lead.channel], lead.value, lead.usual, lead.spread),
        )


def _in_order(batch: FrameBatch, rows: npt.NDArray[np.intp], stream: _Stream) -> npt.NDArray[np.intp]:
    """The rows newer than everything before them (of the same boot, or a later one)."""
    newest = stream.ring.newest_ns
    if newest is None:
        newest = -(1 << 62)
    t_ns, boot = batch.t_ns[rows], batch.boot[rows]
    before = np.maximum.accumulate(np.concatenate(([newest], t_ns[:-1])))
    rebooted = boot > np.maximum.accumulate(np.concatenate(([stream.boot], boot[:-1])))
    return rows[(t_ns > before) | rebooted]


def _contribution(name: str, value: float, accepted: Float64s, z: Float64s) -> Contribution:
    known = accepted[np.isfinite(accepted)]
    usual = float(np.median(known)) if len(known) else float("nan")
    spread = float(_MAD * np.median(np.abs(known - usual))) if len(known) else float("nan")
    direction: Literal[-1, 0, 1] = 0
    if np.abs(z[:2]).max() > SIDED and value != usual:
        direction = 1 if value > usual else -1
    return Contribution(name, 0.0, float(value), usual, spread, float(np.abs(z).max()), direction)


def _shares(parts: Iterable[Contribution]) -> tuple[Contribution, ...]:
    """Most deviating first, shares adding up to 1."""
    ordered = sorted(parts, key=lambda part: -part.sigma)
    total = sum(part.sigma for part in ordered) or 1.0
    return tuple(
        Contribution(p.channel, p.sigma / total, p.value, p.usual, p.spread, p.sigma, p.direction) for p in ordered
    )
