"""Where a database of a link is: checked before anything is sent there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlsplit

from telemetry.link_config import EMULATOR, is_database, is_emulator, is_loopback
from telemetry.plain_text import plain_text

_SEGMENT = re.compile(r"[^.$#\[\]/\x00-\x1f\x7f]{1,192}")


class EndpointRefused(ValueError):
    """The address of a link cannot be used; one sentence says why."""


@dataclass(frozen=True)
class Endpoint:
    """A database and the node in it that is the root of a link."""

    base: str
    """Scheme, host and port: `https://fleet.example`."""
    namespace: str = ""
    """Which database of the server; "" where the host says it."""
    root: str = ""
    """Path of the link in the database, without slashes at its ends."""
    emulator: bool = False

    @staticmethod
    def of(url: str, root: str = "", environ: Mapping[str, str] | None = None) -> Endpoint:
        """The endpoint at `url`, or in the emulator that `environ` names in place of it.

        Raises:
            EndpointRefused: the address is none, is not encrypted and leads off this machine, or holds a password.
        """
        if not is_database(url):
            shown = plain_text(url.partition("?")[0].rpartition("@")[2], 80)
            raise EndpointRefused(f"link.url: {shown}: allowed: https://HOST, or http:// to this machine")
        parts = urlsplit(url)
        namespace = parse_qs(parts.query).get("ns", [""])[-1]
        emulator = (environ or {}).get(EMULATOR, "")
        if emulator and not is_emulator(emulator):
            raise EndpointRefused(f"{EMULATOR}: {plain_text(emulator, 80)}: allowed: HOST:PORT of this machine")
        if emulator:
            namespace = namespace or (parts.hostname or "").split(".")[0]
            return Endpoint(f"http://{emulator}", namespace, _checked(root), emulator=True)
        return Endpoint(f"{parts.scheme}://{parts.netloc}", namespace, _checked(root))

    @property
    def host(self) -> str:
        """Host, with the port where it is told: what a person is shown."""
        return plain_text(self.base.partition("://")[2], 80)

    @property
    def loopback(self) -> bool:
        """Whether it is on this machine."""
        return is_loopback(urlsplit(self.base).hostname or "")

    def below(self, *segments: str) -> str:
        """The path of a node below the root of the link, without slashes at its ends.

        Raises:
            EndpointRefused: a segment has a character that no key may have.
        """
        return _checked("/".join(part for part in (self.root, *segments) if part))


def address_path(path: str) -> str:
    """`a/b` as it stands in an address: `/a/b.json`.

    Raises:
        EndpointRefused: a segment is empty or has a character that no key may have.
    """
    return f"/{quote(_checked(path), safe='/')}.json"


def _checked(path: str) -> str:
    whole = path.strip("/")
    for segment in whole.split("/") if whole else ():
        if not _SEGMENT.fullmatch(segment):
            raise EndpointRefused(
                f"link.path: {plain_text(segment, 60)!r}: a part is 1 to 192 characters without . $ # [ ] /"
            )
    return whole
