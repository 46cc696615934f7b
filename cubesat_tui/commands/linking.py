"""What commands share that use the link of a mission: which targets there are, and what a station does over it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cubesat_tui.commands.options import refuse
from telemetry.link_config import FIREBASE, LinkRefused
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from cubesat_tui.sources import SourceFactory
    from cubesat_tui.station_links import StationLinks
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory

TARGETS = (
    "nothing (a running station of the mission directory, else the target of [link] in mission.toml)",
    "a mission directory",
    f"{FIREBASE} (the link of mission.toml)",
)


def check_firebase(option: str, given: str | None, others: str = "") -> bool:
    """Whether an option names the link; False where it was not given.

    Raises:
        Refusal: it names something else (exit 2).
    """
    if given not in {None, FIREBASE}:
        refuse(f"{option}: {plain_text(given or '', 80)!r}: unknown target. Known: {others}{FIREBASE}")
    return given is not None


def follows_link(mission: Mission) -> bool:
    """Whether the mission's own source is a link."""
    return mission.source.kind == FIREBASE


def links_of(
    mission: Mission, *, follow: bool = False, publish: bool = False, take_over: bool = False
) -> StationLinks | None:
    """What a station of `mission` does over its link; None where it uses none.

    `follow`: its frames come over the link; `publish`: what it receives and judges goes there.

    Raises:
        Refusal: the link cannot be used so, and what to do (exit 2).
    """
    from telemetry.links.link_keys import STREAMS

    original = follow and mission.source.layout == "original"
    if follow and publish and not original:
        refuse("--publish: frames of this mission come over its link, and what is judged of them goes there anyway")
    if not (follow or publish):
        if take_over:
            refuse(
                "--take-over takes the place of another station on a link: --publish firebase, or frames from one"
            )
        return None
    from cubesat_tui.station_links import JUDGED, LinkRole, StationLinks

    streams = STREAMS if publish else () if original else JUDGED
    return checked(StationLinks(mission, LinkRole(streams, take_over)))


def checked(links: StationLinks) -> StationLinks:
    """`links`, seen to be usable.

    Raises:
        Refusal: the link cannot be used, and what to do (exit 2).
    """
    try:
        links.check()
    except LinkRefused as error:
        refuse(str(error))
    return links


def followed(links: StationLinks) -> tuple[str, SourceFactory]:
    """Name of the source that is a link, and how to make it."""
    return FIREBASE, links.source


def over_the_link(mission: Mission) -> Mission:
    """The mission with its link as source: a copy of the mission.toml of whoever flies it will do."""
    import msgspec

    from telemetry.dictionary import SourceConfig

    if follows_link(mission):
        return mission
    source = SourceConfig(kind=FIREBASE, simulated=mission.simulated, visible=mission.source.visible)
    return msgspec.structs.replace(mission, source=source)


def refuse_in_replica(directory: MissionDirectory) -> None:
    """See that a directory is no replica: nothing is judged or decided there.

    Raises:
        Refusal: it is one (exit 2).
    """
    from cubesat_tui.roles import REPLICA, wrong_role

    if is_replica(directory):
        refuse(wrong_role(directory, REPLICA))


def is_replica(directory: MissionDirectory) -> bool:
    """Whether a directory is a replica of a station that runs elsewhere.

    Raises:
        Refusal: its store cannot be read (exit 1).
    """
    from cubesat_tui.roles import REPLICA, role_of
    from telemetry.store.errors import StoreError

    try:
        return role_of(directory) == REPLICA
    except StoreError as error:
        refuse(str(error), exit_code=1)


def target_directory(attach: str, beside: Path | None = None) -> Path:
    """The mission directory that `--attach` names, or the target of [link] in the mission.toml in `beside`.

    Raises:
        Refusal: a target nobody knows (exit 2).
    """
    path = (beside or Path()) / Path(attach).expanduser()
    if not path.is_dir():
        refuse(f"--attach: {plain_text(attach, 200)!r}: unknown target. Known: {'; '.join(TARGETS)}")
    return path.absolute()
