"""A channel's row at 80 columns: labels whole wherever the value leaves room, values in one column."""

from __future__ import annotations

import pytest

from cubesat_tui.drawing.channel_rows import long_row
from cubesat_tui.drawing.rows import plain, width
from cubesat_tui.drawing.signs import UNICODE
from cubesat_tui.snapshot import ChannelNow
from telemetry.dictionary import Channel
from telemetry.freshness import Acquisition
from telemetry.limits import DISABLED


def now(label: str, text: str) -> ChannelNow:
    channel = Channel(name="eps.x", label=label, unit="A")
    return ChannelNow(channel, 1.0, text, 0, 0.4, Acquisition.ACQUIRED, DISABLED, False, ())


@pytest.mark.parametrize("label", ["Bus 5V", "Array -X current", "Reaction wheel X"])
def test_a_pinned_row_cuts_no_label_that_its_value_leaves_room_for(label: str) -> None:
    row = long_row(now(label, "0.061"), 80, UNICODE, key="anomaly", word=True)
    assert f" {label} " in plain(row)
    assert plain(row).index("0.061 A") == plain(long_row(now("Bus", "0.061"), 80, UNICODE, word=True)).index(
        "0.061"
    )


@pytest.mark.parametrize("text", ["0.061", "no signal", "123456.78"])
@pytest.mark.parametrize("size", [78, 80, 100])
def test_a_long_label_never_pushes_the_row_out(text: str, size: int) -> None:
    row = long_row(now("A label that nobody would give a channel", text), size, UNICODE, key="anomaly", word=True)
    assert text in plain(row)
    assert width(row) <= size
