"""What goes wrong, and when: a bias on a rangefinder, the loss of half of one face's solar cells.

A schedule is a pure function of scenario, seed and the moment of the mission's first start, so a restarted
simulator neither repeats nor skips a fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from sim.environment import FACES, Surroundings
from sim.noise import BLOCK

SCENARIOS: Final = ("hello", "quiet")
RANGEFINDERS: Final = ("n", "e", "s", "w")
BIAS_CM: Final = 25.0
BIAS_LASTS_S: Final = 55
LOSS_AFTER_S: Final = 240
LOSS_LASTS_S: Final = 600
SLOT_S: Final = 1800
ENOUGH_W: Final = 2.4


@dataclass(frozen=True, slots=True)
class Fault:
    """Active from `start_s` to before `end_s` (UTC seconds).

    A `bias` adds `size` to what channel `target` measures; a `panel_loss` takes the fraction `size` of the cells of
    face `target` away, with all that follows from it.
    """

    kind: Literal["bias", "panel_loss"]
    start_s: int
    end_s: int
    target: str
    size: float


class Schedule:
    """Faults of one satellite. `first_start_s` is the UTC second of the mission's first live frame.

    Raises:
        ValueError: unknown scenario.
    """

    def __init__(self, scenario: str, seed: int, first_start_s: int, surroundings: Surroundings) -> None:
        if scenario not in SCENARIOS:
            raise ValueError(f"scenario: {scenario!r}: allowed: {', '.join(SCENARIOS)}")
        self.scenario = scenario
        self.first_start_s = first_start_s
        self._seed = seed
        self._surroundings = surroundings
        self._slots: dict[int, Fault] = {}
        self._opening: tuple[Fault, ...] | None = None

    def between(self, t0_s: int, t1_s: int) -> list[Fault]:
        """Faults that are active at some second of t0_s <= t < t1_s."""
        if self.scenario == "quiet":
            return []
        elapsed = t1_s - self.first_start_s
        found = list(self._hello()) if t0_s - self.first_start_s <= 2 * SLOT_S else []
        first = max(1, (t0_s - self.first_start_s) // SLOT_S - 3)
        found += [self._slot(number) for number in range(first, elapsed // SLOT_S + 1)]
        return [fault for fault in found if fault.start_s < t1_s and fault.end_s > t0_s]

    def _draw(self, stream: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=[self._seed % 2**64, stream]))

    def _hello(self) -> tuple[Fault, ...]:
        if self._opening is None:
            draw = self._draw(0xFA017)
            face, onset = "s", 20
            if self._seed != 1:
                face = RANGEFINDERS[int(draw.integers(4))]
                onset = 15 + int(draw.integers(26))
            start = self.first_start_s + onset
            bias = Fault("bias", start, start + BIAS_LASTS_S, f"pld.dist_{face}", BIAS_CM)
            self._opening = (bias, self._panel_loss(self.first_start_s + LOSS_AFTER_S))
        return self._opening

    def _slot(self, number: int) -> Fault:
        """One fault per half hour, the two kinds in turn; the first half hour belongs to `_hello`."""
        known = self._slots.get(number)
        if known is None:
            draw = self._draw(0xFA100 + number)
            start = self.first_start_s + number * SLOT_S + int(draw.integers(SLOT_S - 300))
            if number % 2:
                face = RANGEFINDERS[int(draw.integers(4))]
                lasts = 60 + int(draw.integers(180))
                known = Fault("bias", start, start + lasts, f"pld.dist_{face}", BIAS_CM)
            else:
                known = self._panel_loss(start)
            self._slots[number] = known
        return known

    def _panel_loss(self, start_s: int) -> Fault:
        """Half of the face that would earn most; put off until one of them is in sunlight for the whole time."""
        earned, face = 0.0, FACES[0]
        for _ in range(12):
            earned, face = self._best_face(start_s)
            if earned > ENOUGH_W:
                break
            start_s += 300
        return Fault("panel_loss", start_s, start_s + LOSS_LASTS_S, face, 0.5)

    def _best_face(self, start_s: int) -> tuple[float, str]:
        """Smallest power (W) over the fault's time, at the face where that is largest."""
        samples: list[list[float]] = []
        for t in range(start_s, start_s + LOSS_LASTS_S + 1, 60):
            forcing = self._surroundings.forcing(t // BLOCK)
            samples.append(forcing.potential[t % BLOCK].tolist())
        weakest = np.array(samples).min(axis=0)
        best = int(np.argmax(weakest))
        return float(weakest[best]), FACES[best]
