"""`cubesat-tui mlflow-ui`: MLflow's own server on a mission shows what a person expects, beside the trainer."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.figure import tree
from telemetry.dictionary import MlflowConfig
from telemetry.store.directory import MissionDirectory
from trainer.serving import Serving
from trainer.tracking.mirror import Mirror, World
from trainer.tracking.server import shown_at
from trainer.tracking.spool import AuditEntry

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PROGRAM = [sys.executable, "-m", "cubesat_tui"]
BIRD = "TESTBIRD"
TOML = """
schema = 1
[[satellite]]
name = "TESTBIRD"
bus = "b"
[[bus.b.channel]]
name = "a.x"
label = "Wheel X"
[bus.b]
[source]
kind = "stream"
"""


def entry(directory: MissionDirectory, retrain: int, decision: str, version: int | None = None) -> AuditEntry:
    """A fit; one with a version has files."""
    now = time.time_ns()
    model = directory.models / f"v{version}"
    digest = hashlib.sha256(b"%d" % retrain).hexdigest()
    if version is not None:
        model.mkdir()
        (model / "scorer.npz").write_bytes(b"%d" % retrain)
        told = {"format": 3, "kind": "fusion", "satellite": BIRD, "version": version, "sha256": digest}
        (model / "manifest.json").write_text(json.dumps({**told, "packets": [{"channels": ["a.x"]}]}))
    return AuditEntry(
        retrain_id=f"{now}-{retrain}-abc",
        satellite=BIRD,
        name=f"retrain {retrain}",
        started_ns=now,
        ended_ns=now + 10**9,
        params={"kind": "fusion", "window_hash": "f00d"},
        metrics={"rows": 1000.0 + retrain, "drift": 0.25},
        tags={"cubesat.decision": decision, "cubesat.retrain": str(retrain), "cubesat.reason": "bank recall"},
        step=retrain,
        version=version,
        sha256=digest if version is not None else "",
        place=None if version is None else str(model),
    )


@dataclass
class Ui:
    """A running `mlflow-ui`."""

    process: subprocess.Popen[str]
    said: str
    port: int
    taken: int
    directory: MissionDirectory
    mirror: Mirror

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return answer.read()

    def api(self, path: str, **body: Any) -> dict[str, Any]:
        """MLflow's REST API; a body is posted."""
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/2.0/mlflow/{path}", data)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def runs(self) -> dict[str, dict[str, Any]]:
        """Name -> run, of the mission's experiment."""
        found = self.api("experiments/get-by-name?experiment_name=" + f"{self.directory.path.name}/{BIRD}")
        asked = self.api("runs/search", experiment_ids=[found["experiment"]["experiment_id"]], max_results=1000)
        return {run["info"]["run_name"]: run for run in asked["runs"]}


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """On a mission with two promoted models and a rejected one; the port that was asked for is somebody else's."""
    directory = MissionDirectory(tmp_path_factory.mktemp("ui") / "mission")
    directory.create()
    directory.toml.write_text(TOML, encoding="utf-8")
    mirror = Mirror(directory)
    mirror.spool(entry(directory, 1, "promoted", 1))
    mirror.spool(entry(directory, 2, "rejected"))
    mirror.spool(entry(directory, 3, "promoted", 2))
    mirror.serve(World({BIRD: Serving(versions=(1, 2))}))
    mirror.turn()
    assert mirror.waiting() == [], mirror.status()
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        taken = other.getsockname()[1]
        command = [*PROGRAM, "mlflow-ui", "--mission", str(directory.path), "--port", str(taken)]
        with (directory.log / "ui.log").open("w") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        said = process.stdout.readline()
        named = re.search(r"http://127\.0\.0\.1:(\d+)/", said)
        assert named is not None, said
        one = Ui(process, said, int(named[1]), taken, directory, mirror)
        deadline = time.monotonic() + 200
        while True:
            try:
                one.get("/health")
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, (directory.log / "ui.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.5)
        yield one
    if process.poll() is None:
        process.terminate()
        process.wait(30)
    process.stdout.close()


def test_it_takes_the_next_free_port_and_says_so(ui: Ui) -> None:
    assert ui.port > ui.taken
    assert f"(port {ui.taken} is taken)" in ui.said


def test_others_are_told_where_it_answers(ui: Ui) -> None:
    assert shown_at(ui.directory, MlflowConfig()) == f"http://127.0.0.1:{ui.port}/"


def test_only_this_machine_reaches_it(ui: Ui) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", ui.port), timeout=10)


def test_runs_are_there_with_figures_and_tags(ui: Ui) -> None:
    runs = ui.runs()
    assert {"retrain 1", "retrain 2", "retrain 3"} <= set(runs)
    rejected = runs["retrain 2"]
    assert rejected["info"]["status"] == "FINISHED"
    assert {one["key"]: one["value"] for one in rejected["data"]["metrics"]} == {"rows": 1002.0, "drift": 0.25}
    assert {"key": "kind", "value": "fusion"} in rejected["data"]["params"]
    assert {"key": "cubesat.decision", "value": "rejected"} in rejected["data"]["tags"]


def test_files_of_a_promoted_model_can_be_listed_and_read(ui: Ui) -> None:
    run = ui.runs()["retrain 3"]["info"]["run_id"]
    listed = ui.api(f"artifacts/list?run_id={run}&path=model")
    assert {"model/scorer.npz", "model/manifest.json"} <= {one["path"] for one in listed["files"]}
    manifest = json.loads(ui.get(f"/get-artifact?path=model%2Fmanifest.json&run_uuid={run}"))
    assert manifest["version"] == 2
    assert ui.get(f"/get-artifact?path=model%2Fscorer.npz&run_uuid={run}") == b"3"


def test_versions_and_aliases_tell_what_serves(ui: Ui) -> None:
    (model,) = ui.api("registered-models/search?max_results=10")["registered_models"]
    runs = ui.runs()
    found = {
        alias: ui.api(f"registered-models/alias?name={model['name']}&alias={alias}")["model_version"]["run_id"]
        for alias in ("champion", "previous")
    }
    assert found == {
        "champion": runs["retrain 3"]["info"]["run_id"],
        "previous": runs["retrain 1"]["info"]["run_id"],
    }


def test_its_pages_are_served(ui: Ui) -> None:
    page = ui.get("/").decode()
    assert "<title>MLflow</title>" in page
    script = re.search(r'src="(static-files/static/js/[^"]+)"', page)
    assert script is not None
    assert len(ui.get(f"/{script[1]}")) > 10_000


def test_nothing_that_the_trainer_writes_meanwhile_is_lost(ui: Ui) -> None:
    enough = threading.Event()
    asked = 0

    def look() -> None:
        nonlocal asked
        while not enough.is_set():
            ui.runs()
            asked += 1

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for retrain in range(100, 120):
            ui.mirror.spool(entry(ui.directory, retrain, "rejected"))
            assert len(ui.mirror.drain()) == 1
    finally:
        enough.set()
        reader.join()
    assert asked > 0
    assert {f"retrain {n}" for n in range(100, 120)} <= set(ui.runs())


def test_term_ends_all_of_it(ui: Ui) -> None:
    """The last: with it goes what the others ask."""
    processes = tree(ui.process.pid)
    assert len(processes) <= 3
    ui.process.send_signal(signal.SIGTERM)
    ui.process.wait(30)
    deadline = time.monotonic() + 30
    while any(_alive(pid) for pid in processes):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert shown_at(ui.directory, MlflowConfig()) is None
    beside = {path.name for path in ui.directory.path.iterdir()}
    assert not {"mlruns", "mlartifacts", "mlflow.db-journal"} & beside
    assert not {"mlruns", "mlartifacts"} & {path.name for path in Path.cwd().iterdir()}


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--host", "203.0.113.7"], 2, "an address of this machine"),
        (["--host", "no such host"], 2, "a name or address of this machine"),
        (["--port", "0"], 2, "0"),
    ],
)
def test_wrong_use_is_refused_in_a_sentence(ui: Ui, arguments: list[str], code: int, sentence: str) -> None:
    command = [*PROGRAM, "mlflow-ui", "--mission", str(ui.directory.path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == code
    assert sentence in done.stderr


def test_a_mission_without_a_model_has_nothing_to_show(tmp_path: Path) -> None:
    (tmp_path / "mission.toml").write_text(TOML, encoding="utf-8")
    done = subprocess.run([*PROGRAM, "mlflow-ui", "--mission", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 3
    assert "nothing to show" in done.stderr
    assert not (tmp_path / "mlflow.db").exists()


def test_a_tracking_server_shows_a_mission_itself(tmp_path: Path) -> None:
    uri = "https://mlflow.example.org/"
    (tmp_path / "mission.toml").write_text(f'{TOML}[mlflow]\nuri = "{uri}"\n', encoding="utf-8")
    done = subprocess.run([*PROGRAM, "mlflow-ui", "--mission", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0
    assert uri in done.stdout
