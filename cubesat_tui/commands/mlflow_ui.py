"""`cubesat-tui mlflow-ui`: MLflow's own pages on the runs, versions and files of a mission."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cubesat_tui.commands.options import load_mission, mission_option, mission_path_of, open_directory, refuse, say
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.store.directory import MissionDirectory

LOOPBACK = "127.0.0.1"
PORT = 5000
TRIES = 100
"""Ports that are tried, the one asked for first."""


@click.command("mlflow-ui")
@click.option("--port", type=click.IntRange(1, 65_535), default=PORT, help=f"Port; the next free one if it is taken"
              f" (default: {PORT}).")  # fmt: skip
@click.option("--host", metavar="ADDRESS", default=LOOPBACK, help="Address of this machine to answer at (default:"
              f" {LOOPBACK}, which only this machine reaches).")  # fmt: skip
@mission_option
@click.pass_context
def mlflow_ui(context: click.Context, port: int, host: str, mission_path: Path | None) -> None:
    """Show a mission's runs, versions and files in MLflow's own user interface, until ctrl+c.

    It may run beside the trainer; what both write is kept. MLflow asks nobody for a password: with --host everyone
    who reaches that address can read and change what is there.
    """
    from cubesat_tui.children import child_argv, child_environment
    from trainer.tracking.server import announce, server_arguments, server_environment
    from trainer.tracking.settings import is_server, local_uri, shown, tracking_uri

    directory = open_directory(mission_path_of(context, mission_path))
    uri = tracking_uri(directory, load_mission(directory.path).mlflow)
    if is_server(uri):
        say(f"a tracking server keeps what {directory.path} was fitted with, and shows it itself: {shown(uri)}")
        return
    here = uri == local_uri(directory)
    if here and not directory.mlflow.exists():
        refuse(f"{directory.path}: no model was fitted here yet, so MLflow has nothing to show", exit_code=3)
    free = free_port(host, port)
    taken = "" if free == port else f" (port {port} is taken)"
    address = f"http://{f'[{host}]' if ':' in host else host}:{free}/"
    say(f"MLflow shows {directory.path} at {address}{taken}, in some seconds; ctrl+c ends it")
    _warn(directory, host, here=here)
    announce(directory, address)
    argv = child_argv("mlflow", *server_arguments(host, free))
    # What MLflow makes beside its store, it makes where it is started.
    os.chdir(directory.artifacts)
    os.execve(argv[0], argv, {**child_environment(), **server_environment(directory, uri)})


def free_port(host: str, wanted: int) -> int:
    """`wanted`, or the first port behind it that nobody listens on at `host`.

    Raises:
        Refusal: `host` is no address of this machine, or no port is free.
    """
    for port in range(wanted, min(wanted + TRIES, 65_536)):
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with contextlib.closing(socket.socket(family, kind, protocol)) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind(address)
        except (socket.gaierror, UnicodeError):
            refuse(f"--host {plain_text(host, 80)!r}: allowed: a name or address of this machine")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            named = plain_text(host, 80)
            refuse(f"--host {named!r}, port {port}: {error.strerror}: allowed: an address of this machine")
        else:
            return port
    refuse(f"--port {wanted}: none of {TRIES} ports from there on is free", exit_code=1)


def _warn(directory: MissionDirectory, host: str, *, here: bool) -> None:
    from trainer.tracking.place import moved_from, sentence

    try:
        alone = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        alone = False
    if not alone:
        named = plain_text(host, 80)
        say(f"everyone who reaches {named} can read and change these runs: MLflow asks for no password")
    before = moved_from(directory) if here else None
    if before is not None:
        say(f"{directory.path}: {sentence(before)}")
