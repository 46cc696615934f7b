"""docs/comparison.md claims nothing for this program that no test shows."""

from __future__ import annotations

import re
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "docs" / "comparison.md").read_text(encoding="utf-8")
OTHERS = ["Yamcs", "COSMOS 7", "Open MCT", "F´ GDS", "AIT", "SatNOGS fam.", "Grafana+AM", "Netdata", "MLflow/Evid."]


def table() -> tuple[list[str], dict[str, list[str]]]:
    """Heads, and feature -> the cells behind it."""
    lines = TEXT.split("## Features\n")[1].split("\n## ")[0].strip().splitlines()
    heads, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return heads, {row[0]: row[1:] for row in rows}


def shown() -> dict[str, list[str]]:
    """Feature -> the tests that show it."""
    parts = re.split(r"^- (.+):$", TEXT.split("## What shows it\n")[1], flags=re.M)
    return {name: re.findall(r"`(\S+::\S+)`", body) for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def test_every_feature_has_a_cell_of_every_program() -> None:
    heads, rows = table()
    assert heads == ["Feature", "cubesat-tui", *OTHERS]
    assert len(rows) == 36
    assert {name for name, cells in rows.items() if len(cells) != 1 + len(OTHERS) or not all(cells)} == set()


def test_every_yes_and_part_of_ours_names_a_test_and_every_no_says_what_there_is_instead() -> None:
    ours = {name: cells[0] for name, cells in table()[1].items()}
    assert {name for name, cell in ours.items() if not re.match(r"(yes|part|no): \S", cell)} == set()
    assert {name for name, cell in ours.items() if not cell.startswith("no")} == set(shown())
    assert [name for name, tests in shown().items() if not tests] == []


def test_every_test_it_names_is_collected(collected: set[str]) -> None:
    assert {test for tests in shown().values() for test in tests} - collected == set()
