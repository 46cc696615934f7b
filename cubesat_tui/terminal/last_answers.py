"""Answers of the terminal that are still under way when the program leaves: taken in, so that no shell reads them.

Over a long line an answer may come seconds after its question. A terminal answers in order: what comes before the
answer to one last question is all there was.
"""

from __future__ import annotations

import os
import re
import select
import time

LAST_QUESTION = "\x1b[6n"
"""Where is the cursor? There is hardly a terminal that does not know."""
ANSWER = re.compile(rb"\x1b\[\d+;\d+R")
PATIENCE_S = 15.0
"""For a terminal that has answered before."""
UNKNOWN_S = 5.0
"""After the first question, one that has not answered by then is taken for one that never does."""
SHORTEST_S = 0.5


def patience(*, answers: bool, asked_for_s: float) -> float:
    """Seconds to wait for the last answer of a terminal that was first asked something `asked_for_s` ago."""
    return PATIENCE_S if answers else max(SHORTEST_S, UNKNOWN_S - asked_for_s)


def swallow(descriptor: int, seconds: float, answers: int = 1) -> bool:
    """Read and forget everything up to the answer to `LAST_QUESTION`; False where it did not come in `seconds`.

    `answers`: how many to that question are still to come, with the last. The terminal must be in a mode without
    echo and without lines.
    """
    until = time.monotonic() + seconds
    heard = b""
    while len(ANSWER.findall(heard)) < answers:
        left = until - time.monotonic()
        try:
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                return False
            data = os.read(descriptor, 1024)
        except (OSError, ValueError):
            return False
        if not data:
            return False
        heard += data
    return True
