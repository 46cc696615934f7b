"""deploy/Containerfile and deploy/compose.yaml: what docker-compose takes, closed to the outside, and it runs.

No image is built here: a container engine is on hardly any machine that runs these tests. What can be shown without
one is: Compose's own schema, the installation from exactly what is copied into the image, and every command and
health check in the environment that the containers give it, nothing else.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CONTAINERFILE = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
FINAL = CONTAINERFILE[CONTAINERFILE.rindex("FROM ") :]


@pytest.fixture
def docker_compose() -> str:
    found = shutil.which("docker-compose")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("docker-compose is not installed, and CI must hold compose.yaml to its schema")
        pytest.skip("docker-compose is not installed: apt install docker-compose")
    return found


def compose_config(program: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, "--file", str(path), "config"], capture_output=True, text=True, timeout=60, check=False
    )


def test_docker_compose_takes_the_file_as_it_is_meant(docker_compose: str) -> None:
    done = compose_config(docker_compose, DEPLOY / "compose.yaml")
    assert done.returncode == 0, done.stderr
    read = yaml.safe_load(done.stdout)
    assert set(read["services"]) == {"station", "trainer", "tracking"}
    for name, service in read["services"].items():
        assert service["command"] == SERVICES[name]["command"]
        assert service["build"]["dockerfile"] == "deploy/Containerfile"


def test_docker_compose_refuses_a_key_that_does_not_exist(docker_compose: str, tmp_path: Path) -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(text.replace("healthcheck:", "healthchecks:", 1), encoding="utf-8")
    done = compose_config(docker_compose, wrong)
    assert done.returncode != 0
    assert "healthchecks" in done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_rights_and_no_open_door(name: str) -> None:
    service = SERVICES[name]
    assert service["user"].split(":")[0] not in {"", "0", "root"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert not set(service) & {"privileged", "network_mode", "pid", "devices", "cap_add"}
    assert all(volume.split(":")[0] in COMPOSE["volumes"] for volume in service["volumes"])


def test_station_and_trainer_share_the_mission_and_the_mirror_has_its_own() -> None:
    volumes = {name: service["volumes"] for name, service in SERVICES.items()}
    assert volumes["station"] == volumes["trainer"] == ["mission:/mission"]
    assert volumes["tracking"] == ["tracking:/tracking"]
    assert SERVICES["station"]["healthcheck"]["test"][1:] == shlex.split(
        "cubesat-tui --mission /mission status --alive"
    )
    assert SERVICES["trainer"]["depends_on"]["station"] == {"condition": "service_healthy"}


def test_the_image_runs_as_the_user_that_owns_its_volumes_and_not_as_root() -> None:
    user = re.findall(r"^USER (\S+)$", FINAL, re.M)
    assert user == [SERVICES["station"]["user"]]
    number = user[0].split(":")[0]
    assert f"--uid {number} " in FINAL
    assert FINAL.index("\nUSER ") > FINAL.index("\nRUN ")
    for volume in ("/mission", "/tracking"):
        assert re.search(rf"--owner=cubesat .*--mode=0700 .*{volume}\b", FINAL)


def test_the_image_is_made_with_the_installer_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    version = re.findall(r"^UV_VERSION := (\S+)$", makefile, re.M)
    assert re.findall(r"uv==(\S+)", CONTAINERFILE) == version
    assert "--constraint requirements.lock -r pyproject.toml" in CONTAINERFILE


def test_what_is_copied_into_the_image_is_all_that_an_installation_needs(tmp_path: Path) -> None:
    source, target = tmp_path / "src", tmp_path / "installed"
    source.mkdir()
    for names in re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINERFILE, re.M):
        for name in names.split():
            path = ROOT / name
            if path.is_dir():
                shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(path, source / name)
    uv = Path(sys.executable).parent / "uv"
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", target, source]
    subprocess.run([str(one) for one in command], check=True, timeout=110)
    code = "import cubesat_tui.cli, sim.preset, exports, trainer.loop; print(cubesat_tui.cli.__file__)"
    said = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(target), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert Path(said.strip()).is_relative_to(target)
    for name in ("cubesat_tui", "sim", "trainer", "telemetry"):
        wanted = {path.relative_to(ROOT) for path in (ROOT / name).rglob("*") if path.suffix in {".tcss", ".toml"}}
        assert {path for path in wanted if not (target / path).exists()} == set()


class Containers:
    """The commands of compose.yaml as processes, with the paths and the port of one machine in place of theirs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("mission", "tracking", "tmp"):
            (folder / name).mkdir(mode=0o700)

    def here(self, text: str) -> str:
        """What stands in compose.yaml or the Containerfile, on this machine."""
        text = text.replace("tracking:5000", f"127.0.0.1:{self.port}").replace("0.0.0.0", "127.0.0.1")
        text = re.sub(r"(?<![\w.])/(mission|tracking)\b", rf"{self.folder}/\1", text)
        return re.sub(r"\b5000\b", str(self.port), text)

    def environment(self, name: str) -> dict[str, str]:
        """Of the image and the service, and nothing of ours."""
        lines = FINAL[FINAL.index("\nENV ") + 5 :].partition("\nWORKDIR")[0].replace("\\\n", " ")
        image = dict(pair.split("=", 1) for pair in shlex.split(lines))
        image |= {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(self.folder / "tmp")}
        return image | {key: self.here(value) for key, value in SERVICES[name].get("environment", {}).items()}

    def start(self, name: str) -> None:
        with (self.folder / f"{name}.out").open("wb") as out:
            self.running[name] = subprocess.Popen(
                [self.here(word) for word in SERVICES[name]["command"]],
                env=self.environment(name),
                cwd=self.folder / "tmp",
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def healthy(self, name: str) -> bool:
        kind, *command = SERVICES[name]["healthcheck"]["test"]
        assert kind == "CMD"
        done = subprocess.run(
            [self.here(word) for word in command],
            env=self.environment(name),
            cwd=self.folder / "tmp",
            capture_output=True,
            timeout=60,
            check=False,
        )
        return done.returncode == 0

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.out").read_text(encoding="utf-8", errors="replace")

    def until(self, name: str, condition: Any, seconds: float = 240) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.running[name].poll() is None, f"{name} ended:\n{self.said(name)}"
            assert time.monotonic() < deadline, f"{name} does not get there:\n{self.said(name)[-3000:]}"
            time.sleep(0.5)

    def stop(self, name: str) -> int:
        """As a container is stopped: TERM to its first process, and after its time of grace all are killed."""
        process = self.running.pop(name)
        process.terminate()
        try:
            return process.wait(60)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[Containers]:
    made = Containers(tmp_path)
    yield made
    for name in tuple(made.running):
        made.stop(name)


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_every_command_and_health_check_runs_in_a_clean_environment(containers: Containers) -> None:
    assert not containers.healthy("station")
    containers.start("tracking")
    containers.start("station")
    containers.until("station", lambda: containers.healthy("station"))
    containers.until("tracking", lambda: containers.healthy("tracking"))
    containers.start("trainer")
    containers.until("trainer", lambda: '"state":"published"' in containers.said("trainer"))
    containers.until("trainer", lambda: '"state":"logged"' in containers.said("trainer"))
    request = urllib.request.Request(
        f"http://127.0.0.1:{containers.port}/api/2.0/mlflow/experiments/search",
        data=b'{"max_results": 10}',
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert b"KESTREL-1" in answer.read()
    assert not (containers.folder / "mission" / "mlflow.db").exists(), "the mirror is the tracking server's"
    assert containers.stop("trainer") == 0
    assert containers.stop("station") == 0
    assert not containers.healthy("station")
