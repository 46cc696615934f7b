"""Two-line elements: checksum, and moving an orbit to another epoch, node and mean anomaly.

The embedded orbit is the public element set of GRBAlpha (NORAD 47959, a 1U in a 550 km sun-synchronous orbit).
A demo mission flies this orbit's shape, not this satellite: the copy carries a catalogue number that belongs to
nobody.
"""

from __future__ import annotations

import datetime as dt

Tle = tuple[str, str]

GRBALPHA: Tle = (
    "1 47959U 21022AD  21136.80882950  .00001202  00000-0  87027-4 0  9997",
    "2 47959  97.5614  39.6019 0023282  60.8418 299.5182 15.05651497  7118",
)

DEMO_CATALOGUE_NUMBER = 99901


def checksum(line: str) -> int:
    """Modulo-10 sum of the digits of the first 68 columns, a minus sign counting one."""
    return sum(int(c) if c.isdigit() else c == "-" for c in line[:68]) % 10


def with_checksum(line: str) -> str:
    """`line` cut or padded to 68 columns, followed by its checksum."""
    body = line[:68].ljust(68)
    return f"{body}{checksum(body)}"


def moved(tle: Tle, epoch_ns: int, node_deg: float, mean_anomaly_deg: float) -> Tle:
    """The same orbit at another epoch (UTC ns), right ascension of the node and mean anomaly (deg).

    Shape, inclination, argument of perigee, mean motion and drag terms are kept; both checksums are recomputed.
    The epoch is rounded to the 1e-8 day (0.9 ms) that the format holds.
    """
    seconds, rest_ns = divmod(epoch_ns, 1_000_000_000)
    day = dt.datetime.fromtimestamp(seconds - seconds % 86_400, dt.UTC)
    fraction = round((seconds % 86_400 + rest_ns / 1e9) / 86_400 * 1e8)
    if fraction == 100_000_000:
        day, fraction = day + dt.timedelta(days=1), 0
    epoch = f"{day.year % 100:02d}{day.timetuple().tm_yday:03d}.{fraction:08d}"
    number = f"{DEMO_CATALOGUE_NUMBER:05d}"
    first = f"1 {number}U {'':8s} {epoch}{tle[0][32:64]}{1:4d}"
    node = f"{node_deg % 360.0:8.4f}"
    anomaly = f"{mean_anomaly_deg % 360.0:8.4f}"
    node, anomaly = (f"{0:8.4f}" if text == "360.0000" else text for text in (node, anomaly))
    second = f"2 {number} {tle[1][8:16]} {node} {tle[1][26:33]} {tle[1][34:42]} {anomaly} {tle[1][52:63]}{1:5d}"
    return with_checksum(first), with_checksum(second)
