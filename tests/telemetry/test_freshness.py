"""A value is fresh, old, invalid or was never there, and says which."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.dictionary import Channel
from telemetry.freshness import Acquisition, acquisition, invalid_mask, is_invalid

PLAIN = Channel("a.plain", "Plain")
BOUNDED = Channel("a.bounded", "Bounded", valid=(0, 10), sentinels=(5.5,))
MODE = Channel("a.mode", "Mode", enum=((0, "BOOT"), (3, "NOMINAL")))
PASS = Channel("com.rssi", "Signal", contact_only=True)
CHANNELS = (PLAIN, BOUNDED, MODE)


@pytest.mark.parametrize(
    ("channel", "value", "invalid"),
    [
        (PLAIN, 0.0, False),
        (PLAIN, -1e300, False),
        (PLAIN, math.nan, True),
        (PLAIN, math.inf, True),
        (BOUNDED, 0.0, False),
        (BOUNDED, -0.0, False),
        (BOUNDED, 10.0, False),
        (BOUNDED, math.nextafter(10, 11), True),
        (BOUNDED, math.nextafter(0, -1), True),
        (BOUNDED, 5.5, True),
        (MODE, 3.0, False),
        (MODE, 1.0, True),
        (MODE, 0.5, True),
    ],
)
def test_what_is_invalid(channel: Channel, value: float, invalid: bool) -> None:
    assert is_invalid(channel, value) is invalid


@given(
    st.lists(st.lists(st.floats() | st.sampled_from([0.0, 3.0, 5.5, 10.0]), min_size=3, max_size=3), max_size=20)
)
def test_a_batch_is_judged_like_its_values(rows: list[list[float]]) -> None:
    values = np.array(rows, dtype=np.float64).reshape(len(rows), 3)
    mask = invalid_mask(CHANNELS, values)
    expected = [[is_invalid(channel, value) for channel, value in zip(CHANNELS, row, strict=True)] for row in rows]
    assert mask.tolist() == expected


def test_columns_must_fit_their_channels() -> None:
    with pytest.raises(ValueError, match="3 channels"):
        invalid_mask(CHANNELS, np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("age", "rate", "status"),
    [
        (0.0, 1.0, Acquisition.ACQUIRED),
        (4.0, 1.0, Acquisition.ACQUIRED),
        (4.001, 1.0, Acquisition.EXPIRED),
        (1.3, 10.0, Acquisition.ACQUIRED),
        (1.301, 10.0, Acquisition.EXPIRED),
        (1.0, math.inf, Acquisition.ACQUIRED),
        (1.1, math.inf, Acquisition.EXPIRED),
    ],
)
def test_a_value_expires_after_three_periods_and_a_second(age: float, rate: float, status: Acquisition) -> None:
    assert acquisition(PLAIN, 1.0, age, rate) is status


def test_what_never_came_is_not_received() -> None:
    assert acquisition(PLAIN, None, None) is Acquisition.NOT_RECEIVED


def test_an_old_invalid_value_is_old() -> None:
    assert acquisition(PLAIN, math.nan, 100.0) is Acquisition.EXPIRED
    assert acquisition(PLAIN, math.nan, 0.0) is Acquisition.INVALID


def test_silence_outside_a_pass_is_not_late_for_a_channel_that_is_sent_in_a_pass() -> None:
    assert acquisition(PASS, -100.0, 600.0, in_contact=False) is Acquisition.NOT_RECEIVED
    assert acquisition(PASS, -100.0, 600.0, in_contact=True) is Acquisition.EXPIRED
    assert acquisition(PASS, -100.0, 1.0, in_contact=False) is Acquisition.ACQUIRED
    assert acquisition(PLAIN, 1.0, 600.0, in_contact=False) is Acquisition.EXPIRED
