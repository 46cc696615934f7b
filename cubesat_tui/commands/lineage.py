"""`cubesat-tui lineage FRAME`: which model scored a frame, what it was fitted to, and who put it there and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cubesat_tui.commands.options import (
    json_option,
    mission_option,
    open_stored,
    print_json,
    reading,
    refuse,
    satellite_of,
    say,
)
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.alarms import Event
    from telemetry.store.reader import StoreReader
    from telemetry.store.rows import LedgerRow

STATES = ("nominal", "above the threshold", "anomaly")


@click.command()
@click.argument("frame")
@click.option("--satellite", metavar="NAME", help="Whose BOOT:SEQ (default: the first satellite of the mission).")
@mission_option
@json_option
@click.pass_context
def lineage(
    context: click.Context, frame: str, satellite: str | None, mission_path: Path | None, as_json: bool
) -> None:
    """Tell where the opinion about FRAME comes from: its number in the ledger, or BOOT:SEQ.

    From the data to the model to the anomaly: the window the model was fitted to and its hash, the retrain, its
    parent, the digest of its files, and who promoted it and why. A frame before the first model says learning.
    """
    wanted = _place(frame)
    directory, mission = open_stored(context, mission_path, "there is no frame")
    name = satellite_of(mission, satellite)
    with reading(directory) as reader:
        found = wanted[0] if len(wanted) == 1 else reader.frame_id(name, *wanted)
        row = None if found is None else reader.frame_row(found)
        told = None if row is None else lineage_of(reader, row)
    if told is None:
        refuse(f"no frame {plain_text(frame, 40)} is stored", exit_code=1)
    if as_json:
        print_json(told)
    else:
        for line in _lines(told):
            say(line)


def _place(text: str) -> tuple[int, ...]:
    parts = text.strip().split(":")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        refuse(f"lineage: {plain_text(text, 40)!r} is no frame: allowed: its number in the ledger, or BOOT:SEQ")
    return tuple(int(part) for part in parts)


def lineage_of(reader: StoreReader, row: LedgerRow) -> dict[str, Any]:
    """The way from the data to the opinion about one stored frame; `model` is None where none was formed."""
    from cubesat_tui.put_there import put_there
    from telemetry.clock import iso

    told: dict[str, Any] = {
        "frame": {
            "id": row.id,
            "satellite": row.satellite,
            "boot": row.boot,
            "seq": row.seq,
            "packet": row.layout.packet,
            "generation_time": iso(row.t_ns),
            "reception_time": iso(row.received_ns),
        },
        "state": "learning",
        "score": None,
        "p": None,
        "model": None,
        "run": None,
        "put_there": None,
        "anomaly": None,
    }
    every = put_there(reader, row.satellite)
    if row.model is None:
        if any(event.at_ns <= row.received_ns for event in every):
            told["state"] = "no opinion"
        return told
    from cubesat_tui.commands.runs import run_object

    run = reader.run_of_version(row.model, row.satellite)
    puts = [event for event in every if _version(event) == row.model]
    put = next((event for event in puts if event.at_ns <= row.received_ns), puts[-1] if puts else None)
    told |= {"state": STATES[min(2, row.state or 0)], "score": row.score, "p": row.p, "model": row.model}
    told["run"] = None if run is None else run_object(run)
    if put is not None:
        told["put_there"] = {
            "at": iso(put.at_ns),
            "by": put.actor or "the trainer",
            "how": put.kind.partition(".")[2],
            "instead_of": put.body.get("from"),
            "reason": put.body.get("reason"),
        }
    raised = reader.event_beside("alarm.raised", row.satellite, row.t_ns + 1, later=False) if row.state else None
    if raised is not None and raised.subject.startswith("anomaly:"):
        told["anomaly"] = {"alarm": raised.subject, "raised": iso(raised.at_ns), "text": raised.text}
    return told


def _version(event: Event) -> int | None:
    """Of the model; stations before the first roll-back named it in another field."""
    return event.body.get("to", event.body.get("version"))


def _lines(told: dict[str, Any]) -> list[str]:
    frame, run, put = told["frame"], told["run"], told["put_there"]
    out = [f"frame     {frame['id']}  {frame['satellite']} {frame['boot']}:{frame['seq']}  {frame['packet']}"]
    out.append(f"made      {frame['generation_time']}, received {frame['reception_time']}")
    if told["model"] is None:
        early = "before the first model" if told["state"] == "learning" else "its window was not full"
        return [*out, f"opinion   {told['state']}: {early}"]
    out.append(f"opinion   {told['state']}, score {told['score']:.6g}, p {told['p']:.3g}")
    if told["anomaly"] is not None:
        out.append(f"anomaly   {told['anomaly']['text']}")
    if run is None:
        return [*out, f"model     v{told['model']}, of which no run is recorded here"]
    parent = "no parent" if run["parent"] is None else f"parent v{run['parent']}"
    out.append(f"model     v{told['model']}, retrain #{run['retrain']} at {run['at']}, {parent}")
    out.append(f"files     sha256 {run['model_sha256']}")
    out.append(f"fitted to {run['rows'] or 0:,} rows, {run['window_from']} to {run['window_to']}")
    out.append(f"window    {run['window_hash']}")
    if put is not None:
        instead = "" if put["instead_of"] is None else f" instead of v{put['instead_of']}"
        out.append(f"{put['how'].replace('_', ' '):9} by {put['by']} at {put['at']}{instead}: {put['reason']}")
    return out
