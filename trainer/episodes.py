"""Episodes of anomaly: from a confirmed channel until all channels of the same cause are calm again.

An episode belongs to a satellite and spans its packets, so that one cause is one verdict. Which channels have one
cause is told by time (what is confirmed within a minute of each other) and, within half an hour, by how they move
together; anything else begins an episode of its own, so that a fault that stays hides no other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s, Int64s, Layout
from trainer.explain import ROWS, WITHIN, Standing, standing
from trainer.features import WINDOW
from trainer.fusion.jumps import BEFORE, NEW
from trainer.joint import Joint
from trainer.served import THRESHOLD
from trainer.streams import USUAL_ROWS, Bools
from trainer.verdict import JUMP, MEMBERS, NOISE, Contribution, Verdict, sentence

if TYPE_CHECKING:
    from telemetry.dictionary import Channel

LINGER_NS = 20_000_000_000
"""An episode ends after this long without an active channel: what comes sooner has the same cause."""

JOIN_NS = 60_000_000_000
"""A channel that joins within this time of the newest joiner of an episode has the same cause."""

JOIN_ROWS = 60
"""The same in rows of the channel's packet: what is sent every five seconds shows a cause later."""

FOLLOW_NS = 1_800_000_000_000
"""Within this time a channel also joins if the others of its packet explain most of its movement."""

FOLLOWS = 5.0
"""Usual sizes away from which a channel that moved with the lead takes part, though it alone would not be told: by
then something is wrong, and what went with it says what. Of 16 halves of a panel lost in the simulated 3U, another
panel or the battery lies 5.8 and more away eight rows later, and what has no part in it 4.5 at most."""

SAME = 2.0
"""What comes back and stands out so many times more than when it went with another channel is not the same."""

AGAIN_NS = 600_000_000_000
"""An episode that comes back within this time of its end is the same again; it then ends only after as long."""

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


@dataclass(frozen=True, slots=True)
class _Part:
    """A channel's part, and how it ranks among the others."""

    weight: float
    contribution: Contribution


@dataclass(slots=True)
class _Episode:
    lead: str
    started_ns: int
    joined_ns: int
    """When the newest channel joined; this and what follows in elapsed time."""
    active: dict[str, _Active] = field(default_factory=dict[str, "_Active"])
    seen: dict[str, _Part] = field(default_factory=dict[str, "_Part"])
    """Every channel that took part, at its worst."""
    rows: dict[str, int] = field(default_factory=dict[str, int])
    """Rows of each packet since it began."""
    calm_ns: int | None = None
    """Since when no channel is active."""
    times: int = 1

    @property
    def linger_ns(self) -> int:
        return LINGER_NS if self.times == 1 else AGAIN_NS


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
    before: Float64s
    """The newest rows before these, accepted or not, shape (m, k)."""
    speaker: npt.NDArray[np.int8] | None = None
    forecast: Float64s | None = None
    """Both as in `trainer.bank.Opinions`."""
    joint: Joint | None = None
    judged: npt.NDArray[np.intp] | None = None
    """Columns of the channels of `joint`; None: all."""


class Episodes:
    """Follows the running episodes of one satellite, by the time that passes: its clock may be set back."""

    def __init__(self, satellite: str, channels: dict[str, Channel]) -> None:
        self._satellite = satellite
        self._channels = channels
        self._running: list[_Episode] = []
        self._over: list[_Episode] = []
        """Ended, and soon enough ago to come back; `calm_ns` is when they were last calm."""
        self._newest: dict[str, int] = {}
        self._set_back: dict[str, int] = {}
        """How far a packet's clock was set back since its first row, ns."""

    @property
    def running(self) -> bool:
        """An episode has begun and not ended."""
        return bool(self._running)

    def follow(self, stretch: Stretch, version: int | None, verdicts: list[Verdict]) -> Bools:
        """Confirm, extend and end episodes.

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
            t_ns = self._elapsed(stretch.layout.packet, int(stretch.t_ns[i]))
            if version is not None and stretch.z is not None and stretch.newly[i].any():
                self._join(stretch, i, stretch.z[i], t_ns, version, verdicts)
            for episode in list(self._running):
                confirmed[i] |= _advance(episode, stretch.layout, stretch.lasting[i], t_ns)
                if version is not None and stretch.z is not None:
                    self._follow(episode, stretch, i, stretch.z[i], version, verdicts)
                if episode.active:
                    episode.calm_ns = None
                elif episode.calm_ns is None:
                    episode.calm_ns = t_ns
                if episode.calm_ns is not None and t_ns - episode.calm_ns >= episode.linger_ns:
                    self._running.remove(episode)
                    self._over.append(episode)
                    if version is not None:
                        verdicts.append(self._verdict(episode, "ended", stretch, i, version))
        return confirmed

    def _elapsed(self, packet: str, t_ns: int) -> int:
        """A packet's generation time, as if its clock had stood still where it was set back: it never falls.

        All packets of a satellite have one clock; one that is seen first is as far back as the others.
        """
        back = self._set_back.setdefault(packet, max(self._set_back.values(), default=0))
        behind = self._newest.get(packet, t_ns) - t_ns
        if behind > 0:
            self._set_back[packet] = back = back + behind
        self._newest[packet] = t_ns
        return t_ns + back

    def _join(
        self, stretch: Stretch, i: int, z: Float64s, t_ns: int, version: int, verdicts: list[Verdict]
    ) -> None:
        """Let newly confirmed channels of row `i`, at the elapsed time `t_ns`, join an episode, or begin one."""
        names = stretch.layout.names
        held = {name for episode in self._running for name in episode.active}
        joiners = [c for c in np.flatnonzero(stretch.newly[i]).tolist() if names[c] not in held]
        if not joiners:
            return
        usual, stands = _stands(stretch, i, z)
        told: dict[int, tuple[_Episode, Literal["started", "ongoing"]]] = {}
        begun: _Episode | None = None
        for c in sorted(joiners, key=lambda c: _first(stretch, i, c, stands)):
            name = names[c]
            episode = self._home(name, c, stands, stretch, t_ns) or begun
            if episode is None:
                again = next((one for one in self._over if _same(one, name, stands.weight[c])), None)
                episode = begun = again or _Episode(name, int(stretch.t_ns[i]), t_ns)
                if again is not None:
                    self._over.remove(again)
                    again.times, again.calm_ns = again.times + 1, None
                self._running.append(episode)
                told[id(episode)] = episode, "started"
                if again is None:
                    self._suspect(episode, stretch, i, z, stands, usual)
            elif name not in episode.seen:
                told.setdefault(id(episode), (episode, "ongoing"))
            if name not in episode.seen:
                episode.joined_ns = t_ns
            silent = max(_SILENT_NS, int(10e9 * stretch.period_s))
            release = WINDOW if stretch.period_s <= 2 else 2
            episode.active[name] = _Active(t_ns, 0, release, silent)
            self._note(episode, c, _part(stretch, i, c, z[c], stands, usual))
        for episode, phase in told.values():
            verdicts.append(self._verdict(episode, phase, stretch, i, version))

    def _follow(
        self, episode: _Episode, stretch: Stretch, i: int, z: Float64s, version: int, verdicts: list[Verdict]
    ) -> None:
        """Let take part, once for each packet, what moved with the channels of an episode that has just begun."""
        packet = stretch.layout.packet
        rows = episode.rows[packet] = episode.rows.get(packet, 0) + 1
        names = stretch.layout.names
        if rows != ROWS or episode.times > 1 or stretch.joint is None or episode.lead not in episode.active:
            return
        if episode.lead not in stretch.layout.positions:
            return
        usual, stands = _stands(stretch, i, z)
        held = {name for one in self._running for name in one.seen}
        both = np.fmin(np.abs(z[:, 0]), np.abs(z[:, 1])) * (z[:, 0] * z[:, 1] > 0)
        judged = np.arange(len(names)) if stretch.judged is None else stretch.judged
        away = stretch.joint.marginal(both[judged])
        went = np.abs(stands.moved[judged]) >= WITHIN
        found = [c for c in judged[went & (away >= FOLLOWS)].tolist() if names[c] not in held]
        for c in found:
            self._note(episode, c, _part(stretch, i, c, z[c], stands, usual))
        if found:
            verdicts.append(self._verdict(episode, "ongoing", stretch, i, version))

    def _home(self, name: str, c: int, stands: Standing, stretch: Stretch, t_ns: int) -> _Episode | None:
        """The running episode that a channel belongs to: it took part before, it comes soon, or it only follows."""
        self._over = [one for one in self._over if abs(t_ns - (one.calm_ns or 0)) <= AGAIN_NS + one.linger_ns]
        window = max(JOIN_NS, int(JOIN_ROWS * stretch.period_s * 1e9))
        explained = stretch.joint is not None and abs(stands.conditional[c]) < abs(stands.marginal[c]) / 2
        found: _Episode | None = None
        for episode in self._running:
            if name in episode.seen:
                return episode
            since = t_ns - episode.joined_ns
            if since <= window or (explained and since <= FOLLOW_NS):
                found = episode
        return found

    def _suspect(
        self, episode: _Episode, stretch: Stretch, i: int, z: Float64s, stands: Standing, usual: Float64s
    ) -> None:
        """Let a channel lead that is on its way to be confirmed and stands out more than those that are."""
        near = np.flatnonzero(stretch.lasting[i] | stretch.newly[i])
        held = {name for one in self._running for name in one.seen}
        free = [c for c in near.tolist() if stretch.layout.names[c] not in held]
        c = min(free, key=lambda c: _first(stretch, i, c, stands))
        episode.lead = stretch.layout.names[c]
        self._note(episode, c, _part(stretch, i, c, z[c], stands, usual))

    def _note(self, episode: _Episode, c: int, part: _Part) -> None:
        before = episode.seen.get(part.contribution.channel)
        if before is None or before.weight < part.weight:
            episode.seen[part.contribution.channel] = part

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
            sentence(self._channels[lead.channel], lead),
            episode.times,
        )


def _first(stretch: Stretch, i: int, c: int, stands: Standing) -> tuple[bool, float]:
    """What channels of row `i` are ordered by: where one jumped or is noisy by itself it began, then what
    stands out most."""
    alone = stretch.speaker is not None and MEMBERS[int(stretch.speaker[i, c])] in (JUMP, NOISE)
    return not (alone and bool(stretch.newly[i, c])), -float(stands.weight[c])


def _same(episode: _Episode, name: str, weight: float) -> bool:
    """Whether a channel that is confirmed again is that episode come back: its lead, or as it was then."""
    part = episode.seen.get(name)
    return name == episode.lead or (part is not None and weight <= SAME * part.weight)


def _stands(stretch: Stretch, i: int, z: Float64s) -> tuple[Float64s, Standing]:
    """The accepted rows before row `i`, and how its channels stand out; `z` are its normalised features."""
    calm = ~stretch.flags[:i].any(axis=1)
    usual = np.concatenate((stretch.usual, stretch.values[:i][calm]))[-USUAL_ROWS:]
    newest = np.concatenate((stretch.before, stretch.values[: i + 1]))[-ROWS:]
    judged = np.arange(len(stretch.layout.names)) if stretch.judged is None else stretch.judged
    return usual, standing(stretch.joint, judged, z, newest, usual)


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


def _part(stretch: Stretch, i: int, c: int, z: Float64s, stands: Standing, accepted: Float64s) -> _Part:
    """What column `c` contributes at row `i`; `z` are its normalised features, shape (3,)."""
    value = float(stretch.values[i, c])
    column = accepted[:, c]
    known = column[np.isfinite(column)]
    usual = float(np.median(known)) if len(known) else float("nan")
    spread = float(_MAD * np.median(np.abs(known - usual))) if len(known) else float("nan")
    direction: Literal[-1, 0, 1] = 0
    if np.nanmax(np.abs(z[:2]), initial=0.0) > SIDED and value != usual:
        direction = 1 if value > usual else -1
    forecast = None if stretch.forecast is None else float(stretch.forecast[i, c])
    member = MEMBERS[0 if stretch.speaker is None else int(stretch.speaker[i, c])]
    held = np.concatenate((stretch.before[:, c], stretch.values[: i + 1, c]))[::-1]
    if member == JUMP and len(held) > BEFORE:
        forecast = float(np.median(held[NEW : BEFORE + 1]))
    changed = np.flatnonzero(held != value)
    contribution = Contribution(
        stretch.layout.names[c],
        0.0,
        value,
        usual,
        spread,
        float(np.nanmax(np.abs(z), initial=0.0)),
        direction,
        float(stands.marginal[c]),
        float(stands.conditional[c]),
        None if forecast is None or not np.isfinite(forecast) else forecast,
        member,
        int(changed[0]) if len(changed) else len(held),
        stretch.period_s,
        bool(z[2] < 0),
    )
    return _Part(float(stands.weight[c]), contribution)


def _shares(parts: Iterable[_Part]) -> tuple[Contribution, ...]:
    """Those that stand out most first, shares adding up to 1."""
    ordered = sorted(parts, key=lambda part: -part.weight)
    total = sum(part.weight for part in ordered) or 1.0
    return tuple(replace(part.contribution, share=part.weight / total) for part in ordered)
