"""A bad line between two ends on this machine: narrow, long, and now and then a piece of it comes late."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections import deque
from types import TracebackType
from typing import Self

CHUNK = 512
"""Bytes that travel together, and are late together."""


class SlowWire:
    """Takes connections at `port` of 127.0.0.1 and passes them on to the port `to`. Use as a context manager.

    Each way carries `bits_per_s`, delivers everything `delay_s` later and in order, and of its chunks `late` come
    `stall_s` later than that, with all that follows them: what a lost packet is to who listens on TCP. Chunks are
    drawn from `seed`.
    """

    def __init__(
        self,
        to: int,
        *,
        bits_per_s: float = 32_000,
        delay_s: float = 0.3,
        late: float = 0.02,
        stall_s: float = 0.6,
        seed: int = 1,
    ) -> None:
        self.stalls: list[float] = []
        """`time.monotonic()` of each chunk that came late."""
        self.carried = 0
        """Bytes, both ways together."""
        self._to = to
        self._bytes_per_s = bits_per_s / 8
        self._delay_s = delay_s
        self._late = late
        self._stall_s = stall_s
        self._dice = random.Random(seed)
        self._open: list[socket.socket] = []
        self._ears = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._ears.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self) -> None:
        """Everything under way is lost and both ends are told that the connection is gone."""
        while self._open:
            one = self._open.pop()
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _listen(self) -> None:
        while True:
            try:
                near, _ = self._ears.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                _Way(self, one, other)

    def _chance(self) -> float:
        """By how much the next chunk comes late."""
        if self._dice.random() >= self._late:
            return 0.0
        self.stalls.append(time.monotonic())
        return self._stall_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ears.close()
        self.cut()


class _Way:
    """One direction of one connection: a thread that reads at the pace of the line, and one that delivers."""

    def __init__(self, wire: SlowWire, source: socket.socket, sink: socket.socket) -> None:
        self._wire = wire
        self._source = source
        self._sink = sink
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._more = threading.Condition()
        for work in (self._take, self._deliver):
            threading.Thread(target=work, daemon=True).start()

    def _take(self) -> None:
        wire = self._wire
        arrival = 0.0
        data = b"?"
        while data:
            try:
                data = self._source.recv(CHUNK)
            except OSError:
                data = b""
            wire.carried += len(data)
            # The next one is read when this one has left: until then it waits where it was written.
            time.sleep(len(data) / wire._bytes_per_s)
            late = wire._chance() if data else 0.0
            arrival = max(arrival, time.monotonic() + wire._delay_s + late)
            with self._more:
                self._under_way.append((arrival, data))
                self._more.notify()

    def _deliver(self) -> None:
        while True:
            with self._more:
                self._more.wait_for(lambda: self._under_way)
                arrival, data = self._under_way.popleft()
            time.sleep(max(0.0, arrival - time.monotonic()))
            try:
                if not data:
                    self._sink.shutdown(socket.SHUT_WR)
                    return
                self._sink.sendall(data)
            except OSError:
                return
