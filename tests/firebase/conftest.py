"""The database that the conformance tests speak to."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from rtdb.server import RtdbServer
from target import Target


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """An empty database, open to all: on Google's emulator where one is named, else on the test server."""
    emulator = os.environ.get("FIREBASE_DATABASE_EMULATOR_HOST")
    if emulator:
        made = Target(emulator, f"test-{uuid.uuid4().hex[:12]}")
        made.set_rules({".read": True, ".write": True})
    else:
        server: RtdbServer = request.getfixturevalue("firebase_server")
        made = Target(server.host, server.namespace, server.issue_token)
    yield made
    made.close()
