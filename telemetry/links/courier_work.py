"""What the courier of a link does: it reads rows of the mission store and appends them to the database as records.

It decides nothing: which rows, under which key, and when, is said by the station that runs it. Records go out with
the newest of their stream (`heads`) in one update of several paths, so that either all is there or nothing, and
going out twice leaves what going out once does.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec

from telemetry.kill_points import reach
from telemetry.links.courier_claims import Claim, Claims, Overtaken
from telemetry.links.courier_database import POISON, RETRY, STAMP, Database, Failure, blameless, text_of
from telemetry.links.courier_records import Range, RecordValues, weight

if TYPE_CHECKING:
    from telemetry.store.publication import Outgoing

MOST_RECORDS = 5
MOST_BYTES = 2**20
"""What one update holds, at most; a single record may be larger."""
MOST_PRUNED = 200
PRUNED_AT_ONCE = 20
"""Records are read whole to see how old they are."""


class Settings(msgspec.Struct):
    """What the station says once, before anything else."""

    url: str
    root: str
    station: str
    name: str
    session: str
    """Of this run of the station: the same station started twice is two writers."""
    credentials: str = ""
    compress: bool = True
    mirror_alerts: bool = False


class Beat(msgspec.Struct):
    """That the station lives, and how it is."""

    status: str | None = None


class Prune(msgspec.Struct):
    """To let go of records of a stream whose rows are all older than `before_s` (Unix s)."""

    stream: str
    before_s: int


class Courier:
    """Carries ranges, claims, reports and deletions to one database. `say` is told what became of each."""

    def __init__(
        self,
        settings: Settings,
        outgoing: Callable[[], Outgoing],
        database: Database,
        say: Callable[[dict[str, Any]], None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now_ns: Callable[[], int] = time.time_ns,
        most_records: int = MOST_RECORDS,
    ) -> None:
        self._settings = settings
        self._database = database
        self._say = say
        self._most_records = most_records
        self._claims = Claims(settings, database, monotonic, now_ns)
        self._records = RecordValues(
            outgoing,
            settings.root,
            settings.station,
            compress=settings.compress,
            mirror_alerts=settings.mirror_alerts,
        )

    def claim(self, claim: Claim) -> None:
        """Become the one who writes, unless another is."""
        try:
            self._claims.claim(claim)
            heads = {stream: self._head(stream) for stream in claim.streams}
        except Overtaken as other:
            self._say(other.told())
        except Failure as failure:
            self._failed(blameless(failure), {"claim": claim.node})
        else:
            self._say({"claimed": claim.node, "heads": heads})

    def _head(self, stream: str) -> str:
        return text_of(self._database.get(self._path("heads", stream)), "key")

    def send(self, ranges: Sequence[Range]) -> None:
        """Append these in their order, in as few updates as their size allows; of each it is told what became."""
        waiting = deque(ranges)
        if not self._claims.nodes:
            self._put_off(waiting)
            return
        while waiting:
            batch = self._batch(waiting)
            if batch and not self._append(batch):
                self._put_off(waiting)
                return

    def _batch(self, waiting: deque[Range]) -> list[tuple[Range, dict[str, Any]]]:
        """What goes into the next update; what cannot be written is told and left out."""
        batch: list[tuple[Range, dict[str, Any]]] = []
        size = 0
        while waiting and len(batch) < self._most_records:
            try:
                values = self._records.values(waiting[0])
            except (ValueError, TypeError, OverflowError) as error:
                if batch:
                    # What comes before it first.
                    return batch
                why = Failure(POISON, f"cannot be written: {type(error).__name__}")
                self._failed(why, {"key": waiting.popleft().key})
                continue
            size += weight(values)
            if batch and size > MOST_BYTES:
                return batch
            batch.append((waiting.popleft(), values))
        return batch

    def _append(self, batch: Sequence[tuple[Range, dict[str, Any]]]) -> bool:
        """Whether what comes after may go too: it must not before what is to be tried again."""
        update: dict[str, Any] = {}
        for _, values in batch:
            update |= values
        try:
            self._claims.hold()
            reach("courier-sending")
            self._database.update(update)
        except Overtaken as other:
            self._say(other.told())
            return False
        except Failure as failure:
            if failure.kind == POISON and len(batch) > 1:
                return self._append_singly(batch)
            for one, _ in batch:
                self._failed(failure, {"key": one.key})
            return failure.kind == POISON
        reach("courier-sent")
        self._records.stands(update)
        for one, _ in batch:
            self._say({"sent": one.key})
        return True

    def _append_singly(self, batch: Sequence[tuple[Range, dict[str, Any]]]) -> bool:
        """One of them is refused for ever, and the rest is not to go with it."""
        for number, one in enumerate(batch, 1):
            if not self._append([one]):
                self._put_off([range_ for range_, _ in batch[number:]])
                return False
        return True

    def _put_off(self, ranges: Iterable[Range]) -> None:
        for one in ranges:
            self._failed(Failure(RETRY, "waits for what comes before it"), {"key": one.key})

    def settle(self, one: Range) -> None:
        """Tell whether a record stands in the database: one whose fate is unknown since others wrote after it."""
        try:
            there = self._database.get(self._path(one.stream, one.key))
        except Failure as failure:
            self._failed(blameless(failure), {"key": one.key})
            return
        self._say({"sent": one.key} if there is not None else {"absent": one.key})

    def beat(self, status: str | None) -> None:
        """Say that the station lives, and how it is."""
        try:
            self._claims.hold()
            update: dict[str, Any] = {self._path(node, "beat"): dict(STAMP) for node in self._claims.nodes}
            if status is not None and "owner" in self._claims.nodes:
                update[self._path("status")] = {"at": dict(STAMP), "by": self._settings.station, "t": status}
            if update:
                self._database.update(update)
        except Overtaken as other:
            self._say(other.told())
            return
        except Failure as failure:
            self._failed(failure, {"beat": True})
            return
        self._say({"link": {"state": "ok", "detail": ""}})

    def delete(self, paths: Sequence[str]) -> None:
        """Take nodes below the root away: mail whose outcome is in the journal."""
        paths = [path for path in paths if path.startswith("mailbox/")]
        try:
            for start in range(0, len(paths), MOST_PRUNED):
                self._claims.hold()
                self._database.update({self._path(path): None for path in paths[start : start + MOST_PRUNED]})
        except Overtaken as other:
            self._say(other.told())
            return
        except Failure as failure:
            self._failed(failure, {"delete": list(paths)})
            return
        self._say({"deleted": list(paths)})

    def prune(self, prune: Prune) -> None:
        """Delete the oldest records of a stream whose rows are all too old, at most 200.

        Which is the oldest that stays is written before anything is deleted: whoever misses what is gone can tell
        that it was let go.
        """
        try:
            for _ in range(MOST_PRUNED // PRUNED_AT_ONCE):
                pruned = self._prune_some(prune)
                if pruned < PRUNED_AT_ONCE:
                    return
        except Overtaken as other:
            self._say(other.told())
        except Failure as failure:
            self._failed(failure, {"prune": prune.stream})

    def _prune_some(self, prune: Prune) -> int:
        path = self._path(prune.stream)
        if not any(_is_older(one, prune.before_s) for one in self._database.oldest(path, 1).values()):
            return 0
        self._claims.hold()
        records = self._database.oldest(path, PRUNED_AT_ONCE + 1)
        keys = sorted(records)
        old = 0
        # The newest stays: it says how far the stream went.
        while old < len(keys) - 1 and _is_older(records[keys[old]], prune.before_s):
            old += 1
        if old:
            self._database.update({self._path("lo", prune.stream): keys[old]})
            reach("courier-pruning")
            self._database.update({f"{path}/{key}": None for key in keys[:old]})
            self._say({"pruned": {"stream": prune.stream, "lo": keys[old], "n": old}})
        return old

    def token(self) -> None:
        """Give out a token to read with."""
        try:
            value, expires_ns = self._database.token()
        except Failure as failure:
            self._failed(failure, {"token": True})
            return
        self._say({"token": {"value": value, "expires_ns": expires_ns}})

    def _failed(self, failure: Failure, of: Mapping[str, Any]) -> None:
        self._say({"failed": {**of, "why": failure.why, "kind": failure.kind, "retry": failure.kind != POISON}})

    def _path(self, *parts: str) -> str:
        return "/".join((self._settings.root, *parts))


def _is_older(value: Any, before_s: int) -> bool:
    newest_s = cast("dict[str, Any]", value).get("t") if isinstance(value, dict) else None
    return isinstance(newest_s, (int, float)) and newest_s < before_s
