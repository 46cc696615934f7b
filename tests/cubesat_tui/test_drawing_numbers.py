"""Numbers and times as an operator reads them."""

from __future__ import annotations

import pytest
from fabricated import NOW
from hypothesis import given
from hypothesis import strategies as st

from cubesat_tui.drawing import numbers
from cubesat_tui.drawing.signs import ORDER, SIGNS, UNICODE, unit


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0.0 s"), (0.449, "0.4 s"), (9.949, "9.9 s"), (42.9, "42 s"), (119, "119 s"), (120, "2 min"),
     (3599, "59 min"), (3600, "1 h"), (86399, "23 h"), (86400, "1 d"), (-5, "0.0 s"), (None, "-")],
)  # fmt: skip
def test_an_age_is_short_and_never_older_than_it_is(seconds, text) -> None:
    assert numbers.age_text(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(372, "06:12"), (0, "00:00"), (-3, "00:00"), (3723, "1:02:03")])
def test_a_countdown_stops_at_zero(seconds, text) -> None:
    assert numbers.countdown(seconds) == text


def test_times_are_utc_with_their_date() -> None:
    assert numbers.date_clock_text(NOW) == "2026-11-22 07:14:03Z"
    assert numbers.month_clock_text(NOW) == "11-22 07:14:03Z"
    assert numbers.day_clock_text(NOW) == "22 07:14:03"


@given(st.floats(1e-9, 1e9))
def test_a_nice_step_is_round_and_not_too_small(raw) -> None:
    step = numbers.nice_step(raw)
    assert raw * (1 - 1e-9) <= step <= raw * 10


@given(st.integers(10**9, 10**16), st.integers(1, 12))
def test_time_labels_are_round_and_few(span_ns, most) -> None:
    assert span_ns / numbers.time_step_ns(span_ns, most) <= most + 1e-9


def test_units_are_shown_and_never_converted() -> None:
    assert unit("degC") == "°C"
    assert unit("uT") == "µT"
    assert unit("rpm") == "rpm"


def test_every_sign_differs_by_shape_and_by_word() -> None:
    assert len({sign.glyph for sign in SIGNS.values()}) == len(SIGNS)
    assert len({sign.ascii for sign in SIGNS.values()}) == len(SIGNS)
    assert len({sign.word for sign in SIGNS.values()}) == len(SIGNS)
    assert [
        UNICODE.glyph(key) for key in ("watch", "warning", "distress", "critical", "severe", "anomaly")
    ] == list("△▲◇◆■◈")


def test_red_is_for_critical_and_severe_only_and_an_opinion_never_outranks_a_hard_limit() -> None:
    assert {key for key, sign in SIGNS.items() if sign.style in ("critical", "severe")} == {"critical", "severe"}
    assert ORDER.index("anomaly") > ORDER.index("critical")
