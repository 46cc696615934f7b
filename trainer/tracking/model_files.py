"""The files of a model as MLflow keeps them: checked by their digest, with a description that only MLflow reads.

The description (`MLmodel`) says what goes in and what comes out; it names no Python that could load anything. JSON
is YAML, so that it is written without a library.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from telemetry.clock import iso
from trainer.tracking.spool import FILES, AuditEntry

MODEL = "model"
"""Folder of a run's artifacts."""
MAX_BYTES = 8 * 1024 * 1024
OUTPUTS = (("double", "score"), ("double", "p"), ("long", "state"))
"""What a scored frame gets: see `telemetry.store.rows.ScoreColumns`."""


class _Packet(msgspec.Struct):
    channels: tuple[str, ...]


class _Manifest(msgspec.Struct):
    format: int
    kind: str
    satellite: str
    version: int
    sha256: str
    packets: tuple[_Packet, ...]


def checked_files(entry: AuditEntry, run_id: str) -> Path | str:
    """The folder to be copied; where it must not be, or there is none, why ("" where none was to be expected)."""
    if entry.place is None:
        return ""
    folder = Path(entry.place)
    scorer, manifest = (folder / name for name in FILES)
    try:
        if scorer.stat().st_size > MAX_BYTES or manifest.stat().st_size > MAX_BYTES:
            return "not kept: larger than a model may be"
        digest = hashlib.sha256(scorer.read_bytes()).hexdigest()
        told = msgspec.json.decode(manifest.read_bytes(), type=_Manifest)
    except FileNotFoundError:
        return "not kept: gone before MLflow could be told"
    except (OSError, msgspec.DecodeError):
        return "not kept: they cannot be read"
    if digest != told.sha256 or (entry.sha256 and digest != entry.sha256):
        return "not kept: scorer.npz does not have the SHA-256 it was written with"
    (folder / "MLmodel").write_bytes(msgspec.json.format(msgspec.json.encode(_description(told, entry, run_id))))
    return folder


def _description(manifest: _Manifest, entry: AuditEntry, run_id: str) -> dict[str, object]:
    channels = dict.fromkeys(name for packet in manifest.packets for name in packet.channels)
    inputs = [{"type": "double", "name": name, "required": False} for name in channels]
    outputs = [{"type": kind, "name": name, "required": True} for kind, name in OUTPUTS]
    return {
        "artifact_path": MODEL,
        "flavors": {
            "cubesat_tui": {
                "kind": manifest.kind,
                "format": manifest.format,
                "scorer": FILES[0],
                "manifest": FILES[1],
                "sha256": manifest.sha256,
            }
        },
        "model_uuid": manifest.sha256[:32],
        "run_id": run_id,
        "signature": {
            "inputs": msgspec.json.encode(inputs).decode(),
            "outputs": msgspec.json.encode(outputs).decode(),
            "params": None,
        },
        "utc_time_created": iso(entry.ended_ns).removesuffix("Z").replace("T", " "),
    }
