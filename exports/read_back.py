"""An export back into a DataFrame: the way to check one, and to go on working with it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exports.cells import guarded
from exports.manifest import ManifestColumn, read_manifest

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

_DTYPES = {"text": "string", "enum": "string", "integer": "Int64", "float": "float64", "time": "string"}


def read_export(path: Path | str) -> pd.DataFrame:
    """The table of an exported file, typed as its manifest says; floats are the same bits that were exported.

    Times are `datetime64[ns, UTC]`; an empty cell is missing. Text cells come back as they are in the file, so with
    their apostrophe where the formula guard set one; column names come back without it.

    Raises:
        FileNotFoundError: the file or its manifest is not there.
        ValueError: the file is not the one its manifest describes.
    """
    # The reader of an export has pandas; the exporter itself never loads it.
    pd: Any = import_module("pandas")
    path = Path(path)
    manifest = read_manifest(path)
    if path.stat().st_size != manifest.bytes:
        raise ValueError(f"{path}: {path.stat().st_size} bytes, but its manifest tells of {manifest.bytes}")
    if manifest.format == "parquet":
        return pd.read_parquet(path)
    frame = pd.read_csv(
        path,
        dtype={guarded(c.name): _DTYPES[c.kind] for c in manifest.columns},
        keep_default_na=False,
        na_values=[""],
    )
    frame.columns = pd.Index([column.name for column in manifest.columns])
    for column in filter(_is_time, manifest.columns):
        times = pd.to_datetime(frame[column.name], format="ISO8601", utc=True)
        frame[column.name] = times.astype("datetime64[ns, UTC]")
    return frame


def _is_time(column: ManifestColumn) -> bool:
    return column.kind == "time"
