"""The test server's database by itself: what holds whatever is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from random_cases import KEYS
from rtdb.database import Change, Database
from rtdb.keys import key_order
from rtdb.refused import Refused
from rtdb.tokens import ADMIN
from rtdb.tree import EMPTY, Node
from rtdb.values import from_json


def test_keys_pushed_within_one_millisecond_are_in_order_and_all_different() -> None:
    database = Database(lambda: 1_795_331_643_000)
    keys = [database.push((), 1, ADMIN) for _ in range(1000)]
    assert keys == sorted(set(keys))


def test_an_update_that_is_refused_changes_nothing_and_is_told_to_nobody() -> None:
    told: list[Change] = []
    database = Database(lambda: 0)
    database.put((), {"a": 1}, ADMIN)
    before = database.root
    database.listeners.append(told.append)
    with pytest.raises(Refused):
        database.patch((), {"b": 2, "c": {"x.y": 3}}, ADMIN)
    assert database.root is before
    assert told == []


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.booleans())))
def test_children_stay_in_the_order_of_their_keys(writes: list[tuple[str, bool]]) -> None:
    node = from_json({"f65_0001": 1, "10": 2})
    assert node.ordered == ["10", "f65_0001"]
    for key, there in writes:
        node = node.with_child(key, Node(1) if there else EMPTY)
        assert node.ordered == sorted(node.children, key=key_order)


def test_a_priority_goes_with_the_last_child() -> None:
    node = from_json({"a": 1, ".priority": 5})
    assert node.with_child("b", Node(2)).priority == 5
    assert node.with_child("a", EMPTY).with_child("b", Node(2)).priority is None
