"""The server as a process: stopped, killed and started again it has its data."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

MAIN = Path(__file__).with_name("rtdb_main.py")


def start(data: Path, port: int = 0) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, str(MAIN), "--port", str(port), "--data", str(data)], stdout=subprocess.PIPE, text=True
    )
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
    process.wait(10)
    with (tmp_path / "data").open("ab") as file:
        file.write(b'{"ns":"cubesat-test","at":["torn')
    process, again = start(tmp_path / "data", port)
    try:
        assert again == port
        assert httpx.get(f"{url}/.json?format=export").json() == before
        assert httpx.get(f"{url}/other.json?ns=second").json() == 1
    finally:
        process.terminate()
        process.wait(10)
