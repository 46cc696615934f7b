"""Where `cubesat-tui` and `python -m cubesat_tui` begin."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def keep_foreign_packages_out() -> None:
    """Take the current directory off the import path unless our own packages live there.

    `python -m cubesat_tui` puts the current directory first, and a stranger's `./trainer/` would then be run in
    place of ours.
    """
    ours = Path(__file__).resolve().parent.parent
    if sys.flags.safe_path or not sys.path:
        return
    first = Path(sys.path[0] or ".").resolve()
    if first == Path.cwd() and first != ours:
        del sys.path[0]


def main() -> None:
    """Run the command line and leave with its exit code (0 done, 1 failed, 2 wrong use, 3 not reachable)."""
    if os.name == "nt":
        sys.stderr.write("cubesat-tui: native Windows is not supported; run it inside WSL\n")
        sys.exit(2)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        # Before numpy is imported. Nothing here is worth a second thread, and starting one costs 0.08 s of CPU.
        os.environ.setdefault(name, "1")
    from cubesat_tui import collector

    collector.hold()
    from cubesat_tui.cli import root

    root(prog_name="cubesat-tui")


if __name__ == "__main__":
    keep_foreign_packages_out()
    main()
