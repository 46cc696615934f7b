"""What goes wrong, and when: a bias on a rangefinder, the loss of half of one face's solar cells.

A schedule is a pure function of scenario, seed and the moment of the mission's first start, so a restarted
simulator neither repeats nor skips a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from sim import motion
from sim.attitude import look
from sim.channels import COLUMN
from sim.craft import FACES, Craft
from sim.elementwise import ARRAYS, Floats
from sim.irradiance import faces
from sim.noise import BLOCK_S
from sim.plan import Held, NoFaults
from sim.power import potential
from sim.state import HEALTHY, Forcing, Knobs, State
from sim.surroundings import Surroundings

if TYPE_CHECKING:
    from telemetry.frame import FrameBatch

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
    satellite: int = 0
    """Index in the flight."""


class Biases(NoFaults):
    """`sim.plan.Plan` of a list of faults."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = tuple(faults)

    def _active(self, kind: str, t0_s: int, t1_s: int) -> list[Fault]:
        return [f for f in self._faults if f.kind == kind and f.start_s < t1_s and f.end_s > t0_s]

    def touched(self, t0_s: int, t1_s: int) -> Sequence[int]:
        return sorted({fault.satellite for fault in self._active("panel_loss", t0_s, t1_s)})

    def knobs(self, satellite: int, t_s: int) -> Knobs[float] | None:
        lost: dict[str, Any] = {}
        for fault in self._active("panel_loss", t_s, t_s + 1):
            if fault.satellite == satellite:
                lost[f"s_{fault.target}"] = lost.get(f"s_{fault.target}", 1.0) * (1.0 - fault.size)
        return replace(HEALTHY, **lost) if lost else None

    def senses(self, t0_s: int, t1_s: int) -> bool:
        return bool(self._active("bias", t0_s, t1_s))

    def sense(self, values: Floats, noise: Floats, t0_s: int, held: Held) -> None:
        del noise, held
        for fault in self._active("bias", t0_s, t0_s + len(values)):
            when = slice(max(fault.start_s - t0_s, 0), max(fault.end_s - t0_s, 0))
            values[when, fault.satellite, COLUMN[fault.target]] += fault.size

    def transport(self, batches: list[FrameBatch], t0_s: int, t1_s: int) -> list[FrameBatch]:
        del t0_s, t1_s
        return batches


class Schedule:
    """Faults of the satellites of a flight. `first_start_s` is the UTC second of the mission's first live frame.

    The faults of the first half hour befall the first satellite; later ones one satellite each, drawn.

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

    def plan(self, t0_s: int, t1_s: int) -> Biases:
        """What is active in these seconds, for the flight."""
        return Biases(self.between(t0_s, t1_s))

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
            self._opening = (bias, self._panel_loss(self.first_start_s + LOSS_AFTER_S, 0))
        return self._opening

    def _slot(self, number: int) -> Fault:
        """One fault per half hour, the two kinds in turn; the first half hour belongs to `_hello`."""
        known = self._slots.get(number)
        if known is None:
            draw = self._draw(0xFA100 + number)
            start = self.first_start_s + number * SLOT_S + int(draw.integers(SLOT_S - 300))
            satellites = len(self._surroundings)
            if number % 2:
                face = RANGEFINDERS[int(draw.integers(4))]
                lasts = 60 + int(draw.integers(180))
                satellite = int(draw.integers(satellites))
                known = Fault("bias", start, start + lasts, f"pld.dist_{face}", BIAS_CM, satellite)
            else:
                known = self._panel_loss(start, int(draw.integers(satellites)))
            self._slots[number] = known
        return known

    def _panel_loss(self, start_s: int, satellite: int) -> Fault:
        """Half of the face that would earn most; put off until one of them is in sunlight for the whole time."""
        face = FACES[0]
        for _ in range(12):
            earned, face = self._best_face(start_s, satellite)
            if earned > ENOUGH_W:
                break
            start_s += 300
        return Fault("panel_loss", start_s, start_s + LOSS_LASTS_S, face, 0.5, satellite)

    def _best_face(self, start_s: int, satellite: int) -> tuple[float, str]:
        """Smallest power (W) over the fault's time, at the face where that is largest."""
        weakest = np.full(len(FACES), np.inf)
        for t in range(start_s, start_s + LOSS_LASTS_S + 1, 60):
            around = self._surroundings.block(t // BLOCK_S)
            f = Forcing(*around.table[:, t - around.start_s, satellite : satellite + 1])
            weakest = np.minimum(weakest, _potential(self._surroundings.craft, f))
        best = int(np.argmax(weakest))
        return float(weakest[best]), FACES[best]


def _potential(craft: Craft, f: Forcing[Floats]) -> Floats:
    """What the cells of each face of a pointing satellite would give at 28 degC, W."""
    seen = look(State(*motion.nadir(f)[0]), f)
    lit = faces(ARRAYS, seen.sx, seen.sy, seen.sz, seen.ux, seen.uy, seen.uz, f.k, f.flux, f.reflected)
    six = potential(craft, ARRAYS, lit[:6], HEALTHY)
    return np.array([float(np.broadcast_to(one, 1)[0]) for one in six])
