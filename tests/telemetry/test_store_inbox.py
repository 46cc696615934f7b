"""Requests: durable, in order, gone only when the station says so."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.store.errors import StoreRefused
from telemetry.store.inbox import Inbox, uuid7


def test_requests_wait_in_order_until_deleted(tmp_path):
    asking, station = Inbox(tmp_path / "inbox.db"), Inbox(tmp_path / "inbox.db")
    first = asking.submit("ack", {"satellite": "K", "subject": "eps.bat_v"}, "ana", 1_000)
    second = asking.submit("stop", {}, "ben", 999)
    pending = station.pending()
    assert [one.id for one in pending] == [first, second]
    assert (pending[0].kind, pending[0].actor, pending[0].at_ns) == ("ack", "ana", 1_000)
    assert pending[0].body == {"satellite": "K", "subject": "eps.bat_v"}
    assert [one.id for one in station.pending(limit=1)] == [first]
    station.delete([first, "unknown"])
    assert [one.id for one in asking.pending()] == [second]
    asking.close()
    station.close()


def test_requests_survive_the_end_of_everybody(tmp_path):
    inbox = Inbox(tmp_path / "inbox.db")
    inbox.submit("stop", {}, "ana", 5)
    inbox.close()
    assert [one.kind for one in Inbox(tmp_path / "inbox.db").pending()] == ["stop"]


def test_a_newer_inbox_is_refused(tmp_path):
    inbox = Inbox(tmp_path / "inbox.db")
    inbox._connection.pragma("user_version", 7)
    inbox.close()
    with pytest.raises(StoreRefused, match="schema 7"):
        Inbox(tmp_path / "inbox.db")


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=20))
def test_ids_are_uuids_of_version_7_and_rise(times):
    ids = [uuid7(t) for t in times]
    assert ids == sorted(set(ids))
    assert {uuid.UUID(one).version for one in ids} == {7}
    assert {uuid.UUID(one).variant for one in ids} == {uuid.RFC_4122}


def test_an_id_carries_its_time(monkeypatch):
    monkeypatch.setattr("telemetry.store.inbox._last", 0)
    assert uuid.UUID(uuid7(1_790_000_000_123_000_000)).int >> 80 == 1_790_000_000_123
