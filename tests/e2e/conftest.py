"""A real terminal for end-to-end tests: tmux on a socket of its own, nothing of the user's configuration."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from telemetry.store.directory import MissionDirectory, MissionLock
from telemetry.store.errors import StoreError
from telemetry.store.reader import StoreReader


class Terminal:
    """One tmux window of a fixed size running one command; reads the screen as a person would."""

    def __init__(self, command: list[str], *, columns: int, rows: int, env: dict[str, str], cwd: Path) -> None:
        self._socket = f"cubesat-{uuid.uuid4().hex[:12]}"
        # `exec` so that the pane's process is the program itself: signals and exit codes are its own.
        line = "exec " + shlex.join(["env", *(f"{k}={v}" for k, v in env.items()), *command])
        self._tmux(
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-s",
            "t",
            "-x",
            str(columns),
            "-y",
            str(rows),
            "-c",
            str(cwd),
            line,
            ";",
            "set-option",
            "-g",
            "remain-on-exit",
            "on",
        )
        self.started = time.monotonic()

    def _tmux(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._socket, *arguments], capture_output=True, text=True, check=False, timeout=20
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"tmux {' '.join(arguments[:2])}: {done.stderr.strip()}")
        return done.stdout

    @property
    def pid(self) -> int:
        """Process id of the program in the pane."""
        return int(self._tmux("list-panes", "-t", "t", "-F", "#{pane_pid}").strip())

    @property
    def dead(self) -> bool:
        return self._tmux("list-panes", "-t", "t", "-F", "#{pane_dead}", check=False).strip() != "0"

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p", "-t", "t")

    def styled(self) -> str:
        """The screen with its colours, where only they tell what has the keyboard."""
        return self._tmux("capture-pane", "-e", "-p", "-t", "t")

    def keys(self, *keys: str) -> None:
        self._tmux("send-keys", "-t", "t", *keys)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-t", "t", "-l", text)

    def wait_for(self, wanted: str | Callable[[str], bool], seconds: float = 20, what: str = "") -> str:
        """The first screen that matches the regular expression (or predicate), else the test fails with it."""
        matches = wanted if callable(wanted) else (lambda text: re.search(wanted, text) is not None)
        deadline = time.monotonic() + seconds
        screen = ""
        while time.monotonic() < deadline:
            screen = self.screen()
            if matches(screen):
                return screen
            time.sleep(0.1)
        pytest.fail(f"not on screen within {seconds} s: {what or wanted}\n{screen}")

    def hang_up(self) -> None:
        """The line drops: the terminal is gone, with whatever that does to the program."""
        self._tmux("kill-server", check=False)

    def close(self) -> None:
        """End the program by TERM, so that it hands its station on to nobody, then the terminal."""
        deadline = time.monotonic() + 5
        with contextlib.suppress(ProcessLookupError, RuntimeError, ValueError):
            if not self.dead:
                os.kill(self.pid, signal.SIGTERM)
            while not self.dead and time.monotonic() < deadline:
                time.sleep(0.05)
        self._tmux("kill-server", check=False)


def end_stations(home: Path) -> None:
    """End whatever station still holds a mission below `home`: a closed terminal hands its mission on."""
    for lock in home.rglob("station.lock"):
        directory = MissionDirectory(lock.parent)
        deadline = time.monotonic() + 10
        while MissionLock(lock).holder() and time.monotonic() < deadline:
            with (
                contextlib.suppress(OSError, StoreError, AttributeError),
                contextlib.closing(StoreReader(directory.telemetry)) as reader,
            ):
                os.kill(int(reader.health().body["pid"]), signal.SIGTERM)
            time.sleep(0.2)
        if MissionLock(lock).holder():
            pytest.fail(f"a station outlived its test: {lock.parent}")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """An empty home directory; a station left in it is ended."""
    path = tmp_path / "home"
    path.mkdir()
    yield path
    end_stations(path)


@pytest.fixture
def user_env(home: Path) -> dict[str, str]:
    """What a user's shell gives the program, with nothing of this machine's home in it."""
    return {
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "CUBESAT_OPERATOR": "ann",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LANG": "C.UTF-8",
        "PATH": os.environ["PATH"],
    }


@pytest.fixture
def program() -> list[str]:
    """The installed console script of the environment the tests run in."""
    return [str(Path(sys.executable).parent / "cubesat-tui")]


@pytest.fixture
def window(user_env: dict[str, str], home: Path) -> Iterator[Callable[..., Terminal]]:
    """Open any command in a terminal: `window(["make", "run"], cwd=clone)`; all are closed afterwards."""
    if shutil.which("tmux") is None:
        if os.environ.get("CI"):
            pytest.fail("tmux is not installed, and CI must not skip the terminal tests")
        pytest.skip("tmux is not installed: apt install tmux")
    opened: list[Terminal] = []

    def start(
        command: list[str],
        *,
        columns: int = 80,
        rows: int = 24,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Terminal:
        one = Terminal(command, columns=columns, rows=rows, env={**user_env, **(env or {})}, cwd=cwd or home)
        opened.append(one)
        return one

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def terminal(window: Callable[..., Terminal], program: list[str]) -> Callable[..., Terminal]:
    """Open the program in a terminal: `terminal("--scenario", "quiet", columns=80, rows=24)`."""

    def start(*arguments: str, columns: int = 80, rows: int = 24, env: dict[str, str] | None = None) -> Terminal:
        return window([*program, *arguments], columns=columns, rows=rows, env=env)

    return start


@pytest.fixture
def cli(
    user_env: dict[str, str], program: list[str], home: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a headless command to its end: `cli("status", "--json")`."""

    def run(*arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*program, *arguments],
            env=user_env,
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    return run
