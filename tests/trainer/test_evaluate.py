"""`cubesat-tui evaluate`, run as a user runs it, on small files in the published layouts."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trainer.evaluation.datasets import STATISTICS, DatasetError, read_birds, read_opssat, read_telemanom

TELEMANOM = {
    "vus_pr_causal", "vus_pr_late24", "strict_recall", "strict_false_alarms_per_day_channel", "fit_cpu_s",
    "channel_rows_per_cpu_s", "series", "strict_recall_held", "strict_false_alarms_per_day_channel_held",
    "persistence_before_onset", "persistence_last_quarter", "persistence",
}  # fmt: skip


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "cubesat_tui", "evaluate", *arguments],
        env=os.environ | {"CUBESAT_TUI_DATA": str(folder), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(11)
    with (folder / "segments.csv").open("w", newline="") as out:
        write = csv.writer(out)
        write.writerow(["segment", "anomaly", "train", "channel", "sampling", *STATISTICS])
        for i in range(160):
            strange = i % 5 == 0
            values = rng.lognormal(3.0 if strange else 0.0, 0.5, len(STATISTICS))
            write.writerow([i, int(strange), int(i % 4 != 1), f"CH{i % 2}", 1, *values])
    rows = np.round(np.sin(2 * np.pi * np.arange(900) / 40) + 0.05 * rng.standard_normal(900), 2)
    label = np.zeros(900, dtype=np.int8)
    rows[600:660], label[600:660] = 3.0, 1
    test = np.stack((rows, (np.arange(900) % 40 < 20).astype(float)), axis=1).astype(np.float32)
    np.savez(folder / "series.npz", **{"test/A-1": test, "label/A-1": label, "train/A-1": test[:100]})
    (folder / "series.json").write_text(json.dumps([{"channel": "A-1", "fit_rows": 400, "rows": 900}]))
    for name, loss in (("healthy", 1.0), ("broken", 0.5)):
        t = 5 * np.arange(720)
        panels = np.stack([5000 * np.abs(np.sin(t / 200 + phase)) for phase in range(4)], axis=1)
        panels[:, 1] *= loss
        lines = [
            "t_s,Vpx,Vpy,Vmx,Vmy",
            *(f"{a},{','.join(f'{v:.1f}' for v in r)}" for a, r in zip(t, panels, strict=True)),
        ]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_opssat_prints_one_object_with_the_four_figures(data: Path) -> None:
    done = _run(data, "--dataset", "opssat", "segments.csv", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["auc_pr_unlabelled_12"] > 0.9
    assert figures["auc_pr_nominal_18"] > 0.9
    assert figures["auc_pr_nominal_12"] > 0.9
    assert figures["roc_auc"] > 0.9
    assert figures["fit_cpu_s"] > 0
    assert figures["channel_rows_per_cpu_s"] > 0


def test_the_command_does_not_read_labels_where_it_says_so(data: Path, tmp_path: Path) -> None:
    with (data / "segments.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    labels = np.random.default_rng(0).permutation([row["anomaly"] for row in rows])
    with (tmp_path / "segments.csv").open("w", newline="") as out:
        write = csv.DictWriter(out, rows[0])
        write.writeheader()
        write.writerows(row | {"anomaly": label} for row, label in zip(rows, labels, strict=True))
    first, other = (
        json.loads(_run(folder, "--dataset", "opssat", "segments.csv", "--json").stdout)
        for folder in (data, tmp_path)
    )
    assert first["scores_sha256_unlabelled_12"] == other["scores_sha256_unlabelled_12"]
    assert first["auc_pr_unlabelled_12"] != other["auc_pr_unlabelled_12"]


def test_opssat_cross_validates_on_request_and_shows_a_table(data: Path) -> None:
    done = _run(data, "--dataset", "opssat", "--cv", "segments.csv", "--detector", "isolation_forest")
    assert done.returncode == 0, done.stderr
    assert "auc_pr_unlabelled_12" in done.stdout
    assert "spread" in done.stdout


@pytest.mark.parametrize("detector", ["fusion", "isolation_forest", "original"])
def test_telemanom_judges_every_series_by_every_detector(data: Path, detector: str) -> None:
    done = _run(data, "--dataset", "telemanom", "series.npz", "--detector", detector, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures.keys() >= TELEMANOM
    assert [row["name"] for row in figures["series"]] == ["A-1"]
    if detector == "fusion":
        assert figures["vus_pr_causal"] > 0.6
        assert figures["strict_recall"] == 1.0
        assert figures["strict_false_alarms_per_day_channel"] == 0.0


def test_birds_finds_the_panel_and_flags_no_other(data: Path) -> None:
    done = _run(
        data, "--dataset", "birds", "--fit", "healthy.csv", "--test", "broken.csv", "--faulty", "Vpy", "--json"
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["faulty_windows_found"], figures["healthy_windows_flagged"]) == (6, 0)
    assert figures["channels"]["Vpy"] == {"faulty_windows_found": 6}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--dataset", "opssat"], "FILE is missing"),
        (["--dataset", "opssat", "nowhere.csv"], "nowhere.csv: no such file"),
        (["--dataset", "opssat", "healthy.csv"], "no column 'anomaly'"),
        (["--dataset", "telemanom", "segments.csv"], "NAME.json beside it"),
        (["--dataset", "telemanom", "--cv", "series.npz"], "--cv means nothing to --dataset telemanom"),
        (["--dataset", "birds", "--fit", "healthy.csv"], "--test is missing"),
        (["--dataset", "birds", "--fit", "healthy.csv", "--test", "broken.csv", "--faulty", "X"], "--faulty X"),
        (["--dataset", "sim", "--cv"], "--cv means nothing to --dataset sim"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(data: Path, arguments: list[str], sentence: str) -> None:
    done = _run(data, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_cell_that_is_no_number_is_named(tmp_path: Path, data: Path) -> None:
    lines = (data / "segments.csv").read_text().splitlines()
    spoiled = tmp_path / "spoiled.csv"
    spoiled.write_text("\n".join([*lines[:-1], ",".join([*lines[-1].split(",")[:-1], "nan"])]))
    with pytest.raises(DatasetError, match="var_div_len: allowed: finite numbers"):
        read_opssat(spoiled)
    spoiled.write_text("t_s,A\n0,1\n5,x\n")
    with pytest.raises(DatasetError, match="column A"):
        read_birds(spoiled)
    spoiled.write_text("t_s,A\n0,1\n5\n")
    with pytest.raises(DatasetError, match="line 3: 1 cells"):
        read_birds(spoiled)


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", **{"test/A": np.zeros((9, 2)), "label/A": np.zeros(8)})
    (tmp_path / "s.json").write_text('[{"channel": "A", "fit_rows": 5}]')
    with pytest.raises(DatasetError, match="do not fit"):
        read_telemanom(tmp_path / "s.npz")
    (tmp_path / "s.json").write_text('[{"channel": "B", "fit_rows": 5}]')
    with pytest.raises(DatasetError, match="no array 'test/B'"):
        read_telemanom(tmp_path / "s.npz")
    np.savez(tmp_path / "s.npz", **{"test/A": np.array([{}], dtype=object), "label/A": np.zeros(1)})
    (tmp_path / "s.json").write_text('[{"channel": "A", "fit_rows": 5}]')
    with pytest.raises(DatasetError):
        read_telemanom(tmp_path / "s.npz")
