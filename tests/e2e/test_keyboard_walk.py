"""A walk by keyboard through every screen, from a sign of trouble to an exported file, at both sizes."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from telemetry.clock import parse_iso
from telemetry.frame import Layout

Open = Callable[..., Any]

pytestmark = pytest.mark.e2e


def stored_anomalies(store: Path) -> dict[tuple[int, int], tuple[int, int, dict[str, float], int, float]]:
    """(boot, seq) -> (generation, reception, values by channel, model, score), read past our own reader."""
    connection = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows = connection.execute(
            "SELECT boot, seq, frame.t_ns, received_ns, body, v, model, score FROM frame"
            " JOIN layout ON layout.id = frame.layout JOIN score ON score.frame = frame.id WHERE state > 0"
        ).fetchall()
    finally:
        connection.close()
    found = {}
    for boot, seq, t_ns, received_ns, body, blob, model, score in rows:
        names = Layout.from_body(body).names
        found[boot, seq] = (
            t_ns,
            received_ns,
            dict(zip(names, np.frombuffer(blob, "<f8").tolist(), strict=True)),
            model,
            score,
        )
    return found


def close(window: Any, shown: str) -> None:
    """Escape, and wait until what it closes has gone: a key on its heels would arrive as alt and that key."""
    window.keys("Escape")
    window.wait_for(lambda screen: re.search(shown, screen) is None, 10, f"{shown} gone")


def filter_line(window: Any) -> str:
    return next(line for line in window.styled().splitlines() if "FILTER" in line)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (140, 42)])
def test_walk_from_a_sign_to_a_file(terminal: Open, home: Path, columns: int, rows: int) -> None:
    window = terminal(columns=columns, rows=rows)
    window.wait_for("SIMULATED satellite", 20)
    close(window, "SIMULATED")
    for key, name in (("2", "CLUST"), ("3", "MODELS"), ("4", "LEDGER"), ("5", "EVENTS"), ("1", "LIVE")):
        window.keys(key)
        window.wait_for(rf"{key} {name}", 10)

    window.wait_for(r"◈ ANOM +Distance S", 80, "the anomaly on Live")
    window.keys("5")
    window.wait_for(r"NEW +◈ ANOM", 10)
    # The rule on the rate may have been first on the list, and is then still the one that is selected.
    window.keys("n")
    window.wait_for(r"\n> +NEW +◈ ANOM", 10, "the anomaly selected")
    window.keys("Enter")
    card = window.wait_for("esc closes", 10, "why")
    assert re.search(r"Distance S \d+\.\d cm, (usual here|jumped from|forecast) \d+\.\d", card), card
    close(window, "esc closes")
    window.keys("a")
    window.wait_for(r"ACKED ann", 10, "acknowledged under the operator's name")

    window.keys("2")
    still = window.wait_for(r"◈", 15)
    window.keys("Left", "Left", "Left")
    window.wait_for(lambda screen: screen != still, 10, "a turned picture")

    window.keys("4")
    window.wait_for(r"LEDGER [\d,]+ frames stored", 15, "every frame")
    unfocused = filter_line(window)
    window.keys("/")
    window.wait_for(lambda _: filter_line(window) != unfocused, 10, "the cursor in the filter line")
    window.type("anomaly")
    window.wait_for(r"FILTER +anomaly\s*\n", 10, "the filter")
    window.keys("Enter")
    window.wait_for(r"LEDGER (all|at least) [\d,]+ of [\d,]+ frames", 10, "only anomalies")
    window.keys("e")
    window.wait_for(r"Filter +anomaly", 10, "the export of the filter")
    window.keys("Enter")
    window.wait_for(r"Done\.", 60, "the export finished")
    close(window, r"Done\.")

    window.keys("q")
    window.wait_for("LEAVE", 5)
    window.keys("s")
    window.wait_for(lambda _: window.dead, 10, "the program over")

    mission = home / ".local/share/cubesat-tui/demo"
    [exported] = (mission / "exports").glob("*.csv")
    with exported.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    [manifest_file] = (mission / "exports").glob("*.json")
    manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
    assert manifest["rows"] == len(table) > 0

    stored = stored_anomalies(mission / "telemetry.db")
    newest = max(parse_iso(row["reception_time"]) for row in table)
    expected = {key for key, row in stored.items() if row[1] <= newest}
    assert {(int(row["boot"]), int(row["seq"])) for row in table} == expected
    for row in table:
        t_ns, received_ns, values, model, score = stored[int(row["boot"]), int(row["seq"])]
        assert parse_iso(row["generation_time"]) == t_ns
        assert parse_iso(row["reception_time"]) == received_ns
        assert (int(row["model"]), float(row["score"])) == (model, score)
        cells = {re.sub(r" .*", "", name): cell for name, cell in row.items()}
        for channel, value in values.items():
            if not np.isnan(value) and re.fullmatch(r"[-+.\deE]+", cells[channel]):
                assert float(cells[channel]) == value, channel
