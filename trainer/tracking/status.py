"""How the mirror stands, in the words that health, `status` and the screen say."""

from __future__ import annotations

import msgspec

from telemetry.plain_text import plain_text

UNUSED, OPENING, GOOD = "unused", "opening", "up to date"
OFFLINE, REFUSED, SLOW = "offline", "refused", "not answering"
SLOW_AFTER_S = 10.0
"""MLflow has been asked something for so long."""


class MirrorStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What MLflow is thought to be like, and how much it does not have yet."""

    state: str = UNUSED
    queued: int = 0
    aside: int = 0
    """Entries it will never take, and those given up because they waited too long."""
    detail: str = ""
    """Its last error, one sentence; "" while all is well."""
    uri: str = ""
    """Without a password."""

    @property
    def words(self) -> str:
        """`MLflow: offline, 37 queued`."""
        found = [self.state] if self.state != GOOD or not self.queued else []
        if self.queued:
            found.append(f"{self.queued:,} queued")
        if self.aside:
            found.append(f"{self.aside:,} given up")
        return f"MLflow: {', '.join(found)}"

    @property
    def trouble(self) -> bool:
        """Whether an operator wants to hear of it."""
        return self.state not in {UNUSED, OPENING, GOOD}

    def told(self) -> dict[str, object]:
        """For a message or a heartbeat."""
        return {**msgspec.to_builtins(self), "words": plain_text(self.words), "trouble": self.trouble}
