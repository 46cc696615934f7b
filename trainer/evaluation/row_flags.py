"""`python -P -m trainer flags FILE.npz`: what the original, which flags rows, makes of a simulated satellite.

Each channel has a forest of its own as `trainer.evaluation.peers` reduces it, on raw values. It is fitted anew on
the newest 500 rows once an hour (the original: every 30 s, which would take hours of CPU) and flags the rows that
come then; a row that is flagged after a minute without is an alarm. FILE.npz has `t/<channel>` (s) and
`value/<channel>`; the answer on stdout is one object: seconds of the alarms of each channel, and what fits and
flags cost.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Final

import numpy as np

from telemetry.frame import Float64s, Int64s

NEWEST: Final = 500
FITTED_EVERY_S: Final = 3_600
CALM_S: Final = 60


def main(arguments: list[str]) -> int:
    """Judge one file; returns the exit code."""
    data = np.load(arguments[0])
    names = [key.removeprefix("t/") for key in data.files if key.startswith("t/")]
    alarms: dict[str, list[int]] = {}
    fit_s = flag_s = 0.0
    rows = scored = 0
    for name in names:
        t_s, values = data[f"t/{name}"], data[f"value/{name}"]
        flags, learned_s, spent = flagged(t_s, values)
        fit_s, flag_s = fit_s + spent[0], flag_s + spent[1]
        alarms[name] = edges(t_s[flags])
        rows, scored = rows + len(t_s), scored + int((t_s >= learned_s).sum())
    out = {"alarms": alarms, "fit_cpu_s": fit_s, "flag_cpu_s": flag_s, "rows": rows, "scored": scored}
    sys.stdout.write(json.dumps(out) + "\n")
    return 0


def flagged(t_s: Int64s, values: Float64s) -> tuple[np.ndarray, float, tuple[float, float]]:
    """Flags of the rows of a channel (n,), the second of the first fit, and CPU seconds of fits and of flags."""
    from trainer.evaluation.peers import fit_scorer

    none = np.empty((0, 0))
    flags = np.zeros(len(t_s), dtype=np.bool_)
    fit_s = flag_s = 0.0
    begin = NEWEST
    learned_s = float(t_s[NEWEST]) if len(t_s) > NEWEST else float("inf")
    while begin < len(t_s):
        end = max(begin + 1, int(np.searchsorted(t_s, t_s[begin] + FITTED_EVERY_S)))
        begun = time.process_time()
        scorer = fit_scorer("original", values[begin - NEWEST : begin], none)
        fitted = time.process_time()
        # Rows before the first that is judged fill its windows.
        scores = scorer.score(values[begin - NEWEST : end], none)
        flags[begin:end] = scorer.alarms(scores, np.empty(0), None)[NEWEST:]
        fit_s, flag_s = fit_s + fitted - begun, flag_s + time.process_time() - fitted
        begin = end
    return flags, learned_s, (fit_s, flag_s)


def edges(t_s: Int64s) -> list[int]:
    """Seconds in which a flag comes after `CALM_S` without one."""
    if not len(t_s):
        return []
    return t_s[np.diff(t_s, prepend=t_s[0] - CALM_S - 1) > CALM_S].tolist()
