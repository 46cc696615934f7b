"""The life cycle of ISA-18.2, judged by a transition table of this test's own.

`TABLE` is written from the standard's state diagram and the words of the console's documents, not from the code:
what a sample, an act, the end of a shelf or a restart makes of an alarm. A driver plays random stories to a real
limit monitor and alarm desk and to the table, and compares them after each step; restarts fold the journal anew.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from telemetry.alarm_desk import AlarmDesk
from telemetry.alarms import Alarm, Event, Key, fold, fold_all
from telemetry.dictionary import Bus, Channel, LimitSet
from telemetry.limits import Level, LimitMonitor

S = 1_000_000_000
KEY = ("K", "eps.bat_v")
SHELF_S = 300
UNDO_S = 30
VALUES = {"in limits": 5.0, "warning": 8.5, "critical": 9.5}

SAMPLES = tuple(VALUES)
ACTS = ("ack", "shelve", "unshelve", "note")
OTHERS = ("undo", "shelf ends", "half a minute", "restart")
STATES = (
    "NORMAL",
    "UNACK_ALARM",
    "ACK_ALARM",
    "RTN_UNACK",
    "LATCH_UNACK",
    "LATCH_ACK",
    "SHELVED, holds",
    "SHELVED, returned",
)
"""The seven; what is shelved is told apart by whether its condition holds, because its end differs."""

# (state, event) -> state. "worse": a sample more severe than any since the alarm was raised.
BOTH = {
    ("NORMAL", "in limits"): "NORMAL",
    ("NORMAL", "warning"): "UNACK_ALARM",
    ("NORMAL", "critical"): "UNACK_ALARM",
    ("UNACK_ALARM", "warning"): "UNACK_ALARM",
    ("UNACK_ALARM", "critical"): "UNACK_ALARM",
    ("UNACK_ALARM", "worse"): "UNACK_ALARM",
    ("UNACK_ALARM", "ack"): "ACK_ALARM",
    ("UNACK_ALARM", "shelve"): "SHELVED, holds",
    ("UNACK_ALARM", "note"): "UNACK_ALARM",
    ("ACK_ALARM", "warning"): "ACK_ALARM",
    ("ACK_ALARM", "critical"): "ACK_ALARM",
    ("ACK_ALARM", "worse"): "UNACK_ALARM",
    ("ACK_ALARM", "shelve"): "SHELVED, holds",
    ("ACK_ALARM", "note"): "ACK_ALARM",
    ("SHELVED, holds", "warning"): "SHELVED, holds",
    ("SHELVED, holds", "critical"): "SHELVED, holds",
    ("SHELVED, holds", "worse"): "UNACK_ALARM",
    ("SHELVED, holds", "in limits"): "SHELVED, returned",
    ("SHELVED, holds", "unshelve"): "ACK_ALARM",
    ("SHELVED, holds", "expire"): "UNACK_ALARM",
    ("SHELVED, holds", "note"): "SHELVED, holds",
    ("SHELVED, returned", "warning"): "SHELVED, holds",
    ("SHELVED, returned", "critical"): "SHELVED, holds",
    ("SHELVED, returned", "worse"): "UNACK_ALARM",
    ("SHELVED, returned", "in limits"): "SHELVED, returned",
    ("SHELVED, returned", "note"): "SHELVED, returned",
}
PLAIN = BOTH | {
    ("UNACK_ALARM", "in limits"): "RTN_UNACK",
    ("ACK_ALARM", "in limits"): "NORMAL",
    ("RTN_UNACK", "warning"): "UNACK_ALARM",
    ("RTN_UNACK", "critical"): "UNACK_ALARM",
    ("RTN_UNACK", "worse"): "UNACK_ALARM",
    ("RTN_UNACK", "in limits"): "RTN_UNACK",
    ("RTN_UNACK", "ack"): "NORMAL",
    ("RTN_UNACK", "shelve"): "SHELVED, returned",
    ("RTN_UNACK", "note"): "RTN_UNACK",
    ("SHELVED, returned", "unshelve"): "NORMAL",
    ("SHELVED, returned", "expire"): "NORMAL",
    ("ACK_ALARM", "undo ack"): "UNACK_ALARM",
    ("NORMAL", "undo ack"): "RTN_UNACK",
    ("SHELVED, holds", "undo shelve of UNACK"): "UNACK_ALARM",
    ("SHELVED, holds", "undo shelve of ACK"): "ACK_ALARM",
    ("SHELVED, returned", "undo shelve of UNACK"): "RTN_UNACK",
    ("SHELVED, returned", "undo shelve of ACK"): "NORMAL",
    ("UNACK_ALARM", "undo unshelve"): "SHELVED, holds",
    ("ACK_ALARM", "undo unshelve"): "SHELVED, holds",
    ("NORMAL", "undo unshelve"): "SHELVED, returned",
}
LATCHED = BOTH | {
    ("UNACK_ALARM", "in limits"): "LATCH_UNACK",
    ("ACK_ALARM", "in limits"): "LATCH_ACK",
    ("LATCH_UNACK", "warning"): "UNACK_ALARM",
    ("LATCH_UNACK", "critical"): "UNACK_ALARM",
    ("LATCH_UNACK", "worse"): "UNACK_ALARM",
    ("LATCH_UNACK", "in limits"): "LATCH_UNACK",
    ("LATCH_UNACK", "ack"): "LATCH_ACK",
    ("LATCH_UNACK", "shelve"): "SHELVED, returned",
    ("LATCH_UNACK", "note"): "LATCH_UNACK",
    ("LATCH_ACK", "warning"): "UNACK_ALARM",
    ("LATCH_ACK", "critical"): "UNACK_ALARM",
    ("LATCH_ACK", "worse"): "UNACK_ALARM",
    ("LATCH_ACK", "in limits"): "LATCH_ACK",
    ("LATCH_ACK", "ack"): "NORMAL",
    ("LATCH_ACK", "shelve"): "SHELVED, returned",
    ("LATCH_ACK", "note"): "LATCH_ACK",
    ("SHELVED, returned", "unshelve"): "LATCH_ACK",
    ("SHELVED, returned", "expire"): "LATCH_UNACK",
    ("ACK_ALARM", "undo ack"): "UNACK_ALARM",
    ("LATCH_ACK", "undo ack"): "LATCH_UNACK",
    ("NORMAL", "undo reset"): "LATCH_ACK",
    ("SHELVED, holds", "undo shelve of UNACK"): "UNACK_ALARM",
    ("SHELVED, holds", "undo shelve of ACK"): "ACK_ALARM",
    ("SHELVED, returned", "undo shelve of UNACK"): "LATCH_UNACK",
    ("SHELVED, returned", "undo shelve of ACK"): "LATCH_ACK",
    ("UNACK_ALARM", "undo unshelve"): "SHELVED, holds",
    ("ACK_ALARM", "undo unshelve"): "SHELVED, holds",
    ("LATCH_ACK", "undo unshelve"): "SHELVED, returned",
    ("LATCH_UNACK", "undo unshelve"): "SHELVED, returned",
}
TABLE = {False: PLAIN, True: LATCHED}


@dataclass
class Act:
    """An act of the operator as the table remembers it; `shelf` is what the end of one ended."""

    kind: str
    at_s: int
    alarm: int
    severity: int
    shelf: Act | None = None


@dataclass
class Expected:
    """Where the table stands. `alarm` numbers the alarms; `acked` and `shelf` are the acts they came from."""

    latch: bool
    state: str = "NORMAL"
    severity: int = 0
    alarm: int = 0
    acked: Act | None = None
    shelf: Act | None = None
    until_s: int = 0
    acts: list[Act] = field(default_factory=list[Act])
    visited: Counter[tuple[str, str, str]] = field(default_factory=Counter[tuple[str, str, str]])

    def knows(self, event: str) -> bool:
        return (self.state, event) in TABLE[self.latch]

    def go(self, event: str) -> None:
        before, self.state = self.state, TABLE[self.latch][self.state, event]
        self.visited[before, event, self.state] += 1
        if before.startswith("SHELVED") and not self.state.startswith("SHELVED"):
            self.shelf = None
        if self.state in ("UNACK_ALARM", "RTN_UNACK", "LATCH_UNACK"):
            self.acked = None

    def sample(self, name: str) -> None:
        level = {"in limits": 0, "warning": int(Level.WARNING), "critical": int(Level.CRITICAL)}[name]
        event = "worse" if level > self.severity and self.state != "NORMAL" else name
        if self.state == "NORMAL" and level:
            self.alarm, self.severity = self.alarm + 1, 0
        if self.state == "SHELVED, returned" and level:
            # A new excursion is to be acknowledged anew once the shelf is over.
            self.acked = None
        self.go(event)
        self.severity = max(self.severity, level)

    def act(self, kind: str, at_s: int) -> None:
        name = "reset" if (kind, self.state) == ("ack", "LATCH_ACK") else kind
        done = Act(name, at_s, self.alarm, self.severity, self.shelf)
        self.go(kind)
        if kind == "note":
            return
        self.acts.append(done)
        if name == "ack":
            self.acked = done
        elif kind == "shelve":
            self.shelf, self.until_s = done, at_s + SHELF_S
        elif kind == "unshelve" and self.acked is None:
            self.acked = done

    def undo(self, at_s: int) -> bool:
        """Take back the newest act; False where that is to be refused."""
        recent = [one for one in self.acts if at_s - one.at_s <= UNDO_S]
        if not recent or recent[-1].alarm != self.alarm:
            return False
        act = recent[-1]
        event = f"undo {act.kind}"
        if act.kind == "shelve":
            if self.shelf is not act:
                return False
            event += " of UNACK" if self.acked is None else " of ACK"
        if act.kind == "ack" and self.state != "NORMAL" and self.acked is not act:
            return False
        if act.kind == "unshelve" and (self.shelf is not None or self.severity > act.severity):
            return False
        self.go(event)
        self.acts.remove(act)
        if act.kind == "unshelve":
            self.shelf = act.shelf
            self.acked = None if self.acked is act else self.acked
        return True


class Story:
    """A station of one channel beside the table; `journal` is all it would have stored."""

    def __init__(self, latch: bool) -> None:
        limits = (LimitSet(warning=(1, 8), critical=(0, 9), latch=latch),)
        channel = Channel("eps.bat_v", "Battery", "V", limits=limits, min_violations=1, min_conformance=1)
        self.bus = Bus("b", (channel,))
        self.expected = Expected(latch)
        self.journal: list[bytes] = []
        self.folded: dict[Key, Alarm] = {}
        self.now_s = 0
        self.refused: Counter[tuple[str, str]] = Counter()
        self.begin()

    def begin(self) -> None:
        self.monitor = LimitMonitor(self.bus)
        self.desk = AlarmDesk()

    def step(self, name: str) -> None:
        self.now_s += {"shelf ends": SHELF_S, "half a minute": UNDO_S + 1}.get(name, 1)
        t_ns = self.now_s * S
        if self.expected.shelf is not None and self.now_s >= self.expected.until_s:
            self.expected.go("expire")
        self.keep(self.desk.expire(t_ns))
        if name in VALUES:
            self.expected.sample(name)
            self.keep(self.desk.limits("K", self.monitor.step({"eps.bat_v": VALUES[name]}), t_ns))
            self.keep(self.desk.progress("K", self.monitor.ongoing(), t_ns))
        elif name == "restart":
            self.restart(t_ns)
        elif name == "undo":
            self.undo(t_ns)
        elif name in ACTS:
            self.act(name, t_ns)
        alarm = self.desk.alarms.get(KEY)
        assert isa_state(alarm) == self.expected.state, name
        assert self.folded == dict(self.desk.alarms), "what is stored is what the desk has"

    def act(self, name: str, t_ns: int) -> None:
        outcome = {
            "ack": lambda: self.desk.acknowledge(KEY, "ann", t_ns),
            "shelve": lambda: self.desk.shelve(KEY, "ann", t_ns + SHELF_S * S, "known", t_ns, t_ns),
            "unshelve": lambda: self.desk.unshelve(KEY, "ann", "", t_ns),
            "note": lambda: self.desk.note(KEY, "ann", "looked at it", t_ns),
        }[name]()
        if self.expected.knows(name):
            assert not isinstance(outcome, str), outcome
            self.expected.act(name, self.now_s)
            assert {(one.actor, one.at_ns) for one in outcome} >= {("ann", t_ns)}, "who and when"
            self.keep(outcome)
        else:
            assert isinstance(outcome, str), "an illegal act is refused"
            assert len(outcome.split()) > 3, "with words"
            self.refused[self.expected.state, name] += 1

    def undo(self, t_ns: int) -> None:
        assert self.desk.undo("lk", t_ns)[0] == [], "nobody takes back what another did"
        events, refusals = self.desk.undo("ann", t_ns)
        state = self.expected.state
        if self.expected.undo(self.now_s):
            assert events, refusals
            assert not refusals
        else:
            assert not events
            assert len(refusals[0].split()) > 3
            self.refused[state, "undo"] += 1
        self.keep(events)

    def restart(self, t_ns: int) -> None:
        before = dict(self.desk.alarms)
        self.begin()
        journal = [msgspec.json.decode(row, type=Event) for row in self.journal]
        assert fold_all(journal) == before, "the table is the same after a restart"
        self.desk.restore(journal)
        self.keep(self.desk.resume("K", self.monitor, t_ns))
        assert dict(self.desk.alarms) == before

    def keep(self, events: list[Event]) -> None:
        for event in events:
            row = msgspec.json.encode(event)
            self.journal.append(row)
            self.folded = fold(self.folded, msgspec.json.decode(row, type=Event))


def isa_state(alarm: Alarm | None) -> str:
    if alarm is None:
        return "NORMAL"
    if alarm.state.name == "SHELVED":
        return "SHELVED, holds" if alarm.active else "SHELVED, returned"
    return alarm.state.name


WEIGHTS = {"ack": 4, "shelve": 3, "unshelve": 3, "undo": 4, "half a minute": 1, "shelf ends": 1, "restart": 1}
"""How often a story does it; a sample or a note counts 2."""


@pytest.mark.parametrize("latch", [False, True], ids=["plain", "latched"])
def test_random_stories_visit_every_state_and_every_legal_transition(latch: bool):
    names = (*SAMPLES, *ACTS, *OTHERS)
    weights = [WEIGHTS.get(name, 2) for name in names]
    visited: Counter[tuple[str, str, str]] = Counter()
    refused: Counter[tuple[str, str]] = Counter()
    for seed in range(32):
        chance = random.Random(seed)
        story = Story(latch)
        for name in chance.choices(names, weights, k=500):
            story.step(name)
        visited += story.expected.visited
        refused += story.refused
    table = TABLE[latch]
    legal = {(state, event, after) for (state, event), after in table.items()}
    assert set(visited) == legal, sorted(legal - set(visited))
    assert len(legal) == {False: 46, True: 55}[latch]
    assert min(visited.values()) >= 3, "none by a single lucky story"
    reached = {state for transition in visited for state in (transition[0], transition[2])}
    assert reached == {
        state for state in STATES if state.startswith("LATCH") <= latch and state != latch * "RTN_UNACK"
    }
    illegal = {(state, act) for state in reached for act in ACTS if (state, act) not in table}
    assert illegal <= set(refused), sorted(illegal - set(refused))
    assert {state for state, act in refused if act == "undo"} == reached


class LifeCycle(RuleBasedStateMachine):
    """The same, for hypothesis to find and to shorten the story that goes wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.stories = [Story(False), Story(True)]

    @rule(name=st.sampled_from((*SAMPLES, *ACTS, *OTHERS)))
    def happens(self, name: str) -> None:
        for story in self.stories:
            story.step(name)


LifeCycle.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
test_any_story_goes_by_the_table = LifeCycle.TestCase
