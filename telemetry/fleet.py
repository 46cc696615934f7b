"""A fleet from one satellite table: names, and one orbit phased over planes. Pure functions on text.

The pattern is a Walker delta constellation t/p/1 (Walker, J. Brit. Interplanet. Soc. 37, 1984): the satellites are
spread evenly over p planes, the planes evenly over the right ascension of the node, and each plane is shifted by
360/t degrees of mean anomaly against the one before. Up to `ONE_PLANE` satellites share the plane they are given.
"""

from __future__ import annotations

import math
import re

Tle = tuple[str, str]

LARGEST = 1000
"""Satellites a table may stand for."""

ONE_PLANE = 12

_NUMBERED = re.compile(r"[-_ ][0-9]+$", re.ASCII)


def checksum(line: str) -> int:
    """Modulo-10 sum of the digits of the first 68 columns of a two-line element set, a minus sign counting one."""
    return sum(int(c) if c in "0123456789" else c == "-" for c in line[:68]) % 10


def fleet_names(name: str, count: int) -> tuple[str, ...]:
    """`KESTREL-001` ... `KESTREL-100`: numbered from 1 and padded, so that the order of text is that of numbers.

    A number that `name` ends with after a `-`, `_` or space gives way: `KESTREL-1` is the first of the `KESTREL`s.
    """
    base = _NUMBERED.sub("", name) or name
    width = len(str(count))
    return tuple(f"{base}-{number:0{width}d}" for number in range(1, count + 1))


def phased(tle: Tle, count: int) -> tuple[Tle, ...]:
    """The orbits of `count` satellites; the first is `tle` itself, the others differ in node and mean anomaly only.

    Above `ONE_PLANE` satellites there are about sqrt(count) planes, equally filled to one satellite.
    """
    planes = 1 if count <= ONE_PLANE else round(math.sqrt(count))
    first = [-(-plane * count // planes) for plane in range(planes + 1)]
    node, anomaly = float(tle[1][17:25]), float(tle[1][43:51])
    found: list[Tle] = []
    for plane in range(planes):
        members = first[plane + 1] - first[plane]
        for place in range(members):
            shift = 360.0 * (place / members + plane / count)
            found.append((tle[0], _moved(tle[1], node + 360.0 * plane / planes, anomaly + shift)))
    found[0] = tle
    return tuple(found)


def _moved(line: str, node_deg: float, mean_anomaly_deg: float) -> str:
    """The second line with another node and mean anomaly (deg), its checksum made right."""
    body = f"{line[:17]}{_angle(node_deg)}{line[25:43]}{_angle(mean_anomaly_deg)}{line[51:68]}"
    return f"{body}{checksum(body)}"


def _angle(degrees: float) -> str:
    """Eight columns, 0 to 359.9999."""
    return f"{round(degrees % 360.0, 4) % 360.0:8.4f}"
