"""The test server against Google's own engine: random trees, writes and queries, and both must agree."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from types import ModuleType
from typing import Any
from urllib.parse import quote, urlencode

import pytest

import google_engine
from google_engine import NoEngine
from random_cases import CHILDREN, Case, random_case
from rtdb.server import RtdbServer

CASES = 4000 if os.environ.get("CUBESAT_TUI_CAMPAIGN") else 500
ACTS = {"set": "PUT", "update": "PATCH", "remove": "DELETE", "priority": "PUT"}


class Client:
    """One connection to the server; all requests of a case go out before the first answer is read."""

    def __init__(self, server: RtdbServer) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port))
        self._answers = self._socket.makefile("rb")

    def close(self) -> None:
        self._answers.close()
        self._socket.close()

    def ask(self, requests: Sequence[tuple[str, str, Any, dict[str, Any]]]) -> list[list[Any] | None]:
        """For each method, path, value and parameters the answer in a list, None for what the server refuses."""
        sent = bytearray()
        for method, path, value, parameters in requests:
            body = b"" if method in ("GET", "DELETE") else json.dumps(value).encode()
            line = f"{method} /{quote(path)}.json?{urlencode(parameters)} HTTP/1.1"
            sent += f"{line}\r\nHost: here\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        self._socket.sendall(sent)
        return [self._answer() for _ in requests]

    def _answer(self) -> list[Any] | None:
        status = int(self._answers.readline().split()[1])
        length = 0
        while (line := self._answers.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        text = self._answers.read(length)
        assert status in (200, 400), text
        return None if status == 400 else [json.loads(text)]


def outcome(client: Client, case: Case) -> dict[str, Any]:
    """What the server makes of a case, in the form of `google_engine.run`."""
    look: tuple[str, str, Any, dict[str, Any]] = ("GET", "", None, {"format": "export"})
    asked = [("DELETE", "", None, {})]
    for act, path, value in case.steps:
        asked += [(ACTS[act], f"{path}/.priority" if act == "priority" else path, value, {}), look]
    for path, by, bounds in case.queries:
        query = {name: json.dumps(value) for name, value in {"orderBy": by, **bounds}.items()}
        asked.append(("GET", path, None, {"format": "export", **query}))
    told = client.ask([*asked, ("GET", "", None, {})])
    after = 1 + 2 * len(case.steps)
    steps = [taken and seen for taken, seen in zip(told[1:after:2], told[2:after:2], strict=True)]
    return {"steps": steps, "queries": told[after:-1], "plain": told[-1]}


def known_corner(by: str, bounds: dict[str, Any], at: Any) -> bool:
    """The one thing not compared: the last n before a `$priority`, of more than 2 n children, none with any.

    Google's engine then falls back to an index by key, looks in it from "before the first key" backwards, and finds
    nothing; with `limitToFirst`, or as soon as one child has a priority, it finds the children as it should.
    """
    if by != "$priority" or not {"endBefore", "limitToLast"} <= bounds.keys() or not isinstance(at, dict):
        return False
    bare = not any(isinstance(child, dict) and ".priority" in child for child in at.values())
    return bare and len(at) > 2 * bounds["limitToLast"]


def below(tree: Any, path: str) -> Any:
    """What is at a path of at most one key."""
    return tree.get(path) if path and isinstance(tree, dict) else tree


def index_everywhere() -> dict[str, Any]:
    """Rules that let all be done, with an index for each query of the cases."""
    index = {".indexOn": [".value", *CHILDREN]}
    return {"rules": {".read": True, ".write": True, **index, "$a": {**index, "$b": index}}}


@pytest.fixture
def engine() -> ModuleType:
    """Skips where the engine cannot be had, but not in CI."""
    try:
        google_engine.installed()
    except NoEngine as why:
        if os.environ.get("CI"):
            pytest.fail(f"{why}; CI must compare the test server with Google's engine")
        pytest.skip(f"Google's engine cannot be had here: {why}")
    return google_engine


@pytest.mark.timeout(600)
def test_the_server_agrees_with_googles_engine(firebase_server: RtdbServer, engine: ModuleType) -> None:
    cases = [random_case(seed) for seed in range(CASES)]
    theirs = engine.run(cases)
    firebase_server.set_rules(index_everywhere())
    client = Client(firebase_server)
    refused = found = corners = 0
    for seed, (case, they) in enumerate(zip(cases, theirs, strict=True)):
        we = outcome(client, case)
        for step, ours, their in zip(case.steps, we["steps"], they["steps"], strict=True):
            refused += their is None
            assert ours == their, f"case {seed}: {step}"
        assert we["plain"] == they["plain"], f"case {seed}: as shown without priorities"
        tree = next((step[0] for step in reversed(we["steps"]) if step), None)
        for (path, by, bounds), ours, their in zip(case.queries, we["queries"], they["queries"], strict=True):
            if known_corner(by, bounds, below(tree, path)):
                corners += 1
                continue
            found += their != [None]
            assert ours == their, f"case {seed}: {by} {bounds} of {path!r} of {tree}"
    client.close()
    # Not by agreeing on nothing: writes refused, queries that find something, and the exception is rare.
    assert refused > CASES / 10
    assert found > CASES
    assert corners < CASES / 50


def test_the_corner_that_is_not_compared_is_the_engines_own(engine: ModuleType) -> None:
    queries = [("", "$priority", {"endBefore": 2, limit: 2}) for limit in ("limitToFirst", "limitToLast")]
    tree = dict.fromkeys("abcde", 1)
    trees = (tree, {**tree, "e": {".value": 1, ".priority": 1}})
    bare, one_priority = engine.run([Case([("set", "", tree)], queries) for tree in trees])
    assert [sorted(found[0] or ()) for found in bare["queries"]] == [["a", "b"], []]
    assert [sorted(found[0] or ()) for found in one_priority["queries"]] == [["a", "b"], ["d", "e"]]
