"""What the console's process holds in memory: none of the packages whose work is done in children."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAVY = {
    "sklearn", "scipy", "mlflow", "pandas", "firebase_admin", "pyarrow", "joblib",
    "textual_plotext", "plotext", "httpx",
}  # fmt: skip
PLOTS = {"textual_plotext", "plotext"}
TELLING = """
import json, os, signal, sys

def tell(number, frame):
    path = os.environ["MODULES_FILE"]
    with open(path + ".part", "w") as file:
        json.dump(sorted({name.partition(".")[0] for name in sys.modules}), file)
    os.replace(path + ".part", path)

signal.signal(signal.SIGUSR1, tell)
sys.argv[0] = "cubesat-tui"
from cubesat_tui.__main__ import main
main()
"""
MASQUERADE = "from pathlib import Path\nPath(__file__).with_name('was-run').touch()\nraise SystemExit('not ours')\n"
SETTLED_S = 90


def modules_of(pid: int, told: Path) -> set[str]:
    """Top-level names in `sys.modules` of the running console."""
    told.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    deadline = time.monotonic() + 10
    while not told.exists():
        assert time.monotonic() < deadline, "the console did not answer"
        time.sleep(0.05)
    return set(json.loads(told.read_text(encoding="utf-8")))


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_a_console_that_lived_for_a_while_has_loaded_nothing_heavy(window, tmp_path: Path) -> None:
    """90 s in which a model was trained and every screen but Models was visited; then Models.

    The working directory holds packages named like ours, which must never be run in place of ours.
    """
    told = tmp_path / "modules.json"
    cwd = tmp_path / "cwd"
    for name in ("trainer", "exports", "telemetry", "sim"):
        (cwd / name).mkdir(parents=True)
        for file in ("__init__.py", "__main__.py"):
            (cwd / name / file).write_text(MASQUERADE, encoding="utf-8")
    command = [sys.executable, "-P", "-c", TELLING]
    console = window(command, columns=120, rows=40, env={"MODULES_FILE": str(told)}, cwd=cwd)
    console.wait_for("KESTREL-1", 60)
    console.keys("Escape")
    console.wait_for(r"MODEL v\d", 90, "a model was trained and is served")
    for key, word in (("2", "CLUST"), ("4", "LEDGER"), ("5", "EVENTS"), ("1", "LIVE")):
        console.keys(key)
        console.wait_for(word, 20)
    while time.monotonic() - console.started < SETTLED_S:
        time.sleep(0.5)
    assert modules_of(console.pid, told) & HEAVY == set()
    console.keys("3")
    console.wait_for("MODELS", 20)
    deadline = time.monotonic() + 20
    while not modules_of(console.pid, told) & HEAVY:
        assert time.monotonic() < deadline, "Models is open and draws no chart"
    assert modules_of(console.pid, told) & HEAVY == PLOTS
    assert list(cwd.rglob("was-run")) == []


@pytest.mark.parametrize(
    "module",
    [
        "cubesat_tui.cli",
        "cubesat_tui.app",
        "cubesat_tui.station",
        "exports.request",
        # What is known of a link before one is used.
        "telemetry.links.link",
        "telemetry.links.endpoint",
        "telemetry.links.id_token",
        "telemetry.links.link_health",
        "telemetry.links.redaction",
        "cubesat_tui.link_opening",
        "cubesat_tui.station_links",
        "cubesat_tui.replica",
    ],
)
def test_importing_a_part_of_the_console_loads_nothing_heavy(module: str) -> None:
    script = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & HEAVY == set()


def test_the_command_line_answers_without_textual() -> None:
    script = "import sys, cubesat_tui.cli; print('textual' in sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
