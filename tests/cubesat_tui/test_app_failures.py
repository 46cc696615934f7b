"""What an operator sees when something inside the console breaks: a line, never a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cubesat_tui.app import ConsoleApp
from telemetry.clock import SystemClock
from telemetry.store.directory import MissionDirectory


class Broken:
    """Snapshots that fail once and then have nothing new."""

    def __init__(self) -> None:
        self.polls = 0

    def poll(self) -> None:
        self.polls += 1
        if self.polls == 1:
            raise OSError("disk [red]gone[/]\x1b[2J")

    def close(self) -> None:
        pass


def console(directory: Path, snapshots: Any) -> ConsoleApp:
    mission = MissionDirectory(directory)
    mission.create()
    return ConsoleApp(mission, clock=SystemClock(), operator="ann", snapshots=snapshots)


async def test_a_store_that_cannot_be_read_is_said_and_tried_again(tmp_path: Path) -> None:
    broken = Broken()
    app = console(tmp_path / "m", broken)
    async with app.run_test(size=(80, 24)) as pilot:
        while broken.polls < 2:
            await pilot.pause(0.05)
        said = [str(toast.message) for toast in app._notifications]
        assert any("could not be read" in text and "[red]gone[/]" in text for text in said)
        assert not any("\x1b" in text for text in said)
        assert app.return_code is None


async def test_a_failing_console_leaves_one_plain_line(tmp_path: Path) -> None:
    app = console(tmp_path / "m", Broken())
    try:
        raise RuntimeError("broken [/bold]")
    except RuntimeError:
        app._fatal_error()
    [line] = app._exit_renderables
    assert "the console failed: RuntimeError: broken [/bold]" in str(line)
    assert "Traceback" not in str(line)
