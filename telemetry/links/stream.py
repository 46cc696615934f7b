"""Frames as JSON lines on a pipe: the universal input.

In: one object a line (`telemetry.links.json_frame`). Out, once the store has them:
`{"confirmed": [[satellite, boot, seq], ...]}`. A line that is refused is answered at once, with
`{"refused": {"line": n, "reason": ..., "detail": ..., "satellite": ..., "boot": ..., "seq": ...}}`. A frame that
was stored before is confirmed again. End of file ends the source.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import IO

import msgspec
import numpy as np

from telemetry.clock import NS_PER_S, Clock, SystemClock
from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch, Layout, Quality
from telemetry.links.json_frame import JsonFrame, JsonFrames, Refusal
from telemetry.links.pipes import MOST_UNWRITTEN, InputPipe, LineSplitter, OutputPipe

MOST_LINE_BYTES = 1 << 20
FLUSH_S = 0.5


class _Cursor(msgspec.Struct, frozen=True):
    """The boot that was given to frames without one."""

    boot: int


class _Numbered(msgspec.Struct, frozen=True):
    """A frame with the boot and sequence number it will be stored under."""

    frame: JsonFrame
    boot: int
    seq: int
    quality: int


class StreamSource:
    """Reads JSON lines from `stdin`, confirms on `stdout`; both are binary files with a descriptor.

    Frames without boot and seq get the start of this source as boot and their order as seq, with NO_SEQUENCE. A
    boot is never used twice: `cursor` holds the last.
    """

    name = "stream"
    live = True
    rate = 1.0

    def __init__(
        self,
        stdin: IO[bytes],
        stdout: IO[bytes],
        mission: Mission,
        satellite: str | None = None,
        *,
        cursor: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock if clock is not None else SystemClock()
        self._frames = JsonFrames(mission, satellite if satellite is not None else mission.satellites[0].name)
        self._input = InputPipe(stdin.fileno())
        self._output = OutputPipe(stdout.fileno())
        before = msgspec.json.decode(cursor, type=_Cursor).boot if cursor is not None else -1
        self._boot = max(self._clock.now_ns() // NS_PER_S, before + 1)
        self._numbered = 0
        self._line = 0
        self._ending = False
        self.refused: Counter[str] = Counter()
        """Lines that were not delivered, by reason."""

    def __aiter__(self) -> AsyncIterator[FrameBatch]:
        return self._batches()

    async def _batches(self) -> AsyncIterator[FrameBatch]:
        lines = LineSplitter(MOST_LINE_BYTES)
        async for chunk in self._input.chunks():
            for batch in self._read(lines.feed(chunk)):
                yield batch
            # While the reader of the confirmations does not keep up nothing more is read.
            while self._output.unwritten > MOST_UNWRITTEN and not self._ending:
                await asyncio.to_thread(self._output.flush, 0.2)
        self._ending = True
        for batch in self._read(lines.end()):
            yield batch
        await asyncio.to_thread(self._output.flush, FLUSH_S)

    def _read(self, lines: list[bytes | None]) -> list[FrameBatch]:
        """Batches of what was understood, one a layout, each in the order of arrival."""
        groups: dict[str, tuple[Layout, list[_Numbered]]] = {}
        for line in lines:
            self._line += 1
            try:
                if line is None:
                    raise Refusal("line too long", f"more than {MOST_LINE_BYTES} bytes")
                if line.strip():
                    frame = self._frames.read(line)
                    groups.setdefault(frame.layout.digest, (frame.layout, []))[1].append(self._number(frame))
            except Refusal as refusal:
                self._refuse(refusal)
        return [self._batch(layout, frames) for layout, frames in groups.values()]

    def _number(self, frame: JsonFrame) -> _Numbered:
        quality = int(Quality.STORED) if frame.stored else 0
        if frame.boot is not None and frame.seq is not None:
            return _Numbered(frame, frame.boot, frame.seq, quality)
        seq = self._numbered
        self._numbered += 1
        return _Numbered(frame, self._boot, seq, quality | int(Quality.NO_SEQUENCE))

    def _batch(self, layout: Layout, frames: list[_Numbered]) -> FrameBatch:
        names = tuple(dict.fromkeys(one.frame.satellite for one in frames))
        index = {name: i for i, name in enumerate(names)}
        cursor = msgspec.json.encode(_Cursor(self._boot)).decode() if self._numbered else None
        return FrameBatch(
            layout=layout,
            satellites=names,
            satellite=np.array([index[one.frame.satellite] for one in frames], dtype=np.int64),
            boot=np.array([one.boot for one in frames], dtype=np.int64),
            seq=np.array([one.seq for one in frames], dtype=np.int64),
            t_ns=np.array([one.frame.t_ns for one in frames], dtype=np.int64),
            received_ns=np.full(len(frames), self._clock.now_ns(), dtype=np.int64),
            quality=np.array([one.quality for one in frames], dtype=np.int64),
            values=np.array([one.frame.values for one in frames], dtype=np.float64).reshape(
                len(frames), len(layout)
            ),
            cursor=cursor,
        )

    def _refuse(self, refusal: Refusal) -> None:
        self.refused[refusal.reason] += 1
        satellite, boot, seq = refusal.place
        answer = {
            "line": self._line,
            "reason": refusal.reason,
            "detail": refusal.detail,
            "satellite": satellite,
            "boot": boot,
            "seq": seq,
        }
        self._output.write(msgspec.json.encode({"refused": answer}) + b"\n")

    async def committed(self, batch: FrameBatch) -> None:
        """Tell upstream that these frames survive whatever happens now."""
        rows: list[tuple[int, int, int]] = np.stack([batch.satellite, batch.boot, batch.seq], axis=1).tolist()
        places = [(batch.satellites[satellite], boot, seq) for satellite, boot, seq in rows]
        self._output.write(msgspec.json.encode({"confirmed": places}) + b"\n")
        if self._ending:
            # The process is about to end, and the thread that writes would end with it.
            await asyncio.to_thread(self._output.flush, FLUSH_S)

    async def close(self) -> None:
        """Stop reading. Frames that are stored from now on are still confirmed."""
        self._ending = True
        self._input.close()
        await asyncio.to_thread(self._output.flush, FLUSH_S)
