"""How a new mission's satellites are found where their release was only just: turning, wheels at rest."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sim.state import ADCS_DETUMBLE, DETUMBLE, State

STREAM = 0x7E1EA5E


def released(state: State[float], deg_s: float, seed: int, number: int) -> State[float]:
    """`state` turning at `deg_s` about an axis drawn for satellite `number` of its mission; it begins to brake.

    Its computer has just started and has seen no field yet.
    """
    draw = np.random.Generator(np.random.Philox(key=[seed % 2**64, STREAM], counter=[0, 0, number, 0]))
    z, around = draw.uniform(-1.0, 1.0), draw.uniform(0.0, 2.0 * math.pi)
    aside, rate = math.sqrt(1.0 - z * z), math.radians(deg_s)
    still = dict.fromkeys(("hx", "hy", "hz", "bx", "by", "bz", "in_mode_s", "uptime", "reboots", "tx_count"), 0.0)
    return replace(
        state,
        wx=rate * aside * math.cos(around),
        wy=rate * aside * math.sin(around),
        wz=rate * z,
        mode=DETUMBLE,
        adcs=ADCS_DETUMBLE,
        **still,
    )
