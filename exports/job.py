"""One export from request to finished file."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pyarrow as pa

from exports.atomic_file import AtomicFile, ExportBusy
from exports.csv_file import CsvFile
from exports.manifest import LeftOut, Manifest, encode, manifest_path, program_version
from exports.request import FORMATS, ExportRequest
from exports.selection import Selection
from telemetry.clock import iso
from telemetry.dictionary import MissionError
from telemetry.plain_text import plain_text
from telemetry.query import QueryError
from telemetry.store.directory import MissionDirectory
from telemetry.store.errors import StoreError

PROGRESS_S = 0.25
CSV_NOTES = (
    "An empty cell was not sent, or was sent as NaN: the column `invalid` then names its channel.",
    "No value is held or filled in: the column `expired` names the channels that had fallen silent by then.",
    "Times have nine decimals; floats are the shortest text that reads back as the same bits.",
)
PARQUET_NOTES = ("null was not sent; NaN was sent as NaN.",)


class ExportRefused(Exception):
    """Why there is no file, in one sentence; `wrong_use` where asking again cannot help."""

    def __init__(self, sentence: str, *, wrong_use: bool = False) -> None:
        super().__init__(plain_text(sentence, 500))
        self.wrong_use = wrong_use


class Writer(Protocol):
    """A file format."""

    guarded_cells: int

    def write(self, batch: pa.RecordBatch) -> None: ...
    def close(self) -> None: ...
    def abandon(self) -> None: ...


def read_request(line: str) -> ExportRequest:
    """The request in a line of JSON.

    Raises:
        ExportRefused: it is none.
    """
    try:
        request = msgspec.json.decode(line.encode(), type=ExportRequest)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise ExportRefused(f"the request cannot be read: {error}", wrong_use=True) from error
    if request.format not in FORMATS:
        raise ExportRefused(f"format: {request.format!r}: allowed: {', '.join(FORMATS)}", wrong_use=True)
    return request


def run(request: ExportRequest, say: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Write the file and its manifest; returns the manifest as a dictionary, with `path`.

    Raises:
        ExportRefused: with the reason; nothing is left behind then and a file of before is untouched.
    """
    try:
        with Selection(
            Path(request.mission),
            request.query,
            request.satellite,
            both_times=request.both_times,
            anomaly_columns=request.anomaly_columns,
        ) as selection:
            path = _target(request, selection)
            return _write(request, selection, path, say)
    except (MissionError, QueryError) as error:
        raise ExportRefused(str(error), wrong_use=True) from error
    except (StoreError, ExportBusy) as error:
        raise ExportRefused(str(error)) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ExportRefused(_why(error, request)) from error


def _write(
    request: ExportRequest, selection: Selection, path: Path, say: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    table = selection.table
    with AtomicFile(manifest_path(path)) as note, AtomicFile(path) as file:
        writer = _writer(request, file, table.schema)
        try:
            progress = _Progress(selection.total_estimate, say)
            for batch in selection.batches():
                writer.write(batch)
                progress.reached(table.totals.rows)
            writer.close()
        except BaseException:
            writer.abandon()
            raise
        totals = table.totals
        manifest = Manifest(
            file=path.name,
            format=request.format,
            bytes=file.bytes_written,
            sha256=file.sha256,
            rows=totals.rows,
            filter=selection.filter,
            satellite=request.satellite,
            simulated=selection.mission.simulated or totals.simulated,
            first_generation_time=None if totals.first_ns is None else iso(totals.first_ns),
            last_generation_time=None if totals.last_ns is None else iso(totals.last_ns),
            last_frame_id=totals.last_id,
            made_at=iso(time.time_ns()),
            version=program_version(),
            columns=table.columns,
            guarded_cells=writer.guarded_cells,
            left_out=LeftOut(
                refused_frames=selection.refused_frames,
                invalid_values=totals.invalid_values,
                columns=table.left_out,
            ),
            acquisition=selection.acquisition,
            notes=CSV_NOTES if request.format == "csv" else PARQUET_NOTES,
        )
        note.write(encode(manifest))
        note.sync()
        file.sync()
        progress.reached(totals.rows, last=True)
        # From here on the file is whole: a signal between the two renames would only part it from its manifest.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
    return {**msgspec.to_builtins(manifest), "path": str(path)}


def _writer(request: ExportRequest, file: AtomicFile, schema: pa.Schema) -> Writer:
    if request.format == "csv":
        return CsvFile(file, schema, raw=request.raw)
    from exports.parquet_file import ParquetFile

    return ParquetFile(file, schema)


class _Progress:
    """Tells rows and rows per second, but not more often than a person can read."""

    def __init__(self, total: int | None, say: Callable[[dict[str, Any]], None]) -> None:
        self._total = total
        self._say = say
        self._begun = time.monotonic()
        self._told = self._begun
        self._tell(0, self._begun)

    def reached(self, rows: int, *, last: bool = False) -> None:
        now = time.monotonic()
        if last or now - self._told >= PROGRESS_S:
            self._tell(rows, now)

    def _tell(self, rows: int, now: float) -> None:
        self._told = now
        elapsed = now - self._begun
        rate = rows / elapsed if elapsed > 0 else 0.0
        self._say({"rows": rows, "total_estimate": self._total, "rows_per_s": round(rate, 1)})


def _target(request: ExportRequest, selection: Selection) -> Path:
    """Where the file goes: as asked for, or a name nobody has used in the mission's `exports/`."""
    if request.path is not None:
        path = Path(request.path).absolute()
        if path.is_dir():
            raise ExportRefused(f"{path}: this is a folder: name the file to write", wrong_use=True)
        if not path.parent.is_dir():
            raise ExportRefused(f"{path}: there is no folder {path.parent}", wrong_use=True)
        return path
    folder = MissionDirectory(Path(request.mission).absolute()).exports
    folder.mkdir(mode=0o700, exist_ok=True)
    names = selection.reader.satellites()
    name = request.satellite or (names[0] if len(names) == 1 else "mission")
    moment = re.sub(r"[-:]", "", iso(time.time_ns() // 10**9 * 10**9))
    stem = f"{re.sub(r'[^A-Za-z0-9_-]+', '_', name)}_{moment}"
    path = folder / f"{stem}.{request.format}"
    again = 1
    while path.exists():
        again += 1
        path = folder / f"{stem}-{again}.{request.format}"
    return path


def _why(error: OSError, request: ExportRequest) -> str:
    where = request.path or "the mission's exports folder"
    kept = "nothing was left behind, and a file of that name from before is untouched"
    return f"{where}: {error.strerror or error}: {kept}"
