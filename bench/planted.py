"""Faults planted in a running station by another process, and what the station says of them.

Each seed is a mission of its own: a real `cubesat-tui run` on a simulator that runs faster than real time, with
its trainer. A fault of each of `KINDS` is planted, one after the other, by `cubesat-tui inject`; what comes of them
is read with `cubesat-tui alarms --json` and from the journal. When a fault could first be seen is worked out beside
the station, from the twin of the same seed without faults: the station never has it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.figure import Figure
from sim.catalogue import Fault
from sim.channels import BY_NAME
from sim.observed import ObservedFlight
from sim.preset import demo_mission_toml
from sim.sky import Sky
from telemetry.alarms import ANOMALY_PREFIX, RAISED, Event
from telemetry.clock import NS_PER_S, iso
from telemetry.dictionary import Mission, read_mission
from telemetry.store.directory import MissionDirectory
from telemetry.store.errors import StoreError
from telemetry.store.reader import StoreReader

KINDS: Final = {"stuck": None, "bias": 10.0, "noise_up": 10.0, "string_loss": 0.5, "gain": None}
"""Kind -> size; None: it has none, or it is drawn."""
GAINS: Final = (0.6, 1.6)
SEEDS: Final = (1, 2, 3)
RATE: Final = 30.0
LASTS_S: Final = 180
IN_TIME_S: Final = 60
CALM_S: Final = 240
"""Between the end of one fault and the next."""
PATIENCE_S: Final = 300.0
SEEN_S: Final = LASTS_S - IN_TIME_S
STEP_S: Final = 30
"""Between two looks for sunlight."""
TRIES: Final = 6
"""Channels tried until a fault of a kind can be seen within `SEEN_S`: one that stands still is stuck unseen."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One fault and what became of it; seconds of generation time."""

    seed: int
    kind: str
    target: str
    size: float
    onset_s: int | None
    """First second the twin differs by more than noise and resolution, after the begin; None: never."""
    delay_s: float | None
    """From there to the first alarm since the fault began, whoever raised it; negative: a rule was faster."""
    first: str
    """First channel of that alarm."""
    voice: str
    """`anomaly`, or `rule` for what limits and rules raised."""
    listed: bool
    """`alarms --json` showed it a minute after the onset, or when it was looked at next."""
    shown: bool | None
    """The same on the screen of a console; None where none was open."""
    text: str

    @property
    def right(self) -> bool:
        """In time, with the channel first that the fault is in."""
        wanted = f"eps.pv_i_{self.target}" if self.kind == "string_loss" else self.target
        in_time = self.delay_s is not None and self.delay_s <= IN_TIME_S
        return in_time and self.first == wanted and self.listed and self.shown is not False


class Station:
    """A mission directory, and commands of other processes on it."""

    def __init__(self, folder: Path, seed: int, rate: float = RATE) -> None:
        self.directory = MissionDirectory(folder / "mission")
        self.directory.create()
        text = demo_mission_toml(time.time_ns(), seed, "quiet").replace("rate = 1.0", f"rate = {rate}")
        # As many seconds of generation time lie between two cycles as at the pace of the clock.
        text = text.replace("period_s = 30.0", f"period_s = {max(1.0, 30.0 / rate)}", 1)
        self.directory.toml.write_text(text, encoding="utf-8")
        self.mission: Mission = read_mission(self.directory.path)
        self.environment = {**os.environ, "CUBESAT_OPERATOR": "bench"}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "cubesat_tui", "--mission", str(self.directory.path), *arguments]

    def ask(self, *arguments: str) -> dict[str, Any]:
        """One command to its end, its object."""
        done = subprocess.run(
            self.command(*arguments), env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def newest_s(self) -> int:
        """Generation second of the newest frame that is stored."""
        with closing(StoreReader(self.directory.telemetry)) as reader:
            return max(frame.t_ns for frame in reader.newest(self.mission.satellites[0].name).values()) // NS_PER_S

    def boot_s(self) -> int:
        with closing(StoreReader(self.directory.telemetry)) as reader:
            return next(iter(reader.newest(self.mission.satellites[0].name).values())).boot

    def until(self, reached: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
        """Wait; wall seconds.

        Raises:
            TimeoutError: it did not come.
        """
        limit = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > limit:
                raise TimeoutError(f"{self.directory.path}: {what} did not come within {seconds:.0f} s")
            time.sleep(0.1)

    def flown_to(self, t_s: int) -> None:
        """Wait for the frame of the UTC second `t_s`."""
        self.until(lambda: self.newest_s() >= t_s, f"the frame of {iso(t_s * NS_PER_S)}", 600.0)


def plant_all(
    station: Station,
    seed: int,
    screen: Callable[[], str] | None = None,
    settle_s: int = 600,
    kinds: Collection[str] = KINDS,
) -> Iterator[Planted]:
    """Plant a fault of each kind in a station that runs; `screen` is what the alarms of its console show.

    Raises:
        TimeoutError: no model, or no frames.
    """
    station.until(lambda: _served(station), "a model")
    satellite = station.mission.satellites[0]
    flight = ObservedFlight(station.mission, station.boot_s(), after_history=True)
    station.flown_to(station.newest_s() + settle_s)
    draw, moments = (np.random.Generator(np.random.Philox(key=[seed, of])) for of in (0xB1A5, 0x5EA))
    for kind, size in KINDS.items():
        if kind not in kinds:
            continue
        for target in _targets(station, kind, draw):
            given = size if size is not None else float(draw.choice(GAINS)) if kind == "gain" else 0.0
            given *= float(draw.choice([-1, 1])) if kind == "bias" else 1.0
            chosen = target or _bright_face(station, moments)
            fault = _inject(station, kind, chosen, given)
            flight.fly(fault.start_s)
            flight.give([fault])
            flight.fly(fault.end_s + 1)
            onset_s = flight.told()[-1].observable_s
            if onset_s is not None and onset_s - fault.start_s > SEEN_S:
                onset_s = None
            looked_s = (onset_s or fault.start_s) + IN_TIME_S
            station.flown_to(looked_s + 2)
            event = None if onset_s is None else _first_alarm(station, fault.start_s, looked_s)
            listed = event is not None and any(
                alarm["subject"] == event.subject for alarm in station.ask("alarms", "--json")["alarms"]
            )
            shown = None
            if screen is not None and event is not None:
                label = station.mission.bus_of(satellite.name).channel(_first_channel(event)).label
                shown = _appears(screen, label)
            yield Planted(
                seed,
                kind,
                chosen,
                given,
                None if onset_s is None else onset_s - fault.start_s,
                None if event is None or onset_s is None else event.at_ns / NS_PER_S - onset_s,
                "" if event is None else _first_channel(event),
                "" if event is None else "anomaly" if event.subject.startswith(ANOMALY_PREFIX) else "rule",
                listed,
                shown,
                "" if event is None else event.text,
            )
            station.flown_to(fault.end_s + CALM_S)
            if onset_s is not None:
                break


def _served(station: Station) -> bool:
    if not station.directory.telemetry.exists():
        return False
    try:
        reader = StoreReader(station.directory.telemetry)
    except StoreError:
        # It is being made.
        return False
    with closing(reader):
        return any(run.decision == "promoted" for run in reader.runs())


def _targets(station: Station, kind: str, draw: np.random.Generator) -> list[str]:
    """Channels to try, drawn of those measured every second; a bright face for a loss of cells."""
    if kind == "string_loss":
        return [""]
    bus = station.mission.bus_of(station.mission.satellites[0].name)
    known = [one for one in (BY_NAME[channel.name] for channel in bus.channels) if one.sigma > 0.0]
    every_second = [
        one.name
        for one in known
        # One that rests on one step of its converter for hours is stuck unseen.
        if one.period_s <= 1 and not one.contact_only and (kind != "stuck" or one.sigma > one.resolution)
    ]
    return [str(name) for name in draw.permutation(every_second)[:TRIES]]


def _bright_face(station: Station, draw: np.random.Generator) -> str:
    """Wait for a moment, drawn from the next sunlight on one face; that face.

    In all of it some face stays bright for the time a fault lasts.
    """
    satellite = station.mission.satellites[0]
    assert satellite.tle is not None
    sky = Sky([satellite.name], [satellite.tle], station.mission.ground_stations)

    def face(t_s: int) -> str:
        # A little beforehand: the inbox is looked at a few times in a wall second, and many seconds fly by.
        best, enough = sky.brightest(satellite.name, t_s, t_s + 2 * LASTS_S)
        return best if enough else ""

    t_s = station.newest_s()
    while not face(t_s):
        t_s += STEP_S
    bright = [t_s]
    while face(bright[-1] + STEP_S):
        bright.append(bright[-1] + STEP_S)
    moment_s = int(draw.choice(bright))
    station.flown_to(moment_s)
    return face(moment_s)


def _inject(station: Station, kind: str, target: str, size: float) -> Fault:
    sized = ["--size", str(size)] if size else []
    answer = station.ask("inject", kind, "--target", target, *sized, "--lasts", f"{LASTS_S}s", "--json")
    with closing(StoreReader(station.directory.telemetry)) as reader:
        for event in reader.journal_page(None, limit=50, kind="fault."):
            if event.body.get("id") == answer["id"]:
                return Fault(**event.body["fault"])
    raise RuntimeError(f"{answer['id']} is not in the journal")


def _first_alarm(station: Station, since_s: int, until_s: int) -> Event | None:
    """The first alarm raised from the second `since_s` to the second `until_s`."""
    with closing(StoreReader(station.directory.telemetry)) as reader:
        raised = [event for event in reader.journal(0) if event.kind == RAISED]
    mine = [event for event in raised if since_s * NS_PER_S <= event.at_ns <= until_s * NS_PER_S]
    return min(mine, key=lambda event: (event.at_ns, event.id), default=None)


def _first_channel(event: Event) -> str:
    channels: list[str] = event.body.get("channels") or [event.subject]
    return channels[0].removeprefix(ANOMALY_PREFIX)


def _appears(screen: Callable[[], str], label: str) -> bool:
    """Whether the list of alarms shows the channel soon, at the head of an alarm: behind its time or its sign."""
    limit = time.monotonic() + 5.0
    first = re.compile(rf"(\d\d:\d\d:\d\d|WATCH|WARN|CRIT|ANOM) +{re.escape(label)} ")
    while not first.search(screen()):
        if time.monotonic() > limit:
            return False
        time.sleep(0.1)
    return True


def row_of(one: Planted) -> str:
    """One line of the table."""
    delay = "-" if one.delay_s is None else f"{one.delay_s:.0f}"
    onset = "-" if one.onset_s is None else f"{one.onset_s}"
    verdict = "ok" if one.right else "MISSED" if one.onset_s is not None else "unseen"
    return (
        f"{one.seed:>4}  {one.kind:<12} {one.target:<14} {one.size:>6.1f}  {onset:>5}  {delay:>5}"
        f"  {one.first:<14} {one.voice:<8} {verdict:<7} {one.text}"
    )


HEAD: Final = "seed  kind         channel          size  onset  delay  first          voice    verdict"


def run_seed(seed: int) -> list[Planted]:
    """A station of its own for a seed; prints a line for each fault."""
    found: list[Planted] = []
    with tempfile.TemporaryDirectory(prefix="cubesat-planted-") as folder:
        station = Station(Path(folder), seed)
        with Path(folder, "station.log").open("wb") as log:
            process = subprocess.Popen(station.command("run"), env=station.environment, stdout=log, stderr=log)
        try:
            for one in plant_all(station, seed):
                print(row_of(one), file=sys.stderr, flush=True)
                found.append(one)
        finally:
            process.terminate()
            process.wait(timeout=30)
    return found


def measure(quick: bool = False) -> Iterator[Figure]:
    """How many of five kinds of fault a seed, three seeds, alarm in time with the right channel first."""
    print(HEAD, file=sys.stderr)
    found = [one for seed in SEEDS[: 1 if quick else None] for one in run_seed(seed)]
    seen = [one for one in found if one.onset_s is not None]
    right = sum(one.right for one in seen)
    delays = sorted(one.delay_s for one in seen if one.delay_s is not None)
    yield Figure(
        "planted faults that alarm within 60 s, right channel first, of 15",
        right * (3 if quick else 1),
        "faults",
        at_least=13,
        beside=f"of {len(seen)}; median delay {delays[len(delays) // 2] if delays else float('nan'):.0f} s",
    )
