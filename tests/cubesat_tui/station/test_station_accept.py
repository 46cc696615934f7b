"""Accept as nominal through a real station and a real trainer: what was flagged is not, after the next fit."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from cubesat_tui.cli import root
from telemetry.clock import NS_PER_S, iso
from tests.cubesat_tui.governed import BIRD, Governed
from trainer.gate import Verdict


async def accept(bird: Governed, *arguments: str) -> Result:
    """The command, while the station runs."""
    return await bird.command("accept", *arguments)


async def test_the_same_data_is_no_longer_flagged_after_the_next_fit(bird: Governed) -> None:
    await bird.fly(100)
    wrong = await bird.fly(200, x=20.0)
    await bird.fly(100)
    assert bird.flagged(wrong) > 150
    assert [event.subject for event in bird.rig.events("alarm.raised")] == ["anomaly:a.x"]
    done = await accept(bird, "anomaly:a.x", "--reason", "the new  wheel law", "--operator", "ann", "--json")
    assert done.exit_code == 0, done.output
    outcome = json.loads(done.stdout)
    assert (outcome["done"], outcome["by"], outcome["channels"]) == (True, "ann", ["a.x"])
    assert outcome["from"] <= iso(wrong[0])
    told = bird.rig.events("nominal.accepted")
    assert len(told) == 1
    assert told[0].text.startswith("ann accepted Wheel X as nominal, ")
    assert told[0].text.endswith(": the new wheel law")
    cycle = await bird.retrain()
    run = cycle.runs[0]
    assert (run.decision, run.version) == ("promoted", 2), run.reason
    assert run.reason == "accepted as nominal by ann: the new wheel law"
    assert cycle.entries[0].tags["cubesat.operator"] == "ann"
    assert cycle.entries[0].tags["cubesat.accepted"] == run.reason
    await bird.fly(100)
    again = await bird.fly(200, x=20.0)
    assert (bird.flagged((again[0] + 60 * NS_PER_S, again[1])), bird.flagged(again)) == (0, 0)
    other = await bird.fly(60, y=20.0)
    assert bird.flagged(other) > 30, "what nobody accepted is still one"


async def test_what_the_gate_rejects_is_said_and_tried_again_with_the_next_refit(
    bird: Governed, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = await bird.fly(200, x=20.0)
    span = "--from", iso(wrong[0]), "--to", iso(wrong[1])
    assert (await accept(bird, "a.x", "--reason", "new wheel law", "--operator", "ann", *span)).exit_code == 0
    with monkeypatch.context() as strict:
        strict.setattr("trainer.gate.judge_challenger", lambda *_: Verdict("alarm rate 0.5 > 0.1 + 0.01", {}))
        run = (await bird.retrain()).runs[0]
        assert run.decision == "rejected"
    [told] = bird.rig.events("model.rejected")
    said = "not learned yet, tried again with the next refit: accepted as nominal by ann: new wheel law"
    assert told.text.endswith(said)
    assert (await bird.retrain()).runs[0].decision == "kept", "not every 30 s"
    await bird.fly(700)
    run = (await bird.retrain()).runs[0]
    assert (run.decision, run.reason) == ("promoted", "accepted as nominal by ann: new wheel law")
    again = await bird.fly(200, x=20.0)
    assert bird.flagged((again[0] + 60 * NS_PER_S, again[1])) == 0


async def test_a_fault_nobody_accepts_is_still_flagged_after_the_next_fit(bird: Governed) -> None:
    await bird.fly(600)
    await bird.fly(200, x=20.0)
    await bird.fly(100)
    assert (await bird.retrain()).runs[0].decision == "promoted"
    assert bird.flagged(await bird.fly(200, x=20.0)) > 150


async def test_what_is_beyond_a_hard_limit_is_never_learned(bird: Governed) -> None:
    wrong = await bird.fly(200, x=70.0)
    await bird.fly(100)
    span = "--from", iso(wrong[0]), "--to", iso(wrong[1])
    assert (await accept(bird, "a.x", "--reason", "a whim", *span)).exit_code == 0
    await bird.retrain()
    assert bird.flagged(await bird.fly(100, x=70.0)) > 50


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("anomaly:a.x",), "--reason"),
        (("anomaly:a.x", "--reason", "ok"), "at least 3 letters"),
        (("anomaly:a.z", "--reason", "good reason"), "no open anomaly is called 'anomaly:a.z'"),
        (("a.x", "--reason", "good reason"), "--from and --to"),
        (("a.q", "--reason", "good reason", "--from", "2026-11-22", "--to", "2026-11-22T07:00Z"), "'a.q'"),
        (("--reason", "good reason"), "name an open anomaly"),
    ],
)
async def test_a_refusal_is_one_line_and_changes_nothing(
    bird: Governed, arguments: tuple[str, ...], said: str
) -> None:
    done = await accept(bird, *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert bird.rig.events("nominal.") == []


async def test_the_station_refuses_what_a_foreign_program_asks_without_a_reason(bird: Governed) -> None:
    body = {"satellite": BIRD, "channels": ["a.x"], "t0_ns": bird.t0_ns, "t1_ns": bird.t0_ns + NS_PER_S}
    bird.rig.ask("accept", {**body, "reason": " a "})
    bird.rig.ask("accept", body)
    await bird.rig.until(lambda: bird.rig.waiting_requests() == 0)
    assert bird.rig.events("nominal.") == []
    assert len(bird.rig.events("act.refused")) == 2


async def test_without_a_station_the_command_does_it_itself(bird: Governed) -> None:
    wrong = await bird.fly(100, x=20.0)
    await bird.rig.stop()
    span = "--from", iso(wrong[0]), "--to", iso(wrong[1])
    done = CliRunner().invoke(
        root, ["accept", "a.x", "--reason", "planned", *span, "--mission", str(bird.rig.directory.path)]
    )
    assert done.exit_code == 0, done.output
    assert len(bird.rig.events("nominal.accepted")) == 1


async def test_a_released_anchor_is_a_new_reference(bird: Governed) -> None:
    later = await bird.fly(600)
    done = await accept(bird, "--release-anchor", "--from", iso(later[0]), "--reason", "new season")
    assert done.exit_code == 0, done.output
    run = (await bird.retrain()).runs[0]
    assert run.reason.startswith("anchor released by ")
    assert run.decision == "promoted"


async def test_ten_rejections_in_a_row_are_told_once(bird: Governed) -> None:
    def reject(retrain: int, decision: str = "rejected") -> None:
        body = {
            "retrain": retrain,
            "at_ns": bird.rig.clock.now_ns() + retrain,
            "satellite": BIRD,
            "decision": decision,
            "parent": 1,
            "reason": f"bank recall 0.{retrain} < 0.90 - 0.02",
            "model_sha256": "ab",
        }
        bird.rig.ask("run_recorded", body, "trainer")

    for retrain in range(10, 19):
        reject(retrain)
    await bird.rig.until(lambda: bird.rig.waiting_requests() == 0)
    assert bird.rig.events("model.stalled") == []
    await bird.rig.stop()
    await bird.rig.start()
    for retrain in range(19, 25):
        reject(retrain)
    await bird.rig.until(lambda: bird.rig.waiting_requests() == 0)
    told = bird.rig.events("model.stalled")
    assert [event.text for event in told] == [
        "10 challengers in a row were rejected, v1 serves on; 10 of them: bank recall 0.19 < 0.90 - 0.02"
    ]
    reject(25, "kept")
    for retrain in range(26, 36):
        reject(retrain)
    await bird.rig.until(lambda: bird.rig.waiting_requests() == 0)
    assert len(bird.rig.events("model.stalled")) == 2, "a challenger that passed began a new series"
