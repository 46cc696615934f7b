"""What the mirror remembers between two lives: which mission it is, and which versions and aliases it set.

All of it can be lost: versions are asked for by tag then, and aliases follow what serves.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

MOST_VERSIONS = 500
"""Of a satellite that are remembered; older ones are asked for by tag."""


class Registered(msgspec.Struct):
    """One satellite's models in the registry."""

    versions: dict[int, str] = msgspec.field(default_factory=dict[int, str])
    """Version of ours -> MLflow's."""
    aliases: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Alias -> MLflow's version that it was set to here."""
    asked: str = ""
    """MLflow's version that somebody moved `champion` to and the station was asked to promote."""


class Remembered(msgspec.Struct):
    """The content of the file."""

    mission: str = ""
    """Random: two missions in directories of one name must not share what they keep on one server."""
    base: str = ""
    """First part of the names on a server."""
    satellites: dict[str, Registered] = msgspec.field(default_factory=dict[str, Registered])


class MirrorState:
    """The file, read once. Used from one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.known = msgspec.json.decode(path.read_bytes(), type=Remembered)
        except (FileNotFoundError, msgspec.DecodeError):
            self.known = Remembered()
        self._heard: dict[str, str] = {}
        self.known.mission = self.known.mission or os.urandom(4).hex()

    def of(self, satellite: str) -> Registered:
        """What is remembered of a satellite, to be changed and then saved."""
        return self.known.satellites.setdefault(satellite, Registered())

    def save(self) -> None:
        """Write the file anew.

        Raises:
            OSError: it cannot be written.
        """
        for one in self.known.satellites.values():
            for version in sorted(one.versions)[:-MOST_VERSIONS]:
                del one.versions[version]
        draft = self._path.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(self.known))
        draft.replace(self._path)

    def asked(self, satellite: str, registered: str, request: str) -> None:
        """The station was asked by `request` to promote MLflow's version `registered`; once is enough.

        Raises:
            OSError: it cannot be written.
        """
        if self._heard.get(satellite) != request:
            self._heard[satellite] = request
            self.of(satellite).asked = registered
            self.save()
