"""Acts on alarms in words: who, until when, why, and what is refused with which sentence."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.alarm_desk import AlarmDesk
from telemetry.alarms import ANOMALY_PREFIX, Event, alarm_id, fold_all, urgency
from telemetry.clock import NS_PER_S, parse_iso
from telemetry.dictionary import Bus, Channel, LimitSet
from telemetry.limits import LimitMonitor
from telemetry.shelving import LONGEST_SHELF_NS

NOW = parse_iso("2026-11-22T07:14:00Z")
HOUR = 3600 * NS_PER_S
KEY = ("K", "eps.bat_v")
OTHER = ("K", "eps.bat_i")


def desk_with(*keys: tuple[str, str], severity: int = 2) -> AlarmDesk:
    desk = AlarmDesk()
    desk.restore([Event(NOW, *key[:1], "alarm.raised", severity, key[1], "", {"text": "V 9 > 8"}) for key in keys])
    return desk


def done(outcome: list[Event] | str) -> list[Event]:
    assert not isinstance(outcome, str), outcome
    return outcome


def kinds(events: Sequence[Event]) -> list[str]:
    return [one.kind.removeprefix("alarm.") for one in events]


def test_a_shelf_says_who_until_when_and_why() -> None:
    desk = desk_with(KEY)
    [event] = done(desk.shelve(KEY, "lk", NOW + HOUR, " antenna work ", NOW, NOW, request="r1"))
    assert event.body == {
        "until_ns": NOW + HOUR,
        "reason": "antenna work",
        "text": "lk shelved until 2026-11-22T08:14:00Z, antenna work: V 9 > 8",
        "id": "r1",
    }
    alarm = desk.alarms[KEY]
    assert (alarm.shelved_by, alarm.shelved_until_ns, alarm.shelf_reason, alarm.shelved_ns) == (
        "lk",
        NOW + HOUR,
        "antenna work",
        NOW,
    )
    assert (alarm.state.word, alarm.needs_acknowledgement, alarm.active) == ("SHELVED", False, True)


@pytest.mark.parametrize(
    ("until_ns", "reason", "actor", "words"),
    [
        (NOW + HOUR, "ab", "ann", "a shelf needs a reason of at least 3 characters"),
        (NOW + HOUR, "a \u00a0\u3000 b", "ann", "a shelf needs a reason of at least 3 characters"),
        (NOW + HOUR, "known", " ", "a shelf needs the operator's name"),
        (NOW, "known", "ann", "a shelf ends in the future, and 2026-11-22T07:14:00Z is past"),
        (NOW + LONGEST_SHELF_NS + 1, "known", "ann", "a shelf ends within 24 h, by 2026-11-23T07:14:00Z"),
    ],
)
def test_a_shelf_without_reason_name_or_near_end_is_refused(until_ns: int, reason: str, actor: str, words: str):
    desk = desk_with(KEY)
    outcome = desk.shelve(KEY, actor, until_ns, reason, NOW, NOW)
    assert isinstance(outcome, str)
    assert outcome.startswith(words)
    assert not desk.alarms[KEY].shelved


def test_a_shelf_is_for_what_was_seen() -> None:
    desk = desk_with(KEY, severity=4)
    worse = desk.shelve(KEY, "ann", NOW + HOUR, "known", NOW, NOW, seen=2, raised_ns=NOW)
    assert worse == "eps.bat_v is now CRITICAL: look again"
    other = desk.shelve(KEY, "ann", NOW + HOUR, "known", NOW, NOW, seen=4, raised_ns=NOW - 1)
    assert other == "eps.bat_v is another alarm by now, raised 2026-11-22T07:14:00Z: look again"
    assert not desk.alarms[KEY].shelved
    done(desk.shelve(KEY, "ann", NOW + HOUR, "known", NOW, NOW, seen=4, raised_ns=NOW))


def test_the_end_of_a_shelf_is_for_what_was_seen() -> None:
    desk = desk_with(KEY)
    done(desk.shelve(KEY, "lk", NOW + HOUR, "known", NOW, NOW))
    assert desk.unshelve(KEY, "ann", "", NOW, seen=1) == "eps.bat_v is now WARNING: look again"
    other = desk.unshelve(KEY, "ann", "", NOW, seen=2, raised_ns=NOW - 1)
    assert isinstance(other, str)
    assert "is another alarm by now" in other
    assert desk.alarms[KEY].shelved
    assert kinds(done(desk.unshelve(KEY, "ann", "", NOW, seen=2, raised_ns=NOW))) == ["unshelved"]


def test_the_longest_shelf_and_the_shortest_reason_are_allowed() -> None:
    desk = desk_with(KEY)
    assert kinds(done(desk.shelve(KEY, "ann", NOW + LONGEST_SHELF_NS, "a bc", NOW, NOW))) == ["shelved"]


def test_a_shelf_on_a_shelf_an_ack_on_a_shelf_and_an_end_without_one_are_refused() -> None:
    desk = desk_with(KEY)
    assert desk.unshelve(KEY, "ann", "", NOW) == "eps.bat_v is not shelved"
    done(desk.shelve(KEY, "ann", NOW + HOUR, "known", NOW, NOW))
    words = "eps.bat_v is shelved by ann until 2026-11-22T08:14:00Z: unshelve it first"
    assert desk.shelve(KEY, "lk", NOW + 2 * HOUR, "known", NOW, NOW) == words
    assert desk.acknowledge(KEY, "lk", NOW) == words
    assert desk.unshelve(KEY, "lk", "ok", NOW) == "a reason has at least 3 characters"
    assert desk.unshelve(("K", "no.such"), "lk", "", NOW) == "no open alarm on no.such of K"


def test_a_shelf_ends_at_its_time_also_when_nobody_looked_and_when_the_clock_was_set_back() -> None:
    desk = desk_with(KEY, OTHER)
    journal = [Event(NOW, *key[:1], "alarm.raised", 2, key[1], "", {"text": "V 9 > 8"}) for key in (KEY, OTHER)]
    journal += done(desk.shelve(KEY, "ann", NOW + HOUR, "known", NOW, NOW))
    journal += done(desk.shelve(OTHER, "ann", NOW + 2 * HOUR, "known", NOW, NOW))
    assert desk.expire(NOW + HOUR - 1) == []
    again = AlarmDesk()
    again.restore(msgspec.json.decode(msgspec.json.encode(journal), type=list[Event]))
    [event] = again.expire(NOW + HOUR + 5)
    assert (event.kind, event.subject, event.actor, event.body["why"]) == ("alarm.unshelved", KEY[1], "", "expired")
    assert event.text == "shelf of ann expired, still so: V 9 > 8"
    assert again.alarms[KEY].needs_acknowledgement
    assert again.alarms[OTHER].shelved
    assert kinds(desk.expire(NOW - 48 * HOUR)) == ["unshelved", "unshelved"], "never longer than a shelf may be"


def test_what_becomes_worse_than_was_shelved_is_new_at_once() -> None:
    limits = (LimitSet(warning=(0, 8), critical=(0, 9)),)
    monitor = LimitMonitor(Bus("b", (Channel("eps.bat_v", "V", limits=limits, min_violations=1),)))
    desk = AlarmDesk()
    desk.limits("K", monitor.step({"eps.bat_v": 8.5}), NOW)
    done(desk.shelve(KEY, "ann", NOW + HOUR, "known", NOW, NOW))
    event, worse = desk.limits("K", monitor.step({"eps.bat_v": 9.5}), NOW + 1)
    assert (event.body["why"], event.text) == ("worse", "shelf of ann ended: eps.bat_v becomes CRITICAL")
    assert worse.kind == "alarm.severity"
    assert desk.alarms[KEY].needs_acknowledgement


def test_an_acknowledgement_is_of_what_was_seen() -> None:
    desk = desk_with(KEY, severity=4)
    assert desk.acknowledge(KEY, "ann", NOW, seen=2) == "eps.bat_v is now CRITICAL: look again"
    words = "eps.bat_v is another alarm by now, raised 2026-11-22T07:14:00Z: look again"
    assert desk.acknowledge(KEY, "ann", NOW, seen=4, raised_ns=NOW - 1) == words
    assert kinds(done(desk.acknowledge(KEY, "ann", NOW, seen=5, raised_ns=NOW))) == ["acknowledged"]


def test_notes_stay_with_their_alarm_the_newest_five() -> None:
    desk = desk_with(KEY)
    for n in range(7):
        done(desk.note(KEY, "ann", f"looked {n}\x1b[2J", NOW + n))
    notes = desk.alarms[KEY].notes
    assert [(one.at_ns, one.actor, one.text) for one in notes] == [
        (NOW + n, "ann", f"looked {n}\ufffd[2J") for n in range(2, 7)
    ]
    back = [Event(NOW, "K", kind, 2, KEY[1]) for kind in ("alarm.returned", "alarm.raised")]
    desk.restore(back)
    assert desk.alarms[KEY].notes == notes, "it came back: it is the same alarm"
    [event] = done(desk.note(("K", ""), "ann", "handing over to lk", NOW, request="r2"))
    assert (event.kind, event.subject, event.body) == ("note.shift", "", {"text": "handing over to lk", "id": "r2"})
    assert desk.note(("K", ""), "ann", "ok", NOW) == "a note has at least 3 characters"
    assert desk.note(("K", ""), "", "handing over", NOW) == "a note needs the operator's name"
    assert desk.note(("K", "no.such"), "ann", "looked", NOW) == "no open alarm on no.such of K to write a note to"


def test_what_one_key_acknowledged_is_taken_back_together_or_one_by_one() -> None:
    desk = desk_with(KEY, OTHER)
    for key in (KEY, OTHER):
        done(desk.acknowledge(key, "ann", NOW, request="all"))
    events, refused = desk.undo("ann", NOW + 5 * NS_PER_S, "K", OTHER[1], request="u1")
    assert (kinds(events), refused) == (["ack_undone"], [])
    assert (events[0].actor, events[0].text, events[0].body["id"]) == (
        "ann",
        "ann took back the acknowledgement: V 9 > 8",
        "u1",
    )
    done(desk.acknowledge(OTHER, "ann", NOW + 6 * NS_PER_S, request="all"))
    events, refused = desk.undo("ann", NOW + 7 * NS_PER_S)
    assert ({one.subject for one in events}, refused) == ({KEY[1], OTHER[1]}, [])
    assert all(one.needs_acknowledgement for one in desk.alarms.values())


def test_undo_is_for_thirty_seconds_and_for_who_did_it() -> None:
    desk = desk_with(KEY)
    done(desk.acknowledge(KEY, "ann", NOW))
    assert desk.undo("lk", NOW + 1) == ([], ["lk did nothing in the last 30 s that can be undone"])
    late = ([], ["ann did nothing in the last 30 s that can be undone"])
    assert desk.undo("ann", NOW + 30 * NS_PER_S + 1) == late
    assert kinds(desk.undo("ann", NOW + 30 * NS_PER_S)[0]) == ["ack_undone"]
    assert desk.undo("ann", NOW + 30 * NS_PER_S)[0] == [], "once"


@pytest.mark.parametrize(("back_s", "undone"), [(0, True), (1, True), (2, False), (3600, False)])
def test_a_clock_that_was_set_back_makes_no_undo_last_longer(back_s: int, undone: bool) -> None:
    desk = desk_with(KEY)
    done(desk.acknowledge(KEY, "ann", NOW))
    events, refused = desk.undo("ann", NOW - back_s * 10**9)
    assert bool(events) == undone
    assert refused == ([] if undone else ["the clock was set back since ann did that: it can no longer be undone"])


def test_an_alarm_that_its_acknowledgement_cleared_comes_back_whole_even_after_a_restart() -> None:
    desk = desk_with(KEY)
    journal = [Event(NOW, "K", "alarm.raised", 2, KEY[1], "", {"text": "V 9 > 8"})]
    journal += done(desk.note(KEY, "ann", "looked at it", NOW))
    journal.append(Event(NOW + 1, "K", "alarm.returned", 0, KEY[1], "", {"text": "back"}))
    desk.restore(journal[-1:])
    before = desk.alarms[KEY]
    journal += done(desk.acknowledge(KEY, "ann", NOW + 2))
    assert not desk.alarms
    again = AlarmDesk()
    again.restore(msgspec.json.decode(msgspec.json.encode(journal), type=list[Event]))
    events, refused = again.undo("ann", NOW + 3)
    assert (kinds(events), refused) == (["ack_undone"], [])
    assert dict(again.alarms) == {KEY: before}
    assert fold_all(msgspec.json.decode(msgspec.json.encode(journal + events), type=list[Event])) == {KEY: before}


def test_an_undo_does_not_bring_back_what_another_operator_cleared() -> None:
    desk = AlarmDesk()
    desk.restore([Event(NOW, "K", "alarm.raised", 2, KEY[1], "", {"text": "V 9 > 8", "latch": True})])
    desk.restore([Event(NOW + 1, "K", "alarm.returned", 0, KEY[1], "", {"text": "back"})])
    done(desk.acknowledge(KEY, "ann", NOW + 2))
    assert kinds(done(desk.acknowledge(KEY, "lk", NOW + 3))) == ["cleared"]
    assert desk.undo("ann", NOW + 4) == ([], ["eps.bat_v was cleared by lk since"])
    assert not desk.alarms
    assert kinds(desk.undo("lk", NOW + 5)[0]) == ["ack_undone"], "who cleared it may"


def test_what_was_overtaken_is_not_taken_back() -> None:
    desk = desk_with(KEY)
    done(desk.acknowledge(KEY, "ann", NOW))
    desk.restore([Event(NOW + 1, "K", "alarm.severity", 4, KEY[1], "", {"text": "V 10 > 9"})])
    assert desk.undo("ann", NOW + 2) == ([], ["eps.bat_v asks again already"])
    done(desk.shelve(KEY, "lk", NOW + HOUR, "known", NOW + 3, NOW + 3))
    desk.expire(NOW + HOUR)
    assert desk.undo("lk", NOW + 4) == ([], ["the shelf of eps.bat_v has ended by itself"])


@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from(["", "limit", "stuck"]), st.integers(0, 2**62))
def test_an_id_is_of_satellite_subject_rule_and_trigger_time(satellite: str, subject: str, rule: str, t_ns: int):
    found = alarm_id(satellite, subject, rule, t_ns)
    assert len(found) == 16
    assert int(found, 16) >= 0
    others = [(satellite + "x", subject, rule, t_ns), (satellite, subject + "x", rule, t_ns)]
    others += [(satellite, subject, rule + "x", t_ns), (satellite, subject, rule, t_ns + 1)]
    assert found not in {alarm_id(*other) for other in others}


def test_an_id_is_the_same_on_every_machine_and_with_every_version() -> None:
    assert alarm_id("K", "a", "", 0) == "df938f9186d65d80"


def test_a_models_opinion_stands_below_every_hard_limit_of_its_state() -> None:
    desk = AlarmDesk()
    desk.restore(
        [
            Event(9, "K", "alarm.raised", 2, ANOMALY_PREFIX + "a.b"),
            Event(1, "K", "alarm.raised", 1, "mildest"),
            Event(1, "K", "alarm.raised", 5, "worst"),
            Event(1, "K", "alarm.raised", 5, "muted"),
            Event(1, "K", "alarm.inhibited", 0, "muted", "", {"by": "link down"}),
        ]
    )
    assert [one.subject for one in sorted(desk.alarms.values(), key=urgency)] == [
        "worst",
        "mildest",
        "anomaly:a.b",
        "muted",
    ]
