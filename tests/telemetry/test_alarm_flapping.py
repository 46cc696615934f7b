"""An hour of flapping around a limit is one alarm, counted; it clears, and the next real excursion is another."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from telemetry.alarm_desk import AlarmDesk
from telemetry.alarms import Alarm, Event, Key, alarm_id, fold, fold_all
from telemetry.clock import NS_PER_S, ManualClock
from telemetry.dictionary import Bus, Channel, LimitSet
from telemetry.limits import LimitMonitor

KEY = ("K", "thm.panel_px")
HOUR = 3600
LIMIT = 70.0


class Station:
    """One channel on an injected clock; `journal` is all that is stored."""

    def __init__(self, repetition: int) -> None:
        limits = (LimitSet(warning=(-20.0, LIMIT)),)
        counts = {"min_violations": repetition, "min_conformance": repetition}
        self.bus = Bus("b", (Channel("thm.panel_px", "Panel +X", "degC", limits=limits, **counts),))
        self.clock = ManualClock(1_795_000_000 * NS_PER_S)
        self.journal: list[Event] = []
        self.restart()

    def restart(self) -> None:
        self.monitor, self.desk = LimitMonitor(self.bus), AlarmDesk()
        self.desk.restore(self.journal)
        self.journal += self.desk.resume("K", self.monitor, self.clock.now_ns())

    def sample(self, value: float) -> None:
        self.clock.advance(1.0)
        t_ns = self.clock.now_ns()
        self.journal += self.desk.limits("K", self.monitor.step({"thm.panel_px": value}), t_ns)
        self.journal += self.desk.progress("K", self.monitor.ongoing(), t_ns)

    def acknowledge(self) -> None:
        events = self.desk.acknowledge(KEY, "ann", self.clock.now_ns())
        assert not isinstance(events, str), events
        self.journal += events

    @property
    def ids(self) -> set[str]:
        """Of every alarm that ever was."""
        found: set[str] = set()
        alarms: dict[Key, Alarm] = {}
        for event in self.journal:
            alarms = fold(alarms, event)
            found |= {one.id for one in alarms.values()}
        return found

    def settle_and_leave_again(self) -> None:
        """Calm, acknowledged if that is still wanted, then a real excursion: a second alarm."""
        [first] = self.desk.alarms.values()
        for _ in range(60):
            self.sample(50.0)
        if self.desk.alarms:
            assert self.desk.alarms[KEY].state.word == "RETURNED"
            self.acknowledge()
        assert not self.desk.alarms, "it clears"
        for _ in range(10):
            self.sample(85.0)
        [second] = self.desk.alarms.values()
        assert second.state.word == "NEW"
        assert second.id != first.id
        assert (second.violations, second.trigger) == (1, 85.0)
        assert Counter(one.kind for one in self.journal)["alarm.cleared"] == 1
        assert fold_all(self.journal) == dict(self.desk.alarms)


def flapping(seed: int) -> list[float]:
    """An hour around the limit; the first and the last samples are beyond it."""
    chance = random.Random(seed)
    noise = [LIMIT + chance.uniform(-1.0, 1.0) for _ in range(HOUR - 20)]
    return [LIMIT + 0.5] * 10 + noise + [LIMIT + 0.5] * 10


def test_each_second_to_the_other_side_is_one_alarm() -> None:
    station = Station(repetition=1)
    for n in range(HOUR):
        station.sample(LIMIT + (1.0 if n % 2 == 0 else -1.0) * (1 + n / HOUR))
        if n == HOUR // 2:
            station.restart()
    [alarm] = station.desk.alarms.values()
    raised_ns = 1_795_000_001 * NS_PER_S
    assert (alarm.raised_ns, alarm.trigger, alarm.state.word) == (raised_ns, LIMIT + 1.0, "RETURNED")
    assert (alarm.violations, alarm.count) == (HOUR // 2, HOUR // 2)
    assert alarm.worst == pytest.approx(LIMIT + 2.0, abs=0.001)
    assert alarm.id == alarm_id("K", "thm.panel_px", "limit", raised_ns), "the same alarm anywhere"
    assert station.ids == {alarm.id}
    station.settle_and_leave_again()


@pytest.mark.parametrize("seed", range(3))
def test_noise_around_the_limit_is_one_alarm_and_every_bad_sample_counts(seed: int) -> None:
    station, values = Station(repetition=1), flapping(seed)
    for value in values:
        station.sample(value)
    [alarm] = station.desk.alarms.values()
    beyond = [value > LIMIT for value in values]
    assert alarm.violations == sum(
        now and not before for before, now in zip([False, *beyond], beyond, strict=False)
    )
    assert abs(alarm.count - sum(beyond)) < 10, "told every ten seconds while it goes on"
    assert alarm.worst == max(values)
    assert station.ids == {alarm.id}
    station.settle_and_leave_again()


def test_acknowledged_in_the_midst_it_stays_acknowledged_while_samples_flap() -> None:
    """What the repetition number is for: samples that return one at a time do not make the alarm return."""
    station = Station(repetition=3)
    for n in range(HOUR):
        station.sample(LIMIT + (-1.0 if n > 3 and n % 2 else 1.0))
        if n == 600:
            station.acknowledge()
        if n > 600:
            assert station.desk.alarms[KEY].state.word == "ACKED"
    [alarm] = station.desk.alarms.values()
    assert (alarm.violations, len(station.ids)) == (1, 1)
    assert alarm.count >= HOUR // 2 - 10
    station.settle_and_leave_again()


def test_shelved_it_flaps_in_silence_and_is_counted_all_the_same() -> None:
    station = Station(repetition=1)
    station.sample(LIMIT + 1.0)
    now_ns = station.clock.now_ns()
    shelved = station.desk.shelve(KEY, "ann", now_ns + HOUR * NS_PER_S, "sensor is loose", now_ns, now_ns)
    assert not isinstance(shelved, str), shelved
    station.journal += shelved
    for n in range(HOUR - 2):
        station.sample(LIMIT + (1.0 if n % 2 else -1.0))
        station.journal += station.desk.expire(station.clock.now_ns())
        assert not station.desk.alarms[KEY].needs_acknowledgement
    assert station.desk.alarms[KEY].violations == HOUR // 2
    for _ in range(5):
        station.sample(50.0)
        station.journal += station.desk.expire(station.clock.now_ns())
    assert not station.desk.alarms, "returned meanwhile, it is over with its shelf"
    assert fold_all(station.journal) == {}
