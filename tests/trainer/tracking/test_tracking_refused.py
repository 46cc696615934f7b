"""Servers that want a name, refuse one, are no MLflow, or answer nonsense: the state says which, entries wait."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(300)


class Odd(ThreadingHTTPServer):
    """Answers every request with one status and body; remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.body = b"{}"
        self.shown: list[str] = []

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def _reply(self) -> None:
        server = self.server
        assert isinstance(server, Odd)
        server.shown.append(self.headers.get("Authorization", ""))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(server.body)))
        self.end_headers()
        self.wfile.write(server.body)

    do_GET = do_POST = do_PATCH = _reply  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def odd() -> Iterator[Odd]:
    server = Odd()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (401, b"who are you?", "refused"),
        (403, b'{"error_code": "PERMISSION_DENIED", "message": "not kim"}', "refused"),
        (404, b"<html>no such page</html>", "refused"),
        (500, b"oh", "offline"),
        (503, b'{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "later"}', "offline"),
        (200, b"<html>welcome to the intranet</html>", "offline"),
    ],
)
def test_what_is_answered_is_told_and_nothing_is_given_up(
    odd: Odd, make_mission: Any, status: int, body: bytes, state: str
) -> None:
    odd.status, odd.body = status, body
    mission = make_mission(odd.uri)
    for number in range(1, 4):
        mission.fit(number)
        mission.mirror.turn()
        mission.clock.advance(400)
    assert mission.mirror.status().words == f"MLflow: {state}, 3 queued"
    assert mission.mirror.status().detail != ""


def test_name_and_word_of_the_environment_are_shown_to_the_server_and_to_nobody_else(
    odd: Odd, make_mission: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "kim")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "swordfish")
    odd.status, odd.body = 403, b"kim may not, even with swordfish"
    mission = make_mission(odd.uri)
    mission.fit(1)
    mission.mirror.turn()
    assert odd.shown[0] == f"Basic {base64.b64encode(b'kim:swordfish').decode()}"
    assert "kim may not, even with ***" in mission.mirror.status().detail
    assert not any(b"swordfish" in path.read_bytes() for path in mission.directory.artifacts.glob("*.*"))
