"""The children of a node in the order of their keys: what is there in pages, then what comes, for ever.

A stream begins with all that is in its window, so what was missed is read in pages first, and a window that has
grown is left for a new one. Nothing is kept here but where the last page ended: who reads says from which key on.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final, NamedTuple, cast

from telemetry.links.firebase_rest import Change, Rest, TooLarge, by_key
from telemetry.links.link_health import LinkFailure, LinkHealth

PAGE = 200
LONGEST_WINDOW = 2000
"""Children a stream brings before a new one is opened: a reconnection never carries more."""
AFTER = "!"
"""A key with this behind it sorts directly after the key itself, before every longer one that records have."""
_FIRST_KEY = re.compile(rb'\s*\{\s*"([^"\\]{1,768})"\s*:')


class _TooLargeValue:
    """Stands for a value that is larger than is read."""


TOO_LARGE: Final = _TooLargeValue()


class Arrivals(NamedTuple):
    """Children, in the order of their keys.

    `complete`: when they were read there was nothing between them, nor between the reader's place and the first.
    """

    items: list[tuple[str, Any]]
    complete: bool


class KeyedNode:
    """Follows the children of `path`. `start` says from which key on ("": from the first); it is asked again and
    again, so that nothing the reader has is sent twice.
    """

    def __init__(self, rest: Rest, path: str, start: Callable[[], str], health: LinkHealth) -> None:
        self._rest = rest
        self._path = path
        self._start = start
        self._health = health
        self._most = PAGE
        self._window = 0

    async def arrivals(self) -> AsyncGenerator[Arrivals]:
        """What is there, then what comes; never ends by itself."""
        while True:
            async with aclosing(self.catch_up()) as pages:
                async for page in pages:
                    yield page
            try:
                async with aclosing(self._changes()) as changes:
                    async for change in changes:
                        arrivals = await self._arrivals(change)
                        self._window += len(arrivals.items)
                        if arrivals.items:
                            self._health.progressed()
                            yield arrivals
            except LinkFailure as failure:
                await self._health.pause(failure)

    def _changes(self) -> AsyncGenerator[Change]:
        self._window = 0
        return self._rest.changes(self._path, self._query, self._health, lambda: self._window > LONGEST_WINDOW)

    def _query(self) -> dict[str, str]:
        self._window = 0
        return dict(by_key(self._start()))

    async def catch_up(self) -> AsyncGenerator[Arrivals]:
        """Pages from `start` on until one is not full, over cuts and outages."""
        at: str | None = None
        while True:
            try:
                page = await self._page(self._start() if at is None else at)
            except TooLarge as failure:
                if self._most > 1:
                    self._most //= 2
                    continue
                found = _FIRST_KEY.match(failure.opening)
                if found is None:
                    await self._health.pause(failure)
                    continue
                page = [(found[1].decode("utf-8", "replace"), TOO_LARGE)]
            except LinkFailure as failure:
                # A thin line that is cut often gets through with less at a time.
                self._most = max(1, self._most // 2)
                await self._health.pause(failure)
                continue
            asked, self._most = self._most, min(PAGE, self._most * 2)
            if page:
                at = page[-1][0] + AFTER
                self._health.progressed()
                yield Arrivals(page, complete=True)
            if len(page) < asked:
                return

    async def _page(self, start: str) -> list[tuple[str, Any]]:
        value = await self._rest.get(self._path, by_key(start, most=self._most))
        return sorted_children(value)

    async def _arrivals(self, change: Change) -> Arrivals:
        """The children that a change brings; those it takes away are none."""
        keys = [part for part in change.path.split("/") if part]
        if not keys:
            if change.kind == "put":
                return Arrivals(sorted_children(change.data), complete=True)
            whole: dict[str, Any] = {}
            for path, value in sorted_children(change.data):
                key, _, deeper = path.strip("/").partition("/")
                whole[key] = await self._child(key) if deeper else value
            return Arrivals(_present(whole), complete=False)
        value = change.data if len(keys) == 1 and change.kind == "put" else await self._child(keys[0])
        return Arrivals(_present({keys[0]: value}), complete=False)

    async def _child(self, key: str) -> Any:
        """A child of which only a part was told."""
        return await self._rest.get(f"{self._path}/{key}")


def _present(children: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(key, children[key]) for key in sorted(children) if children[key] is not None]


def sorted_children(value: object) -> list[tuple[str, Any]]:
    """Children of a node's value by key; a node with numbers for keys comes as an array."""
    if isinstance(value, dict):
        return _present(cast("dict[str, Any]", value))
    if isinstance(value, list):
        return [(str(place), one) for place, one in enumerate(cast("list[Any]", value)) if one is not None]
    return []
