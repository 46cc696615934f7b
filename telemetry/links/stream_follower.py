"""One stream of a link in Firebase: its records in the order of their keys, each once, from a cursor on.

What a stream of server-sent events may do wrong ends here. It may bring a record twice, or before the one in front
of it, or as a part, or the whole window again each hour: a record is taken when it is the next one by key and by
ids, and whatever is not the next is looked at in the database itself before anything is concluded from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar, cast

from telemetry.links.firebase_rest import Rest
from telemetry.links.keyed_node import AFTER, PAGE, TOO_LARGE, Arrivals, KeyedNode
from telemetry.links.link import Followed, LinkReport, Lost, Pruned, StreamCursor
from telemetry.links.link_health import LinkFailure, LinkHealth
from telemetry.links.link_keys import StreamKey
from telemetry.links.record import Record, RecordRefused, from_value

SETTLE_S = 1.0
"""Before rows are called lost the database is asked a second time, so much later."""
_MOST_STRANGERS = 1000
_Result = TypeVar("_Result")


class StreamFollower:
    """Iterate it once; it ends when the iteration is closed, and by nothing else.

    Args:
        stream: one of `link_keys.STREAMS`.
        cursor: the record applied last.
        refused: where records that are none are counted, by reason.
    """

    def __init__(
        self, rest: Rest, stream: str, cursor: StreamCursor, *, refused: Counter[str] | None = None
    ) -> None:
        self.stream = stream
        self.refused: Counter[str] = Counter() if refused is None else refused
        self.repeated = 0
        """Records that came again, and were let go."""
        self._rest = rest
        self._health: LinkHealth = rest.health()
        self._node = KeyedNode(rest, rest.endpoint.below(stream), self._start, self._health)
        self._key = cursor.key
        self._last = cursor.last
        self._poisoned = False
        self._strangers: set[str] = set()
        self._begun_at: int | None = None
        self._goal: int | None = None

    @property
    def report(self) -> LinkReport:
        """How this stream fares."""
        return self._health.report

    @property
    def is_live(self) -> bool:
        """Whether all that was in the stream a moment ago has been yielded."""
        return self._health.is_live

    @property
    def position(self) -> StreamCursor:
        """The record yielded last, or passed over since."""
        return StreamCursor(self._key, self._last)

    def _start(self) -> str:
        return self._key + AFTER if self._key else ""

    def __aiter__(self) -> AsyncGenerator[Followed]:
        return self.followed()

    async def followed(self) -> AsyncGenerator[Followed]:
        """Records, and in their place what is missing, for ever."""
        async with aclosing(self._node.arrivals()) as everything:
            async for arrivals in everything:
                if arrivals.complete:
                    await self._measure(arrivals)
                async with aclosing(self._delivered(arrivals)) as told:
                    async for one in told:
                        yield one
                        self._tell_progress()

    async def patiently(self, work: Callable[[], Awaitable[_Result]]) -> _Result:
        """The result of `work`, over cuts and outages."""
        while True:
            try:
                return await work()
            except LinkFailure as failure:
                await self._health.pause(failure)

    async def _delivered(self, arrivals: Arrivals) -> AsyncGenerator[Followed]:
        for key, value in arrivals.items:
            place = self._place(key)
            if place is None:
                continue
            if not arrivals.complete and not self._continues(place):
                async with aclosing(self._node.catch_up()) as pages:
                    async for page in pages:
                        async with aclosing(self._in_order(page)) as told:
                            async for one in told:
                                yield one
            async with aclosing(self._in_order(Arrivals([(key, value)], complete=True))) as told:
                async for one in told:
                    yield one

    def _place(self, key: str) -> StreamKey | None:
        """The place of a key that is new; what is no key of this stream is counted, once."""
        try:
            place = StreamKey.parse(key)
        except ValueError:
            place = None
        if place is None or place.stream != self.stream:
            if key not in self._strangers and len(self._strangers) < _MOST_STRANGERS:
                self._strangers.add(key)
                self.refused["no key of this stream"] += 1
            return None
        if key <= self._key:
            self.repeated += 1
            return None
        return place

    def _continues(self, place: StreamKey) -> bool:
        return bool(self._key) and self._starts_at() == place.start_s and place.first_id == self._last + 1

    def _starts_at(self) -> int | None:
        return StreamKey.parse(self._key).start_s if self._key else None

    async def _in_order(self, arrivals: Arrivals) -> AsyncGenerator[Followed]:
        """What is new among records between which the database has no others."""
        for key, value in arrivals.items:
            if (place := self._place(key)) is None:
                continue
            async with aclosing(self._missing(place)) as missing:
                async for one in missing:
                    yield one
            try:
                record = _record(key, value)
            except (RecordRefused, ValueError) as error:
                self.refused[error.reason if isinstance(error, RecordRefused) else "wrong shape"] += 1
                if not self._continues(place):
                    self._last = place.first_id - 1
                self._poisoned = True
                self._key = key
                continue
            self._key, self._last, self._poisoned = key, record.last, False
            if self._begun_at is None:
                self._begun_at = record.first
            yield record

    async def _missing(self, place: StreamKey) -> AsyncGenerator[Followed]:
        """What should be between here and `place`: found at second sight, pruned, or lost."""
        if self._hole(place) is None:
            return
        first, last = self._last + 1, place.first_id - 1
        if not self._poisoned:
            kept_from = await self._kept_from(place)
            if kept_from > first:
                yield Pruned(self.stream, first, min(last, kept_from - 1))
                self._last = min(last, kept_from - 1)
            if self._hole(place) is not None:
                await self._rest.clock.sleep(SETTLE_S)
                async with aclosing(self._second_sight(place)) as found:
                    async for one in found:
                        yield one
        hole = self._hole(place)
        if hole is not None:
            yield Lost(self.stream, *hole)
            self._last = hole[1]
        self._poisoned = False

    def _hole(self, place: StreamKey) -> tuple[int, int] | None:
        """First and last id between here and `place`; the ids of another start say nothing."""
        if not self._key or self._starts_at() != place.start_s or place.first_id <= self._last + 1:
            return None
        return self._last + 1, place.first_id - 1

    async def _second_sight(self, place: StreamKey) -> AsyncGenerator[Followed]:
        """Records before `place` that are there now."""
        async with aclosing(self._node.catch_up()) as pages:
            async for page in pages:
                before = [item for item in page.items if item[0] < place.text]
                for key, value in before:
                    if self._place(key) is None:
                        continue
                    try:
                        record = _record(key, value)
                    except (RecordRefused, ValueError):
                        continue
                    if record.first > self._last + 1:
                        yield Lost(self.stream, self._last + 1, record.first - 1)
                    self._key, self._last = key, record.last
                    yield record
                if len(before) < len(page.items):
                    return

    async def _kept_from(self, place: StreamKey) -> int:
        """First id of `place`'s publisher that retention has left, 0 where it took nothing of it."""
        marker = await self.patiently(lambda: self._rest.get(self._rest.endpoint.below("lo", self.stream)))
        try:
            kept = StreamKey.parse(marker) if isinstance(marker, str) else None
        except ValueError:
            kept = None
        if kept is None or kept.stream != self.stream or kept.start_s < place.start_s:
            return 0
        return kept.first_id if kept.start_s == place.start_s else place.first_id

    async def _measure(self, arrivals: Arrivals) -> None:
        """How much of a backlog that fills more than a page is done."""
        if len(arrivals.items) < PAGE or self._health.is_live:
            return
        if self._goal is None:
            head = await self.patiently(lambda: self._rest.get(self._rest.endpoint.below("heads", self.stream)))
            newest = cast("dict[str, Any]", head).get("b") if isinstance(head, dict) else None
            self._goal = newest if isinstance(newest, int) and not isinstance(newest, bool) else 0
        if self._begun_at is None:
            self._begun_at = self._last + 1
        self._tell_progress()

    def _tell_progress(self) -> None:
        if not self._goal or self._begun_at is None or self._health.is_live:
            return
        done, all_of_it = self._last + 1 - self._begun_at, self._goal + 1 - self._begun_at
        self._health.backfilling(100 * done // all_of_it if all_of_it > 0 else 0)


def _record(key: str, value: object) -> Record:
    if value is TOO_LARGE:
        raise RecordRefused("too large", key)
    return from_value(key, value)
