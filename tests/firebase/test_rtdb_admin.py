"""Google's own Python client: each of its calls does against the test server what it is documented to do."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import firebase_admin
import pytest
from firebase_admin import db, exceptions

from rtdb.server import RtdbServer
from target import Target

Reference = Callable[[str], db.Reference]


@pytest.fixture
def app(target: Target, monkeypatch: pytest.MonkeyPatch) -> Iterator[firebase_admin.App]:
    monkeypatch.setenv("FIREBASE_DATABASE_EMULATOR_HOST", target.host)
    options = {"databaseURL": f"https://{target.namespace}.firebaseio.com", "httpTimeout": 10}
    made = firebase_admin.initialize_app(options=options, name=target.namespace)
    yield made
    firebase_admin.delete_app(made)


@pytest.fixture
def reference(app: firebase_admin.App) -> Reference:
    return lambda path: db.reference(path, app)


def test_get_set_update_and_delete(reference: Reference, target: Target) -> None:
    assert reference("a").get() is None
    reference("a").set({"x": 1, "y": {"z": "é"}, "list": [1, 2], "none": None})
    assert reference("a").get() == {"x": 1, "y": {"z": "é"}, "list": [1, 2]}
    assert reference("a").get(shallow=True) == {"x": True, "y": True, "list": True}
    reference("a").update({"x": 2, "y/z": None, "y/w": 3})
    assert target.get("a") == {"x": 2, "y": {"w": 3}, "list": [1, 2]}
    reference("a/x").delete()
    assert reference("a").child("x").get() is None


def test_push_makes_keys_in_order(reference: Reference) -> None:
    made = [reference("list").push(number).key for number in range(5)]
    assert made == sorted(made)
    assert reference("list").get() == dict(zip(made, range(5), strict=True))


def test_an_etag_guards_a_write(reference: Reference) -> None:
    reference("a").set(1)
    value, etag = reference("a").get(etag=True)
    assert value == 1
    assert reference("a").get_if_changed(etag) == (False, None, None)
    assert reference("a").set_if_unchanged("another", 2) == (False, 1, etag)
    taken, value, after = reference("a").set_if_unchanged(etag, 2)
    assert (taken, value) == (True, 2)
    assert reference("a").get_if_changed(etag) == (True, 2, after)


def test_transactions_of_many_threads_all_count(reference: Reference) -> None:
    def count(_: int) -> None:
        for _turn in range(5):
            reference("n").transaction(lambda n: (n or 0) + 1)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, range(4)))
    assert reference("n").get() == 20


def test_a_transaction_that_raises_changes_nothing(reference: Reference) -> None:
    reference("n").set(1)
    with pytest.raises(ZeroDivisionError):
        reference("n").transaction(lambda n: n / 0)
    assert reference("n").get() == 1


def test_queries_come_back_in_their_order(reference: Reference, target: Target) -> None:
    index = {".indexOn": ["height", "size/width", ".value"]}
    target.set_rules({".read": True, ".write": True, "d": index, "scores": index})
    heights = {"stego": 4, "bronto": 9, "tri": 3, "ptero": 9}
    reference("d").set({name: {"height": tall, "size": {"width": -tall}} for name, tall in heights.items()})
    reference("scores").set(heights)
    ask = reference("d")
    assert list(ask.order_by_child("height").get()) == ["tri", "stego", "bronto", "ptero"]
    assert list(ask.order_by_child("size/width").limit_to_first(2).get()) == ["bronto", "ptero"]
    assert list(ask.order_by_child("height").start_at(4).end_at(8).get()) == ["stego"]
    assert list(ask.order_by_child("height").equal_to(9).limit_to_last(1).get()) == ["ptero"]
    assert list(ask.order_by_key().start_at("c").get()) == ["ptero", "stego", "tri"]
    assert list(reference("scores").order_by_value().limit_to_last(3).get()) == ["stego", "bronto", "ptero"]
    with pytest.raises(exceptions.InvalidArgumentError, match="Index not defined"):
        ask.order_by_child("weight").get()


def test_the_server_fills_in_its_time(reference: Reference) -> None:
    reference("at").set({".sv": "timestamp"})
    assert reference("at").get() > 1_600_000_000_000


def test_rules_hold_for_an_app_that_takes_the_part_of_a_user(target: Target, app: firebase_admin.App) -> None:
    target.set_rules({"users": {"$uid": {".read": "$uid === auth.uid", ".write": "$uid === auth.uid"}}})
    for override, uid in (({"uid": "ann"}, "ann"), (None, None)):
        options = {**app.options._options, "databaseAuthVariableOverride": override}
        part = firebase_admin.initialize_app(options=options, name=f"{app.name}-{uid}")
        try:
            if uid:
                db.reference("users/ann", part).set(1)
                assert db.reference("users/ann", part).get() == 1
            with pytest.raises(exceptions.UnauthenticatedError, match="Permission denied"):
                db.reference("users/bob", part).set(1)
            with pytest.raises(exceptions.UnauthenticatedError):
                db.reference("users/bob", part).get()
        finally:
            firebase_admin.delete_app(part)


def test_a_key_that_only_the_server_checks_is_refused(reference: Reference) -> None:
    with pytest.raises(exceptions.InvalidArgumentError):
        reference("a").set({"x.y": 1})


# Its thread falls over what its own `close` has taken away.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_listen_is_told_each_change(reference: Reference, request: pytest.FixtureRequest) -> None:
    if "firebase_server" in request.fixturenames:
        # Its listener ends at the next byte only.
        request.getfixturevalue("firebase_server").set(keep_alive_s=0.05)
    heard: queue.Queue[tuple[str, str, Any]] = queue.Queue()
    reference("a").set({"x": 1})
    listener = reference("a").listen(lambda event: heard.put((event.event_type, event.path, event.data)))
    try:
        assert heard.get(timeout=20) == ("put", "/", {"x": 1})
        reference("a/y").set({"z": 2})
        assert heard.get(timeout=20) == ("put", "/y", {"z": 2})
        reference("a").update({"x": None, "w": 3})
        assert heard.get(timeout=20) == ("patch", "/", {"x": None, "w": 3})
    finally:
        listener.close()
    assert not any(thread is listener._thread for thread in threading.enumerate())


def test_a_lost_reply_doubles_what_is_pushed_but_not_what_is_set(
    firebase_server: RtdbServer, target: Target, reference: Reference
) -> None:
    """Why records are written under keys of their own: the client sends again what it had no answer to."""
    if target.host != firebase_server.host:
        pytest.skip("the emulator loses no replies")
    firebase_server.lose_replies()
    reference("list").push("once")
    firebase_server.lose_replies()
    reference("map/key").set("once")
    assert list(firebase_server.tree("list").values()) == ["once", "once"]
    assert firebase_server.tree("map") == {"key": "once"}
