"""Labelled data in the layout of ESA's anomaly dataset (ESA-ADB), so that its evaluator and others' can read ours.

`labels.csv` (ID, Channel, StartTime, EndTime), `anomaly_types.csv` (ID, Class, Subclass, Category,
Dimensionality, Locality, Length), `channels.csv` (Channel, Subsystem, Physical Unit, Group, Target); beside them
`events.jsonl`, what was done to the satellite, with onset and the first second at which it could be noticed.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sim.labels import Label, Told
from telemetry.clock import NS_PER_S, iso

if TYPE_CHECKING:
    from sim.channels import SimChannel

COMMANDED = "obc.mode"
"""The channel a routine is commanded through."""


def write_labels(
    directory: Path,
    channels: Sequence[SimChannel],
    labels: Sequence[Label],
    told: Sequence[Told],
    seed: int,
    end_s: int,
) -> tuple[Path, ...]:
    """Write the four files into `directory`, which exists; returns their paths.

    A routine has a row of its own in labels.csv, on the channel it was commanded through: a rare event is nothing a
    detector may raise, and nothing it may have to find. A fault that left no label is in `events.jsonl` alone.
    Nothing in labels.csv goes beyond the UTC second `end_s`, where the data end.

    Raises:
        OSError: a file cannot be written.
    """
    names = {one.fault.id: f"id_{i + 1}" for i, one in enumerate(told)}
    rows = [(names.get(a.fault, ""), a.channel, _time(a.start_s), _time(a.end_s)) for a in labels]
    rows += [
        (names[one.fault.id], COMMANDED, _time(one.fault.start_s), _time(min(end_s, one.fault.end_s)))
        for one in told
        if one.fault.layer == "routine"
    ]
    types = [
        (
            names[one.fault.id],
            one.fault.kind,
            one.fault.layer,
            one.category,
            one.dimensionality,
            one.locality,
            one.length,
        )
        for one in told
        if one.channels or one.fault.layer == "routine"
    ]
    about = [
        (c.name, c.name.split(".")[0], c.unit, c.packet, "NO" if c.enum or c.name.startswith("orb.") else "YES")
        for c in channels
    ]
    written = (
        _table(directory / "labels.csv", ("ID", "Channel", "StartTime", "EndTime"), rows),
        _table(
            directory / "anomaly_types.csv",
            ("ID", "Class", "Subclass", "Category", "Dimensionality", "Locality", "Length"),
            types,
        ),
        _table(directory / "channels.csv", ("Channel", "Subsystem", "Physical Unit", "Group", "Target"), about),
        directory / "events.jsonl",
    )
    lines = [
        json.dumps(
            {
                "id": names[one.fault.id],
                "fault": one.fault.kind,
                "layer": one.fault.layer,
                "satellite": one.fault.satellite,
                "target": one.fault.target,
                "size": one.fault.size,
                "onset": _time(one.fault.start_s),
                "observable": None if one.observable_s is None else _time(one.observable_s),
                "end": _time(one.fault.end_s),
                "cleared": None if one.last_s is None else _time(one.last_s),
                "channels": list(one.channels),
                "seed": seed,
            }
        )
        for one in told
    ]
    written[3].write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return written


def _time(second: int) -> str:
    return iso(second * NS_PER_S)


def _table(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        writer.writerows(rows)
    return path
