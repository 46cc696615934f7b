"""What several commands share: which mission, whose name, how to print and how to refuse."""

from __future__ import annotations

import getpass
import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.reader import StoreReader

Command = TypeVar("Command", bound=Callable[..., Any])


class Refusal(click.ClickException):
    """A sentence for the user and the exit code that goes with it (1 failed, 2 wrong use, 3 not reachable)."""

    def __init__(self, *lines: str, exit_code: int = 2) -> None:
        super().__init__("\n".join(lines))
        # click reads it from the instance, and declares it for the class.
        self.__dict__["exit_code"] = exit_code

    def show(self, file: Any = None) -> None:
        """Write the sentences to stderr, each behind the program's name."""
        for line in self.message.splitlines():
            click.echo(f"cubesat-tui: {plain_text(line, 400)}", err=True)


def refuse(*lines: str, exit_code: int = 2) -> NoReturn:
    """Leave with these sentences on stderr."""
    raise Refusal(*lines, exit_code=exit_code)


def mission_option(command: Command) -> Command:
    """`--mission DIR`, on the program or on the command."""
    return click.option(
        "--mission",
        "mission_path",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Mission directory (default: the demo mission).",
    )(command)


def json_option(command: Command) -> Command:
    """`--json`: one object on stdout and nothing else."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")(command)


def operator_option(command: Command) -> Command:
    """`--operator NAME`, on the program or on the command."""
    return click.option("--operator", metavar="NAME", help="Your name in the journal (default: the login name).")(
        command
    )


def demo_path() -> Path:
    """Where the demo mission lives."""
    from platformdirs import user_data_path

    return user_data_path("cubesat-tui") / "demo"


def mission_path_of(context: click.Context, given: Path | None) -> Path:
    """The mission directory asked for: on the command, else on the program, else the demo mission."""
    if given is not None:
        return given.expanduser().absolute()
    outer = context.find_root().params.get("mission_path")
    return outer.expanduser().absolute() if isinstance(outer, Path) else demo_path()


def operator_of(context: click.Context, given: str | None) -> str:
    """The operator's name: `--operator`, `CUBESAT_OPERATOR`, else the login name."""
    outer = context.find_root().params.get("operator")
    name = given or outer or os.environ.get("CUBESAT_OPERATOR", "")
    if not name:
        try:
            name = getpass.getuser()
        except (KeyError, OSError):
            name = "unknown"
    return plain_text(str(name).strip(), 40) or "unknown"


def open_directory(path: Path) -> MissionDirectory:
    """The mission directory at `path`.

    Raises:
        Refusal: nothing there, or a place a mission cannot live in.
    """
    from telemetry.store.directory import MissionDirectory

    if not path.is_dir():
        refuse(
            f"{path}: no such mission directory; cubesat-tui creates the demo mission, --mission DIR names another"
        )
    directory = MissionDirectory(path)
    if not directory.toml.is_file():
        refuse(f"{directory.toml}: not found; a mission directory holds a mission.toml")
    return directory


def load_mission(path: Path) -> Mission:
    """The mission definition in the directory or file `path`.

    Raises:
        Refusal: it cannot be used; one line for each error.
    """
    from telemetry.dictionary import MissionError, read_mission

    try:
        return read_mission(path)
    except MissionError as error:
        refuse(*error.lines)


def open_stored(context: click.Context, given: Path | None, nothing: str) -> tuple[MissionDirectory, Mission]:
    """The mission asked for, which must have a store; `nothing`: what there is not otherwise, in words.

    Raises:
        Refusal: there is no mission (exit 2), or no station has run there yet (exit 3).
    """
    directory = open_directory(mission_path_of(context, given))
    mission = load_mission(directory.path)
    if not directory.telemetry.exists():
        refuse(f"{directory.path}: no station has run here yet, so {nothing}", exit_code=3)
    return directory, mission


@contextmanager
def reading(directory: MissionDirectory) -> Iterator[StoreReader]:
    """The mission store, closed behind it.

    Raises:
        Refusal: it cannot be read (exit 1).
    """
    from telemetry.store.errors import StoreError
    from telemetry.store.reader import StoreReader

    try:
        reader = StoreReader(directory.telemetry)
        try:
            yield reader
        finally:
            reader.close()
    except StoreError as error:
        refuse(str(error), exit_code=1)


def satellite_of(mission: Mission, given: str | None) -> str:
    """The satellite asked for, else the first of the mission.

    Raises:
        Refusal: the mission has none of that name.
    """
    name = given or mission.satellites[0].name
    if name not in mission.by_name:
        refuse(f"--satellite: {plain_text(name, 80)!r}: allowed: {', '.join(mission.by_name)}")
    return name


def print_json(value: Any) -> None:
    """One JSON object on stdout, in ASCII so that a terminal that shows it can obey nothing in it.

    NaN and infinity become null, which JSON can hold.
    """
    click.echo(json.dumps(finite(value)))


def say(line: str) -> None:
    """One line for a person; nothing in it can steer the terminal."""
    click.echo(plain_text(line, 1000))


def finite(value: Any) -> Any:
    """`value` with every number JSON cannot hold replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return value
