"""A slow line brings keys in a lump: enter means all that was typed before it, not what had arrived by then."""

from __future__ import annotations

from typing import Any

import fabricated
import pytest
from textual.events import Key

from cubesat_tui.screens.export import ExportDialog
from cubesat_tui.screens.go_to import GoToDialog
from cubesat_tui.screens.inject import InjectDialog
from cubesat_tui.screens.note import NoteDialog
from exports.request import ExportRequest
from sim.catalogue import KINDS
from telemetry.clock import iso
from telemetry.store.inbox import Inbox

TEXT = "call lk at noon, cell 3 is weak"


def lump(app: Any, *names: str) -> None:
    """Keys by name in one go; nothing is handled in between."""
    for name in names:
        app.post_message(Key(name, {"slash": "/", "space": " "}.get(name, name if len(name) == 1 else None)))


def titled(app: Any) -> str:
    return next((line for line in fabricated.screen_text(app).splitlines() if "BREAK SOMETHING" in line), "")


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
        lump(app, *TEXT, "enter")
        assert (await asked(pilot, directory, "note"))["text"] == TEXT


async def test_a_reason_to_shelve_is_written_whole(console, directory) -> None:
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        await pilot.press("5", "s")
        await pilot.pause()
        lump(app, *TEXT, "enter")
        assert (await asked(pilot, directory, "shelve"))["reason"] == TEXT


async def test_a_reason_to_accept_is_written_whole(console, directory) -> None:
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        await pilot.press("5", "n", "i")
        await pilot.pause()
        lump(app, *TEXT, "enter")
        assert (await asked(pilot, directory, "accept"))["reason"] == TEXT


async def test_a_letter_taken_back_is_taken_back_before_what_follows_it(console, directory) -> None:
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        await pilot.press("5", "m")
        await pilot.pause()
        lump(app, *"call lk at nooo", "backspace", "n", "home", "X", "enter", "escape")
        assert (await asked(pilot, directory, "note"))["text"] == "Xcall lk at noon"


async def test_a_moment_is_gone_to_as_it_was_typed(console) -> None:
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        await pilot.press("g")
        await fabricated.settled(pilot, lambda: isinstance(app.screen, GoToDialog))
        lump(app, *"07:10:10", "enter")
        await fabricated.settled(pilot, lambda: app.time.fixed)
        assert iso(app.time.t1_ns) == "2026-11-22T07:10:10Z"


async def test_what_is_to_break_is_chosen_sized_and_confirmed_in_one_lump(console, directory) -> None:
    """Found by a part of its name, its size written, the next field too: nothing is taken as it was proposed."""
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        await pilot.press("f")
        await fabricated.settled(pilot, lambda: isinstance(app.screen, InjectDialog))
        lump(app, "slash", *"bias", "enter", "slash", *"bus5v_v", "enter")
        lump(app, *"17", "tab", *"95s", "enter", "enter")
        body = await asked(pilot, directory, "inject")
        assert (body["kind"], body["target"], body["size"], body["lasts_s"]) == ("bias", "eps.bus5v_v", 17.0, 95.0)


async def test_the_list_is_walked_before_what_it_stands_on_is_taken(console, directory) -> None:
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        await pilot.press("f")
        await fabricated.settled(pilot, lambda: isinstance(app.screen, InjectDialog))
        lump(app, *"jjjkj", "enter")
        await fabricated.settled(pilot, lambda: ": " in titled(app))
        assert titled(app).split(": ")[1].split()[0] == list(KINDS)[3]


async def test_a_file_has_the_form_that_was_chosen_before_enter(console, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[ExportRequest] = []
    monkeypatch.setattr(ExportDialog, "_follow", lambda *_: None)
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        await pilot.press("4", "e")
        await fabricated.settled(pilot, lambda: isinstance(app.screen, ExportDialog))
        monkeypatch.setattr(app.screen, "_start", begun.append)
        await pilot.press("tab")
        lump(app, "right", "space", "tab", "space", "enter")
        await fabricated.settled(pilot, lambda: bool(begun))
        assert (begun[0].format, begun[0].both_times) == ("parquet", False)
