"""Which program fitted a model: its release, and the commit where it runs from a working copy."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40,64}")
ROOT = Path(__file__).resolve().parents[1]


@cache
def code_version(root: Path = ROOT) -> str:
    """`0.1.0`, or `0.1.0+5e453dd1c0de` from a working copy; changes that are not committed are not seen."""
    try:
        release = version("cubesat-tui")
    except PackageNotFoundError:
        release = "unknown"
    found = commit(root)
    return release if found is None else f"{release}+{found[:12]}"


@cache
def commit(root: Path = ROOT) -> str | None:
    """The commit checked out at `root`; None where it is no working copy."""
    home = root / ".git"
    try:
        if home.is_file():
            # A second working copy: `gitdir: PATH`.
            home = root / home.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        head = (home / "HEAD").read_text(encoding="utf-8").strip()
        if head.startswith("ref:"):
            head = _of_reference(home, head.removeprefix("ref:").strip())
    except (OSError, UnicodeDecodeError):
        return None
    return head if _COMMIT.fullmatch(head) else None


def _of_reference(home: Path, name: str) -> str:
    shared = home / "commondir"
    homes = [home] if not shared.is_file() else [home, home / shared.read_text(encoding="utf-8").strip()]
    for one in homes:
        if (one / name).is_file():
            return (one / name).read_text(encoding="utf-8").strip()
    for one in homes:
        packed = one / "packed-refs"
        if packed.is_file():
            for line in packed.read_text(encoding="utf-8").splitlines():
                if line.endswith(f" {name}"):
                    return line.partition(" ")[0]
    return ""
