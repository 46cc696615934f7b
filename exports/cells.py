"""One text cell of a CSV file: quoted where RFC 4180 asks for it, harmless where a spreadsheet opens it."""

from __future__ import annotations

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\0")
"""A spreadsheet takes a text cell that begins so for a formula (OWASP, CSV injection)."""

_NEEDS_QUOTES = (",", '"', "\r", "\n")


def guarded(text: str) -> str:
    """`text` with a leading apostrophe where a spreadsheet would run it."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def quoted(text: str) -> str:
    """`text` as one RFC 4180 cell."""
    if any(sign in text for sign in _NEEDS_QUOTES):
        return '"' + text.replace('"', '""') + '"'
    return text
