"""A campaign: one simulated satellite learns from its first frame, flies clean days, and then has a bad one.

The run is a station's own (`cubesat_tui.paced_station`): same model, same thresholds, same journal. A fault is
found when an anomaly alarm is raised between its observable onset, by the labels of its twin, and its end; what
limits and rules raise is counted apart. Frames are judged in pieces of some seconds, each packet's in order.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cubesat_tui.paced_station import Considered, PacedStation, cpu_s
from sim.catalogue import KINDS, ORBIT_S, Fault
from sim.observed import ObservedFlight
from sim.preset import demo_mission_toml
from telemetry.alarms import ANOMALY_PREFIX, RAISED, Event
from telemetry.clock import NS_PER_S
from telemetry.dictionary import Mission, read_mission

if TYPE_CHECKING:
    from sim.labels import Told
    from telemetry.store.directory import MissionDirectory

STORY: Final = "bad-day"
CREATED_S: Final = 1_795_331_700
"""2026-11-22T07:15:00Z: the first second of every campaign, whatever its seed."""
CONSIDERED_S: Final = 30
"""Between two cycles of the trainer."""
JUDGED_S: Final = 10
"""Seconds of frames that are judged together."""
LEARNING_S: Final = 6_000
"""The clean days are counted from here: a detector that still learns then is late, not excused."""
DAY_S: Final = 86_400
AFTER_S: Final = 900
"""Flown after the last fault."""
AFTERMATH_S: Final = 600
"""An alarm this long after the end of a routine is the routine's."""
LATE_S: Final = 30
"""An alarm this long after the end of a fault still found it."""
FEW: Final = 20
"""Alarms listed one by one."""
ROUTINES: Final = (
    ("restart", 1, 4.0),
    ("safe_exercise", 900, 7.0),
    ("payload_off", 2 * ORBIT_S, 10.0),
    ("quiet_radio", 2 * ORBIT_S, 16.0),
)
"""Kind, seconds and about which hour of every clean day."""


@dataclass(slots=True)
class Seen:
    """What a run left behind."""

    frames: int = 0
    """Housekeeping frames."""
    learned_at: int | None = None
    """Housekeeping frames before the first one that was scored."""
    later: int = 0
    scored: int = 0
    raised: list[Event] = field(default_factory=list[Event])
    decisions: dict[str, int] = field(default_factory=dict[str, int])
    fits: int = 0
    trainer_s: float = 0.0
    channel_rows: int = 0


def mission_of(directory: MissionDirectory, seed: int, kind: str | None) -> Mission:
    """Make the mission of a campaign in an empty directory; `kind` as in `[detector]`, None: the usual.

    Raises:
        telemetry.dictionary.MissionError: there is no such kind.
    """
    directory.create()
    text = demo_mission_toml(CREATED_S * NS_PER_S, seed, "quiet")
    lines = [f'kind = "{kind}"' if kind and line in _KINDS else line for line in text.splitlines()]
    directory.toml.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_mission(directory.path)


_KINDS = ('kind = "isolation_forest"', 'kind = "fusion"')


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What is flown: learning, clean seconds with routines, then `STORY`."""

    flight: ObservedFlight
    seed: int
    clean_s: int
    routines: list[Fault]
    faults_from_s: int
    """UTC second in which the clean part ends."""
    end_s: int


def course_of(mission: Mission, clean_s: int) -> Course:
    """Plan it; the flight stands at its first second."""
    flight = ObservedFlight(mission, CREATED_S)
    seed, faults_from_s = mission.source.seed, CREATED_S + LEARNING_S + clean_s
    routines = routines_of(mission.satellites[0].name, seed, CREATED_S + LEARNING_S, clean_s)
    faults = flight.story(STORY, faults_from_s)
    flight.give([*routines, *faults])
    return Course(flight, seed, clean_s, routines, faults_from_s, max(fault.end_s for fault in faults) + AFTER_S)


Tell = Callable[[int, int], None]


def unheard(_flown_s: int, _of_s: int) -> None:
    """A `Tell` for nobody."""


def campaign(
    directory: MissionDirectory, clean_s: int, seed: int, kind: str, tell: Tell = unheard
) -> dict[str, Any]:
    """Fly one and judge the detector `kind`; `tell` hears how many seconds of how many are flown.

    Raises:
        telemetry.dictionary.MissionError: no station can be served by such a detector.
        cubesat_tui.paced_station.TrainerEnded: the trainer did not survive.
    """
    mission = mission_of(directory, seed, kind)
    course = course_of(mission, clean_s)
    flight, seen, flown_s = course.flight, Seen(), 0.0
    with PacedStation(directory, mission, CREATED_S * NS_PER_S) as station:
        while flight.next_s < course.end_s:
            flown_s += follow(station, flight, min(course.end_s, flight.next_s + CONSIDERED_S), seen)
            note(seen, station.consider())
            tell(flight.next_s - CREATED_S, course.end_s - CREATED_S)
    cost = {
        "cycles": sum(seen.decisions.values()),
        "fits": seen.fits,
        "promoted": seen.decisions.get("promoted", 0),
        "rejected": seen.decisions.get("rejected", 0),
        "fit_cpu_s": seen.trainer_s,
        "channel_rows_per_cpu_s": seen.channel_rows / station.judging_s,
        "judging_cpu_s": station.judging_s,
        "storing_cpu_s": station.storing_s,
        "flying_cpu_s": flown_s,
    }
    return figures(course, seen, cost)


def figures(course: Course, seen: Seen, cost: dict[str, Any]) -> dict[str, Any]:
    """The course judged by what was raised."""
    told = [one for one in course.flight.told() if one.fault.layer != "routine"]
    anomalies = [event for event in seen.raised if event.subject.startswith(ANOMALY_PREFIX)]
    rules = [event for event in seen.raised if not event.subject.startswith(ANOMALY_PREFIX)]
    until_ns = course.faults_from_s * NS_PER_S
    clean = [event for event in anomalies if event.at_ns < until_ns]
    found = [_found(one, anomalies) for one in told]
    delays = [one["delay_s"] for one in found if one["delay_s"] is not None]
    stray = [event for event in anomalies if event.at_ns >= until_ns and not _of_fault(event, told)]
    return {
        "days": round(course.clean_s / DAY_S, 3),
        "seed": course.seed,
        "clean_alarms": len(clean),
        "clean_alarms_per_day": len(clean) / (course.clean_s / DAY_S),
        "rare_events": len(course.routines),
        "rare_event_alarms": sum(_of_routine(event, course.routines) != "" for event in clean),
        "faults": len(told),
        "faults_found": len(delays),
        "median_delay_s": float(statistics.median(delays)) if delays else None,
        "other_alarms": len(stray),
        "faults_found_by_rules": sum(_first(one, rules) is not None for one in told),
        "clean_alarms_by_rules": sum(event.at_ns < until_ns for event in rules),
        "learning_ends_frame": seen.learned_at,
        "later_scored_share": seen.scored / seen.later if seen.later else 0.0,
        "frames": seen.frames,
        **cost,
        "each": found,
        "alarms": [
            {
                "at_s": event.at_ns // NS_PER_S - CREATED_S,
                "subject": event.subject,
                "during": _of_fault(event, told) or _of_routine(event, course.routines) or "-",
                "text": event.text,
            }
            for event in anomalies[:FEW]
        ],
    }


def routines_of(satellite: str, seed: int, t0_s: int, clean_s: int) -> list[Fault]:
    """What an operator plans on clean days: each of `ROUTINES` once a day, about its hour, drawn by the seed."""
    draw = np.random.Generator(np.random.Philox(key=[seed, 0xCA3B]))
    found: list[Fault] = []
    for day, (kind, lasts_s, hour) in itertools.product(range(-(-clean_s // DAY_S)), ROUTINES):
        share = min(clean_s, DAY_S) / DAY_S
        start_s = t0_s + day * DAY_S + round(share * 3_600.0 * (hour + 2.0 * draw.random()))
        end_s = start_s + (round(lasts_s * share) if lasts_s > ORBIT_S else lasts_s)
        target = KINDS[kind].targets[0]
        found.append(Fault(f"routine-{day}-{kind}", kind, satellite, target, start_s, end_s, 0.0))
    return [one for one in found if one.end_s <= t0_s + clean_s]


def follow(station: PacedStation, flight: ObservedFlight, stop_s: int, seen: Seen) -> float:
    """Fly on and let the station judge; the CPU seconds of the flight."""
    flown_s = 0.0
    while flight.next_s < stop_s:
        begun = cpu_s()
        batches = flight.fly(min(stop_s, flight.next_s + JUDGED_S))
        flown_s += cpu_s() - begun
        for scored, events in station.take(batches, flight.next_s * NS_PER_S):
            seen.raised += [event for event in events if event.kind == RAISED]
            judged = 0 if scored.score is None else int((scored.score.model != 0).sum())
            seen.channel_rows += judged * len(scored.batch.layout)
            if scored.batch.layout.packet == "hk":
                _count(seen, len(scored.batch), judged)
    return flown_s


def _count(seen: Seen, rows: int, judged: int) -> None:
    if seen.learned_at is None and judged:
        seen.learned_at = seen.frames + rows - judged
        seen.later = seen.scored = judged
    elif seen.learned_at is not None:
        seen.later += rows
        seen.scored += judged
    seen.frames += rows


def note(seen: Seen, considered: Considered) -> None:
    """Count what the trainer did."""
    seen.trainer_s += considered.cpu_s
    seen.fits += considered.fitted
    for decision, _, _ in considered.runs:
        seen.decisions[decision] = seen.decisions.get(decision, 0) + 1


def _first(one: Told, raised: list[Event]) -> Event | None:
    """The first alarm from the observable onset of a fault to its end."""
    if one.observable_s is None:
        return None
    t0_ns, t1_ns = one.observable_s * NS_PER_S, (max(one.fault.end_s, one.observable_s) + LATE_S) * NS_PER_S
    return min((event for event in raised if t0_ns <= event.at_ns < t1_ns), key=lambda e: e.at_ns, default=None)


def _found(one: Told, raised: list[Event]) -> dict[str, Any]:
    event = _first(one, raised)
    onset_s = one.observable_s
    return {
        "kind": one.fault.kind,
        "target": one.fault.target,
        "size": one.fault.size,
        "at_s": one.fault.start_s - CREATED_S,
        "observable_after_s": None if onset_s is None else onset_s - one.fault.start_s,
        "delay_s": None if event is None or onset_s is None else event.at_ns / NS_PER_S - onset_s,
        "alarm": "" if event is None else event.subject.removeprefix(ANOMALY_PREFIX),
        "first_reached": " ".join(one.channels[:3]),
    }


def _of_fault(event: Event, told: list[Told]) -> str:
    for one in told:
        if (
            one.fault.start_s * NS_PER_S
            <= event.at_ns
            < (max(one.fault.end_s, one.last_s or 0) + LATE_S) * NS_PER_S
        ):
            return one.fault.kind
    return ""


def _of_routine(event: Event, routines: list[Fault]) -> str:
    for one in routines:
        if one.start_s * NS_PER_S <= event.at_ns < (one.end_s + AFTERMATH_S) * NS_PER_S:
            return one.kind
    return ""
