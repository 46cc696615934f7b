"""Where a publisher writes: another place gets all of it, and one in which nothing can follow gets nothing."""

from __future__ import annotations

from telemetry.dictionary import read_mission

ROOT = "cubesat_tui/kestrel-1"


async def test_another_path_gets_the_rows_from_the_first_on(publishing) -> None:
    mission = publishing()
    mission.store(400)
    mission.start()
    await mission.all_sent()
    await mission.stop()
    toml = mission.directory.toml
    toml.write_text(toml.read_text(encoding="utf-8") + '\npath = "fleet/kestrel"\n', encoding="utf-8")
    mission.mission = read_mission(mission.directory.path)
    mission.store(5)
    mission.start()
    await mission.all_sent()
    there = mission.server.tree("fleet/kestrel/frames")
    assert sum(record["n"] for record in there.values()) == 405
    assert mission.seqs() == list(range(400))


async def test_a_head_after_which_no_key_sorts_is_told_of_and_ends_no_station(publishing) -> None:
    mission = publishing()
    mission.store(10)
    mission.server.fill({"key": "fffffffff_0000000001"}, f"{ROOT}/heads/frames")
    mission.start()
    await mission.until(lambda: mission.publisher.report.state == "REFUSED")
    assert f"correct {ROOT}/heads/frames" in mission.publisher.report.detail
    assert mission.records() == []
    mission.server.fill(None, f"{ROOT}/heads/frames")
    await mission.all_sent(60)
