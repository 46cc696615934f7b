"""`i`: the selected anomaly is declared nominal, with a reason; nothing is asked for without one."""

from __future__ import annotations

from typing import Any

import pytest
from fabricated import NOW, SATELLITE, S, screen_text, settled

from cubesat_tui.keymap import KEYS
from cubesat_tui.nominal import Nominal, of_alarm
from cubesat_tui.requests import Requests
from cubesat_tui.screens.accept import AcceptDialog
from cubesat_tui.screens.why import WhyCard
from telemetry.alarms import Event
from telemetry.store.directory import MissionDirectory
from telemetry.store.inbox import Inbox, Request

SMALL, LARGE = (80, 24), (140, 42)


def requests_of(directory: MissionDirectory) -> list[Request]:
    if not directory.inbox.exists():
        return []
    inbox = Inbox(directory.inbox)
    try:
        return inbox.pending()
    finally:
        inbox.close()


async def opened(pilot: Any, *keys: str) -> None:
    """Go where `keys` lead, select the anomaly and press `i`."""
    await settled(pilot)
    for key in (*keys, "i"):
        await pilot.press(key)
        await settled(pilot)
    assert isinstance(pilot.app.screen, AcceptDialog)


WAYS = {
    "live": ("down",),
    "events": ("5", "down"),
    "why": ("5", "down", "enter"),
    "clusters": ("2",),
}
"""Keys that lead to the anomaly from the start."""


@pytest.mark.parametrize("way", WAYS)
async def test_the_key_with_a_reason_asks_for_what_the_command_asks_for(console, directory, way: str) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, *WAYS[way])
        assert "ACCEPT AS NOMINAL: Distance S" in screen_text(app)
        alarm = next(one for one in app.snapshot.alarms if one.kind == "anomaly")
        span = of_alarm(alarm, app.snapshot.now_ns)
        await pilot.press(*"new rangefinder law")
        await settled(pilot)
        assert "accepted Distance S, Bus 5V" in " ".join(screen_text(app).split())
        assert requests_of(directory) == []
        await pilot.press("enter")
        await settled(pilot, lambda: not isinstance(app.screen, AcceptDialog))
        assert isinstance(app.screen, WhyCard) == (way == "why")
    (request,) = requests_of(directory)
    assert (request.kind, request.actor) == ("accept", "ann")
    wish = Nominal(
        satellite=SATELLITE,
        reason="new rangefinder law",
        t0_ns=span.t0_ns // S * S,
        t1_ns=-(-span.t1_ns // S) * S,
        channels=("pld.dist_s", "eps.bus5v_v", "pld.dist_n"),
    )
    assert request.body == {
        "satellite": wish.satellite,
        "reason": wish.reason,
        "t0_ns": wish.t0_ns,
        "t1_ns": wish.t1_ns,
        "channels": list(wish.channels),
        "release": False,
    }


@pytest.mark.parametrize("typed", ["", "ok", "   "])
async def test_without_a_reason_it_says_so_and_asks_for_nothing(console, directory, typed: str) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, *WAYS["live"])
        await pilot.press(*["space" if letter == " " else letter for letter in typed], "enter")
        await settled(pilot)
        assert isinstance(app.screen, AcceptDialog)
        assert "A reason of at least 3 letters" in screen_text(app)
    assert requests_of(directory) == []


async def test_escape_leaves_nothing(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, *WAYS["events"])
        await pilot.press(*"a good reason", "escape")
        await settled(pilot)
        assert not isinstance(app.screen, AcceptDialog)
    assert requests_of(directory) == []


async def test_a_limit_is_nothing_a_model_can_be_taught(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("5", "i")
        await settled(pilot)
        assert not isinstance(app.screen, AcceptDialog)
        assert any("No anomaly is selected" in one.message for one in app._notifications)
    assert requests_of(directory) == []


async def test_a_console_that_only_reads_accepts_nothing(console, directory) -> None:
    app = console(read_only=True)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("down", "i")
        await settled(pilot)
        assert not isinstance(app.screen, AcceptDialog)
        assert any("read-only" in one.message for one in app._notifications)
    assert requests_of(directory) == []


async def test_a_channel_nobody_knows_is_refused_in_words(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, *WAYS["live"])
        await pilot.press(*"a good reason", "up", "up", "up", *" eps.xyz", "enter")
        await settled(pilot)
        assert isinstance(app.screen, AcceptDialog)
        assert "eps.xyz" in " ".join(screen_text(app).split())
    assert requests_of(directory) == []


async def test_the_outcome_is_told(console, directory, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "ann accepted Distance S as nominal: a good reason"

    async def answers(*_: object) -> list[Event]:
        return [Event(NOW, SATELLITE, "nominal.accepted", 0, "pld.dist_s", "ann", {"text": text})]

    monkeypatch.setattr(Requests, "answers", staticmethod(answers))
    app = console()
    async with app.run_test(size=LARGE) as pilot:
        await opened(pilot, *WAYS["live"])
        await pilot.press(*"a good reason", "enter")
        await settled(pilot)
        assert [one.message for one in app._notifications] == [text]


def test_the_keys_card_has_it() -> None:
    (key,) = [key for key in KEYS if key.keys == "i"]
    assert "nominal" in key.text


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_the_dialog_looks_like_this(snap_compare, console, size) -> None:
    async def before(pilot: Any) -> None:
        await opened(pilot, *WAYS["live"])
        await pilot.press(*"new rangefinder law")
        await settled(pilot)

    assert snap_compare(console(), terminal_size=size, run_before=before)
