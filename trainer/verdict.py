"""What the detector says about a frame, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from telemetry.dictionary import Channel
    from telemetry.store.rows import ScoreColumns

JUMP = "jump"
NOISE = "noise"

MEMBERS = (
    "place",
    "shape neighbours",
    "shape clusters",
    "window neighbours",
    "window subspace",
    "forecast",
    "level and shape",
    "stuck",
    JUMP,
    NOISE,
)
"""Who may have spoken: what is usual at this place, the six members of the fusion, the learned longest run, a step
of one channel alone, its scatter from row to row."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One channel's part in an anomaly."""

    channel: str
    share: float
    """Part of the whole deviation, 0..1; the shares of a verdict add up to 1."""
    value: float
    """As sent, in the channel's unit."""
    usual: float
    """Median of the last accepted rows before the episode."""
    spread: float
    """Standard deviation of the same rows, from their median absolute deviation."""
    sigma: float
    """How many of the model's normal spreads (for this place in the orbit) the channel stands away; unsigned."""
    direction: Literal[-1, 0, 1]
    """Above (1) or below (-1) usual; 0 when only the deviation of the window is unusual."""
    marginal: float = 0.0
    """Signed sigma of the value by itself: its deviation from what is usual here, in its usual size."""
    conditional: float = 0.0
    """Signed sigma of its movement beyond what those of the other channels of the packet explain."""
    forecast: float | None = None
    """Value that the channel's own past let expect, in its unit; None where nobody forecasts. Before a jump, the
    middle of the rows before it."""
    member: str = MEMBERS[0]
    """The voice that was loudest, one of `MEMBERS`."""
    rows: int = 0
    """Rows for which the value has not changed, where that is what `member` speaks of."""
    period_s: float = 1.0
    """Seconds from one row to the next."""
    quiet: bool = False
    """The newest rows vary less than usual here."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A change in an episode of anomaly: it starts, another channel joins (`ongoing`), it ends.

    An episode is what one channel after another confirms; it spans packets and channels of one satellite, so that
    one cause is one verdict. Several may run side by side, each known by its lead. Rows of an unchanged episode
    make no verdict: their state is in the columns.
    """

    row: int
    """Index of the frame in the scored batch."""
    satellite: str
    t_ns: int
    phase: Literal["started", "ongoing", "ended"]
    lead: str
    """The channel that stood out most when the episode started; names the episode until it ends."""
    started_ns: int
    """Generation time of the row that confirmed the episode."""
    score: float
    threshold: float
    p: float
    model: int
    """Version of the scorer."""
    channels: tuple[Contribution, ...]
    """Every channel that took part so far, most deviating first; `channels[0]` is the lead at the start."""
    sentence: str
    """`Distance S 80.1 cm, usual here 55.1 +-0.5`: plain ASCII, units as in the dictionary."""
    times: int = 1
    """How often the episode has begun: one that comes back soon after its end is the same again."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What `LiveScoring.score` returns for a batch."""

    columns: ScoreColumns | None
    """None while there is no scorer for the satellites of the batch (learning)."""
    verdicts: tuple[Verdict, ...] = field(default=())


OUTSIDE = 3.0
"""Spreads from usual within which a value by itself explains nothing."""


def sentence(channel: Channel, part: Contribution) -> str:
    """One plain sentence about one channel, in the words of the voice that spoke.

    The numbers beside each other are told only where they differ: a value inside usual, or a spread of nothing,
    would read as an error.
    """
    value = channel.quantity(part.value)
    usual, spread = channel.number(part.usual), channel.number(part.spread)
    if part.member == "stuck":
        since = f"{part.rows * part.period_s:g} s" if part.rows else "too long"
        return f"{channel.label} {value}, unchanged for {since}"
    if part.member == JUMP and part.forecast is not None:
        return f"{channel.label} {value}, jumped from {channel.number(part.forecast)}"
    if part.member == NOISE:
        return f"{channel.label} {value}, noisier than usual here"
    if part.member == "forecast" and part.forecast is not None:
        expected = channel.number(part.forecast)
        if expected != channel.number(part.value):
            return f"{channel.label} {value}, forecast {expected}"
    known = part.spread > 0 and float(spread) > 0
    if known and abs(part.value - part.usual) > OUTSIDE * part.spread:
        return f"{channel.label} {value}, usual here {usual} +-{spread}"
    if not known and usual != channel.number(part.value) and usual != "nan":
        return f"{channel.label} {value}, usual here {usual}"
    if abs(part.conditional) > max(OUTSIDE, abs(part.marginal)):
        return f"{channel.label} {value}, unlike the other channels"
    if part.direction:
        return f"{channel.label} {value}, too {'high' if part.direction > 0 else 'low'} for this place in the orbit"
    return f"{channel.label} {value}, too {'quiet' if part.quiet else 'restless'}"
