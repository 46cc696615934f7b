"""Tokens to read a database with, minted by the courier that holds the key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from telemetry.clock import NS_PER_S, Clock
from telemetry.links.link_health import LinkFailure
from telemetry.links.tokens import NEVER_NS, Token

if TYPE_CHECKING:
    from cubesat_tui.publisher import Publisher

TOKEN_S = 20.0
EARLY_NS = 300 * NS_PER_S
"""A token is renewed so long before it ends."""


class TokenDesk:
    """Who waits for a token. `ask` asks the courier for one; False while there is none that could."""

    def __init__(self, clock: Clock, ask: Callable[[], bool]) -> None:
        self._clock = clock
        self._ask = ask
        self._known: Token | None = None
        self._waiting: list[asyncio.Future[Token]] = []
        self._asked = False

    def begin(self) -> None:
        """A new courier may be asked, and knows nothing of what the one before was."""
        self._asked = False
        if self._waiting:
            self._asked = self._ask()

    def take(self, value: str, expires_ns: int) -> None:
        """The courier gave one."""
        self._known = Token(value, expires_ns or NEVER_NS, "owner" if value == "owner" else "bearer", "service")
        for future in self._answered():
            future.set_result(self._known)

    def fail(self, words: str) -> None:
        """The courier has none to give."""
        for future in self._answered():
            future.set_exception(LinkFailure(words))

    def _answered(self) -> list[asyncio.Future[Token]]:
        waiting, self._waiting, self._asked = self._waiting, [], False
        return [future for future in waiting if not future.done()]

    def close(self) -> None:
        """Nobody is answered any more."""
        for future in self._answered():
            future.cancel()

    async def token(self, *, anew: bool) -> Token:
        """The one that is known, if it is good for a while and none is wanted `anew`, else a new one.

        Raises:
            LinkFailure: there is none to be had now.
        """
        known = self._known
        if not anew and known is not None and known.expires_ns - EARLY_NS > self._clock.now_ns():
            return known
        future: asyncio.Future[Token] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if not self._asked:
            self._asked = self._ask()
        try:
            async with asyncio.timeout(TOKEN_S):
                return await future
        except TimeoutError:
            self._waiting = [one for one in self._waiting if one is not future]
            raise LinkFailure("the courier gives no token") from None


class CourierTokens:
    """Tokens for whoever reads the database in a station that has a service account."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def current(self) -> Token:
        return await self._publisher.tokens.token(anew=False)

    async def renewed(self) -> Token:
        return await self._publisher.tokens.token(anew=True)
