"""The commands that govern models, beside a running station and without one, and over kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from telemetry.clock import NS_PER_S, parse_iso
from telemetry.kill_points import VARIABLE
from tests.cubesat_tui.governed import BIRD, Governed


async def test_roll_back_promote_hold_and_runs_beside_a_station(governed: Governed) -> None:
    await governed.promotions(2)
    back = await governed.command(
        "rollback", "--reason", "v2 is blind", "--for", "90m", "--operator", "kim", "--json"
    )
    assert back.exit_code == 0, back.output
    told = json.loads(back.stdout)
    assert (told["done"], told["by"], told["from"], told["to"]) == (True, "kim", 2, 1)
    assert told["reason"] == "v2 is blind"
    assert governed.scores_with == 1
    listed = json.loads((await governed.command("runs", "--json")).stdout)
    assert [(run["decision"], run["version"]) for run in listed["runs"]] == [("promoted", 2), ("promoted", 1)]
    assert listed["serving"][BIRD]["version"] == 1
    assert parse_iso(told["held_until"]) - parse_iso(told["at"]) == 90 * 60 * NS_PER_S
    assert (await governed.command("hold", "--release")).exit_code == 0
    forth = await governed.command("promote", "v2", "--reason", "looked again", "--operator", "kim")
    assert forth.stdout == "kim promoted v2 instead of v1: looked again\n"
    assert governed.scores_with == 2
    held = await governed.command("hold", "--for", "2h", "--reason", "camera calibration", "--operator", "kim")
    assert "kim holds promotion until " in held.stdout
    assert "TESTBIRD: v2 scores, before it v1" in (await governed.command("runs", "-n", "1")).stdout
    refused = await governed.command("promote", "7", "--reason", "because", "--json")
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["text"] == "no model v7 of TESTBIRD is known; v2 scores on"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("promote", "1"), "at least 3 letters"),
        (("promote", "1", "--reason", "a b"), "at least 3 letters"),
        (("promote", "newest", "--reason", "because"), "'newest' is no version: allowed: 17 or v17"),
        (("promote", "1", "--reason", "because", "--satellite", "X"), "--satellite: 'X': allowed: TESTBIRD"),
        (("rollback",), "at least 3 letters"),
        (("rollback", "--reason", "because", "--for", "soon"), "'soon' is no length of time"),
        (("hold", "--reason", "because"), "give --for 2h or --release"),
        (("hold", "--for", "2h"), "at least 3 letters"),
        (("hold", "--for", "2h", "--release"), "give --for 2h or --release"),
        (("lineage", "first"), "'first' is no frame"),
        (("lineage", "-1"), "No such option"),
        (("lineage", "1:2:3"), "is no frame"),
        (("runs", "--satellite", "X"), "--satellite: 'X': allowed: TESTBIRD"),
        (("runs", "--sort", "speed"), "--sort: 'speed': allowed: newest, oldest, drift, fa, threshold, fit, rows"),
        (("runs", "--filter", "kept speed>3"), "--filter: column 6: 'speed' is no figure of a run"),
    ],
)
async def test_wrong_use_is_refused_before_anything_is_asked(
    governed: Governed, arguments: tuple[str, ...], said: str
) -> None:
    done = governed.command_alone(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert governed.rig.waiting_requests() == 0


async def test_runs_are_filtered_and_ordered_as_on_the_screen(governed: Governed) -> None:
    await governed.promotions(3)

    def listed(*options: str) -> list[int]:
        told = json.loads(governed.command_alone("runs", "--json", *options).stdout)
        return [run["version"] for run in told["runs"]]

    assert listed("--sort", "rows") == [3, 2, 1], "each window is longer than the one before"
    assert listed("--sort", "oldest", "-n", "2") == [1, 2]
    assert listed("--filter", "promoted -v2") == [3, 1]
    assert listed("--filter", "rejected") == []
    assert "no run is like that" in governed.command_alone("runs", "--filter", "rejected").stdout


async def test_without_a_station_the_commands_do_it_themselves(governed: Governed) -> None:
    await governed.promotions(3)
    await governed.rig.stop()
    back = governed.command_alone("rollback", "--reason", "v3 is blind", "--operator", "kim", "--json")
    assert back.exit_code == 0, back.output
    assert json.loads(back.stdout)["to"] == 2
    assert governed.command_alone("promote", "1", "--reason", "even older").exit_code == 0
    assert governed.serving().versions == (1, 2, 1)
    await governed.rig.start()
    assert governed.scores_with == 1
    assert [event.kind for event in governed.rig.events("model.")][-2:] == ["model.rolled_back", "model.promoted"]


@pytest.mark.parametrize(("point", "done_by_then"), [("acts_applied:1", False), ("acts_journaled:1", True)])
async def test_a_kill_in_the_middle_of_a_roll_back_leaves_it_undone_or_done_and_never_twice(
    governed: Governed, point: str, done_by_then: bool
) -> None:
    await governed.promotions(3)
    await governed.rig.stop()
    directory = str(governed.rig.directory.path)
    command = [sys.executable, "-m", "cubesat_tui", "rollback", "--reason", "v3 is blind", "--mission", directory]
    killed = subprocess.run(command, env={**os.environ, VARIABLE: point}, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert governed.serving().version == (2 if done_by_then else 3)
    assert len(governed.rig.events("model.rolled_back")) == done_by_then
    await governed.rig.start()
    await governed.settled()
    await governed.rig.until(lambda: len(governed.rig.events("model.rolled_back")) == 1)
    assert (governed.serving().versions, governed.scores_with) == ((1, 2), 2)


async def test_lineage_of_a_frame_before_the_first_model_and_after_it(governed: Governed) -> None:
    await governed.promotions(2)
    await governed.ask("rollback", reason="v2 is blind")
    await governed.fly(50)

    def told(frame: str) -> dict[str, object]:
        return json.loads(governed.command_alone("lineage", frame, "--json").stdout)

    early = told("10")
    assert (early["state"], early["model"], early["run"]) == ("learning", None, None)
    assert "learning: before the first model" in governed.command_alone("lineage", "1:5").stdout
    last = told(f"1:{governed.seq - 1}")
    run = governed.rig.read(lambda reader: reader.run_of_version(1, BIRD))
    assert (last["model"], last["run"]["window_hash"]) == (1, run.window_hash)
    assert last["run"]["model_sha256"] == run.model_sha256
    put = last["put_there"]
    assert (put["by"], put["how"], put["instead_of"], put["reason"]) == ("kim", "rolled_back", 2, "v2 is blind")
    earlier = told("3100")
    assert (earlier["model"], earlier["put_there"]["by"], earlier["put_there"]["how"]) == (
        1,
        "the trainer",
        "promoted",
    )
    assert "rolled back by kim at " in governed.command_alone("lineage", f"1:{governed.seq - 1}").stdout
    nowhere = governed.command_alone("lineage", "999999")
    assert (nowhere.exit_code, nowhere.stderr) == (1, "cubesat-tui: no frame 999999 is stored\n")
