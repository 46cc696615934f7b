"""`python -P -m trainer evaluate`: one JSON object on stdout, NaN where a figure has no value.

Exit codes: 0 done, 2 wrong use, with one line on stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from telemetry.plain_text import plain_text
from trainer.evaluation.datasets import DatasetError, read_birds, read_opssat, read_telemanom


def main(arguments: list[str]) -> int:
    """Evaluate as `cubesat-tui evaluate` asks; returns the exit code."""
    parser = argparse.ArgumentParser(prog="trainer evaluate")
    parser.add_argument("--dataset", choices=("opssat", "telemanom", "birds"), required=True)
    parser.add_argument("--detector", choices=("fusion", "isolation_forest", "original"), required=True)
    parser.add_argument("--cv", action="store_true")
    parser.add_argument("--fit", type=Path, action="append", default=[])
    parser.add_argument("--test", type=Path, action="append", default=[])
    parser.add_argument("--faulty", action="append", default=[])
    parser.add_argument("file", type=Path, nargs="?")
    options = parser.parse_args(arguments)
    # Whatever a library prints goes to stderr: stdout is one object.
    sys.stdout.flush()
    voice = os.dup(1)
    os.dup2(2, 1)
    try:
        figures = _figures(options)
    except DatasetError as error:
        sys.stderr.write(plain_text(str(error), 400) + "\n")
        return 2
    answer = {"dataset": options.dataset, "detector": options.detector} | figures
    with os.fdopen(voice, "w", encoding="utf-8") as out:
        out.write(json.dumps(answer) + "\n")
    return 0


def _figures(options: argparse.Namespace) -> dict[str, Any]:
    # Fitting libraries take a second to import: only once the files have been read.
    detector: str = options.detector
    if options.dataset == "birds":
        fit, test = [read_birds(one) for one in options.fit], [read_birds(one) for one in options.test]
        from trainer.evaluation import protocols

        return protocols.birds(fit, test, options.faulty, detector)
    if options.dataset == "opssat":
        segments = read_opssat(options.file)
        from trainer.evaluation import protocols

        return protocols.opssat(segments, detector, options.cv)
    series = read_telemanom(options.file)
    from trainer.evaluation import protocols

    return protocols.telemanom(series, detector)
