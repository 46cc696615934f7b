"""Three-dimensional points to the plane of a terminal: a view that turns by key step, and a scale that holds still.

The scale comes from the points themselves in three dimensions, so turning the view never zooms it: what grows on
screen really lies further out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]

STEP_DEG = 10.0
"""Degrees one key press turns the view."""


@dataclass(frozen=True)
class View:
    """Where the points are looked at from: azimuth about the third axis, elevation above its plane, in degrees."""

    azimuth: float = 30.0
    elevation: float = 20.0

    def turned(self, azimuth: float = 0.0, elevation: float = 0.0) -> View:
        """The view after turning; azimuth wraps to [0, 360), elevation stops at the poles."""
        return View((self.azimuth + azimuth) % 360.0, max(-90.0, min(90.0, self.elevation + elevation)))

    @property
    def matrix(self) -> Float64s:
        """Rotation of shape (3, 3), rows: right, up, towards the viewer. Orthonormal."""
        a, e = math.radians(self.azimuth), math.radians(self.elevation)
        return np.array(
            [
                [-math.sin(a), math.cos(a), 0.0],
                [-math.sin(e) * math.cos(a), -math.sin(e) * math.sin(a), math.cos(e)],
                [math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)],
            ]
        )


@dataclass(frozen=True)
class Scale:
    """Centre and half-range per axis, each of shape (3,), in the units of the points."""

    centre: Float64s
    half: Float64s

    def apply(self, points: Float64s) -> Float64s:
        """Points of shape (n, 3) in units of the half-range about the centre."""
        return (points - self.centre) / self.half


def scale_of(points: Float64s, reach: float = 1.1) -> Scale:
    """The scale that shows the bulk of `points` (n, 3) within the unit sphere.

    The half-range of an axis spans its 1st to 99th percentile; `reach` leaves a margin for what lies outside. One
    frame a thousand sigma away must not squash the picture, so the scale does not stretch for it: such a point is
    drawn in the rim (`plane`). A flat axis gets a half-range of 1, rows that are not finite are ignored.
    """
    finite = points[np.isfinite(points).all(axis=1)]
    if not len(finite):
        return Scale(np.zeros(3), np.ones(3))
    low, high = np.percentile(finite, [1.0, 99.0], axis=0)
    half = (high - low) / 2.0 * reach
    return Scale((high + low) / 2.0, np.where(half > 1e-12, half, 1.0))


@dataclass(frozen=True)
class Plane:
    """Points on the plane of the screen."""

    xy: Float64s
    """Shape (n, 2), each within [-1, 1]: right and up."""
    depth: Float64s
    """Shape (n,); larger is nearer to the viewer."""
    beyond: npt.NDArray[np.bool_]
    """Shape (n,); the point lies outside the scale and is drawn in the rim."""


CORE = 0.8
"""Part of the picture, from its middle, that is to scale; what is further out shares the rim around it."""


def plane(points: Float64s, view: View, scale: Scale) -> Plane:
    """Project `points` (n, 3) orthographically.

    A point outside the scale keeps its direction and its rank: the rim is logarithmic, its outer edge is the point
    furthest away.
    """
    turned = scale.apply(points) @ view.matrix.T
    xy = turned[:, :2]
    far = np.abs(xy).max(axis=1, initial=0.0)
    beyond = far > 1.0
    outermost = max(float(far.max(initial=0.0)), 2.0)
    rim = CORE + (1.0 - CORE) * np.log(np.where(beyond, far, 1.0)) / np.log(outermost)
    factor = np.where(beyond, rim / np.where(beyond, far, 1.0), CORE)
    return Plane(xy * factor[:, None], turned[:, 2], beyond)


def cross(view: View) -> Float64s:
    """Ends of the three unit axes on the plane, shape (3, 2): what the axis cross draws."""
    return view.matrix[:2].T.copy()
