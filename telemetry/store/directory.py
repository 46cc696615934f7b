"""The directory that is a mission, and the kernel's word on who runs it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from telemetry.store.errors import StoreError, StoreRefused

NETWORK_FILE_SYSTEMS = frozenset(
    {
        "nfs", "nfs3", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afpfs", "afs", "ncpfs", "webdav", "davfs", "9p",
        "ceph", "glusterfs", "lustre", "gfs2", "ocfs2", "fuse.sshfs", "fuse.glusterfs", "fuse.davfs2",
        "fuse.rclone", "fuse.s3fs", "beegfs", "orangefs", "pvfs2", "vboxsf", "virtiofs", "drvfs",
    }
)  # fmt: skip
"""File systems on which SQLite's locks or its shared memory are not to be trusted."""


class MissionDirectory:
    """Names of everything that belongs to one mission. Making one touches no file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.toml = path / "mission.toml"
        self.telemetry = path / "telemetry.db"
        self.inbox = path / "inbox.db"
        self.mlflow = path / "mlflow.db"
        self.artifacts = path / "artifacts"
        self.models = path / "models"
        self.exports = path / "exports"
        self.log = path / "log"
        self.station_lock = path / "station.lock"
        self.trainer_lock = path / "trainer.lock"

    def create(self) -> None:
        """Make the directory and its folders, readable by their owner only.

        Raises:
            StoreRefused: the path is on a network file system, is a file, or may not be made.
        """
        kind = file_system(self.path)
        if kind in NETWORK_FILE_SYSTEMS:
            raise StoreRefused(
                f"{self.path}: a mission cannot live on a network file system ({kind}),"
                " its database would be at risk"
            )
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.artifacts, self.models, self.exports, self.log):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreRefused(f"{self.path}: the mission directory cannot be made: {error.strerror}") from error

    def __repr__(self) -> str:
        return f"MissionDirectory({str(self.path)!r})"


class MissionHeld(Exception):
    """Another process runs a station in this directory."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"a station already runs in {path}")


class MissionLock:
    """An exclusive lock that ends with the process that holds it, however that process ends.

    The file's existence means nothing and it is never deleted; only the kernel's `flock` counts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    @property
    def held(self) -> bool:
        """True while this object holds the lock."""
        return self._file is not None

    def acquire(self, patience_s: float = 0.3) -> bool:
        """Take the lock; False when somebody else holds it for longer than `patience_s`.

        The patience outlasts another process that only looks (`holder`) and one that is just ending.
        """
        if self._file is not None:
            return True
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(file)
                    return False
                time.sleep(0.02)
            else:
                self._file = file
                return True

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def holder(self) -> bool:
        """True when somebody, this object included, holds the lock now."""
        if self._file is not None:
            return True
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def __enter__(self) -> MissionLock:
        if not self.acquire():
            raise StoreError(f"{self.path}: another process holds this mission")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def file_system(path: Path) -> str | None:
    """Type of the file system that holds `path` or its nearest existing parent; None where nobody can say."""
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return _type_of(place.resolve(), _mounts())


def _type_of(place: Path, mounts: Iterable[tuple[Path, str]]) -> str | None:
    best: tuple[int, str] | None = None
    for mount, kind in mounts:
        # Of two mounts on one place the later covers the earlier, hence >=.
        if (place == mount or mount in place.parents) and (best is None or len(mount.parts) >= best[0]):
            best = (len(mount.parts), kind)
    return None if best is None else best[1]


def _mounts() -> list[tuple[Path, str]]:
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return _mounts_of_macos()
    fields = [line.split(" ") for line in lines]
    return [(Path(_unescape(f[1])), f[2]) for f in fields if len(f) > 2]


def _unescape(text: str) -> str:
    for code, sign in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, sign)
    return text


def _mounts_of_macos() -> list[tuple[Path, str]]:
    try:
        listed = subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=True, timeout=5).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    mounts: list[tuple[Path, str]] = []
    for line in listed.splitlines():
        # "//user@host/share on /Volumes/share (smbfs, nodev, nosuid)"
        place, _, kind = line.partition(" on ")[2].rpartition(" (")
        mounts.append((Path(place), kind.split(",")[0].rstrip(")")))
    return mounts
