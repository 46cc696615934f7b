"""A file that appears whole or not at all.

Bytes go to `.NAME.part` in the same folder, which is flushed to the disk and then renamed over NAME. Whatever goes
wrong before the rename (disk full, cancelled, an error) leaves the old NAME as it was and no part file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class ExportBusy(Exception):
    """Another process is writing the same file now."""


class AtomicFile:
    """A context that gives a write-only binary stream; leaving it without an error puts the file in place.

    The part file is held with `flock`, so that what a killed export left behind is recognised and used again, and
    two exports to one name cannot mix their bytes.

    Raises:
        ExportBusy: on entry, when the part file of this name is held by a running process.
        OSError: on entry, on a write or on leaving (ENOSPC, EACCES, EFBIG and the like).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(f".{path.name}.part")
        self.bytes_written = 0
        self._hash = hashlib.sha256()
        self._fd = -1

    @property
    def sha256(self) -> str:
        """Of every byte written so far, in hex."""
        return self._hash.hexdigest()

    @property
    def closed(self) -> bool:
        return self._fd < 0

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write all of `data`."""
        view = memoryview(data).cast("B")
        self._hash.update(view)
        left = view
        while left:
            left = left[os.write(self._fd, left) :]
        self.bytes_written += len(view)
        return len(view)

    def flush(self) -> None:
        """Nothing is buffered here; part of what stream users expect."""

    def sync(self) -> None:
        """Bring every byte written so far to the disk, so that what can fail fails now."""
        os.fsync(self._fd)

    def __enter__(self) -> Self:
        self._fd = _open_locked(self.part)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        in_place = False
        try:
            if kind is None:
                self.sync()
                self.part.replace(self.path)
                in_place = True
                _sync_folder(self.path.parent)
        finally:
            # Once renamed, a part file of this name is somebody else's; before that the lock makes it ours.
            if not in_place:
                self.part.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1


def _open_locked(part: Path) -> int:
    """A descriptor of an empty part file that this process alone holds."""
    while True:
        fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between open and lock its last holder may have renamed it into place: it is no part file then.
            if _same_file(fd, part):
                os.ftruncate(fd, 0)
                return fd
        except BlockingIOError:
            os.close(fd)
            raise ExportBusy(f"{part.parent / part.name[1:-5]}: another export is writing this file") from None
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _same_file(fd: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(fd), there)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
