"""What the detector says about a frame, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from telemetry.dictionary import Channel
    from telemetry.store.writer import ScoreColumns

MEMBERS = (
    "place",
    "shape neighbours",
    "shape clusters",
    "window neighbours",
    "window subspace",
    "forecast",
    "level and shape",
    "stuck",
)
"""Who may have spoken: what is usual at this place, the six members of the fusion, the learned longest run."""


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


@dataclass(frozen=True, slots=True)
class Verdict:
    """A change in an episode of anomaly: it starts, another channel joins (`ongoing`), it ends.

    An episode is what 3 of the newest 5 rows of a channel confirm; it spans packets and channels of one satellite,
    so that one cause is one verdict. Rows of an unchanged episode make no verdict: their state is in the columns.
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


@dataclass(frozen=True, slots=True)
class Scored:
    """What `LiveScoring.score` returns for a batch."""

    columns: ScoreColumns | None
    """None while there is no scorer for the satellites of the batch (learning)."""
    verdicts: tuple[Verdict, ...] = field(default=())


def sentence(channel: Channel, value: float, usual: float, spread: float) -> str:
    """One plain sentence about one channel."""
    numbers = channel.quantity(value), channel.number(usual), channel.number(spread)
    return f"{channel.label} {numbers[0]}, usual here {numbers[1]} +-{numbers[2]}"
