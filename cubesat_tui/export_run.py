"""One export from the console's side: starts the exporter child, reads its progress, cancels it.

The exporter leaves nothing behind when it is told to stop, so cancelling is TERM and waiting; it is killed with its
whole session when it does not end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cubesat_tui.children import child_argv, describe_exit, signal_session, spawn
from exports.request import ExportRequest
from telemetry.plain_text import plain_text

GRACE_S = 3.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is; `total` is an estimate and None where there is none."""

    rows: int
    total: int | None
    rows_per_s: float

    @property
    def share(self) -> float | None:
        """Done, within [0, 1]."""
        return min(1.0, self.rows / self.total) if self.total else None

    @property
    def left_s(self) -> float | None:
        """Seconds to go at this speed."""
        if not self.total or self.rows_per_s <= 0:
            return None
        return max(0.0, (self.total - self.rows) / self.rows_per_s)


@dataclass(frozen=True, slots=True)
class Done:
    """The file is complete and lies at `path`; `manifest` as written beside it (`exports.manifest`)."""

    path: str
    manifest: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing was written; `reason` is one plain line."""

    reason: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """It was told to stop and left nothing behind."""


Outcome = Done | Failed | Cancelled


class ExportRun:
    """Runs one request; iterate `steps` to its end, call `cancel` to stop it."""

    def __init__(self, request: ExportRequest, log_file: Path, argv: Sequence[str] | None = None) -> None:
        """`argv` replaces the command line of the exporter (tests)."""
        self.request = request
        self._log_file = log_file
        self._argv = tuple(argv or child_argv("exports"))
        self._process: asyncio.subprocess.Process | None = None
        self._cancelled = False

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def steps(self) -> AsyncIterator[Progress | Outcome]:
        """Progress as it comes, then exactly one outcome; the child never outlives the iteration."""
        try:
            self._process = process = await spawn(self._argv, self._log_file)
        except OSError as error:
            yield Failed(f"the exporter cannot be started: {error.strerror or error}")
            return
        try:
            outcome: Outcome | None = None
            await self._ask(process)
            assert process.stdout is not None
            async for raw in process.stdout:
                step = read_line(raw)
                if isinstance(step, Progress):
                    yield step
                elif step is not None:
                    outcome = step
            code = await process.wait()
            if isinstance(outcome, Done):
                yield outcome
            elif self._cancelled:
                yield Cancelled()
            else:
                yield outcome or Failed(f"the exporter ended with {describe_exit(code)}; see {self._log_file.name}")
        finally:
            await self._end(process)

    async def cancel(self) -> None:
        """Stop it; `steps` then ends with `Cancelled`, or with `Done` when it was already through."""
        self._cancelled = True
        if self._process is not None:
            await self._end(self._process)

    async def _ask(self, process: asyncio.subprocess.Process) -> None:
        """Send the request. Standard input stays open: end-of-file tells the child that its console is gone."""
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(msgspec.json.encode(self.request) + b"\n")
            await process.stdin.drain()

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        signal_session(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(GRACE_S):
                await process.wait()
        except TimeoutError:
            signal_session(process.pid, signal.SIGKILL)
            await process.wait()


def read_line(raw: bytes) -> Progress | Done | Failed | None:
    """One line of the exporter; None for a line that says nothing this program knows."""
    try:
        message = json.loads(raw)
    except ValueError:
        return None
    match message:
        case {"rows": int(rows), "rows_per_s": int() | float() as speed}:
            total = message.get("total_estimate")
            return Progress(rows, total if isinstance(total, int) else None, float(speed))
        case {"done": {"path": str(path), **manifest}}:
            return Done(plain_text(path, 4096), manifest)
        case {"error": str(reason)}:
            return Failed(plain_text(reason, 400))
        case _:
            return None


RunExport = Callable[[ExportRequest], ExportRun]
