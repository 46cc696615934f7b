"""A Firebase database behind Google's own client, which the courier alone imports.

What the client says of an error may hold the address of a request or the answer of a token server: of both only the
status and the database's own sentence are told, after `redact`.
"""

# The client has no types of its own.
# pyright: basic

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from telemetry.clock import NS_PER_S
from telemetry.link_config import EMULATOR
from telemetry.links.courier_database import POISON, REFUSED, RETRY, Failure
from telemetry.links.redaction import keep_secret, redact

HTTP_TIMEOUT_S = 8
NEVER_NS = 2**63 - 1
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - as naive as what Google's client gives
_REFUSING = (401, 403, 404)
"""404: no such database, which no other record will change."""
_POISONING = (400, 413, 414)


class AdminDatabase:
    """A database behind firebase-admin. Where no key is needed (an emulator) none is looked for."""

    def __init__(self, url: str, credentials: str, environ: Mapping[str, str] = os.environ) -> None:
        # Some 1.5 s and 50 MB: nobody pays for it who has no link.
        import firebase_admin
        from firebase_admin import credentials as kinds
        from firebase_admin import db

        self._keyless = bool(environ.get(EMULATOR)) or not url.startswith("https://")
        credential = _NoCredential() if self._keyless else kinds.Certificate(credentials)
        self._credential = credential
        options = {"databaseURL": url, "httpTimeout": HTTP_TIMEOUT_S}
        self._app = firebase_admin.initialize_app(credential, options, name=f"courier-{id(self)}")
        self._db = db

    def update(self, values: Mapping[str, Any]) -> None:
        self._call(lambda: self._at("/").update(dict(values)))

    def get(self, path: str) -> Any:
        return self._call(lambda: self._at(path).get())

    def tagged(self, path: str) -> tuple[Any, str]:
        return self._call(lambda: self._at(path).get(etag=True))

    def set_if(self, path: str, tag: str, value: Any) -> bool:
        return bool(self._call(lambda: self._at(path).set_if_unchanged(tag, value))[0])

    def oldest(self, path: str, n: int) -> dict[str, Any]:
        found = self._call(lambda: self._at(path).order_by_key().limit_to_first(n).get())
        return found if isinstance(found, dict) else {}

    def token(self) -> tuple[str, int]:
        if self._keyless:
            return "owner", NEVER_NS
        given = self._call(self._credential.get_access_token)
        keep_secret(given.access_token)
        # Google's client gives the end as UTC without saying so.
        ends_ns = int((given.expiry - _EPOCH).total_seconds()) * NS_PER_S if given.expiry else NEVER_NS
        return given.access_token, ends_ns

    def _at(self, path: str) -> Any:
        return self._db.reference(path, app=self._app)

    def _call(self, ask: Any) -> Any:
        from firebase_admin.exceptions import FirebaseError
        from google.auth.exceptions import RefreshError, TransportError

        try:
            return ask()
        except FirebaseError as error:
            raise _failure(error) from None
        except RefreshError:
            # Its text holds what the server answered to the key.
            raise Failure(
                REFUSED, "Google refuses the key of the service account: it may have been revoked"
            ) from None
        except TransportError:
            raise Failure(RETRY, "Google's token server cannot be reached") from None
        except (ValueError, TypeError) as error:
            raise Failure(POISON, f"cannot be sent: {redact(str(error))[:200]}") from None


def _failure(error: Any) -> Failure:
    """What an error of firebase-admin means, in words that hold no address."""
    response = error.http_response
    if response is None:
        cause = type(error.cause).__name__ if error.cause is not None else ""
        if "JSON" in cause:
            return Failure(POISON, "cannot be written as JSON")
        slow = error.code == "DEADLINE_EXCEEDED"
        return Failure(RETRY, f"no answer within {HTTP_TIMEOUT_S} s" if slow else "the database cannot be reached")
    status = int(response.status_code)
    if status in _REFUSING:
        return Failure(REFUSED, f"the database refuses ({status}): {_said(error)}")
    if status in _POISONING:
        return Failure(POISON, f"the database does not take it ({status}): {_said(error)}")
    return Failure(RETRY, f"the database answers {status}")


def _said(error: Any) -> str:
    return redact(str(error))[:120]


class _NoCredential:
    """Stands where firebase-admin wants a credential and an emulator none."""

    def __new__(cls) -> Any:
        from firebase_admin import credentials
        from google.auth.credentials import AnonymousCredentials

        class Anonymous(credentials.Base):
            def get_credential(self) -> Any:
                return AnonymousCredentials()

        return Anonymous()
