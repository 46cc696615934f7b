"""What a program writes goes in, what a terminal has to be sent comes out, however seldom it is asked for."""

from __future__ import annotations

import threading

from cubesat_tui.terminal.cell_diff import Shown
from cubesat_tui.terminal.cell_grid import CellGrid
from cubesat_tui.terminal.first_line import ENTER

QUESTION = "\x1b[?2026$p"
"""Whether the terminal knows synchronised updates. Its answer says that it has drawn all that came before."""
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"


class ChangedCells:
    """One terminal of `columns` x `rows`. Several threads may use it.

    `erases`: as of `Shown`. `answers` is set by who has heard the terminal answer `QUESTION`; `leaving`, so that no
    more cells are sent.
    """

    def __init__(self, columns: int, rows: int, *, erases: bool = True) -> None:
        self.answers = False
        self.leaving = False
        self._grid = CellGrid(columns, rows)
        self._shown = Shown(erases=erases)
        # A signal may interrupt who draws, and write as well.
        self._lock = threading.RLock()

    def write(self, data: str) -> bool:
        """Draw; False where more belongs to the same update."""
        with self._lock:
            self._grid.feed(data)
            return not self._grid.holding

    def entered(self) -> None:
        """The terminal is on its alternate screen; nobody has to send it there."""
        with self._lock:
            self._grid.feed(ENTER)
            self._grid.passed.remove(ENTER)

    def resize(self, columns: int, rows: int) -> None:
        """The terminal has another size; what it shows is not known until the next frame, which sends all of it."""
        with self._lock:
            self._grid.resize(columns, rows)

    def forget(self) -> None:
        """What the terminal shows may be anything: the next frame sends every cell."""
        with self._lock:
            self._grid.lost = True

    def frame(self, *, patient: bool = True, in_parts: bool = False) -> tuple[str, bool]:
        """What to send now, and whether it ends in a question; empty when the terminal has everything.

        `patient`: an answer to it would be waited for. `in_parts`: the first rows are to be seen while the others
        are still under way, not all of them at once.
        """
        with self._lock:
            grid = self._grid
            passed = "".join(grid.passed)
            grid.passed.clear()
            cells = ""
            if grid.drawn and not grid.holding and not self.leaving:
                cells = self._shown.update(grid, f"{END}{BEGIN}" if in_parts and grid.synchronised else "")
            if cells and grid.synchronised:
                cells = f"{BEGIN}{cells}{END}"
        asks = bool(cells) and self.answers and patient
        return passed + cells + QUESTION * asks, asks
