"""Artifact directories on disk: which there are, and which may go."""

from __future__ import annotations

from pathlib import Path

KEPT_MODELS = 20
"""Artifact directories that stay on disk."""


def version_of(path: Path) -> int:
    """Version of a directory `v17`; 0 where it is none."""
    text = path.name[1:]
    return int(text) if text.isdigit() else 0


def prune(models: Path, newest: int, serving: set[int]) -> None:
    """Remove artifacts older than the `KEPT_MODELS` newest, but for those that serve; the run rows stay.

    Versions are counted over all satellites: in a fleet the champion of one may be hundreds old.
    """
    for path in models.glob("v*"):
        number = version_of(path)
        if 0 < number <= newest - KEPT_MODELS and number not in serving:
            for file in path.iterdir():
                file.unlink(missing_ok=True)
            path.rmdir()
