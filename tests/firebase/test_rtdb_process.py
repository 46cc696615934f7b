"""The server as a process: stopped, killed and started again it has its data."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

MAIN = Path(__file__).with_name("rtdb_main.py")


def start(data: Path, port: int = 0, *options: str) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, str(MAIN), "--port", str(port), "--data", str(data), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())["port"]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_ended_has_its_data_when_it_is_started_again(tmp_path: Path, end: signal.Signals) -> None:
    process, port = start(tmp_path / "data")
    url = f"http://127.0.0.1:{port}"
    httpx.put(f"{url}/a.json", json={"x": [1, 2], "y": {".priority": 3, ".value": "é"}, "7": True})
    httpx.patch(f"{url}/.json", json={"a/x": None, "b/c": {".sv": {"increment": 2.5}}})
    httpx.put(f"{url}/other.json?ns=second", json=1)
    before = httpx.get(f"{url}/.json?format=export").json()
    assert before == {"a": {"y": {".priority": 3, ".value": "é"}, "7": True}, "b": {"c": 2.5}}

    process.send_signal(end)
    process.wait(30)
    with (tmp_path / "data").open("ab") as file:
        file.write(b'{"ns":"cubesat-test","at":["torn')
    for _ in range(2):
        # The first start rewrites the file, the second reads what was rewritten.
        process, again = start(tmp_path / "data", port)
        try:
            assert again == port
            assert httpx.get(f"{url}/.json?format=export").json() == before
            assert httpx.get(f"{url}/other.json?ns=second").json() == 1
        finally:
            process.terminate()
            process.wait(30)


def test_the_conformance_tests_run_against_the_emulator_that_is_named(tmp_path: Path) -> None:
    process, port = start(tmp_path / "data", 0, "--as-emulator")
    try:
        some = "own_id or page_by_key or a_stream_tells"
        # No plugin is needed, and loading them all takes longer than the tests.
        told = {"FIREBASE_DATABASE_EMULATOR_HOST": f"127.0.0.1:{port}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        suite = [str(path) for path in MAIN.parent.glob("test_rtdb_conformance*.py")]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", some, *suite],
            cwd=MAIN.parents[2],
            env={**os.environ, **told},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
    finally:
        process.terminate()
        process.wait(30)
    places = {(entry["ns"][:5], *entry["at"]) for line in (tmp_path / "data").open() if (entry := json.loads(line))}
    assert ("test-", "rows") in places, "the rows of the pages were written there"
    assert ("test-", "users", "ann") in places, "and by the user of an unsigned token"
