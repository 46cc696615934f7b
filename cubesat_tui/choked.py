"""A station that lives but cannot say so: on a disk without a free page not even a heartbeat can be written."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from telemetry.store.directory import MissionLock

if TYPE_CHECKING:
    from telemetry.store.directory import MissionDirectory

PAGES_FREE = 64 << 10
"""Below this (bytes) a heartbeat may not fit into the write-ahead log."""


def choked(directory: MissionDirectory) -> bool:
    """Whether a station holds the mission while the disk has no room for its heartbeat."""
    try:
        free = shutil.disk_usage(directory.path).free
    except OSError:
        return False
    return free < PAGES_FREE and MissionLock(directory.station_lock).holder()
