"""Where MLflow believes the mission to be: it keeps absolute paths of files, and a mission directory may move.

A note of the place lies beside the files, so that a move is noticed without opening MLflow's store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.store.directory import MissionDirectory

NOTE = "mlflow-place"
FILES = "artifacts/mlflow"
"""Where in a mission directory MLflow keeps files."""


class Moved(Exception):
    """MLflow's paths lead to where the mission was: nothing is to be written there. One sentence."""


def files_uri(directory: MissionDirectory) -> str:
    """Where MLflow is to keep the files of runs."""
    return (directory.path.absolute() / FILES).as_uri()


def note(directory: MissionDirectory) -> None:
    """Write down that MLflow's paths lead here.

    Raises:
        OSError: the file cannot be written.
    """
    draft = directory.artifacts / f".{NOTE}"
    draft.write_text(f"{directory.path.absolute()}\n", encoding="utf-8", errors="surrogateescape")
    draft.replace(directory.artifacts / NOTE)


def moved_from(directory: MissionDirectory) -> str | None:
    """Where the mission was when MLflow's paths were written, to be shown; None where that is here or unknown."""
    noted = noted_place(directory)
    return None if noted is None or is_here(directory, noted) else plain_text(str(noted), 300)


def noted_place(directory: MissionDirectory) -> Path | None:
    """The place in the note; None where there is none."""
    try:
        noted = (directory.artifacts / NOTE).read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return None
    return Path(noted) if noted.startswith("/") else None


def stay(directory: MissionDirectory, locations: Callable[[], Iterable[str]]) -> None:
    """Make sure that MLflow's paths lead here. `locations`: of all experiments, asked where no note is.

    Raises:
        Moved: they lead to where the mission was before, or to the mission that this one is a copy of.
        OSError: the note cannot be written.
    """
    before = moved_from(directory)
    if before is None and not (directory.artifacts / NOTE).exists():
        before = next(iter(elsewhere(directory, locations())), None)
        if before is None:
            note(directory)
    if before is not None:
        raise Moved(sentence(before))


def elsewhere(directory: MissionDirectory, locations: Iterable[str]) -> tuple[Path, ...]:
    """The mission directories other than this one that `locations` of experiments lead to; others' are left out."""
    homes = dict.fromkeys(home for home in map(_home, locations) if home is not None)
    return tuple(home for home in homes if not is_here(directory, home))


def is_here(directory: MissionDirectory, home: Path) -> bool:
    """Whether `home` is this mission's directory, by whatever name."""
    return home == directory.path.absolute() or home.resolve() == directory.path.resolve()


def sentence(before: Path | str) -> str:
    """What to say of a mission that was moved."""
    place = plain_text(str(before), 300)
    return f"moved here from {place}, where MLflow looks for its files: cubesat-tui check --relocate mends it"


def _home(location: str) -> Path | None:
    path = unquote(location.removeprefix("file://")) if location.startswith("file:///") else location
    home, below, rest = path.rpartition(f"/{FILES}")
    return Path(home) if below and home.startswith("/") and rest[:1] in ("", "/") else None
