"""A newcomer types what docs/firebase.md says, in its order, up to a console on a live link."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from rtdb.tls import Tls

if TYPE_CHECKING:
    from rtdb.server import RtdbServer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "firebase.md").read_text(encoding="utf-8")
URL = "https://YOUR-PROJECT-default-rtdb.firebaseio.com"
MISSION = "cubesat_tui/kestrel-1"


class Block(NamedTuple):
    """A fenced block: what stands after the backquotes, and its commands without their prompts."""

    kind: str
    script: str


def blocks() -> list[Block]:
    found = re.findall(r"^```(.*?)\n(.*?)^```$", PAGE, re.M | re.S)
    return [Block(kind, re.sub(r"(?m)^\$ ", "", body)) for kind, body in found]


def test_every_block_says_how_it_is_run_and_only_those_to_google_are_not() -> None:
    assert {block.kind for block in blocks()} == {
        "console", "console stays", "console emulator", "console google", "toml"
    }  # fmt: skip
    for block in blocks():
        speaks = any(word in block.script for word in ("googleapis.com", "firebase_admin"))
        assert (block.kind == "console google") == speaks


@pytest.fixture
def project(tmp_path: Path, firebase_server: RtdbServer) -> Iterator[dict[str, str]]:
    """What the first part of the page has made: a database with the rules, and a key; the environment with both."""
    tls = Tls(tmp_path, firebase_server.port)
    firebase_server.set_rules((ROOT / "deploy/firebase/database.rules.json").read_text(encoding="utf-8"))
    downloads = tmp_path / "Downloads"
    downloads.mkdir()
    key = downloads / "YOUR-PROJECT-firebase-adminsdk.json"
    key.write_text(json.dumps(firebase_server.service_account()), encoding="utf-8")
    yield {
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / ".local/share"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "CUBESAT_OPERATOR": "ann",
        "REQUESTS_CA_BUNDLE": str(tls.certificate),
        "SSL_CERT_FILE": str(tls.certificate),
        "DATABASE": f"https://127.0.0.1:{tls.port}",
    }
    tls.close()


def until(true: Callable[[], bool], seconds: float, what: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what()
        time.sleep(0.2)


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_the_commands_of_the_page_lead_to_a_live_link(
    window, firebase_server: RtdbServer, project: dict[str, str], tmp_path: Path
) -> None:
    windows = []
    for kind, text in blocks():
        script = text.replace(URL, project["DATABASE"]).strip()
        if kind == "console":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script],
                cwd=tmp_path, env=project, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
            )  # fmt: skip
            assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        elif kind == "console stays":
            windows.append(
                window(["bash", "-c", f"exec {script}"], columns=120, rows=40, env=project, cwd=tmp_path)
            )
            shown = windows[-1].screen
            wanted = ("frames", "owner", "status")[: len(windows)]
            until(lambda wanted=wanted: all(firebase_server.tree(f"{MISSION}/{one}") for one in wanted), 60, shown)
        elif kind == "console emulator":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script],
                cwd=tmp_path,
                env={**project, "FIREBASE_DATABASE_EMULATOR_HOST": firebase_server.host},
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            assert "none needed" in done.stdout
            assert done.returncode == 0, done.stdout + done.stderr
    assert len(windows) == 3
    space, ground, desk = windows
    desk.wait_for("KESTREL-1", 60)
    desk.wait_for("LINK LIVE", 60)
    desk.wait_for(r"Battery voltage +\d", 60)
    assert not space.dead
    assert not ground.dead
    private = json.loads((tmp_path / "kestrel/key.json").read_text())["private_key"].splitlines()[1]
    logs = [path.read_text(errors="replace") for path in (tmp_path / "kestrel").rglob("*.log")]
    assert logs
    assert not [
        text for text in [*logs, *(one.screen() for one in windows)] if private in text or "access-" in text
    ]
