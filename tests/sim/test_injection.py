"""Faults by hand: what is left out is the middle of the usual, what means nothing is refused in a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.catalogue import FOR_EVER_S, KINDS, Fault, FaultRefused
from sim.channels import CHANNELS
from sim.fault_plan import FaultPlan
from sim.injection import (
    Wish,
    as_body,
    fault_of,
    from_body,
    seconds_of,
    seconds_text,
    sentence,
    usual_lasts_s,
    usual_size,
    usual_target,
)

NAMES = tuple(channel.name for channel in CHANNELS)


def wished(kind: str, **more: object) -> Fault:
    target = (
        "pld.dist_s" if KINDS[kind].targets == ("channel",) else usual_target(KINDS[kind]) or KINDS[kind].targets[0]
    )
    return fault_of(Wish(kind, "K", **{"target": target, **more}), "hand-1", 100, NAMES, ("K",))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_wished_for_by_name_alone(kind: str) -> None:
    fault = wished(kind)
    assert KINDS[kind].size[0] <= fault.size <= KINDS[kind].size[1]
    assert KINDS[kind].lasts_s[0] <= fault.end_s - fault.start_s <= KINDS[kind].lasts_s[1]
    assert fault.start_s == 100
    assert kind.replace("_", " ") in sentence(fault)
    assert from_body(as_body(fault)) == fault


def test_a_gain_by_hand_does_something() -> None:
    assert usual_size(KINDS["gain"]) != 1.0


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (wished("bias", size=60.0, lasts_s=60), "bias of 60 steps on pld.dist_s for 60 s"),
        (wished("string_loss", target="px", size=0.5), "string loss of 50 % of the face on px until it is ended"),
        (wished("gap", lasts_s=5400), "gap on all packets for 1 h 30 min"),
        (
            wished("corrupt", how="bit", size=1.0, lasts_s=150),
            "corrupt (bit) of 100 % of samples on pld.dist_s for 2 min 30 s",
        ),
        (wished("seu_reboot"), "seu reboot"),
        (wished("heater_stuck_on", lasts_s=3600), "heater stuck on for 1 h"),
    ],
)
def test_a_fault_is_said_in_one_sentence(fault: Fault, words: str) -> None:
    assert sentence(fault) == words


@pytest.mark.parametrize(
    ("kind", "more", "said"),
    [
        ("bias", {"size": float("nan")}, "size: nan: allowed: from"),
        ("bias", {"target": "pld.none"}, "channel: pld.none: allowed: "),
        ("bias", {"target": ""}, "channel: : allowed: "),
        ("string_loss", {"target": ""}, "target: : allowed: px, mx"),
        ("stuck", {"size": 3.0}, "size: 3: allowed: none, stuck has no size"),
        ("stuck", {"how": "nan"}, "how: nan: allowed: last, rail"),
        ("duplicate", {"size": 1.5}, "size: 1.5: allowed: above 0, up to 1"),
        ("rf_noise", {"size": -3.0}, "size: -3: allowed: above 0, up to 150"),
    ],
)
def test_what_means_nothing_is_refused_with_what_is_allowed(kind: str, more: dict[str, object], said: str) -> None:
    with pytest.raises(FaultRefused, match="^" + said.replace(".", r"\.").replace("(", r"\(")):
        wished(kind, **more)


@given(st.integers(1, FOR_EVER_S))
def test_a_time_reads_back_as_it_was_written(seconds: int) -> None:
    assert seconds_of(seconds_text(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("60", 60), ("60s", 60), ("5m", 300), ("2h", 7200), ("ever", FOR_EVER_S)]
)
def test_times_as_people_write_them(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5s", "1.5h", "5 weeks", "1e3"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(FaultRefused, match="is no time: allowed: such as 60s"):
        seconds_of(text)


def test_a_broken_journal_row_is_refused() -> None:
    body = as_body(wished("bias"))
    for wrong in (None, {}, {**body, "kind": "explode"}, {**body, "size": "x"}):
        with pytest.raises(FaultRefused):
            from_body(wrong)
    assert usual_lasts_s(KINDS["string_loss"]) == FOR_EVER_S


@pytest.mark.parametrize("end_s", [105, 110, 130])
def test_a_fault_that_is_ended_early_leaves_no_trace_from_then_on(end_s: int) -> None:
    fault = wished("bias", size=60.0, lasts_s=20)
    plan = FaultPlan([fault], ["K"], CHANNELS, 1)
    plan.end("hand-2", 100)
    plan.end("hand-1", end_s)
    values = np.zeros((64, 1, len(CHANNELS)))
    plan.sense(values, np.zeros_like(values), 90, {})
    changed = np.flatnonzero(values.any(axis=(1, 2))) + 90
    assert changed.tolist() == list(range(100, min(end_s, 120)))


def test_a_hung_bus_that_is_ended_early_is_reset_then_and_one_that_never_began_is_not() -> None:
    for end_s, reset in ((130, [130]), (100, [])):
        plan = FaultPlan([wished("i2c_hang", lasts_s=300)], ["K"], CHANNELS, 1)
        plan.end("hand-1", end_s)
        knobs = {t: plan.knobs(0, t) for t in range(95, 500)}
        assert [t for t, turned in knobs.items() if turned is not None and turned.reset] == reset


def test_packets_are_lost_until_the_gap_is_ended() -> None:
    plan = FaultPlan([wished("gap", lasts_s=300), wished("tumble")], ["K"], CHANNELS, 1)
    plan.end("hand-1", 110)
    assert [fault.end_s for fault in plan.faults] == [110, 110]
