"""The courier against a database that fails by a script: order, what is left behind, and who may write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.clock import ManualClock
from telemetry.frame import Column, FrameBatch, Layout
from telemetry.links.courier_claims import Claim
from telemetry.links.courier_database import POISON, REFUSED, RETRY, Failure
from telemetry.links.courier_records import Range
from telemetry.links.courier_work import MOST_RECORDS, Courier, Prune, Settings
from telemetry.links.link_keys import StreamKey
from telemetry.store.reader import StoreReader
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter

ROOT = "cubesat_tui/kestrel-1"
START = 1_790_000_000
LOST = "lost"
"""Applied, and the answer did not come."""


class Scripted:
    """A database in memory; updates meet what the script says, in turn, and succeed once it is at its end."""

    def __init__(self, script: list[str] | None = None, poison: frozenset[str] = frozenset()) -> None:
        self.tree: dict[str, Any] = {}
        self.updates: list[list[str]] = []
        self.poison = poison
        self._script: Iterator[str] = iter(script or [])

    def update(self, values: dict[str, Any]) -> None:
        fate = next(self._script, "")
        if fate in (RETRY, REFUSED):
            raise Failure(fate, "as the script says")
        if any(key in path for path in values for key in self.poison):
            raise Failure(POISON, "not taken")
        self.updates.append([path for path in values if "/frames/" in path])
        for path, value in values.items():
            if value is None:
                self.tree.pop(path, None)
            else:
                self.tree[path] = value
        if fate == LOST:
            raise Failure(RETRY, "the answer was lost")

    def get(self, path: str) -> Any:
        return self.tree.get(path)

    def tagged(self, path: str) -> tuple[Any, str]:
        return self.tree.get(path), repr(self.tree.get(path))

    def set_if(self, path: str, tag: str, value: Any) -> bool:
        if repr(self.tree.get(path)) != tag:
            return False
        self.tree[path] = value
        return True

    def oldest(self, path: str, n: int) -> dict[str, Any]:
        below = sorted(one for one in self.tree if one.startswith(f"{path}/"))
        return {one.rpartition("/")[2]: self.tree[one] for one in below[:n]}

    def token(self) -> tuple[str, int]:
        return "owner", 1


class Desk:
    """A courier, its store, its clock, and what it said."""

    def __init__(
        self,
        reader: StoreReader,
        database: Scripted,
        station: str = "one",
        session: str = "s1",
        together: int = MOST_RECORDS,
    ) -> None:
        self.said: list[dict[str, Any]] = []
        self.clock = ManualClock(START * 10**9)
        settings = Settings("", ROOT, station, f"name of {station}", session)
        self.courier = Courier(
            settings,
            lambda: reader.outgoing,
            database,
            self.said.append,
            monotonic=self.clock.monotonic,
            now_ns=self.clock.now_ns,
            most_records=together,
        )

    def claim(self, *, take_over: bool = False, again: bool = False) -> dict[str, Any]:
        self.courier.claim(Claim("publisher", ["frames"], take_over, again))
        return self.said.pop()


@pytest.fixture
def reader(writer: StoreWriter, batch: Callable[..., FrameBatch], hk: Layout) -> Iterator[StoreReader]:
    """30 frames."""
    writer.append([ScoredBatch(batch(hk, range(30)), None)], [], {})
    opened = StoreReader(writer.path)
    yield opened
    opened.close()


def ranges(rows: int, size: int) -> list[Range]:
    firsts = range(1, rows + 1, size)
    return [
        Range("frames", StreamKey("frames", START, first).text, first, min(first + size - 1, rows))
        for first in firsts
    ]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreReader]:
    """The same for all examples of a property."""
    path = tmp_path_factory.mktemp("courier") / "telemetry.db"
    writer = StoreWriter(path, ManualClock())
    numbers = np.arange(30, dtype=np.int64)
    layout = Layout("hk", (Column("eps.bat_v", "V"),))
    values = numbers.astype(np.float64).reshape(30, 1)
    zeros = np.zeros(30, dtype=np.int64)
    batch = FrameBatch(layout, ("K",), zeros, zeros + START, numbers, numbers, numbers, zeros, values)
    writer.append([ScoredBatch(batch, None)], [], {})
    writer.close()
    opened = StoreReader(path)
    yield opened
    opened.close()


FATES = st.lists(st.sampled_from([RETRY, REFUSED, LOST, ""]), max_size=12)


@given(FATES, st.integers(1, 7), st.integers(1, 5), st.integers(1, 5))
def test_whatever_fails_records_stand_once_and_in_order(
    rows: StoreReader, script: list[str], size: int, window: int, together: int
) -> None:
    """The station sends what was not confirmed again, a window at a time, as the publisher does."""
    database = Scripted(script)
    desk = Desk(rows, database, together=together)
    assert "claimed" in desk.claim()
    waiting = ranges(30, size)
    newest = ""
    while waiting:
        desk.said.clear()
        sent = waiting[:window]
        desk.courier.send(sent)
        answered = [one.get("sent") or one["failed"]["key"] for one in desk.said]
        assert answered == [one.key for one in sent]
        confirmed = [one["sent"] for one in desk.said if "sent" in one]
        assert confirmed == [one.key for one in sent[: len(confirmed)]]
        waiting = waiting[len(confirmed) :]
        head = database.tree.get(f"{ROOT}/heads/frames", {}).get("key", "")
        assert head >= newest
        newest = head
    stand = {path: value for path, value in database.tree.items() if path.startswith(f"{ROOT}/frames/")}
    assert sorted(stand) == [f"{ROOT}/frames/{one.key}" for one in ranges(30, size)]
    assert sum(value["n"] for value in stand.values()) == 30
    assert [value["a"] for _, value in sorted(stand.items())] == list(range(1, 31, size))


def test_of_records_that_go_together_only_the_one_at_fault_stays_behind(reader: StoreReader) -> None:
    some = ranges(30, 6)
    database = Scripted(poison=frozenset({some[2].key}))
    desk = Desk(reader, database)
    desk.claim()
    desk.courier.send(some)
    assert [one["failed"]["kind"] for one in desk.said if "failed" in one] == [POISON]
    assert [one["sent"] for one in desk.said if "sent" in one] == [one.key for one in some if one is not some[2]]
    # One layout, laid down with the first that was taken.
    assert len([path for path in database.tree if "/layouts/" in path]) == 1


def test_a_layout_comes_with_the_first_record_that_is_taken(reader: StoreReader) -> None:
    some = ranges(30, 10)
    database = Scripted(poison=frozenset({some[0].key}))
    desk = Desk(reader, database)
    desk.claim()
    desk.courier.send(some)
    assert [path for path in database.tree if "/layouts/" in path]


def test_a_record_that_cannot_be_written_does_not_hold_up_the_others(
    reader: StoreReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    import telemetry.links.courier_records as records

    some, real = ranges(30, 10), records.to_value

    def too_large(record: Any, compress: bool) -> dict[str, Any]:
        if record.key == some[1].key:
            raise ValueError(f"{record.key}: too large")
        return real(record, compress)

    monkeypatch.setattr(records, "to_value", too_large)
    desk = Desk(reader, Scripted())
    desk.claim()
    desk.courier.send(some)
    (failure,) = [one["failed"] for one in desk.said if "failed" in one]
    assert (failure["key"], failure["kind"], failure["retry"]) == (some[1].key, POISON, False)
    assert [one["sent"] for one in desk.said if "sent" in one] == [some[0].key, some[2].key]


def test_nothing_is_sent_before_the_link_is_claimed(reader: StoreReader) -> None:
    database = Scripted()
    desk = Desk(reader, database)
    desk.courier.send(ranges(30, 10))
    assert [one["failed"]["kind"] for one in desk.said] == [RETRY] * 3
    assert database.tree == {}


def test_a_claim_is_refused_taken_over_and_noticed(reader: StoreReader) -> None:
    database = Scripted()
    one, two = Desk(reader, database), Desk(reader, database, "two", "s2")
    assert one.claim() == {"claimed": "publisher", "heads": {"frames": ""}}
    refused = two.claim()["refused"]
    assert (refused["by"], refused["since_ns"]) == ("name of one", START * 10**9)
    two.clock.advance(60)
    assert "claimed" in two.claim(take_over=True)
    one.clock.advance(1)
    one.courier.send(ranges(30, 10))
    (told,) = one.said
    assert (told["refused"]["by"], told["refused"]["since_ns"]) == ("name of two", (START + 60) * 10**9)
    assert not [path for path in database.tree if "/frames/" in path]
    # It does not come back by itself, neither as itself nor with what it was started with.
    assert "refused" in one.claim(again=True)
    assert "refused" in one.claim(again=True, take_over=True)


def test_the_same_station_started_twice_is_two_writers(reader: StoreReader) -> None:
    database = Scripted()
    first, again = Desk(reader, database), Desk(reader, database, session="s2")
    first.claim()
    assert "claimed" in again.claim()
    first.clock.advance(2)
    first.courier.beat(None)
    assert first.said[-1]["refused"]["by"] == "name of one"


def test_a_database_that_was_emptied_is_claimed_anew(reader: StoreReader) -> None:
    database = Scripted()
    desk = Desk(reader, database)
    desk.claim()
    database.tree.clear()
    desk.clock.advance(2)
    desk.courier.send(ranges(30, 30))
    assert "sent" in desk.said[-1]
    assert database.tree[f"{ROOT}/publisher"]["id"] == "one"


@pytest.mark.parametrize("there", ["text", 5, [], {"id": 7, "since_ns": "x", "beat": -1, "name": "\x1b[2J"}])
def test_what_anybody_left_where_the_claim_stands_is_only_refused(reader: StoreReader, there: Any) -> None:
    database = Scripted()
    database.tree[f"{ROOT}/publisher"] = there
    desk = Desk(reader, database)
    said = desk.claim()
    if isinstance(there, dict):
        assert "\x1b" not in said["refused"]["by"]
        assert said["refused"]["since_ns"] == 0
    else:
        assert "claimed" in said


def test_the_oldest_go_at_most_two_hundred_at_a_time_and_never_the_newest(reader: StoreReader) -> None:
    database = Scripted()
    keys = [StreamKey("frames", START, number).text for number in range(1, 451)]
    database.tree |= {f"{ROOT}/frames/{key}": {"t": 100} for key in keys}
    desk = Desk(reader, database)
    desk.claim()
    for left in (250, 50, 1, 1):
        desk.courier.prune(Prune("frames", 101))
        stand = sorted(path for path in database.tree if path.startswith(f"{ROOT}/frames/"))
        assert len(stand) == left
        assert database.tree[f"{ROOT}/lo/frames"] == stand[0].rpartition("/")[2]
    desk.courier.prune(Prune("frames", 50))


def test_mail_alone_is_deleted(reader: StoreReader) -> None:
    database = Scripted()
    database.tree |= {f"{ROOT}/mailbox/ann/1": {}, f"{ROOT}/frames/x": {}}
    desk = Desk(reader, database)
    desk.claim()
    desk.courier.delete(["mailbox/ann/1", "frames/x"])
    assert f"{ROOT}/mailbox/ann/1" not in database.tree
    assert f"{ROOT}/frames/x" in database.tree
