"""From a scenario to faults with times: a pure function of scenario, seed and the mission's first frame.

So a restarted simulator neither repeats nor skips a fault. Faults come in periods (those that happen once belong to
the first); the faults of a period are known when it begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from sim.catalogue import FACES, FOR_EVER_S, KINDS, ORBIT_S, Fault
from sim.channels import BY_NAME, SimChannel
from sim.scenario import BRIGHTEST, Planned, Scenario

if TYPE_CHECKING:
    from sim.sky import Sky

LATEST_S: Final = 2 * ORBIT_S
"""A fault that waits for a pass or for sunlight waits no longer than this."""
SUN_STEP_S: Final = 300
MARGIN_S: Final = 300
"""A fault of a period begins so long before the period's end."""


class Schedule:
    """Faults of the satellites of a mission.

    Args:
        first_start_s: UTC second of the mission's first frame.
        satellites: who they happen to; each fault happens to one of them, drawn.
        channels: names of the measured channels; a fault that names none breaks one that shows it at any time.
        sky: where the satellites are, for faults that wait for a pass or for sunlight.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        first_start_s: int,
        satellites: Sequence[str],
        channels: Sequence[str],
        sky: Sky,
    ) -> None:
        self.scenario = scenario
        self.first_start_s = first_start_s
        self._seed = seed
        self._satellites = tuple(satellites)
        self._channels = tuple(name for name in channels if _worth_breaking(BY_NAME[name]))
        self._sky = sky

    def starting(self, t0_s: int, t1_s: int) -> list[Fault]:
        """Faults of the periods that begin in t0_s <= t < t1_s, in the order of the file."""
        found: list[Fault] = []
        for number, planned in enumerate(self.scenario.fault):
            if planned.every_s is None:
                if t0_s <= self.first_start_s < t1_s:
                    found.append(self._fault(number, planned, 0, self.first_start_s))
                continue
            first = max(planned.every_from, -(-(t0_s - self.first_start_s) // planned.every_s))
            last = -(-(t1_s - self.first_start_s) // planned.every_s)
            found += [
                self._fault(number, planned, k, self.first_start_s + k * planned.every_s)
                for k in range(first, last)
                if (k - planned.every_from) % planned.every_nth == 0
            ]
        return found

    def before(self, t_s: int) -> list[Fault]:
        """Faults of the periods that began before `t_s` and were not over before it."""
        longest = max((self._longest(planned) for planned in self.scenario.fault), default=0)
        since = max(self.first_start_s, t_s - longest)
        found = self.starting(since, t_s)
        if since > self.first_start_s:
            found += self.starting(self.first_start_s, self.first_start_s + 1)
        return [fault for fault in found if fault.end_s >= t_s]

    @staticmethod
    def _longest(planned: Planned) -> int:
        usual = tuple(longest for kind in planned.kinds for longest in KINDS[kind].lasts_s)
        lasts = planned.lasts_s if planned.lasts_s is not None else usual
        longest = min(lasts if isinstance(lasts, int) else max(lasts), planned.at_most_s or FOR_EVER_S)
        latest = planned.at_s if isinstance(planned.at_s, int) else max(planned.at_s)
        return max(planned.every_s or 0, latest) + longest + LATEST_S

    def _fault(self, number: int, planned: Planned, period: int, begins_s: int) -> Fault:
        draw = np.random.Generator(
            np.random.Philox(key=[self._seed % 2**64, 0xFA0000 + number], counter=[0, 0, period, 0])
        )
        kinds = planned.kinds
        kind = KINDS[kinds[int(draw.integers(len(kinds))) if len(kinds) > 1 else 0]]
        satellite = self._satellites[int(draw.integers(len(self._satellites)))]
        targets = (planned.target,) if isinstance(planned.target, str) else planned.target
        if targets == ("",):
            targets = self._channels if kind.targets == ("channel",) else kind.drawn or kind.targets
        target = targets[int(draw.integers(len(targets)))]
        at = planned.at_s
        if planned.every_s is not None and at == 0:
            at = (0, max(0, planned.every_s - MARGIN_S))
        start = begins_s + _whole(at, draw)
        lasts = _whole(planned.lasts_s if planned.lasts_s is not None else kind.lasts_s, draw)
        size = _number(planned.size, draw) if planned.size is not None else kind.size_at(draw.random())
        if self._seed == 1 and planned.seed_1 is not None and period == 0:
            target = planned.seed_1.target or target
            start = begins_s + planned.seed_1.at_s if planned.seed_1.at_s is not None else start
        if planned.at == "pass":
            start = self._sky.next_pass_s(satellite, start, start + LATEST_S)
        elif planned.at == "sunlight" or target == BRIGHTEST:
            start, brightest = self._sunlit(satellite, start, lasts)
            target = brightest if target == BRIGHTEST else target
        if kind.layer == "sensor" and planned.lasts_s is None:
            # A slow channel is sent once in that time.
            lasts = max(lasts, BY_NAME[target].period_s)
        lasts = min(lasts, planned.at_most_s or lasts)
        name = f"{self.scenario.name}/{number + 1}.{period}"
        return Fault(name, kind.name, satellite, target, start, start + max(1, lasts), size, planned.how)

    def _sunlit(self, satellite: str, start_s: int, lasts_s: int) -> tuple[int, str]:
        """Start, put off until one face has sunlight for the whole time (or half an hour of it), and that face."""
        lasts = min(lasts_s, 1_800)
        face = FACES[0]
        for later in range(0, LATEST_S, SUN_STEP_S):
            found, enough = self._sky.brightest(satellite, start_s + later, start_s + later + lasts)
            if later == 0:
                face = found
            if enough:
                return start_s + later, found
        return start_s, face


def _worth_breaking(channel: SimChannel) -> bool:
    """Whether a fault of its sensor shows at any time: it is measured, and sent outside passes too."""
    return channel.sigma > 0.0 and not channel.contact_only


def _whole(value: int | tuple[int, ...], draw: np.random.Generator) -> int:
    if isinstance(value, int):
        return value
    return int(draw.integers(value[0], max(value) + 1))


def _number(value: float | tuple[float, ...], draw: np.random.Generator) -> float:
    if isinstance(value, float | int):
        return float(value)
    return float(value[0] + (value[1] - value[0]) * draw.random())
