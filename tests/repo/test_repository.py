"""What must never be in the repository, and what the lock must always be."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Assembled here, so that this file does not match itself.
SECRETS = {
    "private key": "-----BEGIN " + r"(?:[A-Z]+ )*PRIVATE KEY-----",
    "Google service account": r'"type"\s*:\s*"service_' + r'account"',
    "Google API key": "AI" + r"za[0-9A-Za-z_-]{35}",
    "GitHub token": "gh" + r"[pousr]_[0-9A-Za-z]{36}",
    "AWS key": "AK" + r"IA[0-9A-Z]{16}",
}
UNWANTED = re.compile(r"(^|/)service_account.*\.json$|\.db(-wal|-shm|-journal)?$|(^|/)\.env$")


def tracked() -> list[Path]:
    """Every file that git would hand to a stranger who clones."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode != 0:
        pytest.skip("not a git work tree")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def secrets_in(text: str) -> list[str]:
    return [name for name, pattern in SECRETS.items() if re.search(pattern, text)]


@pytest.mark.parametrize(
    ("name", "canary"),
    [
        ("private key", "-----BEGIN " + "RSA PRIVATE KEY-----\nMIIE"),
        ("Google service account", '{"type": "service_' + 'account", "project_id": "x"}'),
        ("Google API key", "AI" + "zaSyA" + "0" * 34),
        ("GitHub token", "gh" + "p_" + "a" * 36),
        ("AWS key", "AK" + "IA" + "Q" * 16),
    ],
)
def test_the_secret_patterns_find_a_planted_secret(name: str, canary: str) -> None:
    assert secrets_in(canary) == [name]


def test_no_tracked_file_holds_a_secret() -> None:
    found = {
        str(path.relative_to(ROOT)): hits
        for path in tracked()
        if (hits := secrets_in(path.read_bytes().decode("utf-8", "replace")))
    }
    assert found == {}


def test_no_database_or_service_account_is_tracked() -> None:
    names = [str(path.relative_to(ROOT)) for path in tracked()]
    assert [name for name in names if UNWANTED.search(name)] == []


@pytest.mark.parametrize(
    "name", ["service_account.json", "service_account-prod.json", "telemetry.db", "x/inbox.db-wal", ".env"]
)
def test_git_ignores_what_must_not_be_committed(name: str) -> None:
    assert subprocess.run(["git", "check-ignore", "-q", "--no-index", name], cwd=ROOT).returncode == 0


def test_the_lock_has_a_hash_for_every_package_and_names_no_index() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) > 50
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in text
    assert "index" not in re.sub(r"--hash=\S+", "", text)


def test_every_dependency_of_the_project_is_in_the_lock() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    locked = {
        line.split("==")[0].lower()
        for line in (ROOT / "requirements.lock").read_text().splitlines()
        if "==" in line
    }
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    names = {re.split(r"[<>=!~\[; ]", item)[0].lower() for item in wanted}
    assert names - locked == set()
