"""Which panels Live shows and in which order, and a panel of the operator's own: one small file in a mission.

What is not named in the file is shown after what is: a channel that is new in mission.toml is never lost.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cubesat_tui.drawing.panels import Panel
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.store.directory import MissionDirectory

FILE = "panels.json"
OWN = "MINE"
"""Title of the panel of chosen channels."""
MOST_BYTES = 262_144


class ChoiceBroken(ValueError):
    """The file says something that is no choice of panels; the text is one line."""


class PanelOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One panel by its title; `channels` only of the operator's own."""

    title: str
    hidden: bool = False
    channels: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: int = 1
    buses: dict[str, tuple[PanelOf, ...]] = {}


Choice = tuple[PanelOf, ...]
"""Panels in their order; empty where nothing was chosen."""


def chosen(choice: Sequence[PanelOf], found: Sequence[Panel]) -> tuple[Panel, ...]:
    """The panels to show of those a bus has (`found`); all of them where none would be left."""
    by_title = {panel.title: panel for panel in found}
    known = {name for panel in found for name in panel.channels}
    out: list[Panel] = []
    for one in {one.title: one for one in choice}.values():
        if one.title == OWN and OWN not in by_title:
            names = tuple(name for name in one.channels if name in known)
            if names and not one.hidden:
                out.append(Panel(OWN, names))
        elif one.title in by_title and not one.hidden:
            out.append(by_title[one.title])
    named = {one.title for one in choice}
    out += [panel for panel in found if panel.title not in named]
    return tuple(out) or tuple(found)


def hidden(choice: Sequence[PanelOf], found: Sequence[Panel]) -> int:
    """How many of the panels that a bus has are not shown."""
    shown = {panel.title for panel in chosen(choice, found)}
    return sum(panel.title not in shown for panel in found)


class PanelFile:
    """The choices of one mission, by bus."""

    def __init__(self, directory: MissionDirectory) -> None:
        self.path: Path = directory.path / FILE

    def read(self, bus: str) -> Choice:
        """The choice for `bus`, empty where there is none.

        Raises:
            ChoiceBroken: the file cannot be read, or is none of ours.
        """
        return self._read().buses.get(bus, ())

    def _read(self) -> _File:
        try:
            with self.path.open("rb") as file:
                text = file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            return _File()
        except OSError as error:
            raise ChoiceBroken(f"{self.path}: cannot be read: {error.strerror}") from error
        try:
            if len(text) > MOST_BYTES:
                raise ChoiceBroken(f"{self.path}: longer than {MOST_BYTES:,} bytes")
            found = msgspec.json.decode(text, type=_File)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ChoiceBroken(f"{self.path}: {plain_text(str(error), 120)}") from error
        if found.schema != 1:
            raise ChoiceBroken(f"{self.path}: schema {found.schema}, this program knows 1")
        return found

    def write(self, bus: str, choice: Choice) -> None:
        """Keep the choice for `bus`: the file is the old one or the new one whole. A broken one is replaced.

        Raises:
            OSError: it cannot be written.
        """
        try:
            before = self._read().buses
        except ChoiceBroken:
            before = {}
        buses = {name: panels for name, panels in before.items() if name != bus}
        if choice:
            buses[bus] = choice
        text = msgspec.json.format(msgspec.json.encode(_File(buses=buses)), indent=1)
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(text + b"\n")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except BaseException:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise
