"""Whatever the console draws, a terminal behind a thin line ends up showing it, cell by cell."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from textual import events, messages
from textual.driver import Driver
from textual.geometry import Size
from textual.pilot import Pilot

from cubesat_tui.app import ConsoleApp
from cubesat_tui.terminal.changed_cells import ChangedCells
from telemetry.clock import ManualClock
from telemetry.store.directory import MissionDirectory
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter
from tests.cubesat_tui.fabricated import NOW, S, batches, settled
from tests.cubesat_tui.terminal.emulator import Emulator

SEQUENCES = 200 if os.environ.get("CUBESAT_TUI_CAMPAIGN") else 40
A_RUN = 10
"""Sequences one console goes through, one behind the other."""
STEPS = 5
KEYS = [
    *"12345",
    *"jklhvxsSbtn?[]<>",
    *("down", "up", "left", "right", "tab", "escape", "escape", "enter", "slash", "space", "ctrl+l", "pagedown"),
]
SIZES = [(120, 40), (80, 24), (140, 42), (60, 20), (1, 1), (3, 2), (100, 30)]
TO_READ = [size for size in SIZES if size[0] >= 60]
START = "\x1b[?1049h\x1b[?25l\x1b[?7l"


class TwoTerminals(Driver):
    """A driver with two emulated terminals: one is sent everything, one what the thin line has room for."""

    dice = random.Random(0)
    synchronised = False

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(app, **options)
        self.full = Emulator(120, 40)
        self.thin = Emulator(120, 40)
        self.cells = ChangedCells(120, 40, erases=self.dice.random() < 0.8)
        self.sent = [0, 0]

    def start_application_mode(self) -> None:
        if self.synchronised:
            self.send_message(messages.TerminalSupportsSynchronizedOutput())
        self.resize(120, 40)
        self.write(START)

    def write(self, data: str) -> None:
        self.full.write(data)
        self.sent[0] += len(data)
        if self.cells.write(data) and self.dice.random() < 0.3:
            self.drain()

    def drain(self) -> None:
        text, _ = self.cells.frame()
        self.thin.write(text)
        self.sent[1] += len(text)

    def resize(self, columns: int, rows: int) -> None:
        for terminal in (self.full, self.thin):
            terminal.resize(rows, columns)
        self.cells.resize(columns, rows)
        self.send_message(events.Resize(Size(columns, rows), Size(columns, rows)))

    def disable_input(self) -> None: ...

    def stop_application_mode(self) -> None: ...


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(0, SEQUENCES, A_RUN))
async def test_the_same_screen(
    console: Callable[..., ConsoleApp],
    directory: MissionDirectory,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    """Ten sequences of keys, sizes and data drawn at random: after each, both terminals show the same."""
    monkeypatch.setattr("cubesat_tui.mission_app.TICK_S", 0.02)
    # Two of them: how often the line has room depends on how fast the machine draws, what is drawn must not.
    monkeypatch.setattr(TwoTerminals, "dice", random.Random(seed))
    dice = random.Random(seed)
    monkeypatch.setattr(TwoTerminals, "synchronised", seed // A_RUN % 2 == 1)
    app = console(clock=clock)
    app.driver_class = TwoTerminals
    writer = StoreWriter(directory.telemetry, clock)
    seen: set[str] = set()
    from_then = NOW

    async def drive(pilot: Pilot[Any]) -> None:
        nonlocal from_then
        await settled(pilot)
        driver = app._driver
        assert isinstance(driver, TwoTerminals)
        for sequence in range(seed, seed + A_RUN):
            steps: list[str] = []
            for _ in range(STEPS):
                act = dice.choices(("key", "size", "data"), (6, 1, 3))[0]
                if act == "key":
                    steps.append(dice.choice(KEYS))
                    await pilot.press(steps[-1])
                elif act == "size":
                    size = dice.choice(SIZES)
                    steps.append(str(size))
                    driver.resize(*size)
                    await pilot.pause()
                else:
                    steps.append("data")
                    clock.advance(1)
                    writer.append([ScoredBatch(batch) for batch in batches(from_then, from_then + S - 1)], [], {})
                    from_then += S
            if sequence % 2:
                driver.resize(*dice.choice(TO_READ))
            await settled(pilot)
            driver.drain()
            assert driver.thin.cells() == driver.full.cells(), f"sequence {sequence}: {steps}"
            seen.add("\n".join(driver.thin.display))
        assert driver.sent[1] < 0.7 * driver.sent[0]

    await run(app, drive)
    writer.close()
    assert len(seen) >= A_RUN // 2, "the sequences drew next to nothing"


async def run(app: ConsoleApp, drive: Callable[[Pilot[Any]], Any]) -> None:
    """As `App.run_test`, with the app's own driver."""
    done: list[BaseException | None] = []

    async def auto_pilot(pilot: Pilot[Any]) -> None:
        try:
            await drive(pilot)
            done.append(None)
        except BaseException as error:
            done.append(error)
            raise
        finally:
            app.exit()

    await app.run_async(headless=False, auto_pilot=auto_pilot)
    assert done == [None], done
