"""Rights, against the test server or Google's emulator (FIREBASE_DATABASE_EMULATOR_HOST)."""

from __future__ import annotations

from typing import Any

from target import Target


def test_nobody_reads_or_writes_what_no_rule_allows(target: Target) -> None:
    target.put("a", 1)
    target.set_rules({"open": {".read": True}})
    for method, value in (("GET", ...), ("PUT", 1), ("PATCH", {"x": 1}), ("POST", 1), ("DELETE", ...)):
        answer = target.ask(method, "a", value, authorization=None)
        assert (answer.status_code, answer.json()) == (401, {"error": "Permission denied"}), method
    assert target.ask("GET", "open", authorization=None).status_code == 200
    assert target.get("a") == 1


def test_users_write_below_their_own_id(target: Target) -> None:
    target.set_rules(
        {"users": {"$uid": {".write": "$uid === auth.uid"}, ".read": "auth != null"}, "public": {".read": "true"}}
    )
    ann = target.token("ann")

    def as_ann(method: str, path: str, value: Any = ...) -> int:
        return target.ask(method, path, value, authorization=None, auth=ann).status_code

    assert as_ann("PUT", "users/ann", {"x": 1}) == 200
    assert as_ann("PUT", "users/bob", {"x": 1}) == 401
    assert as_ann("PATCH", "users", {"ann/x": 2, "bob/x": 2}) == 401
    assert as_ann("GET", "users/ann") == 200
    assert as_ann("GET", "") == 401
    assert target.ask("GET", "users", authorization=None).status_code == 401
    assert target.get("users") == {"ann": {"x": 1}}


def test_roles_come_from_claims_and_values_are_validated(target: Target) -> None:
    target.set_rules(
        {
            "frames": {
                "$key": {
                    ".write": "auth.token.role === 'sim' && !data.exists()",
                    ".validate": "newData.hasChildren(['v', 'z']) && newData.child('z').isString()"
                    " && newData.child('z').val().length < 10 && $key.matches(/^f[0-9a-f]+$/)",
                }
            }
        }
    )
    sim, operator = target.token("s", role="sim"), target.token("o", role="operator")

    def write(token: str, key: str, value: Any) -> int:
        return target.ask("PUT", f"frames/{key}", value, authorization=None, auth=token).status_code

    assert write(operator, "f0", {"v": 1, "z": "x"}) == 401
    assert write(sim, "g0", {"v": 1, "z": "x"}) == 401
    assert write(sim, "f0", {"v": 1}) == 401
    assert write(sim, "f0", {"v": 1, "z": "x" * 10}) == 401
    assert write(sim, "f0", {"v": 1, "z": "x"}) == 200
    assert write(sim, "f0", {"v": 1, "z": "y"}) == 401
    assert write(sim, "f0", None) == 401


def test_an_administrator_may_take_the_part_of_a_user(target: Target) -> None:
    target.put("a", 1)
    target.set_rules({"a": {".read": "auth.uid === 'ann'"}})
    for override, status in (('{"uid": "ann"}', 200), ('{"uid": "bob"}', 401), ("null", 401)):
        assert target.ask("GET", "a", auth_variable_override=override).status_code == status
    assert target.ask("GET", "a").status_code == 200


def test_a_token_that_is_none_is_refused(target: Target) -> None:
    assert target.ask("GET", "a", authorization=None, auth="nonsense").status_code == 401
