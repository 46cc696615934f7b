"""Which place of a link a directory belongs to: what was read from one place says nothing of what is in another.

A station that follows another place reads it from its beginning, and what it has already is stored once. A replica
stays with its place: a journal mirrored twice could not be told from one in which everything happened twice.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from telemetry.link_config import LinkRefused, address_of
from telemetry.links.endpoint import Endpoint, EndpointRefused

if TYPE_CHECKING:
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.writer import StoreWriter

_LINK, _STREAM = "self", "follows"


def endpoint_of(mission: Mission) -> Endpoint:
    """Where the link of a mission is.

    Raises:
        LinkRefused: there is no address, or one that cannot be used; one line.
    """
    try:
        return Endpoint.of(address_of(mission.link, os.environ), mission.link_root, os.environ)
    except EndpointRefused as error:
        raise LinkRefused(f"mission.toml: {error}") from None


def place_of(mission: Mission) -> str:
    """Server, database and root of the link of a mission in one text.

    Raises:
        LinkRefused: there is no address, or one that cannot be used; one line.
    """
    endpoint = endpoint_of(mission)
    return f"{endpoint.base} {endpoint.namespace} {endpoint.root}"


def check_place(directory: MissionDirectory, mission: Mission) -> None:
    """See that a replica mirrors what it mirrored before.

    Raises:
        LinkRefused: mission.toml names another place by now; one line.
        StoreError: the store cannot be read.
    """
    if not directory.telemetry.exists():
        return
    from telemetry.store.reader import StoreReader

    reader = StoreReader(directory.telemetry)
    try:
        found = reader.cursor(_LINK, _STREAM)
    finally:
        reader.close()
    if found not in (None, place_of(mission)):
        raise LinkRefused(
            f"{directory.path}: this directory is the replica of {_shown(found)}, and mission.toml names"
            f" {_shown(place_of(mission))} by now: use another directory for that one"
        )


def keep_place(writer: StoreWriter, mission: Mission) -> None:
    """Keep which place a replica mirrors."""
    if writer.cursor(_LINK, _STREAM) is None:
        writer.append([], [], {f"{_LINK}/{_STREAM}": place_of(mission)})


def follow_place(writer: StoreWriter, mission: Mission, source_name: str) -> None:
    """Keep which place a station follows, and forget how far it had read another one."""
    layout = mission.source.layout
    place = f"{place_of(mission)} {layout} {mission.source.node if layout == 'original' else ''}".rstrip()
    found = writer.cursor(_LINK, _STREAM)
    if found != place:
        cursors = {f"{_LINK}/{_STREAM}": place}
        writer.append([], [], cursors if found is None else {**cursors, source_name: ""})


def _shown(place: str | None) -> str:
    base, namespace, root = (*(place or "").split(" "), "", "")[:3]
    return f"{base}/{root}" + (f" ({namespace})" if namespace else "")
