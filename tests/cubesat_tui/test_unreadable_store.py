"""A store that cannot be read for a moment: whatever asks, the console lives, says so, and shows it afterwards."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import apsw
import fabricated
import pytest
from fabricated import NOW, SATELLITE, S, screen_text, settled

from cubesat_tui.store_view import StoreView
from telemetry.alarms import Event
from telemetry.store.directory import MissionDirectory
from telemetry.store.errors import StoreError
from telemetry.store.reader import StoreReader
from telemetry.store.run_page import Runs
from telemetry.store.writer import StoreWriter

SMALL = (80, 24)
BROKEN = "disk I/O error [red]"


class Stumbling:
    """Lets the next reading of one kind fail, on the thread of the screens' questions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.failures = self.answers = 0
        self.armed = False
        owner: type[Any] = Runs if name == "runs' page" else StoreReader
        name = "page" if owner is Runs else name
        whole = getattr(owner, name)

        def stumble(reader: Any, *args: Any, **options: Any) -> Any:
            here = threading.current_thread().name.startswith("store-view")
            if here and self.armed:
                self.armed = False
                self.failures += 1
                raise apsw.IOError(BROKEN)
            found = whole(reader, *args, **options)
            self.answers += bool(here and self.failures)
            return found

        monkeypatch.setattr(owner, name, stumble)


def add(directory: MissionDirectory, *events: Event) -> None:
    writer = StoreWriter(directory.telemetry, fabricated.clock())
    writer.append([], events, {})
    writer.close()


def said(app: Any) -> list[str]:
    return [str(one.message) for one in app._notifications]


async def alive_and_told(pilot: Any, stumbling: Stumbling) -> None:
    """The failure came, and was said in words; nothing ended."""
    await settled(pilot, lambda: stumbling.failures == 1)
    app = pilot.app
    assert f"The mission store could not be read: {BROKEN}" in said(app)
    assert app.return_code is None
    assert app._exception is None


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cubesat_tui.store_view.AGAIN_S", 0.01)


@pytest.mark.parametrize(
    ("screen", "reading", "key", "shown"),
    [
        pytest.param("1", "series", "down", "Wheel X speed", id="the trend of Live"),
        pytest.param("5", "window", "down", "Distance S", id="what moved in the minute of an alarm"),
        pytest.param("5", "journal_page", "down", "Distance S", id="the history of an alarm"),
        pytest.param("5", "journal_page", "tab", "older 1", id="older rows of the journal"),
        pytest.param("1", "contacts", "w", "Panel +X", id="the handover"),
        pytest.param("1", "first_ns", "<", "### PAST", id="a moment of the past"),
        pytest.param("1", "runs' page", "3", "MODEL", id="the runs of Models"),
        pytest.param("1", "page", "4", "KESTREL-1", id="the ledger"),
    ],
)
async def test_what_is_shown_comes_as_soon_as_the_store_can_be_read(
    console, directory, monkeypatch, screen: str, reading: str, key: str, shown: str
) -> None:
    if shown == "older 1":
        older = [Event(NOW - 400 * S, SATELLITE, "note.shift", 0, "", "ann", {"text": "older 1"})]
        newer = [
            Event(NOW - 300 * S + i, SATELLITE, "note.shift", 0, "", "ann", {"text": "later"}) for i in range(220)
        ]
        add(directory, *older, *newer)
    if reading == "journal_page":
        monkeypatch.setattr("cubesat_tui.screens.events.known_history", lambda *_: None)
    stumbling = Stumbling(monkeypatch, reading)
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press(screen)
        await settled(pilot)
        stumbling.armed = True
        await pilot.press(key)
        if shown == "older 1":
            await pilot.press(*["pagedown"] * 22)
        await alive_and_told(pilot, stumbling)
        await settled(pilot, lambda: stumbling.answers > 0)
        assert shown in screen_text(app)
        assert app.return_code is None


async def test_what_happened_meanwhile_is_told_once_the_journal_can_be_read(
    console, directory, monkeypatch
) -> None:
    add(directory, Event(NOW - 900 * S, SATELLITE, "note.shift", 0, "", "ben", {"text": "all quiet"}))
    stumbling = Stumbling(monkeypatch, "journal_page")
    stumbling.armed = True
    app = console(station=None, operator="ben")
    async with app.run_test(size=SMALL) as pilot:
        await alive_and_told(pilot, stumbling)
        await settled(pilot, lambda: any("w = handover" in text for text in said(app)))


@pytest.mark.parametrize(
    ("before", "reading", "key", "done"),
    [
        pytest.param("<", "event_beside", "N", "adcs.rw_x", id="the alarm before"),
        pytest.param("v", "window", "enter", "against 40 min before", id="comparing a window"),
        pytest.param("", "first_ns", "g", "Now is", id="going to a time"),
        pytest.param("4", "page", "N", "no newer anomaly", id="the next anomaly of the ledger"),
    ],
)
async def test_what_a_key_asked_for_is_not_done_late(
    console, monkeypatch, before: str, reading: str, key: str, done: str
) -> None:
    stumbling = Stumbling(monkeypatch, reading)
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        if before:
            await pilot.press(before)
        await settled(pilot)
        screen, time = app.screen, app.time
        stumbling.armed = True
        await pilot.press(key)
        await alive_and_told(pilot, stumbling)
        assert app.screen is screen
        assert app.time.t1_ns == time.t1_ns
        app.clear_notifications()
        await pilot.press(*(["v", "enter"] if before == "v" else [key]))
        await settled(pilot, lambda: stumbling.answers > 0)
        await pilot.pause()
        assert done in screen_text(app) or any(done in text for text in said(app)) or app.time.t1_ns != time.t1_ns


async def test_another_satellite_that_cannot_be_read_at_once_ends_nothing(console, monkeypatch) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        polls = 0
        whole = app._snapshots.poll

        def poll(**options: Any) -> Any:
            nonlocal polls
            polls += 1
            if polls == 1:
                raise StoreError(BROKEN)
            return whole(**options)

        monkeypatch.setattr(app._snapshots, "poll", poll)
        await app._look_at(SATELLITE).wait()
        await app._look_at_all().wait()
        assert any(BROKEN in text for text in said(app))
        assert app.return_code is None


async def test_a_store_that_stays_unreadable_is_asked_less_and_less(directory) -> None:
    told: list[Exception] = []
    view = StoreView(directory, trouble=told.append)
    loop = asyncio.get_running_loop()
    try:

        def broken(_: StoreReader) -> None:
            raise apsw.BusyError("busy")

        began = loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await view.ask(broken)
        assert 2 <= len(told) <= 7, f"{len(told)} in {loop.time() - began} s"
        assert await view.ask(lambda reader: reader.first_ns(SATELLITE)) is not None
    finally:
        view.close()


async def test_a_mistake_of_the_program_is_no_trouble_of_the_store(directory) -> None:
    view = StoreView(directory, trouble=lambda error: pytest.fail(str(error)))
    try:
        with pytest.raises(ZeroDivisionError):
            await view.ask(lambda _: 1 // 0)
    finally:
        view.close()


async def test_what_fails_in_the_clusters_for_another_reason_is_said_too(console, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no such axis [red]")

    monkeypatch.setattr("cubesat_tui.feature_space.feature_space", broken)
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("2")
        await settled(pilot, lambda: "Clusters could not be read: no such axis [red]" in said(app))
        assert app.return_code is None
