"""On a real tmux: a pane that was sent what a thin line has room for shows what one shows that was sent everything.

Both read from a pipe: one all that the console writes, one the differences. Their cells, read back from tmux with
their colours, are alike once both have drained.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from cubesat_tui.app import ConsoleApp
from telemetry.clock import ManualClock
from telemetry.store.directory import MissionDirectory
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter
from tests.cubesat_tui import fabricated
from tests.cubesat_tui.fabricated import NOW, S, batches, settled
from tests.cubesat_tui.terminal.emulator import Emulator
from tests.cubesat_tui.terminal.test_same_screen import KEYS, TO_READ, TwoTerminals, run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
SEQUENCES = 200 if os.environ.get("CUBESAT_TUI_CAMPAIGN") else 20
A_RUN = 10
STEPS = 5


class Pane:
    """A tmux of its own whose one pane shows what is written to it."""

    def __init__(self, folder: Path) -> None:
        self._socket = f"cubesat-{uuid.uuid4().hex[:12]}"
        pipe = folder / f"{self._socket}.pipe"
        os.mkfifo(pipe)
        self._written = 0
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", f"stty raw -echo; cat {pipe}")
        self.tmux("set-option", "-g", "status", "off")
        self._file = pipe.open("w", encoding="utf-8", newline="")

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-L", self._socket, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout

    def write(self, data: str) -> None:
        # What the line discipline of a terminal would make of it.
        self._file.write(data.replace("\r\n", "\n").replace("\n", "\r\n"))

    def resize(self, columns: int, rows: int) -> None:
        self.drained()
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def drained(self) -> None:
        """Come back when tmux has drawn everything: the title behind it has arrived."""
        self._written += 1
        self._file.write(f"\x1b]2;drained {self._written}\x07")
        self._file.flush()
        until = time.monotonic() + 20
        while self.tmux("display-message", "-p", "#{pane_title}").strip() != f"drained {self._written}":
            assert time.monotonic() < until, "tmux does not read on"
            time.sleep(0.005)

    def cells(self, columns: int, rows: int) -> list[list[tuple[Any, ...]]]:
        """Every cell as tmux says it looks."""
        # A capture ends with the last character of a row: what was erased behind it, in a colour, is left out.
        self.resize(columns + 1, rows)
        self._file.write("\x1b7" + "".join(f"\x1b[{y + 1};{columns + 1}H|" for y in range(rows)) + "\x1b8")
        self.drained()
        read = Emulator(columns + 1, rows)
        lines = self.tmux("capture-pane", "-e", "-p", "-N").split("\n")[:rows]
        # A line as wide as the screen must not wrap.
        read.write("\x1b[?7l" + "".join(f"\x1b[{y + 1};1H{line}" for y, line in enumerate(lines)))
        self.resize(columns, rows)
        return [row[:columns] for row in read.cells()]

    def close(self) -> None:
        self._file.close()
        subprocess.run(["tmux", "-L", self._socket, "kill-server"], capture_output=True, check=False, timeout=20)


class TwoPanes(TwoTerminals):
    """As `TwoTerminals`, on panes."""

    panes: tuple[Pane, Pane]

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(app, **options)
        self.full, self.thin = self.panes  # type: ignore[assignment]
        self.size = (120, 40)

    def resize(self, columns: int, rows: int) -> None:
        self.size = (columns, rows)
        for pane in self.panes:
            pane.resize(columns, rows)
        # The driver's own: the terminals have their size now.
        full, thin = self.full, self.thin
        self.full = self.thin = Emulator(1, 1)
        try:
            super().resize(columns, rows)
        finally:
            self.full, self.thin = full, thin


def unlike(thin: list[list[tuple[Any, ...]]], full: list[list[tuple[Any, ...]]]) -> str:
    """How many cells differ, and the first of them."""
    found = [
        f"({x}, {y}): {cell} is to be {wanted}"
        for y, (row, wanted_row) in enumerate(zip(thin, full, strict=True))
        for x, (cell, wanted) in enumerate(zip(row, wanted_row, strict=True))
        if cell != wanted
    ]
    return "; ".join([f"{len(found)} cells", *found[:3]])


@pytest.fixture
def panes(tmp_path: Path) -> Iterator[tuple[Pane, Pane]]:
    if shutil.which("tmux") is None:
        if os.environ.get("CI"):
            pytest.fail("tmux is not installed, and CI must not skip the terminal tests")
        pytest.skip("tmux is not installed: apt install tmux")
    both = (Pane(tmp_path), Pane(tmp_path))
    yield both
    for pane in both:
        pane.close()


@pytest.mark.parametrize("seed", range(0, SEQUENCES, A_RUN))
async def test_two_panes_show_the_same(
    panes: tuple[Pane, Pane], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Ten sequences of keys, sizes and data drawn at random, one behind the other."""
    monkeypatch.setattr("cubesat_tui.mission_app.TICK_S", 0.02)
    monkeypatch.setattr(TwoTerminals, "dice", random.Random(seed))
    monkeypatch.setattr(TwoTerminals, "synchronised", seed // A_RUN % 2 == 1)
    monkeypatch.setattr(TwoPanes, "panes", panes, raising=False)
    dice = random.Random(seed)
    clock = ManualClock(NOW)
    directory: MissionDirectory = fabricated.fill(tmp_path / "mission")
    app = ConsoleApp(directory, clock=clock, operator="ann", station=fabricated.NearStation())
    app.driver_class = TwoPanes
    writer = StoreWriter(directory.telemetry, clock)
    from_then = NOW
    seen: set[str] = set()

    def data() -> None:
        nonlocal from_then
        clock.advance(1)
        writer.append([ScoredBatch(batch) for batch in batches(from_then, from_then + S - 1)], [], {})
        from_then += S

    async def drive(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        driver = app._driver
        assert isinstance(driver, TwoPanes)
        for sequence in range(seed, seed + A_RUN):
            steps: list[str] = []
            for _ in range(STEPS):
                act: Callable[[], object] | None = dice.choice([data, None, None])
                steps.append("data" if act else dice.choice(KEYS))
                if act:
                    act()
                else:
                    await pilot.press(steps[-1])
            if sequence % 3 == 2:
                driver.resize(*dice.choice(TO_READ))
            await settled(pilot)
            driver.drain()
            full, thin = (pane.cells(*driver.size) for pane in panes)
            assert thin == full, f"sequence {sequence}: {steps}: {unlike(thin, full)}"
            seen.add("".join(cell[0] for row in thin for cell in row))

    await run(app, drive)
    writer.close()
    assert len(seen) >= A_RUN // 2, "the sequences drew next to nothing"
