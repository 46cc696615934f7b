"""No log line holds a token or a key.

An ID token travels in the address of a request, and HTTP libraries log addresses. Whoever opens a link calls
`install` first: from then on every record of this process is looked through where it is made, before any handler,
those of the libraries and of a debugging session included.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from typing import Any

HIDDEN = "[hidden]"
TALKATIVE = ("httpx", "httpcore", "urllib3", "requests", "hpack", "h11", "google.auth", "firebase_admin")
"""Loggers that tell addresses or headers; they are kept to warnings."""
_MOST_SECRETS = 64
_SHORTEST = 12

_SHAPES = (
    re.compile(r"(\b(?:auth|access_token|id_token|idToken|refresh_token|refreshToken|assertion)=)[^&\s\"'<>)]+"),
    re.compile(r"([?&]key=)[^&\s\"'<>)]+"),
    re.compile(r"(\b(?:Bearer|Basic)\s+)[^\s\"',<>)]{12,}", re.IGNORECASE),
    re.compile(
        r"([\"'](?:access_token|id_token|idToken|refresh_token|refreshToken|private_key|private_key_id|assertion)"
        r"[\"']\s*:\s*[\"'])[^\"']+"
    ),
    re.compile(r"()-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"()\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),
)

_secrets: deque[str] = deque(maxlen=_MOST_SECRETS)


def keep_secret(value: str) -> None:
    """Hide `value` wherever it is about to be logged; a value too short to be a secret is left alone."""
    if len(value) >= _SHORTEST and value not in _secrets:
        _secrets.append(value)


def redact(text: str) -> str:
    """`text` without anything that looks like a credential, or is one that was named."""
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    for shape in _SHAPES:
        text = shape.sub(rf"\g<1>{HIDDEN}", text)
    return text


def redact_record(record: logging.LogRecord) -> logging.LogRecord:
    """`record` with message, traceback and stack redacted, in place."""
    try:
        message = record.getMessage()
    except (TypeError, ValueError):
        # Arguments that do not fit their message: they may hold anything.
        message, record.args = redact(f"{record.msg} {record.args!r}"), None
        record.msg = message
    hidden = redact(message)
    if hidden != message:
        record.msg, record.args = hidden, None
    if record.exc_info and not record.exc_text:
        told = _TRACEBACKS.formatException(record.exc_info)
        hidden = redact(told)
        if hidden != told:
            # A handler shows the text that is there, and would make its own from the exception.
            record.exc_text, record.exc_info = hidden, None
    if record.stack_info:
        record.stack_info = redact(record.stack_info)
    return record


def install() -> None:
    """Redact every record that this process logs from now on; calling it again changes nothing."""
    made = logging.getLogRecordFactory()
    if isinstance(made, _Redacting):
        return
    logging.setLogRecordFactory(_Redacting(made))
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)


class _Redacting:
    def __init__(self, make: Any) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        return redact_record(self._make(*args, **kwargs))


_TRACEBACKS = logging.Formatter()
