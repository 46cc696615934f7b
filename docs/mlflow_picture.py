"""MLflow's own user interface on a mission, as a browser without a screen sees it: docs/screenshots/mlflow*.png.

    python docs/mlflow_picture.py MISSION

Needs Chromium (Debian: chromium or chromium-headless-shell).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent / "screenshots"
PROGRAM = str(Path(sys.executable).parent / "cubesat-tui")
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHAMPION = "api/2.0/mlflow/registered-models/alias?name=KESTREL-1&alias=champion"
PATIENCE_S = 180


def picture(browser: str, address: str, target: Path) -> None:
    """What the browser shows some seconds after the page was asked for."""
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1500,760"]
        options += [f"--user-data-dir={profile}", "--virtual-time-budget=30000", f"--screenshot={target}"]
        subprocess.run([browser, *options, address], check=True, stderr=subprocess.DEVNULL, timeout=PATIENCE_S)


def main() -> None:
    """Start the user interface, photograph it, end it."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("no Chromium here; Debian: apt install chromium-headless-shell")
    ui = subprocess.Popen([PROGRAM, "mlflow-ui", "--mission", sys.argv[1]], stdout=subprocess.PIPE, text=True)
    try:
        assert ui.stdout is not None
        found = re.search(r"http://\S+/", ui.stdout.readline())
        assert found is not None
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                urllib.request.urlopen(f"{found[0]}health", timeout=10).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
        # The mission's first satellite is MLflow's first experiment.
        picture(browser, f"{found[0]}#/experiments/1/runs", HERE / "mlflow.png")
        with urllib.request.urlopen(f"{found[0]}{CHAMPION}", timeout=60) as answer:
            run = json.load(answer)["model_version"]["run_id"]
        picture(browser, f"{found[0]}#/experiments/1/runs/{run}", HERE / "mlflow-run.png")
    finally:
        ui.terminate()
        ui.wait(30)


if __name__ == "__main__":
    main()
