"""Fields of a request, which anybody may have written: of the kind that is wanted, or named in an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def whole(value: Any, name: str) -> int:
    """`value` as it is.

    Raises:
        TypeError: it is no whole number; the sentence names the field.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: a whole number is wanted")
    return value


def text(body: Mapping[str, Any], name: str) -> str:
    """The text under `name`.

    Raises:
        KeyError: there is none.
        TypeError: it is no text; the sentence names the field.
    """
    value = body[name]
    if not isinstance(value, str):
        raise TypeError(f"{name}: text is wanted")
    return value
