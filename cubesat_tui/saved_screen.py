"""The screen as it is, kept as text and as a picture beside the exports. Nothing is ever overwritten."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cubesat_tui.drawing.numbers import utc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.store.directory import MissionDirectory

MOST = 1000
"""Screens of one second; more are refused."""


class Saved(NamedTuple):
    """Where a screen was kept."""

    text: Path
    picture: Path


def save(directory: MissionDirectory, mode: str, now_ns: int, lines: Sequence[str], svg: str) -> Saved:
    """Write `lines` and `svg` as `screen_<mode>_<time>` in the mission's exports; of one second a number is added.

    Raises:
        OSError: they cannot be written.
    """
    directory.exports.mkdir(mode=0o700, parents=True, exist_ok=True)
    stem = f"screen_{mode}_{utc(now_ns).strftime('%Y%m%dT%H%M%SZ')}"
    for number in range(1, MOST):
        name = stem if number == 1 else f"{stem}_{number}"
        saved = Saved(directory.exports / f"{name}.txt", directory.exports / f"{name}.svg")
        if saved.picture.exists():
            continue
        try:
            _write(saved.text, "\n".join(line.rstrip() for line in lines) + "\n")
        except FileExistsError:
            continue
        _write(saved.picture, svg)
        return saved
    raise FileExistsError(f"{stem}: {MOST - 1} screens of this second are kept already")


def _write(path: Path, text: str) -> None:
    # O_EXCL: what is there, a link included, stays as it is.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
