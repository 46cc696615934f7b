"""A fault that stays, and a detector that is retrained around it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from trainer.evaluation.datasets import Recording, Series, read_birds, read_telemanom
from trainer.evaluation.persistence import FAULTY_ROWS, LONG_ROWS, long_anomalies, retrained, spliced

FIT, ONSET, ROWS = 700, 1000, 1600
PUBLIC = (
    "set CUBESAT_TUI_DATA to a folder with {}; docs/datasets.md says where it is published and how it is laid out"
)


def _series(seed: int = 1) -> Series:
    """A wave with noise that is lifted by more than its height from row `ONSET` to the end."""
    rng = np.random.default_rng(seed)
    values = 5 * np.sin(2 * np.pi * np.arange(ROWS) / 93) + 0.3 * rng.standard_normal(ROWS)
    label = np.arange(ROWS) >= ONSET
    return Series("A", values + 12.0 * label, np.empty((ROWS, 0)), label, FIT)


def _data(*names: str) -> list[Path]:
    paths = [Path(os.environ.get("CUBESAT_TUI_DATA", ""), name) for name in names]
    for path in paths:
        if not path.is_file():
            pytest.skip(PUBLIC.format(path))
    return paths


def test_a_fault_that_stays_is_flagged_to_its_end_and_never_learned() -> None:
    one = _series()
    flagged, learned = retrained("fusion", one.values, one.commands, FIT, 60)
    assert not flagged[FIT:ONSET].any()
    assert flagged[ONSET + 60 :].mean() > 0.95
    assert learned[FIT : ONSET - 40].mean() > 0.9
    assert learned[ONSET:].sum() < 20


def test_the_original_learns_it_as_its_normal() -> None:
    figures = long_anomalies([_series()], "original")
    assert figures["persistence"][0]["rows"] == ROWS - ONSET
    assert figures["persistence_last_quarter"] < 0.15
    assert figures["persistence_before_onset"] > 0.01


def test_short_anomalies_and_those_before_the_fit_rows_end_are_no_part_of_it() -> None:
    one = _series()
    label = np.zeros(ROWS, dtype=bool)
    label[ONSET : ONSET + LONG_ROWS - 1] = True
    short = Series("B", one.values, one.commands, label, FIT)
    early = Series("C", one.values, one.commands, np.arange(ROWS) >= FIT - 10, FIT)
    figures = long_anomalies([short, early], "fusion")
    assert figures["persistence"] == []
    assert np.isnan(figures["persistence_last_quarter"])


def _orbits() -> Recording:
    t = 5 * np.arange(3 * FAULTY_ROWS)
    panels = np.stack([5000 * np.abs(np.sin(t / 200 + phase)) for phase in range(4)], axis=1)
    return Recording("made up", t.astype(float), ("a", "b", "c", "d"), panels)


def test_a_panel_that_fails_is_still_found_after_a_hundred_refits() -> None:
    figures = spliced([_orbits()], ["b"], 120, "fusion")["spliced"]["b"]
    assert figures == {
        "before_onset": 0.0,
        "first_100_refits": pytest.approx(0.9, abs=0.1),
        "after_100_refits": 1.0,
    }


def test_too_short_recordings_have_no_spliced_panel() -> None:
    whole = _orbits()
    short = Recording("short", whole.t_s[:900], whole.channels, whole.values[:900])
    assert spliced([short], ["b"], 120, "fusion") == {}


@pytest.mark.timeout(900)  # some 300 fits
def test_long_published_anomalies_do_not_become_normal() -> None:
    (path, _) = _data("smap_msl/series.npz", "smap_msl/series.json")
    figures = long_anomalies(read_telemanom(path), "fusion")
    assert figures["persistence_last_quarter"] >= 0.40
    assert figures["persistence_before_onset"] <= 0.01


def test_half_a_panel_of_a_real_satellite_is_still_found_after_a_hundred_refits() -> None:
    names = [f"birds_eps/nepalisat_{day}.csv" for day in ("2020-11-09", "2020-11-25", "2021-04-10")]
    figures = spliced([read_birds(path) for path in _data(*names)], ["Vpy"], 120, "fusion")["spliced"]["Vpy"]
    assert figures["after_100_refits"] > 0.9
    assert figures["before_onset"] < 0.05
