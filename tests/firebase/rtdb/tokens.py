"""Who is asking."""

from __future__ import annotations

from typing import Any, NamedTuple


class Account(NamedTuple):
    """Who asks: `admin` is above the rules; `auth` is what the rules see, None for anybody."""

    admin: bool = False
    auth: dict[str, Any] | None = None


ADMIN = Account(admin=True)
ANYBODY = Account()
