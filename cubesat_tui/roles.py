"""What a mission directory is for: a station's own mission, or the replica of one that runs elsewhere.

The two never mix: a replica that scored would contradict the owner, and a station that mirrored would publish what
it was told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.store.errors import StoreRefused

if TYPE_CHECKING:
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.reader import StoreReader
    from telemetry.store.writer import StoreWriter

STATION, REPLICA = "station", "replica"
_LINK, _STREAM = "self", "role"
_WRONG = {
    STATION: "{path}: this directory holds a station's own mission; a replica needs another:"
    " cubesat-tui --mission OTHER --attach TARGET, with a copy of the mission.toml in it",
    REPLICA: "{path}: this directory is the replica of a station that runs elsewhere and runs none of its"
    " own; look at it with cubesat-tui --mission {path} --attach",
}


class WrongRole(StoreRefused):
    """The directory is for something else; the sentence says what to do."""


def role_of(directory: MissionDirectory) -> str:
    """`STATION`, `REPLICA`, or "" while nothing has run there.

    Raises:
        StoreError: the store cannot be read.
    """
    if not directory.telemetry.exists():
        return ""
    from telemetry.store.reader import StoreReader

    reader = StoreReader(directory.telemetry)
    try:
        return reader.cursor(_LINK, _STREAM) or _by_contents(reader)
    finally:
        reader.close()


def claim_role(directory: MissionDirectory, writer: StoreWriter, role: str) -> None:
    """Make a directory that is for nothing yet one for `role`.

    Raises:
        WrongRole: it is for the other.
    """
    found = writer.cursor(_LINK, _STREAM) or role_of(directory)
    if found and found != role:
        raise WrongRole(wrong_role(directory, found))
    if writer.cursor(_LINK, _STREAM) is None:
        writer.append([], [], {f"{_LINK}/{_STREAM}": role})


def wrong_role(directory: MissionDirectory, found: str) -> str:
    """The sentence that refuses the other use of a directory that is for `found`."""
    return _WRONG[found].format(path=directory.path)


def _by_contents(reader: StoreReader) -> str:
    """Before roles were kept every store was a station's."""
    return STATION if reader.frames_accepted() or reader.journal(0, 1) else ""
