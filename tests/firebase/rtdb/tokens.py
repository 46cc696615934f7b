"""Who is asking: ID tokens that this server has given out, refresh tokens, and the access of service accounts.

ID tokens are JSON Web Tokens without a signature, as Google's emulator takes them: a test can read its own, and the
same tests run against the emulator.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rtdb.refused import Refused

HOUR_S = 3600


class Account(NamedTuple):
    """Who asks: `admin` is above the rules; `auth` is what the rules see, None for anybody."""

    admin: bool = False
    auth: dict[str, Any] | None = None


ADMIN = Account(admin=True)
ANYBODY = Account()


class _Given(NamedTuple):
    uid: str
    claims: Mapping[str, Any]
    seconds: int


def _segment(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _user(uid: str, claims: Mapping[str, Any]) -> Account:
    return Account(auth={"uid": uid, "provider": "custom", "token": dict(claims)})


class Tokens:
    """Tokens given out; what was not given out here is not valid.

    Args:
        now_s: the server's clock, Unix seconds.
        project: for `aud` and `iss`.

    Attributes:
        rotate: whether each exchange gives a new refresh token, after which the old one is not valid.
        trusting: whether any ID token without a signature is believed, as Google's emulator does.
    """

    def __init__(self, now_s: Callable[[], float], project: str) -> None:
        self._now_s = now_s
        self._project = project
        self._valid: dict[str, tuple[float, Account]] = {}
        self._refresh: dict[str, _Given] = {}
        self.rotate = False
        self.trusting = False

    def issue(self, uid: str, claims: Mapping[str, Any] | None = None, seconds: int = HOUR_S) -> str:
        """A new ID token of a user, with custom claims, valid for some seconds."""
        now = int(self._now_s())
        body = {
            **(claims or {}),
            "iss": f"https://securetoken.google.com/{self._project}",
            "aud": self._project,
            "auth_time": now,
            "user_id": uid,
            "sub": uid,
            "iat": now,
            "exp": now + seconds,
            "jti": secrets.token_hex(8),
            "firebase": {"identities": {}, "sign_in_provider": "custom"},
        }
        token = f"{_segment({'alg': 'none', 'typ': 'JWT'})}.{_segment(body)}."
        self._valid[token] = (now + seconds, _user(uid, body))
        return token

    def issue_refresh(self, uid: str, claims: Mapping[str, Any] | None = None, seconds: int = HOUR_S) -> str:
        """A new refresh token, whose ID tokens are valid for some seconds."""
        token = f"refresh-{secrets.token_hex(16)}"
        self._refresh[token] = _Given(uid, claims or {}, seconds)
        return token

    def issue_access(self, seconds: int = HOUR_S) -> str:
        """A new access token of a service account: above the rules."""
        token = f"access-{secrets.token_hex(16)}"
        self._valid[token] = (self._now_s() + seconds, ADMIN)
        return token

    def expire(self, token: str) -> None:
        """The token was valid until now."""
        if token in self._valid:
            self._valid[token] = (self._now_s(), self._valid[token][1])

    def revoke(self, token: str) -> None:
        """The token, ID or refresh, is not valid any more."""
        self._valid.pop(token, None)
        self._refresh.pop(token, None)

    def account(self, token: str) -> Account:
        """Whose token it is; raises `Refused` (401)."""
        if token == "owner":
            return ADMIN
        if token not in self._valid and self.trusting:
            self._believe(token)
        if token not in self._valid:
            raise Refused(401, "Could not parse auth token.")
        until, account = self._valid[token]
        if self._now_s() >= until:
            raise Refused(401, "Auth token is expired")
        return account

    def _believe(self, token: str) -> None:
        try:
            _head, body, signature = token.split(".")
            claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
            if not signature:
                self._valid[token] = (claims["exp"], _user(claims["sub"], claims))
        except (ValueError, KeyError, TypeError):
            # No token at all: then it is not valid.
            return

    def exchange(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The answer of `securetoken.googleapis.com/v1/token`, or of a service account's `token_uri`.

        Raises:
            Refused: 400 with Google's words (INVALID_REFRESH_TOKEN...).
        """
        kind = form.get("grant_type")
        if kind == "urn:ietf:params:oauth:grant-type:jwt-bearer" and form.get("assertion"):
            return {"access_token": self.issue_access(), "expires_in": HOUR_S, "token_type": "Bearer"}
        if kind != "refresh_token":
            raise Refused(400, "INVALID_GRANT_TYPE")
        if not form.get("refresh_token"):
            raise Refused(400, "MISSING_REFRESH_TOKEN")
        given = self._refresh.get(form["refresh_token"])
        if given is None:
            raise Refused(400, "INVALID_REFRESH_TOKEN")
        token = self.issue(given.uid, given.claims, given.seconds)
        refresh = form["refresh_token"]
        if self.rotate:
            self.revoke(refresh)
            refresh = self.issue_refresh(*given)
        return {
            "access_token": token,
            "expires_in": str(given.seconds),
            "token_type": "Bearer",
            "refresh_token": refresh,
            "id_token": token,
            "user_id": given.uid,
            "project_id": "1234567890",
        }
