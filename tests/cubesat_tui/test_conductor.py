"""The time conductor alone: it never shows what has not been, and every way back leads back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubesat_tui.conductor import ALLOWED, PRESETS, NoMoment, TimeView, moment_of
from telemetry.clock import iso, parse_iso

NOW = 1_795_331_643_000_000_000
S = 1_000_000_000

acts = st.one_of(
    st.tuples(st.just("pan"), st.integers(-50, 50)),
    st.tuples(st.just("zoom"), st.integers(-9, 9)),
    st.tuples(st.just("at"), st.integers(NOW - 10**17, NOW + 10**17)),
    st.tuples(st.just("tick"), st.integers(NOW - 10**16, NOW + 10**16)),
    st.tuples(st.just("live"), st.just(0)),
)


def acted(view: TimeView, act: str, argument: int) -> TimeView:
    return view.live() if act == "live" else getattr(view, act)(argument)


def test_real_time_ends_now_and_moves_on() -> None:
    view = TimeView(NOW)
    assert not view.fixed
    assert (view.t0_ns, view.t1_ns) == (NOW - 600 * S, NOW)
    assert view.tick(NOW + 5 * S).t1_ns == NOW + 5 * S


def test_fixed_time_stands_still_while_now_goes_on() -> None:
    view = TimeView(NOW).at(NOW - 1800 * S).tick(NOW + 60 * S)
    assert view.fixed
    assert (view.t0_ns, view.t1_ns) == (NOW - 2400 * S, NOW - 1800 * S)
    assert not view.is_at_now


@given(st.lists(acts, max_size=30))
def test_whatever_is_asked_nothing_past_now_is_shown(done: list[tuple[str, int]]) -> None:
    view = TimeView(NOW)
    for act, argument in done:
        view = acted(view, act, argument)
        assert view.t0_ns < view.t1_ns <= view.now_ns
        assert view.t1_ns - view.t0_ns == view.span_ns
        assert view.span_s in PRESETS
        assert view.fixed or view.t1_ns == view.now_ns


@given(st.integers(1, 40), st.sampled_from(PRESETS), st.integers(0, 10**15))
def test_back_and_on_again_is_where_it_began(steps: int, span_s: int, age_ns: int) -> None:
    view = TimeView(NOW, span_s).at(NOW - age_ns)
    assert view.pan(-steps).pan(steps) == view
    assert view.pan(-steps).t1_ns == view.t1_ns - steps * span_s * S // 2


@given(st.integers(-9, 9), st.integers(0, 10**15), st.booleans())
def test_zoom_keeps_the_end(steps: int, age_ns: int, fixed: bool) -> None:
    view = TimeView(NOW).at(NOW - age_ns) if fixed else TimeView(NOW)
    zoomed = view.zoom(steps)
    assert (zoomed.t1_ns, zoomed.fixed) == (view.t1_ns, view.fixed)


def test_each_step_of_zoom_is_one_preset_and_stops_at_the_ends() -> None:
    view = TimeView(NOW).zoom(-99)
    seen = [view.span_s]
    while view.zoom(1) != view:
        view = view.zoom(1)
        seen.append(view.span_s)
    assert tuple(seen) == PRESETS
    assert {60, 300, 900, 1800, 3600, 21_600, 86_400} <= set(PRESETS)
    assert view.zoom(1) == view


def test_on_from_the_last_stretch_stops_at_now_and_stays_fixed() -> None:
    view = TimeView(NOW).pan(-1)
    assert view.pan(1).t1_ns == NOW
    assert view.pan(9).t1_ns == NOW
    assert view.pan(9).fixed
    assert view.pan(9).is_at_now
    assert not view.pan(9).tick(NOW + S).is_at_now


def test_live_is_real_time_again_with_the_length_kept() -> None:
    assert TimeView(NOW).zoom(2).at(NOW - 5 * S).live() == TimeView(NOW).zoom(2)


@given(st.lists(acts, max_size=20))
def test_fixed_time_never_ends_before_what_is_stored(done: list[tuple[str, int]]) -> None:
    view = TimeView(NOW, first_ns=NOW - 3600 * S)
    for act, argument in done:
        view = acted(view, act, argument if act != "tick" else NOW + abs(argument - NOW))
        assert view.t1_ns >= NOW - 3600 * S


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("07:14", "2026-11-22T07:14:00Z"),
        (" 06:40:30 ", "2026-11-22T06:40:30Z"),
        ("6:40Z", "2026-11-22T06:40:00Z"),
        ("23:50", "2026-11-21T23:50:00Z"),
        ("2026-11-22T06:45Z", "2026-11-22T06:45:00Z"),
        ("2026-11-22T06:45:10Z", "2026-11-22T06:45:10Z"),
        ("2026-11-22 06:45:10", "2026-11-22T06:45:10Z"),
        ("2026-11-22T07:45:10+01:00", "2026-11-22T06:45:10Z"),
        ("-10m", "2026-11-22T07:04:03Z"),
        ("-90s", "2026-11-22T07:12:33Z"),
        ("-2h", "2026-11-22T05:14:03Z"),
        ("-1d", "2026-11-21T07:14:03Z"),
        ("-0m", "2026-11-22T07:14:03Z"),
    ],
)
def test_a_moment_is_read_as_utc(text: str, expected: str) -> None:
    assert iso(moment_of(text, NOW)) == expected


@pytest.mark.parametrize(
    "text", ["", "soon", "25:00", "07:60", "10m", "2026-11-22", "-10", "-3w", "2026-13-01T00:00Z", "7", "[red]:"]
)
def test_what_is_no_moment_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(NoMoment) as refused:
        moment_of(text, NOW)
    said = str(refused.value)
    assert ALLOWED in said or "00:00:00 to 23:59:59" in said
    assert "\n" not in said


def test_the_future_and_what_was_before_everything_are_refused_with_the_bounds() -> None:
    with pytest.raises(NoMoment, match=r"2026-11-22T08:00:00Z has not been yet: now is 2026-11-22T07:14:03Z"):
        moment_of("2026-11-22T08:00Z", NOW)
    with pytest.raises(NoMoment, match=r"nothing is stored from before 2026-11-22T06:44:03Z"):
        moment_of("-1h", NOW, NOW - 1800 * S)


@given(st.text(max_size=40), st.integers(0, 4 * 10**18))
def test_whatever_is_typed_is_a_moment_that_has_been_or_refused(text: str, now_ns: int) -> None:
    try:
        t_ns = moment_of(text, now_ns)
    except NoMoment:
        return
    assert t_ns <= now_ns


@given(st.integers(0, NOW // S))
def test_what_was_written_out_is_read_back(second: int) -> None:
    assert moment_of(iso(second * S), NOW) == parse_iso(iso(second * S))
