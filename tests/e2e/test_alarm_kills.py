"""kill -9 of a real station around every step in the life of two alarms: each act counts once, none is lost.

Every act dies twice: once applied but not journaled, once journaled but still in the inbox. Every batch of samples
dies inside its transaction, and again from outside once it is confirmed. All seven states of ISA-18.2 are passed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from telemetry.alarms import Alarm, Key, fold_all
from telemetry.store.directory import MissionDirectory
from telemetry.store.inbox import Inbox
from telemetry.store.reader import StoreReader

TOML = """
schema = 1
[[satellite]]
name = "TESTBIRD"
bus = "b"
[source]
kind = "stream"
[[bus.b.channel]]
name = "eps.plain"
[[bus.b.channel.limits]]
warning = [7.0, 9.0]
[[bus.b.channel]]
name = "eps.latched"
[[bus.b.channel.limits]]
warning = [7.0, 9.0]
latch = true
"""
PLAIN, LATCHED = "eps.plain", "eps.latched"
PATIENCE_S = 60.0

STORY: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("low", {}, "UNACK_ALARM", "UNACK_ALARM"),
    ("ack", {"subject": PLAIN}, "ACK_ALARM", "UNACK_ALARM"),
    ("undo", {}, "UNACK_ALARM", "UNACK_ALARM"),
    ("shelve", {"subject": PLAIN, "minutes": 60, "reason": "known"}, "SHELVED", "UNACK_ALARM"),
    ("ack", {"subject": LATCHED}, "SHELVED", "ACK_ALARM"),
    ("unshelve", {"subject": PLAIN, "reason": "done with it"}, "ACK_ALARM", "ACK_ALARM"),
    ("note", {"subject": PLAIN, "text": "looked at it"}, "ACK_ALARM", "ACK_ALARM"),
    ("normal", {}, "NORMAL", "LATCH_ACK"),
    ("ack", {"subject": LATCHED}, "NORMAL", "NORMAL"),
    ("undo", {}, "NORMAL", "LATCH_ACK"),
    ("low", {}, "UNACK_ALARM", "UNACK_ALARM"),
    ("normal", {}, "RTN_UNACK", "LATCH_UNACK"),
    ("ack", {"subject": PLAIN}, "NORMAL", "LATCH_UNACK"),
    ("undo", {}, "RTN_UNACK", "LATCH_UNACK"),
    ("shelve", {"subject": LATCHED, "minutes": 0.2, "reason": "known"}, "RTN_UNACK", "SHELVED"),
    ("expire", {}, "RTN_UNACK", "LATCH_UNACK"),
    ("ack_all", {"subjects": [["TESTBIRD", PLAIN, 2], ["TESTBIRD", LATCHED, 2]]}, "NORMAL", "LATCH_ACK"),
)


class Mission:
    """A mission, its journal, and the stations that die on it."""

    def __init__(self, path: Path, program: list[str], env: dict[str, str]) -> None:
        self.directory = MissionDirectory(path)
        self.directory.create()
        self.directory.toml.write_text(TOML)
        self.program, self.env = program, env
        self.errors = path / "stderr.txt"
        self.boot = int(time.time())
        self.seq = 0
        self.kills = 0

    def station(self, kill_at: str = "") -> subprocess.Popen[bytes]:
        env = self.env | ({"CUBESAT_TUI_KILL_AT": kill_at} if kill_at else {})
        arguments = ["run", "--mission", str(self.directory.path), "--source", "-", "--no-trainer"]
        with self.errors.open("ab") as errors:
            return subprocess.Popen(
                [*self.program, *arguments], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )

    def dies(self, kill_at: str, frames: bytes = b"") -> None:
        """A station that kills itself at a point."""
        process = self.station(kill_at)
        assert process.stdin is not None
        process.stdin.write(frames)
        process.stdin.flush()
        assert process.wait(PATIENCE_S) == -signal.SIGKILL, self.errors.read_text()[-2000:]
        self.ended(process)

    def lives(self, done: Callable[[], bool], frames: bytes = b"") -> None:
        """A station that is killed from outside once something is so."""
        process = self.station()
        assert process.stdin is not None
        process.stdin.write(frames)
        process.stdin.flush()
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            assert process.poll() is None, self.errors.read_text()[-2000:]
            assert time.monotonic() < deadline, "it never became so"
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_S)
        self.ended(process)

    def ended(self, process: subprocess.Popen[bytes]) -> None:
        self.kills += 1
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()

    def samples(self, value: float) -> bytes:
        """Five frames in which both channels have `value`; the same ones until they are stored."""
        lines: list[str] = []
        for n in range(5):
            t_ns = (self.boot + self.seq + n) * 10**9
            lines.append(json.dumps({"boot": self.boot, "seq": self.seq + n, "t": t_ns, "values": [value, value]}))
        return ("\n".join(lines) + "\n").encode()

    def table(self) -> dict[Key, Alarm]:
        """The alarms of the two channels, as the journal tells them."""
        if not self.directory.telemetry.exists():
            return {}
        reader = StoreReader(self.directory.telemetry)
        try:
            found = fold_all(reader.journal(0, 100_000))
        finally:
            reader.close()
        return {key: alarm for key, alarm in found.items() if key[1] in (PLAIN, LATCHED)}

    def states(self) -> tuple[str, str]:
        table = self.table()
        found = [table.get(("TESTBIRD", name)) for name in (PLAIN, LATCHED)]
        plain, latched = ["NORMAL" if one is None else one.state.name for one in found]
        return plain, latched

    def answers(self, request: str) -> list[str]:
        """Kinds of the events that a request left, but for the clearing that follows from one."""
        reader = StoreReader(self.directory.telemetry)
        try:
            events = [one for one in reader.journal(0, 100_000) if one.body.get("id") == request]
        finally:
            reader.close()
        return [one.kind for one in events if one.kind != "alarm.cleared" or one.actor]

    def pending(self) -> int:
        inbox = Inbox(self.directory.inbox)
        try:
            return len(inbox.pending())
        finally:
            inbox.close()

    def ask(self, kind: str, body: dict[str, Any]) -> str:
        inbox = Inbox(self.directory.inbox)
        try:
            return inbox.submit(kind, {"satellite": "TESTBIRD"} | body, "ann", time.time_ns())
        finally:
            inbox.close()


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_a_kill_between_any_two_steps_changes_nothing_in_the_table(tmp_path, program, user_env):
    mission = Mission(tmp_path / "mission", program, user_env)
    visited: set[str] = set()
    for step, body, *expected in STORY:
        before, known = mission.states(), mission.table()
        wanted = (expected[0], expected[1])
        if step in ("low", "normal"):
            frames = mission.samples(5.0 if step == "low" else 8.0)
            mission.dies("ingest:1", frames)
            assert mission.states() == before, "nothing of a transaction that was not committed"
            mission.lives(lambda wanted=wanted: mission.states() == wanted, frames)
            mission.seq += 5
        elif step == "expire":
            mission.lives(lambda wanted=wanted: mission.states() == wanted)
        else:
            request = mission.ask(step, body)
            mission.dies("acts_applied:1")
            assert mission.table() == known, "an act that was not journaled was not done"
            assert mission.answers(request) == []
            mission.dies("acts_journaled:1")
            assert mission.pending() == 1, "it died before it could delete the request"
            assert len(mission.answers(request)) == (2 if step == "ack_all" else 1), mission.answers(request)
            assert "act.refused" not in mission.answers(request)
        assert mission.states() == wanted, step
        visited |= set(wanted)
    known = mission.table()
    mission.lives(lambda: mission.pending() == 0)
    assert mission.table() == known, "identical after a restart"
    assert len(visited) == 7
    assert mission.kills == 2 * len(STORY)
    reader = StoreReader(mission.directory.telemetry)
    kinds = [one.kind for one in reader.journal(0, 100_000) if one.subject in (PLAIN, LATCHED)]
    assert reader.integrity() == "ok"
    reader.close()
    assert [kinds.count(f"alarm.{one}") for one in ("raised", "shelved", "unshelved", "ack_undone")] == [4, 2, 2, 3]
    assert kinds.count("note.alarm") == 1
