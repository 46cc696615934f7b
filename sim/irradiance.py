"""Sun, albedo and the Earth's infrared on the six faces of a box in any attitude."""

from __future__ import annotations

from typing import Final

from sim.elementwise import Num, Ops

EARTH_INFRARED: Final = 237.0
"""W/m2; times a face's view factor it is what that face sees of the Earth's own glow."""

_V1: Final = 0.34
_V2: Final = 0.58
_V3: Final = 0.08

Twelve = tuple[Num, Num, Num, Num, Num, Num, Num, Num, Num, Num, Num, Num]


def view(ops: Ops[Num], cosine: Num, k: Num) -> Num:
    """View factor from a plate to the Earth: `cosine` between its normal and nadir, `k` Earth radius over distance.

    A cubic in (cosine + k) / (1 + k), zero where the Earth is behind the plate. Within 0.016 of the numerical
    integral over the visible cap at every tilt from 400 to 550 km (0.019 at 700 km); nadir is exact, k^2.
    """
    x = ops.maximum(0.0, (cosine + k) / (1.0 + k))
    return k * k * x * (_V1 + x * (_V2 + x * _V3))


def faces(
    ops: Ops[Num],
    sun_x: Num,
    sun_y: Num,
    sun_z: Num,
    up_x: Num,
    up_y: Num,
    up_z: Num,
    k: Num,
    flux: Num,
    reflected: Num,
) -> Twelve[Num]:
    """Light on each face of FACES (W/m2: Sun and albedo, not infrared), then their view factors of the Earth.

    Sun and up (away from the Earth) are unit vectors in body axes; `k`, `flux` and `reflected` are those of
    `sim.state.Forcing`.
    """
    scale = 1.0 / (1.0 + k)
    size = k * k
    maximum = ops.maximum

    x = maximum(0.0, (k - up_x) * scale)
    f0 = size * x * (_V1 + x * (_V2 + x * _V3))
    x = maximum(0.0, (k + up_x) * scale)
    f1 = size * x * (_V1 + x * (_V2 + x * _V3))
    x = maximum(0.0, (k - up_y) * scale)
    f2 = size * x * (_V1 + x * (_V2 + x * _V3))
    x = maximum(0.0, (k + up_y) * scale)
    f3 = size * x * (_V1 + x * (_V2 + x * _V3))
    x = maximum(0.0, (k - up_z) * scale)
    f4 = size * x * (_V1 + x * (_V2 + x * _V3))
    x = maximum(0.0, (k + up_z) * scale)
    f5 = size * x * (_V1 + x * (_V2 + x * _V3))

    ax, ay, az = flux * sun_x, flux * sun_y, flux * sun_z
    return (
        maximum(0.0, ax) + reflected * f0,
        maximum(0.0, -ax) + reflected * f1,
        maximum(0.0, ay) + reflected * f2,
        maximum(0.0, -ay) + reflected * f3,
        maximum(0.0, az) + reflected * f4,
        maximum(0.0, -az) + reflected * f5,
        f0,
        f1,
        f2,
        f3,
        f4,
        f5,
    )
