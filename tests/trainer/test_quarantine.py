"""What is not learned: values that stand still for longer than mission.toml allows."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from telemetry.dictionary import Bus, Channel
from telemetry.frame import FrameBatch
from trainer.acceptances import Acceptance
from trainer.window import PacketRows, from_batches, make_window, packet_rows

T0 = 1_795_000_000
MODE = Channel("obc.mode", "Mode", enum=((1, "SAFE"), (3, "NOMINAL")))
WHEEL = Channel("adcs.rw", "Wheel", "rpm", stuck_s=30.0)
AWAKE = msgspec.structs.replace(WHEEL, stuck_when="obc.mode = 3")
FREE = msgspec.structs.replace(WHEEL, stuck_s=None)


def window(
    wheel: Channel, values: np.ndarray, mode: np.ndarray | None = None, accepted: bool = False
) -> PacketRows:
    bus = Bus("test", (MODE, wheel), ("obc.mode",), (("adcs", ("adcs.rw",)),))
    n = len(values)
    t_ns = (T0 + np.arange(n, dtype=np.int64)) * 1_000_000_000
    zero = np.zeros(n, dtype=np.int64)
    made = []
    for layout in bus.layouts.values():
        column = values if layout.packet == "adcs" else np.full(n, mode)
        made.append(
            FrameBatch(
                layout, ("S",), zero, zero + 1, np.arange(n), t_ns, t_ns, zero, column[:, None].astype(float)
            )
        )
    if accepted:
        act = Acceptance(id=1, actor="ann", reason="rests", channels=("adcs.rw",), t0_ns=0, t1_ns=int(t_ns[-1]))
        rows = [
            packet_rows(bus, b.layout, np.arange(n), t_ns, b.boot, b.values, zero, acceptances=(act,)) for b in made
        ]
        found = make_window("S", bus, rows)
    else:
        found = from_batches("S", bus, made)
    return next(packet for packet in found.packets if packet.packet == "adcs")


def course(n: int = 300) -> np.ndarray:
    """A wheel that always moves, but for rows 100 to 159."""
    values = 1000.0 + np.arange(n) % 7
    values[100:160] = 1003.0
    return values


def test_a_run_that_is_too_long_is_left_out_from_its_first_row() -> None:
    left_out = window(WHEEL, course()).unusable(0)
    assert left_out[100:160].all()
    assert not left_out[:94].any()
    assert not left_out[166:].any()


def test_a_run_that_is_allowed_is_learned() -> None:
    values = course()
    values[130] = 1004.0
    assert not window(WHEEL, values).unusable(0).any()
    assert not window(FREE, course()).unusable(0).any()


def test_invalid_values_in_between_do_not_make_two_short_runs_of_a_long_one() -> None:
    values = course()
    values[120:122] = np.nan
    assert window(WHEEL, values).unusable(0)[[101, 158]].all()


@pytest.mark.parametrize(("mode", "left_out"), [(3.0, True), (1.0, False)])
def test_a_wheel_may_rest_where_its_rule_does_not_hold(mode: float, left_out: bool) -> None:
    assert window(AWAKE, course(), mode).unusable(0).any() == left_out


def test_what_an_operator_accepted_is_learned_all_the_same() -> None:
    assert not window(WHEEL, course(), accepted=True).unusable(0).any()
