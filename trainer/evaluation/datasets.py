"""Published data as arrays: OPSSAT-AD segments, SMAP/MSL series, BIRDS-3 orbits. docs/datasets.md says where from.

A path that does not exist as given is looked for in `$CUBESAT_TUI_DATA`.
"""

from __future__ import annotations

import csv
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s, Int64s

Bools = npt.NDArray[np.bool_]

LENGTHS = ("duration", "len", "gaps_squared", "len_weighted", "var_div_duration", "var_div_len")
"""Statistics that tell how long a segment is; its length leaks the label."""

STATISTICS = (
    "mean", "var", "std", "kurtosis", "skew", "n_peaks", "smooth10_n_peaks", "smooth20_n_peaks", "diff_peaks",
    "diff2_peaks", "diff_var", "diff2_var", *LENGTHS,
)  # fmt: skip
SCALES = frozenset(("var", "std", "diff_var", "diff2_var", *LENGTHS))
LEAST = 1e-30


class DatasetError(Exception):
    """A file that is not the dataset it was said to be; the message names the file and what is allowed."""


@dataclass(frozen=True, eq=False)
class Segments:
    """OPSSAT-AD: n segments."""

    raw: Float64s
    """The 18 statistics as published, shape (n, 18), in the order of `STATISTICS`."""
    channel: Int64s
    context: Int64s
    """Channel and sampling."""
    train: Bools
    anomaly: Bools

    def statistics(self, lengths: bool) -> Float64s:
        """Scales and lengths as logarithms, counts as log1p; shape (n, 18), or (n, 12) without lengths."""
        names = STATISTICS if lengths else STATISTICS[: -len(LENGTHS)]
        columns: list[Float64s] = []
        for name in names:
            column = self.raw[:, STATISTICS.index(name)]
            if name in SCALES:
                column = np.log(np.maximum(column, LEAST))
            elif "peaks" in name:
                column = np.log1p(column)
            columns.append(column)
        return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False)
class Series:
    """One SMAP/MSL channel: n rows, a minute each."""

    name: str
    values: Float64s
    commands: Float64s
    """One-hot, shape (n, m)."""
    label: Bools
    fit_rows: int
    """Rows at the beginning that a detector may learn from."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One BIRDS-3 file: n rows, 5 s each."""

    name: str
    t_s: Float64s
    channels: tuple[str, ...]
    values: Float64s
    """Shape (n, channels); NaN where the cell is empty."""


class _Entry(msgspec.Struct):
    channel: str
    fit_rows: int


def found(path: Path) -> Path:
    """The file `path` names, here or in `$CUBESAT_TUI_DATA`.

    Raises:
        DatasetError: in neither.
    """
    folder = os.environ.get("CUBESAT_TUI_DATA", "")
    for one in (path, Path(folder, path) if folder else path):
        if one.is_file():
            return one
    raise DatasetError(f"{path}: no such file; docs/datasets.md says where each dataset is published")


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.reader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: not a CSV table: {error}") from error
    if len(rows) < 2:
        raise DatasetError(f"{path}: no rows; a header and at least one row are needed")
    width = len(rows[0])
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != width:
            raise DatasetError(f"{path}: line {number}: {len(row)} cells, the header has {width}")
    return rows[0], rows[1:]


def _numbers(path: Path, name: str, cells: list[str], empty: bool = False) -> Float64s:
    try:
        out = np.array([float(cell) if cell or not empty else np.nan for cell in cells])
    except ValueError as error:
        raise DatasetError(f"{path}: column {name}: {error}; allowed: numbers") from error
    if not empty and not np.isfinite(out).all():
        raise DatasetError(f"{path}: column {name}: allowed: finite numbers")
    return out


def read_opssat(path: Path) -> Segments:
    """OPSSAT-AD's `dataset.csv`, or a part of it.

    Raises:
        DatasetError: a column is missing or holds something else.
    """
    path = found(path)
    header, rows = _table(path)
    missing = [name for name in ("anomaly", "train", "channel", "sampling", *STATISTICS) if name not in header]
    if missing:
        raise DatasetError(f"{path}: no column {missing[0]!r}; allowed: the columns of OPSSAT-AD's dataset.csv")
    column = {name: [row[i] for row in rows] for i, name in enumerate(header)}
    context = [f"{a} {b}" for a, b in zip(column["channel"], column["sampling"], strict=True)]
    return Segments(
        np.stack([_numbers(path, name, column[name]) for name in STATISTICS], axis=1),
        _codes(column["channel"]),
        _codes(context),
        _numbers(path, "train", column["train"]) == 1,
        _numbers(path, "anomaly", column["anomaly"]) == 1,
    )


def _codes(names: list[str]) -> Int64s:
    known = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([known[name] for name in names], dtype=np.int64)


def read_telemanom(path: Path) -> list[Series]:
    """Series of a `.npz` (arrays `test/<name>`, `label/<name>`) whose `.json` beside it gives their `fit_rows`.

    Raises:
        DatasetError: a file is missing or its arrays do not fit together.
    """
    path = found(path)
    beside = path.with_suffix(".json")
    try:
        entries = msgspec.json.decode(beside.read_bytes(), type=list[_Entry])
        with np.load(path, allow_pickle=False) as arrays:
            out = [_series(path, entry, arrays) for entry in entries]
    except (OSError, ValueError, TypeError, AttributeError, zipfile.BadZipFile, msgspec.MsgspecError) as error:
        raise DatasetError(f"{path}: {error}; allowed: NAME.npz with NAME.json beside it") from error
    if not out:
        raise DatasetError(f"{beside}: no series")
    return out


def _series(path: Path, entry: _Entry, arrays: Mapping[str, npt.NDArray[np.float64]]) -> Series:
    keys = (f"test/{entry.channel}", f"label/{entry.channel}")
    for key in keys:
        if key not in arrays:
            raise DatasetError(f"{path}: no array {key!r}, which the JSON beside it names")
    rows = np.asarray(arrays[keys[0]], dtype=np.float64)
    label = np.asarray(arrays[keys[1]]) > 0
    if rows.ndim != 2 or label.shape != rows.shape[:1] or not 0 < entry.fit_rows < len(rows):
        raise DatasetError(f"{path}: {entry.channel}: rows, labels and fit_rows {entry.fit_rows} do not fit")
    return Series(entry.channel, rows[:, 0], rows[:, 1:], label, entry.fit_rows)


def read_birds(path: Path) -> Recording:
    """A BIRDS-3 EPS recording: `t_s` and one column a channel.

    Raises:
        DatasetError: no `t_s`, or a cell that is no number.
    """
    path = found(path)
    header, rows = _table(path)
    if header[0] != "t_s" or len(header) < 2:
        raise DatasetError(f"{path}: first column {header[0]!r}; allowed: t_s, then one column a channel")
    columns = [_numbers(path, name, [row[i] for row in rows], empty=i > 0) for i, name in enumerate(header)]
    return Recording(path.stem, columns[0], tuple(header[1:]), np.stack(columns[1:], axis=1))
