"""Offline diagnosis of this machine and one mission: one `Check` per question, nothing changed, no network."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cubesat_tui.terminal.sign_width import SIGNS, measured_width, utf8_output
from telemetry.clock import NS_PER_S, iso
from telemetry.dictionary import MissionError

if TYPE_CHECKING:
    from telemetry.clock import Clock
    from telemetry.store.directory import MissionDirectory

PACKAGES = ("textual", "numpy", "apsw", "msgspec", "sgp4", "scikit-learn", "mlflow", "pyarrow")
SAFE_SQLITE = (3, 51, 3)
"""First release without the WAL-reset bug that can lose commits when two processes share a file."""
LOW_DISK = 200 << 20
OLDEST_NS = 1_735_689_600 * NS_PER_S
"""2025-01-01: a clock before this was never set."""


@dataclass(frozen=True, slots=True)
class Check:
    """The answer to one question. `state`: `ok`, `warn` (works, with a drawback) or `fail`; `hint`: what to do."""

    name: str
    state: str
    text: str
    hint: str = ""


def examine(directory: MissionDirectory, clock: Clock, environment: Mapping[str, str] = os.environ) -> list[Check]:
    """Every check, in the order of the list a user reads; of a mission that does not exist only its place."""
    checks = [
        versions(),
        terminal(environment),
        colours(environment),
        glyphs(environment),
        wall_clock(clock),
        sqlite(),
        disk(directory.path),
    ]
    if not directory.toml.is_file():
        hint = "cubesat-tui makes the demo mission; --mission DIR names another"
        return [*checks, Check("mission", "warn", f"none in {directory.path}", hint)]
    return [*checks, locks(directory), *audit(directory), *store(directory, clock)]


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
    if not utf8_output():
        return Check(
            "glyphs",
            "warn",
            f"output is {sys.stdout.encoding or 'unknown'}, not UTF-8",
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


def wall_clock(clock: Clock) -> Check:
    """Does the wall clock stand at a time this program can have been run at?"""
    now = clock.now_ns()
    text = f"{iso(now // NS_PER_S * NS_PER_S)}, UTC inside and on screen"
    if now < OLDEST_NS:
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

    places = {"station": directory.station_lock, "trainer": directory.trainer_lock}
    held = [name for name, place in places.items() if MissionLock(place).holder()]
    if held:
        return Check("locks", "ok", f"held by a running {' and a '.join(held)}")
    return Check(
        "locks", "ok", "free: no station and no trainer runs here; lock files without a holder mean nothing"
    )


def audit(directory: MissionDirectory) -> list[Check]:
    """Is the mission where MLflow believes it to be? Without a store of MLflow's there is nothing to ask."""
    from trainer.tracking.place import moved_from

    if not directory.mlflow.exists():
        return []
    before = moved_from(directory)
    if before is None:
        return [Check("mlflow", "ok", "its paths of files lead here")]
    return [Check("mlflow", "warn", f"its paths of files lead to {before}", "cubesat-tui check --relocate")]


def store(directory: MissionDirectory, clock: Clock) -> list[Check]:
    """The mission store: readable, sound, fed, and watched by a model?"""
    from cubesat_tui.status import read_status
    from telemetry.store.errors import StoreError
    from telemetry.store.reader import StoreReader

    if not directory.telemetry.exists():
        return [Check("store", "warn", "nothing stored yet", f"cubesat-tui run --mission {directory.path}")]
    try:
        reader = StoreReader(directory.telemetry)
        try:
            sound = reader.integrity()
        finally:
            reader.close()
        status = read_status(directory, clock)
    except StoreError as error:
        return [Check("store", "fail", str(error), "copy the mission directory before anything else")]
    except MissionError as error:
        return [Check("mission", "fail", error.lines[0], "cubesat-tui check lists every error")]
    size = status["store_bytes"] / (1 << 20)
    checks = [
        Check("store", "ok", f"{status['frames']:,} frames, {size:.1f} MiB, sound")
        if sound == "ok"
        else Check(
            "store", "fail", sound, "stop the station and copy the mission directory; old rows may be readable"
        )
    ]
    return [*checks, data(status), model(status)]


def data(status: Mapping[str, Any]) -> Check:
    """Why there may be nothing in the graphs."""
    age = status["freshness"]["age_s"]
    if not status["station"]["running"]:
        return Check(
            "data", "warn", "no station runs here, so nothing new comes", "cubesat-tui, or cubesat-tui run"
        )
    if status["disk_full"]:
        return Check("data", "fail", f"DISK FULL, {status['disk_full']} frames refused", "free some space")
    if age is None:
        return Check("data", "warn", "no frame was ever received", "cubesat-tui events says what the source does")
    state = "ok" if status["link"] in {"LIVE", "QUIET", "REPLAY"} else "warn"
    hint = "" if state == "ok" else f"{status['link_detail']}; cubesat-tui events --kind link."
    return Check("data", state, f"link {status['link']}, newest frame {age:.1f} s old", hint)


def model(status: Mapping[str, Any]) -> Check:
    """Why there may be no model, and no retrain."""
    trainer, learning = status["trainer"], status["learning"]
    version = status["model_version"]
    have = "no model yet" if version is None else f"model v{version}"
    if not status["station"]["running"]:
        return Check("model", "ok" if version is not None else "warn", f"{have}; no station, so no retrain")
    if trainer.get("error"):
        return Check(
            "model", "warn", f"{have}; trainer {trainer.get('state')}: {trainer['error']}", "log/trainer.log"
        )
    if trainer.get("state") == "off":
        return Check("model", "warn", f"{have}; the station runs without a trainer", "leave out --no-trainer")
    if version is None:
        k = "learning" if learning is None else f"learning {learning['have']} of {learning['need']} frames"
        return Check("model", "warn", f"no model yet: {k}", "the first fit needs some minutes of live frames")
    seconds = status["next_retrain_s"]
    return Check("model", "ok", have if seconds is None else f"{have}, next retrain in {seconds:.0f} s")
