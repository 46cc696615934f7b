"""Challengers rejected one after the other: ten in a row are told once, because then nothing new is learned."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from telemetry.alarms import Event
from telemetry.limits import Level
from telemetry.store.rows import RunRow

IN_A_ROW = 10
KIND = "model.stalled"


class Rejections:
    """The running series of one satellite."""

    def __init__(self) -> None:
        self._reasons: list[str] = []

    def restore(self, newest_first: Iterable[RunRow]) -> None:
        """Take up the series from the runs recorded so far."""
        self._reasons = []
        for run in newest_first:
            if run.decision == "rejected":
                self._reasons.append(run.reason)
            elif _ends(run):
                break
        self._reasons.reverse()

    def take(self, run: RunRow) -> None:
        """Count a run that is recorded."""
        if run.decision == "rejected":
            self._reasons.append(run.reason)
        elif _ends(run):
            self._reasons = []

    def told(self, run: RunRow, satellite: str, at_ns: int) -> list[Event]:
        """What is to be journaled with `run`, before it is counted: the event, where it is the tenth in a row."""
        if run.decision != "rejected" or len(self._reasons) + 1 != IN_A_ROW:
            return []
        reasons = [*self._reasons, run.reason]
        common, count = Counter(map(_kind, reasons)).most_common(1)[0]
        newest = next(reason for reason in reversed(reasons) if _kind(reason) == common)
        serving = "no model" if run.parent is None else f"v{run.parent}"
        text = f"{IN_A_ROW} challengers in a row were rejected, {serving} serves on; {count} of them: {newest}"
        body = {"text": text, "reason": newest, "count": count, "retrain": run.retrain, "version": run.parent}
        return [Event(at_ns, satellite, KIND, int(Level.WARNING), f"#{run.retrain}", "", body)]


def _ends(run: RunRow) -> bool:
    """Whether a run that was not rejected had passed the gate; one that fitted nothing says nothing."""
    return run.decision == "promoted" or run.model_sha256 is not None


def _kind(reason: str) -> str:
    """A reason without its figures."""
    return re.sub(r"\d+(\.\d+)?", "#", reason)
