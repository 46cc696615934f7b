"""Commands that would use a link refuse a key that is not kept as a key has to be: exit 2, one line, the fix."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = (
    ("run", "--source", "firebase"),
    ("run", "--publish", "firebase", "--source", "-"),
    ("--attach", "firebase"),
)


def refused(path: Path, command: tuple[str, ...], **environ: str) -> str:
    line = [sys.executable, "-P", "-m", "cubesat_tui", *command, "--mission", str(path)]
    if command[0].startswith("-"):
        line = [sys.executable, "-P", "-m", "cubesat_tui", "--mission", str(path), *command]
    done = subprocess.run(
        line,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environ},
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    return sentence


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("wrong", ["mode", "owner", "git"])
async def test_a_key_that_is_not_kept_well_is_exit_two_with_the_fix(
    publishing, secured, wrong: str, command
) -> None:
    key = secured.key
    fix = {"mode": f"chmod 600 {key}", "owner": "sudo chown ", "git": f"git rm --cached {key}"}
    if wrong == "mode":
        key.chmod(0o644)
    elif wrong == "git":
        subprocess.run(["git", "init", "-q"], cwd=key.parent, check=True)
        subprocess.run(["git", "add", key.name], cwd=key.parent, check=True)
    elif os.geteuid():
        key = Path("/etc/passwd")
    else:
        os.chown(key, 12345, 12345)
    mission = publishing(url=secured.url, link=f'credentials = "{key}"')
    mission.writer.close()
    sentence = refused(mission.directory.path, command)
    assert fix[wrong] in sentence
    private = json.loads(secured.key.read_text())["private_key"].splitlines()[1]
    assert private not in sentence


async def test_a_database_elsewhere_without_tls_is_exit_two_in_one_line(publishing) -> None:
    mission = publishing()
    mission.writer.close()
    text = mission.directory.toml.read_text().replace(mission.server.database_url, "http://10.0.0.1:9000")
    mission.directory.toml.write_text(text)
    sentence = refused(mission.directory.path, COMMANDS[0])
    assert (
        'mission.toml: link.url: "http://10.0.0.1:9000": allowed: https://HOST of a database, or http://'
        in sentence
    )
    mission.directory.toml.write_text(text.replace('url = "http://10.0.0.1:9000"', ""))
    sentence = refused(mission.directory.path, COMMANDS[0], FIREBASE_DATABASE_EMULATOR_HOST="10.0.0.1:9000")
    assert "FIREBASE_DATABASE_EMULATOR_HOST: 10.0.0.1:9000: allowed: host:port of this machine" in sentence
