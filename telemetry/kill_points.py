"""Named points at which a test may end this process the hard way.

Crash safety is only worth claiming at the moments where a crash would hurt: with a batch half written, a scorer
half swapped, a checkpoint half done. `CUBESAT_TUI_KILL_AT=ingest:3` makes the third arrival at `ingest` a
SIGKILL of the process by itself, which is the same as a kill -9 from outside but at a known place.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

VARIABLE = "CUBESAT_TUI_KILL_AT"
_arrivals: Counter[str] = Counter()


def reach(name: str) -> None:
    """Count an arrival at the point `name`; never returns when the environment asks for the kill here."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    _arrivals[name] += 1
    if wanted == f"{name}:{_arrivals[name]}":
        os.kill(os.getpid(), signal.SIGKILL)
