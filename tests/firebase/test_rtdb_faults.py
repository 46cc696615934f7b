"""Bad luck on demand: it strikes as asked, and is counted."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from rtdb.server import RtdbServer
from target import Events, Target


@pytest.fixture
def client(firebase_server: RtdbServer) -> Iterator[Target]:
    made = Target(firebase_server.host, firebase_server.namespace)
    yield made
    made.close()


def ends(events: Events) -> bool:
    """Whether the stream breaks off, after whatever it still tells."""
    try:
        while True:
            next(events)
    except (httpx.RemoteProtocolError, httpx.ReadError):
        return True
    except StopIteration:
        return False


def test_a_reply_is_lost_after_the_write_is_applied(firebase_server: RtdbServer, client: Target) -> None:
    firebase_server.lose_replies(2)
    for method in ("POST", "PUT"):
        with pytest.raises(httpx.RemoteProtocolError):
            client.ask(method, "list/x" if method == "PUT" else "list", 1)
    assert client.ask("PUT", "list/y", 1).status_code == 200
    assert len(firebase_server.tree("list")) == 3
    assert firebase_server.counts["lost_reply"] == 2


def test_a_reply_is_not_lost_of_what_was_refused(firebase_server: RtdbServer, client: Target) -> None:
    firebase_server.lose_replies()
    assert client.ask("PUT", "a", raw=b"{").status_code == 400
    assert firebase_server.counts["lost_reply"] == 0


@pytest.mark.parametrize("status", [503, 429, 401, 500])
def test_the_next_requests_are_answered_with_a_status(
    firebase_server: RtdbServer, client: Target, status: int
) -> None:
    firebase_server.unavailable(2, status)
    assert [client.ask("PUT", "a", 1).status_code for _ in range(3)] == [status, status, 200]
    assert firebase_server.counts[str(status)] == 2


def test_requests_and_messages_take_their_time(firebase_server: RtdbServer, client: Target) -> None:
    with client.listen("a") as events:
        next(events)
        firebase_server.set(latency_s=0.2)
        began = time.monotonic()
        client.put("a", 1)
        assert time.monotonic() - began >= 0.2
        assert next(events).told == ("put", "/", 1)
        began = time.monotonic()
        firebase_server.fill(2, "a")
        assert next(events).told == ("put", "/", 2)
        assert time.monotonic() - began >= 0.1
    assert firebase_server.counts["late"] == 1


def test_a_mute_stream_stays_open_and_says_nothing(firebase_server: RtdbServer, client: Target) -> None:
    firebase_server.set(keep_alive_s=0.05)
    connection = HTTPConnection(firebase_server.host, timeout=20)
    connection.request("GET", "/a.json", headers={"Accept": "text/event-stream"})
    with connection.getresponse() as response:
        lines = [response.readline().strip() for _ in range(6)]
        assert lines[:2] == [b"event: put", b'data: {"path":"/","data":null}']
        assert lines[3:5] == [b"event: keep-alive", b"data: null"]
        assert firebase_server.mute_streams() == 1
        with client.listen("a") as other:
            next(other)
            client.put("a", 1)
            while (event := next(other)).name == "keep-alive":
                pass
            assert event.told == ("put", "/", 1)
        connection.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            while line := response.readline():
                assert line.strip() in (b"event: keep-alive", b"data: null", b""), "said before it was muted"
    connection.close()
    assert firebase_server.counts["mute"] == 1


def test_streams_are_cut(firebase_server: RtdbServer, client: Target) -> None:
    with client.listen("a") as one, client.listen("b") as other:
        next(one)
        next(other)
        assert firebase_server.cut_streams() == 2
        assert ends(one)
        assert ends(other)
    firebase_server.wait_for_streams(0)
    assert firebase_server.counts["cut"] == 2


def test_a_stream_whose_listener_went_is_not_counted_as_open(firebase_server: RtdbServer, client: Target) -> None:
    with client.listen("a") as events:
        next(events)
        firebase_server.wait_for_streams(1)
    firebase_server.wait_for_streams(0)


def test_all_is_told_again_in_a_snapshot(firebase_server: RtdbServer, client: Target) -> None:
    client.put("a", {"f1": 1, "f2": 2})
    with client.listen("a", orderBy="$key", startAt="f2") as events:
        assert next(events).told == ("put", "/", {"f2": 2})
        assert firebase_server.snapshot_streams() == 1
        assert next(events).told == ("put", "/", {"f2": 2})
    assert firebase_server.counts["snapshot"] == 1


def test_a_right_is_taken_back(firebase_server: RtdbServer, client: Target) -> None:
    with client.listen("a") as events:
        next(events)
        assert firebase_server.cancel_streams() == 1
        assert next(events) == ("cancel", None)
        assert not ends(events)


def test_messages_are_doubled_and_swapped(firebase_server: RtdbServer, client: Target) -> None:
    with client.listen("a") as events:
        next(events)
        firebase_server.set(duplicate=1)
        client.put("a/f1", 1)
        assert [next(events).told for _ in range(2)] == [("put", "/f1", 1)] * 2
        firebase_server.set(reorder=1, overtake_s=60)
        client.put("a/f2", 2)
        client.put("a/f3", 3)
        assert [next(events).told[1] for _ in range(2)] == ["/f3", "/f2"]
        firebase_server.set(reorder=1, overtake_s=0.05)
        client.put("a/f4", 4)
        assert next(events).told[1] == "/f4", "what nothing overtakes is told all the same"
    assert (firebase_server.counts["duplicated"], firebase_server.counts["reordered"]) == (1, 1)


def test_a_stream_is_sent_to_another_host_first(firebase_server: RtdbServer, client: Target) -> None:
    firebase_server.set(redirects=1)
    url = f"{firebase_server.url}/a.json"
    stream = {"Accept": "text/event-stream"}
    with httpx.stream("GET", url, params={"orderBy": '"$key"'}, headers=stream) as response:
        assert response.status_code == 307
        there = response.headers["Location"]
    assert there.startswith(f"http://localhost:{firebase_server.port}/a.json?orderBy=")
    with httpx.stream("GET", there, headers=stream) as response:
        assert next(Events(response)).told == ("put", "/", None)
    assert firebase_server.counts["redirect"] == 1


def test_no_connection_is_taken_until_it_is_accepted_again(firebase_server: RtdbServer, client: Target) -> None:
    client.put("a", 1)
    with client.listen("a") as events:
        next(events)
        firebase_server.refuse()
        assert ends(events)
    with pytest.raises(httpx.ConnectError):
        client.ask("GET", "a")
    firebase_server.accept()
    assert client.get("a") == 1
    assert firebase_server.counts["refused"] == 1


def test_a_body_that_is_too_large_is_refused(firebase_server: RtdbServer, client: Target) -> None:
    firebase_server.set(most_bytes=1000)
    assert client.ask("PUT", "a", "x" * 1000).status_code == 413
    assert client.ask("PUT", "a", "x" * 900).status_code == 200


def test_the_clock_of_the_server_may_be_wrong(firebase_server: RtdbServer, client: Target) -> None:
    firebase_server.set(clock_offset_s=-7200)
    client.put("a", {".sv": "timestamp"})
    assert client.get("a") == pytest.approx((time.time() - 7200) * 1000, abs=5000)


def test_what_was_asked_is_remembered(firebase_server: RtdbServer, client: Target) -> None:
    client.put("a", 1)
    with client.listen("b") as events:
        next(events)
    client.ask("GET", "c", shallow="true", orderBy="$key")
    assert firebase_server.requests == [
        ("PUT", "/a.json", 200),
        ("LISTEN", "/b.json", 200),
        ("GET", "/c.json", 400),
    ]


def test_a_fault_of_another_name_is_none(firebase_server: RtdbServer) -> None:
    with pytest.raises(AttributeError):
        firebase_server.set(latency=1)


def test_a_server_in_its_own_process_is_made_unlucky_over_http() -> None:
    main = Path(__file__).with_name("rtdb_main.py")
    process = subprocess.Popen([sys.executable, str(main)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        asked = {"answer": {"n": 1}, "set": {"keep_alive_s": 2}, "cut_streams": {}}
        told = httpx.post(f"{url}/.faults", json=asked)
        assert told.json()["done"] == {"answer": None, "set": None, "cut_streams": 0}
        assert [httpx.get(f"{url}/a.json").status_code for _ in range(2)] == [503, 200]
        assert httpx.get(f"{url}/.faults").json()["counts"]["503"] == 1
        assert httpx.post(f"{url}/.faults", json={"review_streams": {}}).status_code == 400
    finally:
        process.terminate()
        assert process.wait(30) == 0
