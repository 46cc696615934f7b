"""A program in a pseudo-terminal: every byte it writes with its time, and the screen those bytes make."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte

QUERY = re.compile(rb"\x1b\[\?(\d+)\$p|\x1b\[0?c|\x1b\[([56])n|\x1b\[\?u|\x1b\]1[01];\?(?:\x07|\x1b\\)")
CUT = re.compile(rb"\x1b(?:\[[0-9;?<=>$ ]*|\][^\x07\x1b]*)?\Z")
"""A sequence of which the rest has not been read."""
NOISE = re.compile(
    rb"\x1b\[\?\d+\$p|\x1b\[[<>=]\d*u|\x1b\[\?u|\x1b\[>\d*[a-zA-Z]|\x1bP.*?\x1b\\|\x1b_.*?\x1b\\"
    rb"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[\d* q|\x1b\[\?2026[hl]",
    re.S,
)
"""What pyte would print as text."""


class PtyProgram:
    """One running program. Use as a context: leaving it sends TERM, waits, and kills what is left after 5 s.

    `output` holds (seconds since start, bytes). Terminal queries are answered as a modern terminal does.
    `unreadable` holds why a piece was dropped that is no sequence: a line that dies in the middle of one leaves
    such a piece.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int = 80,
        rows: int = 24,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        bytes_per_s: float | None = None,
    ) -> None:
        """`bytes_per_s`: read no faster than a line of that speed would; None reads at once."""
        self.output: list[tuple[float, bytes]] = []
        self.unreadable: list[str] = []
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._bytes_per_s = bytes_per_s
        self._free_at = 0.0
        self._rest = b""
        self._fd, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        inherited = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES", "TMUX", "NO_COLOR"}}
        modern = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
        self._begun = time.monotonic()
        self.process = subprocess.Popen(
            list(command),
            stdin=child,
            stdout=child,
            stderr=child,
            env={**inherited, **modern, **(environment or {})},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(child)

    @property
    def elapsed(self) -> float:
        """Seconds since the program was started."""
        return time.monotonic() - self._begun

    @property
    def text(self) -> str:
        """The screen as lines."""
        return "\n".join(self.screen.display)

    @property
    def interrupts(self) -> bool:
        """Whether the terminal makes a signal of ctrl+c now, not a key."""
        return bool(termios.tcgetattr(self._fd)[3] & termios.ISIG)

    def send(self, keys: str) -> None:
        """Type `keys`."""
        os.write(self._fd, keys.encode())

    def pump(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Read for `seconds`, or until the predicate holds after some bytes; whether it did."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._bytes_per_s is not None and self.elapsed < self._free_at:
                time.sleep(min(0.02, self._free_at - self.elapsed, left))
                continue
            ready, _, _ = select.select([self._fd], [], [], min(left, 0.1))
            if ready and not self._take():
                return False
            if until is not None and until():
                return True
        return False

    def _take(self) -> bool:
        try:
            data = os.read(self._fd, 65536 if self._bytes_per_s is None else 256)
        except OSError:
            return False
        if not data:
            return False
        now = self.elapsed
        if self._bytes_per_s is not None:
            # What the line could have carried while nothing was sent is gone.
            self._free_at = max(now, self._free_at) + len(data) / self._bytes_per_s
        self.output.append((now, data))
        data = self._rest + data
        cut = CUT.search(data)
        data, self._rest = (data[: cut.start()], data[cut.start() :]) if cut else (data, b"")
        shown = 0
        for found in QUERY.finditer(data):
            # Up to the question first: the answer to "where is the cursor" depends on what stands before it.
            self._show(data[shown : found.start()])
            shown = found.end()
            self._answer(found)
        self._show(data[shown:])
        return True

    def _show(self, data: bytes) -> None:
        try:
            self._stream.feed(NOISE.sub(b"", data))
        except (TypeError, UnboundLocalError) as error:
            # What pyte raises for a sequence with arguments it cannot have; a terminal passes over it.
            self.unreadable.append(str(error))
            self._stream = pyte.ByteStream(self.screen)

    def _answer(self, found: re.Match[bytes]) -> None:
        query = found.group(0)
        if found.group(1):
            mode = int(found.group(1))
            reply = b"\x1b[?%d;%d$y" % (mode, 2 if mode == 2026 else 0)
        elif found.group(2) == b"6":
            reply = b"\x1b[%d;%dR" % (self.screen.cursor.y + 1, self.screen.cursor.x + 1)
        elif found.group(2):
            reply = b"\x1b[0n"
        elif query.endswith(b"c"):
            reply = b"\x1b[?62;22c"
        elif query.endswith(b"u"):
            reply = b"\x1b[?0u"
        else:
            reply = query[:4] + b";rgb:0000/0000/0000\x1b\\"
        os.write(self._fd, reply)

    def wait_for(self, pattern: str, seconds: float = 60) -> None:
        """Read until the regular expression is on screen.

        Raises:
            TimeoutError: it did not come; the message holds the screen.
        """
        if re.search(pattern, self.text) is None and not self.pump(
            seconds, lambda: re.search(pattern, self.text) is not None
        ):
            raise TimeoutError(f"{pattern!r} was not on screen within {seconds} s:\n{self.text}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.pump(5, lambda: self.process.poll() is not None)
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._fd)
