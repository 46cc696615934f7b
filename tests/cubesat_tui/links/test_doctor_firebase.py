"""`cubesat-tui doctor --firebase`: what is wrong with a link, in words, and what to do about it."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from cubesat_tui.doctor import Check
from cubesat_tui.doctor_firebase import examine_link
from telemetry.clock import NS_PER_S, SystemClock

RULES = Path(__file__).parents[3] / "deploy" / "firebase" / "database.rules.json"


class Off(SystemClock):
    """A clock that is wrong by some seconds."""

    def __init__(self, seconds: float) -> None:
        self._ns = int(seconds * NS_PER_S)

    def now_ns(self) -> int:
        return super().now_ns() + self._ns


async def examine(mission, off_s: float = 0.0) -> tuple[dict[str, Check], int]:
    checks, code = await asyncio.to_thread(examine_link, mission.directory, Off(off_s))
    assert all(check.hint for check in checks if check.state != "ok" and check.name not in ("key", "link"))
    return {check.name: check for check in checks}, code


def states(checks: dict[str, Check]) -> dict[str, str]:
    return {name: check.state for name, check in checks.items()}


@pytest.fixture
def ruled(firebase_server) -> str:
    text = RULES.read_text(encoding="utf-8")
    firebase_server.set_rules(text)
    return text


async def test_a_sound_link_is_all_ok_and_nothing_is_left_behind(publishing, ruled) -> None:
    mission = publishing()
    before = mission.server.tree()
    checks, code = await examine(mission)
    assert code == 0
    assert set(states(checks).values()) == {"ok"}
    assert list(checks) == ["link", "key", "reach", "access", "clock", "rules", "stations"]
    assert checks["stations"].text == "frames: from nobody yet; scores and alarms: from nobody yet"
    assert mission.server.tree() == before


async def test_who_writes_is_told(publishing, ruled) -> None:
    mission = publishing()
    mission.start()
    await mission.until(lambda: mission.publisher.report.state == "LIVE")
    checks, _ = await examine(mission)
    assert re.match(r"frames: from ann@ground, heard \d s ago;", checks["stations"].text)


async def test_open_rules_are_told_with_what_to_do(publishing) -> None:
    mission = publishing()
    checks, code = examine_link(mission.directory, SystemClock())
    told = [check for check in checks if check.name == "rules"]
    assert [check.text for check in told] == [
        "anybody may read the mission without signing in",
        "a user may write acts in the name of another",
    ]
    assert all("database.rules.json" in check.hint for check in told)
    # On this machine alone.
    assert code == 0
    assert mission.server.tree() is None


async def test_open_rules_of_a_database_elsewhere_fail(publishing, secured) -> None:
    mission = publishing(url=secured.url, link=f'credentials = "{secured.key}"')
    mission.server.set_rules({"rules": {".read": True, ".write": True}})
    import cubesat_tui.doctor_firebase as doctor

    before = doctor.Endpoint.loopback
    try:
        doctor.Endpoint.loopback = property(lambda self: False)
        checks, code = await examine(mission)
    finally:
        doctor.Endpoint.loopback = before
    assert code == 1
    assert checks["rules"].state == "fail"


async def test_a_service_account_is_let_in_and_held_to_the_rules(publishing, secured, ruled) -> None:
    mission = publishing(url=secured.url, link=f'credentials = "{secured.key}"')
    mission.server.set_rules(ruled)
    checks, code = await examine(mission)
    assert (code, set(states(checks).values())) == (0, {"ok"})
    assert checks["access"].text == "let in as service"


@pytest.mark.parametrize(("claims", "code"), [({"role": "operator"}, 0), ({}, 1)])
async def test_a_users_token_is_enough_with_a_role(publishing, secured, ruled, claims, code: int) -> None:
    token = Path(secured.key).with_name("token.json")
    mission = publishing(url=secured.url, link=f'token_file = "{token}"')
    mission.server.set_rules(ruled)
    token.write_text(json.dumps({"id_token": mission.server.issue_token("ann", claims)}))
    token.chmod(0o600)
    checks, found = await examine(mission)
    assert found == code
    if code:
        assert checks["access"].text == "the database does not let ann in"
        assert "role = operator" in checks["access"].hint
    else:
        assert checks["access"].text == "let in as ann"
        assert set(states(checks).values()) == {"ok"}


@pytest.mark.parametrize(
    ("off_s", "state", "words"),
    [
        (1.0, "ok", "s from"),
        (10.0, "warn", "10.0 s ahead of"),
        (-10.0, "warn", "10.0 s behind"),
        (90.0, "fail", "90"),
    ],
)
async def test_a_wrong_clock_is_told(publishing, ruled, off_s: float, state: str, words: str) -> None:
    checks, code = await examine(publishing(), off_s)
    assert checks["clock"].state == state
    assert words in checks["clock"].text
    assert code == (1 if state == "fail" else 0)


@pytest.mark.parametrize("how", ["refused", "503", "certificate"])
async def test_a_database_that_does_not_answer_is_exit_three(publishing, secured, how: str, monkeypatch) -> None:
    link = f'credentials = "{secured.key}"'
    mission = publishing(url=secured.url, link=link) if how == "certificate" else publishing()
    if how == "refused":
        mission.server.refuse()
    elif how == "503":
        mission.server.unavailable(1)
    else:
        monkeypatch.delenv("SSL_CERT_FILE")
    checks, code = await examine(mission)
    assert code == 3
    assert checks["reach"].state == "fail"
    words = {"refused": "cannot be reached", "503": "answers 503", "certificate": "certificate is not trusted"}
    assert words[how] in checks["reach"].text
    if how == "refused":
        mission.server.accept()


async def test_a_key_that_others_may_read_fails_with_the_fix(publishing, secured) -> None:
    secured.key.chmod(0o644)
    checks, code = await examine(publishing(url=secured.url, link=f'credentials = "{secured.key}"'))
    assert code == 1
    assert "chmod 600" in checks["key"].text


def command(mission, *arguments: str) -> subprocess.CompletedProcess[str]:
    place = ("--mission", str(mission.directory.path))
    line: Sequence[str] = [sys.executable, "-P", "-m", "cubesat_tui", "doctor", "--firebase", *place, *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False)


async def test_the_command_says_it_line_by_line_and_tells_no_secret(publishing, secured, ruled) -> None:
    mission = publishing(url=secured.url, link=f'credentials = "{secured.key}"')
    mission.server.set_rules(ruled)
    done = command(mission)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["ok", name] for name in ("link", "key", "reach", "access", "clock", "rules", "stations")
    ]
    told = json.loads(command(mission, "--json").stdout)
    assert told["ok"] is True
    private = json.loads(secured.key.read_text())["private_key"].splitlines()[1]
    log = (mission.directory.log / "courier.log").read_text()
    assert not [text for text in (done.stdout, str(told), log) if private in text or "access-" in text]
    mission.server.refuse()
    assert command(mission).returncode == 3
    mission.server.accept()
