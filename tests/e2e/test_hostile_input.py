"""Whatever is thrown at the console, by hand, paste or window manager: it lives and leaves the terminal clean."""

from __future__ import annotations

import fcntl
import os
import random
import re
import select
import struct
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.pty_program import QUERY, PtyProgram
from cubesat_tui.keymap import KEYS
from tests.cubesat_tui import fabricated
from tests.e2e.test_thin_line import left_behind

RUNS = 500 if os.environ.get("CUBESAT_TUI_CAMPAIGN") else 5
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
LIVE = rb"NEEDS YOU"
MB = 1 << 20
MODES = ["live", "clusters", "models", "ledger", "events"]
SENT = {
    "space": " ", "escape": "\x1b", "enter": "\r", "tab": "\t", "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C",
    "left": "\x1b[D", "pageup": "\x1b[5~", "pagedown": "\x1b[6~", "home": "\x1b[H", "end": "\x1b[F",
    "backspace": "\x7f", "delete": "\x1b[3~", "slash": "/", "question_mark": "?", "less_than_sign": "<",
    "greater_than_sign": ">", "left_square_bracket": "[", "right_square_bracket": "]", "colon": ":", "comma": ",",
    "full_stop": ".", "plus": "+", "minus": "-", "equals_sign": "=", "asterisk": "*",
    "ctrl+l": "\x0c", "ctrl+c": "\x03", "ctrl+q": "\x11", "shift+tab": "\x1b[Z",
}  # fmt: skip
"""What a terminal sends for a key; a letter or digit is itself."""


class Victim(PtyProgram):
    """A console on a terminal of which only the bytes are kept: drawing them would take longer than the console."""

    told = b""

    def _answer(self, found: re.Match[bytes]) -> None:
        # Every sign is one cell wide: where the cursor is after six of them.
        self.screen.cursor.x = 6
        super()._answer(found)

    def _take(self) -> bool:
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            return False
        if not data:
            return False
        self.output.append((self.elapsed, data))
        start = max(0, len(self.told) - 16)
        self.told += data
        for found in QUERY.finditer(self.told, start):
            if found.end() > len(self.told) - len(data):
                self._answer(found)
        return True

    def resize(self, columns: int, rows: int) -> None:
        """The window has another size: the kernel tells the program with a signal."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def throw(self, data: bytes, seconds: float = 60) -> None:
        """Write all of `data` as fast as the program takes it, reading what it draws meanwhile."""
        os.set_blocking(self._fd, False)
        until = time.monotonic() + seconds
        try:
            while data and self.process.poll() is None:
                assert time.monotonic() < until, f"{len(data)} bytes were not taken in {seconds} s"
                _, room, _ = select.select([], [self._fd], [], 0.05)
                if room:
                    try:
                        data = data[os.write(self._fd, data[:2048]) :]
                    except BlockingIOError:
                        pass
                self.pump(0.0005)
        except OSError:
            # It has left meanwhile: the keys thrown may say so.
            pass
        finally:
            os.set_blocking(self._fd, True)

    def wait_until(self, true: Callable[[], bool], seconds: float) -> bool:
        """Whether it came true in time."""
        until = time.monotonic() + seconds
        while not true() and time.monotonic() < until:
            self.pump(0.05)
        return true()


def shrink(victim: Victim, dice: random.Random) -> None:
    """Down to one cell and back, with keys in between."""
    for _ in range(8):
        victim.resize(*dice.choice([(1, 1), (2, 1), (1, 50), (300, 1), (3, 3), (500, 200)]))
        victim.throw(dice.choice("12345eg?f").encode())
        victim.pump(dice.random() / 10)
    victim.throw(b"\x1b")
    victim.resize(100, 30)


def storm(victim: Victim, dice: random.Random) -> None:
    """A thousand sizes in two seconds."""
    begun = time.monotonic()
    for n in range(1000):
        victim.resize(dice.randint(1, 200), dice.randint(1, 60))
        victim.pump(max(0.0, begun + n * 0.002 - time.monotonic()))
    victim.resize(100, 30)


def paste(victim: Victim, dice: random.Random) -> None:
    """Megabytes, into lines that take text and into screens that do not, and one whose end never comes."""
    where = dice.choice([b"", b"4/", b"g", b"m", b"f", b"?"])
    victim.throw(where)
    victim.pump(0.3)
    line = bytes(dice.choices(b"abc 0123[]$\\\"'\n\t\x1b", k=997))
    size = dice.choice([MB, 2 * MB, 3 * MB])
    victim.throw(b"\x1b[200~" + (line * (size // len(line))).replace(b"\x1b[201~", b""), 120)
    if dice.random() < 0.8:
        victim.throw(b"\x1b[201~")
    victim.pump(0.3)


def rubbish(victim: Victim, dice: random.Random) -> None:
    """Broken UTF-8, half sequences, answers to questions nobody asked, mouse reports."""
    parts = [
        lambda: dice.randbytes(40),
        lambda: b"\xff\xfe\xc3(\xe2\x82(\xf0\x9f\x92",
        lambda: b"\x1b[" + bytes(dice.choices(b"0123456789;:<>?$ ", k=12)) + dice.choice([b"", b"R", b"u", b"~"]),
        lambda: b"\x1b]52;c;" + dice.randbytes(20) + dice.choice([b"", b"\x07", b"\x1b\\"]),
        lambda: b"\x1b[M" + dice.randbytes(3),
        lambda: b"\x1b[<%d;%d;%dM" % (dice.randint(0, 200), dice.randint(-5, 999), dice.randint(0, 99999)),
        lambda: b"\x1b[?2026;2$y\x1b[?2048;1$y\x1b[48;0;0;0;0t\x1b[99999;99999R",
        lambda: b"\x00\x80\x9b\x9d" + "\u202e\u200b\ufeff\U0010ffff".encode(),
    ]  # fmt: skip
    for _ in range(60):
        victim.throw(dice.choice(parts)().replace(b"\x03", b"").replace(b"\x11", b""))
        victim.pump(0.002)
    victim.pump(0.3)


def held(victim: Victim, dice: random.Random) -> None:
    """Keys of one screen held down, a second of repeats each, in any order; whatever they open stays open."""
    mode = dice.choice(MODES)
    victim.throw(str(MODES.index(mode) + 1).encode())
    victim.pump(0.2)
    keys = [name for key in KEYS if key.scope in {"app", mode} for name in key.keys.split(",")]
    for name in dice.sample(keys, 6):
        victim.throw(SENT.get(name, name).encode() * 30)
        victim.pump(0.05)


WAYS = [shrink, storm, paste, rubbish, held]


@pytest.fixture(scope="module")
def mission(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What all runs look at: nothing a key asks for changes what the next one sees."""
    return fabricated.fill(tmp_path_factory.mktemp("hostile") / "mission").path


def test_every_key_is_known_to_the_terminal() -> None:
    names = {name for key in KEYS for name in key.keys.split(",")}
    assert {name for name in names if len(name) > 1} <= set(SENT)


@pytest.mark.parametrize("seed", range(RUNS))
def test_it_lives_and_leaves_cleanly(
    mission: Path, program: list[str], user_env: dict[str, str], seed: int
) -> None:
    """One run: two ways of hostility, drawn for either line, then ctrl+c and leaving."""
    dice = random.Random(seed)
    line = ["auto", "full", "thin"][seed % 3]
    command = [*program, "--line", line, "--attach", str(mission)]
    ways = [WAYS[seed % len(WAYS)], dice.choice(WAYS)]
    words = f"seed {seed}: {[way.__name__ for way in ways]}, --line {line}"
    with Victim(command, columns=100, rows=30, environment=user_env) as victim:
        assert victim.wait_until(lambda: re.search(LIVE, victim.told) is not None, 60), words
        for way in ways:
            way(victim, dice)
        for _ in range(10):
            if victim.process.poll() is not None:
                break
            victim.throw(b"\x1b[201~\x03")
            victim.pump(0.5)
            victim.throw(b"l")
            # Not sooner again: the terminal may be the shell's by then, where ctrl+c is a signal.
            victim.wait_until(lambda: victim.process.poll() is not None, 5)
        assert victim.process.poll() == 0, f"{words}: {victim.process.poll()}\n{victim.told[-500:]!r}"
        # Until the terminal's own buffer is empty, however busy the machine is.
        victim.pump(10)
    assert b"Traceback" not in victim.told, words
    assert b"console failed" not in victim.told, words
    assert left_behind(victim.told) == [], words
