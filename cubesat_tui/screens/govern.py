"""Which model scores, decided by hand: promote, roll back, hold and release; each asks why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual.widget import Widget

from cubesat_tui import messages
from cubesat_tui.drawing.numbers import date_clock_text
from cubesat_tui.drawing.rows import Row, folded, row
from cubesat_tui.model_acts import HOLD_AFTER_ROLL_BACK_MIN, MINUTE_NS, MOST_HOLD_MIN
from cubesat_tui.screens.asking import AskDialog, line_to_type
from cubesat_tui.shelf_time import LEAST_REASON, is_reason, length_ns, until_words
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from telemetry.store.rows import RunRow

WANTED = f"A reason of at least {LEAST_REASON} letters: it is what the audit will say."
LONG = "2h"


class _GovernDialog(AskDialog):
    """Posts `ModelActRequested`; the station decides."""

    AUTO_FOCUS: ClassVar[str | None] = "#reason"
    KIND = ""
    ABOUT = ""

    def fields(self) -> Iterable[tuple[str, Widget]]:
        yield "Reason", line_to_type("reason")

    def about(self, size: int) -> list[Row]:
        return [row((part, "label")) for part in folded(self.ABOUT, size)]

    def body(self) -> dict[str, object]:
        """What the station is asked, beside whose model and why.

        Raises:
            ValueError: a field says nothing that can be asked; in words.
        """
        return {}

    def will(self) -> str:
        """What enter does, in words."""
        raise NotImplementedError

    def said(self) -> tuple[str, str]:
        try:
            self.body()
        except ValueError as error:
            return str(error), "warning"
        if not is_reason(self.text_of("reason")):
            return WANTED, "label"
        return self.will(), "value"

    def submit(self) -> bool:
        reason = self.text_of("reason")
        try:
            body = self.body()
        except ValueError:
            return False
        if not is_reason(reason):
            return False
        asked = {"satellite": self.snapshot.satellite, "reason": reason, **body}
        self.console_app.post_message(messages.ModelActRequested(self.KIND, asked))
        return True

    @property
    def served(self) -> str:
        """`v17`, the one that scores now."""
        version = self.snapshot.model.version
        return "no model" if version is None else f"v{version}"


class PromoteDialog(_GovernDialog):
    """`p` on a run whose model has a version."""

    KEYS = (("enter", "promote it"), ("esc", "leave it"))
    KIND = "promote"

    def __init__(self, snapshot: Snapshot, run: RunRow) -> None:
        super().__init__(f"PROMOTE v{run.version}", snapshot)
        self._run = run

    def about(self, size: int) -> list[Row]:
        run = self._run
        text = (
            f"Fitted {date_clock_text(run.at_ns)} as #{run.retrain}, {run.decision}: {plain_text(run.reason, 300)}"
        )
        rows = [row((part, "label")) for part in folded(text, size)[:2]]
        also = f"It judges the next frame, with the thresholds it had; {self.served} stays on disk."
        return rows + [row((part, "plain")) for part in folded(also, size)]

    def body(self) -> dict[str, object]:
        return {"version": self._run.version}

    def will(self) -> str:
        return f"v{self._run.version} scores instead of {self.served} from the next frame on."


class RollBackDialog(_GovernDialog):
    """`R`: return to the model before."""

    KEYS = (("enter", "roll back"), ("esc", "leave it"), ("tab", "next field"))
    KIND = "rollback"

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__("ROLL BACK", snapshot)
        self._from = snapshot.model.version

    def fields(self) -> Iterable[tuple[str, Widget]]:
        yield "Reason", line_to_type("reason")
        yield "Hold for", line_to_type("length", f"{HOLD_AFTER_ROLL_BACK_MIN // 60}h")

    def about(self, size: int) -> list[Row]:
        text = (
            f"From {self.served} to {self._to()}. Automatic promotion is held with it, because the next promotion"
            " would undo it; challengers are fitted and recorded meanwhile."
        )
        return [row((part, "label")) for part in folded(text, size)]

    def body(self) -> dict[str, object]:
        if self.snapshot.model.version != self._from:
            raise ValueError(f"{self.served} scores since you opened this: esc, look, then press again.")
        before = self.snapshot.model.before
        minutes: dict[str, object] = {"minutes": _minutes(self.text_of("length"))}
        return minutes if before is None else {**minutes, "version": before}

    def will(self) -> str:
        now_ns = self.snapshot.wall_ns
        until = until_words(now_ns + _minutes(self.text_of("length")) * MINUTE_NS, now_ns)
        return f"{self._to()} scores from the next frame on; nothing is promoted by itself {until}."

    def _to(self) -> str:
        before = self.snapshot.model.before
        return "the model that scored before" if before is None else f"v{before}"


class HoldDialog(_GovernDialog):
    """`z` where nothing is held."""

    KEYS = (("enter", "hold it"), ("esc", "leave it"), ("tab", "next field"))
    KIND = "hold"
    ABOUT = (
        "What scores now stays. Challengers are fitted and recorded meanwhile; one that passes the gate has a"
        " version and may be promoted by hand. A hold ends by itself."
    )

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__("HOLD PROMOTION", snapshot)

    def fields(self) -> Iterable[tuple[str, Widget]]:
        yield "Reason", line_to_type("reason")
        yield "For", line_to_type("length", LONG)

    def body(self) -> dict[str, object]:
        return {"minutes": _minutes(self.text_of("length"))}

    def will(self) -> str:
        now_ns = self.snapshot.wall_ns
        until = until_words(now_ns + _minutes(self.text_of("length")) * MINUTE_NS, now_ns)
        return f"{self.served} scores {until}, whatever is fitted."


class ReleaseDialog(_GovernDialog):
    """`z` where promotion is held."""

    KEYS = (("enter", "release it"), ("esc", "leave it"))
    KIND = "release"

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__("RELEASE THE HOLD", snapshot)

    def about(self, size: int) -> list[Row]:
        hold = self.snapshot.model.hold
        if hold is None:
            return [row(("It is over meanwhile.", "label"))]
        until = until_words(hold.until_ns, self.snapshot.wall_ns)
        text = f'Held by {plain_text(hold.actor, 40)} {until}: "{plain_text(hold.reason, 200)}"'
        return [row((part, "label")) for part in folded(text, size)]

    def body(self) -> dict[str, object]:
        if self.snapshot.model.hold is None:
            raise ValueError("The hold is over meanwhile: esc leaves.")
        return {}

    def will(self) -> str:
        return "Models are promoted again as the gate says."


def _minutes(text: str) -> int:
    """Raises: ValueError."""
    minutes = -(-length_ns(text) // MINUTE_NS)
    if minutes > MOST_HOLD_MIN:
        raise ValueError(f"A hold is at most {MOST_HOLD_MIN // 1440} days long.")
    return minutes
