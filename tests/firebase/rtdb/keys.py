"""Keys: their order, what may be in one, and how deep they may be nested.

The order is that of Google's client library: keys that are 32-bit integers first, as numbers, then all others by
their UTF-16 code units.
"""

from __future__ import annotations

import re
from functools import lru_cache

from rtdb.refused import Refused

DEEPEST = 32
"""Levels of a path, documented."""
LONGEST = 768
"""UTF-8 bytes of one key, documented."""
PRIORITY = ".priority"

KeyOrder = tuple[int, int, int, bytes]

BEFORE_ALL: KeyOrder = (-1, 0, 0, b"")
AFTER_ALL: KeyOrder = (2, 0, 0, b"")

_WHOLE = re.compile(r"-?0*\d{1,10}", re.ASCII)
_CANONICAL = re.compile(r"0|[1-9]\d*", re.ASCII)
_FORBIDDEN = re.compile(r"[.$#\[\]/\x00-\x1f\x7f]")

Path = tuple[str, ...]


def text_order(text: str) -> bytes:
    """Bytes that compare as the text does in JavaScript."""
    return text.encode("utf-16-be", "surrogatepass")


@lru_cache(maxsize=65536)
def key_order(key: str) -> KeyOrder:
    """What to sort a key by; equal integers by length: `7` before `07`."""
    if _WHOLE.fullmatch(key) and -(2**31) <= int(key) < 2**31:
        return (0, int(key), len(key), key.encode())
    return (1, 0, 0, text_order(key))


def array_index(key: str) -> int | None:
    """The place in an array that a key stands for, if it is one."""
    return int(key) if _CANONICAL.fullmatch(key) else None


def check_key(key: str) -> str:
    """The key, if the database takes it; raises `Refused` (400)."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise Refused(400, "Invalid data; key is no valid text") from None
    if not key or _FORBIDDEN.search(key):
        raise Refused(
            400, "Invalid data; couldn't parse JSON object. Are you sending a JSON object with valid key names?"
        )
    if size > LONGEST:
        raise Refused(400, "Invalid data; key is too long")
    return key


def read_path(text: str) -> Path:
    """The keys of `a/b/c`; the last may be `.priority`. Raises `Refused` (400)."""
    parts = [part for part in text.split("/") if part]
    for place, part in enumerate(parts):
        if part == PRIORITY and place == len(parts) - 1:
            continue
        try:
            check_key(part)
        except Refused:
            raise Refused(400, "Invalid path: Invalid token in path") from None
    check_depth(len(parts))
    return tuple(parts)


def check_depth(levels: int) -> None:
    """Raises `Refused` (400) below the deepest level."""
    if levels > DEEPEST:
        raise Refused(400, "Invalid data; the data is nested more than 32 levels deep")
