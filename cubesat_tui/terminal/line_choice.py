"""Which way of drawing suits the line between this program and its terminal."""

from __future__ import annotations

from collections.abc import Mapping

from cubesat_tui.terminal.line_pace import AUTO, LinePace


def over_ssh(environment: Mapping[str, str]) -> bool:
    """Whether this is an SSH session, or was begun in one (mosh, a multiplexer)."""
    return bool(environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"))


def multiplexer(environment: Mapping[str, str]) -> str:
    """tmux, screen or zellij where the program runs inside one, else ""."""
    for variable, name in (("TMUX", "tmux"), ("STY", "screen"), ("ZELLIJ", "zellij")):
        if environment.get(variable):
            return name
    term = environment.get("TERM", "").partition("-")[0]
    return term if term in {"tmux", "screen"} else ""


def line_pace(asked: str | None, environment: Mapping[str, str]) -> LinePace:
    """The line as it is taken to be at the start; `asked`: of `--line`, None where a command has no such option."""
    return LinePace(asked or AUTO, remote=over_ssh(environment), between=multiplexer(environment))
