"""Commands that use a link say in one line what they cannot do, and leave everything as it was."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cubesat_tui.cli import root
from cubesat_tui.roles import REPLICA, claim_role
from telemetry.clock import SystemClock
from telemetry.store.directory import MissionDirectory
from telemetry.store.inbox import Inbox
from telemetry.store.writer import StoreWriter
from tests.cubesat_tui import fabricated

CANARY = "canary-7f3a"


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.delenv("FIREBASE_DATABASE_EMULATOR_HOST", raising=False)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    return lambda *arguments: CliRunner().invoke(root, [str(one) for one in arguments])


@pytest.fixture
def mission(tmp_path: Path) -> MissionDirectory:
    made = MissionDirectory(tmp_path / "mission")
    made.create()
    made.toml.write_text(fabricated.mission_toml(), encoding="utf-8")
    return made


@pytest.fixture
def replica(mission: MissionDirectory) -> MissionDirectory:
    writer = StoreWriter(mission.telemetry, SystemClock())
    claim_role(mission, writer, REPLICA)
    writer.close()
    return mission


def in_one_line(result: Result, code: int, *words: str) -> None:
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--publish", "nats"), ("--publish: 'nats': unknown target", "firebase")),
        (("run", "--source", "mqtt"), ("--source: 'mqtt'", "firebase")),
        (("trainer", "--attach", "nats"), ("--attach: 'nats': unknown target", "firebase")),
        (("trainer", "--attach", "firebase", "--once"), ("--once, --period and --jobs",)),
        (("trainer", "--take-over"), ("--take-over belongs to --attach firebase",)),
        (("run", "--take-over"), ("--take-over takes the place of another station",)),
        (("sim", "--take-over"), ("--take-over belongs to --to firebase",)),
        (("run", "--source", "firebase", "--publish", "firebase"), ("come over its link",)),
    ],
)
def test_what_a_link_is_not_for_is_told_in_a_line(
    invoke: Callable[..., Result], mission: MissionDirectory, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    in_one_line(invoke(*arguments, "--mission", mission.path), 2, *words)
    assert not mission.telemetry.exists()


@pytest.mark.parametrize(
    "arguments",
    [("run", "--source", "firebase"), ("run", "--publish", "firebase"), ("trainer", "--attach", "firebase")],
)
def test_a_link_without_an_address_is_told_with_what_is_missing(
    invoke: Callable[..., Result], mission: MissionDirectory, arguments: tuple[str, ...]
) -> None:
    in_one_line(invoke(*arguments, "--mission", mission.path), 2, "link.url: missing", "https://")
    in_one_line(invoke("--mission", mission.path, "--attach", "firebase"), 2, "link.url: missing")


def test_a_database_of_google_asks_the_console_for_a_token_and_the_station_for_a_key(
    invoke: Callable[..., Result], mission: MissionDirectory
) -> None:
    with mission.toml.open("a", encoding="utf-8") as file:
        file.write('\n[link]\nurl = "https://fleet.example"\n')
    in_one_line(invoke("--mission", mission.path, "--attach", "firebase"), 2, "link.token_file: missing")
    in_one_line(invoke("run", "--source", "firebase", "--mission", mission.path), 2, "link.credentials: missing")


def test_a_token_that_others_may_read_is_refused_and_not_shown(
    invoke: Callable[..., Result], mission: MissionDirectory
) -> None:
    token = mission.path / "token.json"
    token.write_text(f'{{"id_token": "{CANARY}"}}')
    token.chmod(0o644)
    with mission.toml.open("a", encoding="utf-8") as file:
        file.write('\n[link]\nurl = "https://fleet.example"\ntoken_file = "token.json"\n')
    result = invoke("--mission", mission.path, "--attach", "firebase")
    in_one_line(result, 2, "chmod 600")
    assert CANARY not in result.output


@pytest.mark.parametrize(
    "arguments",
    [("run",), ("run", "--source", "firebase"), ("trainer", "--once"), ("trainer", "--attach", "firebase")],
)
def test_no_station_and_no_trainer_runs_in_a_replica(
    invoke: Callable[..., Result], replica: MissionDirectory, arguments: tuple[str, ...]
) -> None:
    in_one_line(
        invoke(*arguments, "--mission", replica.path), 2, "the replica of a station that runs elsewhere", "--attach"
    )


def test_an_act_in_a_replica_that_nobody_sends_is_refused_and_not_left_behind(
    invoke: Callable[..., Result], replica: MissionDirectory
) -> None:
    result = invoke("note", "--mission", replica.path, "handover at 8")
    in_one_line(result, 3, "this is a replica, and no console of it runs", "nothing was done")
    inbox = Inbox(replica.inbox)
    assert not inbox.pending()
    inbox.close()


def test_a_console_and_a_station_without_a_link_load_nothing_of_one() -> None:
    code = (
        "import sys, cubesat_tui.app, cubesat_tui.station, cubesat_tui.station_thread;"
        "import cubesat_tui.commands.console;"
        "print([m for m in ('httpx', 'firebase_admin', 'cubesat_tui.publisher', 'cubesat_tui.replica',"
        " 'cubesat_tui.station_links', 'telemetry.links.firebase_rest') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
