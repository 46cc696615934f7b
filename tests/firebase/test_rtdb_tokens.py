"""ID tokens, refresh tokens and access tokens of the test server."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from rtdb.server import RtdbServer
from target import Target

ANN_READS = {"rules": {".read": "auth.uid === 'ann' && auth.token.role === 'operator'"}}


@pytest.fixture
def client(firebase_server: RtdbServer) -> Iterator[Target]:
    firebase_server.set_rules(ANN_READS)
    made = Target(firebase_server.host, firebase_server.namespace)
    yield made
    made.close()


def status(client: Target, token: str) -> int:
    return client.ask("GET", "a", authorization=None, auth=token).status_code


def exchange(server: RtdbServer, refresh: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": refresh}
    return httpx.post(f"{server.url}/v1/token", params={"key": "an api key"}, data=form)


def test_a_token_is_valid_until_its_time_is_over_or_it_is_revoked(
    firebase_server: RtdbServer, client: Target
) -> None:
    role = {"role": "operator"}
    short, long = (firebase_server.issue_token("ann", role, seconds) for seconds in (10, 3600))
    assert [status(client, token) for token in (short, long)] == [200, 200]
    firebase_server.set(clock_offset_s=11)
    assert [status(client, token) for token in (short, long)] == [401, 200]
    firebase_server.revoke_token(long)
    assert status(client, long) == 401
    assert status(client, firebase_server.issue_token("ann", {"role": "sim"})) == 401
    assert status(client, firebase_server.issue_token("bob", role)) == 401


@pytest.mark.parametrize("how", ["revoke_token", "expire_token"])
def test_a_stream_is_told_that_its_token_is_gone(firebase_server: RtdbServer, client: Target, how: str) -> None:
    token = firebase_server.issue_token("ann", {"role": "operator"})
    with client.listen("a", authorization=None, auth=token) as events:
        next(events)
        getattr(firebase_server, how)(token)
        assert next(events) == ("auth_revoked", "credential is no longer valid")
        with pytest.raises(StopIteration):
            next(events)
    assert firebase_server.counts["revoked"] == 1


@pytest.mark.parametrize("busy", [True, False])
def test_a_stream_ends_by_itself_when_its_token_does(
    firebase_server: RtdbServer, client: Target, busy: bool
) -> None:
    firebase_server.set(keep_alive_s=30 if busy else 0.02)
    token = firebase_server.issue_token("ann", {"role": "operator"}, 60)
    with client.listen("a", authorization=None, auth=token) as events:
        next(events)
        firebase_server.set(clock_offset_s=61)
        if busy:
            firebase_server.fill(1, "a")
        while (event := next(events)).name == "keep-alive":
            pass
        assert event.name == "auth_revoked"


def test_a_refresh_token_gives_id_tokens(firebase_server: RtdbServer, client: Target) -> None:
    refresh = firebase_server.issue_refresh_token("ann", {"role": "operator"}, 300)
    body = exchange(firebase_server, refresh).json()
    assert (body["expires_in"], body["token_type"], body["user_id"]) == ("300", "Bearer", "ann")
    assert body["refresh_token"] == refresh
    assert status(client, body["id_token"]) == 200
    assert exchange(firebase_server, refresh).json()["id_token"] != body["id_token"]
    firebase_server.revoke_token(refresh)
    refused = exchange(firebase_server, refresh)
    assert (refused.status_code, refused.json()["error"]["message"]) == (400, "INVALID_REFRESH_TOKEN")


def test_a_refresh_token_may_be_good_for_one_exchange(firebase_server: RtdbServer, client: Target) -> None:
    firebase_server.rotate_refresh_tokens()
    first = firebase_server.issue_refresh_token("ann", {"role": "operator"})
    second = exchange(firebase_server, first).json()["refresh_token"]
    assert second != first
    assert exchange(firebase_server, first).status_code == 400
    assert status(client, exchange(firebase_server, second).json()["id_token"]) == 200


def test_a_service_account_gets_an_access_token_above_the_rules(
    firebase_server: RtdbServer, client: Target
) -> None:
    from google.auth.transport.requests import Request
    from google.oauth2 import service_account

    key = firebase_server.service_account()
    credentials = service_account.Credentials.from_service_account_info(key, scopes=["x"])
    credentials.refresh(Request())
    header = f"Bearer {credentials.token}"
    assert client.ask("PUT", "a", 1, authorization=header).status_code == 200
    firebase_server.revoke_token(credentials.token)
    assert client.ask("PUT", "a", 1, authorization=header).status_code == 401
