"""The key file of a service account: which one, and whether it is kept as a key has to be.

Such a key opens the whole database, past every rule. Nothing of what is in it is ever told.
"""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from telemetry.link_config import EMULATOR, LinkRefused, address_of
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.dictionary import Mission
    from telemetry.link_config import LinkConfig

VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
MOST_BYTES = 64 * 1024
_GIT_S = 10


def needs_key(link: LinkConfig, environ: Mapping[str, str]) -> bool:
    """Whether the database asks who writes: an emulator, or a server of this machine without TLS, does not.

    Raises:
        LinkRefused: the address cannot be used.
    """
    address = address_of(link, environ)
    return urlsplit(address).scheme == "https" and not environ.get(EMULATOR)


def key_file(link: LinkConfig, directory: Path, environ: Mapping[str, str]) -> Path | None:
    """The key to write with: what mission.toml names, else what the environment names; None without either."""
    named = link.file("credentials", directory)
    if named is None and environ.get(VARIABLE):
        named = Path(environ[VARIABLE]).expanduser()
    return named


def key_of(mission: Mission, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The key file a station of `mission` writes with, checked; None where no key is needed.

    Raises:
        LinkRefused: there is none, or it is not kept as a key has to be; the sentence says what to do.
    """
    if not needs_key(mission.link, environ):
        return None
    path = key_file(mission.link, mission.directory, environ)
    if path is None:
        raise LinkRefused(
            f"mission.toml: link.credentials: missing: allowed: a service account's key file, or set {VARIABLE}"
        )
    check(path)
    return path


def check(path: Path) -> None:
    """See that the key is its user's alone.

    Raises:
        LinkRefused: it is not; the sentence says what to do.
    """
    shown = plain_text(str(path), 300)
    try:
        found = path.stat()
    except OSError as error:
        raise LinkRefused(f"{shown}: the key cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(found.st_mode):
        raise LinkRefused(f"{shown}: this is no file: name the key file of a service account")
    if found.st_uid != os.geteuid():
        raise LinkRefused(
            f"{shown}: the key belongs to {_user(found.st_uid)} and not to {_user(os.geteuid())}:"
            f" sudo chown {_user(os.geteuid())} {shown}"
        )
    if found.st_mode & 0o077:
        raise LinkRefused(
            f"{shown}: others may read the key (mode {stat.S_IMODE(found.st_mode):04o}): chmod 600 {shown}"
        )
    for place in dict.fromkeys((path.absolute(), path.resolve())):
        _check_git(place)
    _check_shape(path, shown, found.st_size)


def _check_git(path: Path) -> None:
    if not any((folder / ".git").exists() for folder in path.parents):
        return
    shown = plain_text(str(path), 300)
    # No program that the repository names is to run for the question.
    command = ["git", "-c", "core.fsmonitor=false", "ls-files", "--error-unmatch", "--", path.name]
    try:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        asked = subprocess.run(
            command, cwd=path.parent, env=environ, capture_output=True, timeout=_GIT_S, check=False
        )
        code = asked.returncode
    except (OSError, subprocess.TimeoutExpired):
        code = -1
    if code == 0:
        raise LinkRefused(
            f"{shown}: the key is tracked by git, so whoever has the repository has it:"
            f" git rm --cached {shown}, and make a new key in place of this one"
        )
    if code != 1:
        raise LinkRefused(
            f"{shown}: the key lies in a git repository, and git does not say whether it is tracked:"
            " move it out of the repository"
        )


class _Key(msgspec.Struct):
    type: str
    client_email: str
    private_key: str
    token_uri: str


def _check_shape(path: Path, shown: str, size: int) -> None:
    wrong = LinkRefused(
        f"{shown}: this is no key of a service account: Firebase console, Project settings,"
        " Service accounts, Generate new private key"
    )
    if size > MOST_BYTES:
        raise wrong
    try:
        key = msgspec.json.decode(path.read_bytes(), type=_Key)
    except OSError as error:
        raise LinkRefused(f"{shown}: the key cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Without the cause: it may quote the file.
        raise wrong from None
    if key.type != "service_account":
        raise wrong


def _user(uid: int) -> str:
    try:
        return plain_text(pwd.getpwuid(uid).pw_name, 40)
    except KeyError:
        return f"user {uid}"
