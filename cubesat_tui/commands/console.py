"""`cubesat-tui`: the console, with a station in this process or on one that runs elsewhere."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from cubesat_tui.commands.linking import followed, follows_link, is_replica, links_of, target_directory
from cubesat_tui.commands.options import (
    load_mission,
    mission_path_of,
    open_directory,
    operator_of,
    refuse,
)
from cubesat_tui.roles import STATION, WrongRole
from cubesat_tui.terminal.first_line import FirstLine
from cubesat_tui.terminal.last_answers import LAST_QUESTION, swallow
from telemetry.link_config import FIREBASE, LinkRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from cubesat_tui.app import ConsoleApp
    from cubesat_tui.replica import Replica
    from cubesat_tui.sources import SourceFactory
    from cubesat_tui.station import Station
    from cubesat_tui.station_links import StationLinks
    from cubesat_tui.station_thread import Runs, StationThread
    from telemetry.clock import Clock
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory, MissionLock

TERM_PATIENCE_S = 0.7
"""How long the app may take to leave by itself before the station is stopped without it."""
TERM_ANSWERS_S = 0.6
"""How long answers of the terminal are waited for after that: TERM is not to take long."""
PLAIN_TERMINAL = (
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1004l\x1b[<u\x1b[?1049l\x1b[?25h\x1b[0m"
)


def need_terminal() -> None:
    """Refuse to draw where nobody looks.

    Raises:
        Refusal: stdin, stdout or stderr (Textual draws on it) is not a terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        refuse(
            "this is not a terminal; without one: cubesat-tui run (a station without a console),"
            " cubesat-tui status --json (how a mission stands)"
        )


def open_console(
    context: click.Context,
    mission_path: Path | None,
    attach: str | None,
    read_only: bool,
    operator: str | None,
) -> None:
    """Open the console and come back when the operator has left."""
    from cubesat_tui.commands.mission_start import ensure_mission
    from cubesat_tui.sources import NoSource, source_of
    from telemetry.clock import SystemClock
    from telemetry.store.directory import MissionLock

    linked = attach == FIREBASE
    path = target_directory(attach) if attach and not linked else mission_path_of(context, mission_path)
    if not linked:
        need_terminal()
    name = operator_of(context, operator)
    clock = SystemClock()
    if attach == "" and not (path / "mission.toml").is_file():
        open_directory(path)
    if attach == "" and not MissionLock(path / "station.lock").holder():
        # No station runs here: the link that mission.toml names, if it names one.
        target = load_mission(path).link.target
        linked = target == FIREBASE or (target is None and is_replica(open_directory(path)))
        path = path if linked or target is None else target_directory(target, path)
    if linked:
        open_replica(open_directory(path), clock, name, read_only=read_only)
        return
    if attach is not None or read_only:
        directory = open_directory(path)
        mission = load_mission(directory.path)
        if not directory.telemetry.exists():
            refuse(f"{path}: no station has run here yet; start one: cubesat-tui run --mission {path}", exit_code=3)
        show(directory, mission, clock, name, read_only=read_only)
        return
    first_start = ensure_mission(context, path)
    directory = open_directory(path)
    mission = load_mission(directory.path)
    if follows_link(mission):
        links = links_of(mission, follow=True)
        assert links is not None
        start_and_show(directory, mission, *followed(links), clock, name, links=links)
        return
    try:
        source_name, make_source = source_of(mission, clock)
    except NoSource as error:
        if not directory.telemetry.exists() or not MissionLock(directory.station_lock).holder():
            refuse(str(error))
        show(directory, mission, clock, name, read_only=read_only)
        return
    start_and_show(directory, mission, source_name, make_source, clock, name, first_start=first_start)


def start_and_show(
    directory: MissionDirectory,
    mission: Mission,
    source_name: str,
    make_source: SourceFactory,
    clock: Clock,
    operator: str,
    *,
    first_start: bool = False,
    can_hand_over: bool = True,
    links: StationLinks | None = None,
) -> None:
    """Run the console, and once it stands on the screen a station in a thread of this process.

    The mission is taken and its store made ready first; where a station runs already the console attaches to it.

    Raises:
        Refusal: the store cannot be used (exit 1), or the directory is a replica (exit 2).
    """

    def make(lock: MissionLock) -> Station:
        from cubesat_tui.station import Station

        return Station(
            directory, mission, source_name, make_source, clock=clock, operator=operator, lock=lock, links=links
        )

    thread = _held(directory, mission, clock, operator, make)
    if thread is not None:
        show(
            directory, mission, clock, operator, thread=thread, first_start=first_start, can_hand_over=can_hand_over
        )


def open_replica(directory: MissionDirectory, clock: Clock, operator: str, *, read_only: bool = False) -> None:
    """Run the console on a replica of the station at the other end of the link, which is filled in this process.

    Raises:
        Refusal: the link cannot be used, or the directory holds a station's own mission (exit 2).
    """
    from cubesat_tui.link_opening import check_to_follow, follow_firebase
    from cubesat_tui.link_places import check_place
    from cubesat_tui.roles import REPLICA, role_of
    from telemetry.store.errors import StoreError

    mission = load_mission(directory.path)
    try:
        check_to_follow(mission)
        if role_of(directory) == REPLICA:
            check_place(directory, mission)
    except LinkRefused as error:
        refuse(str(error))
    except StoreError as error:
        refuse(str(error), exit_code=1)
    need_terminal()

    def make(lock: MissionLock) -> Replica:
        from cubesat_tui.replica import Replica

        link = follow_firebase(mission, directory, clock, operator)
        return Replica(directory, mission, FIREBASE, link, clock=clock, operator=operator, lock=lock)

    directory.create()
    thread = _held(directory, mission, clock, operator, make, role=REPLICA)
    if thread is not None:
        show(
            directory,
            mission,
            clock,
            operator,
            thread=thread,
            read_only=read_only,
            can_hand_over=False,
            replica=True,
        )


def _held(
    directory: MissionDirectory,
    mission: Mission,
    clock: Clock,
    operator: str,
    make: Callable[[MissionLock], Runs],
    role: str = STATION,
) -> StationThread | None:
    """The thread that will run what `make` returns, its directory taken; None after attaching to who has it."""
    from cubesat_tui.station_thread import StationThread
    from telemetry.store.directory import MissionHeld
    from telemetry.store.errors import StoreError

    log_to_file(directory)
    thread = StationThread(directory, clock, make, role)
    try:
        thread.hold()
    except MissionHeld as error:
        show(directory, mission, clock, operator, notice=f"{error}: attached to it")
        return None
    except StoreError as error:
        refuse(str(error), exit_code=2 if isinstance(error, WrongRole) else 1)
    return thread


def show(
    directory: MissionDirectory,
    mission: Mission,
    clock: Clock,
    operator: str,
    *,
    read_only: bool = False,
    thread: StationThread | None = None,
    first_start: bool = False,
    can_hand_over: bool = True,
    notice: str = "",
    replica: bool = False,
) -> None:
    """Run the app until the operator leaves, then do with the station of this process what was asked."""

    from cubesat_tui.app import ConsoleApp
    from cubesat_tui.departure import Departure
    from cubesat_tui.handover import CONSOLE_FAILED, KEPT_RUNNING, hand_over
    from cubesat_tui.mission_app import START_TIMEOUT_S
    from cubesat_tui.terminal.line_choice import line_pace
    from cubesat_tui.terminal.sign_width import signs_for
    from telemetry.store.errors import StoreError

    root = click.get_current_context().find_root()
    line = line_pace(root.params.get("line"), os.environ)
    first_line = root.obj if isinstance(root.obj, FirstLine) else FirstLine()
    if thread is None and not read_only:
        with contextlib.suppress(OSError):
            log_to_file(directory, "console.log", "WARNING")
    signs = signs_for(root.params.get("signs"), os.environ, first_line.sign_width())
    app = ConsoleApp(
        directory,
        clock=clock,
        operator=operator,
        read_only=read_only,
        station=thread,
        first_start=first_start,
        ascii_signs=signs.ascii,
        block_dots=signs.blocks,
        notice=notice,
        mission=mission,
        replica=replica,
        line=line,
    )
    line.answers, line.owed, line.entered = first_line.answered, first_line.owed, first_line.hand_over()
    leave_on_signals(app, directory, clock, operator, thread if can_hand_over else None, thread)
    departure = app.run(mouse=root.params.get("mouse"))
    crashed = bool(app.return_code)
    if thread is None:
        sys.exit(1 if crashed else 0)
    successor = None
    if (departure is Departure.KEEP_RUNNING or crashed) and thread.alive and can_hand_over:
        reason = CONSOLE_FAILED if crashed else KEPT_RUNNING
        successor = hand_over(directory, operator=operator, reason=reason, clock=clock)
    failed = thread.failure
    stopped = thread.stop()
    if departure is Departure.NO_STATION and failed is None:
        refuse(f"the station did not start within {START_TIMEOUT_S:.0f} s", exit_code=1)
    if departure is Departure.NO_STATION and isinstance(failed, StoreError):
        refuse(str(failed), exit_code=1)
    if failed is not None:
        refuse(f"the station failed: {type(failed).__name__}: {failed}; see {directory.log}", exit_code=1)
    if successor is not None:
        click.echo(f"cubesat-tui: the station runs on as process {successor}")
    if not stopped:
        # The thread is a daemon and everything confirmed is durable: leaving now loses nothing.
        click.echo("cubesat-tui: the station did not stop in time; what was confirmed is stored", err=True)
        os._exit(1)
    if crashed:
        sys.exit(1)


def leave_on_signals(
    app: ConsoleApp,
    directory: MissionDirectory,
    clock: Clock,
    operator: str,
    heritage: StationThread | None,
    thread: StationThread | None,
) -> None:
    """TERM stops everything; a lost terminal ends the console and hands the station (`heritage`) on.

    The work is done on a thread of its own: a console whose terminal has gone may never get to it.
    """
    from cubesat_tui.attention import POP_TITLE
    from cubesat_tui.handover import LOST_TERMINAL, hand_over

    begun = threading.Event()
    before = termios.tcgetattr(sys.stdin.fileno())

    def hung_up() -> None:
        if heritage is not None and heritage.alive:
            hand_over(directory, operator=operator, reason=LOST_TERMINAL, clock=clock)
        _end(thread)

    def terminated() -> None:
        app_loop = getattr(app, "_loop", None)
        if app_loop is not None:
            app_loop.call_soon_threadsafe(app.exit)
        if thread is not None:
            thread.stop()
        threading.Event().wait(TERM_PATIENCE_S)
        _restore_terminal(POP_TITLE if app.attention.titled else "", before)
        _end(None)

    def begin(number: int, frame: FrameType | None) -> None:
        del frame
        if not begun.is_set():
            begun.set()
            work = hung_up if number == signal.SIGHUP else terminated
            threading.Thread(target=work, name="departure", daemon=True).start()

    def watch_terminal() -> None:
        # Under `make run` or `sudo` the hang-up goes to them alone, and they wait for us: look for ourselves.
        ears = select.poll()
        ears.register(sys.stdin.fileno(), 0)
        if ears.poll():
            begin(signal.SIGHUP, None)

    signal.signal(signal.SIGHUP, begin)
    signal.signal(signal.SIGTERM, begin)
    threading.Thread(target=watch_terminal, name="terminal", daemon=True).start()


def _end(thread: StationThread | None) -> NoReturn:
    if thread is not None:
        thread.stop(1.5)
    os._exit(0)


def _restore_terminal(more: str, before: list[Any]) -> None:
    try:
        os.write(sys.__stdout__.fileno() if sys.__stdout__ else 1, (PLAIN_TERMINAL + more + LAST_QUESTION).encode())
        swallow(sys.stdin.fileno(), TERM_ANSWERS_S)
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, before)
    except (OSError, termios.error):
        # The terminal went away as well.
        pass


def log_to_file(directory: MissionDirectory, name: str = "station.log", level: str = "INFO") -> None:
    """What this process has to say goes to the mission's `log/`, never over the screen."""
    import logging

    directory.log.mkdir(mode=0o700, exist_ok=True)
    # A console that has nothing to tell leaves no file.
    file = logging.FileHandler(directory.log / name, delay=True)
    form = "%(asctime)s %(name)s %(levelname)s %(message)s"
    logging.basicConfig(handlers=[file], level=level, format=form)
