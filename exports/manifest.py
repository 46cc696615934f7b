"""The note beside an export: what is in the file, where it came from and what was left out.

Written as `NAME.manifest.json`, after the file it describes, so that a manifest whose SHA-256 fits can be trusted.
"""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

SCHEMA = 1
SUFFIX = ".manifest.json"


class ManifestColumn(msgspec.Struct, frozen=True):
    """One column of the file: `kind` is time, text, integer, float or enum; `unit` is ASCII as in mission.toml."""

    name: str
    kind: str
    unit: str = ""
    label: str = ""


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody may miss in the file."""

    refused_frames: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    """Frames that never entered the ledger, by reason, counted since the mission began where that is known."""
    invalid_values: int = 0
    """Values that are in the file as they were sent but INVALID; the column `invalid` names them row by row."""
    columns: tuple[str, ...] = ()
    """Columns that were not asked for; `expired` where the filter leaves out rows for their values."""
    frames_after_start: bool = True
    """Frames that came in while the file was written are not in it."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one exported file."""

    schema: int = SCHEMA
    file: str
    format: str
    bytes: int
    sha256: str
    rows: int
    filter: str
    """In the language of the ledger; empty means every row."""
    satellite: str | None = None
    simulated: bool
    """Made by a simulator, all of it or some."""
    first_generation_time: str | None = None
    last_generation_time: str | None = None
    last_frame_id: int = 0
    made_at: str
    version: str
    columns: tuple[ManifestColumn, ...]
    guarded_cells: int = 0
    """Text cells that got a leading apostrophe because a spreadsheet would have run them."""
    left_out: LeftOut
    acquisition: dict[str, dict[str, list[str]]] = msgspec.field(default_factory=dict[str, dict[str, list[str]]])
    """Satellite -> ACQUIRED, NOT_RECEIVED, INVALID, EXPIRED -> channels, when the file was made."""
    notes: tuple[str, ...] = ()


def manifest_path(path: Path) -> Path:
    """Where the manifest of the export `path` is."""
    return path.with_name(path.name + SUFFIX)


def encode(manifest: Manifest) -> bytes:
    """Indented JSON in ASCII, so that a terminal that shows it can obey nothing in it."""
    return (json.dumps(msgspec.to_builtins(manifest), indent=2) + "\n").encode("ascii")


def read_manifest(path: Path) -> Manifest:
    """The manifest of the export `path`.

    Raises:
        FileNotFoundError: there is none.
        msgspec.ValidationError, msgspec.DecodeError: it is damaged.
    """
    return msgspec.json.decode(manifest_path(path).read_bytes(), type=Manifest)


def program_version() -> str:
    """Version of the installed product."""
    try:
        return version("cubesat-tui")
    except PackageNotFoundError:
        return "unknown"
