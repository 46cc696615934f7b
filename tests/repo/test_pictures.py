"""Every stored picture of a screen is compared by a test: workers side by side do not report the ones left over."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_picture_is_left_without_its_test() -> None:
    pictures = list((ROOT / "tests").rglob("__snapshots__/*/*"))
    stored = {f"{path.parents[2].relative_to(ROOT)}/{path.parent.name}.py::{path.stem}" for path in pictures}
    assert len(stored) >= 20
    files = sorted({name.partition("::")[0] for name in stored})
    assert [name for name in files if not (ROOT / name).exists()] == []

    command = [sys.executable, "-m", "pytest", "--setup-plan", "-q", "-p", "no:cacheprovider", *files]
    plan = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    compared = set(re.findall(r"^ +(tests/\S+) \(fixtures used: .*\bsnap_compare\b", plan, re.M))
    assert stored - compared == set()
