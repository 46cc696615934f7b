"""Which way of drawing suits the line between this program and its terminal."""

from __future__ import annotations

from collections.abc import Mapping


def is_thin(asked: str | None, environment: Mapping[str, str]) -> bool:
    """What `--line` (auto, full, thin; None where a command has no such option) comes to: thin over SSH."""
    if asked in {"full", "thin"}:
        return asked == "thin"
    return bool(environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"))
