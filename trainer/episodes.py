"""Episodes of anomaly: what 3 of the newest 5 rows of a channel confirm, until all its channels are calm again.

An episode belongs to a satellite and spans its packets, so that one cause is one verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s, Int64s, Layout
from trainer.features import WINDOW
from trainer.served import THRESHOLD
from trainer.streams import USUAL_ROWS, Bools
from trainer.verdict import Contribution, Verdict, sentence

if TYPE_CHECKING:
    from telemetry.dictionary import Channel

LINGER_NS = 20_000_000_000
"""An episode ends after this long without an active channel: what comes sooner has the same cause."""

_SILENT_NS = 120_000_000_000
_MAD = 1.4826

SIDED = 3.0
"""Normal spreads away from which value or mean is above or below usual, and not only restless."""


@dataclass(slots=True)
class _Active:
    """A channel that is part of the running episode."""

    newest_ns: int
    unflagged: int
    release: int
    silent_ns: int
    part: Contribution


@dataclass(slots=True)
class _Episode:
    lead: str
    started_ns: int
    active: dict[str, _Active] = field(default_factory=dict[str, "_Active"])
    seen: dict[str, Contribution] = field(default_factory=dict[str, Contribution])
    """Every channel that took part, at its worst."""
    calm_ns: int | None = None
    """Since when no channel is active."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """New live rows of one satellite, n of a packet with k channels, and what is thought of them."""

    layout: Layout
    period_s: float
    at: npt.NDArray[np.intp]
    """Their places in the scored batch."""
    t_ns: Int64s
    values: Float64s
    flags: Bools
    """Shape (n, k)."""
    newly: Bools
    """Shape (n, k): flagged, and enough of the rows before."""
    lasting: Bools
    z: Float64s | None
    """Normalised features, shape (n, k, 3); None where no model judged the rows, and none can be flagged."""
    score: Float64s
    p: Float64s
    usual: Float64s
    """Accepted rows before these."""


class Episodes:
    """Follows the running episode of one satellite."""

    def __init__(self, satellite: str, channels: dict[str, Channel]) -> None:
        self._satellite = satellite
        self._channels = channels
        self._episode: _Episode | None = None

    @property
    def running(self) -> bool:
        """An episode has begun and not ended."""
        return self._episode is not None

    def follow(self, stretch: Stretch, version: int | None, verdicts: list[Verdict]) -> Bools:
        """Confirm, extend and end the episode.

        Args:
            stretch: the next rows of a packet.
            version: of the model that serves the satellite; None where there is none.
            verdicts: what changes is added here.

        Returns:
            True for rows with a flagged, confirmed channel, shape (n,).
        """
        n = len(stretch.t_ns)
        confirmed = np.zeros(n, dtype=np.bool_)
        for i in range(n):
            if version is not None and stretch.z is not None:
                self._join(stretch, i, stretch.z[i], version, verdicts)
            episode = self._episode
            if episode is None:
                continue
            t_ns = int(stretch.t_ns[i])
            confirmed[i] = _advance(episode, stretch.layout, stretch.lasting[i], t_ns)
            if episode.active:
                episode.calm_ns = None
            elif episode.calm_ns is None:
                episode.calm_ns = t_ns
            if episode.calm_ns is not None and t_ns - episode.calm_ns >= LINGER_NS:
                self._episode = None
                if version is not None:
                    verdicts.append(self._verdict(episode, "ended", stretch, i, version))
        return confirmed

    def _join(self, stretch: Stretch, i: int, z: Float64s, version: int, verdicts: list[Verdict]) -> None:
        """Let newly confirmed channels of row `i` join the episode, or begin one."""
        names = stretch.layout.names
        episode = self._episode
        joiners = [
            c for c in np.flatnonzero(stretch.newly[i]).tolist() if not episode or names[c] not in episode.active
        ]
        if not joiners:
            return
        calm = ~stretch.flags[:i].any(axis=1)
        usual = np.concatenate((stretch.usual, stretch.values[:i][calm]))[-USUAL_ROWS:]
        started = episode is None
        if episode is None:
            episode = self._episode = _Episode("", int(stretch.t_ns[i]))
        fresh = any(names[c] not in episode.seen for c in joiners)
        for c in joiners:
            part = _contribution(names[c], stretch.values[i, c], usual[:, c], z[c])
            silent = max(_SILENT_NS, int(10e9 * stretch.period_s))
            release = WINDOW if stretch.period_s <= 2 else 2
            episode.active[names[c]] = _Active(int(stretch.t_ns[i]), 0, release, silent, part)
            before = episode.seen.get(names[c])
            if before is None or before.sigma < part.sigma:
                episode.seen[names[c]] = part
        if started:
            episode.lead = _shares(episode.seen.values())[0].channel
        if fresh:
            verdicts.append(self._verdict(episode, "started" if started else "ongoing", stretch, i, version))

    def _verdict(
        self,
        episode: _Episode,
        phase: Literal["started", "ongoing", "ended"],
        stretch: Stretch,
        i: int,
        version: int,
    ) -> Verdict:
        parts = _shares(episode.seen.values())
        lead = next((part for part in parts if part.channel == episode.lead), parts[0])
        return Verdict(
            int(stretch.at[i]),
            self._satellite,
            int(stretch.t_ns[i]),
            phase,
            episode.lead,
            episode.started_ns,
            float(stretch.score[i]),
            THRESHOLD,
            float(stretch.p[i]),
            version,
            parts,
            sentence(self._channels[lead.channel], lead.value, lead.usual, lead.spread),
        )


def _advance(episode: _Episode, layout: Layout, lasting: Bools, t_ns: int) -> bool:
    """Count a row for the active channels it carries; release the calm and the silent ones."""
    hit = False
    for name in list(episode.active):
        active = episode.active[name]
        column = layout.positions.get(name)
        if column is not None:
            active.newest_ns = t_ns
            active.unflagged = 0 if lasting[column] else active.unflagged + 1
            hit = hit or bool(lasting[column])
        if active.unflagged >= active.release or t_ns - active.newest_ns > active.silent_ns:
            del episode.active[name]
    return hit


def _contribution(name: str, value: float, accepted: Float64s, z: Float64s) -> Contribution:
    known = accepted[np.isfinite(accepted)]
    usual = float(np.median(known)) if len(known) else float("nan")
    spread = float(_MAD * np.median(np.abs(known - usual))) if len(known) else float("nan")
    direction: Literal[-1, 0, 1] = 0
    if np.abs(z[:2]).max() > SIDED and value != usual:
        direction = 1 if value > usual else -1
    return Contribution(name, 0.0, float(value), usual, spread, float(np.abs(z).max()), direction)


def _shares(parts: Iterable[Contribution]) -> tuple[Contribution, ...]:
    """Most deviating first, shares adding up to 1."""
    ordered = sorted(parts, key=lambda part: -part.sigma)
    total = sum(part.sigma for part in ordered) or 1.0
    return tuple(
        Contribution(p.channel, p.sigma / total, p.value, p.usual, p.spread, p.sigma, p.direction) for p in ordered
    )
