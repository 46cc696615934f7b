"""What MLflow is told of a fit: few rows, for each costs it, and nothing left out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch
from telemetry.store.rows import RunRow
from trainer.audit_entry import DRIFTS, audit_entry
from trainer.model import Fitted
from trainer.tracking.spool import AuditEntry
from trainer.window import from_batches

Told = Callable[[dict[str, float]], AuditEntry]


@pytest.fixture
def told(fitted: Fitted) -> Told:
    def made(drift: dict[str, float]) -> AuditEntry:
        run = RunRow(
            retrain=7, at_ns=3, satellite="TESTSAT", decision="rejected", rows=7200, excluded=12, fit_s=1.5
        )
        return audit_entry(run, fitted, 1, 2, None, drift=drift)

    return made


def drift_metrics(entry: AuditEntry) -> dict[str, float]:
    return {key.removeprefix("drift."): value for key, value in entry.metrics.items() if key.startswith("drift.")}


def test_channels_that_shifted_are_figures_and_every_channel_is_in_the_tag(told: Told) -> None:
    entry = told({"eps.bat_v": 0.01, "obc.temp": 1.5, "pld.dist_n": 0.26, "thm.t_py": 0.25})
    assert drift_metrics(entry) == {"obc.temp": 1.5, "pld.dist_n": 0.26}
    assert entry.metrics["channels_shifted"] == 2
    assert entry.tags["cubesat.drift"] == "obc.temp 1.5, pld.dist_n 0.26, thm.t_py 0.25, eps.bat_v 0.01"


def test_a_satellite_that_drifts_everywhere_costs_no_more_than_the_farthest_channels(told: Told) -> None:
    drift = {f"thm.t{n:03}": 1 + n / 1000 for n in range(300)}
    entry = told(drift)
    assert list(drift_metrics(entry)) == [f"thm.t{299 - n:03}" for n in range(DRIFTS)]
    assert entry.metrics["channels_shifted"] == 300


def test_a_fit_without_drift_says_that_nothing_shifted(told: Told) -> None:
    entry = told({})
    assert drift_metrics(entry) == {}
    assert entry.metrics["channels_shifted"] == 0
    assert "cubesat.drift" not in entry.tags


def test_what_it_was_fitted_with_and_to_is_named_in_two_values(
    told: Told, fitted: Fitted, mission: Mission, make_packets: Callable[..., list[FrameBatch]]
) -> None:
    entry = told({})
    assert entry.metrics["rows"] == 7200
    assert entry.metrics["excluded"] == 12
    assert {name.split()[0] for name in entry.tags["cubesat.libraries"].split(", ")} == {
        "python",
        "numpy",
        "cubesat-tui",
        "scikit-learn",
        "scipy",
    }
    window = from_batches("TESTSAT", mission.bus_of("TESTSAT"), make_packets(0, 7200))
    run = RunRow(retrain=7, at_ns=3, satellite="TESTSAT", decision="rejected")
    params = audit_entry(run, fitted, 1, 2, None, window=window).params
    assert params["window_rows"] == "hk 7200, pld 7200"
    assert params["window_ids"].endswith(f"-{fitted.scorer.manifest.window.last_id}")
