"""Security rules: who may read and write where, and what is indexed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rtdb.keys import Path
from rtdb.refused import Refused
from rtdb.tokens import Account
from rtdb.tree import Node


class Rules:
    """Rules of one database."""

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def open(cls) -> Rules:
        """Everybody may do everything."""
        return cls('{"rules": {".read": true, ".write": true}}')

    def check_read(self, root: Node, path: Path, account: Account, now_ms: int) -> None:
        """Raises `Refused` (401) where the account may not read."""

    def check_write(self, before: Node, after: Node, paths: Sequence[Path], account: Account, now_ms: int) -> None:
        """Raises `Refused` (401) unless the account may write all the paths."""

    def check_index(self, path: Path, index: str | None) -> None:
        """Raises `Refused` (400) for a query by a child that no rule indexes."""
        if index is not None and not any(index == one for one in self._indexed(path)):
            where = "/" + "/".join(path)
            raise Refused(400, f'Index not defined, add ".indexOn": "{index}", for path "{where}", to the rules')

    def _indexed(self, path: Path) -> list[Any]:
        return []
