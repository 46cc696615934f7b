"""Bad luck on demand; each stroke of it is counted."""

from __future__ import annotations

from collections import Counter


class Faults:
    """What the server is to do wrong. To be changed on the server's loop alone.

    Attributes:
        counts: how often each fault happened: `lost_reply`, `503` (any status, by its number), `late`, `mute`,
            `cut`, `revoked`, `refused`, `reordered`, `duplicated`, `redirect`, `snapshot`, `cancel`.
        latency_s: round-trip time added to each request; a stream's messages take half of it.
        keep_alive_s: silence after which a stream is sent a keep-alive.
        charset: whether a stream says that it is UTF-8.
        lost: writes still to be applied without a reply.
        answers: statuses that the next requests get.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.latency_s = 0.0
        self.keep_alive_s = 30.0
        self.charset = True
        self.lost = 0
        self.answers: list[int] = []
        self.redirects = 0
        self.reorder = 0
        self.duplicate = 0
