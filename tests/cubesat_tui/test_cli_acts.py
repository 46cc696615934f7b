"""Commands that act on alarms: what they leave, what they refuse, and with which code they end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cubesat_tui.cli import COMMANDS, LOOKING, root
from telemetry.alarms import RAISED, RETURNED, Event
from telemetry.clock import SystemClock, parse_iso
from telemetry.limits import Level
from telemetry.store.directory import MissionDirectory, MissionLock
from telemetry.store.reader import StoreReader
from telemetry.store.writer import StoreWriter
from tests.testbird import TOML

BOTH = (
    TOML
    + """
[[satellite]]
name = "OTHER"
bus = "b"
"""
)
MINUTE_NS = 60 * 10**9


class Shell:
    """The command line on a mission that nobody runs, with alarms on two satellites."""

    def __init__(self, path: Path) -> None:
        self.directory = MissionDirectory(path)
        self.directory.create()
        self.directory.toml.write_text(BOTH, encoding="utf-8")
        self.journal(
            self.event(RAISED, Level.CRITICAL, "eps.bat_v", "battery low"),
            self.event(RAISED, Level.WARNING, "thm.bat", "battery warm"),
            self.event(RETURNED, Level.WARNING, "thm.bat", "battery cool"),
            self.event(RAISED, Level.WARNING, "eps.bat_v", "battery low there", "OTHER"),
        )

    @staticmethod
    def event(
        kind: str, level: Level, subject: str, text: str, satellite: str = "TESTBIRD", age_min: int = 10
    ) -> Event:
        at_ns = SystemClock().now_ns() - age_min * MINUTE_NS
        return Event(at_ns, satellite, kind, int(level), subject, "", {"text": text})

    def journal(self, *events: Event) -> None:
        writer = StoreWriter(self.directory.telemetry, SystemClock())
        writer.append([], list(events), {})
        writer.close()

    def __call__(self, *arguments: str) -> Any:
        return CliRunner().invoke(root, [*arguments, "--mission", str(self.directory.path)])

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        result = self(*arguments, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    def alarm(self, subject: str = "eps.bat_v", satellite: str = "TESTBIRD") -> dict[str, Any] | None:
        found = self.json("alarms")["alarms"]
        return next((one for one in found if (one["satellite"], one["subject"]) == (satellite, subject)), None)

    def events(self, kind: str = "") -> list[Event]:
        reader = StoreReader(self.directory.telemetry)
        try:
            return [event for event in reader.journal() if event.kind.startswith(kind)]
        finally:
            reader.close()


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("CUBESAT_OPERATOR", "ann")
    return Shell(tmp_path / "mission")


def test_shelving_leaves_what_the_key_leaves_and_is_listed_with_who_and_until_when(shell: Shell) -> None:
    done = shell.json("shelve", "eps.bat_v", "--for", "15m", "--reason", "cell test")

    assert (done["done"], done["subject"], done["reason"], done["by"]) == (True, "eps.bat_v", "cell test", "ann")
    left_min = (parse_iso(done["until"]) - SystemClock().now_ns()) / MINUTE_NS
    assert 14 < left_min <= 15
    [event] = shell.events("alarm.shelved")
    assert (event.actor, event.body["reason"], event.satellite) == ("ann", "cell test", "TESTBIRD")
    alarm = shell.alarm()
    assert alarm is not None
    assert (alarm["word"], alarm["shelved_by"], alarm["shelved_until"]) == ("SHELVED", "ann", done["until"])
    line = next(one for one in shell("alarms").stdout.splitlines() if "SHELVED" in one)
    assert "CRITICAL" in line
    assert f"shelved until {done['until']} by ann: cell test" in line
    other = shell.alarm(satellite="OTHER")
    assert other is not None
    assert other["word"] == "NEW"


def test_a_shelf_until_a_time_of_day_is_utc_and_ends_by_hand(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    done = shell.json("shelve", "eps.bat_v", "--until", "08:00", "--reason", "antenna")
    assert done["until"].endswith("T08:00:00Z")
    assert 0 < parse_iso(done["until"]) - SystemClock().now_ns() <= 24 * 60 * MINUTE_NS

    assert shell("shelve", "--end", "eps.bat_v", "--reason", "fixed").exit_code == 0
    alarm = shell.alarm()
    assert alarm is not None
    assert (alarm["word"], alarm["shelved_until"]) == ("ACKED", None)
    assert shell.events("alarm.unshelved")[0].body["why"] == "operator"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shelve", "eps.bat_v", "--reason", "cell test"], "--for 15m or --until 08:00"),
        (["shelve", "eps.bat_v", "--for", "5m", "--until", "08:00", "--reason", "cell test"], "--for 15m or"),
        (["shelve", "eps.bat_v", "--for", "15m"], "--reason: at least 3 letters"),
        (["shelve", "eps.bat_v", "--for", "15m", "--reason", " a "], "--reason: at least 3 letters"),
        (["shelve", "eps.bat_v", "--for", "soon", "--reason", "cell test"], "'soon' is no length of time"),
        (["shelve", "eps.bat_v", "--for", "0m", "--reason", "cell test"], "'0m' is no length of time"),
        (["shelve", "eps.bat_v", "--until", "25:00", "--reason", "cell test"], "no time of day"),
        (["shelve", "--end", "eps.bat_v", "--for", "5m"], "--end needs no time"),
        (["shelve", "eps.bat_v", "--for", "5m", "--reason", "abc", "--satellite", "X"], "allowed: TESTBIRD, OTHER"),
        (["note", "eps.bat_v", "two", "words"], "in quotes"),
        (["note", "ab"], "at least 3 letters"),
        (["note"], "Missing argument"),
        (["events", "--since", "yesterday"], "is no time"),
        (["events", "--from", "LOUD"], "LOUD"),
        (["undo", "--satellite", "X"], "allowed: TESTBIRD, OTHER"),
    ],
)
def test_wrong_use_ends_with_two_and_a_sentence(shell: Shell, arguments: list[str], said: str) -> None:
    before = len(shell.events())
    result = shell(*arguments)
    assert result.exit_code == 2, result.output
    assert said in re.sub(r"\s+", " ", result.stderr)
    assert len(shell.events()) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["shelve", "no.such", "--for", "5m", "--reason", "cell test"],
        ["shelve", "eps.bat_v", "--for", "25h", "--reason", "cell test"],
        ["shelve", "--end", "eps.bat_v", "--reason", "cell test"],
        ["note", "no.such", "text"],
        ["undo"],
        ["ack", "no.such"],
    ],
)
def test_what_the_station_refuses_ends_with_one_and_its_sentence(shell: Shell, arguments: list[str]) -> None:
    result = shell(*arguments)
    assert result.exit_code == 1, result.output
    [refused] = shell.events("act.refused")
    assert refused.text in result.stderr
    assert not result.stdout
    again = shell.json(*arguments, code=1)
    assert again.get("done", False) is False


@pytest.mark.parametrize(
    "arguments",
    [["shelve", "eps.bat_v", "--for", "5m", "--reason", "cell test"], ["note", "some words"], ["undo"]],
)
def test_a_station_that_does_not_answer_ends_with_three(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr("cubesat_tui.commands.acting.PATIENCE_S", 0.1)
    lock = MissionLock(shell.directory.station_lock)
    assert lock.acquire()
    try:
        result = shell(*arguments)
    finally:
        lock.release()
    assert result.exit_code == 3
    assert "does not answer" in result.stderr


def test_a_note_on_an_alarm_is_counted_and_one_without_is_of_the_shift(shell: Shell) -> None:
    assert shell.json("note", "eps.bat_v", "load test at 08:00")["done"]
    assert shell("note", "call lk at noon").exit_code == 0
    [note] = shell.events("note.alarm")
    assert (note.subject, note.actor, note.text) == ("eps.bat_v", "ann", "load test at 08:00")
    [shift] = shell.events("note.shift")
    assert (shift.subject, shift.text) == ("", "call lk at noon")
    assert "1 note)" in next(one for one in shell("alarms").stdout.splitlines() if "battery low" in one)


def test_undo_takes_back_an_acknowledgement_as_a_further_event(shell: Shell) -> None:
    shell("ack", "eps.bat_v")
    told = shell.json("undo")
    assert told["undone"] == ["eps.bat_v"]
    alarm = shell.alarm()
    assert alarm is not None
    assert alarm["word"] == "NEW"
    assert [event.kind for event in shell.events("alarm.ack")] == ["alarm.acknowledged", "alarm.ack_undone"]
    assert shell("undo").exit_code == 1


def test_acknowledging_all_takes_every_satellite_unless_one_is_named(shell: Shell) -> None:
    assert len(shell.json("ack", "--all", "--satellite", "OTHER")["acknowledged"]) == 1
    outcomes = shell.json("ack", "--all")["outcomes"]
    assert {(one["satellite"], one["subject"]) for one in outcomes} == {
        ("TESTBIRD", "eps.bat_v"),
        ("TESTBIRD", "thm.bat"),
    }
    assert shell.alarm("thm.bat") is None


def test_events_are_narrowed_by_time_severity_and_text(shell: Shell) -> None:
    shell.journal(
        shell.event("gap.found", Level.WATCH, "TESTBIRD", "no data for 4 min", age_min=30),
        shell.event("link.live", Level.IN_LIMITS, "stream", "link LIVE", age_min=600),
    )

    def told(*arguments: str) -> list[str]:
        return [event["text"] for event in shell.json("events", *arguments)["events"]]

    assert told("--since", "20m") == ["battery low there", "battery cool", "battery warm", "battery low"]
    assert told("--since", "8h", "--kind", "gap") == ["no data for 4 min"]
    assert told("--since", "11h", "--search", "LINK live") == ["link LIVE"]
    assert told("--from", "critical") == ["battery low"]
    assert told("--from", "WATCH", "--search", "other") == ["battery low there"]
    assert told("--since", "20m", "-n", "1") == ["battery low there"]


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - set(LOOKING)))
def test_read_only_refuses_every_command_that_changes_something_in_words(name: str) -> None:
    result = CliRunner().invoke(root, ["--read-only", name])
    assert result.exit_code == 2
    assert f"{name} changes the mission; nothing was done" in result.stderr


def test_read_only_lets_look(shell: Shell) -> None:
    result = CliRunner().invoke(root, ["--read-only", "--mission", str(shell.directory.path), "alarms", "--json"])
    assert result.exit_code == 0, result.output


def test_the_alarm_of_a_satellite_that_mission_toml_has_no_more_can_be_acknowledged(shell: Shell) -> None:
    shell.journal(
        shell.event(RAISED, Level.WARNING, "eps.bat_v", "battery low", "GONE"),
        shell.event(RETURNED, Level.WARNING, "eps.bat_v", "satellite GONE is no longer in mission.toml", "GONE"),
    )
    [done] = shell.json("ack", "eps.bat_v", "--satellite", "GONE")["outcomes"]
    assert (done["satellite"], done["done"]) == ("GONE", True)
    assert shell.alarm(satellite="GONE") is None
    assert shell("ack", "eps.bat_v", "--satellite", "GONE").exit_code == 2, "nothing of it is left"
