"""Missions with models, and the places their mirror may be kept: the mission's own store, and tracking servers."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from telemetry.clock import ManualClock
from telemetry.dictionary import MlflowConfig
from telemetry.store.directory import MissionDirectory
from trainer.tracking.mirror import Mirror
from trainer.tracking.spool import AuditEntry

SATELLITE = "KESTREL-1"
CHANNELS = ("eps.bat_v", "eps.bat_i")
START_NS = 1_795_000_000_000_000_000
PATIENCE_S = 240
"""Until a server answers, on a machine with more to do."""
DATABASE_USER = "cubesat"
DATABASE_PASSWORD = "a word: with/signs@"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Postgres:
    """A cluster of its own on 127.0.0.1, run by a user who is not root."""

    def __init__(self, programs: Path) -> None:
        self.port = free_port()
        self._programs = programs
        self._home = Path(tempfile.mkdtemp(prefix="cubesat-postgres-"))
        root = os.geteuid() == 0
        self._user = pwd.getpwnam("postgres") if root else None
        word = self._home / "word"
        word.write_text(DATABASE_PASSWORD)
        if self._user is not None:
            for place in (self._home, word):
                os.chown(place, self._user.pw_uid, self._user.pw_gid)
        self._run(
            "initdb", "-A", "scram-sha-256", "-U", DATABASE_USER, "--pwfile", str(word), "--no-sync", "-E", "UTF8"
        )
        # No socket file: its path would have to be short, and nobody else's.
        settings = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c port={self.port} -c fsync=off"
        self._run("pg_ctl", "start", "-w", "-t", "120", "-l", str(self._home / "log"), "-o", settings)

    @property
    def uri(self) -> str:
        """Without the password, which the environment has."""
        return f"postgresql+psycopg2://{DATABASE_USER}@127.0.0.1:{self.port}/postgres"

    password = DATABASE_PASSWORD

    def database(self, name: str) -> str:
        """Address of a database of this name, made where there is none."""
        import psycopg2

        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user=DATABASE_USER, password=DATABASE_PASSWORD, dbname="postgres"
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
                if cursor.fetchone() is None:
                    cursor.execute(f'CREATE DATABASE "{name}"')
        finally:
            connection.close()
        return f"{self.uri.rpartition('/')[0]}/{name}"

    def end(self) -> None:
        self._run("pg_ctl", "stop", "-m", "immediate")
        shutil.rmtree(self._home)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), "-D", str(self._home / "data"), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            user=None if self._user is None else self._user.pw_uid,
            group=None if self._user is None else self._user.pw_gid,
            extra_groups=None if self._user is None else [],
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"


class Server:
    """`mlflow server` on 127.0.0.1, that can be killed and started again."""

    def __init__(self, home: Path, backend: str) -> None:
        self.uri = f"http://127.0.0.1:{free_port()}"
        self._home = home
        self._backend = backend
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        port = self.uri.rpartition(":")[2]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
            "MLFLOW_BACKEND_STORE_URI": self._backend,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "PGPASSWORD": DATABASE_PASSWORD,
        }
        files = ["--artifacts-destination", str(self._home / "artifacts")]
        with (self._home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "mlflow",
                    "server",
                    "--host",
                    "127.0.0.1",
                    "--port",
                    port,
                    "--workers",
                    "1",
                    *files,
                ],
                env=environment,
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self.answers():
            assert self._process.poll() is None, (self._home / "server.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "the tracking server did not start"
            time.sleep(0.1)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """At once, with its workers."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of the tests' own. Where there is none they are skipped, but not in CI."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed; CI must not skip the tests of a tracking server on it")
        pytest.skip("PostgreSQL is not installed")
    one = Postgres(found[-1].parent)
    yield one
    one.end()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A tracking server on either database."""
    home = tmp_path_factory.mktemp("server")
    backend = f"sqlite:///{home}/tracking.db"
    if request.param == "postgresql":
        backend = request.getfixturevalue("postgres").uri
    one = Server(home, backend)
    try:
        one.start()
        yield one
    finally:
        one.kill()


class MirroredMission:
    """A mission directory with models, and a mirror of it on a clock that stands still."""

    def __init__(self, home: Path, uri: str) -> None:
        self.directory = MissionDirectory(home)
        self.directory.create()
        self.config = MlflowConfig(uri=uri)
        self.clock = ManualClock(START_NS)
        self.mirror = self.opened()

    def opened(self) -> Mirror:
        """As another life of the trainer would."""
        return Mirror(self.directory, self.config, self.clock, jitter=lambda: 0.5)

    def model(self, version: int) -> tuple[Path, str]:
        place = self.directory.models / f"v{version}"
        place.mkdir()
        arrays = f"arrays of v{version}".encode() * 100
        digest = hashlib.sha256(arrays).hexdigest()
        (place / "scorer.npz").write_bytes(arrays)
        manifest = {
            "format": 3,
            "kind": "fusion",
            "satellite": SATELLITE,
            "version": version,
            "sha256": digest,
            "packets": [{"channels": CHANNELS}],
        }
        (place / "manifest.json").write_bytes(msgspec.json.encode(manifest))
        return place, digest

    def fit(self, number: int, version: int | None = None, decision: str = "") -> AuditEntry:
        """Spool the record of a fit; one with a version was promoted, unless `decision` says otherwise."""
        place, digest = (None, "f" * 64) if version is None else self.model(version)
        at_ns = START_NS + number * 30 * 10**9
        decision = decision or ("rejected" if version is None else "promoted")
        entry = AuditEntry(
            retrain_id=f"{at_ns}-{number}-{os.urandom(8).hex()}",
            satellite=SATELLITE,
            name=f"retrain {number}" if version is None else f"retrain {number}, v{version}",
            started_ns=at_ns - 2 * 10**9,
            ended_ns=at_ns,
            params={"kind": "fusion", "seed": str(number), "window_hash": "abc"},
            metrics={"rows": 7200.0, "bank_recall": 0.4, "drift.eps.bat_v": 0.02, "unknown": float("nan")},
            tags={"cubesat.decision": decision, "cubesat.reason": "500 new rows", "cubesat.retrain": str(number)},
            step=number,
            version=version,
            sha256=digest,
            place=None if place is None else str(place),
        )
        self.mirror.spool(entry)
        return entry


MakeMission = Callable[[str], MirroredMission]


@pytest.fixture
def make_mission(tmp_path: Path) -> MakeMission:
    """A mission whose mirror is at the address."""
    return lambda uri: MirroredMission(tmp_path / f"m{os.urandom(4).hex()}", uri)
