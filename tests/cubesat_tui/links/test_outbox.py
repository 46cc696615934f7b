"""The store as outbox: what goes next, under which keys, and what a role that changed leaves behind."""

from __future__ import annotations

from cubesat_tui.outbox import Outbox
from telemetry.clock import NS_PER_S, ManualClock
from telemetry.links.link_keys import StreamKey

NOW_S = 1_790_000_500


def outbox(mission, *streams: str, place: str = "https://here kestrel-1") -> Outbox:
    return Outbox(mission.directory, mission.writer, ManualClock(NOW_S * NS_PER_S), streams, place)


async def test_streams_take_turns_so_that_an_alarm_does_not_wait_for_frames(publishing) -> None:
    mission = publishing()
    mission.store(3000, events=2)
    box = outbox(mission, "frames", "scores", "journal", "runs")
    assert [one.stream for one in box.next_ranges()] == ["frames", "journal", "frames", "frames", "frames"]
    assert box.backlog == 3002
    box.close()


async def test_what_is_on_its_way_goes_again_as_it_was(publishing) -> None:
    mission = publishing()
    mission.store(400)
    first = outbox(mission, "frames")
    given = first.next_ranges()
    first.close()
    mission.store(400)
    again = outbox(mission, "frames")
    assert again.next_ranges()[: len(given)] == given
    assert again.next_ranges()[len(given)].first == 401
    again.close()


async def test_a_role_that_was_given_up_does_not_hold_up_the_other(publishing) -> None:
    mission = publishing()
    mission.store(10, events=1)
    both = outbox(mission, "frames", "journal")
    both.next_ranges()
    both.close()
    alone = outbox(mission, "journal")
    assert [one.stream for one in alone.next_ranges()] == ["journal"]
    mission.store(0, events=1)
    assert [one.first for one in alone.next_ranges()] == [1, 2]
    alone.close()


async def test_keys_begin_after_what_stands_in_the_database(publishing) -> None:
    mission = publishing()
    mission.store(10)
    box = outbox(mission, "frames")
    box.learn({"frames": StreamKey("frames", NOW_S + 99, 7).text, "journal": "no key"})
    (one,) = box.next_ranges()
    assert StreamKey.parse(one.key).start_s == NOW_S + 100
    assert box.overtaken() == []
    box.learn({"frames": StreamKey("frames", NOW_S + 200, 7).text})
    assert box.overtaken() == [one]
    assert box.withdraw(one.key) == [one.key]
    (anew,) = box.next_ranges()
    assert StreamKey.parse(anew.key).start_s == NOW_S + 201
    assert (anew.first, anew.last) == (1, 10)
    box.close()


async def test_another_place_gets_the_history_and_the_old_one_goes_on_where_it_was(publishing) -> None:
    mission = publishing()
    mission.store(400)
    here = outbox(mission, "frames")
    done, open_still = here.next_ranges()
    here.done_with(done.key)
    here.close()
    there = outbox(mission, "frames", place="https://there kestrel-1")
    given = there.next_ranges()
    assert [(one.first, one.last) for one in given] == [(1, 300), (301, 400)]
    assert there.backlog == 400
    for one in given:
        there.done_with(one.key)
    assert there.next_ranges() == []
    there.close()
    mission.store(10)
    back = outbox(mission, "frames")
    assert back.next_ranges()[0] == open_still
    assert back.next_ranges()[1].first == 401
    assert back.backlog == 110
    back.close()
    again = outbox(mission, "frames", place="https://there kestrel-1")
    assert [(one.first, one.last) for one in again.next_ranges()] == [(401, 410)]
    again.close()
