"""The campaign of `cubesat_tui.campaign` as the original would see it: a flagged row is an alarm.

The same packets, judged by `trainer.evaluation.row_flags` in a child process when all are flown.
"""

from __future__ import annotations

import subprocess
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from cubesat_tui.campaign import CREATED_S, JUDGED_S, Seen, Tell, course_of, figures, mission_of, unheard
from cubesat_tui.children import child_argv, child_environment
from cubesat_tui.paced_station import TrainerEnded, cpu_s
from telemetry.alarms import ANOMALY_PREFIX, RAISED, Event
from telemetry.clock import NS_PER_S
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.dictionary import Mission
    from telemetry.frame import Float64s, FrameBatch, Int64s
    from telemetry.store.directory import MissionDirectory


class _Flags(msgspec.Struct):
    alarms: dict[str, list[int]]
    fit_cpu_s: float
    flag_cpu_s: float
    rows: int
    scored: int


def original_campaign(directory: MissionDirectory, clean_s: int, seed: int, tell: Tell = unheard) -> dict[str, Any]:
    """Fly one and let the original flag it.

    Raises:
        TrainerEnded: the child that judges failed.
    """
    mission = mission_of(directory, seed, None)
    course = course_of(mission, clean_s)
    flight, seen, begun = course.flight, Seen(), cpu_s()
    batches: dict[str, list[FrameBatch]] = defaultdict(list)
    while flight.next_s < course.end_s:
        for batch in flight.fly(min(course.end_s, flight.next_s + JUDGED_S)):
            batches[batch.layout.packet].append(batch)
        tell(flight.next_s - CREATED_S, course.end_s - CREATED_S)
    flown_s = cpu_s() - begun
    file = directory.path / "rows.npz"
    columns: dict[str, Any] = _columns(mission, batches)
    np.savez(file, **columns)
    done = subprocess.run(
        child_argv("trainer", "flags", str(file)),
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        complaint = done.stderr.decode(errors="replace").strip().splitlines()
        raise TrainerEnded(plain_text(complaint[-1], 400) if complaint else "the child ended without a word")
    flags = msgspec.json.decode(done.stdout, type=_Flags)
    name = mission.satellites[0].name
    seen.raised = sorted(
        (
            Event(second * NS_PER_S, name, RAISED, subject=f"{ANOMALY_PREFIX}{channel}")
            for channel, seconds in flags.alarms.items()
            for second in seconds
        ),
        key=lambda event: event.at_ns,
    )
    seen.frames = sum(len(batch) for batch in batches["hk"])
    seen.learned_at = min(seen.frames, NEWEST)
    seen.later = seen.scored = seen.frames - seen.learned_at
    cost = {
        "fit_cpu_s": flags.fit_cpu_s,
        "channel_rows_per_cpu_s": flags.scored / flags.flag_cpu_s if flags.flag_cpu_s else 0.0,
        "flying_cpu_s": flown_s,
    }
    return figures(course, seen, cost)


NEWEST = 500
"""Rows the original learns from, as in `trainer.evaluation.row_flags`."""


def _columns(mission: Mission, batches: dict[str, list[FrameBatch]]) -> dict[str, Float64s | Int64s]:
    """`t/<channel>` and `value/<channel>` of the measured channels."""
    known = mission.bus_of(mission.satellites[0].name).by_name
    out: dict[str, Float64s | Int64s] = {}
    for parts in batches.values():
        t_s = np.concatenate([part.t_ns for part in parts]) // NS_PER_S
        values = np.concatenate([part.values for part in parts])
        for column, channel in enumerate(parts[0].layout.names):
            if not known[channel].enum:
                out[f"t/{channel}"], out[f"value/{channel}"] = t_s, values[:, column]
    return out
