"""The driver for any line: what a signal does to it in the middle of something else."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from cubesat_tui.terminal.full_line import FullLineDriver

STOPS = {signal.SIGTSTP: "_sigtstp_application", signal.SIGCONT: "_sigcont_application"}


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """A driver takes signals of the whole process."""
    before = {number: signal.getsignal(number) for number in STOPS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOPS)
async def test_a_stop_in_the_middle_of_a_write_waits_for_its_end(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Textual stops where the signal meets it, holding the lock that its own last words need."""
    done: list[int] = []
    monkeypatch.setattr(LinuxDriver, STOPS[number], lambda *_: done.append(number))
    FullLineDriver(App())
    signal.raise_signal(number)
    assert done == []
    await asyncio.sleep(0)
    assert done == [number]
