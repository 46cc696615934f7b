"""Which rows of the mission store go out next, and under which keys: the store is the outbox of a link."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from telemetry.clock import NS_PER_S, Clock
from telemetry.links.link_keys import StreamKey
from telemetry.store.reader import StoreReader

if TYPE_CHECKING:
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.writer import StoreWriter

MOST_RANGES = 5
"""What goes out together, at most."""
_LATEST_S = 2**32 - 2**20
"""Behind a key as late as this there is no room for those of stations to come."""


class Going(NamedTuple):
    """A range of rows on its way under a key."""

    stream: str
    key: str
    first: int
    last: int


class Outbox:
    """Rows of some streams of one store, for one place. Ranges are durable before they are given out."""

    def __init__(
        self,
        directory: MissionDirectory,
        writer: StoreWriter,
        clock: Clock,
        streams: tuple[str, ...],
        place: str,
    ) -> None:
        """`place`: where the rows go; another one begins with the first row of the store."""
        self._reader = StoreReader(directory.telemetry)
        self._publication = writer.publication
        self._publication.aim(place)
        self._clock = clock
        self._streams = streams
        self._heads: dict[str, str] = {}
        self._start_s: int | None = None
        self.backlog = 0
        """Rows that are not known to have arrived, at the last look."""

    def close(self) -> None:
        self._reader.close()

    def going(self) -> list[Going]:
        """What is on its way, oldest first."""
        found = [
            Going(StreamKey.parse(key).stream, key, first, last)
            for key, first, last in self._publication.unpublished()
        ]
        # A station that had another role may have left others.
        return [one for one in found if one.stream in self._streams]

    def next_ranges(self) -> list[Going]:
        """What goes next: what is on its way already, else the oldest rows.

        Raises:
            StoreFull: a range cannot be kept; try again later.
        """
        newest = self._reader.outgoing.newest_ids()
        taken = {stream: self._publication.sent_until(stream) for stream in self._streams}
        self.backlog = sum(max(0, newest[stream] - sent) for stream, sent in taken.items())
        known = self.going()
        ranges = known[:MOST_RANGES]
        taken |= {one.stream: one.last for one in known}
        # One of each in turn, so that an alarm does not wait for hours of frames.
        turns = deque(self._streams)
        while turns and len(ranges) < MOST_RANGES:
            stream = turns.popleft()
            found = self._reader.outgoing.next_range(stream, taken[stream])
            if found is None:
                continue
            key = StreamKey(stream, self._start(), found[0]).text
            self._publication.publish_range(key, *found)
            ranges.append(Going(stream, key, *found))
            taken[stream] = found[1]
            turns.append(stream)
        return ranges

    def _start(self) -> int:
        """Start for new keys: after all that stands in the database, whatever this machine's clock says."""
        if self._start_s is None:
            starts = [_start_of(key) + 1 for key in self._heads.values()]
            ours = self._publication.start_after(self._clock.now_ns() // NS_PER_S)
            self._start_s = max([ours, *starts])
        return self._start_s

    def learn(self, heads: Mapping[str, str]) -> None:
        """These keys are the newest that stand in the database."""
        self._heads |= heads
        if self._start_s is not None and max(map(_start_of, self._heads.values()), default=0) > self._start_s:
            self._start_s = None

    def overtaken(self) -> list[Going]:
        """What was on its way when others wrote: to send it now would put it before what they sent."""
        return [
            one
            for one in self.going()
            if _start_of(self._heads.get(one.stream, "")) > StreamKey.parse(one.key).start_s
        ]

    def find(self, key: str) -> Going | None:
        """What is on its way under `key`."""
        return next((one for one in self.going() if one.key == key), None)

    def done_with(self, key: str) -> int:
        """It arrived, or never will: how many ids it held.

        Raises:
            StoreFull: that cannot be kept; try again later.
        """
        found = self.find(key)
        self._publication.published(key)
        return 0 if found is None else found.last - found.first + 1

    def withdraw(self, key: str) -> list[str]:
        """It never arrived, nor what came after it in its stream: all that goes out anew. The keys that are void.

        Raises:
            StoreFull: that cannot be kept; try again later.
        """
        later = [one for one, _, _ in self._publication.unpublished(StreamKey.parse(key).stream) if one >= key]
        for one in reversed(later):
            self._publication.withdrawn(one)
        return later


def is_last(key: str) -> bool:
    """Whether hardly a key can be made that sorts after this one."""
    return _start_of(key) >= _LATEST_S


def _start_of(key: str) -> int:
    try:
        return StreamKey.parse(key).start_s
    except ValueError:
        return 0
