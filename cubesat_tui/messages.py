"""What screens may ask the app for. A screen posts, the app acts: no screen writes, copies or switches itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from telemetry.alarms import Alarm


class AckRequested(Message):
    """The operator has seen these alarms."""

    def __init__(self, *alarms: Alarm) -> None:
        """`alarms` as they were seen: the station refuses where one is worse by then."""
        super().__init__()
        self.alarms = alarms


class JumpTo(Message):
    """Show the moment `t_ns` (generation time, UTC ns), on Live with `channel` in the trend."""

    def __init__(self, t_ns: int, channel: str | None = None) -> None:
        super().__init__()
        self.t_ns = t_ns
        self.channel = channel


class FocusRequested(Message):
    """Let all screens of one satellite show `satellite`."""

    def __init__(self, satellite: str) -> None:
        super().__init__()
        self.satellite = satellite


class LedgerRequested(Message):
    """Open the ledger with this filter text (query language)."""

    def __init__(self, filter_text: str) -> None:
        super().__init__()
        self.filter_text = filter_text


class CopyRequested(Message):
    """Put `text` on the operator's clipboard (OSC 52); `what` names it in the notice."""

    def __init__(self, text: str, what: str) -> None:
        super().__init__()
        self.text = text
        self.what = what


class EventRequested(Message):
    """Journal something that happened in the console (an export done) through the inbox."""

    def __init__(self, kind: str, severity: int, subject: str, body: dict[str, object]) -> None:
        super().__init__()
        self.kind = kind
        self.severity = severity
        self.subject = subject
        self.body = body

    def as_request(self) -> dict[str, object]:
        """The body of an inbox request of kind `event`."""
        return {"kind": self.kind, "severity": self.severity, "subject": self.subject, "body": self.body}


class FaultRequested(Message):
    """Break something in the simulator, or end what was broken; `body` is that of a request `inject`."""

    def __init__(self, body: dict[str, object]) -> None:
        super().__init__()
        self.body = body


class AcceptRequested(Message):
    """Declare something nominal; `body` is that of a request `accept`."""

    def __init__(self, body: dict[str, object]) -> None:
        super().__init__()
        self.body = body


class ModelActRequested(Message):
    """Promote, roll back, hold or release; `kind` and `body` are those of the request."""

    def __init__(self, kind: str, body: dict[str, object]) -> None:
        super().__init__()
        self.kind = kind
        self.body = body


class Notice(Message):
    """One plain line for the operator; never markup. `severity`: "information", "warning" or "error"."""

    def __init__(self, text: str, severity: str = "information") -> None:
        super().__init__()
        self.text = text
        self.severity = severity
