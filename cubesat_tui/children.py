"""Child processes: started with our own code and nobody else's, restarted with a growing pause, ended in a second.

A child speaks JSON lines on its stdout, complains on its stderr (kept in the mission's `log/`), and ends by
itself at end-of-file on its stdin, so that it cannot outlive a station that was killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from telemetry.clock import Clock
from telemetry.plain_text import plain_text

log = logging.getLogger(__name__)

NICENESS = 5
LOG_LIMIT = 1 << 20
LONGEST_LINE = 1 << 20
"""Bytes of a line a child may write."""
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def child_argv(module: str, *arguments: str) -> list[str]:
    """Command line of one of our own modules; `-P` keeps the current directory off its import path."""
    return [sys.executable, "-P", "-m", module, *arguments]


def child_environment() -> dict[str, str]:
    """The environment of a child: ours, with one numeric thread and no import path but that of this program."""
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"}}
    environment.update(dict.fromkeys(ONE_THREAD, "1"))
    environment["PYTHONUNBUFFERED"] = "1"
    root = Path(__file__).resolve().parent.parent
    if root.name not in {"site-packages", "dist-packages"}:
        environment["PYTHONPATH"] = str(root)
    return environment


@dataclass
class Backoff:
    """Seconds to wait before the next attempt: doubles from `first` to `top`, starts over after `calm_s` alive."""

    first: float = 1.0
    top: float = 60.0
    calm_s: float = 60.0
    failures: int = 0

    def after(self, alive_s: float) -> float:
        """The pause after something that lived `alive_s` seconds ended."""
        if alive_s >= self.calm_s:
            self.failures = 0
        pause = min(self.top, self.first * 2.0**self.failures)
        self.failures += 1
        return pause


def open_log(path: Path) -> int:
    """File descriptor to append to `path`; a log over 1 MiB is put aside first as `<name>.1`."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_name(path.name + ".1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


async def spawn(argv: Sequence[str], log_file: Path) -> asyncio.subprocess.Process:
    """Start a child in a session of its own, stdin and stdout as pipes, its complaints appended to `log_file`.

    Raises:
        OSError: it cannot be started, or the log cannot be written.
    """
    descriptor = open_log(log_file)
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=descriptor,
            start_new_session=True,
            env=child_environment(),
            limit=LONGEST_LINE,
        )
    finally:
        os.close(descriptor)


class Child:
    """One supervised child process.

    `state` is `off`, `starting`, `running`, `waiting` (until the next attempt) or `stopped`; `error` says in one
    line why the last one ended. `on_line` receives each JSON object of its stdout.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log_file: Path,
        on_line: Callable[[dict[str, Any]], None],
        clock: Clock,
        backoff: Backoff | None = None,
    ) -> None:
        self.name = name
        self.argv = tuple(argv)
        self.state = "off"
        self.error = ""
        self.starts = 0
        self._log_file = log_file
        self._on_line = on_line
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._process: asyncio.subprocess.Process | None = None
        self._closing = False

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def supervise(self) -> None:
        """Start it, and start it again whenever it ends, until `close`."""
        while not self._closing:
            begun = self._clock.monotonic()
            self.state = "starting"
            try:
                code = await self._run_once()
                self.error = f"{self.name} ended with {describe_exit(code)}"
            except OSError as error:
                self.error = f"{self.name} cannot be started: {error.strerror or error}"
            if self._closing:
                break
            pause = self._backoff.after(self._clock.monotonic() - begun)
            self.state = "waiting"
            log.warning("%s; next attempt in %.0f s", self.error, pause)
            await self._clock.sleep(pause)
        self.state = "stopped"

    async def _run_once(self) -> int:
        process = await spawn(self.argv, self._log_file)
        self._process = process
        self.starts += 1
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        if self._closing:
            await self.close()
        assert process.stdout is not None
        self.state = "running"
        try:
            async for raw in process.stdout:
                self._read_line(raw)
        except ValueError as error:
            # A line beyond the limit: what follows cannot be trusted to begin at a line start.
            log.warning("%s: %s", self.name, error)
            signal_session(process.pid, signal.SIGKILL)
        return await process.wait()

    def _read_line(self, raw: bytes) -> None:
        try:
            message = json.loads(raw)
        except ValueError:
            log.warning(
                "%s wrote a line that is no JSON: %s", self.name, plain_text(raw[:200].decode("utf-8", "replace"))
            )
            return
        if isinstance(message, dict):
            self._on_line(message)

    def say(self, message: Any) -> bool:
        """Write one JSON line to its stdin; False where nobody is there to read it."""
        process = self._process
        if process is None or process.returncode is not None or process.stdin is None or process.stdin.is_closing():
            return False
        process.stdin.write(json.dumps(message).encode() + b"\n")
        return True

    async def close(self, grace_s: float = 1.0) -> None:
        """End it: end-of-file and TERM, then KILL to its whole session after `grace_s` seconds of real time."""
        self._closing = True
        process = self._process
        if process is None or process.returncode is not None:
            self.state = "stopped"
            return
        if process.stdin is not None:
            process.stdin.close()
        signal_session(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                await process.wait()
        except TimeoutError:
            signal_session(process.pid, signal.SIGKILL)
            await process.wait()
        self.state = "stopped"


def describe_exit(code: int) -> str:
    """`code 3`, or the name of the signal that ended it."""
    if code >= 0:
        return f"code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def signal_session(pid: int, number: signal.Signals) -> None:
    """Send a signal to a child and to all it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
