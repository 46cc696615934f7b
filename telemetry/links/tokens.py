"""What a link shows to be let in."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

How = Literal["bearer", "auth", "owner"]
NEVER_NS = 2**63 - 1


class Token(NamedTuple):
    """A credential and how it is shown: in a header (`bearer`, `owner`) or in the address (`auth`)."""

    value: str
    expires_ns: int
    """UTC nanoseconds by this machine's clock, `NEVER_NS` where it does not end."""
    how: How
    uid: str
    """Who the database knows the bearer as."""


class Tokens(Protocol):
    """Gives the token to use now."""

    async def current(self) -> Token:
        """A token that is good for some minutes yet.

        Raises:
            LinkFailure: there is none to be had now.
        """
        ...

    async def renewed(self) -> Token:
        """A new one: the database did not take the last, or it is about to end.

        Raises:
            LinkFailure: there is none to be had now.
        """
        ...


class StandingToken:
    """One token for ever: that of an emulator, or none at all."""

    def __init__(self, token: Token) -> None:
        self._token = token

    async def current(self) -> Token:
        return self._token

    async def renewed(self) -> Token:
        return self._token


EMULATOR_OWNER = StandingToken(Token("owner", NEVER_NS, "owner", "service"))
"""The name by which an emulator lets everything in."""
ANYBODY = StandingToken(Token("", NEVER_NS, "auth", ""))
"""No credential: what the rules let everybody do."""
