"""`cubesat-tui inject`: break something in the simulator that a station runs, or end what was broken."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cubesat_tui.commands.asking import PATIENCE_S, answer_to, ask
from cubesat_tui.commands.options import (
    json_option,
    load_mission,
    mission_option,
    mission_path_of,
    open_directory,
    operator_of,
    operator_option,
    print_json,
    refuse,
    say,
)

if TYPE_CHECKING:
    from telemetry.alarms import Event
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory

LAYERS = {
    "sensor": "Sensors: --channel CHANNEL reads wrong",
    "plant": "The satellite itself",
    "transport": "Packets on their way",
    "routine": "No faults: what an operator plans",
}


@click.command()
@click.argument("kind", required=False)
@click.option("--target", metavar="T", help="What it happens to; --list says which a kind has.")
@click.option("--channel", metavar="C", help="The same for a sensor: the channel that reads wrong.")
@click.option("--size", type=float, metavar="X", help="How large (default: the middle of what is usual).")
@click.option(
    "--lasts", metavar="TIME", help="How long: 60s, 5min, 2h, or ever (default: the middle of the usual)."
)
@click.option("--in", "later", metavar="TIME", default="0s", help="Begin after this time (default: at once).")
@click.option("--satellite", metavar="NAME", help="Which one (default: the first satellite of the mission).")
@click.option("--how", metavar="WORD", help="corrupt: nan, fill or bit; stuck: last or rail.")
@click.option("--list", "listing", is_flag=True, help="Say which kinds there are, and what is injected now.")
@click.option(
    "--clear",
    is_flag=False,
    flag_value="",
    default=None,
    metavar="[ID]",
    help="End the injected fault ID early, or all that were injected.",
)
@mission_option
@operator_option
@json_option
@click.pass_context
def inject(
    context: click.Context,
    kind: str | None,
    target: str | None,
    channel: str | None,
    size: float | None,
    lasts: str | None,
    later: str,
    satellite: str | None,
    how: str | None,
    listing: bool,
    clear: str | None,
    mission_path: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Break something in the simulator: KIND, as of --list. Nothing real can be broken."""
    path = mission_path_of(context, mission_path)
    if listing:
        _list(path, as_json)
        return
    if (kind is None) == (clear is None):
        refuse("inject: name a kind, or give --clear; cubesat-tui inject --list says which kinds there are")
    directory = open_directory(path)
    mission = load_mission(directory.path)
    if not mission.flown_here:
        refuse(f"{path}: only the simulator can be broken, and this mission's source is {mission.source.kind}")
    if kind is None:
        body: dict[str, Any] = {"clear": clear}
    else:
        if target is not None and channel is not None:
            refuse("--target and --channel say the same: give one of them")
        name = satellite or mission.satellites[0].name
        body = _wish(mission, kind, name, target or channel or "", size, lasts, later, how or "")
    outcome = _outcome(_answer(directory, body, operator_of(context, operator)))
    if as_json:
        print_json(outcome)
    else:
        number = f"   ({outcome['id']})" if "id" in outcome else ""
        click.echo(f"{outcome['text']}{number}", err=not outcome["done"])
    if not outcome["done"]:
        raise SystemExit(1)


def _wish(
    mission: Mission,
    kind: str,
    satellite: str,
    target: str,
    size: float | None,
    lasts: str | None,
    later: str,
    how: str,
) -> dict[str, Any]:
    """The body of the request, checked as far as it can be without the station.

    Raises:
        Refusal: it cannot be done (exit 2).
    """
    import msgspec

    from sim.catalogue import FaultRefused
    from sim.injection import Wish, fault_of, seconds_of

    try:
        wish = Wish(
            kind,
            satellite,
            target,
            size,
            None if lasts is None else seconds_of(lasts),
            seconds_of(later),
            how,
        )
        channels = tuple(mission.bus_of(satellite).by_name) if satellite in mission.by_name else ()
        fault_of(wish, "", 0, channels, tuple(mission.by_name))
    except FaultRefused as error:
        refuse(f"inject: {error}")
    return msgspec.to_builtins(wish)


def _answer(directory: MissionDirectory, body: dict[str, Any], actor: str) -> Event:
    """Ask the running station and wait for the journal row that answers.

    Raises:
        Refusal: no station runs, or it does not answer (exit 3).
    """
    from telemetry.store.directory import MissionLock

    if not directory.telemetry.exists() or not MissionLock(directory.station_lock).holder():
        refuse(
            f"{directory.path}: no station runs here, so there is nothing to break; start one:"
            f" cubesat-tui run --mission {directory.path}",
            exit_code=3,
        )
    silence = "the station does not answer; nothing was changed"
    return ask(directory, "inject", body, actor, answer_to, silence=silence, patience_s=PATIENCE_S)


def _outcome(event: Event) -> dict[str, Any]:
    from telemetry.clock import NS_PER_S, iso
    from telemetry.plain_text import plain_text

    outcome: dict[str, Any] = {"done": event.kind != "act.refused", "text": plain_text(event.text, 400)}
    if event.kind == "fault.injected":
        fault = event.body["fault"]
        outcome |= {name: fault[name] for name in ("id", "kind", "satellite", "target", "size", "how")}
        outcome |= {word: iso(fault[f"{word}_s"] * NS_PER_S) for word in ("start", "end")}
    elif event.kind == "fault.cleared":
        outcome["ids"] = event.body["ids"]
    return outcome


def _list(path: Path, as_json: bool) -> None:
    from sim.catalogue import KINDS
    from sim.injection import HOWS, seconds_text, sizes, usual_lasts_s, usual_size

    running = _running(path)
    if as_json:
        kinds = [
            {
                "kind": kind.name,
                "layer": kind.layer,
                "about": kind.about,
                "targets": list(kind.targets),
                "size": usual_size(kind) if sizes(kind) else None,
                "unit": kind.unit,
                "sizes": sizes(kind),
                "lasts_s": usual_lasts_s(kind),
                "how": list(HOWS.get(kind.name, ())),
                "needs": kind.needs,
            }
            for kind in KINDS.values()
        ]
        print_json({"kinds": kinds, "injected": running})
        return
    for layer, title in LAYERS.items():
        click.echo(title)
        for kind in (one for one in KINDS.values() if one.layer == layer):
            needs = f" (shows only with {kind.needs})" if kind.needs else ""
            click.echo(f"  {kind.name:16} {kind.about}{needs}")
            details = [f"--size {usual_size(kind):g} {kind.unit}"] if sizes(kind) else []
            details.append(f"--lasts {seconds_text(usual_lasts_s(kind))}")
            if kind.targets != ("channel",) and len(kind.targets) > 1:
                details.append(f"--target {'|'.join(kind.targets)}")
            if kind.name in HOWS:
                details.append(f"--how {'|'.join(HOWS[kind.name])}")
            click.echo(f"  {'':16} {'  '.join(details)}")
    for one in running:
        say(f"injected now: {one['id']}  {one['satellite']}  {one['text']}")


def _running(path: Path) -> list[dict[str, Any]]:
    """What the station of the mission at `path` says is injected; nothing where none runs."""
    from telemetry.store.directory import MissionDirectory, MissionLock
    from telemetry.store.reader import StoreReader

    directory = MissionDirectory(path)
    if not directory.telemetry.exists() or not MissionLock(directory.station_lock).holder():
        return []
    reader = StoreReader(directory.telemetry)
    try:
        health = reader.health()
    finally:
        reader.close()
    return list(health.body.get("injected", ())) if health is not None else []
