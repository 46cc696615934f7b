"""The modes: each screen is imported when it is first shown."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from textual.screen import Screen


def _lazily(module: str, name: str) -> Callable[[], Screen[Any]]:
    def make() -> Screen[Any]:
        return getattr(import_module(f"cubesat_tui.screens.{module}"), name)()

    return make


def warm() -> None:
    """Import the screens ahead of the first key, on a thread; Models stays out: its charts are its own to load."""
    for name in ("events", "clusters", "ledger"):
        import_module(f"cubesat_tui.screens.{name}")


MODES: dict[str, str | Callable[[], Screen[Any]]] = {
    "live": _lazily("live", "LiveScreen"),
    "clusters": _lazily("clusters", "ClustersScreen"),
    "models": _lazily("models", "ModelsScreen"),
    "ledger": _lazily("ledger", "LedgerScreen"),
    "events": _lazily("events", "EventsScreen"),
    "fleet": _lazily("fleet", "FleetScreen"),
}
