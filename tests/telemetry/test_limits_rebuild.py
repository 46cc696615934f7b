"""A station that ends between any two frames goes on counting where it was."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from telemetry.alarm_desk import AlarmDesk
from telemetry.alarms import Event
from telemetry.clock import NS_PER_S
from telemetry.dictionary import Bus, Channel, LimitSet
from telemetry.frame import Frame
from telemetry.limits import LimitMonitor

S = NS_PER_S
SETS = (
    LimitSet(when="obc.mode = 1", warning=(4, 6), states=((30.0, "severe"),)),
    LimitSet(warning=(0, 10), critical=(-10, 20)),
)
MODE = Channel("obc.mode", "Mode", enum=((0, "OFF"), (1, "ON")))


class Run:
    """A monitor and a desk, fed with frames; `restart` keeps what a store keeps."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.journal: list[Event] = []
        self.frames: list[Frame] = []
        self.start()

    def start(self) -> None:
        self.monitor, self.desk = LimitMonitor(self.bus), AlarmDesk()

    def feed(self, value: float, mode: float) -> None:
        i = len(self.frames)
        layout = self.bus.layouts["hk"]
        frame = Frame("K", 1, i, i * S, i * S, 0, layout, np.array([value, mode]))
        self.frames.append(frame)
        self.journal += self.desk.limits("K", self.monitor.step(frame), frame.t_ns)
        self.journal += self.desk.progress("K", self.monitor.ongoing(), frame.t_ns)

    def restart(self, kept: int) -> None:
        self.start()
        self.desk.restore(self.journal)
        assert self.desk.resume("K", self.monitor, len(self.frames) * S) == []
        told = {one.subject: one.updated_ns for one in self.desk.alarms.values() if one.active}
        for frame in self.frames[-kept:]:
            self.monitor.rebuild(frame, told)

    @property
    def story(self) -> list[tuple[int, str, int, Any, Any]]:
        """What is told, but for the sentence: its worst value is that of the whole alarm after a restart."""
        return [(e.at_ns, e.kind, e.severity, e.body.get("count"), e.body.get("limit")) for e in self.journal]


SAMPLES = st.lists(
    st.tuples(st.sampled_from([-20.0, -3.0, 5.0, 5.0, 11.0, 30.0, float("nan")]), st.sampled_from([0.0, 1.0])),
    min_size=1,
    max_size=40,
)


@given(SAMPLES, st.integers(1, 4), st.integers(1, 4), st.data())
def test_a_restart_anywhere_changes_no_event(
    samples: list[tuple[float, float]], bad: int, good: int, data: st.DataObject
) -> None:
    channel = Channel("a.b", "A", limits=SETS, min_violations=bad, min_conformance=good)
    bus = Bus("b", (channel, MODE), ("obc.mode",))
    whole, broken = Run(bus), Run(bus)
    cuts = data.draw(st.sets(st.integers(0, len(samples))))
    for i, (value, mode) in enumerate(samples):
        if i in cuts and i:
            broken.restart(kept=12)
        whole.feed(value, mode)
        broken.feed(value, mode)
    assert broken.story == whole.story


def test_two_bad_samples_before_and_one_after_are_three() -> None:
    run = Run(Bus("b", (Channel("a.b", "A", limits=(LimitSet(warning=(0, 10)),)), MODE), ()))
    for value in (5.0, 11.0, 11.0):
        run.feed(value, 0.0)
    run.restart(kept=3)
    assert run.journal == []
    run.feed(11.0, 0.0)
    assert [(event.kind, event.body["count"]) for event in run.journal] == [("alarm.raised", 3)]


def test_limits_that_were_made_tighter_meanwhile_speak_with_the_next_sample() -> None:
    run = Run(Bus("b", (Channel("a.b", "A", limits=(LimitSet(warning=(0, 10)),)), MODE), ()))
    for _ in range(5):
        run.feed(8.0, 0.0)
    run.bus = Bus("b", (Channel("a.b", "A", limits=(LimitSet(warning=(0, 7)),)), MODE), ())
    run.restart(kept=5)
    assert run.journal == []
    run.feed(8.0, 0.0)
    assert [event.kind for event in run.journal] == ["alarm.raised"]
