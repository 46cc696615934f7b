"""What operators do reaches MLflow, and what is done in MLflow reaches the station: a real one of each."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.store.inbox import Inbox
from tests.cubesat_tui.governed import BIRD, Governed
from trainer.tracking.exchange import Exchange
from trainer.tracking.mirror import Mirror

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


class Mirrored:
    """A governed satellite whose trainer has a mirror."""

    def __init__(self, governed: Governed) -> None:
        self.governed = governed
        self.said: list[dict[str, Any]] = []
        rig = governed.rig
        self.mirror = Mirror(rig.directory, rig.mission.mlflow, rig.clock)
        self.exchange = Exchange(rig.directory, (BIRD,), self.mirror, rig.clock, self.said.append)

    async def turn(self) -> None:
        """What the trainer does after each cycle, twice: there and back."""
        assert self.governed.trainer is not None
        for _ in range(2):
            self.exchange.turn(self.mirror.turn(), self.governed.trainer.logged)
            await self.governed.settled()

    async def promotions(self, count: int) -> None:
        for _ in range(count):
            await self.governed.fly(3000 if self.governed.seq == 0 else 600)
            for entry in (await self.governed.retrain()).entries:
                self.mirror.spool(entry)

    @property
    def client(self) -> MlflowClient:
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=self.mirror.uri, registry_uri=self.mirror.uri)

    @property
    def aliases(self) -> dict[str, str]:
        """Alias -> version of ours."""
        client = self.client
        found = client.get_registered_model(BIRD).aliases
        return {
            alias: client.get_model_version(BIRD, str(version)).tags["cubesat.version"]
            for alias, version in found.items()
        }

    def acts(self, version: int) -> list[str]:
        """What the tags of a version tell, oldest first."""
        tags = self.client.get_model_version(BIRD, str(version)).tags
        return [tags[name] for name in sorted(tags) if name.startswith("cubesat.act.")]


@pytest.fixture
async def mirrored(governed: Governed) -> AsyncIterator[Mirrored]:
    made = Mirrored(governed)
    yield made
    made.exchange.close()


async def test_what_operators_do_is_told_by_aliases_and_tags(mirrored: Mirrored) -> None:
    governed = mirrored.governed
    await mirrored.promotions(3)
    await mirrored.turn()
    assert mirrored.aliases == {"champion": "3", "previous": "2"}
    runs = governed.rig.read(lambda reader: reader.runs())
    logged = mirrored.client.search_runs(
        [one.experiment_id for one in mirrored.client.search_experiments()], order_by=["attributes.start_time ASC"]
    )
    assert [run.mlflow_run for run in reversed(runs)] == [run.info.run_id for run in logged]
    await governed.ask("rollback", reason="v3 is blind on wheel Y")
    await governed.ask("hold", actor="ann", minutes=60, reason="a manoeuvre at noon")
    await mirrored.turn()
    assert mirrored.aliases == {"champion": "2", "previous": "1", "challenger": "3"}
    first, second, third = mirrored.acts(2)
    assert first.endswith("(by the trainer)")
    assert "kim rolled back from v3 to v2" in second
    assert second.endswith("v3 is blind on wheel Y")
    assert "ann holds promotion until" in third
    assert mirrored.said[-1]["mlflow"]["words"] == "MLflow: up to date"


async def test_an_alias_moved_in_mlflow_is_an_act_with_its_reason(mirrored: Mirrored) -> None:
    governed = mirrored.governed
    await mirrored.promotions(3)
    await mirrored.turn()
    mirrored.client.set_model_version_tag(BIRD, "1", "reason", "v2 and v3 \x1b[2Jmiss the wheel")
    mirrored.client.set_registered_model_alias(BIRD, "champion", "1")
    await mirrored.turn()
    assert governed.scores_with == 1
    (told,) = [event for event in governed.rig.events() if event.actor == "mlflow"]
    assert (told.kind, told.body["from"], told.body["to"]) == ("model.promoted", 3, 1)
    assert told.body["reason"] == "v2 and v3 \ufffd[2Jmiss the wheel"
    await mirrored.turn()
    assert mirrored.aliases == {"champion": "1", "previous": "3", "challenger": "3"}
    assert "mlflow promoted v1 instead of v3" in mirrored.acts(1)[-1]
    await mirrored.turn()
    assert len([event for event in governed.rig.events() if event.actor == "mlflow"]) == 1


async def test_a_move_to_a_model_that_was_tampered_with_is_refused_and_goes_back(mirrored: Mirrored) -> None:
    governed = mirrored.governed
    await mirrored.promotions(2)
    await mirrored.turn()
    path = governed.rig.directory.models / "v1" / "scorer.npz"
    path.write_bytes(path.read_bytes() + b"more")
    mirrored.client.set_registered_model_alias(BIRD, "champion", "1")
    await mirrored.turn()
    await mirrored.turn()
    assert governed.scores_with == 2
    assert mirrored.aliases["champion"] == "2"
    kinds = [event.kind for event in governed.rig.events() if event.kind in {"act.refused", "model.rejected"}]
    assert sorted(kinds) == ["act.refused", "model.rejected"]


async def test_files_that_were_pruned_come_back_from_mlflow(mirrored: Mirrored) -> None:
    governed = mirrored.governed
    await mirrored.promotions(2)
    await mirrored.turn()
    place = governed.rig.directory.models / "v1"
    before = {file.name: file.read_bytes() for file in place.iterdir()}
    shutil.rmtree(place)
    mirrored.client.set_registered_model_alias(BIRD, "champion", "1")
    for _ in range(3):
        await mirrored.turn()
    assert governed.scores_with == 1
    assert {file.name: file.read_bytes() for file in place.iterdir()} == before
    assert mirrored.aliases["champion"] == "1"


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        ("scorer.npz", lambda old: old[:-1], "scorer.npz in MLflow does not have the SHA-256"),
        (
            "manifest.json",
            lambda old: old.replace(b'"margin"', b'"Margin"'),
            "manifest.json in MLflow does not have",
        ),
        (
            "scorer.npz",
            lambda old: bytes(8 * 1024 * 1024 + 1),
            "scorer.npz in MLflow is larger than a model may be",
        ),
        ("scorer.npz", lambda old: None, "MLflow does not have its scorer.npz"),
    ],
)
async def test_files_from_mlflow_that_are_not_the_models_are_refused(
    mirrored: Mirrored, name: str, spoil: Callable[[bytes], bytes | None], said: str
) -> None:
    governed = mirrored.governed
    await mirrored.promotions(2)
    await mirrored.turn()
    shutil.rmtree(governed.rig.directory.models / "v1")
    (there,) = [
        path
        for path in (governed.rig.directory.artifacts / "mlflow").rglob(name)
        if b'"version": 1,' in (path.parent / "manifest.json").read_bytes()
    ]
    spoiled = spoil(there.read_bytes())
    there.unlink() if spoiled is None else there.write_bytes(spoiled)
    mirrored.client.set_registered_model_alias(BIRD, "champion", "1")
    for _ in range(4):
        await mirrored.turn()
    assert governed.scores_with == 2
    assert not (governed.rig.directory.models / "v1").exists()
    assert mirrored.aliases["champion"] == "2"
    told = [event.text for event in governed.rig.events() if event.kind in {"mlflow.alias", "act.refused"}]
    assert len(told) == 2
    assert said in told[0]
    assert "the files of v1 are gone" in told[1]


async def test_a_move_to_what_is_no_model_of_the_mission_is_told_and_goes_back(mirrored: Mirrored) -> None:
    await mirrored.promotions(2)
    await mirrored.turn()
    run = mirrored.client.get_model_version(BIRD, "2")
    made = mirrored.client.create_model_version(BIRD, run.source, run.run_id)
    mirrored.client.set_registered_model_alias(BIRD, "champion", str(made.version))
    await mirrored.turn()
    await mirrored.turn()
    assert mirrored.governed.scores_with == 2
    assert mirrored.aliases["champion"] == "2"
    (told,) = [event for event in mirrored.governed.rig.events() if event.kind == "mlflow.alias"]
    assert "version 3, which is no model of this mission" in told.text


async def test_a_request_that_waits_is_not_made_again_by_the_next_life(mirrored: Mirrored) -> None:
    governed = mirrored.governed
    await mirrored.promotions(2)
    await mirrored.turn()
    mirrored.client.set_registered_model_alias(BIRD, "champion", "1")
    assert governed.trainer is not None
    await governed.rig.stop()
    for _ in range(3):
        mirrored.exchange.turn(mirrored.mirror.turn(), governed.trainer.logged)
    mirrored.exchange.close()
    again = Mirrored(governed)
    for _ in range(3):
        again.exchange.turn(again.mirror.turn(), governed.trainer.logged)
    inbox = Inbox(governed.rig.directory.inbox)
    assert [one.kind for one in inbox.pending() if one.actor == "mlflow"] == ["promote"]
    inbox.close()
    await governed.rig.start()
    await governed.settled()
    assert governed.scores_with == 1
    await again.turn()
    assert again.aliases["champion"] == "1"
    again.exchange.close()
