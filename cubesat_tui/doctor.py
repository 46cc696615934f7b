"""Offline diagnosis of this machine and one mission: one `Check` per question, nothing changed, no network."""

from __future__ import annotations

import os
import platform
import select
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from telemetry.clock import iso

if TYPE_CHECKING:
    from telemetry.store.directory import MissionDirectory

PACKAGES = ("textual", "numpy", "apsw", "msgspec", "sgp4", "scikit-learn", "mlflow", "pyarrow")
SAFE_SQLITE = (3, 51, 3)
"""First release without the WAL-reset bug that can lose commits when two processes share a file."""
LOW_DISK = 200 << 20
SIGNS = "◈◆▲△■⣿"
MEASURE_TIMEOUT_S = 0.5
RETRAIN_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Check:
    """The answer to one question. `state`: `ok`, `warn` (works, with a drawback) or `fail`; `hint`: what to do."""

    name: str
    state: str
    text: str
    hint: str = ""


def examine(directory: MissionDirectory | None, environment: Mapping[str, str] = os.environ) -> list[Check]:
    """Every check, in the order of the list a user reads."""
    checks = [versions(), terminal(environment), colours(environment), glyphs(environment), clock(), sqlite()]
    if directory is not None:
        checks += [disk(directory.path), locks(directory), *store(directory)]
    else:
        checks.append(disk(Path.cwd()))
    return checks


def versions() -> Check:
    """This program, Python and the packages it stands on."""
    found: list[str] = []
    missing: list[str] = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    text = f"cubesat-tui {version('cubesat-tui')}, Python {platform.python_version()}, {', '.join(found)}"
    if missing:
        return Check("versions", "fail", f"not installed: {', '.join(missing)}", "install from the lock: make run")
    return Check("versions", "ok", text)


def terminal(environment: Mapping[str, str]) -> Check:
    """Is this a terminal, and how large is it?"""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return Check(
            "terminal", "warn", "not a terminal", "without one: cubesat-tui run, cubesat-tui status --json"
        )
    size = shutil.get_terminal_size()
    term = environment.get("TERM", "")
    text = f"{term or 'TERM not set'}, {size.columns}x{size.lines}"
    if term in {"", "dumb"}:
        return Check("terminal", "fail", text, "set TERM to what your terminal is, for example xterm-256color")
    if size.columns < 80 or size.lines < 24:
        return Check("terminal", "warn", text, "below 80x24 the console shows less")
    return Check("terminal", "ok", text)


def colours(environment: Mapping[str, str]) -> Check:
    """How many colours the terminal says it has."""
    if environment.get("NO_COLOR"):
        return Check("colours", "warn", "NO_COLOR is set: shapes and words only", "unset NO_COLOR for colours")
    if environment.get("COLORTERM", "") in {"truecolor", "24bit"}:
        return Check("colours", "ok", "16 million")
    term = environment.get("TERM", "")
    if "256" in term:
        return Check("colours", "ok", "256")
    if term in {"", "dumb"}:
        return Check("colours", "warn", "none", "set TERM, for example to xterm-256color")
    return Check("colours", "warn", f"16 ({term})", "for more: TERM=xterm-256color, or COLORTERM=truecolor")


def glyphs(environment: Mapping[str, str]) -> Check:
    """Are the signs of the screens one cell wide here? Measured where there is a terminal to ask."""
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if encoding != "utf8":
        return Check(
            "glyphs",
            "warn",
            f"output is {encoding or 'unknown'}, not UTF-8",
            "set LANG=C.UTF-8; ASCII signs until then",
        )
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or environment.get("TERM", "") in {"", "dumb"}:
        return Check("glyphs", "ok", "UTF-8; width not measured, not a terminal")
    width = measured_width(SIGNS)
    if width is None:
        return Check("glyphs", "warn", "UTF-8; the terminal does not say where its cursor is")
    if width != len(SIGNS):
        return Check(
            "glyphs",
            "warn",
            f"{len(SIGNS)} signs take {width} cells",
            "set ambiguous-width characters to narrow, or choose the ASCII signs",
        )
    return Check("glyphs", "ok", f"UTF-8, signs one cell wide: {SIGNS}")


def measured_width(text: str) -> int | None:
    """Cells that `text` takes, asked of the terminal by cursor position reports; None when it does not answer."""
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        sys.stdout.write(f"\r{text}\x1b[6n")
        sys.stdout.flush()
        report = _read_report(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        sys.stdout.write("\r\x1b[K")
        sys.stdout.flush()
    _, _, column = report.rpartition(";")
    return int(column) - 1 if column.isdigit() else None


def _read_report(descriptor: int) -> str:
    """The reply `ESC [ row ; column R` without its ends; empty on silence."""
    until = time.monotonic() + MEASURE_TIMEOUT_S
    reply = b""
    while not reply.endswith(b"R"):
        left = until - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return ""
        reply += os.read(descriptor, 32)
    return reply.rpartition(b"[")[2][:-1].decode("ascii", "replace")


def clock() -> Check:
    """Does the wall clock stand at a time this program can have been run at?"""
    now = time.time_ns()
    text = f"{iso(now // 1_000_000_000 * 1_000_000_000)}, UTC inside and on screen"
    if now < int(1_735_689_600e9):
        return Check("clock", "fail", text, "the wall clock is before 2025: set it; new frames would look old")
    return Check("clock", "ok", text)


def sqlite() -> Check:
    """Is the SQLite inside apsw new enough for several processes on one store?"""
    import apsw

    text = apsw.sqlite_lib_version()
    numbers = tuple(int(part) for part in text.split(".")[:3])
    if numbers < SAFE_SQLITE:
        wanted = ".".join(map(str, SAFE_SQLITE))
        return Check("sqlite", "fail", text, f"older than {wanted}, which can lose commits: pip install -U apsw")
    return Check("sqlite", "ok", text)


def disk(path: Path) -> Check:
    """Free space where the mission lives."""
    place = path
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    text = f"{free / (1 << 20):,.0f} MiB free at {place}"
    if free < 1 << 20:
        return Check("disk", "fail", text, "frames are refused until there is space again; old data stays readable")
    if free < LOW_DISK:
        return Check(
            "disk", "warn", text, "free some space: a satellite with 44 channels writes about 40 MiB a day"
        )
    return Check("disk", "ok", text)


def locks(directory: MissionDirectory) -> Check:
    """Who holds the mission now, as the kernel tells it."""
    from telemetry.store.directory import MissionLock

    held = [name for name in ("station", "trainer") if MissionLock(directory.path / f"{name}.lock").holder()]
    text = f"held: {', '.join(held)}" if held else "free: no station and no trainer runs here"
    return Check("locks", "ok", text)


def store(directory: MissionDirectory) -> list[Check]:
    """The mission store: readable, sound, fed and watched by a model?"""
    from telemetry.store.directory import MissionLock
    from telemetry.store.reader import StoreReader

    if not directory.db.exists():
        return [Check("store", "warn", "nothing stored yet", "start a station: cubesat-tui run")]
    try:
        reader = StoreReader(directory.db)
    except Exception as error:  # noqa: BLE001  # whatever stops a store from opening is the answer here
        return [Check("store", "fail", f"cannot be opened: {error}", "cubesat-tui check; copy the directory first")]
    try:
        running = MissionLock(directory.path / "station.lock").holder()
        return _store_checks(reader, running)
    finally:
        reader.close()


def _store_checks(reader: object, running: bool) -> list[Check]:
    from cubesat_tui.status import status_of_reader

    assert reader is not None
    status = status_of_reader(reader)
    sound = status["integrity"] if "integrity" in status else reader.integrity()  # type: ignore[attr-defined]
    checks = [
        Check("store", "ok", f"{status['frames']:,} frames, {status['store_bytes'] / (1 << 20):.1f} MiB, sound")
        if sound == "ok"
        else Check("store", "fail", str(sound), "stop the station, copy the directory, restore a backup")
    ]
    return checks


Probe = Callable[[], Check]
