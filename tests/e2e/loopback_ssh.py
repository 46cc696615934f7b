"""An OpenSSH server of a test's own on 127.0.0.1: its own key, port and configuration, nobody's home is touched."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
SETTINGS = """ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
PidFile none
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PermitUserRC no
PermitUserEnvironment no
UsePAM no
StrictModes no
PrintMotd no
PrintLastLog no
"""
"""Keys only; whoever runs the test may log in as himself. Nothing of /etc/ssh is read."""


class LoopbackSsh:
    """Runs until `close`. `inside` goes before both programs: a network of their own, say."""

    def __init__(self, folder: Path, inside: Sequence[str] = ()) -> None:
        assert SSHD is not None
        self._folder = folder
        self._inside = list(inside)
        for name in ("host", "key"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)], check=True
            )
        if os.getuid() == 0:
            # Where a server that runs as root shuts its unprivileged half in; a distribution makes it at boot.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.port = free_port()
        (folder / "sshd_config").write_text(SETTINGS.format(port=self.port, folder=folder), encoding="utf-8")
        with (folder / "sshd.log").open("wb") as log:
            self._server = subprocess.Popen(
                [*self._inside, SSHD, "-D", "-e", "-f", str(folder / "sshd_config")],
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        self._wait()

    def command(self, port: int, program: Sequence[str]) -> list[str]:
        """What runs `program`, one word a word, at the other end of the port, with a terminal."""
        host = (self._folder / "host.pub").read_text(encoding="utf-8").rsplit(" ", 1)[0]
        (self._folder / "known").write_text(f"[127.0.0.1]:{port} {host}\n", encoding="utf-8")
        options = {
            "IdentityFile": self._folder / "key",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "UserKnownHostsFile": self._folder / "known",
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "UpdateHostKeys": "no",
            "BatchMode": "yes",
            "ControlMaster": "no",
            "LogLevel": "QUIET",
        }
        me = pwd.getpwuid(os.getuid()).pw_name
        said = [f"-o{name}={value}" for name, value in options.items()]
        line = " ".join(f"'{word}'" for word in program)
        return [
            *self._inside,
            "ssh",
            "-F",
            "none",
            "-tt",
            "-p",
            str(port),
            *said,
            f"{me}@127.0.0.1",
            f"exec {line}",
        ]

    def close(self) -> None:
        """End the server; sessions that are open end when their line does."""
        self._server.terminate()
        self._server.wait(10)

    def _wait(self) -> None:
        until = time.monotonic() + 20
        log = self._folder / "sshd.log"
        while "Server listening" not in log.read_text(encoding="utf-8", errors="replace"):
            if self._server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"sshd did not start: {log.read_text(encoding='utf-8', errors='replace')}")
            time.sleep(0.05)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as one:
        return int(one.getsockname()[1])
