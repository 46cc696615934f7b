"""A station outlives its console: a detached `cubesat-tui run` continues from the stored cursors.

Used when the terminal goes away (SIGHUP) and when an operator quits with "keep running". The new process is started
first and waits for the station lock, so the mission is without a station only while one closes and the other opens.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from cubesat_tui.children import child_argv, child_environment, open_log

if TYPE_CHECKING:
    from telemetry.clock import Clock
    from telemetry.store.directory import MissionDirectory

WAIT_FOR_LOCK_S = 30.0
LOST_TERMINAL = "console lost its terminal"
KEPT_RUNNING = "operator quit, the station keeps running"
CONSOLE_FAILED = "console failed, the station keeps running"
_KINDS = {
    LOST_TERMINAL: "console.lost_terminal",
    KEPT_RUNNING: "console.kept_running",
    CONSOLE_FAILED: "console.failed",
}


def hand_over(
    directory: MissionDirectory, *, operator: str, reason: str, clock: Clock, trainer: bool = True
) -> int:
    """Start a detached station on `directory` and leave a note for the journal; the caller then stops its own.

    Returns:
        Process id of the new station, which holds nothing until the caller lets go of the lock.

    Raises:
        OSError: no process could be started; nothing was handed over.
    """
    note_handover(directory, operator=operator, reason=reason, clock=clock)
    arguments = ["run", "--mission", str(directory.path), "--operator", operator, "--wait", str(WAIT_FOR_LOCK_S)]
    if not trainer:
        arguments.append("--no-trainer")
    descriptor = open_log(directory.log / "station.log")
    try:
        process = subprocess.Popen(
            child_argv("cubesat_tui", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            cwd="/",
            env=child_environment() | {"CUBESAT_OPERATOR": operator},
        )
    finally:
        os.close(descriptor)
    # Nobody waits for it here: it lives on, and init inherits it.
    process.returncode = 0
    return process.pid


def note_handover(directory: MissionDirectory, *, operator: str, reason: str, clock: Clock) -> None:
    """Ask whichever station comes next to journal why the console let go."""
    from telemetry.limits import Level
    from telemetry.store.inbox import Inbox

    kind = _KINDS[reason]
    inbox = Inbox(directory.inbox)
    try:
        inbox.submit(
            "event",
            {"kind": kind, "severity": int(Level.IN_LIMITS), "subject": "console", "body": {"text": reason}},
            operator,
            clock.now_ns(),
        )
    finally:
        inbox.close()
