"""The language of security rules: what its expressions say of data and of who asks."""

from __future__ import annotations

from typing import Any

import pytest

from rtdb.refused import Refused
from rtdb.rules import Rules
from rtdb.tokens import Account
from rtdb.tree import EMPTY
from rtdb.values import dumps, from_json

DATA = {"a": {"n": 3, "t": "text", "yes": True, "deep": {"x": 1}}, "roles": {"ann": "operator"}}
ANN = Account(auth={"uid": "ann", "token": {"sat": "K-1", "level": 2, "email_verified": True}})


def allowed(expression: Any, path: tuple[str, ...] = ("a", "n"), account: Account = ANN) -> bool:
    rules = Rules(dumps({"rules": {"$top": {"$key": {".read": expression}}}}))
    try:
        rules.check_read(from_json(DATA), path, account, 1000)
    except Refused:
        return False
    return True


@pytest.mark.parametrize(
    "expression",
    [
        "true",
        "auth != null",
        "auth.uid === 'ann'",
        "auth['uid'] == \"ann\"",
        "auth.token.sat === 'K-1' && auth.token.level >= 2",
        "$top === 'a' && $key === 'n'",
        "data.exists() && data.isNumber() && data.val() === 3",
        "data.parent().child('t').isString()",
        "data.parent().hasChildren(['n', 't']) && data.parent().hasChildren()",
        "!data.parent().hasChildren(['n', 'nope'])",
        "data.parent().child('deep/x').val() + 1 == 2",
        "root.child('roles').child(auth.uid).val() === 'operator'",
        "root.child('roles/' + auth.uid).val().beginsWith('op')",
        "root.child('nowhere').val() === null",
        "now === 1000",
        "now - 1 * 10 / 5 + 2 % 2 == 998",
        "-1 < 0 && !(1 > 2) && 'a' < 'b' && 2 <= 2.0",
        "false || (true && !false)",
        "auth.uid == 'bob' ? false : true",
        "'K-1'.length == 3 && 'K-1'.contains('-') && 'K-1'.endsWith('1')",
        "'Ab'.toLowerCase() + 'Ab'.toUpperCase() == 'abAB' && 'a.b'.replace('.', '-') == 'a-b'",
        r"'f65a0_00042'.matches(/^f[0-9a-f]{4}_\d+$/) && !'x'.matches(/^y/) && 'X'.matches(/x/i)",
        "'it\\'s' == \"it's\"",
        "auth.token.email_verified",
        "auth.token.none === null",
    ],
)
def test_what_holds(expression: str) -> None:
    assert allowed(expression)
    assert not allowed(f"!({expression})")


@pytest.mark.parametrize(
    "expression",
    ["auth.uid == 'ann'", "auth.token.sat === 'K-1'", "data.child(auth.uid).exists()", "data.val() < 'x'", "1",
     "'true'", "data.parent().parent().parent().exists()", "now + null > 0"],
)  # fmt: skip
def test_what_cannot_be_answered_is_not_allowed(expression: str) -> None:
    assert not allowed(expression, account=Account())


@pytest.mark.parametrize(
    "expression",
    ["auth.", "auth = null", "unknown == 1", "$other == 1", "(true", "true true", "newData.exists()", "'a", 5, None,
     "'a'.matches('a')", "data.child('a'"],
)  # fmt: skip
def test_what_is_no_rule_is_refused_when_it_is_set(expression: Any) -> None:
    with pytest.raises(Refused) as refused:
        allowed(expression)
    assert refused.value.status == 400


@pytest.mark.parametrize("text", ["", "[]", '{"rules": 5}', '{"other": {}}', '{"rules": {".wirte": true}}'])
def test_what_are_no_rules_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        Rules(text)


def test_comments_are_left_out() -> None:
    rules = Rules('{ // one\n "rules": { /* two\n */ ".read": "\'http://x\' != \'\'" } }')
    rules.check_read(EMPTY, (), Account(), 0)


def test_the_nearest_key_is_taken_before_a_wildcard() -> None:
    rules = Rules(dumps({"rules": {"$any": {".read": True}, "secret": {".read": False}}}))
    rules.check_read(EMPTY, ("x", "deep"), Account(), 0)
    with pytest.raises(Refused):
        rules.check_read(EMPTY, ("secret", "deep"), Account(), 0)


def test_every_place_that_gets_data_is_validated_and_no_other() -> None:
    act = {".validate": "newData.hasChild('kind')", "kind": {".validate": "newData.isString()"}}
    rules = Rules(dumps({"rules": {".write": True, "acts": {"$id": act}}}))

    def written(before: Any, after: Any, *paths: tuple[str, ...]) -> bool:
        try:
            rules.check_write(from_json(before), from_json(after), paths, Account(), 0)
        except Refused:
            return False
        return True

    good = {"acts": {"1": {"kind": "ack"}}}
    assert written(None, good, ())
    assert written(None, good, ("acts", "1", "kind"))
    assert written(good, None, ("acts", "1"))
    assert not written(None, {"acts": {"1": {"other": 1}}}, ("acts", "1", "other"))
    assert not written(None, {"acts": {"1": {"kind": 5}}}, ())
    assert written(None, {"acts": {"1": {"kind": 5}}, "b": 1}, ("b",))
