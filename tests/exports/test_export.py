"""The exporter as it is used: a request on stdin, a file and a manifest on disk."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import resource
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exports import read_export
from telemetry.clock import iso, parse_iso
from telemetry.store.reader import StoreReader

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-P", "-m", "exports"]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def export(small: Any, **request: Any) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and the lines the exporter wrote."""
    asked = {"mission": str(small.directory.path), **request}
    done = subprocess.run(
        COMMAND, input=json.dumps(asked) + "\n", capture_output=True, text=True, env=environment(), timeout=60
    )
    assert done.stderr == ""
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_row_of_the_store_is_in_the_file_exactly(filled: Any, tmp_path: Path) -> None:
    target = tmp_path / "all.csv"
    code, lines = export(filled, path=str(target))
    assert code == 0
    rows = read_csv(target)
    reader = StoreReader(filled.directory.telemetry)
    stored = sorted(reader.page(limit=100).rows, key=lambda row: (row.t_ns, row.id))
    reader.close()
    assert len(rows) == len(stored) == lines[-1]["done"]["rows"] == 13
    for text, row in zip(rows, stored, strict=True):
        assert parse_iso(text["generation_time"]) == row.t_ns
        assert parse_iso(text["reception_time"]) == row.received_ns
        assert (int(text["boot"]), int(text["seq"])) == (row.boot, row.seq)
        for name, value in zip(row.layout.names, row.values.tolist(), strict=True):
            if name != "obc.mode" and not np.isnan(value):
                assert struct.pack("<d", float(text[name])) == struct.pack("<d", value)
        assert {name for name in ("eps.bat_v", "thm.t_px") if text[name]} <= set(row.layout.names)


def test_sentinels_unknown_codes_and_nan_are_named_as_invalid_and_kept(filled: Any, tmp_path: Path) -> None:
    target = tmp_path / "all.csv"
    _, lines = export(filled, path=str(target), satellite="KESTREL-1", query="time >= 2026-11-22T07:13:23Z")
    rows = {row["generation_time"][17:21]: row for row in read_csv(target)}
    assert rows["23.0"]["eps.bat_v"] == "" and rows["23.0"]["invalid"] == "eps.bat_v"
    assert rows["24.0"]["eps.bat_v"] == "-9999" and rows["24.0"]["obc.mode"] == "7"
    assert rows["24.0"]["eps.bat_t"] == "0.30000000000000004"
    assert rows["24.0"]["invalid"] == "eps.bat_v obc.mode"
    assert rows["25.0"]["invalid"] == "eps.bat_v" and rows["25.0"]["obc.mode"] == "BOOT"
    assert rows["25.5"]["eps.bat_v"] == "" and rows["25.5"]["invalid"] == ""
    assert lines[-1]["done"]["left_out"]["invalid_values"] == 4


def test_labels_quality_and_the_models_opinion_are_written_as_words(filled: Any, tmp_path: Path) -> None:
    target = tmp_path / "all.csv"
    export(filled, path=str(target), satellite="KESTREL-1")
    rows = {row["generation_time"][17:21]: row for row in read_csv(target)}
    assert rows["20.0"]["obc.mode"] == "NOMINAL"
    assert rows["20.5"]["quality"] == "stored simulated" and rows["20.0"]["quality"] == "simulated"
    assert [rows[s][k] for s in ("20.0",) for k in ("model", "score", "p", "state")] == ["", "", "", ""]
    assert [rows[s]["state"] for s in ("22.0", "25.0", "26.0")] == ["nominal", "above", "confirmed"]
    assert rows["26.0"]["model"] == "7"


def test_a_name_that_spreadsheets_would_run_is_made_harmless_unless_raw(filled: Any, tmp_path: Path) -> None:
    target = tmp_path / "all.csv"
    _, lines = export(filled, path=str(target), satellite="=cmd|A1")
    assert [row["satellite"] for row in read_csv(target)] == ["'=cmd|A1"]
    assert lines[-1]["done"]["guarded_cells"] == 1
    _, lines = export(filled, path=str(target), satellite="=cmd|A1", raw=True)
    assert [row["satellite"] for row in read_csv(target)] == ["=cmd|A1"]
    assert lines[-1]["done"]["guarded_cells"] == 0


def test_a_filter_selects_its_rows_and_stands_in_the_manifest(filled: Any, tmp_path: Path) -> None:
    target = tmp_path / "warm.csv"
    code, lines = export(filled, path=str(target), query="eps.bat_v > 8.55 and eps.bat_v < 8.85")
    assert code == 0
    assert [row["eps.bat_v"] for row in read_csv(target)] == ["8.6", "8.7", "8.8"]
    assert lines[-1]["done"]["filter"] == "eps.bat_v > 8.55 and eps.bat_v < 8.85"


def test_anomaly_filter_counts_both_states(filled: Any, tmp_path: Path) -> None:
    target = tmp_path / "anomalies.csv"
    export(filled, path=str(target), query="anomaly")
    assert [row["state"] for row in read_csv(target)] == ["above", "confirmed", "confirmed"]


def test_a_relative_time_is_written_down_as_the_instant_it_was(filled: Any, tmp_path: Path) -> None:
    code, lines = export(filled, path=str(tmp_path / "x.csv"), query="time in last 10 min")
    assert code == 0
    assert "last" not in lines[-1]["done"]["filter"]
    assert "time >= " in lines[-1]["done"]["filter"]


def test_the_manifest_describes_the_file(filled: Any, tmp_path: Path) -> None:
    target = tmp_path / "all.csv"
    export(filled, path=str(target), both_times=False, anomaly_columns=False)
    manifest = json.loads((tmp_path / "all.csv.manifest.json").read_bytes())
    assert manifest["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert manifest["bytes"] == target.stat().st_size
    assert manifest["rows"] == 13 and manifest["simulated"] is True and manifest["filter"] == ""
    assert manifest["first_generation_time"] == iso(1_795_331_600_000_000_000)
    assert manifest["left_out"]["refused_frames"] == {"unknown channel": 4, "wrong length": 1}
    assert manifest["left_out"]["columns"] == ["reception_time", "model", "score", "p", "state"]
    header = target.read_text(encoding="utf-8").splitlines()[0].split(",")
    assert [column["name"] for column in manifest["columns"]] == header
    units = {column["name"]: column["unit"] for column in manifest["columns"]}
    assert (units["eps.bat_v"], units["eps.bat_t"]) == ("V", "degC")
    assert header == [
        "generation_time", "satellite", "boot", "seq", "quality",
        "eps.bat_v", "eps.bat_t", "obc.mode", "thm.t_px", "invalid", "expired",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_export_reads_back_into_a_dataframe_bit_for_bit(filled: Any, tmp_path: Path, kind: str) -> None:
    target = tmp_path / f"all.{kind}"
    code, _ = export(filled, path=str(target), format=kind)
    assert code == 0
    frame = read_export(target)
    assert len(frame) == 13
    reader = StoreReader(filled.directory.telemetry)
    stored = sorted(reader.page(limit=100).rows, key=lambda row: (row.t_ns, row.id))
    reader.close()
    assert frame["generation_time"].astype("int64").tolist() == [row.t_ns for row in stored]
    sent = [
        row.values[row.layout.positions["eps.bat_t"]] if row.layout.packet == "hk" else np.nan for row in stored
    ]
    assert frame["eps.bat_t"].to_numpy(np.float64).tobytes() == np.array(sent).tobytes()
    assert frame["obc.mode"].dropna().unique().tolist() == ["NOMINAL", "SAFE", "7", "BOOT"]


def test_parquet_tells_not_sent_from_sent_as_nan(filled: Any, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    target = tmp_path / "all.parquet"
    export(filled, path=str(target), format="parquet", satellite="KESTREL-1")
    column = pq.read_table(target)["eps.bat_v"]
    assert column.null_count == 2
    assert sum(value is not None and np.isnan(value) for value in column.to_pylist()) == 1
    assert pq.read_schema(target).field("eps.bat_v").metadata[b"unit"] == b"V"


def test_without_a_path_the_file_goes_to_the_missions_exports(filled: Any) -> None:
    _, lines = export(filled, satellite="KESTREL-1")
    path = Path(lines[-1]["done"]["path"])
    assert path.parent == filled.directory.exports
    assert path.name.startswith("KESTREL-1_") and path.suffix == ".csv"
    assert path.exists() and path.with_name(path.name + ".manifest.json").exists()


def test_an_empty_mission_exports_a_header(small: Any, tmp_path: Path) -> None:
    target = tmp_path / "none.csv"
    code, lines = export(small, path=str(target))
    assert code == 0 and lines[-1]["done"]["rows"] == 0
    assert target.read_text(encoding="utf-8").startswith("generation_time,")


@pytest.mark.parametrize(
    ("request_", "code", "sentence"),
    [
        ({"query": "eps.bat_x < 3"}, 2, "eps.bat_x"),
        ({"query": "satellite = NOBODY"}, 2, "NOBODY"),
        ({"format": "xml"}, 2, "csv"),
        ({"path": "/nonexistent/folder/x.csv"}, 2, "no folder"),
        ({"mission": "/nonexistent"}, 2, "not found"),
        ({"colour": 1}, 2, "colour"),
    ],
)
def test_a_wrong_request_is_refused_in_a_sentence(
    filled: Any, tmp_path: Path, request_: dict[str, Any], code: int, sentence: str
) -> None:
    got, lines = export(filled, **{"path": str(tmp_path / "x.csv"), **request_})
    assert got == code
    assert sentence in lines[-1]["error"] and "\n" not in lines[-1]["error"]
    assert list(tmp_path.glob("*x.csv*")) == []


def test_no_space_for_the_file_keeps_the_old_one_and_says_so(filled: Any, tmp_path: Path) -> None:
    target = tmp_path / "out" / "all.csv"
    target.parent.mkdir()
    target.write_text("old")
    asked = {"mission": str(filled.directory.path), "path": str(target)}
    done = subprocess.run(
        COMMAND,
        input=json.dumps(asked) + "\n",
        capture_output=True,
        text=True,
        env=environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512)),
    )
    assert done.returncode == 1
    assert "untouched" in json.loads(done.stdout.splitlines()[-1])["error"]
    assert target.read_text() == "old"
    assert [path.name for path in target.parent.iterdir()] == ["all.csv"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_cancel_leaves_nothing_behind(small: Any, tmp_path: Path, kind: str) -> None:
    n = 60_000
    small.frames("hk", [float(i) for i in range(n)], [[8.0, float(i), 3.0] for i in range(n)])
    target = tmp_path / "out" / f"all.{kind}"
    target.parent.mkdir()
    child = subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    asked = {"mission": str(small.directory.path), "path": str(target), "format": kind}
    child.stdin.write(json.dumps(asked) + "\n")
    child.stdin.flush()
    first = json.loads(child.stdout.readline())
    assert first["rows"] == 0 and first["total_estimate"] == n
    child.send_signal(signal.SIGTERM)
    rest = [json.loads(line) for line in child.stdout.read().splitlines()]
    assert child.wait(10) == 1
    assert rest[-1] == {"error": "cancelled"}
    assert child.stderr.read() == ""
    assert list(target.parent.iterdir()) == []


def test_frames_that_come_in_meanwhile_are_left_out_and_the_export_ends(small: Any, tmp_path: Path) -> None:
    from exports.selection import Selection

    small.frames("hk", [float(i) for i in range(20)], [[8.0, float(i), 3.0] for i in range(20)])
    with Selection(small.directory.path) as selection:
        small.frames("hk", [30.0], [[8.0, 99.0, 3.0]], first_seq=50)
        assert sum(batch.num_rows for batch in selection.batches()) == 20


def test_the_exporter_never_loads_pandas(filled: Any, tmp_path: Path) -> None:
    script = (
        "import sys\nfrom exports.__main__ import main\ncode = main()\n"
        "heavy = {'pandas', 'sklearn', 'mlflow', 'textual'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else code)\n"
    )
    for kind in ("csv", "parquet"):
        asked = {"mission": str(filled.directory.path), "path": str(tmp_path / f"x.{kind}"), "format": kind}
        done = subprocess.run(
            [sys.executable, "-c", script],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            env=environment(),
        )
        assert (done.returncode, done.stderr) == (0, "")
