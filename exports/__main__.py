"""The exporter: one request as a JSON line on stdin, progress as JSON lines on stdout, one file with its manifest.

Progress is `{"rows": n, "total_estimate": n | null, "rows_per_s": x}` some four times a second. The last line is
`{"done": {...}}` (the manifest and `path`) or `{"error": "one sentence"}`. Exit code 0, 1 when it failed or was
cancelled (TERM or INT), 2 for a wrong request. Whatever happens, a file of before stays until the new one is whole.
"""

from __future__ import annotations

import gc
import json
import signal
import sys
from types import FrameType
from typing import Any


class Cancelled(Exception):
    """Somebody asked this process to stop."""


def _cancel(number: int, frame: FrameType | None) -> None:
    # Once is enough: a second signal must not disturb the tidying up.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    raise Cancelled


def say(message: dict[str, Any]) -> None:
    """One line to whoever started this process; it is gone when nobody reads any more."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run one export; returns the exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _cancel)
    # Rows make no cycles, and the collector would walk all that are held again and again: 5 % of the time.
    gc.disable()
    try:
        return _export()
    except Cancelled:
        say({"error": "cancelled"})
        return 1
    except BrokenPipeError:
        # Nobody waits for this export any more; the stream must not be flushed again at exit.
        sys.stdout = None
        return 1


def _export() -> int:
    from exports.job import ExportRefused, read_request, run

    try:
        request = read_request(sys.stdin.readline())
        done = run(request, say)
    except ExportRefused as refusal:
        say({"error": str(refusal)})
        return 2 if refusal.wrong_use else 1
    say({"done": done})
    return 0


if __name__ == "__main__":
    sys.exit(main())
