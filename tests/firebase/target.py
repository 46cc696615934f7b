"""What the conformance tests speak to: the test server, or whatever FIREBASE_DATABASE_EMULATOR_HOST names."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx

from rtdb.tokens import Tokens

OWNER = "Bearer owner"


class Event(NamedTuple):
    """One server-sent event: `put`, `patch`, `keep-alive`, `cancel`, `auth_revoked`."""

    name: str
    data: Any

    @property
    def told(self) -> tuple[str, str, Any]:
        """Name, path and data of a `put` or a `patch`."""
        return self.name, self.data["path"], self.data["data"]


class Events:
    """Reads a stream, line by line."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def __next__(self) -> Event:
        name = next(self._lines)
        data = next(self._lines)
        assert next(self._lines) == ""
        text = data.removeprefix("data: ")
        try:
            return Event(name.removeprefix("event: "), json.loads(text))
        except ValueError:
            return Event(name.removeprefix("event: "), text)


class Target:
    """One database at an address, asked as the administrator unless another `Authorization` or `auth` is given."""

    def __init__(
        self, host: str, namespace: str, issue: Callable[[str, dict[str, Any]], str] | None = None
    ) -> None:
        self.host = host
        self.namespace = namespace
        self._issue = issue or Tokens(time.time, namespace).issue
        self._client = httpx.Client(base_url=f"http://{host}", timeout=20)

    def close(self) -> None:
        self._client.close()

    def _parameters(self, given: dict[str, Any]) -> dict[str, str]:
        """`orderBy` and what belongs to it as JSON, the rest as it is."""
        plain = {"print", "shallow", "format", "auth", "ns", "auth_variable_override"}
        return {"ns": self.namespace} | {
            name: value if name in plain else json.dumps(value) for name, value in given.items()
        }

    def ask(
        self,
        method: str,
        path: str,
        value: Any = ...,
        *,
        raw: bytes | None = None,
        authorization: str | None = OWNER,
        headers: dict[str, str] | None = None,
        **parameters: Any,
    ) -> httpx.Response:
        """One request; `value` is sent as JSON, `raw` as it is."""
        said = {**(headers or {}), **({"Authorization": authorization} if authorization else {})}
        body = raw if raw is not None else None if value is ... else json.dumps(value).encode()
        return self._client.request(
            method, f"/{path}.json", params=self._parameters(parameters), content=body, headers=said
        )

    def get(self, path: str, **options: Any) -> Any:
        """What is there; the test fails unless it may be read."""
        answer = self.ask("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def put(self, path: str, value: Any, **options: Any) -> Any:
        """Write; the test fails unless it is taken. Returns what the server echoes."""
        answer = self.ask("PUT", path, value, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def set_rules(self, rules: dict[str, Any]) -> None:
        self.put(".settings/rules", {"rules": rules})

    def token(self, uid: str, **claims: Any) -> str:
        """An ID token of a user."""
        return self._issue(uid, claims)

    @contextmanager
    def listen(self, path: str, *, authorization: str | None = OWNER, **parameters: Any) -> Iterator[Events]:
        """A stream, which has told nothing yet."""
        headers = {"Accept": "text/event-stream", **({"Authorization": authorization} if authorization else {})}
        with self._client.stream(
            "GET", f"/{path}.json", params=self._parameters(parameters), headers=headers, follow_redirects=True
        ) as response:
            yield Events(response)
