"""The table [hooks]: what it means, and that no error repeats a secret."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from telemetry.dictionary import MissionError, read_mission
from telemetry.hook_config import CommandHook, WebhookHook, public_part
from tests.testbird import TOML

CANARY = "canary-91c4"


def hooks_of(tmp_path: Path, toml: str) -> tuple[object, ...]:
    (tmp_path / "mission.toml").write_text(TOML + toml, encoding="utf-8")
    return read_mission(tmp_path).hooks


def test_there_are_none_unless_they_are_asked_for(tmp_path: Path) -> None:
    assert hooks_of(tmp_path, "") == ()


def test_commands_and_webhooks_are_read(tmp_path: Path) -> None:
    found = hooks_of(
        tmp_path,
        """
[[hooks.webhook]]
url = "https://alerts.example.org/in?key=k"
headers = {Authorization = "env:TOKEN"}
from = "CRITICAL"
on = ["raised"]
[[hooks.command]]
argv = ["/usr/local/bin/page", "--team", "ops"]
timeout_s = 3
""",
    )
    assert found == (
        CommandHook(("/usr/local/bin/page", "--team", "ops"), timeout_s=3.0),
        WebhookHook("https://alerts.example.org/in?key=k", (("Authorization", "TOKEN"),), "CRITICAL", ("raised",)),
    )
    assert [hook.title for hook in found] == ["command page", "webhook https://alerts.example.org"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"https://ann:{CANARY}@h.org:8443/{CANARY}?{CANARY}#{CANARY}", "https://h.org:8443"),
        (f"http://[::1]:80/{CANARY}", "http://[::1]:80"),
        (f"http://h.org:{CANARY}/", "(no address)"),
    ],
)
def test_of_an_address_only_scheme_and_host_are_shown(url: str, shown: str) -> None:
    assert public_part(url) == shown


@pytest.mark.parametrize(
    ("toml", "key"),
    [
        (f'[[hooks.webhook]]\nurl = "htp://ann:{CANARY}@h.org"', "url"),
        (f'[[hooks.webhook]]\nurl = "https://h.org/{CANARY} x"', "url"),
        (f'[[hooks.webhook]]\nurl = "https://h.org:port/{CANARY}"', "url"),
        (f'[[hooks.webhook]]\nurl = "http://[bad/{CANARY}"', "url"),
        (f'[[hooks.webhook]]\nurl = "http://[bad]/{CANARY}"', "url"),
        (f'[[hooks.webhook]]\nurl = "http://a..b/{CANARY}"', "url"),
        (f'[[hooks.webhook]]\nurl = "http://{"a" * 64}.org/{CANARY}"', "url"),
        (f'[[hooks.webhook]]\nurl = "http://10.0.0.999/{CANARY}"', "url"),
        (f'[[hooks.webhook]]\nurl = "http://{"a." * 127}org/{CANARY}"', "url"),
        (f'[[hooks.webhook]]\nurl = "https://h.org"\nheaders = {{Authorization = "Bearer {CANARY}"}}', "headers"),
        (f'[[hooks.webhook]]\nurl = "https://h.org"\nheaders = {{"Bearer {CANARY}" = "env:A"}}', "headers"),
        (f'[[hooks.webhook]]\nurl = "https://h.org"\nheaders = "{CANARY}"', "headers"),
        ('[[hooks.webhook]]\nurl = "https://h.org"\nheaders = {Host = "env:A"}', "headers"),
        (f'[[hooks.webhook]]\nurl = "https://h.org"\nheader = {{Authorization = "{CANARY}"}}', "header"),
        (f'[[hooks.webhook]]\ntoken = "{CANARY}"', "url"),
        ('[[hooks.webhook]]\nurl = "https://h.org"\nfrom = "LOUD"', "from"),
        ('[[hooks.webhook]]\nurl = "https://h.org"\non = ["always"]', "on"),
        ('[[hooks.command]]\nargv = "page ops"', "argv"),
        ("[[hooks.command]]\nargv = []", "argv"),
        ('[[hooks.command]]\nargv = ["page"]\ntimeout_s = 0', "timeout_s"),
        (f'[hooks]\nwebhook = "{CANARY}"', "webhook"),
        (f'[hooks]\nurl = "{CANARY}"', "url"),
        ('[[hooks.command]]\nargv = ["page"]\n' * 9, "hooks"),
    ],
)
def test_an_error_names_the_key_and_never_repeats_what_may_be_a_secret(tmp_path: Path, toml: str, key: str) -> None:
    with pytest.raises(MissionError) as refused:
        hooks_of(tmp_path, toml)
    assert any(key in line and "allowed: " in line for line in refused.value.lines)
    assert CANARY not in str(refused.value)


def test_the_table_of_the_document_is_right(tmp_path: Path) -> None:
    document = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text(encoding="utf-8")
    [table] = re.findall(r"^```toml\n(.*?)^```$", document, re.M | re.S)
    found = hooks_of(tmp_path, table)
    assert [type(hook) for hook in found] == [CommandHook, WebhookHook]


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "https://a-b.c_d.example.org./x",
        "http://10.0.0.9:8080",
        "http://[::1]:80/x",
        "http://xn--bcher-kva.example",
    ],
)
def test_an_address_that_can_be_posted_to_is_taken(tmp_path: Path, url: str) -> None:
    assert hooks_of(tmp_path, f'[[hooks.webhook]]\nurl = "{url}"') == (WebhookHook(url),)
