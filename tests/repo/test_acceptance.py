"""docs/acceptance.md names only what exists, and something for every line."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = {
    "The console, end to end": 12,
    "The spacecraft": 7,
    "The detector": 9,
    "Monitoring": 7,
    "Firebase": 6,
    "The model audit": 7,
    "Thin lines": 5,
}
TEXT = (ROOT / "docs" / "acceptance.md").read_text(encoding="utf-8")


def sections() -> dict[tuple[str, int], str]:
    """Part and number of an acceptance line -> what stands under it."""
    found: dict[tuple[str, int], str] = {}
    parts = re.split(r"^# (.*)$", TEXT, flags=re.M)
    for part, text in zip(parts[3::2], parts[4::2], strict=True):
        lines = re.split(r"^## (\d+)\. .*$", text, flags=re.M)
        found |= {(part, int(n)): body for n, body in zip(lines[1::2], lines[2::2], strict=True)}
    return found


def shown(body: str) -> list[str]:
    """What the list items of a section name, tests and commands."""
    return re.findall(r"^- `([^`]+)`", body, re.M)


def test_every_line_has_something_to_show() -> None:
    lines = [(part, number) for part, count in PARTS.items() for number in range(1, count + 1)]
    assert list(sections()) == lines
    assert [line for line, body in sections().items() if not shown(body)] == []


def test_every_test_it_names_is_collected(collected: set[str]) -> None:
    named = {item for body in sections().values() for item in shown(body) if "::" in item}
    assert len(named) > 20
    assert named - collected == set()


def test_every_command_it_names_exists() -> None:
    commands = [item for body in sections().values() for item in shown(body) if "::" not in item]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for command in commands:
        program, *words = command.split()
        if program == "make":
            assert set(words) <= targets, command
        elif words[:2] == ["-m", "bench"]:
            assert (ROOT / "bench" / f"{words[2]}.py").exists(), command
        else:
            assert (Path(sys.executable).parent / Path(program).name).exists(), command
