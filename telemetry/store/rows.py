"""What goes into the mission store and comes out of it, beside frames and events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s, FrameBatch, Int64s, Layout

Bools = npt.NDArray[np.bool_]
Float32s = npt.NDArray[np.float32]

InvalidRule = Callable[[str, Layout, Float64s], Bools]
"""(satellite name, layout, values[n, k]) -> bool[n, k], True where a value is INVALID."""


def nan_is_invalid(satellite: str, layout: Layout, values: Float64s) -> Bools:
    """The rule of a store opened without a mission: only NaN is known to be INVALID."""
    del satellite, layout
    return np.isnan(values)


class ScoreColumns(msgspec.Struct, frozen=True, eq=False):
    """A model's opinion about the n rows of a batch. Rows with model 0 (learning) have none and are not stored."""

    model: Int64s
    score: Float64s
    p: Float64s
    state: Int64s
    """0 nominal, 1 a row above the threshold, 2 a confirmed anomaly."""
    axes: Float32s
    """Shape (n, 3): position of the row in the picture of Clusters."""

    def take(self, rows: npt.NDArray[np.intp] | Bools) -> ScoreColumns:
        """The selected rows."""
        return ScoreColumns(self.model[rows], self.score[rows], self.p[rows], self.state[rows], self.axes[rows])


class ScoredBatch(msgspec.Struct, frozen=True, eq=False):
    """Frames on their way into the store. `invalid` is bool[n, k]; without it the writer's own rule is applied."""

    batch: FrameBatch
    score: ScoreColumns | None = None
    invalid: Bools | None = None


class ScoreBatch(msgspec.Struct, frozen=True, eq=False):
    """A model's opinions about n frames known by satellite, boot and sequence number; columns of n rows."""

    satellites: tuple[str, ...]
    """Names that `satellite` indexes into."""
    satellite: Int64s
    boot: Int64s
    seq: Int64s
    columns: ScoreColumns

    def __len__(self) -> int:
        return int(self.seq.shape[0])

    def take(self, rows: npt.NDArray[np.intp] | Bools) -> ScoreBatch:
        """The selected rows."""
        return ScoreBatch(
            self.satellites, self.satellite[rows], self.boot[rows], self.seq[rows], self.columns.take(rows)
        )

    @staticmethod
    def empty() -> ScoreBatch:
        """No opinions."""
        none, real = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float64)
        columns = ScoreColumns(none, real, real, none, np.zeros((0, 3), dtype=np.float32))
        return ScoreBatch((), none, none, none, columns)


class AppendResult(msgspec.Struct):
    """What became of one append. Ids are those of the accepted frames; 0 when none was accepted."""

    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    refused: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    first_id: int = 0
    last_id: int = 0
    accepted_mask: list[Bools] = msgspec.field(default_factory=list[Bools])
    """One bool[n] per batch, in order."""
    first_event: int = 0
    last_event: int = 0


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One considered fit, whether it was promoted or not. Times are UTC ns."""

    id: int = 0
    retrain: int
    at_ns: int
    satellite: str | None = None
    decision: str
    version: int | None = None
    parent: int | None = None
    mlflow_run: str | None = None
    fit_s: float | None = None
    rows: int | None = None
    excluded: int | None = None
    threshold: float | None = None
    false_alarms_per_day: float | None = None
    anomaly_rate: float | None = None
    drift: float | None = None
    window_from: int | None = None
    window_to: int | None = None
    window_hash: str | None = None
    model_sha256: str | None = None
    reason: str = ""
    body: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


class HealthRow(msgspec.Struct, frozen=True, kw_only=True):
    """The heartbeat of a station: when it last beat, when the next retrain is due, and how it is."""

    station: str
    beat_ns: int
    next_retrain_ns: int | None = None
    body: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


class ContactRow(msgspec.Struct, frozen=True, kw_only=True):
    """A pass of a satellite over a ground station, from acquisition to loss of signal (UTC ns, degrees)."""

    satellite: str
    station: str
    acquisition_ns: int
    loss_ns: int
    max_el_deg: float


class Key(NamedTuple):
    """Place of a row in the ledger: generation time, then store id."""

    t_ns: int
    id: int


class LedgerRow(msgspec.Struct, frozen=True, eq=False):
    """A stored frame and, where a model has judged it, that opinion (None otherwise)."""

    id: int
    satellite: str
    boot: int
    seq: int
    t_ns: int
    received_ns: int
    quality: int
    layout: Layout
    values: Float64s
    model: int | None
    score: float | None
    p: float | None
    state: int | None

    @property
    def key(self) -> Key:
        return Key(self.t_ns, self.id)


class Page(msgspec.Struct, frozen=True, eq=False):
    """Ledger rows newest first; `more` tells whether the ledger goes on in the direction that was asked for."""

    rows: list[LedgerRow]
    more: bool


class Series(msgspec.Struct, frozen=True, eq=False):
    """One channel over time in b bins; bin i holds generation times in [t_ns[i], t_ns[i] + bin_ns).

    Where `count` is 0 nothing valid was received: `low`, `high` and `last` are NaN there, a gap and not a zero.
    `last` is a value with the newest generation time of the bin.
    """

    bin_ns: int
    t_ns: Int64s
    low: Float64s
    high: Float64s
    last: Float64s
    count: Int64s


class SelectionChunk(msgspec.Struct, frozen=True, eq=False):
    """n consecutive rows of a selection in ledger order, as columns.

    Rows of several packets alternate, so `values` has a column for every channel of the selection: NaN where a
    value was not sent (`sent` False) as well as where NaN was sent. Where no model has judged the row (`scored`
    False) `model` and `state` are 0, `score` and `p` NaN.
    """

    satellites: tuple[str, ...]
    """Names that `satellite` indexes into."""
    layouts: tuple[Layout, ...]
    """Layouts that `layout` indexes into."""
    channels: tuple[str, ...]
    """Names of the c columns of `values`, the same in every chunk of one selection."""
    satellite: Int64s
    layout: Int64s
    id: Int64s
    boot: Int64s
    seq: Int64s
    t_ns: Int64s
    received_ns: Int64s
    quality: Int64s
    values: Float64s
    """Shape (n, c), as sent."""
    sent: Bools
    """Shape (n, c): the row's packet carries the channel."""
    invalid: Bools
    """Shape (n, c): sent, and INVALID."""
    scored: Bools
    model: Int64s
    score: Float64s
    p: Float64s
    state: Int64s

    def __len__(self) -> int:
        return int(self.t_ns.shape[0])


class Scores(msgspec.Struct, frozen=True, eq=False):
    """Scored rows of a satellite, oldest first."""

    frame: Int64s
    t_ns: Int64s
    model: Int64s
    score: Float64s
    p: Float64s
    state: Int64s
    axes: Float32s
    """Shape (n, 3)."""
