"""Stuck and rate allowances of the shipped missions: no clean day breaks one, a stuck or spiking sensor does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.allowances import allowances
from sim.catalogue import Fault
from sim.channels import BY_NAME, PRESETS
from sim.labelled_run import LabelledRun
from sim.preset import demo_mission_toml
from sim.scenario import scenario
from telemetry.clock import NS_PER_S
from telemetry.dictionary import Bus, Mission, read_mission
from telemetry.frame import FrameBatch
from telemetry.freshness import Validity
from telemetry.limits import Transition
from telemetry.movement import Movement

CREATED_S = 1_795_355_400
ROUTINES = """
about = "What a healthy satellite does, often."
[[fault]]
kind = "safe_exercise"
every_s = 30000
every_from = 1
at_most_s = 900
[[fault]]
kind = "restart"
every_s = 20000
every_from = 1
at_s = [5000, 9000]
[[fault]]
kind = "payload_off"
every_s = 60000
every_from = 1
at_most_s = 9000
[[fault]]
kind = "quiet_radio"
every_s = 25000
every_from = 1
at_s = [500, 20000]
at_most_s = 2700
"""


def mission(path: Path, bus: str, seed: int) -> Mission:
    (path / "mission.toml").write_text(
        demo_mission_toml(CREATED_S * NS_PER_S, seed, "quiet", bus), encoding="utf-8"
    )
    return read_mission(path)


class Watch:
    """The rules of a satellite's packets, fed with the seconds of a run."""

    def __init__(self, bus: Bus, run: LabelledRun) -> None:
        self._bus = bus
        self._start_s = run.start_s
        self._column = {channel.name: i for i, channel in enumerate(run.channels)}
        self._rules = {
            packet: (layout, Movement(bus, layout), Validity(bus.channels_of(layout)))
            for packet, layout in bus.layouts.items()
        }
        self.told: list[tuple[int, Transition]] = []
        """Second since the start, and what began or ended in it."""

    def step(self, t0_s: int, values: np.ndarray, sent: np.ndarray) -> None:
        seconds = np.arange(t0_s, t0_s + len(values))
        modes = values[:, self._column["obc.mode"]]
        for layout, movement, validity in self._rules.values():
            columns = [self._column[name] for name in layout.names]
            rows = np.flatnonzero(sent[:, columns].any(axis=1))
            if not len(rows):
                continue
            t_ns = seconds[rows] * NS_PER_S
            zeros = np.zeros(len(rows), dtype=np.int64)
            packet = values[np.ix_(rows, columns)]
            batch = FrameBatch(layout, ("K",), zeros, zeros + 1, seconds[rows], t_ns, t_ns, zeros, packet)
            context = modes[rows]
            changed = movement.step(
                batch,
                validity.mask(packet),
                np.ones(len(rows), dtype=np.bool_),
                lambda *_, c=context: {"obc.mode": c},
            )
            self.told += [(int(seconds[rows[i]]) - self._start_s, one) for i, one in changed.changes]


def flown(
    simulated: Mission, story: str, seconds: int, faults: tuple[Fault, ...] = ()
) -> tuple[Watch, LabelledRun]:
    run = LabelledRun(simulated, scenario(story), CREATED_S, seconds, faults)
    watch = Watch(simulated.bus_of(simulated.satellites[0].name), run)
    for rows in run.rows():
        watch.step(rows.t0_s, rows.values[:, 0], rows.sent[:, 0])
    return watch, run


@pytest.mark.timeout(600)
@pytest.mark.parametrize("bus", list(PRESETS))
def test_a_clean_day_breaks_no_allowance(tmp_path: Path, bus: str) -> None:
    """Eclipses, passes, modes, and what rarely happens to a healthy satellite: exercises, restarts, pauses."""
    (tmp_path / "routines.toml").write_text(ROUTINES)
    watch, run = flown(mission(tmp_path, bus, 11), str(tmp_path / "routines.toml"), 86_400)
    assert {fault.kind for fault in run.faults} >= {"safe_exercise", "restart", "quiet_radio"}
    assert [(t, one.channel.name, one.result.rule) for t, one in watch.told] == []


def planted(kind: str, names: list[str], begins: tuple[int, ...], length_s: int, size: float) -> tuple[Fault, ...]:
    """The same fault on each channel, a second apart, several times."""
    return tuple(
        Fault(
            f"{kind}/{name}/{begin}", kind, "KESTREL-1", name, CREATED_S + begin, CREATED_S + begin + length_s, size
        )
        for name in names
        for begin in begins
    )


def delays(watch: Watch, faults: tuple[Fault, ...], rule: str, within_s: int) -> dict[str, list[int | None]]:
    """Channel -> seconds from each fault's first one to the first time its rule told of it; None: it did not."""
    found: dict[str, list[int | None]] = {}
    for fault in faults:
        begin = fault.start_s - CREATED_S
        told = [
            t - begin
            for t, one in watch.told
            if one.entered and one.channel.name == fault.target and one.result.rule == rule
            if begin <= t <= begin + within_s
        ]
        found.setdefault(fault.target, []).append(min(told, default=None))
    return found


SLOW_TO_TELL = {"eps.bat_v", "orb.alt_km"}
"""A resolution of more than twice the noise, or of 20 s of motion: they stand still for longer than others."""


def test_a_stuck_sensor_is_told_of_within_a_minute(tmp_path: Path) -> None:
    """On every channel that is sent each second; a light and a dark part of two orbits."""
    names = [one.name for one in PRESETS["3u-extended"] if one.packet in ("hk", "pld") and not one.enum]
    faults = planted("stuck", names, (700, 2_300, 4_500, 6_300, 8_000), 400, 0.0)
    watch, run = flown(mission(tmp_path, "3u-extended", 3), "quiet", 9_000, faults)
    onset = {one.fault.id: one.observable_s for one in run.told()}
    found = delays(watch, faults, "stuck", 400)
    late: list[str] = []
    for name in names:
        for begin, delay in zip((700, 2_300, 4_500, 6_300, 8_000), found[name], strict=True):
            seen = onset.get(f"stuck/{name}/{begin}")
            if seen is not None and (delay is None or delay > seen - CREATED_S - begin + 60):
                late.append(name)
    assert set(late) <= SLOW_TO_TELL
    assert all(delay is not None for name in names for delay in found[name])
    assert not [one for _, one in watch.told if one.entered and one.channel.name not in names]


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_a_spike_of_20_sigma_is_told_of(tmp_path: Path, samples: int) -> None:
    """On every channel with a rate allowance; a full battery cannot show one upwards."""
    names = [one.name for one in PRESETS["3u"] if "max_rate" in allowances("3u", one.name)]
    names.remove("eps.bat_soc")
    begins = tuple(range(600, 5_600, 250))
    faults = tuple(
        Fault(
            f"spike/{name}/{begin}", "spike", "KESTREL-1", name,
            CREATED_S + begin, CREATED_S + begin + samples * BY_NAME[name].period_s, 20.0,
        )
        for name in names
        for begin in begins
    )  # fmt: skip
    watch, _ = flown(mission(tmp_path, "3u", 4), "quiet", 5_700, faults)
    found = delays(watch, faults, "rate", 60)
    missed = {name: sum(delay is None for delay in told) for name, told in found.items()}
    told = sum(one.entered for _, one in watch.told)
    assert sum(missed.values()) <= 0.01 * len(faults)
    assert told <= 1.05 * len(faults)
    assert sum(not one.entered for _, one in watch.told) == told
