"""What the courier of a link does: it reads rows of the mission store and appends them to the database as records.

It decides nothing: which rows, under which key, and when, is said by the station that runs it. Records go out with
the newest of their stream (`heads`) in one update of several paths, so that either all is there or nothing, and
going out twice leaves what going out once does.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import msgspec

from telemetry.alarms import ANOMALY_PREFIX, Event
from telemetry.clock import NS_PER_S, iso
from telemetry.kill_points import reach
from telemetry.links.link_keys import StreamKey
from telemetry.links.record import Record, to_value
from telemetry.links.record_frames import frames_text
from telemetry.links.record_journal import events_text, runs_text
from telemetry.links.record_scores import scores_text
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.frame import Layout
    from telemetry.store.reader import StoreReader

MOST_RECORDS = 5
MOST_BYTES = 2**20
"""What one update holds, at most; a single record may be larger."""
NS_PER_MS = 1_000_000
CHECK_S = 1.0
"""So often it is looked whether the link is still this station's."""
MOST_PRUNED = 200
STAMP: Mapping[str, str] = {".sv": "timestamp"}
ALERTS = "ML_ALERTS"
RETRY, REFUSED, POISON = "retry", "refused", "poison"


class Failure(Exception):
    """An answer that is none: try again (RETRY), not without another key or rule (REFUSED), never (POISON)."""

    def __init__(self, kind: str, why: str) -> None:
        self.kind, self.why = kind, plain_text(why)
        super().__init__(f"{kind}: {self.why}")


class Database(Protocol):
    """A database of JSON under paths; each call may raise `Failure`."""

    def update(self, values: Mapping[str, Any]) -> None:
        """Set several paths at once, or none; None deletes."""
        ...

    def get(self, path: str) -> Any: ...

    def tagged(self, path: str) -> tuple[Any, str]:
        """What is there, and a mark of it for `set_if`."""
        ...

    def set_if(self, path: str, tag: str, value: Any) -> bool:
        """Set it unless something else is there by now."""
        ...

    def oldest(self, path: str, n: int) -> dict[str, Any]:
        """The first n children by key."""
        ...

    def token(self) -> tuple[str, int]:
        """A token to read with, and when it ends (UTC ns)."""
        ...


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


class Claim(msgspec.Struct):
    """To become the one who writes a node's streams; `again`: was it before, and nobody else may be it since."""

    node: str
    streams: list[str]
    take_over: bool = False
    again: bool = False


class Beat(msgspec.Struct):
    """That the station lives, and how it is."""

    status: str | None = None


class Prune(msgspec.Struct):
    """To let go of records of a stream whose rows are all older than `before_s` (Unix s)."""

    stream: str
    before_s: int


class Writer(msgspec.Struct):
    """Who writes, as it stands in the database; fields of another kind are as if they were not there."""

    id: str = ""
    name: str = ""
    session: str = ""
    since_ns: int = 0
    beat: int = 0


class Range(NamedTuple):
    """Rows of one stream that go out under one key."""

    stream: str
    key: str
    first: int
    last: int


class Overtaken(Exception):
    """Another station writes here now."""


class Courier:
    """Carries ranges, claims, reports and deletions to one database. `say` is told what became of each."""

    def __init__(
        self,
        settings: Settings,
        reader: StoreReader,
        database: Database,
        say: Callable[[dict[str, Any]], None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._database = database
        self._say = say
        self._monotonic = monotonic
        self._now_ns = now_ns
        self._layouts: set[str] = set()
        """Digests of those that this courier has laid down, so that they are sent once."""
        self._claimed: dict[str, float] = {}
        """Node -> when it was seen to be ours."""

    def claim(self, claim: Claim) -> None:
        """Become the one who writes, unless another is."""
        try:
            by = self._claim(claim)
            heads = {stream: self._head(stream) for stream in claim.streams} if by is None else {}
        except Failure as failure:
            self._failed(_blameless(failure), {"claim": claim.node})
            return
        if by is None:
            self._claimed[claim.node] = self._monotonic()
            self._say({"claimed": claim.node, "heads": heads})
        else:
            self._refuse(claim.node, by)

    def _claim(self, claim: Claim) -> Writer | None:
        """None where it is ours now, else whose it is."""
        path = self._path(claim.node)
        for _ in range(10):
            there, tag = self._database.tagged(path)
            writer = _writer(there)
            mine = self._is_mine(writer)
            may = writer is None or mine or (writer.id == self._settings.station and not claim.again)
            if not (may or (claim.take_over and not claim.again)):
                return writer
            signed = {
                "id": self._settings.station,
                "name": self._settings.name,
                "session": self._settings.session,
                "since_ns": writer.since_ns if mine and writer is not None else self._now_ns(),
                "beat": dict(STAMP),
            }
            if self._database.set_if(path, tag, signed):
                reach("courier-claimed")
                return None
        raise Failure(RETRY, "others claim the link at this moment")

    def _is_mine(self, writer: Writer | None) -> bool:
        mine = self._settings
        return writer is not None and (writer.id, writer.session) == (mine.station, mine.session)

    def _head(self, stream: str) -> str:
        head = self._database.get(self._path("heads", stream))
        return _text(head, "key")

    def _hold(self) -> None:
        """See that the link is still ours.

        Raises:
            Overtaken: it is not; it was told.
            Failure: that cannot be seen now; there is nothing in it that could be at fault.
        """
        try:
            self._look_who_writes()
        except Failure as failure:
            raise _blameless(failure) from None

    def _look_who_writes(self) -> None:
        for node, seen in list(self._claimed.items()):
            if self._monotonic() - seen < CHECK_S:
                continue
            writer = _writer(self._database.get(self._path(node)))
            if writer is None:
                # The database was emptied: nobody else is there.
                writer = self._claim(Claim(node, [], again=True))
            if writer is not None and not self._is_mine(writer):
                del self._claimed[node]
                self._refuse(node, writer)
                raise Overtaken
            self._claimed[node] = self._monotonic()

    def _refuse(self, node: str, by: Writer) -> None:
        name = plain_text(by.name or "somebody without a name", 100)
        self._say({"refused": {"node": node, "by": name, "since_ns": by.since_ns, "beat_ns": by.beat * NS_PER_MS}})

    def send(self, ranges: Sequence[Range]) -> None:
        """Append these in their order, in as few updates as their size allows; of each it is told what became."""
        waiting = deque(ranges)
        if not self._claimed:
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
        while waiting and len(batch) < MOST_RECORDS:
            try:
                values = self._values(waiting[0])
            except (ValueError, TypeError, OverflowError) as error:
                if batch:
                    # What comes before it first.
                    return batch
                why = Failure(POISON, f"cannot be written: {type(error).__name__}")
                self._failed(why, {"key": waiting.popleft().key})
                continue
            weight = sum(len(text) for text in _texts(values))
            if batch and size + weight > MOST_BYTES:
                return batch
            batch.append((waiting.popleft(), values))
            size += weight
        return batch

    def _append(self, batch: Sequence[tuple[Range, dict[str, Any]]]) -> bool:
        """Whether what comes after may go too: it must not before what is to be tried again."""
        update: dict[str, Any] = {}
        for _, values in batch:
            update |= values
        try:
            self._hold()
            reach("courier-sending")
            self._database.update(update)
        except Overtaken:
            return False
        except Failure as failure:
            if failure.kind == POISON and len(batch) > 1:
                return self._append_singly(batch)
            for one, _ in batch:
                self._failed(failure, {"key": one.key})
            return failure.kind == POISON
        reach("courier-sent")
        layouts = self._path("layouts", "")
        self._layouts |= {path.removeprefix(layouts) for path in update if path.startswith(layouts)}
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
            self._failed(_blameless(failure), {"key": one.key})
            return
        self._say({"sent": one.key} if there is not None else {"absent": one.key})

    def _values(self, one: Range) -> dict[str, Any]:
        """Path -> value of one record, of what it needs, and of what tells that it is the newest."""
        outgoing, compress = self._reader.outgoing, self._settings.compress
        values: dict[str, Any] = {}
        match one.stream:
            case "frames":
                frames = outgoing.frames_between(one.first, one.last)
                rows, newest_ns = sum(map(len, frames)), max((int(b.received_ns.max()) for b in frames), default=0)
                text = frames_text(frames, readable=not compress)
                values |= self._new_layouts([batch.layout for batch in frames])
            case "scores":
                scores = outgoing.scores_between(one.first, one.last)
                rows, text = len(scores), scores_text(scores, readable=not compress)
                last = outgoing.frames_between(one.last, one.last)
                newest_ns = max((int(batch.received_ns.max()) for batch in last), default=0)
            case "journal":
                events = outgoing.events_between(one.first, one.last)
                rows, text = len(events), events_text(events)
                newest_ns = max((event.at_ns for event in events), default=0)
                if self._settings.mirror_alerts:
                    values |= {f"{ALERTS}/{key}": value for key, value in map(_alert, events) if key}
            case "runs":
                runs = outgoing.runs_between(one.first, one.last)
                rows, text = len(runs), runs_text(runs)
                newest_ns = max((run.at_ns for run in runs), default=0)
            case _:
                raise ValueError(one.stream)
        record = Record(one.key, one.first, one.last, rows, text)
        value = {**to_value(record, compress), "t": newest_ns // NS_PER_S}
        values[self._path(one.stream, one.key)] = value
        values[self._path("heads", one.stream)] = {
            "key": one.key,
            "b": one.last,
            "n_total": one.last,
            "at": dict(STAMP),
            "by": self._settings.station,
        }
        return values

    def _new_layouts(self, layouts: Sequence[Layout]) -> dict[str, str]:
        return {
            self._path("layouts", layout.digest): layout.body.decode()
            for layout in layouts
            if layout.digest not in self._layouts
        }

    def beat(self, status: str | None) -> None:
        """Say that the station lives, and how it is."""
        try:
            self._hold()
            update: dict[str, Any] = {self._path(node, "beat"): dict(STAMP) for node in self._claimed}
            if status is not None and "owner" in self._claimed:
                update[self._path("status")] = {"at": dict(STAMP), "by": self._settings.station, "t": status}
            if update:
                self._database.update(update)
        except Overtaken:
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
                self._hold()
                self._database.update({self._path(path): None for path in paths[start : start + MOST_PRUNED]})
        except Overtaken:
            return
        except Failure as failure:
            self._failed(failure, {"delete": list(paths)})
            return
        self._say({"deleted": list(paths)})

    def prune(self, prune: Prune) -> None:
        """Delete the oldest records of a stream whose rows are all too old, 200 at a time.

        Which is the oldest that stays is written before anything is deleted: whoever misses what is gone can tell
        that it was let go.
        """
        stream, before_s = prune.stream, prune.before_s
        try:
            first = list(self._database.oldest(self._path(stream), 1).items())
            if not first or not _is_older(first[0][1], before_s):
                return
            self._hold()
            records = self._database.oldest(self._path(stream), MOST_PRUNED + 1)
            keys = sorted(records)
            old = 0
            # The newest stays: it says how far the stream went.
            while old < len(keys) - 1 and _is_older(records[keys[old]], before_s):
                old += 1
            if not old:
                return
            self._database.update({self._path("lo", stream): keys[old]})
            reach("courier-pruning")
            self._database.update({self._path(stream, key): None for key in keys[:old]})
        except Overtaken:
            return
        except Failure as failure:
            self._failed(failure, {"prune": stream})
            return
        self._say({"pruned": {"stream": stream, "lo": keys[old], "n": old}})

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


def _blameless(failure: Failure) -> Failure:
    """The same of a request that holds no record: it is not the record's fault."""
    return Failure(REFUSED, failure.why) if failure.kind == POISON else failure


def _alert(event: Event) -> tuple[str, dict[str, Any]]:
    """An anomaly as the original wrote it, under a key that is the same whoever sends it and how often."""
    if event.kind != "alarm.raised" or not event.subject.startswith(ANOMALY_PREFIX):
        return "", {}
    known = f"{event.satellite}\0{event.subject}\0{event.at_ns}"
    number = "a" + hashlib.sha256(known.encode()).hexdigest()[:20]
    score = event.body.get("trigger")
    return number, {
        "timestamp": iso(event.at_ns),
        "satellite": event.satellite,
        "face": event.subject.removeprefix(ANOMALY_PREFIX),
        "anomaly_score": score if isinstance(score, (int, float)) and abs(score) < 1e300 else None,
        "severity": "WARNING",
        "message": plain_text(event.text, 400),
    }


def _is_older(value: Any, before_s: int) -> bool:
    newest_s = cast("dict[str, Any]", value).get("t") if isinstance(value, dict) else None
    return isinstance(newest_s, (int, float)) and newest_s < before_s


def _writer(there: Any) -> Writer | None:
    if not isinstance(there, dict):
        return None
    fields = cast("dict[str, Any]", there)
    known: dict[str, Any] = {}
    for name in Writer.__struct_fields__:
        value = fields.get(name)
        if name in ("id", "name", "session"):
            if isinstance(value, str):
                known[name] = value
        elif isinstance(value, (int, float)) and 0 <= value < 2**63:
            # A database of JSON may keep whole numbers as floating ones.
            known[name] = int(value)
    return Writer(**known)


def _text(there: Any, name: str) -> str:
    found = cast("dict[str, Any]", there).get(name) if isinstance(there, dict) else None
    return found if isinstance(found, str) else ""


def _texts(values: Mapping[str, Any]) -> list[str]:
    return [
        text
        for value in values.values()
        for text in (cast("dict[str, Any]", value).values() if isinstance(value, dict) else (value,))
        if isinstance(text, str)
    ]


def newest_start(heads: Mapping[str, str]) -> int:
    """The latest start (Unix s) among keys of records; 0 where there is none, or nothing that is a key."""
    starts = [0]
    for key in heads.values():
        try:
            starts.append(StreamKey.parse(key).start_s)
        except ValueError:
            continue
    return max(starts)
