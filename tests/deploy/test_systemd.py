"""The units of deploy/systemd: systemd takes them, they start what compose.yaml starts, and give it no rights."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = {name: DEPLOY / "systemd" / f"cubesat-tui-{name}@.service" for name in ("station", "trainer")}
INSTALLED = "/opt/cubesat-tui/bin/cubesat-tui"


@pytest.fixture
def systemd_analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("systemd-analyze is not installed, and CI must hold the units to it")
        pytest.skip("systemd-analyze is not installed: apt install systemd")
    return found


def verify(program: str, folder: Path) -> tuple[int, str]:
    """What `systemd-analyze verify` says of both units, with this program where they have the installed one."""
    folder.mkdir(exist_ok=True)
    for path in UNITS.values():
        copy = folder / path.name
        if not copy.exists():
            text = path.read_text(encoding="utf-8")
            here = str(Path(sys.executable).parent / "cubesat-tui")
            copy.write_text(text.replace(INSTALLED, here), encoding="utf-8")
    done = subprocess.run(
        [program, "verify", "--man=no", *(str(folder / path.name) for path in UNITS.values())],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_systemd_takes_both_units_without_a_word(systemd_analyze: str, tmp_path: Path) -> None:
    assert verify(systemd_analyze, tmp_path) == (0, "")


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("ProtectSystem=strict", "ProtectSytem=strict", "Unknown key"),
        ("KillMode=mixed", "KillMode=mixd", "mixd"),
        (INSTALLED, "/nowhere/cubesat-tui", "not executable"),
    ],
)
def test_systemd_tells_of_a_unit_that_is_wrong(
    systemd_analyze: str, tmp_path: Path, right: str, wrong: str, words: str
) -> None:
    text = UNITS["station"].read_text(encoding="utf-8")
    assert right in text
    (tmp_path / UNITS["station"].name).write_text(text.replace(right, wrong), encoding="utf-8")
    assert words in verify(systemd_analyze, tmp_path)[1]


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_what_the_container_starts(name: str) -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    (command,) = re.findall(r"^ExecStart=(.*)$", UNITS[name].read_text(encoding="utf-8"), re.M)
    contained = " ".join(services[name]["command"]).removesuffix(" --jobs 1")
    assert command == contained.replace("cubesat-tui", INSTALLED, 1).replace(
        "/mission ", "/var/lib/cubesat-tui/%i "
    )


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_runs_as_a_user_that_may_write_its_mission_and_nothing_else(name: str) -> None:
    lines = UNITS[name].read_text(encoding="utf-8").splitlines()
    assert {
        "User=cubesat",
        "StateDirectory=cubesat-tui/%i",
        "StateDirectoryMode=0700",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "KillMode=mixed",
    } <= set(lines)
