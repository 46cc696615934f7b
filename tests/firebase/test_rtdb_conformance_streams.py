"""Documented streams, against the test server or Google's emulator (FIREBASE_DATABASE_EMULATOR_HOST)."""

from __future__ import annotations

from target import Target


def test_a_stream_tells_the_value_and_then_each_change(target: Target) -> None:
    target.put("a", {"x": 1})
    with target.listen("a") as events:
        assert events.response.headers["Content-Type"].startswith("text/event-stream")
        assert next(events).told == ("put", "/", {"x": 1})
        target.put("a/y/z", "é")
        assert next(events).told == ("put", "/y/z", "é")
        target.ask("PATCH", "a/y", {"z": 2, "w": 3})
        assert next(events).told == ("patch", "/y", {"z": 2, "w": 3})
        target.ask("DELETE", "a/x")
        assert next(events).told == ("put", "/x", None)
        target.put("elsewhere", 1)
        target.put("a", 5)
        assert next(events).told == ("put", "/", 5)


def test_a_stream_of_nothing_begins_with_null(target: Target) -> None:
    with target.listen("a") as events:
        assert next(events).told == ("put", "/", None)


def test_a_stream_of_a_page_tells_what_comes_into_it(target: Target) -> None:
    target.put("f", {"f1": 1, "f2": 2})
    with target.listen("f", orderBy="$key", startAt="f2") as events:
        assert next(events).told == ("put", "/", {"f2": 2})
        target.put("f/f1", "not asked for")
        target.put("f/f3", {"n": 3})
        assert next(events).told == ("put", "/f3", {"n": 3})


def test_a_stream_that_may_not_be_read_is_refused(target: Target) -> None:
    target.set_rules({})
    with target.listen("a", authorization=None) as events:
        assert events.response.status_code == 401


def test_a_stream_is_told_that_its_right_is_gone(target: Target) -> None:
    target.set_rules({".read": "auth.uid === 'ann'"})
    with target.listen("a", authorization=None, auth=target.token("ann")) as events:
        next(events)
        target.set_rules({})
        assert next(events) == ("cancel", None)
