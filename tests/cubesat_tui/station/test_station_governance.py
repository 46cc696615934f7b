"""Promote, roll back, hold and release through a real station and a real trainer, over restarts and kills."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from telemetry.clock import NS_PER_S
from tests.cubesat_tui.governed import BIRD, Governed, Row
from trainer.scorer import LiveScoring, Scorer

H_NS = 3_600 * NS_PER_S


async def test_a_roll_back_returns_to_the_model_before_and_holds(governed: Governed) -> None:
    await governed.promotions(3)
    told = await governed.ask("rollback", reason="v3 is blind on wheel Y")
    assert (told.kind, told.actor, told.subject) == ("model.rolled_back", "kim", "v2")
    assert (told.body["from"], told.body["to"]) == (3, 2)
    assert told.body["sha256"] == governed.rig.read(lambda r: r.run_of_version(2, BIRD)).model_sha256
    assert told.body["until_ns"] - told.at_ns == 4 * H_NS
    assert told.text.startswith("kim rolled back from v3 to v2, no automatic promotion until 2026-11-22T")
    assert told.text.endswith(": v3 is blind on wheel Y")
    assert governed.scores_with == 2
    again = await governed.ask("rollback", reason="v2 as well")
    assert again.body["to"] == 1, "a second one goes further back and not to and fro"
    assert governed.serving().versions == (1,)
    nothing = await governed.ask("rollback", reason="and once more")
    assert nothing.kind == "act.refused"
    assert "nothing to roll back to" in nothing.text


async def test_a_station_that_starts_again_serves_what_was_served(governed: Governed) -> None:
    await governed.promotions(3)
    await governed.ask("rollback", version=1, reason="back to the first")
    await governed.restart()
    assert governed.scores_with == 1
    assert governed.rig.station.models.health()["version"] == 1
    await governed.ask("promote", version=3, reason="it was the radio after all")
    await governed.restart()
    assert governed.scores_with == 3
    promoted = governed.rig.events("model.promoted")[-1]
    assert (promoted.actor, promoted.body["from"], promoted.body["to"]) == ("kim", 1, 3)
    assert promoted.text == "kim promoted v3 instead of v1: it was the radio after all"


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("promote", {"version": 1}, "a reason of at least 3 letters"),
        ("promote", {"version": 1, "reason": " a "}, "a reason of at least 3 letters"),
        ("promote", {"version": 9, "reason": "because"}, "no model v9 of TESTBIRD is known; v2 scores on"),
        ("promote", {"version": 2, "reason": "because"}, "v2 scores already"),
        ("promote", {"version": True, "reason": "because"}, "version: a whole number is wanted"),
        ("promote", {"version": 10**30, "reason": "because"}, "the request cannot be read"),
        ("promote", {"version": 1, "reason": "because", "satellite": "NOBODY"}, "allowed: TESTBIRD"),
        ("rollback", {}, "a reason of at least 3 letters"),
        ("rollback", {"reason": "because", "minutes": 0}, "a hold is 1 minute to 30 days long"),
        ("hold", {"minutes": 60}, "a reason of at least 3 letters"),
        ("hold", {"reason": "because"}, "until_ns or minutes is wanted"),
        ("hold", {"reason": "because", "until_ns": 5}, "a hold ends within 30 days from now"),
        ("release", {}, "nothing is held"),
    ],
)
async def test_what_cannot_be_done_is_refused_in_words_and_changes_nothing(
    governed: Governed, kind: str, body: dict[str, Any], said: str
) -> None:
    await governed.promotions(2)
    before = governed.serving()
    told = await governed.ask(kind, **body)
    assert told.kind == "act.refused"
    assert said in told.text
    assert (governed.scores_with, governed.serving()) == (2, before)


async def test_nothing_is_held_before_the_first_model(governed: Governed) -> None:
    assert "no model scores yet" in (await governed.ask("hold", minutes=60, reason="calm down")).text


@pytest.mark.parametrize(
    ("harm", "said"),
    [("gone", "the files of v1 are gone"), ("changed", "SHA-256"), ("another", "not the model that was announced")],
)
async def test_a_model_that_is_gone_or_was_tampered_with_is_refused_and_the_champion_stays(
    governed: Governed, harm: str, said: str
) -> None:
    await governed.promotions(2)
    place = governed.rig.directory.models / "v1"
    scorer = place / "scorer.npz"
    if harm == "gone":
        for file in place.iterdir():
            file.unlink()
        place.rmdir()
    elif harm == "another":
        for file in place.iterdir():
            file.write_bytes((governed.rig.directory.models / "v2" / file.name).read_bytes())
    else:
        content = bytearray(scorer.read_bytes())
        content[len(content) // 2] ^= 1
        scorer.write_bytes(content)
    before = governed.serving()
    for kind, body in (("rollback", {}), ("promote", {"version": 1})):
        told = await governed.ask(kind, reason="try it", **body)
        assert told.kind == "act.refused"
        assert said in told.text
        assert told.text.endswith("v2 scores on")
    assert (governed.scores_with, governed.serving()) == (2, before)
    rejected = [event.subject for event in governed.rig.events("model.rejected")]
    assert rejected == ([] if harm == "gone" else ["v1", "v1"])


async def test_a_hold_keeps_challengers_away_and_ends_by_itself(governed: Governed) -> None:
    await governed.promotions(1)
    told = await governed.ask("hold", minutes=60, reason="camera calibration")
    assert (told.kind, told.actor) == ("model.held", "kim")
    await governed.fly(600)
    run = (await governed.retrain()).runs[0]
    assert (run.decision, run.version) == ("kept", 2)
    assert run.fit_s is not None
    assert run.reason.startswith("held by kim until 2026-11-22T")
    assert run.reason.endswith(": camera calibration")
    assert governed.scores_with == 1
    held = governed.rig.read(lambda r: r.health()).body["held"]
    assert held[BIRD]["actor"] == "kim"
    governed.rig.clock.advance(3600.0)
    await governed.rig.until(lambda: bool(governed.rig.events("model.released")), seconds=0.3)
    (over,) = governed.rig.events("model.released")
    assert (over.actor, over.text.startswith("the hold by kim is over")) == ("", True)
    await governed.fly(600)
    assert (await governed.retrain()).runs[0].decision == "promoted"
    assert governed.scores_with == 3


async def test_what_was_held_back_may_be_promoted_by_hand(governed: Governed) -> None:
    await governed.promotions(1)
    await governed.ask("hold", minutes=60, reason="camera calibration")
    await governed.fly(600)
    await governed.retrain()
    told = await governed.ask("promote", version=2, reason="looked at it: fine")
    assert (told.body["from"], told.body["to"]) == (1, 2)
    await governed.restart()
    assert governed.scores_with == 2


async def test_a_hold_may_be_released_and_outlives_a_restart(governed: Governed) -> None:
    await governed.promotions(1)
    await governed.ask("hold", minutes=60, reason="camera calibration")
    await governed.restart()
    assert governed.rig.station.models.holds()[BIRD]["reason"] == "camera calibration"
    told = await governed.ask("release", reason="done early", actor="ann")
    assert told.text == "ann released the hold by kim: done early"
    await governed.restart()
    assert governed.rig.station.models.holds() == {}


async def test_a_promotion_that_crosses_a_hold_is_kept(governed: Governed) -> None:
    await governed.promotions(1)
    await governed.fly(600)
    governed.rig.ask("hold", {"minutes": 60, "reason": "camera calibration"}, "kim")
    # The trainer does not know of it yet.
    run = (await governed.retrain()).runs[0]
    assert run.decision == "promoted"
    (newest, *_) = governed.rig.read(lambda r: r.runs())
    assert (newest.decision, newest.version, governed.scores_with) == ("kept", 2, 1)
    await governed.fly(600)
    following = (await governed.retrain()).runs[0]
    assert following.parent == 1, "the trainer goes by what the station serves"


async def test_the_trainer_follows_a_roll_back(governed: Governed) -> None:
    await governed.promotions(2)
    await governed.ask("rollback", reason="v2 is blind")
    await governed.fly(600)
    run = (await governed.retrain()).runs[0]
    assert (run.parent, run.decision) == (1, "kept")
    assert run.reason.startswith("held by kim until ")
    assert "after the roll-back to v1: v2 is blind" in run.reason


async def test_a_mission_of_an_older_station_goes_on_and_can_be_rolled_back(governed: Governed) -> None:
    await governed.promotions(2)
    await governed.rig.stop()
    from telemetry.store.connection import open_writer

    connection = open_writer(governed.rig.directory.telemetry)
    connection.run("DELETE FROM cursor WHERE link = 'served'")
    connection.close()
    await governed.rig.start()
    assert governed.scores_with == 2
    assert (await governed.ask("rollback", reason="older is better")).body["to"] == 1


async def test_five_promotions_and_a_roll_back_every_row_scores_again_as_it_was_stored(governed: Governed) -> None:
    """Issue 7, acceptance 4."""
    await governed.promotions(5)
    await governed.fly(300)
    await governed.ask("rollback", reason="v5 misses the wheel")
    await governed.fly(400)
    rows = governed.rows()
    models = [model for model, _, _ in rows]
    assert models[:3000] == [0] * 3000, "learning: before the first model there is no opinion"
    assert sorted({*models} - {0}) == [1, 2, 3, 4, 5]
    assert models[-1] == 4

    # Each row again, by the files of the model that the row names, in the order in which they came.
    scoring = LiveScoring(governed.rig.mission)
    again: list[Row] = []
    serves = 0
    for row, model in zip(
        (b.take(np.array([i])) for b in governed.fed for i in range(len(b))), models, strict=True
    ):
        if model not in (0, serves):
            scoring.swap(Scorer.load(governed.rig.directory.models / f"v{model}"))
            serves = model
        columns = scoring.score(row).columns
        found = (0, math.nan, 0) if columns is None else (columns.model[0], columns.score[0], columns.state[0])
        again.append((int(found[0]), float(found[1]), int(found[2])))
    scored = [(was, now) for was, now in zip(rows, again, strict=True) if was[0]]
    newest = scored[-1000:]
    assert sum(was == now for was, now in newest) == 1000, "bit for bit"
    assert {was[0] for was, _ in newest} >= {4, 5}
    assert all(was == now for was, now in scored)

    history = [
        (event.kind, event.actor, event.body["to"], event.body["reason"], event.at_ns > 0)
        for event in governed.rig.events("model.")
        if "to" in event.body
    ]
    assert [(kind, to) for kind, _, to, _, _ in history] == [
        *(("model.promoted", version) for version in range(1, 6)),
        ("model.rolled_back", 4),
    ]
    assert history[-1][1] == "kim"
    assert history[-1][3] == "v5 misses the wheel"
    assert all(reason for _, _, _, reason, _ in history)
