"""The console with a stopwatch in its event loop: `python -m bench.lag_probe FILE [arguments of cubesat-tui]`.

Writes `<monotonic seconds> <lag in seconds>` to FILE fifty times a second: how much later than asked for the loop
came back.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

STEP_S = 0.02


async def probe(path: Path) -> None:
    """Measure until cancelled."""
    with path.open("w", buffering=1, encoding="ascii") as file:
        while True:
            begun = time.monotonic()
            await asyncio.sleep(STEP_S)
            now = time.monotonic()
            file.write(f"{now:.4f} {max(0.0, now - begun - STEP_S):.5f}\n")


def main() -> None:
    from textual.app import App

    path = Path(sys.argv.pop(1))
    sys.argv[0] = "cubesat-tui"
    run_async = App.run_async

    async def watched(self: App[Any], *arguments: Any, **options: Any) -> Any:
        task = asyncio.create_task(probe(path))
        try:
            return await run_async(self, *arguments, **options)
        finally:
            task.cancel()

    App.run_async = watched  # type: ignore[method-assign]
    from cubesat_tui.__main__ import main as cubesat_tui

    cubesat_tui()


if __name__ == "__main__":
    main()
