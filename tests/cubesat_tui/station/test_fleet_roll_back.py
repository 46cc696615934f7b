"""Roll-backs in a fleet: one satellite goes back, holds and starts again, and no other notices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cubesat_tui.cli import root
from telemetry.clock import NS_PER_S
from telemetry.frame import FrameBatch
from telemetry.store.rows import RunRow
from tests.cubesat_tui.governed import BIRD, TOML
from trainer.gate import Verdict
from trainer.loop import Trainer
from trainer.scorer import LiveScoring, Scorer
from trainer.serving import Serving, serving_of

ALPHA, BRAVO, CHARLIE = FLEET = ("ALPHA", "BRAVO", "CHARLIE")


class Fleet:
    """Three satellites with two wheels each, their station and their trainer, whose every challenger passes."""

    def __init__(self, rig: Any) -> None:
        self.rig = rig
        self.trainer: Trainer | None = None
        self.fed: dict[str, list[FrameBatch]] = {name: [] for name in FLEET}
        self._t0_ns = rig.clock.now_ns()

    async def fly(self, rows: int, *names: str) -> None:
        """So many rows of each of these satellites, or of all of them."""
        layout = self.rig.mission.bus_of(ALPHA).layouts["hk"]
        self.rig.clock.advance(float(rows))
        for name in names or FLEET:
            first = sum(len(batch) for batch in self.fed[name])
            seq = np.arange(first, first + rows, dtype=np.int64)
            zero = np.zeros(rows, dtype=np.int64)
            noise = np.random.default_rng([first, FLEET.index(name)]).standard_normal((rows, 2))
            values = 50.0 + 10 * FLEET.index(name) + 0.5 * noise
            batch = FrameBatch(
                layout, (name,), zero, zero + 1, seq, self._t0_ns + seq * NS_PER_S, zero + self.rig.clock.now_ns(),
                zero, values,
            )  # fmt: skip
            await self.rig.feed(batch)
            self.fed[name].append(batch)

    async def retrain(self) -> dict[str, RunRow]:
        """Satellite -> what came of this cycle."""
        if self.trainer is None:
            self.trainer = Trainer(self.rig.directory, self.rig.mission, self.rig.clock, lambda _: None)
        done = self.trainer.cycle()
        await self.settled()
        return {run.satellite or "": run for run in done.runs}

    async def ask(self, kind: str, **body: Any) -> Any:
        """The event that answers kim."""
        request = self.rig.ask(kind, body, "kim")
        await self.settled()
        return next(e for e in self.rig.events() if request in (e.body.get("request"), e.body.get("id")))

    async def command(self, *arguments: str) -> Result:
        """A command beside the running station."""
        line = [*arguments, "--mission", str(self.rig.directory.path)]
        asked = asyncio.create_task(asyncio.to_thread(CliRunner().invoke, root, line))
        await self.rig.until(asked.done)
        return asked.result()

    async def settled(self) -> None:
        await self.rig.until(lambda: self.rig.waiting_requests() == 0)

    @property
    def scored_with(self) -> dict[str, int]:
        """Satellite -> version of the model that scores it now."""
        scorers = {name: self.rig.station.models.scoring.scorer(name) for name in FLEET}
        return {name: scorer.version for name, scorer in scorers.items() if scorer is not None}

    def serving(self, name: str) -> Serving:
        return self.rig.read(lambda reader: serving_of(reader.cursor, name)) or Serving()


@pytest.fixture
async def fleet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_rig: Callable[[Path, Callable[[str], str]], Any]
) -> AsyncIterator[Fleet]:
    monkeypatch.setattr("trainer.gate.judge_challenger", lambda *_: Verdict(None, {}))
    one = f'[[satellite]]\nname = "{BIRD}"\nbus = "b"\n'
    assert one in TOML
    toml = TOML.replace(one, "".join(one.replace(BIRD, name) for name in FLEET))
    rig = make_rig(tmp_path / "mission", lambda _: toml)
    await rig.start()
    made = Fleet(rig)
    # Two models each: ALPHA v1 and v4, BRAVO v2 and v5, CHARLIE v3 and v6.
    for rows in (1200, 600):
        await made.fly(rows)
        assert {run.decision for run in (await made.retrain()).values()} == {"promoted"}
    assert made.scored_with == {ALPHA: 4, BRAVO: 5, CHARLIE: 6}
    yield made
    if made.trainer is not None:
        made.trainer.close()
    await rig.close()


async def test_one_goes_back_and_is_held_and_the_others_go_on(fleet: Fleet) -> None:
    told = await fleet.ask("rollback", satellite=BRAVO, reason="v5 is blind on wheel Y")
    assert (told.satellite, told.body["from"], told.body["to"]) == (BRAVO, 5, 2)
    assert fleet.scored_with == {ALPHA: 4, BRAVO: 2, CHARLIE: 6}
    assert [fleet.serving(name).hold is not None for name in FLEET] == [False, True, False]
    await fleet.fly(600)
    runs = await fleet.retrain()
    assert {name: run.decision for name, run in runs.items()} == {
        ALPHA: "promoted",
        BRAVO: "kept",
        CHARLIE: "promoted",
    }
    assert runs[BRAVO].reason.startswith("held by kim until ")
    assert [runs[name].parent for name in FLEET] == [4, 2, 6]
    assert fleet.scored_with == {ALPHA: 7, BRAVO: 2, CHARLIE: 9}


async def test_each_serves_after_a_restart_what_it_served_before(fleet: Fleet) -> None:
    await fleet.ask("rollback", satellite=BRAVO, reason="v5 is blind on wheel Y")
    await fleet.ask("rollback", satellite=CHARLIE, reason="so is v6")
    await fleet.ask("promote", satellite=CHARLIE, version=6, reason="it was the radio")
    await fleet.rig.stop()
    await fleet.rig.start()
    assert fleet.scored_with == {ALPHA: 4, BRAVO: 2, CHARLIE: 6}
    assert fleet.serving(CHARLIE).versions == (3, 6)
    assert fleet.serving(BRAVO).before is None


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("promote", {"version": 1}, "no model v1 of BRAVO is known; v5 scores on"),
        ("rollback", {"version": 3}, "no model v3 of BRAVO is known; v5 scores on"),
        ("rollback", {"satellite": "DELTA"}, "satellite DELTA: allowed: ALPHA, BRAVO, CHARLIE"),
        ("rollback", {"satellite": None}, "the request cannot be read"),
    ],
)
async def test_no_satellite_is_given_the_model_of_another(
    fleet: Fleet, kind: str, body: dict[str, Any], said: str
) -> None:
    told = await fleet.ask(kind, **{"satellite": BRAVO, "reason": "because", **body})
    assert told.kind == "act.refused"
    assert said in told.text.replace("'", "")
    assert fleet.scored_with == {ALPHA: 4, BRAVO: 5, CHARLIE: 6}
    assert all(fleet.serving(name).hold is None for name in FLEET)


async def test_rows_name_the_model_that_scored_them_and_score_again_by_it(fleet: Fleet) -> None:
    await fleet.ask("rollback", satellite=BRAVO, reason="v5 is blind on wheel Y")
    await fleet.fly(200)
    for name, version in ((ALPHA, 4), (BRAVO, 2), (CHARLIE, 6)):
        parts = fleet.rig.read(lambda reader, name=name: list(reader.judged_between(name, 0, 2**62)))
        stored = [(int(part.model[i]), float(part.score[i])) for part in parts for i in range(len(part))]
        assert {model for model, _ in stored[-200:]} == {version}
        scorer = Scorer.load(fleet.rig.directory.models / f"v{version}")
        scoring = LiveScoring(fleet.rig.mission)
        for batch in fleet.fed[name]:
            scoring.swap(scorer)
            columns = scoring.score(batch).columns
        assert columns is not None
        assert columns.score.tolist() == [score for _, score in stored[-200:]], "bit for bit"


async def test_what_a_satellite_may_go_back_to_is_kept_however_old_it_is(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.kept_models.KEPT_MODELS", 2)
    for _ in range(2):
        await fleet.fly(600, ALPHA, CHARLIE)
        await fleet.retrain()
    assert fleet.scored_with == {ALPHA: 9, BRAVO: 5, CHARLIE: 10}
    kept = {path.name for path in fleet.rig.directory.models.glob("v*")}
    assert kept >= {"v2", "v5", "v7", "v8", "v9", "v10"}, "what serves, and what served before it"
    assert not kept & {"v1", "v3"}
    assert (await fleet.ask("rollback", satellite=BRAVO, reason="back to the first")).body["to"] == 2
    assert (await fleet.ask("rollback", satellite=ALPHA, reason="one back")).body["to"] == 7
    gone = await fleet.ask("rollback", satellite=CHARLIE, version=3, reason="to the first")
    assert "the files of v3 are gone" in gone.text


async def test_commands_are_about_the_first_satellite_unless_another_is_named(fleet: Fleet) -> None:
    first = json.loads((await fleet.command("rollback", "--reason", "blind", "--json")).stdout)
    assert (first["satellite"], first["to"]) == (ALPHA, 1)
    named = await fleet.command("rollback", "--satellite", BRAVO, "--reason", "blind", "--json")
    assert (json.loads(named.stdout)["satellite"], json.loads(named.stdout)["to"]) == (BRAVO, 2)
    listed = json.loads((await fleet.command("runs", "--json")).stdout)["serving"]
    assert {name: one["version"] for name, one in listed.items()} == {ALPHA: 1, BRAVO: 2, CHARLIE: 6}
    assert [fleet.serving(name).hold is not None for name in FLEET] == [True, True, False]
    assert (await fleet.command("hold", "--release", "--satellite", BRAVO)).exit_code == 0
    assert fleet.serving(BRAVO).hold is None
    assert fleet.serving(ALPHA).hold is not None
