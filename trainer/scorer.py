"""Scoring as frames arrive: rolling state, models, episodes. numpy only, used by the station.

`LiveScoring` keeps everything that must outlive a model (windows, context, the newest accepted rows, the running
episode), so a new scorer is swapped in between two frames without forgetting anything. It never sees what a channel
is called for: it sees numbers. All satellites of a bus are scored together, each by its own model.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from telemetry.frame import Float64s, FrameBatch, Int64s, Layout, Quality
from telemetry.store.rows import ScoreColumns
from trainer.bank import Opinions, PacketBank
from trainer.context import ContextTrack, context_channels
from trainer.episodes import Episodes, Stretch
from trainer.fusion.live import NEEDED
from trainer.served import CONFIRM, Scorer, ScorerRefused
from trainer.streams import Bools, Cut, Indices, Streams
from trainer.verdict import Scored, Verdict

if TYPE_CHECKING:
    from telemetry.dictionary import Bus, Mission

__all__ = ["CONFIRM", "LiveScoring", "Scored", "Scorer", "ScorerRefused", "Verdict"]


class LiveScoring:
    """Scores every frame of every satellite of a mission; one object per station, used by one thread."""

    def __init__(self, mission: Mission, scorers: Iterable[Scorer] = ()) -> None:
        self._scorers: dict[str, Scorer] = {}
        past = 0 if mission.detector.kind == "isolation_forest" else NEEDED
        self._fleets = [
            _Fleet(bus, [one.name for one in mission.satellites if one.bus == name], self._scorers, past)
            for name, bus in mission.buses.items()
        ]
        for scorer in scorers:
            self.swap(scorer)

    def scorer(self, satellite: str) -> Scorer | None:
        """The model that judges `satellite` now; None while it is learning."""
        return self._scorers.get(satellite)

    def swap(self, scorer: Scorer) -> None:
        """Judge the scorer's satellite with it from the next frame on; windows and episode carry over."""
        self._scorers[scorer.satellite] = scorer
        for fleet in self._fleets:
            fleet.swap(scorer)

    def score(self, batch: FrameBatch, invalid: Bools | None = None) -> Scored:
        """Judge a batch and remember what the next one needs.

        Args:
            batch: frames of one layout, each satellite's in the order in which they were made: by boot and sequence
                number, or by generation time where they have none. Older rows than the newest one seen are not
                judged (model 0).
            invalid: True where a value is INVALID, shape (n, k); NaN is always INVALID.

        A row in which no window is full yet (after a gap, or a change of mode) has no opinion: model 0. Rows marked
        STORED are judged, with windows of their own, and never start or extend an episode.

        Raises:
            KeyError: a satellite is not of this mission.
        """
        n = len(batch)
        values = batch.values if invalid is None else np.where(invalid, np.nan, batch.values)
        columns = ScoreColumns(
            np.zeros(n, dtype=np.int64),
            np.full(n, np.nan),
            np.full(n, np.nan),
            np.zeros(n, dtype=np.int64),
            np.zeros((n, 3), dtype=np.float32),
        )
        verdicts: list[Verdict] = []
        stored = (batch.quality & int(Quality.STORED)) != 0
        left = n
        for fleet in self._fleets:
            slots = fleet.slots_of(batch)
            for is_stored in (True, False):
                rows = np.flatnonzero((slots >= 0) & (stored == is_stored))
                left -= len(rows)
                if len(rows):
                    rows = rows[np.argsort(slots[rows], kind="stable")]
                    fleet.score(batch, values, rows, slots[rows], is_stored, columns, verdicts)
        if left:
            raise KeyError(f"not of this mission: one of {', '.join(batch.satellites[:8])}")
        verdicts.sort(key=lambda verdict: verdict.row)
        known = any(name in self._scorers for name in batch.satellites)
        return Scored(columns if known else None, tuple(verdicts))


class _Fleet:
    """The satellites of one bus; each has a slot, its number among them."""

    def __init__(self, bus: Bus, names: list[str], scorers: dict[str, Scorer], past: int) -> None:
        self._past = past
        self._slots = {name: slot for slot, name in enumerate(names)}
        self._names = names
        self._scorers = scorers
        self._channels = {channel.name: channel for channel in bus.channels}
        self._context = context_channels(bus)
        self._tracks = [ContextTrack(self._context) for _ in names]
        self._episodes = [Episodes(name, self._channels) for name in names]
        self._streams: dict[tuple[str, bool], Streams] = {}
        self._banks: dict[str, PacketBank] = {}

    def swap(self, scorer: Scorer) -> None:
        slot = self._slots.get(scorer.satellite)
        if slot is not None:
            for bank in self._banks.values():
                bank.put(slot, scorer)

    def slots_of(self, batch: FrameBatch) -> Indices:
        """Slot of each row, -1 where the satellite is of another bus."""
        slots = np.array([self._slots.get(name, -1) for name in batch.satellites], dtype=np.intp)
        return slots[batch.satellite]

    def score(
        self,
        batch: FrameBatch,
        all_values: Float64s,
        rows: Indices,
        slots: Indices,
        stored: bool,
        columns: ScoreColumns,
        verdicts: list[Verdict],
    ) -> None:
        """Judge some rows of a batch, sorted by slot; fills `columns` and adds to `verdicts`."""
        streams = self._streams_of(batch.layout, stored)
        seq = np.where(batch.quality[rows] & int(Quality.NO_SEQUENCE), -1, batch.seq[rows])
        newer = streams.newer(Cut.of(slots), batch.t_ns[rows], batch.boot[rows], seq)
        if not newer.all():
            rows, slots = rows[newer], slots[newer]
            if not len(rows):
                return
        cut, t_ns = Cut.of(slots), batch.t_ns[rows]
        back = t_ns < cut.before(t_ns, streams.newest_ns)
        if not back.any():
            self._score(streams, batch, all_values, rows, cut, stored, columns, verdicts)
            return
        # A clock on board was set back: what came before that is judged before the context forgets it.
        for slot, mine in cut.stretches:
            for piece in np.split(rows[mine], np.flatnonzero(back[mine])):
                if not len(piece):
                    continue
                if not stored and batch.t_ns[piece[0]] < streams.newest_ns[slot]:
                    self._rewind(streams, slot, int(batch.t_ns[piece[0]]))
                alone = Cut.of(np.full(len(piece), slot))
                self._score(streams, batch, all_values, piece, alone, stored, columns, verdicts)

    def _rewind(self, streams: Streams, slot: int, t_ns: int) -> None:
        """Let the context that these packets carry begin anew at `t_ns`; what others carry is theirs."""
        track = self._tracks[slot]
        for name in self._context:
            if name in streams.layout.positions:
                track.rewind(name, t_ns)
        if streams.contact:
            track.rewind_contact(t_ns)

    def _score(
        self,
        streams: Streams,
        batch: FrameBatch,
        all_values: Float64s,
        rows: Indices,
        cut: Cut,
        stored: bool,
        columns: ScoreColumns,
        verdicts: list[Verdict],
    ) -> None:
        t_ns, values = batch.t_ns[rows], all_values[rows]
        codes = self._codes(streams, cut, t_ns, values)
        fed = streams.push(cut, t_ns, batch.boot[rows], values, codes)
        opinions = self._bank(batch.layout).judge(streams, cut, fed, t_ns, codes)
        streams.keep(cut, t_ns, values, codes, fed)
        if opinions is not None:
            columns.model[rows] = opinions.model
            columns.score[rows] = opinions.row_score
            columns.p[rows] = opinions.p
            columns.axes[rows] = opinions.axes
            columns.state[rows] = opinions.flagged.any(axis=1)
        if not stored:
            confirmed = self._follow(streams, cut, rows, t_ns, values, opinions, columns, verdicts)
            columns.state[rows[confirmed]] = 2
            streams.accept(cut, values, columns.state[rows] == 0)

    def _streams_of(self, layout: Layout, stored: bool) -> Streams:
        found = self._streams.get((layout.digest, stored))
        if found is None:
            found = Streams(layout, self._channels, len(self._names), len(self._context) + 1, self._past)
            self._streams[layout.digest, stored] = found
        return found

    def _bank(self, layout: Layout) -> PacketBank:
        bank = self._banks.get(layout.digest)
        if bank is None:
            bank = self._banks[layout.digest] = PacketBank(layout, self._context, len(self._names))
            for name, slot in self._slots.items():
                if name in self._scorers:
                    bank.put(slot, self._scorers[name])
        return bank

    def _codes(self, streams: Streams, cut: Cut, t_ns: Int64s, values: Float64s) -> Float64s:
        """Context codes of each row, after the satellites' tracks have seen the rows."""
        positions = streams.layout.positions
        carried = [(name, positions[name]) for name in self._context if name in positions]
        if len(cut.slots) == len(t_ns):
            return self._codes_of_one_each(streams, carried, cut, t_ns, values)
        codes = np.empty((len(t_ns), len(self._context) + 1))
        for slot, mine in cut.stretches:
            track = self._tracks[slot]
            for name, column in carried:
                track.observe(name, t_ns[mine], values[mine, column])
            if streams.contact:
                track.observe_contact(t_ns[mine], streams.period_s)
            codes[mine] = track.codes(t_ns[mine])
        return codes

    def _codes_of_one_each(
        self, streams: Streams, carried: list[tuple[str, int]], cut: Cut, t_ns: Int64s, values: Float64s
    ) -> Float64s:
        """The same where each satellite has one row: without arrays of one element."""
        seen = [(name, values[:, column].tolist()) for name, column in carried]
        codes: list[list[float]] = []
        for i, (moment, (slot, _)) in enumerate(zip(t_ns.tolist(), cut.stretches, strict=True)):
            track = self._tracks[slot]
            for name, column in seen:
                track.observe_one(name, moment, column[i])
            if streams.contact:
                track.observe_contact(t_ns[i : i + 1], streams.period_s)
            codes.append(track.codes_at(moment))
        return np.array(codes)

    def _follow(
        self,
        streams: Streams,
        cut: Cut,
        rows: Indices,
        t_ns: Int64s,
        values: Float64s,
        opinions: Opinions | None,
        columns: ScoreColumns,
        verdicts: list[Verdict],
    ) -> Bools:
        """Let the episodes see live rows; True for rows with a flagged, confirmed channel."""
        nothing = np.zeros(values.shape, dtype=np.bool_)
        flags = nothing if opinions is None else opinions.flagged
        newly = nothing if opinions is None else opinions.newly
        confirmed = np.zeros(len(rows), dtype=np.bool_)
        begin = np.zeros(len(cut.slots), dtype=np.bool_)
        begin[cut.each[newly.any(axis=1)]] = True
        for (slot, mine), begins in zip(cut.stretches, begin.tolist(), strict=True):
            episodes = self._episodes[slot]
            if not (begins or episodes.running):
                continue
            scorer = self._scorers.get(self._names[slot])
            packet = None if scorer is None else scorer.packets.get(streams.layout.packet)
            stretch = Stretch(
                streams.layout,
                streams.period_s,
                rows[mine],
                t_ns[mine],
                values[mine],
                flags[mine],
                newly[mine],
                nothing[mine] if opinions is None else opinions.lasting[mine],
                None if opinions is None else opinions.z[mine],
                columns.score[rows[mine]],
                columns.p[rows[mine]],
                streams.usual(slot),
                streams.past(slot).values[: -len(t_ns[mine])],
                None if opinions is None else opinions.speaker[mine],
                None if opinions is None else opinions.forecast[mine],
                None if packet is None else packet.joint,
                None if packet is None else _columns(streams.layout, packet.channels),
            )
            confirmed[mine] = episodes.follow(stretch, None if scorer is None else scorer.version, verdicts)
        return confirmed


def _columns(layout: Layout, channels: Iterable[str]) -> Indices:
    """Where the judged channels lie; none where one of them is not sent any more."""
    known = all(name in layout.positions for name in channels)
    return np.array([layout.positions[name] for name in channels] if known else [], dtype=np.intp)
