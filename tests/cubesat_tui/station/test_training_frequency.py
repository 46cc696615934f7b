"""Three hours of training, forty minutes of them without a trainer: the hole is where it was, no fit is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from textual.containers import Vertical

from cubesat_tui.app import ConsoleApp
from telemetry.clock import NS_PER_S, iso
from tests.cubesat_tui import scored
from tests.cubesat_tui.governed import BIRD, Governed
from trainer.tracking.mirror import Mirror

CYCLE_S = 30
CYCLES = 3 * 3600 // CYCLE_S
STOPPED = range(CYCLES // 2 - 40, CYCLES // 2 + 40)
"""Cycles in which no trainer ran: 40 minutes."""
HELD = CYCLES - 60
"""From this cycle on somebody holds promotion: what is fitted then is kept, and is a fit all the same."""
CHART = 2

COUNT = """
import json, os, sys
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
runs = mlflow.search_runs(search_all_experiments=True, output_format="list", max_results=1000)
print(json.dumps([[int(r.data.tags["cubesat.retrain"]), r.data.tags["cubesat.decision"]] for r in runs]))
"""


async def test_the_hole_is_shown_and_every_fitted_challenger_is_in_mlflow(governed: Governed):
    await governed.fly(3000)
    mirror = Mirror(governed.rig.directory)
    last_ns = first_ns = 0
    for cycle in range(CYCLES):
        await governed.fly(CYCLE_S)
        if cycle == HELD:
            await governed.ask("hold", satellite=BIRD, minutes=60, reason="calibration")
        if cycle not in STOPPED:
            done = await governed.retrain()
            for entry in done.entries:
                mirror.spool(entry)
            at_ns = done.runs[0].at_ns
            last_ns = at_ns if cycle < STOPPED[0] else last_ns
            first_ns = at_ns if cycle == STOPPED[-1] + 1 else first_ns
    mirror.drain()
    runs = governed.rig.read(lambda reader: reader.runs(limit=1000))
    fitted = sorted((run.retrain, run.decision) for run in runs if run.fit_s is not None)
    assert len(runs) == CYCLES - len(STOPPED), "every cycle leaves a record"
    assert {"promoted", "kept"} <= {decision for _, decision in fitted}
    assert sorted(in_mlflow(mirror.uri)) == fitted
    await governed.rig.stop()

    app = ConsoleApp(governed.rig.directory, clock=governed.rig.clock, operator="ann")
    async with app.run_test(size=(140, 42)) as pilot:
        screen = await scored.go(pilot, "models", lambda one: one.table.lines)
        curve = screen.query_one(f"#chart-{CHART}").curve
        assert sum(curve.y) == len(fitted)
        box = screen.query_one(f"#chart-box-{CHART}", Vertical)
        assert f"{len(fitted)} in all" in str(box.border_title)
        assert str(box.border_subtitle) == f"no trainer {iso(last_ns)[11:16]} to {iso(first_ns)[11:16]}"
        last_s, first_s = last_ns / NS_PER_S, first_ns / NS_PER_S
        assert 40 * 60 <= first_s - last_s < 45 * 60
        step = curve.x[1] - curve.x[0]
        empty = [y for x, y in zip(curve.x, curve.y, strict=True) if last_s < x and x + step <= first_s]
        assert len(empty) >= 7
        assert sum(empty) == 0


def in_mlflow(uri: str) -> list[tuple[int, str]]:
    """(retrain, decision) of every run there, as another process sees them."""
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    done = subprocess.run(
        [sys.executable, "-c", COUNT, uri], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found: list[list[Any]] = json.loads(done.stdout)
    return [(number, decision) for number, decision in found]
