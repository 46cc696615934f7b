"""What a courier needs of a database, and what becomes of a request that fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

from telemetry.plain_text import plain_text

STAMP: Mapping[str, str] = {".sv": "timestamp"}
"""The server writes its own time in place of it (Unix ms)."""
RETRY, REFUSED, POISON = "retry", "refused", "poison"


class Failure(Exception):
    """An answer that is none: try again (RETRY), not without another key or rule (REFUSED), never (POISON)."""

    def __init__(self, kind: str, why: str) -> None:
        self.kind, self.why = kind, plain_text(why)
        super().__init__(f"{kind}: {self.why}")


class Database(Protocol):
    """A database of JSON under paths; each call may raise `Failure`."""

    def update(self, values: Mapping[str, Any]) -> None:
        """Set several paths at once, or none; None deletes."""
        ...

    def get(self, path: str) -> Any: ...

    def tagged(self, path: str) -> tuple[Any, str]:
        """What is there, and a mark of it for `set_if`."""
        ...

    def set_if(self, path: str, tag: str, value: Any) -> bool:
        """Set it unless something else is there by now."""
        ...

    def oldest(self, path: str, n: int) -> dict[str, Any]:
        """The first n children by key."""
        ...

    def token(self) -> tuple[str, int]:
        """A token to read with, and when it ends (UTC ns)."""
        ...


def blameless(failure: Failure) -> Failure:
    """The same of a request that holds no record: it is not the record's fault."""
    return Failure(REFUSED, failure.why) if failure.kind == POISON else failure


def text_of(there: Any, name: str) -> str:
    """A text child of what stands somewhere; "" where there is none."""
    found = cast("dict[str, Any]", there).get(name) if isinstance(there, dict) else None
    return found if isinstance(found, str) else ""
