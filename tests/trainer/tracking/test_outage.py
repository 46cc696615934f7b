"""Two minutes without a tracking server, and one in which it accepts and says nothing, while a trainer works."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from telemetry.clock import SystemClock
from telemetry.frame import FrameBatch
from telemetry.store.directory import MissionDirectory
from telemetry.store.inbox import Inbox
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("CUBESAT_TUI_CAMPAIGN" not in os.environ, reason="takes ten minutes: make campaign"),
]
ROOT = Path(__file__).resolve().parents[3]
PERIOD_S = 10.0
ROWS = 150
"""Of a period: a fit every forty seconds."""
MISSION_TOML = """\
schema = 1
[[satellite]]
name = "TESTSAT"
bus = "test"
[source]
kind = "stream"
[detector]
kind = "isolation_forest"
[mlflow]
uri = "{uri}"
[bus.test]
context = ["obc.mode", "orb.eclipse"]
[bus.test.packets]
pld = ["pld.*"]
"""


class Heard:
    """A trainer child, and when it said what."""

    def __init__(self, directory: MissionDirectory) -> None:
        command = [
            sys.executable,
            "-P",
            "-m",
            "trainer",
            "--mission",
            str(directory.path),
            "--period",
            str(PERIOD_S),
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.messages: list[tuple[float, dict[str, Any]]] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.messages.append((time.monotonic(), json.loads(line)))

    def gaps(self, begin: float, end: float) -> list[float]:
        """Seconds from one cycle's end to the next."""
        ends = [at for at, told in self.messages if told.get("state") == "waiting" and begin <= at < end]
        return [later - earlier for earlier, later in pairwise(ends)]

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)

    def words(self) -> list[str]:
        return [told["mlflow"]["words"] for _, told in self.messages if "mlflow" in told]


def test_an_outage_costs_no_fit_no_order_and_no_cycle(
    tmp_path: Path, mission: Any, make_packets: Callable[..., list[FrameBatch]], server: Any
) -> None:
    directory = MissionDirectory(tmp_path / f"outage{os.urandom(4).hex()}")
    directory.create()
    text = MISSION_TOML.format(uri=server.uri)
    for channel in mission.bus_of("TESTSAT").channels:
        text += f'[[bus.test.channel]]\nname = "{channel.name}"\nlabel = "{channel.label}"\n'
        text += f'unit = "{channel.unit}"\n'
        if channel.enum:
            text += "enum = {" + ", ".join(f'{code} = "{label}"' for code, label in channel.enum) + "}\n"
    directory.toml.write_text(text)
    writer = StoreWriter(directory.telemetry, SystemClock())
    writer.append([ScoredBatch(batch) for batch in make_packets(0, 7200)], [], {})
    heard = Heard(directory)
    row = 7200

    def work(seconds: float) -> tuple[float, float]:
        nonlocal row
        begin = time.monotonic()
        while time.monotonic() < begin + seconds:
            writer.append([ScoredBatch(batch) for batch in make_packets(row, ROWS)], [], {})
            row += ROWS
            time.sleep(PERIOD_S)
        return begin, time.monotonic()

    try:
        deadline = time.monotonic() + 400
        while not any(told.get("state") == "logged" for _, told in heard.messages):
            assert time.monotonic() < deadline, heard.messages[-5:]
            time.sleep(0.5)
        phases = {"up": work(90)}
        server.kill()
        phases["down"] = work(120)
        server.start()
        group = os.getpgid(server._process.pid)
        os.killpg(group, signal.SIGSTOP)
        phases["silent"] = work(60)
        os.killpg(group, signal.SIGCONT)
        phases["up again"] = work(60)
        deadline = time.monotonic() + 400
        while heard.words()[-1] != "MLflow: up to date":
            assert time.monotonic() < deadline, heard.words()[-5:]
            time.sleep(0.5)
    finally:
        heard.end()
        writer.close()
    medians: dict[str, float] = {}
    for name, bounds in phases.items():
        gaps = heard.gaps(*bounds)
        medians[name] = statistics.median(gaps)
        print(f"{name}: {len(gaps)} cycles, median {medians[name]:.2f} s, longest {max(gaps):.2f} s")
    print(dict.fromkeys(heard.words()).keys(), os.getloadavg())
    told = [message["retrain_id"] for _, message in heard.messages if message.get("state") == "logged"]
    assert told == sorted(told, key=lambda one: int(one.split("-")[1])), "in the order of the fits"
    inbox = Inbox(directory.inbox)
    fitted = [one.body for one in inbox.pending(10_000) if one.kind == "run_recorded" and one.body.get("rows")]
    inbox.close()
    assert logged_of(server.uri, f"{directory.path.name}/TESTSAT") == [
        (run["retrain"], run["window_hash"]) for run in fitted
    ]
    assert len(fitted) >= 5
    # What is caught up with afterwards is logged beside the loop too, but shares its core.
    assert max(medians["down"], medians["silent"]) < 1.2 * max(PERIOD_S, medians["up"])


def logged_of(uri: str, experiment: str) -> list[tuple[int, str]]:
    """(retrain, window) as the server tells them, by start."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    runs = client.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"], max_results=10_000)
    return [(int(run.data.tags["cubesat.retrain"]), run.data.params["window_hash"]) for run in runs]
