"""Random trees, writes and queries, the same for the same seed; a good part of them is odd on purpose."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

KEYS = (
    "a", "b", "c", "ab", "B", "a b", "é", "\uffee", "😀", "_", "-", "-5", "0", "1", "2", "3", "10", "01", "007",
    "2147483647", "2147483648", "-2147483649", "12345678901", "f65_0001", "f65_0002",
)  # fmt: skip
OFTEN = ("a", "b", "0", "1")
"""Keys that most writes are at, so that they meet what is there."""
WRONG_KEYS = ("a.b", "$a", "#", "[0]", "x" * 769, "tab\t", "")
SCALARS = (
    True, False, 0, 1, -1, 2, 2.5, -0.0, 1e-7, 1e21, 2**53, -(2**53) - 2,
    "", "a", "b", "B", "é", "\uffee", "😀", "1", "10",
)  # fmt: skip
PRIORITIES = (1, 2, -3.5, "a", "b", "1", None)
CHILDREN = ("a", "b", "a/b", "1", "é")
"""What queries may order by, and the rules must index."""


class Case(NamedTuple):
    """Writes `(act, path, value)` one after the other, then queries `(path, by, bounds)` of what they left."""

    steps: list[tuple[str, str, Any]]
    queries: list[tuple[str, str, dict[str, Any]]]


class _Maker:
    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)

    def _chance(self, share: float) -> bool:
        return self._dice.random() < share

    def _key(self) -> str:
        return self._dice.choice(WRONG_KEYS if self._chance(0.004) else KEYS)

    def path(self, most: int = 2, least: int = 0) -> str:
        return "/".join(
            self._dice.choice(OFTEN if self._chance(0.7) else KEYS) for _ in range(self._dice.randint(least, most))
        )

    def value(self, depth: int = 3) -> Any:
        dice = self._dice
        if self._chance(0.003):
            deep: Any = dice.choice((1, {}, None))
            for _ in range(dice.randint(29, 34)):
                deep = {"a": deep}
            return deep
        if depth == 0 or self._chance(0.35):
            if self._chance(0.1):
                return None
            if self._chance(0.05):
                return {".sv": {"increment": dice.choice((1, -2, 0.5))}}
            leaf = dice.choice(SCALARS)
            return {".value": leaf, ".priority": dice.choice(PRIORITIES)} if self._chance(0.25) else leaf
        if self._chance(0.2):
            return [self.value(depth - 1) for _ in range(dice.randint(0, 4))]
        made = {self._key(): self.value(depth - 1) for _ in range(dice.randint(0, 5))}
        return {**made, ".priority": dice.choice(PRIORITIES)} if self._chance(0.15) else made

    def step(self) -> tuple[str, str, Any]:
        act = self._dice.choice(("set", "set", "update", "update", "update", "remove", "priority"))
        if act == "remove":
            return act, self.path(3, 1), None
        if act == "priority":
            return act, self.path(2, 1), self._dice.choice(PRIORITIES)
        if act == "set":
            return act, self.path(3), self.value(2)
        places = {self.path(3, 1): self.value(2) for _ in range(self._dice.randint(1, 4))}
        if self._chance(0.3):
            places[self.path(2, 1)] = {".sv": {"increment": self._dice.choice((1, -2, 0.5))}}
        if self._chance(0.1):
            places[f"{self.path(2, 1)}/.priority"] = self._dice.choice(PRIORITIES)
        return act, self.path(1), places

    def query(self) -> tuple[str, str, dict[str, Any]]:
        dice = self._dice
        by = dice.choice(("$key", "$key", "$value", "$priority", *CHILDREN))
        bounds: dict[str, Any] = {}
        if self._chance(0.15):
            bounds["equalTo"] = self._bound(by)
        else:
            for names in (("startAt", "startAfter"), ("endAt", "endBefore")):
                if self._chance(0.5):
                    bounds[dice.choice(names)] = self._bound(by)
        if self._chance(0.4):
            bounds[dice.choice(("limitToFirst", "limitToLast"))] = dice.randint(1, 4)
        return self.path(1), by, bounds

    def _bound(self, by: str) -> Any:
        if by == "$key":
            return self._dice.choice(KEYS)
        if by == "$priority":
            return self._dice.choice(PRIORITIES)
        return self._dice.choice((*SCALARS, None))


def random_case(seed: int) -> Case:
    """One case, some writes and some queries."""
    maker = _Maker(seed)
    first = ("set", "", {key: maker.value(3) for key in (*OFTEN[:3], *random.Random(seed).sample(KEYS, 3))})
    return Case([first, *(maker.step() for _ in range(4))], [maker.query() for _ in range(6)])
