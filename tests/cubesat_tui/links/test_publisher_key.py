"""A station with a service account's key: it is let in, its tokens let others read, and nothing of it is told."""

from __future__ import annotations

import json

import httpx
import pytest

from cubesat_tui.courier_tokens import CourierTokens
from telemetry.link_config import LinkRefused


async def test_a_key_opens_the_database_and_its_tokens_let_a_follower_read(publishing, secured) -> None:
    mission = publishing(url=secured.url, link=f'credentials = "{secured.key}"')
    mission.store(10)
    mission.start()
    await mission.all_sent()
    assert mission.seqs() == list(range(10))
    tokens = CourierTokens(mission.publisher)
    token = await tokens.current()
    assert (token.how, token.uid) == ("bearer", "service")
    assert 0 < token.expires_ns - mission.clock.now_ns() <= 3600 * 10**9
    address = f"{mission.server.url}/cubesat_tui/kestrel-1/heads.json"
    assert httpx.get(address).status_code == 401
    assert httpx.get(address, headers={"Authorization": f"Bearer {token.value}"}).status_code == 200
    assert await tokens.current() == token
    renewed = await tokens.renewed()
    assert renewed.value != token.value


async def test_a_key_that_is_revoked_is_told_in_words(publishing, secured) -> None:
    key = json.loads(secured.key.read_text())
    secured.key.write_text(json.dumps({**key, "token_uri": f"{key['token_uri']}/gone"}))
    mission = publishing(url=secured.url, link=f'credentials = "{secured.key}"')
    mission.start()
    await mission.until(lambda: mission.publisher.report.state == "REFUSED")
    assert "Google refuses the key of the service account" in mission.publisher.report.detail


async def test_nothing_of_the_key_or_of_a_token_is_in_anything_that_is_written(
    publishing, secured, caplog: pytest.LogCaptureFixture
) -> None:
    mission = publishing(url=secured.url, link=f'credentials = "{secured.key}"')
    mission.store(10, events=2)
    caplog.set_level("DEBUG")
    mission.start(("frames", "journal"), chance=lambda: 0.1)
    await mission.all_sent()
    token = await CourierTokens(mission.publisher).current()
    mission.server.revoke_token(token.value)
    mission.server.unavailable(9, 401)
    mission.store(1)
    await mission.until(lambda: mission.publisher.report.state == "REFUSED")
    told = [str(mission.publisher.report), caplog.text, *(repr(event) for event in mission.journaled)]
    await mission.all_sent()
    await mission.stop()
    mission.writer.checkpoint()
    files = [path for path in mission.directory.path.rglob("*") if path.is_file()]
    assert mission.directory.log / "courier.log" in files
    told += [path.read_bytes().decode("latin-1") for path in files if not path.name.startswith("telemetry.db")]
    told.append(repr(mission.writer._connection.rows("SELECT * FROM journal")))
    private = json.loads(secured.key.read_text())["private_key"].splitlines()
    for secret in (private[1], private[-2], token.value, "PRIVATE KEY"):
        assert not [text for text in told if secret in text]


@pytest.mark.parametrize("mode", [0o644, 0o600])
async def test_a_station_does_not_begin_with_a_key_that_others_may_read(publishing, secured, mode: int) -> None:
    mission = publishing(url=secured.url, link=f'credentials = "{secured.key}"')
    secured.key.chmod(mode)
    if mode == 0o600:
        mission.start()
        return
    with pytest.raises(LinkRefused, match="chmod 600"):
        mission.start()
    assert list(mission.directory.log.iterdir()) == []
