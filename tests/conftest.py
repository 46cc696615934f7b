"""What every test shares."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from rtdb.server import RtdbServer

# How long one example takes says something about the machine, not about the code.
settings.register_profile("cubesat-tui", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cubesat-tui")

MountSmall = Callable[[Path, str], None]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Beside other workers the tests that may take longest begin first, so that none is left for the end alone."""

    def limit_s(item: pytest.Item) -> float:
        named = item.get_closest_marker("timeout")
        return float(config.getini("timeout") if named is None else named.args[0])

    if hasattr(config, "workerinput"):
        items.sort(key=limit_s, reverse=True)


@pytest.fixture
def mount_small() -> Iterator[MountSmall]:
    """Puts a real file system of a size (`3m`) on a folder, to be filled to the brim.

    Where this user may not mount one the test is skipped, but not in CI: there a disk that fills up is tested.
    """
    mounted: list[Path] = []

    def mount(place: Path, options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", f"size={options}", "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = f"a small file system cannot be mounted here: {done.stderr.strip()}"
            if os.environ.get("CI"):
                pytest.fail(f"{reason}; CI must not skip the tests of a full disk")
            pytest.skip(reason)
        mounted.append(place)

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def firebase_server() -> Iterator[RtdbServer]:
    """A Firebase Realtime Database of its own on 127.0.0.1, open to all, with bad luck on demand."""
    from rtdb.server import RtdbServer

    server = RtdbServer()
    yield server
    server.close()
