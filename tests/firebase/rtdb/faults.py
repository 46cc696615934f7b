"""Bad luck on demand; each stroke of it is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol


class OpenStream(Protocol):
    """What can be done to a stream."""

    mute: bool

    def cut(self) -> None: ...
    def cancel(self) -> None: ...
    def snapshot(self) -> None: ...
    def review(self) -> bool: ...


class Faults:
    """What the server does wrong. To be called on the server's loop alone.

    Attributes:
        counts: how often each fault happened: `lost_reply`, `503` (any status, by its number), `late`, `mute`,
            `cut`, `revoked`, `refused`, `reordered`, `duplicated`, `redirect`, `snapshot`, `cancel`.
        streams: the streams that are open.
        latency_s: round-trip time added to each request; a stream's messages take half of it.
        keep_alive_s: silence after which a stream is sent a keep-alive.
        charset: whether a stream says that it is UTF-8.
        clock_offset_s: how far the server's clock is ahead of this machine's.
        most_bytes: the largest body that is taken.
        lost: writes still to be applied without a reply.
        answers: statuses that the next requests get.
        redirects: how many of the next streams are sent to another host name first.
        reorder: how many of the next messages of streams are overtaken by the message after them.
        overtake_s: how long a message waits to be overtaken before it is sent all the same.
        duplicate: how many of the next messages of streams are sent twice.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.streams: set[OpenStream] = set()
        self.latency_s = 0.0
        self.keep_alive_s = 30.0
        self.charset = True
        self.clock_offset_s = 0.0
        self.most_bytes = 256 * 2**20
        self.lost = 0
        self.answers: list[int] = []
        self.redirects = 0
        self.reorder = 0
        self.overtake_s = 0.5
        self.duplicate = 0

    def set(self, **settings: Any) -> None:
        """Change attributes; raises `AttributeError` for one that is not there."""
        for name, value in settings.items():
            getattr(self, name)
            setattr(self, name, value)

    def lose_replies(self, n: int = 1) -> None:
        """Apply the next n writes and drop the connection instead of answering."""
        self.lost += n

    def answer(self, n: int = 1, status: int = 503) -> None:
        """Answer the next n requests with a status, and do nothing."""
        self.answers += [status] * n

    def mute_streams(self) -> int:
        """The streams open now say nothing more and stay open, as a half-open link; how many."""
        speaking = [stream for stream in self.streams if not stream.mute]
        for stream in speaking:
            stream.mute = True
        self.counts["mute"] += len(speaking)
        return len(speaking)

    def cut_streams(self) -> int:
        """Break all streams; how many."""
        return self._each("cut", lambda stream: stream.cut())

    def snapshot_streams(self) -> int:
        """Send each stream all it listens to again, as the real server does now and then; how many."""
        return self._each("snapshot", lambda stream: stream.snapshot())

    def cancel_streams(self) -> int:
        """Tell all streams that the right to read is gone; how many."""
        return self._each("cancel", lambda stream: stream.cancel())

    def _each(self, name: str, act: Callable[[OpenStream], None]) -> int:
        streams = list(self.streams)
        for stream in streams:
            act(stream)
        self.counts[name] += len(streams)
        return len(streams)

    def review_streams(self) -> int:
        """End the streams whose credential or right is gone; how many."""
        return sum(stream.review() for stream in list(self.streams))


CONTROLS = ("set", "lose_replies", "answer", "mute_streams", "cut_streams", "snapshot_streams", "cancel_streams")
"""What `POST /.faults` may ask for."""
