"""What documents may name: the tests that there are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def collected() -> set[str]:
    """Every test there is, without its parameters."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    return {line.partition("[")[0] for line in listing.splitlines() if "::" in line}
