"""Opening the link of a mission: where it is, what is shown to be let in, and the words where that cannot be.

Nothing here imports the HTTP client before a link is opened.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

from cubesat_tui.link_places import endpoint_of, keep_place
from telemetry.link_config import LinkRefused
from telemetry.links.service_account import key_file, key_of, needs_key
from telemetry.links.tokens import EMULATOR_OWNER, Tokens

if TYPE_CHECKING:
    from cubesat_tui.publisher import Note, Publisher
    from telemetry.clock import Clock
    from telemetry.dictionary import Mission
    from telemetry.links.firebase_rest import Rest
    from telemetry.links.link import Link
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.writer import StoreWriter


class Opened(NamedTuple):
    """A link that a replica follows, and what is to run beside it."""

    link: Link
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None


LinkMaker = Callable[["StoreWriter", "Note"], Opened]


def check_to_follow(mission: Mission) -> None:
    """See that a console can follow the link of a mission, before it takes the screen.

    Raises:
        LinkRefused: it cannot, and what to do; one line.
    """
    endpoint_of(mission)
    if not needs_key(mission.link, os.environ):
        return
    path = mission.link.file("token_file", mission.directory)
    if path is not None:
        from telemetry.links.id_token import read_token_file

        read_token_file(path)
    elif key_file(mission.link, mission.directory, os.environ) is None:
        raise LinkRefused(
            "mission.toml: link.token_file: missing: allowed: the file of a user's token (docs/firebase.md says how"
            " to get one)"
        )
    else:
        key_of(mission)


def own_tokens(mission: Mission, clock: Clock) -> Tokens | None:
    """What is shown where no service account is used: a user's token, or an emulator's; None where one is needed.

    Raises:
        LinkRefused: the token's file cannot be used.
    """
    path = mission.link.file("token_file", mission.directory)
    if path is not None:
        from telemetry.links.id_token import IdTokens

        return IdTokens(path, clock=clock)
    return None if needs_key(mission.link, os.environ) else EMULATOR_OWNER


def open_rest(
    mission: Mission, clock: Clock, courier: Callable[[], Publisher], *, writes: bool
) -> tuple[Rest, Publisher | None]:
    """The client of a mission's database, for the loop it is made on, and the courier, where one is to be run.

    What writes needs a courier, and where that has a service account, shows its tokens for both. What only reads
    shows a user's token, and has a courier where the key of a service account is all there is: the key is the
    courier's to read, and nobody else's.

    Raises:
        LinkRefused: the token's file cannot be used.
    """
    from telemetry.links.firebase_rest import Rest

    tokens = None if writes and needs_key(mission.link, os.environ) else own_tokens(mission, clock)
    made = courier() if writes or tokens is None else None
    if tokens is None:
        from cubesat_tui.courier_tokens import CourierTokens

        assert made is not None
        tokens = CourierTokens(made)
    return Rest(endpoint_of(mission), tokens, clock=clock), made


def follow_firebase(mission: Mission, directory: MissionDirectory, clock: Clock, operator: str) -> LinkMaker:
    """How a replica opens the link: as a user with a token, or with the key of a service account."""

    def opened(writer: StoreWriter, note: Note) -> Opened:
        from telemetry.links.firebase_link import FirebaseLink

        def courier() -> Publisher:
            from cubesat_tui.publisher import Publisher

            return Publisher(mission, directory, writer, clock, (), note, name=operator)

        keep_place(writer, mission)
        rest, made = open_rest(mission, clock, courier, writes=False)
        return Opened(FirebaseLink(rest), None if made is None else made.run)

    return opened
