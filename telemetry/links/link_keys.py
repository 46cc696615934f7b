"""Under which key a record of a stream stands: publisher's start, then the first id of the store's rows in it.

Keys sort as they were appended: a publisher started again has a later start, so all it appends comes after. The
letter in front keeps them text: a database that takes digits for numbers would sort them by another rule.
"""

from __future__ import annotations

import re
from typing import NamedTuple

STREAMS = ("frames", "scores", "journal", "runs")
"""What a link carries beside the mailbox. Frames have one publisher, the others one owner."""
MOST_ROWS = 300
"""Rows in one record, at most."""
_LETTERS = {stream: stream[0] for stream in STREAMS}
_STREAM_OF = {letter: stream for stream, letter in _LETTERS.items()}
_KEY = re.compile(r"([fsjr])([0-9a-f]{8})_([0-9]{10})")
_MOST_START, _MOST_ID = 2**32, 10**10


class StreamKey(NamedTuple):
    """Place of a record: its stream, the publisher's start (Unix s) and the store id of its first row."""

    stream: str
    start_s: int
    first_id: int

    @property
    def text(self) -> str:
        """The key as it stands in the link: `f6b029a80_0000000001`.

        Raises:
            ValueError: the stream is none, the start is no u32, or the id is negative or has more than 10 digits.
        """
        if self.stream not in _LETTERS:
            raise ValueError(f"stream: {self.stream!r}: allowed: {', '.join(STREAMS)}")
        if not (0 <= self.start_s < _MOST_START and 0 <= self.first_id < _MOST_ID):
            raise ValueError(
                f"start {self.start_s}, id {self.first_id}: allowed: a start below 2^32, an id below 10^10"
            )
        return f"{_LETTERS[self.stream]}{self.start_s:08x}_{self.first_id:010d}"

    @staticmethod
    def parse(text: str) -> StreamKey:
        """Read `text` back.

        Raises:
            ValueError: it is no key.
        """
        found = _KEY.fullmatch(text)
        if found is None:
            raise ValueError(f"{text[:40]!r} is no key of a record")
        return StreamKey(_STREAM_OF[found[1]], int(found[2], 16), int(found[3]))
