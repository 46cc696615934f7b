"""The mirror in a mission and on a server, over SQLite and PostgreSQL: what is there, in order, whatever dies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from trainer.serving import Serving
from trainer.tracking.mirror import World
from trainer.tracking.spool import ActEntry

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
SATELLITE = "KESTREL-1"
NOW_NS = 1_795_000_000_000_000_000


def client_of(mission: Any) -> MlflowClient:
    """Opened as anybody would."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    from mlflow.tracking import MlflowClient

    uri = mission.mirror.uri
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def runs_of(mission: Any) -> list[Run]:
    """Oldest first."""
    client = client_of(mission)
    name = f"{mission.mirror._base}/{SATELLITE}"
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"]))


def model_name(mission: Any) -> str:
    return f"{mission.mirror._prefix}{SATELLITE}"


def aliases(mission: Any) -> dict[str, str]:
    found = client_of(mission).get_registered_model(model_name(mission)).aliases
    return {alias: str(version) for alias, version in found.items()}


def serves(mission: Any, *versions: int, asking: bool = False, asked: tuple[str, str] | None = None) -> None:
    mission.mirror.serve(
        World(
            {SATELLITE: Serving(versions)},
            frozenset({SATELLITE} if asking else ()),
            {} if asked is None else {SATELLITE: asked},
        )
    )


class Suite:
    """What must hold wherever the mirror is kept."""

    def test_a_promoted_fit_is_a_run_with_its_figures_its_files_and_a_version(self, mission: Any) -> None:
        rejected, promoted = mission.fit(1), mission.fit(2, version=1)
        held = mission.fit(3, version=2, decision="kept")
        done = mission.mirror.turn()
        assert mission.mirror.status().words == "MLflow: up to date"
        assert list(done.logged) == [rejected.id, promoted.id, held.id]
        runs = runs_of(mission)
        assert [run.info.run_id for run in runs] == list(done.logged.values())
        assert [run.info.run_name for run in runs] == ["retrain 1", "retrain 2, v1", "retrain 3, v2"]
        assert {run.info.status for run in runs} == {"FINISHED"}
        assert runs[1].data.metrics == {"rows": 7200.0, "bank_recall": 0.4, "drift.eps.bat_v": 0.02}
        assert runs[1].data.params == {"kind": "fusion", "seed": "2", "window_hash": "abc"}
        assert runs[1].data.tags["cubesat.retrain_id"] == promoted.retrain_id
        assert runs[1].info.start_time == promoted.started_ns // 1_000_000
        client = client_of(mission)
        files = {file.path for file in client.list_artifacts(runs[1].info.run_id, "model")}
        assert files == {"model/MLmodel", "model/manifest.json", "model/scorer.npz"}
        assert client.list_artifacts(runs[0].info.run_id) == []
        versions = client.search_model_versions(f"name = '{model_name(mission)}'")
        assert {one.tags["cubesat.version"]: one.run_id for one in versions} == {
            "1": runs[1].info.run_id,
            "2": runs[2].info.run_id,
        }
        assert {one.tags["cubesat.model_sha256"] for one in versions} == {promoted.sha256, held.sha256}

    def test_what_lies_there_is_the_model_and_nothing_that_loads_code(self, mission: Any, tmp_path: Any) -> None:
        from mlflow.models import Model

        mission.fit(1, version=1)
        (run_id,) = mission.mirror.turn().logged.values()
        place = client_of(mission).download_artifacts(run_id, "model", str(tmp_path))
        described = Model.load(place)
        assert described.signature.inputs.input_names() == ["eps.bat_v", "eps.bat_i"]
        assert described.signature.outputs.input_names() == ["score", "p", "state"]
        assert list(described.flavors) == ["cubesat_tui"]
        arrays = (mission.directory.models / "v1" / "scorer.npz").read_bytes()
        assert (tmp_path / "model" / "scorer.npz").read_bytes() == arrays

    def test_aliases_tell_what_serves_after_promotions_a_roll_back_and_a_hold(self, mission: Any) -> None:
        for number in (1, 2, 3):
            mission.fit(number, version=number)
        serves(mission, 1, 2, 3)
        mission.mirror.turn()
        assert aliases(mission) == {"champion": "3", "previous": "2"}
        serves(mission, 1, 2)
        mission.mirror.turn()
        assert aliases(mission) == {"champion": "2", "previous": "1", "challenger": "3"}
        mission.fit(4, version=4, decision="kept")
        mission.mirror.turn()
        assert aliases(mission) == {"champion": "2", "previous": "1", "challenger": "4"}
        serves(mission, 1, 2, 4)
        mission.mirror.turn()
        assert aliases(mission) == {"champion": "4", "previous": "2"}

    def test_acts_are_tags_of_the_version_and_of_its_run(self, mission: Any) -> None:
        mission.fit(1, version=1)
        text = "kim holds promotion until 14:00Z: a pass"
        act = ActEntry(
            journal=41, at_ns=NOW_NS, satellite=SATELLITE, kind="model.held", version=1, actor="kim", text=text
        )
        unknown = ActEntry(
            journal=42,
            at_ns=NOW_NS,
            satellite=SATELLITE,
            kind="model.promoted",
            version=9,
            actor="kim",
            text="gone",
        )
        mission.mirror.spool(act)
        mission.mirror.spool(unknown)
        (run_id,) = mission.mirror.turn().logged.values()
        assert mission.mirror.waiting() == []
        assert mission.mirror.status().words == "MLflow: up to date"
        client = client_of(mission)
        said = "2026-11-18T11:06:40Z kim holds promotion until 14:00Z: a pass"
        assert client.get_model_version(model_name(mission), "1").tags["cubesat.act.0000000041"] == said
        assert client.get_run(run_id).data.tags["cubesat.act.0000000041"] == said

    def test_a_moved_alias_is_asked_for_once_and_goes_back_where_it_is_refused(self, mission: Any) -> None:
        for number in (1, 2, 3):
            mission.fit(number, version=number)
        serves(mission, 1, 2, 3)
        assert mission.mirror.turn().moves == []
        client, name = client_of(mission), model_name(mission)
        client.set_model_version_tag(name, "1", "reason", "v2 and v3 miss the heater")
        client.set_registered_model_alias(name, "champion", "1")
        (move,) = mission.mirror.turn().moves
        assert (move.satellite, move.version, move.reason) == (SATELLITE, 1, "v2 and v3 miss the heater")
        serves(mission, 1, 2, 3, asking=True, asked=("1", "request one"))
        assert mission.mirror.turn().moves == []
        assert aliases(mission)["champion"] == "1", "until the station has said what it thinks"
        serves(mission, 1, 2, 3, asked=("1", "request one"))
        assert mission.mirror.turn().moves == []
        assert aliases(mission)["champion"] == "3"
        client.set_registered_model_alias(name, "champion", "1")
        (again,) = mission.mirror.turn().moves
        assert again.reason == "alias champion moved in MLflow", "the reason of before is not a reason now"
        serves(mission, 1, 2, 3, 1, asked=("1", "request two"))
        assert mission.mirror.turn().moves == []
        assert aliases(mission) == {"champion": "1", "previous": "3", "challenger": "3"}

    def test_what_mlflow_will_never_take_goes_aside_and_holds_up_nothing(self, mission: Any) -> None:
        import msgspec

        good = mission.fit(1)
        bad = mission.fit(2)
        spoiled = msgspec.structs.replace(bad, retrain_id="bad", params={"not: a key?\n": "1"})
        mission.mirror._spool.done(bad)
        mission.mirror.spool(spoiled)
        last = mission.fit(3)
        assert list(mission.mirror.turn().logged) == [good.id]
        assert mission.mirror.status().words.startswith("MLflow: refused, 2 queued")
        mission.clock.advance(6)
        assert list(mission.mirror.turn().logged) == [last.id]
        assert mission.mirror.status().words == "MLflow: up to date, 1 given up"
        assert b"not: a key?" in (mission.directory.artifacts / "mlflow-refused.jsonl").read_bytes()

    def test_a_life_that_ended_anywhere_leaves_each_fit_once(
        self, mission: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from mlflow.tracking import MlflowClient

        entries = [mission.fit(number, version=number) for number in range(1, 8)]
        steps = (
            "create_run",
            "log_batch",
            "log_artifacts",
            "set_terminated",
            "create_registered_model",
            "create_model_version",
        )
        for step in steps:
            real = getattr(MlflowClient, step)

            def killed(self: Any, *arguments: Any, real: Any = real, **named: Any) -> None:
                real(self, *arguments, **named)
                raise KeyboardInterrupt

            with monkeypatch.context() as patched:
                patched.setattr(MlflowClient, step, killed)
                with pytest.raises(KeyboardInterrupt):
                    raise AssertionError(f"{step}: {mission.mirror.turn()}, {mission.mirror.status()}")
            mission.mirror = mission.opened()
        mission.mirror.turn()
        assert mission.mirror.waiting() == []
        runs = runs_of(mission)
        assert [run.data.tags["cubesat.retrain_id"] for run in runs] == [one.retrain_id for one in entries]
        versions = client_of(mission).search_model_versions(f"name = '{model_name(mission)}'")
        assert sorted(one.tags["cubesat.version"] for one in versions) == list("1234567")


class TestInTheMission(Suite):
    @pytest.fixture
    def mission(self, make_mission: Any) -> Any:
        return make_mission("sqlite")


class TestInADatabase(Suite):
    """PostgreSQL without a server in between; files lie in the mission."""

    @pytest.fixture
    def mission(self, make_mission: Any, postgres: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("PGPASSWORD", postgres.password)
        return make_mission(postgres.database("direct"))

    def test_a_wrong_password_is_told_and_not_repeated(
        self, make_mission: Any, postgres: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PGPASSWORD", "another word")
        # One that no test is connected to.
        mission = make_mission(postgres.database("closed"))
        mission.fit(1)
        mission.mirror.turn()
        status = mission.mirror.status()
        assert status.words == "MLflow: offline, 1 queued"
        assert "password authentication failed" in status.detail
        assert "another word" not in str(status.told())


class TestOnAServer(Suite):
    @pytest.fixture
    def mission(self, make_mission: Any, server: Any) -> Any:
        return make_mission(server.uri)

    def test_files_come_back_as_they_were_sent_and_no_further_than_a_model_may_be(
        self, mission: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from trainer.tracking import fetch

        place = mission.fit(1, version=1).place
        (run_id,) = mission.mirror.turn().logged.values()
        read = fetch._read(client_of(mission), mission.mirror.uri, run_id, "model/scorer.npz")
        assert read == (Path(str(place)) / "scorer.npz").read_bytes()
        assert fetch._read(client_of(mission), mission.mirror.uri, run_id, "model/none.npz") is None
        monkeypatch.setattr(fetch, "MAX_BYTES", 10)
        wanted = fetch.Wanted(SATELLITE, 1, "1", run_id, ("0" * 64, "0" * 64))
        said = fetch.fetch(client_of(mission), mission.mirror.uri, mission.directory.models, wanted)
        assert said == "its scorer.npz in MLflow is larger than a model may be"

    def test_two_missions_of_one_name_share_nothing(self, mission: Any, make_mission: Any, server: Any) -> None:
        other = make_mission(server.uri)
        mission.mirror.state.known.base = other.mirror.state.known.base = f"demo {os.urandom(4).hex()}"
        for one in (mission, other):
            one.fit(1, version=1)
            serves(one, 1)
            one.mirror.turn()
        assert len(runs_of(mission)) == len(runs_of(other)) == 1
        assert model_name(mission) != model_name(other)
        assert aliases(mission) == aliases(other) == {"champion": "1"}

    def test_a_server_killed_for_two_minutes_costs_no_fit_and_no_order(self, mission: Any, server: Any) -> None:
        entries = [mission.fit(1, version=1)]
        serves(mission, 1)
        mission.mirror.turn()
        server.kill()
        words: list[str] = []
        for number in range(2, 6):
            entries.append(mission.fit(number, version=number if number % 2 else None))
            mission.mirror.turn()
            words.append(mission.mirror.status().words)
            mission.clock.advance(30)
        serves(mission, 1, 3, 5)
        assert words == [f"MLflow: offline, {n} queued" for n in (1, 2, 3, 4)]
        server.start()
        mission.clock.advance(400)
        assert len(mission.mirror.turn().logged) == 4
        runs = runs_of(mission)
        assert [run.data.tags["cubesat.retrain_id"] for run in runs] == [one.retrain_id for one in entries]
        ends = [run.info.end_time for run in runs]
        assert ends == [one.ended_ns // 1_000_000 for one in entries]
        assert aliases(mission) == {"champion": "3", "previous": "2"}
        assert mission.mirror.status().words == "MLflow: up to date"
