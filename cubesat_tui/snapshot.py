"""What a console knows at one moment: one immutable Snapshot, made from the mission store and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from cubesat_tui.pending_acts import words_of

if TYPE_CHECKING:
    from cubesat_tui.fleet import FleetNow
    from telemetry.alarms import Alarm, Event, Key
    from telemetry.dictionary import Channel, LimitSet, Mission
    from telemetry.freshness import Acquisition
    from telemetry.limits import Result


class ChannelNow(msgspec.Struct, frozen=True):
    """The newest value of one channel.

    `value` in the channel's unit, None where none was ever received; `text` is it as shown, without unit. `t_ns`
    generation time; `age_s` wall seconds since reception, growing while nothing comes. `spark`: last value in
    each bin of absolute time over the last ten minutes, NaN where a bin is empty. `result`: of its limits, or of
    an open alarm on how it moves. `limits`: the set of this context. `silent`: sent in a pass only, and there is
    none.
    """

    channel: Channel
    value: float | None
    text: str
    t_ns: int | None
    age_s: float | None
    acquisition: Acquisition
    result: Result
    anomalous: bool
    spark: tuple[float, ...]
    limits: LimitSet | None = None
    silent: bool = False


class LinkNow(msgspec.Struct, frozen=True):
    """First truth. `state`: CONNECTING, LIVE, STALE, DOWN, REPLAY, ...; `detail`: source, rate or reason in words.

    `beat_age_s`: wall seconds since the station's heartbeat, None where there never was one. `trouble`: what is
    wrong beside a link that is well.
    """

    state: str
    detail: str
    beat_age_s: float | None
    trouble: str = ""


class ContactNow(msgspec.Struct, frozen=True):
    """Second truth. In contact until `until_ns`, or next contact at `next_ns`; both None where none is known."""

    in_contact: bool = False
    station: str = ""
    until_ns: int | None = None
    next_ns: int | None = None


class HoldNow(msgspec.Struct, frozen=True):
    """No automatic promotion until `until_ns` (wall time)."""

    until_ns: int
    actor: str
    reason: str


class ModelNow(msgspec.Struct, frozen=True):
    """The model that scores now, and the trainer. `next_s`: wall seconds to the next retrain.

    `learning`: (have, need) frames while there is no model yet. `error`: why no training happens, in words.
    `sha256` is that of the model's files, `kind` what it is: `fusion`, `isolation_forest`; "" where nobody said.
    `before`: the version that a roll-back returns to, where it is known. `mirror`: what is wrong with MLflow.
    """

    version: int | None = None
    sha256: str | None = None
    retrain: int | None = None
    next_s: float | None = None
    learning: tuple[int, int] | None = None
    error: str = ""
    kind: str = ""
    before: int | None = None
    hold: HoldNow | None = None
    mirror: str = ""


class Pass(msgspec.Struct, frozen=True):
    """One contact, past or coming: `acquisition_ns` to `loss_ns`, `max_el` degrees above the horizon."""

    station: str
    acquisition_ns: int
    loss_ns: int
    max_el: float


class Snapshot(msgspec.Struct, frozen=True):
    """Everything on screen is drawn from this; nothing in it changes after it was made.

    `now_ns` is mission time (the wall clock, or the newest generation time of a replay), `wall_ns` the wall
    clock. `alarms` are sorted: unacknowledged first, then by severity, then newest. `events` newest first, at
    most 200. `health` is the station's own report as written; `frames` counts what was accepted in all.
    """

    seq: int
    now_ns: int
    wall_ns: int
    mission: Mission
    satellite: str
    simulated: bool
    link: LinkNow
    contact: ContactNow
    data_age_s: float | None
    model: ModelNow
    alarms: tuple[Alarm, ...] = ()
    channels: Mapping[str, ChannelNow] = msgspec.field(default_factory=dict)
    events: tuple[Event, ...] = ()
    passes: tuple[Pass, ...] = ()
    frames: int = 0
    newest_t_ns: int | None = None
    health: Mapping[str, Any] = msgspec.field(default_factory=dict)
    fleet: FleetNow | None = None
    """All satellites, while the Fleet screen is shown."""
    elsewhere: tuple[Alarm, ...] = ()
    """Open alarms of the other satellites, in no order."""
    told: int = 0
    """Journal rows in all that the Events screen tells of."""
    past_ns: int | None = None
    """None for now; else the moment of the past as of which all this was known: values then have times, no ages."""

    @property
    def pending(self) -> Mapping[Key, str]:
        """(satellite, subject) -> `ack pending`, ...: acts that the owner of a replica has not answered yet."""
        return words_of(self.health)

    @property
    def counts(self) -> Mapping[str, tuple[int, int]]:
        """Sign key ("critical", "warning", "anomaly", ...) -> (new, active) of `alarms`."""
        from cubesat_tui.reported import counts_of

        return counts_of(self.alarms)

    @property
    def value_of(self) -> dict[str, float]:
        """Newest value by channel name, those never received left out."""
        return {name: now.value for name, now in self.channels.items() if now.value is not None}
