"""The models of a fleet for one packet, side by side: every satellite's rows judged by its own model in one pass.

What a model looks up in large tables and asks of its forest stays its own; clocks, modes, thresholds and axes lie
in arrays of one row a satellite. Where forests judge, a row is judged exactly as by `trainer.served.Scorer.judge`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s, Int64s, Layout
from trainer.fusion.arrays import PacketFusion
from trainer.fusion.live import Memory, deviations, place_score
from trainer.served import CONFIRM, RELEASE, PacketModel, Scorer, projected, relative_scores, worst
from trainer.streams import NEVER_NS, Bools, Cut, Fed, Indices, Streams


@dataclass(frozen=True, eq=False)
class Opinions:
    """n rows of a packet with k channels, judged; a channel or row without a model is NaN and never flagged."""

    model: Int64s
    """Version of the model that judged each row; 0 where no window was full, or no model knows the packet."""
    z: Float64s
    """Normalised features, shape (n, k, 3)."""
    flagged: Bools
    """Shape (n, k)."""
    lasting: Bools
    """Shape (n, k): high enough to keep a confirmed channel in its episode."""
    newly: Bools
    """Shape (n, k): flagged and confirmed, each voice by its own rule."""
    relative: Float64s
    """How far each channel's loudest voice is on the way from usual (0) to its threshold (1), shape (n, k)."""
    speaker: npt.NDArray[np.int8]
    """Which voice that is, an index into `trainer.verdict.MEMBERS`, shape (n, k); idle where not judged."""
    forecast: Float64s
    """Value expected from the channel's own past, in its unit, shape (n, k); NaN where nobody forecasts."""
    row_score: Float64s
    p: Float64s
    axes: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    scorer: Scorer
    packet: PacketModel
    positions: Indices
    """Column of each judged channel."""
    fusion: PacketFusion | None
    """What judges the rows; None where the forest does."""


class PacketBank:
    """The served models of one layout; `codes` names the context channels of the rows, contact not among them."""

    def __init__(self, layout: Layout, codes: Sequence[str], slots: int) -> None:
        k, m = len(layout), len(codes) + 1
        self._layout = layout
        self._codes = tuple(codes)
        self._entries: list[_Entry | None] = [None] * slots
        self._epoch = np.zeros(slots, dtype=np.int64)
        self._period = np.ones(slots, dtype=np.int64)
        self._bins = np.zeros(slots, dtype=np.int64)
        self._until = np.full(slots, NEVER_NS, dtype=np.int64)
        self._keys = np.full((slots, 0, m), np.nan)
        self._seen = np.ones((slots, 1, 1), dtype=np.bool_)
        """Whether each mode was seen at each place, as `Scorer.seen`."""
        self._any_code = np.zeros((slots, m), dtype=np.bool_)
        """Codes that make no mode of a satellite's model: what its clock was learned from."""
        self._threshold = np.ones((slots, k))
        self._middle = np.zeros((slots, k))
        self._centre = np.zeros((slots, k))
        self._scale = np.ones((slots, k))
        self._axes = np.zeros((slots, k, 3))

    def put(self, slot: int, scorer: Scorer) -> None:
        """Judge a satellite with `scorer` from now on; one that does not know the packet judges nothing."""
        self._entries[slot] = None
        packet = scorer.packets.get(self._layout.packet)
        if packet is None or not all(name in self._layout.positions for name in packet.channels):
            return
        positions = np.array([self._layout.positions[name] for name in packet.channels], dtype=np.intp)
        fusion = packet.fusion if scorer.manifest.kind == "fusion" else None
        for table, empty, values in (
            (self._threshold, 1.0, packet.threshold if fusion is None else fusion.place_threshold),
            (self._middle, 0.0, packet.middle if fusion is None else np.zeros(len(positions))),
            (self._centre, 0.0, packet.axes_centre),
            (self._scale, 1.0, packet.axes_scale),
            (self._axes, 0.0, packet.axes),
        ):
            table[slot] = empty
            table[slot, positions] = values
        clock = scorer.clock
        self._epoch[slot], self._period[slot], self._bins[slot], self._until[slot] = (
            (0, 1, 0, NEVER_NS)
            if clock is None
            else (clock.epoch_ns, clock.period_ns, clock.bins, clock.valid_until_ns)
        )
        self._put_keys(slot, scorer)
        self._entries[slot] = _Entry(scorer, packet, positions, fusion)

    def _put_keys(self, slot: int, scorer: Scorer) -> None:
        count, m = len(scorer.keys), len(self._codes) + 1
        if count > self._keys.shape[1]:
            more = np.full((len(self._keys), count - self._keys.shape[1], m), np.nan)
            self._keys = np.concatenate((self._keys, more), axis=1)
        self._put_seen(slot, scorer)
        self._keys[slot], self._any_code[slot] = np.nan, False
        context = scorer.manifest.context
        if not set(context) <= set(self._codes):
            return
        columns = [*(self._codes.index(name) for name in context), m - 1]
        self._any_code[slot] = True
        self._any_code[slot, columns] = False
        self._keys[slot, :count][:, columns] = scorer.keys

    def _put_seen(self, slot: int, scorer: Scorer) -> None:
        keys, bins = self._keys.shape[1] + 1, int(self._bins.max()) + 1
        more = np.maximum(0, np.array((keys, bins)) - self._seen.shape[1:])
        self._seen = np.pad(self._seen, ((0, 0), (0, int(more[0])), (0, int(more[1]))), constant_values=True)
        self._seen[slot] = True
        if scorer.seen is not None:
            rows, places = scorer.seen.shape
            self._seen[slot, :rows, :places] = scorer.seen

    def judge(self, streams: Streams, cut: Cut, fed: Fed, t_ns: Int64s, codes: Float64s) -> Opinions | None:
        """Judge rows sorted by satellite; None where no satellite of them has a model.

        Where a forest judges, its score is each channel's only voice, confirmed by 3 of 5 rows. Otherwise the first
        voice is how far value, mean and deviation are from what is usual at this place, the others are those of
        `trainer.fusion.live`, which says too when any is believed.

        Args:
            streams: that the rows went through; remembers what the next rows are judged by.
            cut: the satellites of the rows.
            fed: what the rows became, all k channels.
            t_ns: generation times.
            codes: context codes, contact last, shape (n, m).
        """
        features = fed.features
        n, k = features.shape[:2]
        if all(self._entries[slot] is None for slot, _ in cut.stretches):
            streams.flagged(cut, np.zeros((n, k), dtype=np.bool_))
            return None
        slots = cut.slots[cut.each]
        bins, key = self._place(slots, t_ns, codes)
        z, score, floor = np.full(features.shape, np.nan), np.full((n, k), np.nan), np.full((n, k), np.nan)
        model = np.zeros(n, dtype=np.int64)
        for slot, rows in cut.stretches:
            entry = self._entries[slot]
            if entry is None:
                streams.memories.pop(slot, None)
                continue
            scorer, packet, columns = entry.scorer, entry.packet, entry.positions
            mine = scorer.normalise(packet, features[rows][:, columns], bins[rows], key[rows])
            z[rows, columns] = mine
            if entry.fusion is None:
                score[rows, columns] = scorer.isolate(packet, mine)
                floor[rows, columns] = scorer.probe[packet.group] + 1e-9
            else:
                score[rows, columns], floor[rows, columns] = place_score(mine), 0.0
            model[rows] = scorer.version
        threshold, middle = self._threshold[slots], self._middle[slots]
        with np.errstate(invalid="ignore"):
            flagged = (score > threshold) & (score > floor)
            lasting = flagged | (score > middle + RELEASE * (threshold - middle))
        newly = (streams.flagged(cut, flagged) >= CONFIRM) & flagged
        relative = relative_scores(score, middle, threshold)
        speaker, forecast = np.zeros((n, k), dtype=np.int8), np.full((n, k), np.nan)
        for slot, rows in cut.stretches:
            entry = self._entries[slot]
            if entry is None or entry.fusion is None:
                continue
            here, columns = (rows, entry.positions), entry.positions
            usual = self._usual(entry, bins[rows], key[rows])
            heard = self._memory(streams, slot, entry, entry.fusion).hear(
                deviations(z[here][:, :, 0], bins[rows], self._places(entry)),
                key[rows], fed.broken[rows], fed.apart[rows], features[rows][:, columns, 0], bins[rows], usual,
                relative[here],
            )  # fmt: skip
            flagged[here] |= heard.flagged
            lasting[here] |= heard.lasting
            newly[here] = heard.newly
            first = relative[here]
            relative[here] = np.fmax(first, np.maximum(heard.relative, 0.0))
            speaker[here] = np.where(heard.relative > np.nan_to_num(first), heard.speaker, 0)
            forecast[here] = entry.scorer.expected(entry.packet, heard.forecast, bins[rows], key[rows])
        row_score = worst(relative)
        judged = model != 0
        model[np.isnan(row_score)] = 0
        axes = projected(features[:, :, 0], self._centre[slots], self._scale[slots], self._axes[slots])
        axes[~judged] = 0.0
        p = self._p(cut, row_score)
        return Opinions(model, z, flagged, lasting, newly, relative, speaker, forecast, row_score, p, axes)

    def _memory(self, streams: Streams, slot: int, entry: _Entry, fusion: PacketFusion) -> Memory:
        """What the fusion remembers of a satellite; of a new model, all that is still known of the rows before."""
        before = streams.memories.get(slot)
        memory = None if before is None else before[0]
        if memory is None or memory.fusion is not fusion:
            memory = Memory(fusion, entry.packet.rifts, entry.packet.period_s)
            streams.memories[slot] = memory, entry.positions
            past = streams.past(slot)
            if len(past.t_ns):
                bins, key = self._place(np.full(len(past.t_ns), slot), past.t_ns, past.codes)
                values = past.values[:, entry.positions]
                z = entry.scorer.normalise(entry.packet, values[:, :, None], bins, key)
                seen = deviations(z[:, :, 0], bins, self._places(entry))
                usual = self._usual(entry, bins, key)
                memory.hear(seen, key, past.broken, past.apart, values, bins, usual)
            if before is not None and np.array_equal(before[1], entry.positions):
                memory.take_over(before[0])
        return memory

    @classmethod
    def _usual(cls, entry: _Entry, bins: Indices, key: Indices) -> Float64s:
        """Values that are usual at n places, shape (n, c); NaN where the place is not known."""
        packet = entry.packet
        out: Float64s = packet.centre[bins, :, 0] + packet.key_offset[key, :, 0]
        if cls._places(entry):
            out[bins == 0] = np.nan
        return out

    @staticmethod
    def _places(entry: _Entry) -> int:
        clock = entry.scorer.clock
        return 0 if clock is None else clock.bins

    def _place(self, slots: Indices, t_ns: Int64s, codes: Float64s) -> tuple[Indices, Indices]:
        """Orbit bin and mode of each row, as `Scorer.place`."""
        equal = ((codes[:, None, :] == self._keys[slots]) | self._any_code[slots][:, None, :]).all(axis=2)
        if equal.shape[1]:
            key = np.where(equal.any(axis=1), equal.argmax(axis=1) + 1, 0)
        else:
            key = np.zeros(len(slots), dtype=np.intp)
        period = self._period[slots]
        part = ((t_ns - self._epoch[slots]) % period) * self._bins[slots] // period
        place = np.where((t_ns <= self._until[slots]) & (self._bins[slots] > 0), part + 1, 0)
        key = np.where(self._seen[slots, key, place], key, 0)
        return np.where(key != 0, place, 0).astype(np.intp), key.astype(np.intp)

    def _p(self, cut: Cut, row_score: Float64s) -> Float64s:
        """Share of each model's calibration that scored at least as high."""
        p = np.full(len(row_score), np.nan)
        for slot, rows in cut.stretches:
            entry = self._entries[slot]
            if entry is not None:
                calibration = entry.packet.calibration
                above = len(calibration) - calibration.searchsorted(row_score[rows], side="left")
                p[rows] = (above + 1) / (len(calibration) + 1)
        p[np.isnan(row_score)] = np.nan
        return p
