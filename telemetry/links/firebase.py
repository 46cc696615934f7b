"""Frames of another station over Firebase, as a source."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing

import numpy as np

from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch, Layout
from telemetry.links.bundles import Bundles
from telemetry.links.firebase_rest import Rest
from telemetry.links.link import LinkReport, Lost, Pruned, StreamCursor
from telemetry.links.read_ahead import ReadAhead
from telemetry.links.record import Record, RecordRefused
from telemetry.links.record_frames import digests_of, frames_of, layout_of
from telemetry.links.stream_follower import StreamFollower

MOST_LAYOUTS = 1024
_DIGEST = re.compile(r"[0-9a-f]{64}")
Missing = Lost | Pruned


class Layouts:
    """The layouts of a link, each read once when the first record uses it."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._known: dict[str, Layout] = {}

    async def of(self, record: Record) -> Mapping[str, Layout]:
        """Digest -> layout of at least those that a record of frames uses.

        Raises:
            RecordRefused: the link has no such layout, or what stands there is none.
            LinkFailure: it could not be read now.
        """
        for digest in digests_of(record):
            if digest in self._known:
                continue
            if not _DIGEST.fullmatch(digest):
                raise RecordRefused("no layout", digest)
            if len(self._known) >= MOST_LAYOUTS:
                raise RecordRefused("too many layouts", f"more than {MOST_LAYOUTS}")
            body = await self._rest.get(self._rest.endpoint.below("layouts", digest))
            self._known[digest] = layout_of(digest, body)
        return self._known


class FirebaseSource:
    """The stream `frames` of a link. The cursor of a batch is the text of a `StreamCursor`.

    Args:
        cursor: of the batch committed last.
        mission: whose satellites and channels are taken; rows of others are counted and left out.
        missing: told what the link does not have, at the place where it should have been.
    """

    name = "firebase"
    live = True
    rate = 1.0

    def __init__(
        self,
        rest: Rest,
        cursor: str | None,
        mission: Mission,
        *,
        missing: Callable[[Missing], None] = lambda _: None,
    ) -> None:
        self.refused: Counter[str] = Counter()
        """What was not delivered, by reason: records that are none, rows nobody here knows, rows the link lost."""
        self._rest = rest
        self._mission = mission
        self._missing = missing
        self._follower = StreamFollower(rest, "frames", StreamCursor.of(cursor), refused=self.refused)
        self._layouts = Layouts(rest)
        self._fits: dict[tuple[str, str], str] = {}
        self._ahead = ReadAhead(self._read)

    @property
    def report(self) -> LinkReport:
        """How the link is now."""
        return self._follower.report

    @property
    def simulated(self) -> bool:
        """Whether the mission says that what comes over this link is made by a simulator."""
        return self._mission.simulated

    def __aiter__(self) -> AsyncIterator[FrameBatch]:
        return self._ahead.batches()

    async def _read(self, bundles: Bundles) -> None:
        async with aclosing(self._follower.followed()) as followed:
            async for one in followed:
                if isinstance(one, Record):
                    await bundles.put(await self._frames(one), StreamCursor(one.key, one.last).text)
                else:
                    self._tell(one)

    async def _frames(self, record: Record) -> list[FrameBatch]:
        try:
            layouts = await self._follower.patiently(lambda: self._layouts.of(record))
            rows = [self._known_rows(batch) for batch in frames_of(record, layouts)]
        except RecordRefused as refused:
            self.refused[refused.reason] += 1
            self._tell(Lost("frames", record.first, record.last))
            return []
        return [batch for batch in rows if batch is not None]

    def _known_rows(self, batch: FrameBatch) -> FrameBatch | None:
        """The rows whose satellite and channels this mission has."""
        misfits = [self._misfit(name, batch.layout) for name in batch.satellites]
        if not any(misfits):
            return batch
        rows = np.array([bool(misfit) for misfit in misfits], dtype=np.bool_)[batch.satellite]
        numbers: list[int] = batch.satellite[rows].tolist()
        self.refused.update(misfits[number] for number in numbers)
        return None if rows.all() else batch.take(~rows)

    def _misfit(self, satellite: str, layout: Layout) -> str:
        """Why rows of this satellite and layout cannot be taken; "" where they can."""
        key = satellite, layout.digest
        if key not in self._fits and len(self._fits) > MOST_LAYOUTS:
            self._fits.clear()
        if key not in self._fits:
            known = self._mission.by_name.get(satellite)
            if known is None:
                self._fits[key] = "unknown satellite"
            else:
                channels = self._mission.bus_of(satellite).by_name
                self._fits[key] = "" if all(name in channels for name in layout.names) else "unknown channel"
        return self._fits[key]

    def _tell(self, missing: Missing) -> None:
        reason = "lost in the link" if isinstance(missing, Lost) else "deleted from the link before it was read"
        self.refused[reason] += missing.last - missing.first + 1
        self._missing(missing)

    async def committed(self, batch: FrameBatch) -> None:
        """Nobody upstream waits for a confirmation: the cursor is all there is."""

    async def close(self) -> None:
        """Stop reading; the iterator ends."""
        await self._ahead.close()
