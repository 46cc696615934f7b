"""The trainer of a station: a child process, what it says, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cubesat_tui.children import Child, child_argv
from telemetry.plain_text import plain_text, plain_tree

if TYPE_CHECKING:
    from telemetry.clock import Clock
    from telemetry.store.directory import MissionDirectory


class TrainerView:
    """What the trainer said last: JSON objects on its stdout. `changed` is called when it does something else."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._changed = changed
        self.activity = ""
        """`fitting`, `waiting`, `learning`, ...: its own word."""
        self.retrain: int | None = None
        self.next_ns: int | None = None
        self.learning: dict[str, int] | None = None
        self.error = ""
        self.mlflow: dict[str, Any] | None = None
        """How the audit's mirror stands: `trainer.tracking.status.MirrorStatus`."""

    def take(self, message: dict[str, Any]) -> None:
        """One message; fields that are not there leave what is known."""
        before = self.activity
        activity, retrain, next_ns = message.get("state"), message.get("retrain"), message.get("next_ns")
        if isinstance(activity, str):
            self.activity = plain_text(activity, 40)
        if isinstance(retrain, int):
            self.retrain = retrain
        if isinstance(next_ns, int):
            self.next_ns = next_ns
        learning = message.get("learning")
        if isinstance(learning, dict):
            self.learning = {str(k): int(v) for k, v in learning.items() if isinstance(v, (int, float))}
        elif "learning" in message:
            self.learning = None
        error = message.get("error")
        if "error" in message:
            self.error = plain_text(str(error)) if error else ""
        mirror = message.get("mlflow")
        if isinstance(mirror, dict):
            self.mlflow = plain_tree(mirror)
        if self.activity != before:
            self._changed()

    def health(self, child: Child | None) -> dict[str, Any]:
        """For the heartbeat."""
        if child is None:
            return {"state": "off", "retrain": self.retrain, "next_ns": None, "error": ""}
        running = child.state == "running"
        return {
            "state": child.state,
            "activity": self.activity if running else "",
            "retrain": self.retrain,
            "next_ns": self.next_ns if running else None,
            "error": self.error if running else child.error or self.error,
            "starts": child.starts,
            "pid": child.pid,
            "mlflow": self.mlflow if running else None,
        }


def trainer_child(directory: MissionDirectory, view: TrainerView, clock: Clock) -> Child:
    """The supervised trainer of a mission; it ends by itself when its stdin does."""
    return Child(
        "trainer",
        child_argv("trainer", "--mission", str(directory.path)),
        directory.log / "trainer.log",
        view.take,
        clock,
    )
