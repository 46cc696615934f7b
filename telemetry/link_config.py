"""What mission.toml may say of a link: which database, under which path, with whose key."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec

from telemetry.plain_text import plain_text

FIREBASE = "firebase"
EMULATOR = "FIREBASE_DATABASE_EMULATOR_HOST"
"""Environment variable of Google's tools: `host:port` of an emulator, which takes the place of every address."""
EMULATED = "https://demo-cubesat-tui.firebaseio.com"
ROOT = "cubesat_tui"
_SLUG = re.compile(r"[^a-z0-9]+")
_FORBIDDEN = frozenset(".#$[]")


class LinkConfig(msgspec.Struct, frozen=True):
    """The link of a mission.

    `target`: the station a console of this mission attaches to by default, "firebase" or a mission directory.
    `url`: the database, https (http to this machine only). `path`: the node all of the mission lies under; "" is
    `cubesat_tui/<first satellite>`. `credentials`: a service account's key file, "" is what
    GOOGLE_APPLICATION_CREDENTIALS names; `token_file`: a user's ID token; both relative to the mission directory.
    `compress`: records as compressed text. `retention_hours`: what is older is deleted from the link, 0 keeps all.
    `mirror_alerts`: anomalies are written to `/ML_ALERTS` too.
    """

    target: str | None = None
    url: str = ""
    path: str = ""
    credentials: str = ""
    token_file: str = ""
    compress: bool = True
    retention_hours: float = 0.0
    mirror_alerts: bool = False

    def root(self, satellite: str) -> str:
        """The node of a mission whose first satellite is called `satellite`: no slash at either end."""
        return self.path or f"{ROOT}/{slug(satellite)}"

    def file(self, name: str, directory: Path) -> Path | None:
        """`credentials` or `token_file` as a path; None where the file names none."""
        given = self.credentials if name == "credentials" else self.token_file
        return directory / Path(given).expanduser() if given else None


def slug(name: str) -> str:
    """`KESTREL-1` as `kestrel-1`: what may be a key of a database. A name of other letters becomes their codes."""
    lowered = name.casefold()
    found = _SLUG.sub("-", lowered).strip("-")
    # A key of digits only would be an index of an array.
    if found and not found.isdigit() and lowered.isascii():
        return found
    return "s" + lowered.encode("utf-8").hex()[:80]


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine: a name that is, or an address of it."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_database(url: str) -> bool:
    """Whether `url` is the address of a database: https and a host, or http to this machine; `?ns=` may follow."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if not (url.isascii() and url.isprintable() and " " not in url and parts.hostname):
        return False
    if parts.username is not None or parts.password is not None or parts.fragment or parts.path not in ("", "/"):
        return False
    if parts.query:
        query = parse_qs(parts.query, keep_blank_values=True)
        if set(query) != {"ns"} or len(query["ns"]) != 1 or not query["ns"][0].replace("-", "").isalnum():
            return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


def is_node_path(path: str) -> bool:
    """Whether `path` names a node: keys joined by slashes, none of digits only, nothing a key cannot hold."""
    keys = path.split("/")
    return len(keys) <= 8 and all(
        key
        and len(key.encode("utf-8")) <= 200
        and key.isprintable()
        and not key.isdigit()
        and not _FORBIDDEN & {*key}
        for key in keys
    )


def is_emulator(text: str) -> bool:
    """Whether `text` is what the emulator's environment variable holds: `host:port` of this machine."""
    host, colon, port = text.rpartition(":")
    return bool(colon) and port.isdigit() and int(port) < 65_536 and is_loopback(host.strip("[]"))


class LinkRefused(Exception):
    """The link of a mission cannot be used as it is configured; one line says what is to be changed."""


def address_of(link: LinkConfig, environ: Mapping[str, str]) -> str:
    """The address of the database, as it is asked of Google's own client and of ours.

    An emulator needs none: the name of its database is made up where the file gives no address.

    Raises:
        LinkRefused: there is neither an address nor an emulator, or the emulator is not on this machine.
    """
    emulator = environ.get(EMULATOR, "")
    if emulator and not is_emulator(emulator):
        raise LinkRefused(f"{EMULATOR}: {plain_text(emulator, 60)}: allowed: host:port of this machine")
    if link.url or emulator:
        return link.url or EMULATED
    raise LinkRefused("mission.toml: link.url: missing: allowed: https://HOST of a database")
