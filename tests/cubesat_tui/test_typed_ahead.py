"""A slow line brings keys in a lump: enter means all that was typed before it, not what had arrived by then."""

from __future__ import annotations

from typing import Any

import fabricated
import pytest
from textual.events import Key

from cubesat_tui.screens.note import NoteDialog
from telemetry.store.inbox import Inbox

TEXT = "call lk at noon, cell 3 is weak"


def lump(app: Any, text: str) -> None:
    """Keys in one go, enter at their end; nothing is handled in between."""
    for character in text:
        app.post_message(Key(character, character))
    app.post_message(Key("enter", "\r"))


async def asked(pilot: Any, directory: Any, kind: str) -> dict[str, Any]:
    """The body of the request of a kind, once it is there."""
    for _ in range(200):
        await pilot.pause(0.02)
        inbox = Inbox(directory.inbox)
        try:
            found = [request.body for request in inbox.pending() if request.kind == kind]
        finally:
            inbox.close()
        if found:
            return found[0]
    pytest.fail(f"no request {kind}")


async def test_a_note_is_written_whole(console, directory) -> None:
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        await pilot.press("5", "m")
        await pilot.pause()
        assert isinstance(app.screen, NoteDialog)
        lump(app, TEXT)
        assert (await asked(pilot, directory, "note"))["text"] == TEXT


async def test_a_reason_to_shelve_is_written_whole(console, directory) -> None:
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        await pilot.press("5", "s")
        await pilot.pause()
        lump(app, TEXT)
        assert (await asked(pilot, directory, "shelve"))["reason"] == TEXT


async def test_a_reason_to_accept_is_written_whole(console, directory) -> None:
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        await pilot.press("5", "n", "i")
        await pilot.pause()
        lump(app, TEXT)
        assert (await asked(pilot, directory, "accept"))["reason"] == TEXT
