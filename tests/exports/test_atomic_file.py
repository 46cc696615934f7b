"""A file that appears whole or not at all, on real file systems."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from exports.atomic_file import AtomicFile, ExportBusy


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_halfway(target: Path) -> None:
    with AtomicFile(target) as file:
        file.write(b"new")
        raise RuntimeError("cancelled")


def write_blocks(target: Path, count: int) -> None:
    with AtomicFile(target) as file:
        for _ in range(count):
            file.write(os.urandom(64 * 1024))


def test_the_file_is_there_whole_after_the_context_and_not_before(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    with AtomicFile(target) as file:
        file.write(b"one\r\n")
        file.write(memoryview(b"two\r\n"))
        assert not target.exists()
    assert target.read_bytes() == b"one\r\ntwo\r\n"
    assert file.bytes_written == 10
    assert file.sha256 == hashlib.sha256(b"one\r\ntwo\r\n").hexdigest()
    assert names(tmp_path) == ["out.csv"]


def test_an_error_keeps_the_old_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError):
        fail_halfway(target)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["out.csv"]


def test_two_exports_to_one_name_do_not_mix(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    with AtomicFile(target) as first:
        first.write(b"first")
        with pytest.raises(ExportBusy, match="another export"), AtomicFile(target):
            pass
        assert names(tmp_path) == [".out.csv.part"]
    assert target.read_bytes() == b"first"


def test_what_a_killed_export_left_is_recognised_and_replaced(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom exports.atomic_file import AtomicFile\n"
        "with AtomicFile(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half of a longer file')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(target)], cwd=Path(__file__).parents[2])
    assert killed.returncode == -signal.SIGKILL
    assert target.read_text() == "old"
    assert names(tmp_path) == [".out.csv.part", "out.csv"]
    with AtomicFile(target) as file:
        file.write(b"new")
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["out.csv"]


def test_a_file_size_limit_keeps_the_old_file(tmp_path: Path) -> None:
    """EFBIG stands for every refusal of write(2); it needs no file system of its own."""
    target = tmp_path / "out.csv"
    target.write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        with pytest.raises(OSError, match="too large"), AtomicFile(target) as file:
            file.write(b"x" * (256 * 1024))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert target.read_text() == "old"
    assert names(tmp_path) == ["out.csv"]


@pytest.fixture
def small_disk(tmp_path: Path, mount_small) -> Path:
    """A real file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount_small(folder, "1m")
    return folder


def test_a_full_disk_keeps_the_old_file_and_gives_the_space_back(small_disk: Path) -> None:
    target = small_disk / "out.csv"
    target.write_bytes(b"old" * 100)
    free = os.statvfs(small_disk).f_bavail
    with pytest.raises(OSError, match="No space left") as caught:
        write_blocks(target, 64)
    assert caught.value.errno == 28
    assert target.read_bytes() == b"old" * 100
    assert names(small_disk) == ["out.csv"]
    assert os.statvfs(small_disk).f_bavail == free
