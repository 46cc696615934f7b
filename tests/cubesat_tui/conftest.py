"""The made-up mission, and a console that looks at it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_place = Path(__file__).with_name("fabricated.py")
if "fabricated" not in sys.modules:
    _spec = importlib.util.spec_from_file_location("fabricated", _place)
    assert _spec is not None
    assert _spec.loader is not None
    _module = importlib.util.module_from_spec(_spec)
    sys.modules["fabricated"] = _module
    _spec.loader.exec_module(_module)

import fabricated  # noqa: E402

from cubesat_tui.app import ConsoleApp  # noqa: E402
from telemetry.store.directory import MissionDirectory  # noqa: E402


@pytest.fixture
def directory(tmp_path: Path) -> MissionDirectory:
    """A mission in contact, with a critical, an anomaly and an acknowledged warning open."""
    return fabricated.fill(tmp_path / "mission")


@pytest.fixture(autouse=True)
def no_band(monkeypatch: pytest.MonkeyPatch) -> None:
    """Live reads no model of its own accord: how soon a picture is taken must not decide what is on it."""
    monkeypatch.setattr("cubesat_tui.screens.live.USUAL_AFTER_S", 3600.0)


@pytest.fixture
def console(directory: MissionDirectory) -> Callable[..., ConsoleApp]:
    """Makes a console on `directory`; arguments as of `ConsoleApp`. The clock stands still."""

    def make(**options: Any) -> ConsoleApp:
        options = {"clock": fabricated.clock(), "operator": "ann", "station": fabricated.NearStation(), **options}
        return ConsoleApp(options.pop("directory", directory), **options)

    return make


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No station answers here unless the test does."""
    monkeypatch.setattr("cubesat_tui.requests.PATIENCE_S", 0.0)
