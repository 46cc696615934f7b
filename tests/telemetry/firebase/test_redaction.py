"""No log line holds a token, whoever logs it and whatever level is set."""

from __future__ import annotations

import io
import logging

import pytest

from telemetry.links import redaction

CANARY = "canary-4f1e0c55d9"
KEY = "PRIVATE " + "KEY"


@pytest.fixture
def logged():
    redaction.install()
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in (None, *redaction.TALKATIVE)}
    root.addHandler(handler)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize(
    "text",
    [
        f"HTTP Request: GET https://x.example/a.json?orderBy=%22$key%22&auth={CANARY}&ns=b 200",
        f"https://x.example/a.json?access_token={CANARY}",
        f"https://x.example/v1/token?key={CANARY}",
        f"Authorization: Bearer {CANARY}",
        f"[(b'authorization', b'Bearer {CANARY}')]",
        f"grant_type=refresh_token&refresh_token={CANARY}",
        f'{{"id_token": "{CANARY}", "a": 1}}',
        f"{{'private_key': '{CANARY}'}}",
        f"-----BEGIN {KEY}-----\n{CANARY}\n-----END {KEY}-----",
    ],
)
def test_what_looks_like_a_credential_is_hidden(text, logged):
    assert CANARY not in redaction.redact(text)
    logging.getLogger("httpx").info("%s", text)
    logging.getLogger("somebody.else").debug("said: %s %d", text, 7)
    assert CANARY not in logged.getvalue()
    assert redaction.HIDDEN in logged.getvalue()
    assert "said:" in logged.getvalue()


def test_a_token_that_was_named_is_hidden_in_any_shape_and_in_tracebacks(logged):
    redaction.keep_secret(CANARY)
    try:
        raise ValueError(f"cannot use {CANARY}/x")
    except ValueError:
        logging.getLogger("a").exception("it failed with %r", {"t": CANARY})
    logging.getLogger("a").warning("wrong arguments %d", CANARY)
    logging.getLogger("a").warning("stack", stack_info=True)
    assert CANARY not in logged.getvalue()
    assert "ValueError: cannot use [hidden]/x" in logged.getvalue()


def test_what_is_no_credential_is_left_as_it_is(logged):
    text = "frame 17 of KESTREL-1: authority refused, key=value pairs: 3, bearer of news"
    logging.getLogger("a").info("%s", text)
    assert text in logged.getvalue()
    redaction.keep_secret("owner")
    assert redaction.redact("the owner is silent") == "the owner is silent"


def test_libraries_that_tell_addresses_are_kept_to_warnings():
    logging.setLogRecordFactory(logging.LogRecord)
    for name in redaction.TALKATIVE:
        logging.getLogger(name).setLevel(logging.NOTSET)
    redaction.install()
    assert all(not logging.getLogger(name).isEnabledFor(logging.INFO) for name in redaction.TALKATIVE)
    factory = logging.getLogRecordFactory()
    logging.getLogger("httpx").setLevel(logging.DEBUG)
    redaction.install()
    assert logging.getLogRecordFactory() is factory
    assert logging.getLogger("httpx").isEnabledFor(logging.DEBUG), "whoever asks for more gets it, redacted"
    logging.getLogger("httpx").setLevel(logging.WARNING)
