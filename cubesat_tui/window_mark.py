"""A window of time while it is being marked on the trend: first its begin is moved, then its end. Pure state."""

from __future__ import annotations

from cubesat_tui.drawing.numbers import clock_text, span_text


class WindowMark:
    """Two moments, of which one is moved. Not marking while `moving` is empty."""

    def __init__(self) -> None:
        self.moving = ""
        """`begin`, `end` or empty."""
        self.begin_ns = self.end_ns = 0

    def start(self, t0_ns: int, t1_ns: int) -> None:
        """Begin to mark on a trend that shows [t0, t1]: the last quarter of it, to begin with."""
        self.moving = "begin"
        self.begin_ns, self.end_ns = t1_ns - (t1_ns - t0_ns) // 4, t1_ns

    def move(self, by_ns: int, now_ns: int) -> None:
        """Move the end that is moved, which never passes the other, nor now."""
        if self.moving == "begin":
            self.begin_ns = min(self.begin_ns + by_ns, self.end_ns - abs(by_ns))
        else:
            self.end_ns = min(max(self.end_ns + by_ns, self.begin_ns + abs(by_ns)), now_ns)

    def fix(self) -> tuple[int, int] | None:
        """The begin is where it should be: go on with the end; or that: the window, and no more marking."""
        if self.moving == "begin":
            self.moving = "end"
            return None
        self.moving = ""
        return self.begin_ns, self.end_ns

    def leave(self) -> None:
        """No more marking."""
        self.moving = ""

    @property
    def marks(self) -> tuple[int, ...]:
        """Where to draw uprights."""
        return (self.begin_ns, self.end_ns) if self.moving else ()

    @property
    def said(self) -> str:
        """What is being done and which keys do it; empty while nothing is marked."""
        if not self.moving:
            return ""
        word = "BEGIN" if self.moving == "begin" else "END"
        at = self.begin_ns if self.moving == "begin" else self.end_ns
        rest = "v sets it, enter: all shown" if self.moving == "begin" else "v compares"
        length = span_text((self.end_ns - self.begin_ns) / 1e9)
        return f"{word} {clock_text(at)}Z, {length}: ← → move, {rest}, esc"
