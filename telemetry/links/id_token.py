"""A user's ID token: what a console shows that has no service account, and what the rules of a database know.

The file holds what a sign-in gave, as one JSON object: `api_key` and `refresh_token`, from which an ID token is
made each hour, or an `id_token` that somebody else keeps fresh in the file. `url` says where else it is made.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import stat
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec

from telemetry.clock import NS_PER_S, Clock, SystemClock
from telemetry.link_config import LinkRefused, is_loopback
from telemetry.links.link_health import AccessRefused, LinkFailure
from telemetry.links.redaction import keep_secret
from telemetry.links.tokens import NEVER_NS, Token
from telemetry.plain_text import plain_text

REFRESH_URL = "https://securetoken.googleapis.com/v1/token"
RENEW_BEFORE_NS = 300 * NS_PER_S
MOST_BYTES = 64 * 1024
_WORD = re.compile(r"[A-Z_]{3,60}")

Post = Callable[..., Awaitable[tuple[int, Any]]]
"""`firebase_rest.post_form`."""


class TokenFile(msgspec.Struct, omit_defaults=True):
    """What is in the file."""

    api_key: str = ""
    refresh_token: str = ""
    id_token: str = ""
    url: str = REFRESH_URL


class _Renewed(msgspec.Struct):
    id_token: str
    refresh_token: str
    expires_in: str | int
    user_id: str = ""


def read_token_file(path: Path) -> TokenFile:
    """The file of a user's token, seen to be this user's alone.

    Raises:
        LinkRefused: it is not, or it is no such file; the sentence says what to do.
    """
    shown = plain_text(str(path), 300)
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            _check_owner(shown, found)
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise LinkRefused(f"{shown}: the token cannot be read: {error.strerror}") from None
    try:
        read = msgspec.json.decode(raw, type=TokenFile)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Without the cause: it may quote the file.
        read = TokenFile()
    for secret in (read.api_key, read.refresh_token, read.id_token):
        keep_secret(secret)
    if len(raw) > MOST_BYTES or not ((read.api_key and read.refresh_token) or read.id_token):
        raise LinkRefused(
            f'{shown}: this is no token file: allowed: {{"api_key": ..., "refresh_token": ...}}'
            ' or {"id_token": ...}'
        )
    address = urlsplit(read.url)
    if address.scheme != "https" and not (address.scheme == "http" and is_loopback(address.hostname or "")):
        raise LinkRefused(f"{shown}: url: allowed: https://, or http:// to this machine")
    return read


def _check_owner(shown: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise LinkRefused(f"{shown}: this is no file: link.token_file names the file of a user's token")
    if found.st_uid != os.geteuid():
        raise LinkRefused(f"{shown}: the token belongs to another user: sign in again as the user who runs this")
    if found.st_mode & 0o077:
        raise LinkRefused(
            f"{shown}: others may read the token (mode {stat.S_IMODE(found.st_mode):04o}): chmod 600 {shown}"
        )


class IdTokens:
    """ID tokens from a file, renewed some minutes before they end.

    `expires_in` of an answer is counted from when it came, on this machine's clock: a clock that is wrong is wrong
    by the same at both ends.

    Args:
        post: `firebase_rest.post_form`, or what a test has in its place.

    Raises:
        LinkRefused: the file cannot be used.
    """

    def __init__(self, path: Path, *, clock: Clock | None = None, post: Post | None = None) -> None:
        self._path = path
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._post = post
        self._file = read_token_file(path)
        self._token: Token | None = None
        self._renewing = asyncio.Lock()

    async def current(self) -> Token:
        """See `Tokens.current`."""
        token = self._token
        if token is not None and token.expires_ns - self._clock.now_ns() > RENEW_BEFORE_NS:
            return token
        return await self.renewed()

    async def renewed(self) -> Token:
        """See `Tokens.renewed`. Those who ask at the same time get the same one."""
        before = self._token
        async with self._renewing:
            if self._token is None or self._token is before:
                self._token = await self._refreshed() if self._file.refresh_token else self._reread(before)
            return self._token

    def _reread(self, before: Token | None) -> Token:
        try:
            self._file = read_token_file(self._path)
        except LinkRefused as error:
            raise AccessRefused(str(error)) from None
        value = self._file.id_token
        if before is not None and before.value == value:
            raise AccessRefused(
                f"the token in {plain_text(self._path.name, 60)} is not taken any more: sign in again"
            )
        return Token(value, NEVER_NS, "auth", uid_of(value))

    async def _refreshed(self) -> Token:
        form = {"grant_type": "refresh_token", "refresh_token": self._file.refresh_token}
        post = self._post or _post
        status, answer = await post(self._file.url, form, key=self._file.api_key)
        host = plain_text(urlsplit(self._file.url).hostname or "", 80)
        if status in (400, 401, 403):
            word = _refusal(answer)
            raise AccessRefused(f"sign-in refused{f' ({word})' if word else ''}: sign in again")
        try:
            if status != 200:
                raise ValueError
            renewed = msgspec.convert(answer, _Renewed)
            seconds = float(renewed.expires_in)
            if not (renewed.id_token and 0 < seconds < 10 * 365 * 86_400):
                raise ValueError
        except (msgspec.ValidationError, ValueError):
            raise LinkFailure(f"{host} gives no token now ({status})") from None
        for secret in (renewed.id_token, renewed.refresh_token):
            keep_secret(secret)
        if renewed.refresh_token and renewed.refresh_token != self._file.refresh_token:
            self._file.refresh_token = renewed.refresh_token
            await asyncio.to_thread(_write, self._path, msgspec.json.encode(self._file))
        uid = plain_text(renewed.user_id, 128) or uid_of(renewed.id_token)
        return Token(renewed.id_token, self._clock.now_ns() + int(seconds * NS_PER_S), "auth", uid)


async def _post(url: str, form: Mapping[str, str], *, key: str) -> tuple[int, Any]:
    from telemetry.links.firebase_rest import post_form

    return await post_form(url, form, key=key)


def _refusal(answer: object) -> str:
    """The word of a refusal (`TOKEN_EXPIRED`, `USER_DISABLED`), "" where it is none of theirs."""
    error = cast("dict[str, Any]", answer).get("error") if isinstance(answer, dict) else None
    message = cast("dict[str, Any]", error).get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) and _WORD.fullmatch(message) else ""


def uid_of(token: str) -> str:
    """The user an ID token names, unverified: the database verifies it. "" where it names none."""
    try:
        _, body, _ = token.split(".", 2)
        claims = msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, msgspec.DecodeError):
        return ""
    uid = cast("dict[str, Any]", claims).get("user_id") if isinstance(claims, dict) else None
    return plain_text(uid, 128) if isinstance(uid, str) else ""


def _write(path: Path, body: bytes) -> None:
    """Replace the file at once, readable by its user alone: a rotated token that is not kept is a lost sign-in."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
