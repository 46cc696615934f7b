"""A key that others may read, that is somebody else's or in a repository is refused, with how to mend it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from telemetry.dictionary import read_mission
from telemetry.link_config import LinkRefused
from telemetry.links.service_account import VARIABLE, check, key_of

KIND = "service_account"
CANARY = "canary-of-the-private-key"
KEY = {
    "type": KIND,
    "client_email": "station@kestrel.iam.gserviceaccount.com",
    "private_key": CANARY,
    "token_uri": "https://oauth2.googleapis.com/token",
}
TOML = """
schema = 1
[[satellite]]
name = "KESTREL-1"
bus = "3u"
[[bus.3u.channel]]
name = "eps.bat_v"
[source]
kind = "stream"
[link]
url = "https://kestrel.firebaseio.com"
"""


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(KEY), encoding="utf-8")
    path.chmod(0o600)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(LinkRefused) as caught:
        check(path)
    words = str(caught.value)
    assert CANARY not in words
    assert "\n" not in words
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return words


def test_a_key_of_its_users_alone_is_taken(key: Path) -> None:
    check(key)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610])
def test_a_key_that_others_may_read_is_refused_with_the_fix(key: Path, mode: int) -> None:
    key.chmod(mode)
    assert refusal(key) == f"{key}: others may read the key (mode {mode:04o}): chmod 600 {key}"


def test_a_key_of_somebody_else_is_refused_with_the_fix(key: Path) -> None:
    if os.geteuid():
        # A file of root, which CI has and this user may not give itself.
        key = Path("/etc/passwd")
    else:
        os.chown(key, 12345, 12345)
    words = refusal(key)
    assert "and not to" in words
    assert f"sudo chown {'root' if not os.geteuid() else ''}" in words


def test_a_key_tracked_by_git_is_refused_with_the_fix(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)

    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=key.parent, check=True, capture_output=True)

    git("init", "-q")
    check(key)
    git("add", key.name)
    words = refusal(key)
    assert f"git rm --cached {key}" in words
    assert "make a new key" in words
    link = key.with_name("link.json")
    link.symlink_to(key)
    assert "tracked by git" in refusal(link)
    git("rm", "--cached", "-q", key.name)
    check(key)


def test_a_key_in_a_repository_that_git_cannot_read_is_refused(key: Path) -> None:
    (key.parent / ".git").mkdir()
    assert "move it out of the repository" in refusal(key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        f'{{"private_key": "{CANARY}"}}',
        json.dumps({**KEY, "type": "authorized_user"}),
        f'"{CANARY}"',
        "\udcff",
        " " * 70_000,
    ],
)
def test_what_is_no_key_is_refused_and_not_quoted(key: Path, text: str) -> None:
    key.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert "this is no key of a service account" in refusal(key)


def test_a_key_that_is_not_there_or_no_file_is_refused(key: Path, tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "other.json")
    assert "this is no file" in refusal(tmp_path)


def test_the_key_of_a_mission_is_the_named_one_else_the_environments(key: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mission"
    folder.mkdir()
    (folder / "mission.toml").write_text(TOML, encoding="utf-8")
    mission = read_mission(folder)
    with pytest.raises(
        LinkRefused, match=r"link\.credentials: missing: allowed: .* or set GOOGLE_APPLICATION_CRED"
    ):
        key_of(mission, {})
    assert key_of(mission, {VARIABLE: str(key)}) == key
    (folder / "mission.toml").write_text(f'{TOML}credentials = "../key.json"', encoding="utf-8")
    named = key_of(read_mission(folder), {VARIABLE: "/nowhere.json"})
    assert named is not None
    assert named.samefile(key)
    key.chmod(0o644)
    with pytest.raises(LinkRefused, match="chmod 600"):
        key_of(read_mission(folder), {})


@pytest.mark.parametrize(
    ("url", "environ"),
    [
        ("http://127.0.0.1:9000/?ns=x", {}),
        ("https://kestrel.firebaseio.com", {"FIREBASE_DATABASE_EMULATOR_HOST": "127.0.0.1:1"}),
    ],
)
def test_an_emulator_needs_no_key(tmp_path: Path, url: str, environ: dict[str, str]) -> None:
    (tmp_path / "mission.toml").write_text(TOML.replace("https://kestrel.firebaseio.com", url), encoding="utf-8")
    assert key_of(read_mission(tmp_path), environ) is None


def test_an_emulator_elsewhere_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mission.toml").write_text(TOML, encoding="utf-8")
    with pytest.raises(LinkRefused) as caught:
        key_of(read_mission(tmp_path), {"FIREBASE_DATABASE_EMULATOR_HOST": "10.0.0.1:9000"})
    assert str(caught.value) == "FIREBASE_DATABASE_EMULATOR_HOST: 10.0.0.1:9000: allowed: host:port of this machine"
