"""Whether the terminal draws the signs of the screens, one cell wide; where it does not, ASCII signs are used."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple

SIGNS = "◈◆▲△■⣿"
MEASURE_TIMEOUT_S = 0.5
FEW_GLYPHS = frozenset({"linux", "cons25", "vt100", "vt102", "vt220", "ansi"})
"""Terminals whose fonts hold 256 characters or little more, whatever width they make of the others."""


def utf8_output() -> bool:
    """Whether what is written to stdout goes out as UTF-8."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


class Chosen(NamedTuple):
    """`ascii`: signs of ASCII; `blocks`: dots as half blocks in place of braille."""

    ascii: bool
    blocks: bool


def signs_for(asked: str | None, environment: Mapping[str, str], width: int | None) -> Chosen:
    """What `--signs` (auto, unicode, blocks, ascii; None where a command has no such option) comes to.

    auto: ASCII where the signs cannot be written, have no glyphs, or were seen to be not one cell wide each; on the
    Linux console, whose font has half blocks, these for dots. `width`: cells that `SIGNS` took; None where nobody
    knows: silence of the terminal is trusted.
    """
    if not utf8_output():
        return Chosen(ascii=True, blocks=False)
    if asked in {"unicode", "blocks", "ascii"}:
        return Chosen(ascii=asked == "ascii", blocks=asked == "blocks")
    few = environment.get("TERM", "") in FEW_GLYPHS
    return Chosen(ascii=few or width not in {None, len(SIGNS)}, blocks=environment.get("TERM", "") == "linux")


def measured_width(text: str) -> int | None:
    """Cells that `text` takes, asked of the terminal by cursor position reports; None when it does not answer."""
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        sys.stdout.write(f"\r{text}\x1b[6n")
        sys.stdout.flush()
        report = _read_report(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        sys.stdout.write("\r\x1b[K")
        sys.stdout.flush()
    _, _, column = report.rpartition(";")
    return int(column) - 1 if column.isdigit() else None


def _read_report(descriptor: int) -> str:
    """The reply `ESC [ row ; column R` without its ends; empty on silence."""
    until = time.monotonic() + MEASURE_TIMEOUT_S
    reply = b""
    while not reply.endswith(b"R"):
        left = until - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return ""
        reply += os.read(descriptor, 32)
    return reply.rpartition(b"[")[2][:-1].decode("ascii", "replace")
