"""A console with a user's token: let in as that user, renewed in time, told in words when it is not let in."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
from pathlib import Path

import pytest

from telemetry.clock import NS_PER_S, ManualClock
from telemetry.link_config import LinkRefused
from telemetry.links import redaction
from telemetry.links.id_token import IdTokens, read_token_file, uid_of
from telemetry.links.link import LIVE, REFUSED, STALE, StreamCursor
from telemetry.links.link_health import AccessRefused, LinkFailure
from telemetry.links.stream_follower import StreamFollower

ROOT = "cubesat_tui/kestrel-1"
RULES = {"rules": {"cubesat_tui": {"$sat": {".read": "auth != null && auth.token.role == 'operator'"}}}}
REFRESH = "canary-refresh-91c2"


def token_file(tmp_path: Path, mode: int = 0o600, **content: str) -> Path:
    path = tmp_path / "token.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    path.chmod(mode)
    return path


class Google:
    """Answers as `securetoken.googleapis.com` does, and counts."""

    def __init__(self, seconds: int = 3600, status: int = 200, word: str = "") -> None:
        self.seconds, self.status, self.word = seconds, status, word
        self.asked: list[dict] = []

    async def __call__(self, url: str, form: dict, *, key: str) -> tuple[int, object]:
        self.asked.append({"url": url, "key": key, **form})
        await asyncio.sleep(0)
        if self.status != 200:
            return self.status, {"error": {"message": self.word}}
        n = len(self.asked)
        return 200, {
            "id_token": f"canary-id-token-{n}",
            "refresh_token": f"{REFRESH}-{n}",
            "expires_in": str(self.seconds),
            "user_id": "anna",
        }


def google_tokens(tmp_path: Path, clock: ManualClock, google: Google) -> IdTokens:
    path = token_file(tmp_path, api_key="canary-api-key", refresh_token=REFRESH)
    return IdTokens(path, clock=clock, post=google)


async def test_a_token_is_kept_until_five_minutes_before_its_end(tmp_path):
    clock, google = ManualClock(), Google()
    tokens = google_tokens(tmp_path, clock, google)
    first = await tokens.current()
    assert first == ("canary-id-token-1", 3600 * NS_PER_S, "auth", "anna")
    clock.advance(3299)
    assert await tokens.current() == first
    clock.advance(2)
    assert (await tokens.current()).value == "canary-id-token-2"
    assert google.asked[0] == {
        "url": "https://securetoken.googleapis.com/v1/token",
        "key": "canary-api-key",
        "grant_type": "refresh_token",
        "refresh_token": REFRESH,
    }
    assert google.asked[1]["refresh_token"] == f"{REFRESH}-1"


async def test_a_rotated_refresh_token_is_kept_and_stays_its_users_own(tmp_path):
    tokens = google_tokens(tmp_path, ManualClock(), Google())
    await tokens.renewed()
    path = tmp_path / "token.json"
    assert read_token_file(path).refresh_token == f"{REFRESH}-1"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["token.json"]


async def test_all_who_ask_at_once_share_one_refresh(tmp_path):
    google = Google()
    tokens = google_tokens(tmp_path, ManualClock(), google)
    found = await asyncio.gather(*(tokens.renewed() for _ in range(8)))
    assert len(google.asked) == 1
    assert len(set(found)) == 1


@pytest.mark.parametrize("skew_s", [-86_400, 86_400, 10**9])
async def test_a_wrong_clock_of_this_machine_is_harmless(tmp_path, skew_s):
    clock, google = ManualClock((1_790_000_000 + skew_s) * NS_PER_S), Google()
    tokens = google_tokens(tmp_path, clock, google)
    for _ in range(20):
        await tokens.current()
        clock.advance(60)
    assert len(google.asked) == 1


@pytest.mark.parametrize(
    ("status", "word", "words"),
    [
        (400, "TOKEN_EXPIRED", "sign-in refused (TOKEN_EXPIRED): sign in again"),
        (400, f"<b>{REFRESH}</b>", "sign-in refused: sign in again"),
        (403, "USER_DISABLED", "sign-in refused (USER_DISABLED): sign in again"),
    ],
)
async def test_a_sign_in_that_is_over_is_told(tmp_path, status, word, words):
    tokens = google_tokens(tmp_path, ManualClock(), Google(status=status, word=word))
    with pytest.raises(AccessRefused) as refused:
        await tokens.current()
    assert refused.value.words == words


async def test_a_server_that_gives_no_token_now_is_asked_again(tmp_path):
    google = Google(status=503)
    tokens = google_tokens(tmp_path, ManualClock(), google)
    with pytest.raises(LinkFailure, match=r"securetoken.googleapis.com gives no token now \(503\)") as failure:
        await tokens.current()
    assert not isinstance(failure.value, AccessRefused)
    google.status = 200
    assert (await tokens.current()).uid == "anna"


# The file.


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_file_that_others_may_read_is_refused_with_the_fix(tmp_path, mode):
    path = token_file(tmp_path, mode, id_token="canary-id-token")
    with pytest.raises(LinkRefused, match=f"others may read the token .mode 0{mode:o}.: chmod 600 {path}"):
        IdTokens(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_file_of_another_user_is_refused(tmp_path):
    path = token_file(tmp_path, id_token="canary-id-token")
    os.chown(path, 12345, -1)
    with pytest.raises(LinkRefused, match="belongs to another user"):
        IdTokens(path)


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"api_key": "canary-a"}', '{"refresh_token": "canary-b"}', "canary-c", '{"id_token": 7}', "\x00"],
)
def test_a_file_that_holds_no_token_is_refused_and_not_quoted(tmp_path, content):
    path = token_file(tmp_path)
    path.write_text(content, encoding="utf-8")
    with pytest.raises(LinkRefused, match="this is no token file") as refused:
        IdTokens(path)
    assert "canary" not in str(refused.value)


def test_a_token_is_not_shown_to_an_address_without_encryption(tmp_path):
    path = token_file(tmp_path, api_key="k", refresh_token="r", url="http://evil.test/v1/token")
    with pytest.raises(LinkRefused, match="url: allowed: https://"):
        IdTokens(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(LinkRefused, match="No such file"):
        IdTokens(tmp_path / "none.json")
    with pytest.raises(LinkRefused, match=r"Is a directory|this is no file"):
        IdTokens(tmp_path)


async def test_a_token_that_somebody_else_keeps_fresh_is_read_again(tmp_path):
    path = token_file(tmp_path, id_token="canary-one-two-three")
    tokens = IdTokens(path)
    assert (await tokens.current()).value == "canary-one-two-three"
    with pytest.raises(AccessRefused, match=r"the token in token.json is not taken any more: sign in again"):
        await tokens.renewed()
    token_file(tmp_path, id_token="canary-four-five-six")
    assert (await tokens.renewed()).value == "canary-four-five-six"


def test_a_token_that_names_nobody_has_no_uid():
    assert uid_of("") == uid_of("a.b.c") == uid_of("a.W10.c") == uid_of("é.é.é") == ""


# Against a database that judges by rules.


@pytest.fixture
def operator(tmp_path, firebase_server, hasty):
    """Makes tokens of an operator that live so many seconds of a clock so many times as fast."""
    firebase_server.set_rules(RULES)

    def make(seconds: int = 3600, speed: float = 1, role: str = "operator") -> IdTokens:
        refresh = firebase_server.issue_refresh_token("anna", {"role": role}, seconds)
        path = token_file(
            tmp_path, api_key="canary-api-key", refresh_token=refresh, url=f"{firebase_server.url}/v1/token"
        )
        return IdTokens(path, clock=hasty(speed))

    return make


async def first(follower: StreamFollower, n: int) -> list[int]:
    ids: list[int] = []
    records = follower.followed()
    async with asyncio.timeout(20):
        async for one in records:
            ids.append(one.first)
            if len(ids) == n:
                break
    await records.aclose()
    return ids


async def test_a_user_reads_what_the_rules_let_him_read(publisher, operator, open_rest):
    publisher.publish(3)
    assert await first(StreamFollower(open_rest(operator()), "frames", StreamCursor()), 3) == [1, 2, 3]


async def test_a_user_without_the_role_is_refused_in_words(publisher, operator, open_rest):
    publisher.publish(3)
    follower = StreamFollower(open_rest(operator(role="visitor")), "frames", StreamCursor())
    task = asyncio.ensure_future(anext(follower.followed()))
    async with asyncio.timeout(20):
        while follower.report.state != REFUSED:
            await asyncio.sleep(0.01)
    assert follower.report.detail == f"access refused: the token is not allowed to use {ROOT}/frames"
    asked = len(publisher.server.requests)
    await asyncio.sleep(0.3)
    assert len(publisher.server.requests) == asked
    task.cancel()


async def test_a_token_that_is_taken_back_is_renewed_and_nothing_is_missed(publisher, operator, open_rest):
    server = publisher.server
    tokens = operator()
    publisher.publish(2)
    follower = StreamFollower(open_rest(tokens), "frames", StreamCursor())
    following = asyncio.create_task(first(follower, 8))
    for round_ in range(3):
        await asyncio.to_thread(server.wait_for_streams, 1)
        old = (await tokens.current()).value
        await asyncio.to_thread(server.revoke_token if round_ % 2 else server.expire_token, old)
        await asyncio.to_thread(publisher.publish, 2)
    assert await following == [1, 2, 3, 4, 5, 6, 7, 8]
    assert server.counts["revoked"] >= 3


async def test_a_new_stream_is_open_before_the_token_of_the_old_one_ends(publisher, operator, open_rest):
    """Tokens of 360 s, on a clock 50 times as fast: each is left after 60 s, so some three in four seconds."""
    server = publisher.server
    server.set(keep_alive_s=0.05)
    rest = open_rest(operator(360, 50), speed=50)
    follower = StreamFollower(rest, "frames", StreamCursor())
    following = asyncio.create_task(first(follower, 60))
    states: set[str] = set()
    await asyncio.to_thread(server.wait_for_streams, 1)
    for _ in range(60):
        await asyncio.to_thread(publisher.publish, 1)
        states.add(follower.report.state)
        await asyncio.sleep(0.08)
    assert await following == list(range(1, 61))
    assert states <= {LIVE, STALE}
    assert follower._health.connections >= 3
    assert follower._health.failures == 0


async def test_the_secrets_of_a_sign_in_are_in_no_log(publisher, operator, open_rest, caplog):
    publisher.publish(2)
    tokens = operator()
    rest = open_rest(tokens)
    for name in (None, *redaction.TALKATIVE):
        caplog.set_level(logging.DEBUG, logger=name)
    await first(StreamFollower(rest, "frames", StreamCursor()), 2)
    file = json.loads(await asyncio.to_thread(tokens._path.read_text))
    secrets = ["canary-api-key", file["refresh_token"], (await tokens.current()).value]
    assert "HTTP Request: POST" in caplog.text and "HTTP Request: GET" in caplog.text
    assert not [secret for secret in secrets if secret in caplog.text]
