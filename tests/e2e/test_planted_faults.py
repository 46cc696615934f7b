"""Faults planted in a running station by another process: they alarm in time, with the right channel first."""

from __future__ import annotations

import os

import pytest

from bench.planted import HEAD, SEEDS, row_of, run_seed

pytestmark = pytest.mark.e2e


@pytest.mark.skipif(
    not os.environ.get("CUBESAT_TUI_CAMPAIGN"), reason="three stations, minutes each: make campaign"
)
@pytest.mark.timeout(2_400)
def test_thirteen_of_fifteen_alarm_within_a_minute_with_the_right_channel_first() -> None:
    found = [one for seed in SEEDS for one in run_seed(seed) if one.onset_s is not None]
    told = "\n".join([HEAD, *map(row_of, found)])
    assert len(found) == 15, told
    assert sum(one.right for one in found) >= 13, told
