"""What mission.toml may say of hooks: what is told, from which level up, by which command or to which address."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

import msgspec

RAISED = "raised"
SEVERITY = "severity"
CLEARED = "cleared"
OCCASIONS = (RAISED, SEVERITY, CLEARED)
ENV = "env:"
"""Before the name of an environment variable, where a value does not belong in a file."""
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
LONGEST_NAME = 253


class CommandHook(msgspec.Struct, frozen=True):
    """A program that gets one alarm as JSON on its stdin.

    `level` is the name of the lowest severity that is told of, `on` the occasions, `timeout_s` the wall seconds
    after which it is killed with all it started.
    """

    argv: tuple[str, ...]
    level: str = "WARNING"
    on: tuple[str, ...] = OCCASIONS
    timeout_s: float = 10.0

    @property
    def title(self) -> str:
        """What it is called in events: its program, without arguments."""
        return f"command {self.argv[0].rpartition('/')[2]}"


class WebhookHook(msgspec.Struct, frozen=True):
    """An address to which one alarm is posted as JSON.

    `url` is http or https, or `env:NAME`; `headers` are pairs of (name, environment variable that holds its value).
    """

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    level: str = "WARNING"
    on: tuple[str, ...] = OCCASIONS
    timeout_s: float = 5.0

    @property
    def title(self) -> str:
        """What it is called in events: scheme and host. The rest of an address may be a secret."""
        return f"webhook {self.url if self.url.startswith(ENV) else public_part(self.url)}"


Hook = CommandHook | WebhookHook


def public_part(url: str) -> str:
    """`https://host:port` of an address: without user, password, path, query and fragment."""
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
        host = parts.hostname or ""
    except ValueError:
        return "(no address)"
    return f"{parts.scheme}://[{host}]{port}" if ":" in host else f"{parts.scheme}://{host}{port}"


def is_address(url: str) -> bool:
    """Whether something can be posted there: http or https, a host (RFC 1123), nothing that no address has."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url
    return plain and parts.scheme in ("http", "https") and _is_host(parts.hostname or "")


def _is_host(host: str) -> bool:
    """A name, or an IP address; what ends in a number is one of these."""
    if ":" in host or host.rstrip(".").rpartition(".")[2].isdigit():
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True
    return len(host) <= LONGEST_NAME and _NAME.fullmatch(host) is not None
