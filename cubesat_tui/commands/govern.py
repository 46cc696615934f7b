"""`cubesat-tui promote`, `rollback` and `hold`: which model scores, decided by an operator, with a reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cubesat_tui.commands.acting import REFUSED, begin, say_outcome
from cubesat_tui.commands.moment import span_ns
from cubesat_tui.commands.options import (
    json_option,
    mission_option,
    operator_option,
    print_json,
    refuse,
    satellite_of,
)
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.alarms import Event

NOTHING = "no model scores"
MINUTE_NS = 60_000_000_000


@dataclass(frozen=True)
class _Governing:
    """What every one of these commands is asked with."""

    context: click.Context
    reason: str
    satellite: str | None
    mission_path: Path | None
    operator: str | None
    as_json: bool

    def act(self, kind: str, wanted: dict[str, Any]) -> None:
        """Ask the station, and tell what became of it (exit 1 where nothing did)."""
        acting = begin(self.context, self.mission_path, self.operator, NOTHING)
        name = satellite_of(acting.mission, self.satellite)
        done = _outcome(acting.ask(kind, {**wanted, "satellite": name}, "nothing was changed")[0])
        if self.as_json:
            print_json(done)
        else:
            say_outcome(done)
        if not done["done"]:
            raise SystemExit(1)


def _governing(command: Callable[..., None]) -> Callable[..., None]:
    """The options of all of them; `command` is given what they say as one object."""

    @click.option("--reason", default="", metavar="TEXT", help="Why; at least three letters. Needed.")
    @click.option("--satellite", metavar="NAME", help="Whose (default: the first satellite of the mission).")
    @mission_option
    @operator_option
    @json_option
    @click.pass_context
    @wraps(command)
    def asked(
        context: click.Context,
        reason: str,
        satellite: str | None,
        mission_path: Path | None,
        operator: str | None,
        as_json: bool,
        **own: Any,
    ) -> None:
        command(_Governing(context, reason, satellite, mission_path, operator, as_json), **own)

    return asked


@click.command()
@click.argument("version")
@_governing
def promote(asked: _Governing, version: str) -> None:
    """Let the model VERSION (17, or v17; see cubesat-tui runs) score from the next frame on.

    Its files are read and checked first; where they are not what they were, what scores now scores on.
    """
    asked.act("promote", {"version": _version("promote", version), "reason": _said("promote", asked.reason)})


@click.command()
@click.option("--to", "version", metavar="VERSION", help="Which model (default: the one that scored before).")
@click.option("--for", "length", metavar="TIME", help="How long promotion is held after it (default: 4h).")
@_governing
def rollback(asked: _Governing, version: str | None, length: str | None) -> None:
    """Return to the model that scored before, or to another one, with a reason.

    Automatic promotion is held with it, because the next promotion would undo it: for four hours, unless --for says
    otherwise. cubesat-tui hold --release ends that.
    """
    wanted: dict[str, Any] = {"reason": _said("rollback", asked.reason)}
    if version is not None:
        wanted["version"] = _version("rollback: --to", version)
    if length is not None:
        wanted["minutes"] = _minutes(length)
    asked.act("rollback", wanted)


@click.command()
@click.option("--for", "length", metavar="TIME", help="How long: 90m, 2h, 1d; at most 30 days.")
@click.option("--release", is_flag=True, help="End the hold now.")
@_governing
def hold(asked: _Governing, length: str | None, release: bool) -> None:
    """Hold automatic promotion: challengers are fitted and recorded, and the model that scores stays.

    A hold ends by itself. What was held back has files and a version: cubesat-tui promote takes it.
    """
    if release == (length is not None):
        refuse("hold: give --for 2h or --release, one of them")
    if release:
        asked.act("release", {"reason": _said("hold", asked.reason)} if asked.reason else {})
    else:
        asked.act("hold", {"minutes": _minutes(length or ""), "reason": _said("hold", asked.reason)})


def _outcome(event: Event) -> dict[str, Any]:
    from cubesat_tui.status import time_or_none
    from telemetry.clock import iso

    done: dict[str, Any] = {"done": event.kind != REFUSED, "satellite": event.satellite, "text": event.text}
    if done["done"]:
        body = event.body
        done |= {"by": event.actor, "at": iso(event.at_ns), "reason": body.get("reason") or None}
        done |= {name: body[name] for name in ("from", "to", "sha256") if name in body}
        if "until_ns" in body:
            done["held_until"] = time_or_none(body["until_ns"])
    return done


def _version(option: str, text: str) -> int:
    found = re.fullmatch(r"v?(\d{1,9})", text.strip(), re.ASCII)
    if found is None:
        refuse(
            f"{option}: {plain_text(text, 40)!r} is no version: allowed: 17 or v17, as cubesat-tui runs lists them"
        )
    return int(found[1])


def _said(option: str, reason: str) -> str:
    from cubesat_tui.shelf_time import LEAST_REASON, is_reason

    if not is_reason(reason):
        refuse(f"{option}: --reason: at least {LEAST_REASON} letters are needed: it is what the audit will say")
    return reason


def _minutes(length: str) -> int:
    return -(-span_ns("--for", length) // MINUTE_NS)
