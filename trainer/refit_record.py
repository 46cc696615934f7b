"""What a run keeps so that its forest can be grown again: the seed, and which rows it was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from telemetry.store.rows import RunRow
    from trainer.served import Manifest

REFIT = "refit"
"""Name of the record in the body of a run."""


class RefitRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Together with the hash in the run's row. Times are generation times, UTC ns, both ends inclusive."""

    kind: str
    trees: int
    seed: int | None
    """None where the forest is that of the run's parent."""
    spans: tuple[tuple[int, int], ...]
    last_id: int
    """Rows stored after this one did not belong to the window."""
    acts: int
    """Nor did operators' acts journaled after this row."""


def refit_record(seed: int | None, manifest: Manifest) -> dict[str, Any]:
    """For the body of a run."""
    window = manifest.window
    record = RefitRecord(
        kind=manifest.kind,
        trees=manifest.trees,
        seed=seed,
        spans=window.spans,
        last_id=window.last_id,
        acts=window.acts,
    )
    return msgspec.to_builtins(record)


def refit_record_of(run: RunRow) -> RefitRecord | None:
    """What `run` keeps; None where it keeps nothing, or nothing that can be read."""
    try:
        return msgspec.convert(run.body.get(REFIT), RefitRecord | None)
    except msgspec.ValidationError:
        return None
