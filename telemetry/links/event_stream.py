"""Server-sent events from bytes, however they are cut.

Bytes stay bytes until an event is whole: a character cut in two is put together again, and the data is UTF-8 as the
standard asks, whatever character set a server names or leaves out. Each byte is looked at once, so a large window
costs what its size costs and not the square of it.
"""

from __future__ import annotations

from typing import NamedTuple

MOST_EVENT_BYTES = 32 * 2**20
"""An event above this is a mistake or an attack."""
_MARK = b"\xef\xbb\xbf"


class ServerEvent(NamedTuple):
    """What one event is called, and its data as it came: UTF-8, usually JSON."""

    name: str
    data: bytes


class EventTooLarge(Exception):
    """An event grew beyond the limit; the rest of the stream is of no use."""


class EventParser:
    """Takes the bytes of one stream in any pieces, gives the events that are whole.

    `limit` is the most bytes of an event that is not whole yet.
    """

    def __init__(self, limit: int = MOST_EVENT_BYTES) -> None:
        self._limit = limit
        self._line = bytearray()
        self._scanned = 0
        self._was_return = False
        self._begun = False
        self._forget()

    def _forget(self) -> None:
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """The events that `chunk` completes, in order.

        Raises:
            EventTooLarge: what is held for the next one is more than the limit.
        """
        if b"\r" in chunk or self._was_return:
            chunk = self._one_line_end(chunk)
        self._line += chunk
        events: list[ServerEvent] = []
        begin = 0
        while (end := self._line.find(b"\n", self._scanned)) >= 0:
            event = self._take(bytes(self._line[begin:end]))
            begin = self._scanned = end + 1
            if event is not None:
                events.append(event)
        if begin:
            del self._line[:begin]
        self._scanned = len(self._line)
        if self._size + self._scanned > self._limit:
            raise EventTooLarge
        return events

    def _one_line_end(self, chunk: bytes) -> bytes:
        if self._was_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        elif not chunk:
            return chunk
        self._was_return = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _take(self, line: bytes) -> ServerEvent | None:
        """One line; the event that an empty one ends."""
        if not self._begun:
            self._begun = True
            line = line.removeprefix(_MARK)
        if not line:
            event = ServerEvent(self._name or "message", b"\n".join(self._data)) if self._data else None
            self._forget()
            return event
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._size += len(value)
        elif field == b"event":
            self._name = value[:100].decode("utf-8", "replace")
        return None
