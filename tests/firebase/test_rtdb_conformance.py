"""The documented REST interface, against the test server or Google's emulator (FIREBASE_DATABASE_EMULATOR_HOST)."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from target import Target


def test_a_value_is_written_read_and_deleted(target: Target) -> None:
    assert target.get("a") is None
    assert target.put("a/b", {"x": 1, "y": "é"}) == {"x": 1, "y": "é"}
    assert target.get("") == {"a": {"b": {"x": 1, "y": "é"}}}
    assert target.ask("DELETE", "a/b/x").json() is None
    assert target.get("a") == {"b": {"y": "é"}}
    target.put("a/b", None)
    assert target.get("") is None


def test_silent_writes_are_answered_without_a_body(target: Target) -> None:
    for method, value in (("PUT", 1), ("PATCH", {"b": 1}), ("POST", 1), ("DELETE", ...)):
        answer = target.ask(method, "a", value, print="silent")
        assert (answer.status_code, answer.content) == (204, b""), method


def test_a_printed_answer_has_lines(target: Target) -> None:
    target.put("a", {"b": 1})
    assert "\n" in target.ask("GET", "a", print="pretty").text


def test_an_update_changes_many_places_at_once(target: Target) -> None:
    target.put("", {"a": {"x": 1, "y": 2}, "b": 3})
    sent = {"a/x": None, "a/z/deep": 4, "c": {"d": 5}}
    assert target.ask("PATCH", "", sent).json() == sent
    assert target.get("") == {"a": {"y": 2, "z": {"deep": 4}}, "b": 3, "c": {"d": 5}}


@pytest.mark.parametrize("sent", [{"a": 1, "a/b": 2}, {"a": 1, "x.y": 2}, 5])
def test_an_update_that_makes_no_sense_changes_nothing(target: Target, sent: Any) -> None:
    target.put("", {"a": 0})
    assert target.ask("PATCH", "", sent).status_code == 400
    assert target.get("") == {"a": 0}


def test_pushed_keys_sort_in_the_order_of_pushing(target: Target) -> None:
    keys = [target.ask("POST", "list", number).json()["name"] for number in range(30)]
    assert all(re.fullmatch(r"[-0-9A-Z_a-z]{20}", key) for key in keys)
    assert keys == sorted(keys)
    assert target.get("list") == dict(zip(keys, range(30), strict=True))


def test_a_post_may_stand_for_another_method(target: Target) -> None:
    target.ask("POST", "a", {"b": 1}, headers={"X-HTTP-Method-Override": "PUT"})
    target.ask("POST", "a", {"c": 2}, headers={"X-HTTP-Method-Override": "PATCH"})
    assert target.get("a") == {"b": 1, "c": 2}
    target.ask("POST", "a", headers={"X-HTTP-Method-Override": "DELETE"})
    assert target.get("a") is None


def test_nothing_empty_is_kept(target: Target) -> None:
    target.put(
        "a",
        {"none": None, "list": [], "map": {}, "deep": {"map": {"none": None}}, "zero": 0, "text": "", "no": False},
    )
    assert target.get("a") == {"zero": 0, "text": "", "no": False}


def test_whole_keys_come_back_as_an_array_while_half_of_them_are_there(target: Target) -> None:
    target.put("a", {"0": "x", "1": "y", "3": "z"})
    assert target.get("a") == ["x", "y", None, "z"]
    target.put("a", {"1": "x", "9": "y"})
    assert target.get("a") == {"1": "x", "9": "y"}
    target.put("a", {"01": "x"})
    assert target.get("a") == {"01": "x"}


def test_shallow_tells_keys_alone(target: Target) -> None:
    target.put("a", {"b": {"c": 1}, "d": 2})
    assert target.get("a", shallow="true") == {"b": True, "d": True}
    assert target.get("a/d", shallow="true") == 2
    assert target.get("nowhere", shallow="true") is None
    assert target.ask("GET", "a", shallow="true", orderBy="$key").status_code == 400


def test_priorities_are_told_on_export(target: Target) -> None:
    target.put("a", {".priority": 7, "b": {".value": "x", ".priority": "p"}, "c": 1})
    assert target.get("a") == {"b": "x", "c": 1}
    assert target.get("a", format="export") == {".priority": 7, "b": {".value": "x", ".priority": "p"}, "c": 1}
    assert target.get("a/.priority") == 7
    target.ask("PATCH", "a", {"d": 2})
    assert target.get("a/.priority") == 7
    target.put("a", {"c": 1})
    assert target.get("a", format="export") == {"c": 1}


def test_the_server_fills_in_time_and_sums(target: Target) -> None:
    before = time.time() * 1000
    target.put("a", {"at": {".sv": "timestamp"}, "also": {".sv": "timestamp"}})
    found = target.get("a")
    assert found["at"] == found["also"]
    assert abs(found["at"] - before) < 5000
    for _ in range(3):
        target.ask("PATCH", "a", {"n": {".sv": {"increment": 2}}, "text": {".sv": {"increment": 1}}})
        target.put("a/text", "x")
    assert target.get("a/n") == 6
    assert target.ask("PUT", "a/b", {".sv": "nonsense"}).status_code == 400


def test_an_etag_names_what_was_read_and_guards_a_write(target: Target) -> None:
    wants = {"X-Firebase-ETag": "true"}
    assert target.ask("GET", "a", headers=wants).headers["ETag"] == "null_etag"
    assert "ETag" not in target.ask("GET", "a").headers
    assert target.ask("PUT", "a", 1, headers={"if-match": "null_etag"}).status_code == 200
    seen = target.ask("GET", "a", headers=wants).headers["ETag"]

    missed = target.ask("PUT", "a", 9, headers={"if-match": "another"})
    assert missed.status_code == 412
    assert missed.json() == 1
    assert missed.headers["ETag"] == seen
    assert target.ask("DELETE", "a", headers={"if-match": "another"}).status_code == 412
    assert target.get("a") == 1

    assert target.ask("PUT", "a", 2, headers={"if-match": seen}).status_code == 200
    assert target.ask("GET", "a", headers=wants).headers["ETag"] != seen


def test_an_unchanged_value_is_not_sent_again(target: Target) -> None:
    target.put("a", 1)
    seen = target.ask("GET", "a", headers={"X-Firebase-ETag": "true"}).headers["ETag"]
    assert target.ask("GET", "a", headers={"if-none-match": seen}).status_code == 304
    target.put("a", 2)
    assert target.ask("GET", "a", headers={"if-none-match": seen}).status_code == 200


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_updates_and_pushes_take_no_etag(target: Target, method: str) -> None:
    assert target.ask(method, "a", {"b": 1}, headers={"if-match": "null_etag"}).status_code == 400
    assert target.get("") is None


ROWS = {f"f{number}": {"n": number % 3, "t": f"t{number}"} for number in range(6)}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"startAt": "f2"}, "2345"),
        ({"startAfter": "f2"}, "345"),
        ({"endAt": "f2"}, "012"),
        ({"endBefore": "f2"}, "01"),
        ({"startAt": "f1", "endAt": "f3"}, "123"),
        ({"startAt": "f1", "limitToFirst": 2}, "12"),
        ({"startAt": "f1", "limitToLast": 2}, "45"),
        ({"equalTo": "f4"}, "4"),
        ({"startAt": "g"}, ""),
    ],
)
def test_a_page_by_key(target: Target, asked: dict[str, Any], found: str) -> None:
    target.put("rows", ROWS)
    answer = target.get("rows", orderBy="$key", **asked)
    assert (answer or {}) == {f"f{number}": ROWS[f"f{number}"] for number in found}


def test_a_query_by_child_needs_an_index(target: Target) -> None:
    target.put("rows", ROWS)
    refused = target.ask("GET", "rows", orderBy="n", equalTo=2)
    assert refused.status_code == 400
    assert refused.json() == {"error": 'Index not defined, add ".indexOn": "n", for path "/rows", to the rules'}
    target.set_rules({".read": True, ".write": True, "rows": {".indexOn": ["n", ".value"]}})
    assert target.get("rows", orderBy="n", equalTo=2).keys() == {"f2", "f5"}
    assert target.get("rows", orderBy="n", startAt=1, limitToFirst=1).keys() == {"f1"}
    assert target.get("rows", orderBy="$value", limitToLast=1).keys() == {"f5"}
    assert target.ask("GET", "rows", orderBy="t").status_code == 400


@pytest.mark.parametrize(
    "asked",
    [
        {"limitToFirst": 2},
        {"startAt": "f1"},
        {"orderBy": "$key", "limitToFirst": 1, "limitToLast": 1},
        {"orderBy": "$key", "limitToFirst": 0},
        {"orderBy": "$key", "limitToFirst": "2"},
        {"orderBy": "$key", "startAt": {"a": 1}},
        {"orderBy": "$key", "equalTo": "a", "startAt": "a"},
        {"orderBy": 5},
    ],
)
def test_a_query_that_makes_no_sense_is_refused(target: Target, asked: dict[str, Any]) -> None:
    target.put("rows", ROWS)
    answer = target.ask("GET", "rows", **asked)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b'{"a": Infinity}', b"\xff", b"{'a': 1}"])
def test_what_is_no_json_is_refused(target: Target, body: bytes) -> None:
    answer = target.ask("PUT", "a", raw=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert target.get("a") is None


@pytest.mark.parametrize("key", ["a.b", "$a", "a#", "[", "]", "a/b", "\x01", "x" * 769, "é" * 385])
def test_a_key_that_is_not_allowed_is_refused(target: Target, key: str) -> None:
    assert target.ask("PUT", "a", {"ok": 1, key: 2}).status_code == 400
    assert target.get("a") is None


def test_keys_may_be_768_bytes_and_data_32_levels(target: Target) -> None:
    target.put("x" * 768, 1)
    deep: Any = 1
    for _ in range(32):
        deep = {"d": deep}
    target.put("", deep)
    assert target.ask("PUT", "", {"d": deep}).status_code == 400
    assert target.ask("PUT", "/".join("d" * 33), 1).status_code == 400
    assert target.get("") == deep


def test_a_path_without_json_is_not_found(target: Target) -> None:
    assert (
        target._client.get(
            "/a", params={"ns": target.namespace}, headers={"Authorization": "Bearer owner"}
        ).status_code
        == 404
    )


def test_databases_do_not_see_each_other(target: Target) -> None:
    target.put("a", 1)
    other = target.namespace + "-other"
    assert target.ask("GET", "a", ns=other).json() is None
