"""A challenger made in steps: the same model in however many, made whole once, and by as much as is left over."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch
from telemetry.store.rows import RunRow
from trainer import artifact
from trainer.challenger import Challenger, MissionFit, Pace, Step
from trainer.gate import Verdict
from trainer.model import Fitted, fit
from trainer.refits import Due
from trainer.served import Scorer
from trainer.window import PacketRows, Window, from_batches

Make = Callable[..., list[FrameBatch]]
SATELLITE = "TESTSAT"
ORBIT_S = 1200
DUE = ("eps.pv_i_px", "eps.bat_i", "pld.dist_n", "pld.dist_s")
FIT, FOREST = MissionFit("fusion", 0.2), MissionFit("isolation_forest", 0.2)


class Fixed(Pace):
    """So many channels in each step."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self._channels = channels
        self.spent_s: list[float] = []

    def channels(self, budget_s: float, left: int) -> int:
        return min(self._channels, left)

    def took(self, channels: int, cpu_s: float) -> None:
        self.spent_s.append(cpu_s)


@pytest.fixture(autouse=True)
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the gate says of a challenger does not matter here."""
    monkeypatch.setattr("trainer.gate.judge_challenger", lambda *_: Verdict(None, {}))


@pytest.fixture(scope="module")
def champion(mission: Mission, make_packets: Make) -> Scorer:
    window = from_batches(SATELLITE, mission.bus_of(SATELLITE), make_packets(0, 6 * ORBIT_S))
    return fit(window, version=1, parent=None, created_ns=1, false_alarms_per_day=0.2, kind="fusion").scorer


@pytest.fixture(scope="module")
def later(mission: Mission, make_packets: Make) -> Window:
    return from_batches(SATELLITE, mission.bus_of(SATELLITE), make_packets(ORBIT_S, 6 * ORBIT_S))


def made(
    window: Window, champion: Scorer, due: tuple[str, ...], each: int, kind: MissionFit = FIT
) -> tuple[Fitted, list[Step]]:
    """The finished challenger of `due` channels, so many in each step, as model 2; and its steps."""
    base = RunRow(retrain=7, at_ns=5, satellite=SATELLITE, decision="kept")
    challenger, pace = Challenger(window, champion, Due(True, due, (), 500, ""), base), Fixed(each)
    steps: list[Step] = []
    while not challenger.complete:
        steps.append(challenger.step(kind, 1.0, pace))
        challenger.take(steps[-1], pace)
    return challenger.finished(2), steps


def test_a_model_is_the_same_in_however_many_steps(champion: Scorer, later: Window) -> None:
    """With two channels a step one packet is fitted in the first alone, with one each in two of four."""
    whole, steps = made(later, champion, DUE, 4)
    assert len(steps) == 1
    assert {version for info in whole.scorer.manifest.packets for version in info.fitted} == {2}
    for each, count in ((2, 2), (1, 4)):
        other, steps = made(later, champion, DUE, each)
        assert len(steps) == count
        assert other.packed == whole.packed
        assert other.scorer.manifest == whole.scorer.manifest
        assert other.metrics == pytest.approx(whole.metrics)
    assert whole.metrics["fitted_channels"] == 4
    assert artifact.unpack(whole.scorer.manifest, whole.packed).manifest.parent == 1


def test_what_channels_have_in_common_is_learned_from_the_window_wherever_one_was_fitted(
    champion: Scorer, later: Window
) -> None:
    """Of a packet that was done with in an earlier step too; not of one that is carried over."""
    found, _ = made(later, champion, ("eps.bat_i", "pld.dist_s"), 1)
    for name, model in found.scorer.packets.items():
        was = champion.packets[name]
        assert not np.array_equal(model.joint_precision, was.joint_precision)
        assert not np.array_equal(model.rift_precision, was.rift_precision)
        np.testing.assert_array_equal(model.axes, was.axes)
    found, _ = made(later, champion, ("pld.dist_s", "pld.dist_n"), 1)
    other = next(name for name in champion.packets if name != "pld")
    kept, was = found.scorer.packets[other], champion.packets[other]
    np.testing.assert_array_equal(kept.joint_precision, was.joint_precision)
    assert not np.array_equal(found.scorer.packets["pld"].joint_scale, champion.packets["pld"].joint_scale)


def test_until_the_last_step_only_what_was_fitted_is_handed_on(champion: Scorer, later: Window) -> None:
    """It may come from another process."""
    found, steps = made(later, champion, DUE, 1)
    assert [step.fitted is None for step in steps] == [True, True, True, False]
    assert all(step.verdict is None and step.complete_cpu_s == 0.0 for step in steps[:-1])
    assert all(len(pickle.dumps(step)) < len(pickle.dumps(found)) / 3 for step in steps[:-1])


def test_making_the_model_whole_does_not_make_channels_dear(champion: Scorer, later: Window) -> None:
    base = RunRow(retrain=7, at_ns=5, satellite=SATELLITE, decision="kept")
    challenger, pace = Challenger(later, champion, Due(True, DUE, (), 500, ""), base), Fixed(4)
    step = challenger.step(FIT, 1.0, pace)
    challenger.take(step, pace)
    assert step.complete_cpu_s > 0
    assert pace.spent_s == [step.fit_cpu_s - step.complete_cpu_s]
    assert challenger.cpu_s == step.fit_cpu_s


def test_where_nothing_can_be_carried_over_the_first_step_is_the_last(champion: Scorer, later: Window) -> None:
    info = champion.manifest.clock
    assert info is not None
    moved = msgspec.structs.replace(info, epoch_ns=info.epoch_ns + 60_000_000_000)
    other = replace(champion, manifest=msgspec.structs.replace(champion.manifest, clock=moved))
    for found, steps in (made(later, other, DUE, 1), made(later, champion, DUE, 1, FOREST)):
        assert [step.channels for step in steps] == [None]
        assert found.forest_anew
        assert {version for packet in found.scorer.manifest.packets for version in packet.fitted} == {2}


def test_a_packet_that_lost_a_channel_can_still_be_read(champion: Scorer, later: Window) -> None:
    """mission.toml may have changed; of this packet nothing is fitted."""

    def without(rows: PacketRows) -> PacketRows:
        kept = [i for i, channel in enumerate(rows.channels) if channel.name != "pld.dist_s"]
        channels = tuple(rows.channels[i] for i in kept)
        return replace(rows, channels=channels, values=rows.values[:, kept], vouched=rows.vouched[:, kept])

    window = replace(later, packets=tuple(without(rows) for rows in later.packets))
    found, _ = made(window, champion, ("eps.bat_i",), 1)
    assert found.scorer.packets["pld"].channels == ("pld.dist_n",)
    assert artifact.unpack(found.scorer.manifest, found.packed).packets["pld"].joint is not None
