"""`cubesat-tui accept`: declare nominal what a model called an anomaly; the next fit learns it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cubesat_tui.commands.asking import PATIENCE_S, answer_to, ask
from cubesat_tui.commands.options import (
    json_option,
    mission_option,
    open_stored,
    operator_of,
    operator_option,
    print_json,
    refuse,
    satellite_of,
)

if TYPE_CHECKING:
    from cubesat_tui.nominal import Nominal
    from telemetry.alarms import Event
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory


@click.command()
@click.argument("what", nargs=-1, metavar="[ALARM | CHANNEL]...")
@click.option("--reason", default="", metavar="TEXT", help="Why it is nominal; needed.")
@click.option("--from", "begin", metavar="TIME", help="First moment (default: that of the alarm).")
@click.option("--to", "end", metavar="TIME", help="Last moment, at most 24 h ahead (default: that of the alarm).")
@click.option("--release-anchor", "release", is_flag=True, help="Let the reference begin anew at --from instead.")
@click.option("--satellite", metavar="NAME", help="Whose (default: the first satellite of the mission).")
@mission_option
@operator_option
@json_option
@click.pass_context
def accept(
    context: click.Context,
    what: tuple[str, ...],
    reason: str,
    begin: str | None,
    end: str | None,
    release: bool,
    satellite: str | None,
    mission_path: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Accept as nominal: an open anomaly (anomaly:CHANNEL, as in cubesat-tui alarms), or channels over a time.

    The rows leave quarantine for these channels and are learned with the next fit. Hard limits are never learned,
    and nothing is acknowledged by it. It cannot be undone.
    """
    directory, mission = open_stored(context, mission_path, "there is nothing to accept")
    name = satellite_of(mission, satellite)
    wish = _wish(directory, mission, name, what, reason, begin, end, release)
    event = _answer(directory, mission, wish, operator_of(context, operator))
    outcome = _outcome(event, wish)
    if as_json:
        print_json(outcome)
    else:
        click.echo(outcome["text"], err=not outcome["done"])
    if not outcome["done"]:
        raise SystemExit(1)


def _wish(
    directory: MissionDirectory,
    mission: Mission,
    satellite: str,
    what: tuple[str, ...],
    reason: str,
    begin: str | None,
    end: str | None,
    release: bool,
) -> Nominal:
    """What is asked for, checked as far as it can be without the station.

    Raises:
        Refusal: it cannot be done (exit 2).
    """
    import msgspec

    from cubesat_tui.faults_by_hand import Refused
    from cubesat_tui.nominal import LEAST_REASON, Nominal, checked
    from telemetry.alarms import ANOMALY_PREFIX
    from telemetry.clock import SystemClock

    if len(reason.strip()) < LEAST_REASON:
        refuse(f"accept: --reason: at least {LEAST_REASON} letters are needed: it is what the audit will say")
    if bool(what) == release:
        refuse("accept: name an open anomaly or channels, or give --release-anchor; cubesat-tui alarms lists them")
    now_ns = SystemClock().now_ns()
    alarms = [subject for subject in what if subject.startswith(ANOMALY_PREFIX)]
    if alarms:
        if len(what) > 1:
            refuse("accept: one alarm at a time")
        wish = _of_open_alarm(directory, satellite, alarms[0])
    else:
        if begin is None or (end is None and not release):
            refuse("accept: --from and --to are needed with channels" if what else "accept: --from is needed")
        wish = Nominal(satellite=satellite, reason=reason, t0_ns=0, channels=what, release=release)
    times = {
        name: _time(option, text)
        for name, option, text in (("t0_ns", "--from", begin), ("t1_ns", "--to", end))
        if text is not None
    }
    wish = msgspec.structs.replace(wish, reason=reason, **times)
    try:
        return checked(wish, mission, max(now_ns, _newest(directory, satellite)))
    except Refused as error:
        refuse(f"accept: {error}")


def _time(option: str, text: str) -> int:
    from telemetry.clock import parse_iso

    try:
        return parse_iso(text)
    except ValueError as error:
        refuse(f"{option}: {error}")


def _of_open_alarm(directory: MissionDirectory, satellite: str, subject: str) -> Nominal:
    from cubesat_tui.commands.acting import open_alarms
    from cubesat_tui.nominal import of_alarm

    alarms = [alarm for alarm in open_alarms(directory) if alarm.satellite == satellite]
    found = next((alarm for alarm in alarms if alarm.subject == subject), None)
    if found is None:
        known = ", ".join(alarm.subject for alarm in alarms if alarm.kind == "anomaly") or "none"
        refuse(f"accept: no open anomaly is called {subject!r}; open: {known}")
    return of_alarm(found, _newest(directory, satellite))


def _newest(directory: MissionDirectory, satellite: str) -> int:
    """Newest generation time of the satellite; 0 where nothing was received."""
    from telemetry.store.reader import StoreReader

    reader = StoreReader(directory.telemetry)
    try:
        return max((frame.t_ns for frame in reader.newest_any(satellite).values()), default=0)
    finally:
        reader.close()


def _answer(directory: MissionDirectory, mission: Mission, wish: Nominal, actor: str) -> Event:
    """Ask the station, or do it where none runs, and wait for the journal row that answers.

    Raises:
        Refusal: a station holds the mission but does not answer (exit 3).
    """
    import msgspec

    from cubesat_tui.commands.acting import apply_without_station

    return ask(
        directory,
        "accept",
        msgspec.to_builtins(wish),
        actor,
        answer_to,
        silence="the station does not answer; nothing was accepted",
        patience_s=PATIENCE_S,
        alone=lambda lock: apply_without_station(directory, mission, lock),
    )


def _outcome(event: Event, wish: Nominal) -> dict[str, Any]:
    from telemetry.clock import iso
    from telemetry.plain_text import plain_text

    done = event.kind != "act.refused"
    outcome: dict[str, Any] = {"done": done, "text": plain_text(event.text, 600), "satellite": wish.satellite}
    if done:
        outcome |= {"by": event.actor, "at": iso(event.at_ns), "reason": wish.reason, "from": iso(wish.t0_ns)}
        if not wish.release:
            outcome |= {"to": iso(wish.t1_ns), "channels": list(wish.channels)}
    return outcome
