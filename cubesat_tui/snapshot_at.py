"""Mission store -> Snapshot as of a moment of the past: what was known then, and nothing that came after.

Values are those of frames made by then (recorded ones too, whenever they came down); alarms and events those of the
journal; the pass that of the contact table; the model the one promoted last by then. Link, health and the number of
frames are the live ones: they belong to line 1, which stays live. No question here grows with the mission.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from cubesat_tui.channel_states import Circumstances, channel_states, newest_values
from cubesat_tui.forecast import Forecast
from cubesat_tui.past_journal import PastJournal
from cubesat_tui.reported import contact_of
from cubesat_tui.snapshot import ChannelNow, ModelNow, Pass, Snapshot
from cubesat_tui.spark_history import sparks_at
from telemetry.alarms import urgency
from telemetry.freshness import Acquisition
from telemetry.limits import DISABLED
from telemetry.predicted import predicted_channels

if TYPE_CHECKING:
    from cubesat_tui.store_view import StoreView
    from telemetry.dictionary import Mission
    from telemetry.store.fleet import Promotion
    from telemetry.store.reader import StoreReader

EVENTS = 200
_DAY_NS = 86_400_000_000_000


class PastReader:
    """Snapshots of the past of one mission."""

    def __init__(self, mission: Mission, past: PastJournal | None = None) -> None:
        """`past`: the mission's journal as far as it was read; the rest is read with each snapshot."""
        self._mission = mission
        self._journal = past or PastJournal()
        self._forecast = Forecast(mission)
        self._promotions: list[Promotion] = []
        self._by_hand: list[Promotion] = []

    async def read(self, view: StoreView, live: Snapshot, t_ns: int) -> Snapshot:
        """What was known at `t_ns` of the satellite that `live` shows."""
        return await view.ask(lambda reader: self.snapshot(reader, live, t_ns))

    def snapshot(self, reader: StoreReader, live: Snapshot, t_ns: int) -> Snapshot:
        """As `read`, on the reader's thread."""
        mission, satellite = self._mission, live.satellite
        several = len(mission.satellites) > 1
        open_then = self._journal.alarms(reader, t_ns).values()
        alarms = tuple(sorted((a for a in open_then if a.satellite == satellite), key=urgency))
        passes = tuple(
            Pass(c.station, c.acquisition_ns, c.loss_ns, c.max_el_deg)
            for c in reader.contacts(t_ns, t_ns + _DAY_NS, satellite)
        )
        contact = contact_of(passes, t_ns)
        predicted = {
            name: float(values[0]) for name, values in self._forecast.at(satellite, np.array([t_ns])).items()
        }
        frames = sorted(reader.newest_at(satellite, t_ns).values(), key=lambda frame: frame.t_ns)
        bus = mission.bus_of(satellite)
        newest, sparks = newest_values(frames), sparks_at(reader, satellite, bus.channels, t_ns)
        # Of the past only generation times are asked: how long a value was on its way is not its age then.
        told = Circumstances(
            lambda frame: max(0.0, (t_ns - frame.t_ns) / 1e9), 1.0, contact.in_contact, predicted, alarms
        )
        channels = {
            name: msgspec.structs.replace(now, age_s=None)
            for name, now in channel_states(bus, newest, sparks, told).items()
        }
        channels |= self._predicted(satellite, predicted, t_ns)
        return Snapshot(
            seq=live.seq,
            now_ns=t_ns,
            wall_ns=t_ns,
            mission=mission,
            satellite=satellite,
            simulated=live.simulated,
            link=live.link,
            contact=contact,
            data_age_s=None,
            model=self._model(reader, live, t_ns),
            alarms=alarms,
            channels=channels,
            events=tuple(self._journal.events(reader, t_ns, satellite if several else None, EVENTS)),
            passes=passes,
            frames=live.frames,
            newest_t_ns=frames[-1].t_ns if frames else None,
            health=live.health,
            elsewhere=tuple(a for a in open_then if a.satellite != satellite),
            told=live.told,
            past_ns=t_ns,
        )

    def _predicted(self, satellite: str, values: dict[str, float], t_ns: int) -> dict[str, ChannelNow]:
        return {
            channel.name: ChannelNow(
                channel=channel,
                value=values[channel.name],
                text=channel.number(values[channel.name]),
                t_ns=t_ns,
                age_s=None,
                acquisition=Acquisition.ACQUIRED,
                result=DISABLED,
                anomalous=False,
                spark=(),
            )
            for channel in predicted_channels(self._mission, satellite)
            if channel.name in values
        }

    def _model(self, reader: StoreReader, live: Snapshot, t_ns: int) -> ModelNow:
        """The model promoted last at `t_ns`; what kind it is, is known of the one that still serves.

        Runs are recorded at wall time. Where the mission lives in another one (a replay), which of them was earlier
        cannot be told: that model is named which serves now.
        """
        if live.now_ns != live.wall_ns:
            return msgspec.structs.replace(live.model, next_s=None, error="")
        self._promotions += reader.promotions(self._promotions[-1].id if self._promotions else 0)
        self._by_hand += reader.put_by_hand(self._by_hand[-1].id if self._by_hand else 0)
        known = [
            one
            for one in (*self._promotions, *self._by_hand)
            if one.at_ns <= t_ns and one.satellite in (None, live.satellite)
        ]
        if not known:
            return ModelNow()
        served = max(known, key=lambda one: one.at_ns)
        kind = live.model.kind if live.model.version == served.version else ""
        return ModelNow(version=served.version, sha256=served.sha256, retrain=served.retrain, kind=kind)
