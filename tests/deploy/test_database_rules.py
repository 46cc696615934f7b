"""What the rules of deploy/firebase let each role do, asked of the test server and of npm's `targaryen`."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from cubesat_tui.mailbox import MAILABLE

if TYPE_CHECKING:
    from rtdb.server import RtdbServer

RULES = Path(__file__).parents[2] / "deploy" / "firebase" / "database.rules.json"
M = "cubesat_tui/kestrel-1"
KEY, NEXT = "f6b029a80_0000000001", "f6b029a80_0000000301"
RECORD = {"v": 1, "a": 1, "b": 300, "n": 300, "z": "eJw="}
LATER = {**RECORD, "a": 301, "b": 600, "t": 1_790_000_000}
LETTER = {"at_ns": 1_790_000_000, "kind": "ack", "actor": "ann", "t": "{}"}
NOW = {".sv": "timestamp"}
HEAD = {"key": KEY, "b": 300, "n_total": 300, "at": NOW, "by": "x"}
DATA = {
    "cubesat_tui": {
        "kestrel-1": {
            "frames": {KEY: RECORD},
            "journal": {"j6b029a80_0000000001": {**RECORD, "j": "[]"}},
            "layouts": {"a" * 64: "{}"},
            "mailbox": {"ann": {"r1": LETTER}},
            "publisher": {"id": "1", "name": "sim"},
            "status": {"at": 1, "t": "{}"},
            "lo": {"frames": "f6b029a80_0000000000"},
        },
        "old": {"frames": {KEY: RECORD, NEXT: LATER}, "lo": {"frames": NEXT}},
    },
    "SENSOR_DATA": {"row": {"face": "A"}},
}
ALL = ("sim", "station", "operator")


class Case(NamedTuple):
    """Who may do something: `value` is what is written, READ for reading."""

    path: str
    value: Any
    may: tuple[str, ...]
    note: str = ""


READ = "read"
CASES = [
    *(
        Case(f"{M}/mailbox/ann/{kind}", {**LETTER, "kind": kind}, ("operator",), "what an owner takes")
        for kind in sorted(MAILABLE)
    ),
    Case(f"{M}/frames", READ, ALL),
    Case(f"{M}/journal", READ, ALL),
    Case(f"{M}/status", READ, ALL),
    Case(f"{M}/layouts/{'a' * 64}", READ, ALL),
    Case(f"{M}/mailbox", READ, ("station",)),
    Case(f"{M}/mailbox/ann", READ, ("station", "operator"), "operator ann reads her own"),
    Case(f"{M}/mailbox/bob", READ, ("station",), "not another's"),
    Case(M, READ, (), "nobody reads all at once: the mailboxes are in it"),
    Case("", READ, ()),
    Case("other", READ, ()),
    Case("SENSOR_DATA", READ, ALL),
    Case(f"{M}/frames/{NEXT}", LATER, ("sim", "station")),
    Case(f"{M}/frames/{KEY}", RECORD, ("sim", "station"), "a retry"),
    Case(f"{M}/frames/{KEY}", {**RECORD, "z": "eJx="}, (), "written once"),
    Case(f"{M}/frames/{KEY}", None, (), "not let go yet"),
    Case(f"cubesat_tui/old/frames/{KEY}", None, ("sim", "station"), "below the mark"),
    Case(f"cubesat_tui/old/frames/{NEXT}", None, (), "at the mark"),
    Case(f"{M}/frames", None, ()),
    Case(f"{M}/frames/00000301", LATER, (), "a key of digits"),
    Case(f"{M}/frames/{NEXT}", {**LATER, "n": 301}, (), "too many rows"),
    Case(f"{M}/frames/{NEXT}", {**LATER, "admin": True}, (), "something else in it"),
    Case(f"{M}/frames/{NEXT}", {"v": 1, "a": 301, "b": 600, "n": 300}, (), "no rows"),
    Case(f"{M}/scores/s6b029a80_0000000001", RECORD, ("station",)),
    Case(f"{M}/journal/j6b029a80_0000000301", LATER, ("station",)),
    Case(f"{M}/runs/r6b029a80_0000000001", RECORD, ("station",)),
    Case(f"{M}/layouts/{'b' * 64}", "{}", ("sim", "station")),
    Case(f"{M}/layouts/{'a' * 64}", "{ }", (), "another text under the same digest"),
    Case(f"{M}/heads/frames", HEAD, ("sim", "station")),
    Case(f"{M}/heads/journal", HEAD, ("station",)),
    Case(f"{M}/heads/frames", {**HEAD, "at": 5}, (), "a time of one's own"),
    Case(f"{M}/lo/frames", KEY, ("sim", "station")),
    Case("cubesat_tui/old/lo/frames", KEY, (), "back again"),
    Case(f"{M}/publisher", {"id": "2", "name": "x", "beat": NOW}, ("sim", "station")),
    Case(f"{M}/owner", {"id": "2", "name": "x", "beat": NOW}, ("station",)),
    Case(f"{M}/status", {"at": NOW, "by": "2", "t": "{}"}, ("station",)),
    Case(f"{M}/mailbox/ann/r2", LETTER, ("operator",)),
    Case(f"{M}/mailbox/ann/r1", LETTER, ("operator",), "a retry"),
    Case(f"{M}/mailbox/ann/r1", {**LETTER, "t": "{1}"}, (), "changed"),
    Case(f"{M}/mailbox/ann/r1", None, ("station",), "answered"),
    Case(f"{M}/mailbox/bob/r1", LETTER, (), "in another's name"),
    Case(f"{M}/mailbox/ann/r2", {**LETTER, "kind": "stop"}, (), "no act for others"),
    Case(f"{M}/mailbox/ann/r2", {**LETTER, "t": "x" * 70_000}, (), "too long"),
    Case(f"{M}/doctor/ann", NOW, ALL),
    Case(f"{M}/doctor/bob", NOW, ()),
    Case(f"{M}/other", 1, ()),
    Case("SENSOR_DATA/row2", {"face": "A"}, ("sim",)),
    Case("SENSOR_DATA/row", {"face": "B"}, ()),
    Case(f"ML_ALERTS/a{'0' * 20}", {"timestamp": "2026"}, ("station",)),
    Case("other", 1, ()),
]


def test_each_role_may_do_its_own_and_no_more(firebase_server: RtdbServer) -> None:
    firebase_server.set_rules(RULES.read_text(encoding="utf-8"))
    tokens = {role: firebase_server.issue_token("ann", {"role": role}) for role in ALL}
    tokens |= {
        "no role": firebase_server.issue_token("ann"),
        "x": firebase_server.issue_token("ann", {"role": "x"}),
    }
    connection = http.client.HTTPConnection(firebase_server.host)
    wrong: list[tuple[str, Case, int]] = []
    for case in CASES:
        for role, token in [*tokens.items(), ("nobody", "")]:
            firebase_server.fill(DATA)
            method, body = ("GET", None) if case.value == READ else ("PUT", json.dumps(case.value))
            connection.request(method, f"/{case.path}.json" + (f"?auth={token}" if token else ""), body)
            answer = connection.getresponse()
            answer.read()
            if answer.status != (200 if role in case.may else 401):
                wrong.append((role, case, answer.status))
    assert wrong == []


@pytest.fixture
def targaryen() -> Path:
    """The script that asks it; skips where it cannot be had, but not in CI."""
    import google_engine

    try:
        return google_engine.installed() / "rules.mjs"
    except google_engine.NoEngine as why:
        if os.environ.get("CI"):
            pytest.fail(f"{why}; CI must read the rules with targaryen")
        pytest.skip(f"targaryen cannot be had here: {why}")


def test_another_reader_of_rules_agrees(targaryen: Path) -> None:
    asked = [
        {"path": case.path, "read": case.value == READ, "value": case.value, "role": role}
        for case in CASES
        for role in (*ALL, "nobody")
    ]
    expected = [role in case.may for case in CASES for role in (*ALL, "nobody")]
    text = json.dumps({"rules": RULES.read_text(encoding="utf-8"), "data": DATA, "asked": asked})
    done = subprocess.run(["node", str(targaryen)], input=text, capture_output=True, text=True, check=True)
    answers = json.loads(done.stdout)
    wrong = [
        (one["role"], one["path"], one["value"])
        for one, answer, wanted in zip(asked, answers, expected, strict=True)
        if answer != wanted
    ]
    assert wrong == []
