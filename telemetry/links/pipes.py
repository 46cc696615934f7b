"""Reading and writing file descriptors from a loop without ever blocking it, whatever they are.

A pipe, a terminal and a regular file behave differently under asyncio (epoll refuses regular files, and a terminal
made non-blocking stays so for everybody who shares it), so each end has a thread of its own and a bounded amount of
bytes on their way: when the loop does not keep up nothing more is read, and the writer upstream waits.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import select
import threading
from collections import deque
from collections.abc import AsyncIterator

CHUNK_BYTES = 65_536
_CHUNKS_AHEAD = 4
MOST_UNWRITTEN = 1 << 20


class InputPipe:
    """Bytes from a file descriptor; iterate `chunks` inside a running loop."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._wake_out, self._wake_in = os.pipe()
        self._lock = threading.Lock()
        self._ended = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Bytes as they come, until end of file or `close`."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[bytes] = asyncio.Queue(_CHUNKS_AHEAD)
        thread = threading.Thread(target=self._read, args=(loop, queue), name="stream-input", daemon=True)
        thread.start()
        try:
            while chunk := await queue.get():
                yield chunk
        finally:
            self.close()

    def _read(self, loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[bytes]) -> None:
        chunk = b"x"
        # The loop may be gone: then nobody waits for the rest either.
        with contextlib.suppress(RuntimeError, asyncio.CancelledError, concurrent.futures.CancelledError):
            while chunk:
                chunk = self._next()
                asyncio.run_coroutine_threadsafe(queue.put(chunk), loop).result()
        with self._lock:
            self._ended = True
            os.close(self._wake_out)
            os.close(self._wake_in)

    def _next(self) -> bytes:
        """The next bytes; empty at end of file, after `close`, and when the descriptor fails."""
        while True:
            try:
                ready, _, _ = select.select([self._descriptor, self._wake_out], [], [])
                return b"" if self._wake_out in ready else os.read(self._descriptor, CHUNK_BYTES)
            except BlockingIOError:
                continue
            except (OSError, ValueError):
                return b""

    def close(self) -> None:
        """Stop reading; what was read already is still delivered."""
        with self._lock:
            if not self._ended:
                os.write(self._wake_in, b"x")


class LineSplitter:
    """Puts lines together from chunks; None stands for a line longer than `longest` bytes."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._rest = b""
        self._skipping = False

    def feed(self, chunk: bytes) -> list[bytes | None]:
        """The lines that `chunk` completes."""
        *lines, rest = (self._rest + chunk).split(b"\n")
        complete: list[bytes | None] = [line if len(line) <= self._longest else None for line in lines]
        if self._skipping and complete:
            complete[0] = None
            self._skipping = False
        if self._skipping or len(rest) > self._longest:
            self._skipping, rest = True, b""
        self._rest = rest
        return complete

    def end(self) -> list[bytes | None]:
        """The last line, where it has no newline."""
        last: list[bytes | None] = [None] if self._skipping else [self._rest] if self._rest else []
        self._rest, self._skipping = b"", False
        return last


class OutputPipe:
    """Writes in the order of `write`; a reader that has gone away is no error, only noted in `broken`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self.broken = False
        """Nobody reads any more: what was written since is dropped."""
        threading.Thread(target=self._write, name="stream-output", daemon=True).start()

    @property
    def unwritten(self) -> int:
        """Bytes that wait for a reader."""
        return self._bytes

    def write(self, data: bytes) -> None:
        """Queue `data`; never blocks."""
        with self._changed:
            if not self.broken:
                self._waiting.append(data)
                self._bytes += len(data)
                self._changed.notify_all()

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                data = b"".join(self._waiting)
                self._waiting.clear()
            view = memoryview(data)
            while view:
                try:
                    view = view[os.write(self._descriptor, view) :]
                except BlockingIOError:
                    select.select([], [self._descriptor], [])
                except OSError:
                    with self._changed:
                        self.broken = True
                        self._waiting.clear()
                        self._bytes = 0
                        self._changed.notify_all()
                    return
            with self._changed:
                self._bytes -= len(data)
                self._changed.notify_all()

    def flush(self, patience_s: float) -> bool:
        """Wait until everything is written or nobody reads any more; False after `patience_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._bytes or self.broken, patience_s)
