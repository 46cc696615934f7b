"""An act on a replica reaches the owner once, is pending until it is answered, and is never silently lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from cubesat_tui.acts import Acts, Applied
from cubesat_tui.journal import whole_journal
from cubesat_tui.mailbox import Intake, answered_before
from cubesat_tui.pending_acts import words_of
from telemetry.alarm_desk import AlarmDesk
from telemetry.alarms import Event
from telemetry.links.link import Letter
from telemetry.store.errors import StoreFull
from telemetry.store.inbox import Inbox, uuid7
from telemetry.store.reader import StoreReader
from telemetry.store.writer import StoreWriter
from tests.cubesat_tui import fabricated, scored
from tests.cubesat_tui.fabricated import NOW, SATELLITE
from tests.cubesat_tui.memory_link import MemoryLink, MemoryServer
from tests.cubesat_tui.mirror import Mirror

WHEEL = (SATELLITE, "adcs.rw_x")


class Owner:
    """As much of a station as answers acts, on the store of the made-up mission."""

    def __init__(self, path: Path, server: MemoryServer) -> None:
        self.directory = scored.fill(path)
        self.server = server
        self.clock = fabricated.clock()
        self.writer: StoreWriter
        self.intake: Intake
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.writer = StoreWriter(self.directory.telemetry, self.clock)
        self.inbox = Inbox(self.directory.inbox)
        self.desk = AlarmDesk()
        reader = StoreReader(self.directory.telemetry)
        self.desk.restore(whole_journal(reader))
        reader.close()
        before = self.writer.cursor("inbox")
        self.acts = Acts(self.inbox, self.desk, self.clock.now_ns, self, lambda: None, before)  # type: ignore[arg-type]
        self.intake = Intake(MemoryLink(self.server, "owner"), self.inbox, self.clock, self.searched, self.journal)
        self._task = asyncio.create_task(self.intake.run())

    def searched(self) -> set[str]:
        reader = StoreReader(self.directory.telemetry)
        try:
            return answered_before(reader)
        finally:
            reader.close()

    def journal(self, events: list[Event]) -> None:
        self.writer.append([], events, {})

    def answer(self, *, forget: bool = True) -> Applied:
        """Apply what waits; without `forget` as a station that is killed once it is journaled."""
        applied = self.acts.poll()
        if applied.ids:
            self.writer.append([], applied.events, applied.cursors())
            if forget:
                self.acts.forget(applied)
                self.intake.journaled(applied.events)
        return applied

    async def publish(self) -> None:
        reader = StoreReader(self.directory.telemetry)
        try:
            await self.server.publish(reader)
        finally:
            reader.close()

    def events(self, kind: str = "") -> list[Event]:
        reader = StoreReader(self.directory.telemetry)
        try:
            return [event for event in reader.journal() if event.kind.startswith(kind)]
        finally:
            reader.close()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            self.inbox.close()
            self.writer.close()


class World:
    def __init__(self, path: Path) -> None:
        self.server = MemoryServer()
        self.owner = Owner(path / "owner", self.server)
        self.clock = fabricated.clock()
        toml = fabricated.mission_toml()
        self.a = Mirror(path / "a", toml, self.server, self.clock, "user-a")
        self.b = Mirror(path / "b", toml, self.server, self.clock, "user-b")

    async def begin(self) -> None:
        self.owner.start()
        await self.owner.publish()
        await self.server.say(NOW / 1e6, "{}")
        for mirror in (self.a, self.b):
            await mirror.start()
            await mirror.until(lambda mirror=mirror: len(mirror.snapshot().alarms) == 3)

    async def close(self) -> None:
        await self.a.close()
        await self.b.close()
        await self.owner.stop()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.close()


def acked_by(mirror: Mirror, key: tuple[str, str] = WHEEL) -> str:
    return next(alarm.acked_by for alarm in mirror.snapshot().alarms if alarm.key == key)


def ack(mirror: Mirror, actor: str = "ann") -> str:
    return mirror.ask("ack", {"satellite": WHEEL[0], "subject": WHEEL[1]}, actor)


async def eventually(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


async def test_an_ack_is_pending_where_it_was_made_until_the_owner_answered_and_then_acked_everywhere(
    world: World,
) -> None:
    await world.begin()
    number = ack(world.a)
    await world.a.until(lambda: world.a.snapshot().pending == {WHEEL: "ack pending"})
    await eventually(lambda: number in world.server.mailbox)
    await world.a.until(lambda: world.a.body()["pending"][0]["sent"])
    assert (acked_by(world.a), world.b.snapshot().pending) == ("", {})
    await eventually(lambda: world.owner.answer().ids)
    await world.owner.publish()
    for mirror in (world.a, world.b):
        await mirror.until(lambda mirror=mirror: acked_by(mirror) == "ann")
    assert world.a.snapshot().pending == {}
    assert world.a.waiting_requests() == 0
    await eventually(lambda: not world.server.mailbox)
    told = world.owner.events("alarm.acknowledged")[-1]
    assert (told.actor, told.body["id"], told.body["uid"]) == ("ann", number, "user-a")


async def test_an_act_made_while_the_link_is_down_waits_and_goes_when_it_is_back(world: World) -> None:
    await world.begin()
    world.server.up = False
    ack(world.a)
    await world.a.until(lambda: world.a.snapshot().pending == {WHEEL: "ack pending"})
    assert world.a.body()["pending"][0]["sent"] is False
    world.server.up = True
    await world.server.tell()
    await world.a.until(lambda: world.server.mailbox, seconds=0.5)
    await eventually(lambda: world.owner.answer().ids)
    await world.owner.publish()
    await world.a.until(lambda: acked_by(world.a) == "ann")


async def test_a_replica_that_was_killed_sends_what_it_had_not_heard_of_again_and_it_is_applied_once(
    world: World,
) -> None:
    await world.begin()
    note = world.a.ask("note", {"satellite": WHEEL[0], "subject": WHEEL[1], "text": "planned"}, "ann")
    await world.a.until(lambda: note in world.server.mailbox)
    await world.a.kill()
    await eventually(lambda: world.owner.answer().ids)
    await eventually(lambda: not world.server.mailbox)
    await world.a.start()
    await world.a.until(lambda: len(world.server.posts) > 1 or not world.a.waiting_requests())
    await asyncio.sleep(0.05)
    world.owner.answer()
    await world.owner.publish()
    await world.a.until(lambda: not world.a.waiting_requests() and not world.a.snapshot().pending)
    assert [event.body.get("id") for event in world.owner.events("note.alarm")].count(note) == 1


async def test_an_owner_that_was_killed_after_it_journaled_does_not_apply_it_twice(world: World) -> None:
    await world.begin()
    note = world.a.ask("note", {"satellite": WHEEL[0], "subject": WHEEL[1], "text": "planned"}, "ann")
    await world.a.until(lambda: note in world.server.mailbox)
    await eventually(lambda: world.owner.answer(forget=False).ids)
    assert note in world.server.mailbox
    await world.owner.stop()
    world.owner.start()
    await eventually(lambda: not world.server.mailbox)
    world.owner.answer()
    assert [event.body.get("id") for event in world.owner.events("note.alarm")].count(note) == 1


async def test_an_owner_whose_disk_is_full_takes_the_act_once_there_is_space(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.begin()
    put, full = world.owner.inbox.put, [True]

    def unlucky(request: Any) -> None:
        if full[0]:
            raise StoreFull("DISK FULL")
        put(request)

    monkeypatch.setattr(world.owner.inbox, "put", unlucky)
    number = ack(world.a)
    await world.a.until(lambda: number in world.server.mailbox)
    await asyncio.sleep(0.02)
    assert not world.owner.answer().ids
    full[0] = False
    world.owner.clock.advance(1.0)
    await eventually(lambda: world.owner.answer().ids == [number])


async def test_what_nobody_may_ask_of_an_owner_is_refused_in_words_and_taken_out(world: World) -> None:
    await world.begin()
    for kind, body in (("stop", {}), ("run_recorded", {"retrain": 1}), ("note", {"text": "x" * 70_000})):
        await MemoryLink(world.server, "mallory").post(Letter(uuid7(NOW), NOW, kind, "mallory", body))
    await MemoryLink(world.server, "mallory").post(Letter("../../owner", NOW, "ack", "mallory", {}))
    await eventually(lambda: not world.server.mailbox)
    told = [event.text for event in world.owner.events("act.refused")]
    assert len(told) == 4
    assert any("'stop' cannot be asked for over a link" in text for text in told)
    assert any("at most 65536 are read" in text for text in told)
    assert not world.owner.answer().ids


async def test_an_answer_that_says_no_ends_the_pending_of_the_act(world: World) -> None:
    await world.begin()
    wrong = world.a.ask("ack", {"satellite": SATELLITE, "subject": "eps.nothing"}, "ann")
    await world.a.until(lambda: wrong in world.server.mailbox)
    await eventually(lambda: world.owner.answer().ids)
    await world.owner.publish()
    await world.a.until(lambda: not world.a.snapshot().pending and not world.a.waiting_requests())
    assert world.a.events("act.refused")[-1].body["id"] == wrong


async def test_a_link_that_refuses_the_user_says_so_and_the_act_is_not_kept_pending(world: World) -> None:
    await world.begin()
    world.server.denies = True
    number = ack(world.a)
    await world.a.until(lambda: world.a.events("act.refused"))
    told = world.a.events("act.refused")[-1]
    assert (told.body["id"], told.text) == (number, "the link refuses it: Permission denied")
    await world.a.until(lambda: not world.a.snapshot().pending)
    assert world.a.waiting_requests() == 0


async def test_an_act_that_is_answered_while_the_disk_is_full_is_neither_pending_nor_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.begin()
    inbox = world.a.replica.outgoing._inbox
    delete, full = inbox.delete, [True]

    def unlucky(numbers: Any) -> None:
        if full[0]:
            raise apsw.FullError("database or disk is full")
        delete(numbers)

    monkeypatch.setattr(inbox, "delete", unlucky)
    number = ack(world.a)
    await world.a.until(lambda: number in world.server.mailbox)
    await eventually(lambda: world.owner.answer().ids)
    await world.owner.publish()
    await world.a.until(lambda: acked_by(world.a) == "ann" and not world.a.snapshot().pending)
    assert world.a.waiting_requests() == 1
    full[0] = False
    await world.a.until(lambda: world.a.waiting_requests() == 0)
    assert [letter.id for letter in world.server.posts] == [number]


async def test_what_is_asked_for_of_a_station_alone_is_refused_on_a_replica(world: World) -> None:
    await world.begin()
    number = world.a.ask("run_recorded", {"retrain": 3})
    await world.a.until(lambda: world.a.events("act.refused"))
    assert world.a.events("act.refused")[-1].body["id"] == number
    assert not world.server.posts


async def test_a_note_of_the_console_is_answered_too(world: World) -> None:
    await world.begin()
    body = {"kind": "console.joined", "subject": "console", "body": {"text": "bob looks"}}
    number = world.a.ask("event", body)
    await world.a.until(lambda: number in world.server.mailbox)
    await eventually(lambda: world.owner.answer().ids)
    await world.owner.publish()
    await world.a.until(lambda: not world.a.waiting_requests())
    assert [event.text for event in world.b.events("console.")] in ([], ["bob looks"])
    assert world.owner.events("console.")[-1].body["request"] == number


async def test_stop_ends_the_replica_and_goes_nowhere(world: World) -> None:
    await world.begin()
    world.a.ask("stop", {})
    await world.a.until(lambda: world.a.finished)
    assert not world.server.posts


def test_an_act_on_several_alarms_is_pending_on_each() -> None:
    act = {"id": "1", "kind": "ack_all", "subjects": [["A", "x"], ["A", "y"]], "actor": "ann", "sent": True}
    shelf = {"id": "2", "kind": "shelve", "subjects": [["A", "z"]], "actor": "ann", "sent": True}
    assert words_of({"pending": [act, shelf]}) == {
        ("A", "x"): "ack pending",
        ("A", "y"): "ack pending",
        ("A", "z"): "act pending",
    }
