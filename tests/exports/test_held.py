"""A channel that fell silent is named in every row after it, and in the manifest."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from exports.held import acquisition_now
from exports.job import run
from exports.request import ExportRequest
from exports.selection import Selection
from telemetry.store.reader import StoreReader

T0 = 1_795_331_600_000_000_000  # 2026-11-22T07:13:20Z
THM = "thm.t_px"
HK = "eps.bat_v eps.bat_t obc.mode"


@pytest.fixture
def silent(small: Any) -> Any:
    """`thm` (period 5 s) stops after 0.5 s; `hk` (1 s) pauses from 30 to 50 s; another satellite sends on."""
    seconds = [float(s) for s in (*range(31), *range(50, 56))]
    small.frames("hk", seconds, [[8.0, 20.0, 3.0]] * len(seconds))
    small.frames("thm", [0.5], [[5.0]], first_seq=900)
    small.frames("hk", [float(s) + 0.1 for s in range(60)], [[8.0, 20.0, 3.0]] * 60, satellite="=cmd|A1")
    return small


def expired(small: Any, query: str = "", satellite: str | None = "KESTREL-1") -> dict[float, str]:
    """Second of each row -> its cell."""
    with Selection(small.directory.path, query, satellite) as selection:
        table = pa.Table.from_batches(list(selection.batches()), selection.table.schema)
    times = table.column("generation_time").cast(pa.int64()).to_numpy()
    cells = table.column("expired").cast(pa.string()).to_pylist()
    return {round((t - T0) / 1e9, 1): cell or "" for t, cell in zip(times.tolist(), cells, strict=True)}


def test_a_channel_is_expired_from_three_periods_and_a_second_after_its_last_value(silent: Any) -> None:
    """15 s + 1 s after 0.5 s the slow one, and for the fast ones a gap of 20 s shows in no row of their own."""
    found = expired(silent)
    assert {second for second, cell in found.items() if not cell} == {float(s) for s in range(17)} | {0.5}
    assert {cell for second, cell in found.items() if second > 16.5} == {THM}


def test_what_fell_silent_shows_in_the_rows_of_another_packet(silent: Any) -> None:
    silent.frames("thm", [33.0, 36.0, 60.0], [[5.0]] * 3, first_seq=901)
    found = expired(silent)
    assert (found[33.0], found[36.0], found[50.0], found[60.0]) == ("", HK, "", HK)


def test_a_window_knows_what_was_sent_before_it(silent: Any) -> None:
    found = expired(silent, "time >= 2026-11-22T07:13:40Z and time < 2026-11-22T07:13:45Z")
    assert found == {float(s): THM for s in range(20, 25)}


def test_satellites_are_told_apart_and_chunks_change_nothing(silent: Any, monkeypatch: Any) -> None:
    whole = expired(silent, satellite=None)
    assert whole[20.0] == THM
    assert {cell for second, cell in whole.items() if round(second % 1, 1) == 0.1} == {""}
    monkeypatch.setattr("exports.selection.ROWS_A_BATCH", 7)
    assert expired(silent, satellite=None) == whole


@pytest.mark.parametrize("query", ["eps.bat_v > 7", "anomaly", "not time > 2026-11-22T07:13:40Z"])
def test_where_rows_are_left_out_for_their_values_it_cannot_be_told_and_is_not(silent: Any, query: str) -> None:
    with Selection(silent.directory.path, query) as selection:
        assert "expired" not in selection.table.schema.names
        assert "expired" in selection.table.left_out


def test_the_manifest_and_the_file_say_it(silent: Any, tmp_path: Path) -> None:
    target = tmp_path / "all.csv"
    run(ExportRequest(str(silent.directory.path), path=str(target), satellite="KESTREL-1"), lambda _: None)
    with target.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[-1]["expired"] == THM
    assert rows[-1][THM] == ""
    manifest = json.loads((tmp_path / "all.csv.manifest.json").read_bytes())
    assert list(manifest["acquisition"]) == ["KESTREL-1"]
    assert sorted(name for names in manifest["acquisition"]["KESTREL-1"].values() for name in names) == sorted(
        [*HK.split(), THM]
    )


def test_a_frozen_source_is_expired_in_the_manifest_within_three_periods_and_a_second(silent: Any) -> None:
    reader = StoreReader(silent.directory.telemetry)
    received = T0 + 55_250_000_000
    within, after = (
        acquisition_now(silent.mission, reader, {}, "KESTREL-1", received + ms * 1_000_000) for ms in (4000, 4001)
    )
    reader.close()
    assert within == {"ACQUIRED": HK.split(), "EXPIRED": [THM]}
    assert after == {"EXPIRED": [*HK.split(), THM]}
