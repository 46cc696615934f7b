"""Google's own database engine, `@firebase/database` of npm, to compare the test server with."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import platformdirs

from random_cases import Case

HERE = Path(__file__).with_name("node")
FILES = ("package.json", "package-lock.json", "engine.mjs", "rules.mjs")


class NoEngine(Exception):
    """The engine cannot be had on this machine, and why."""


def installed() -> Path:
    """The folder with the engine at the versions of the lock file, installed when it is first asked for.

    It stands among the user's caches. Raises `NoEngine`.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise NoEngine(f"{program} is not installed")
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    place = platformdirs.user_cache_path("cubesat-tui") / f"rtdb-engine-{digest}"
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix="rtdb-engine-", dir=place.parent))
    for name in FILES:
        shutil.copy(HERE / name, fresh)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    try:
        subprocess.run(command, cwd=fresh, capture_output=True, text=True, timeout=100, check=True)
    except subprocess.SubprocessError as why:
        shutil.rmtree(fresh)
        told = why.stderr if isinstance(why, subprocess.CalledProcessError) else str(why)
        raise NoEngine(f"npm cannot install it: {told.strip()[-300:]}") from None
    try:
        fresh.rename(place)
    except OSError:
        # Another test run was faster.
        shutil.rmtree(fresh)
    return place


def run(cases: Sequence[Case]) -> list[dict[str, list[Any]]]:
    """What the engine makes of each case; see node/engine.mjs. Raises `NoEngine`."""
    place = installed()
    lines = "".join(json.dumps(case._asdict()) + "\n" for case in cases)
    done = subprocess.run(
        ["node", "engine.mjs"], input=lines, capture_output=True, text=True, cwd=place, env=_quiet()
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return [json.loads(line) for line in done.stdout.splitlines()]


def _quiet() -> dict[str, str]:
    """Nothing of the user's Firebase configuration reaches the engine."""
    return {key: value for key, value in os.environ.items() if "FIREBASE" not in key}
