"""Channels carried over from the model before, beside a mode that it did not know."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch
from trainer.carried import merged
from trainer.model import FUSION, Fitted, fit
from trainer.window import from_batches

Make = Callable[..., list[FrameBatch]]
SATELLITE = "TESTSAT"
ORBIT_S = 1200


@pytest.fixture(scope="module")
def fused(mission: Mission, make_packets: Make) -> Fitted:
    window = from_batches(SATELLITE, mission.bus_of(SATELLITE), make_packets(0, 6 * ORBIT_S))
    return fit(window, version=1, parent=None, created_ns=1, false_alarms_per_day=0.2, kind=FUSION)


def test_a_packet_of_which_nothing_is_fitted_anew_learns_of_a_new_mode_too(fused: Fitted) -> None:
    keys = len(fused.scorer.keys)
    for model in fused.scorer.packets.values():
        assert model.fusion is not None
        wider = merged(model, None, model.channels, keys + 2)
        assert wider.fusion is not None
        assert wider.key_offset.shape[0] == wider.fusion.context.shape[1] == keys + 3
        np.testing.assert_array_equal(wider.fusion.context[:, : keys + 1], model.fusion.context)
        assert not wider.fusion.context[:, keys + 1 :].any()
