"""A served fusion sees numbers and context: order, names, signs and units of channels make no difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec import structs

from telemetry.dictionary import Bus, Channel, Mission
from telemetry.frame import FrameBatch
from trainer.model import fit
from trainer.scorer import LiveScoring
from trainer.window import from_batches

Make = Callable[..., list[FrameBatch]]
ORBIT_S = 1200
FIT_S, LIVE_S, ONSET_S, NOISE_S = 3 * ORBIT_S, 900, 500, 700
SATELLITE = "TESTSAT"
MEASURED = ("eps.pv_i_px", "eps.bat_i", "pld.dist_n", "pld.dist_s")


class Translated:
    """The same satellite with channels of a packet in another order, under other names and in other units."""

    def __init__(self, bus: Bus, order: list[int], factor: dict[str, float], names: dict[str, str]) -> None:
        self._names, self._factor = names, factor
        channels = tuple(self._channel(bus.channels[i]) for i in order)
        sent = {packet: {names.get(one, one) for one in of} for packet, of in bus.packets}
        packets = tuple(
            (packet, tuple(one.name for one in channels if one.name in of)) for packet, of in sent.items()
        )
        self.bus = structs.replace(bus, channels=channels, packets=packets)
        self._layouts = {layout.packet: layout for layout in self.bus.layouts.values()}

    def _channel(self, channel: Channel) -> Channel:
        return structs.replace(channel, name=self._names.get(channel.name, channel.name))

    def batch(self, batch: FrameBatch) -> FrameBatch:
        """As this satellite sends it."""
        layout = self._layouts[batch.layout.packet]
        values = np.empty_like(batch.values)
        for name, position in batch.layout.positions.items():
            other = layout.positions[self._names.get(name, name)]
            values[:, other] = batch.values[:, position] * self._factor.get(name, 1.0)
        return replace(batch, layout=layout, values=values)


def _scores(mission: Mission, bus: Bus, learned: list[FrameBatch], live: list[FrameBatch]) -> dict[str, np.ndarray]:
    window = from_batches(SATELLITE, bus, learned)
    model = fit(window, version=1, parent=None, created_ns=0, false_alarms_per_day=0.2, kind="fusion")
    scoring = LiveScoring(structs.replace(mission, buses={bus.name: bus}), [model.scorer])
    out: dict[str, np.ndarray] = {}
    for batch in live:
        columns = scoring.score(batch).columns
        assert columns is not None
        out[batch.layout.packet] = np.stack((columns.score, columns.p, columns.state), axis=1)
    return out


@pytest.fixture(scope="module")
def flown(mission: Mission, make_packets: Make) -> tuple[list[FrameBatch], list[FrameBatch], dict[str, np.ndarray]]:
    """Rows to learn from, rows with a fault to judge, and how the satellite as it is judges them."""
    change = np.zeros(LIVE_S)
    change[ONSET_S : ONSET_S + 100] = 25.0
    noise = np.zeros(LIVE_S)
    noise[NOISE_S : NOISE_S + 100] = 4.0 * np.random.default_rng(6).standard_normal(100)
    learned = make_packets(0, FIT_S)
    live = make_packets(
        FIT_S, LIVE_S, seed=2, change={"pld.dist_s": change, "pld.dist_n": noise, "eps.bat_i": -change / 50}
    )
    return learned, live, _scores(mission, mission.buses["test"], learned, live)


def test_there_is_something_to_compare(
    flown: tuple[list[FrameBatch], list[FrameBatch], dict[str, np.ndarray]],
) -> None:
    for columns in flown[2].values():
        assert np.isfinite(columns[:, 0]).mean() > 0.8
    assert (flown[2]["pld"][ONSET_S + 5 : ONSET_S + 95, 0] > 0.5).all()
    assert (flown[2]["pld"][NOISE_S + 30 : NOISE_S + 90, 0] > 0.5).mean() > 0.8


@settings(max_examples=4, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    st.permutations(range(8)),
    st.lists(st.sampled_from([1.0, -1.0, 1e-3, -1000.0, 0.3048, -1.8]), min_size=4, max_size=4),
    st.permutations(("eps.pv_i_px", "eps.bat_i")),
)
def test_order_names_signs_and_units_change_no_verdict(
    mission: Mission,
    flown: tuple[list[FrameBatch], list[FrameBatch], dict[str, np.ndarray]],
    order: list[int],
    factors: list[float],
    names: list[str],
) -> None:
    learned, live, before = flown
    factor = dict(zip(MEASURED, factors, strict=True))
    other = Translated(
        mission.buses["test"], order, factor, dict(zip(("eps.pv_i_px", "eps.bat_i"), names, strict=True))
    )
    after = _scores(mission, other.bus, [other.batch(one) for one in learned], [other.batch(one) for one in live])
    for packet, columns in before.items():
        np.testing.assert_allclose(after[packet][:, :2], columns[:, :2], atol=1e-6)
        np.testing.assert_array_equal(after[packet][:, 2], columns[:, 2])
