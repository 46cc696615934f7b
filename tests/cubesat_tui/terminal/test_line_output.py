"""The way out to a slow terminal, and who is drawn for one."""

from __future__ import annotations

import os
import threading

import pytest
from click.testing import CliRunner

from cubesat_tui.cli import root
from cubesat_tui.terminal.line_choice import line_pace
from cubesat_tui.terminal.line_output import LineOutput

PATIENCE_S = 10.0


@pytest.mark.parametrize(
    ("asked", "environment", "thin"),
    [
        ("auto", {}, False),
        ("auto", {"SSH_CONNECTION": "1 2 3 4"}, True),
        ("auto", {"SSH_TTY": "/dev/pts/1"}, True),
        (None, {"SSH_TTY": "/dev/pts/1"}, True),
        ("full", {"SSH_CONNECTION": "1 2 3 4"}, False),
        ("thin", {}, True),
    ],
)
def test_over_ssh_the_line_is_taken_for_thin_at_first(
    asked: str | None, environment: dict[str, str], thin: bool
) -> None:
    assert line_pace(asked, environment).thin is thin


def test_a_line_belongs_to_the_console() -> None:
    done = CliRunner().invoke(root, ["--line", "thin", "status"])
    assert done.exit_code == 2
    assert "--line belongs to the console" in done.output
    done = CliRunner().invoke(root, ["--line", "wide"])
    assert done.exit_code == 2
    assert "'auto', 'full', 'thin'" in done.output


def test_nothing_more_is_asked_for_before_the_terminal_has_answered() -> None:
    read, written = os.pipe()
    asked = threading.Semaphore(0)
    count = 0

    def content() -> tuple[bytes, bool]:
        nonlocal count
        count += 1
        asked.release()
        return b"frame %d;" % count, True

    output = LineOutput(written, content)
    output.start()
    output.wake()
    assert asked.acquire(timeout=PATIENCE_S)
    for _ in range(5):
        output.wake()
    assert os.read(read, 100) == b"frame 1;"
    assert not asked.acquire(timeout=0.2)
    output.answered()
    assert asked.acquire(timeout=PATIENCE_S)
    assert os.read(read, 100) == b"frame 2;"
    output.stop()
    assert not output.is_alive()
    os.close(written)
    assert os.read(read, 100) == b"frame 3;"
    os.close(read)


def test_what_a_key_asked_for_does_not_wait_for_an_answer_but_never_piles_up() -> None:
    """A frame is under way; the next one follows it at once where a key was pressed, a fourth one waits."""
    read, written = os.pipe()
    asked = threading.Semaphore(0)

    def content() -> tuple[bytes, bool]:
        asked.release()
        return b"frame;", output.patient

    output = LineOutput(written, content)
    output.start()
    output.wake()
    assert asked.acquire(timeout=PATIENCE_S)
    output.wake()
    assert not asked.acquire(timeout=0.2), "nobody has pressed a key"
    for _ in range(2):
        output.urge()
        output.wake()
        assert asked.acquire(timeout=PATIENCE_S)
    output.urge()
    output.wake()
    assert not asked.acquire(timeout=0.2), "three are enough"
    for _ in range(3):
        output.answered()
    assert asked.acquire(timeout=PATIENCE_S)
    output.stop()
    os.close(written)
    assert os.read(read, 100).count(b"frame;") == 5
    os.close(read)


def test_a_slow_line_is_given_a_frame_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """What SSH is given at once it sends as one piece, of which nothing is seen before its end."""
    slept: list[float] = []
    monkeypatch.setattr("cubesat_tui.terminal.line_output.time.sleep", slept.append)
    for slow, pauses in ((True, 3), (False, 0)):
        slept.clear()
        read, written = os.pipe()
        frames = [b"x" * 2000]
        output = LineOutput(
            written, lambda frames=frames: (frames.pop() if frames else b"", False), slow=lambda slow=slow: slow
        )
        output.start()
        output.stop()
        assert len(slept) == pauses
        os.close(written)
        os.close(read)


def test_a_terminal_that_takes_nothing_holds_up_neither_the_writer_nor_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cubesat_tui.terminal.line_output.STUCK_S", 0.3)
    read, written = os.pipe()
    begun = threading.Event()

    def content() -> tuple[bytes, bool]:
        begun.set()
        return b"x" * 1_000_000, False

    output = LineOutput(written, content)
    output.start()
    output.wake()
    assert begun.wait(PATIENCE_S)
    for _ in range(100):
        output.wake()
    output.stop()
    assert output.is_alive(), "the pipe took a million bytes"
    os.close(read)
    output.join(PATIENCE_S)
    assert not output.is_alive(), "a terminal that has gone ends it"
    os.close(written)
