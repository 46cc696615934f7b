"""The mission directory is private and local, and the kernel says who holds it."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.store import directory
from telemetry.store.directory import MissionDirectory, MissionLock
from telemetry.store.errors import StoreError, StoreRefused


def test_a_mission_is_readable_by_its_owner_only(tmp_path):
    mission = MissionDirectory(tmp_path / "a" / "demo")
    mission.create()
    mission.create()
    for folder in (mission.path, mission.artifacts, mission.models, mission.exports, mission.log):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_file_in_the_way_is_said_in_a_sentence(tmp_path):
    (tmp_path / "demo").write_text("")
    with pytest.raises(StoreRefused, match="cannot be made"):
        MissionDirectory(tmp_path / "demo").create()


@pytest.mark.parametrize(("place", "kind"), [("/mnt/share/demo", "nfs4"), ("/mnt/share/in/demo", "ext4")])
def test_network_file_systems_are_refused(monkeypatch, place, kind):
    mounts = [("/", "ext4"), ("/mnt/share", "nfs4"), ("/mnt/share/in", "ext4"), ("/mnt/sha", "cifs")]
    assert directory._type_of(Path(place), [(Path(at), what) for at, what in mounts]) == kind


def test_a_mission_on_a_network_file_system_is_not_made(tmp_path, monkeypatch):
    monkeypatch.setattr(directory, "_mounts", lambda: [(Path("/"), "ext4"), (tmp_path, "nfs4")])
    with pytest.raises(StoreRefused, match="network file system"):
        MissionDirectory(tmp_path / "demo").create()
    assert not (tmp_path / "demo").exists()


HOLD = """
import sys
from pathlib import Path
from telemetry.store.directory import MissionLock
lock = MissionLock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
sys.stdin.read()
"""


def test_a_lock_is_held_once_and_ends_with_its_holder(tmp_path):
    path = tmp_path / "station.lock"
    lock = MissionLock(path)
    assert not lock.holder()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "True\n"
        assert lock.holder()
        assert not lock.acquire(patience_s=0)
        with pytest.raises(StoreError, match="holds this mission"), MissionLock(path):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert not lock.holder()
        with lock:
            assert lock.held
            assert MissionLock(path).holder()
    assert not lock.holder()


def test_looking_does_not_take_the_lock(tmp_path):
    path = tmp_path / "station.lock"
    with MissionLock(path) as lock:
        lock.release()
        assert not MissionLock(path).holder()
        assert lock.acquire(patience_s=0)
