"""What a frame is: one packet of one satellite at one generation time.

A `Layout` names the columns of a packet once; a `Frame` is one packet; a `FrameBatch` is many packets of one
layout held as numpy columns, which is the form they travel in. Values are float64 exactly as they were sent:
whether a value is INVALID is derived when it is read (`telemetry.freshness.invalid`), so the ledger can always
return what came in.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]


class Quality(enum.IntFlag):
    """Marks that travel with a frame; a plain integer in the store."""

    NONE = 0
    STORED = 1
    """Recorded on board and sent later: never raises a live alarm, never overwrites a live value."""
    LATE = 2
    """Arrived after a frame of the same boot with a higher sequence number."""
    NO_SEQUENCE = 4
    """The source carries no boot and sequence number; they were assigned on the ground."""
    SIMULATED = 8
    """Made by a simulator."""
    REPLAYED = 16
    """Read from a recorded file."""


def supersedes(place: tuple[int, int] | None, t_ns: int, before: tuple[int, int] | None, before_ns: int) -> bool:
    """Whether one live frame is newer than another: by boot and sequence number where both have them.

    A clock on board may jump and jump back, and generation times with it. Without numbers of the satellite's own
    (`Frame.place` None) only the generation time is left; of equal ones the second is newer.

    Args:
        place, t_ns: boot and sequence number, and generation time (UTC ns), of the frame asked about.
        before, before_ns: those of the newest so far.
    """
    return t_ns >= before_ns if place is None or before is None else place > before


class Column(msgspec.Struct, frozen=True):
    """One value of a packet: channel name, ASCII unit, and the enumeration (code, label) where it has one."""

    name: str
    unit: str = ""
    enum: tuple[tuple[int, str], ...] = ()


class _LayoutBody(msgspec.Struct, frozen=True):
    packet: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Layout:
    """The ordered columns of a packet; immutable and known by its digest."""

    packet: str
    columns: tuple[Column, ...]

    @cached_property
    def body(self) -> bytes:
        """Canonical JSON of the layout, the form kept in the store."""
        return msgspec.json.encode(_LayoutBody(self.packet, self.columns))

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of `body`."""
        return hashlib.sha256(self.body).hexdigest()

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def positions(self) -> dict[str, int]:
        """Channel name -> column index."""
        return {name: i for i, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.columns)

    @staticmethod
    def from_body(body: bytes) -> Layout:
        """Read `body` back.

        Raises:
            msgspec.ValidationError: the bytes are not a layout.
        """
        raw = msgspec.json.decode(body, type=_LayoutBody)
        return Layout(raw.packet, raw.columns)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One packet. `t_ns` generation time and `received_ns` reception time are UTC nanoseconds."""

    satellite: str
    boot: int
    seq: int
    t_ns: int
    received_ns: int
    quality: int
    layout: Layout
    values: Float64s
    """Shape (len(layout),), in the layout's order and units; NaN means sent and INVALID."""

    @property
    def place(self) -> tuple[int, int] | None:
        """Boot and sequence number; None where they were assigned on the ground."""
        return None if self.quality & Quality.NO_SEQUENCE else (self.boot, self.seq)


@dataclass(frozen=True, slots=True, eq=False)
class FrameBatch:
    """n packets of one layout as columns; every array has n rows.

    `cursor` is opaque to everyone but the source that made it: "everything up to here was delivered". It is
    stored in the same transaction as the frames and given back to the source when a station starts.
    """

    layout: Layout
    satellites: tuple[str, ...]
    """Names that `satellite` indexes into."""
    satellite: Int64s
    boot: Int64s
    seq: Int64s
    t_ns: Int64s
    received_ns: Int64s
    quality: Int64s
    values: Float64s
    """Shape (n, len(layout))."""
    cursor: str | None = None

    def __len__(self) -> int:
        return int(self.t_ns.shape[0])

    def __iter__(self) -> Iterator[Frame]:
        for i in range(len(self)):
            yield self.frame(i)

    def frame(self, i: int) -> Frame:
        """Row `i` as a Frame; its values are a view, not a copy."""
        return Frame(
            self.satellites[int(self.satellite[i])],
            int(self.boot[i]),
            int(self.seq[i]),
            int(self.t_ns[i]),
            int(self.received_ns[i]),
            int(self.quality[i]),
            self.layout,
            self.values[i],
        )

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> FrameBatch:
        """The selected rows as a batch of their own, the cursor kept."""
        return FrameBatch(
            self.layout,
            self.satellites,
            self.satellite[rows],
            self.boot[rows],
            self.seq[rows],
            self.t_ns[rows],
            self.received_ns[rows],
            self.quality[rows],
            self.values[rows],
            self.cursor,
        )

    @staticmethod
    def of(frames: Sequence[Frame], cursor: str | None = None) -> FrameBatch:
        """Columns from single frames.

        Raises:
            ValueError: `frames` is empty or mixes layouts.
        """
        if not frames:
            raise ValueError("a batch needs at least one frame")
        layout = frames[0].layout
        if any(f.layout.digest != layout.digest for f in frames):
            raise ValueError("a batch holds frames of one layout")
        names = tuple(dict.fromkeys(f.satellite for f in frames))
        index = {name: i for i, name in enumerate(names)}

        def column(values: list[int]) -> Int64s:
            return np.array(values, dtype=np.int64)

        return FrameBatch(
            layout,
            names,
            column([index[f.satellite] for f in frames]),
            column([f.boot for f in frames]),
            column([f.seq for f in frames]),
            column([f.t_ns for f in frames]),
            column([f.received_ns for f in frames]),
            column([f.quality for f in frames]),
            np.array([f.values for f in frames], dtype=np.float64).reshape(len(frames), len(layout)),
            cursor,
        )
