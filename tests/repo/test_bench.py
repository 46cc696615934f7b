"""The judge of the budgets: a miss fails, a waiver must name figure and reason and cannot hide a worse one."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bench.__main__ import names, waived
from bench.figure import Figure

ROOT = Path(__file__).parents[2]
SLOW = Figure("bytes per second", 2000, "B/s", at_most=1500)
WEAK = Figure("times pandas", 5, "x", at_least=6)


def test_a_budget_is_met_at_its_edge_and_missed_beyond_and_by_nan() -> None:
    assert Figure("f", 1500, "B/s", at_most=1500).met
    assert Figure("f", 6, "x", at_least=6).met
    assert not SLOW.met
    assert not WEAK.met
    assert not Figure("f", float("nan"), "s", at_most=1).met


@pytest.mark.parametrize(("figure", "limit", "worse"), [(SLOW, 2100, 1900), (WEAK, 4.5, 5.5)])
def test_a_miss_fails_unless_a_waiver_names_it_with_a_figure_and_a_reason(
    figure: Figure, limit: float, worse: float
) -> None:
    assert waived(figure, []) is None
    assert waived(figure, [{"name": "another", "figure": limit, "reason": "r"}]) is None
    assert waived(figure, [{"name": figure.name, "figure": limit, "reason": "r"}]) == "r"
    assert waived(figure, [{"name": figure.name, "figure": worse, "reason": "r"}]) is None


def test_every_waiver_says_why() -> None:
    waivers = tomllib.loads((ROOT / "bench" / "waivers.toml").read_text(encoding="utf-8")).get("waiver", [])
    for waiver in waivers:
        assert set(waiver) == {"name", "figure", "reason"}
        assert len(waiver["reason"]) > 20


def test_the_benchmarks_that_were_asked_for_are_there() -> None:
    assert {"exports", "store", "terminal", "simulator"} <= set(names())
