"""What is in the store arrives in the database once, in order, whatever happens on the way."""

from __future__ import annotations

ROOT = "cubesat_tui/kestrel-1"
ALL = ("frames", "scores", "journal", "runs")


async def test_frames_and_events_arrive_once_and_in_order(publishing) -> None:
    mission = publishing()
    mission.store(700, events=3)
    mission.start(ALL)
    await mission.all_sent()
    await mission.until(lambda: mission.server.tree(f"{ROOT}/journal") is not None)
    assert mission.seqs() == list(range(700))
    assert [record.rows for record in mission.records()] == [300, 300, 100]
    assert [event.text for event in mission.events()[:3]] == ["event 0", "event 1", "event 2"]
    head = mission.server.tree(f"{ROOT}/heads/frames")
    assert (head["key"], head["b"]) == (mission.records()[-1].key, 700)
    assert mission.server.tree(f"{ROOT}/publisher/name") == "ann@ground"
    mission.store(5)
    await mission.all_sent()
    assert mission.seqs() == list(range(705))
    assert mission.publisher.report == ("LIVE", "")
