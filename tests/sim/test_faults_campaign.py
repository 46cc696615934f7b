"""Campaigns: by seed, rare, and never two at a time."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from sim.catalogue import KINDS, ORBIT_S, Fault, checked
from sim.flight import Flight
from sim.labelled_run import LabelledRun
from sim.labels import prevalence
from sim.mishaps import Mishaps
from sim.preset import demo_mission_toml
from sim.scenario import Scenario, ScenarioRefused, scenario
from telemetry.clock import NS_PER_S
from telemetry.dictionary import Mission, read_mission

CREATED_S = 1_795_355_400
DAYS = 30


def mission(tmp_path: Path, seed: int) -> Mission:
    text = demo_mission_toml(CREATED_S * NS_PER_S, seed, "campaign")
    (tmp_path / "mission.toml").write_text(text, encoding="utf-8")
    return read_mission(tmp_path)


def campaign(tmp_path: Path, seed: int) -> list[Fault]:
    simulated = mission(tmp_path, seed)
    flight = Flight(simulated, [simulated.satellites[0].name], seed)
    mishaps = Mishaps(simulated, scenario("campaign"), CREATED_S, [flight])
    found: dict[str, Fault] = {}
    for t in range(CREATED_S, CREATED_S + DAYS * 86_400, 86_400):
        mishaps.follow(t + 86_400)
        [plan] = mishaps.plans
        found |= {fault.id: fault for fault in plan.faults}
    return sorted(found.values(), key=lambda fault: fault.start_s)


@pytest.mark.parametrize("seed", [1, 7, 20_000])
def test_faults_of_a_campaign_are_an_orbit_and_more_apart(tmp_path: Path, seed: int) -> None:
    found = campaign(tmp_path, seed)
    faults = [fault for fault in found if fault.layer != "routine"]
    assert len(faults) > 50
    for one, other in itertools.pairwise(faults):
        assert other.start_s - one.end_s >= ORBIT_S
    assert len({fault.kind for fault in faults}) > 10
    assert {fault.layer for fault in found} >= {"plant", "sensor", "routine"}
    for fault in found:
        kind = KINDS[fault.kind]
        assert min(kind.size) <= fault.size <= max(kind.size)
        checked(fault, tuple(mission(tmp_path, seed).bus_of(fault.satellite).by_name), (fault.satellite,))
    assert campaign(tmp_path, seed) == found


def test_another_seed_is_another_campaign(tmp_path: Path) -> None:
    def story(seed: int) -> list[tuple[str, str, int]]:
        return [(fault.kind, fault.target, fault.start_s) for fault in campaign(tmp_path, seed)]

    assert not set(story(1)) & set(story(2))


def test_a_campaign_labels_little(tmp_path: Path) -> None:
    """Its second period, with one fault and a routine; over days it is less (docs/simulator.md)."""
    run = LabelledRun(mission(tmp_path, 2), scenario("campaign"), CREATED_S, 50_000)
    for _ in run.rows():
        pass
    assert run.labels()
    assert prevalence(run.labels(), len(run.channels), 50_000) <= 0.02


def test_a_kind_that_does_not_exist_is_refused_in_a_list_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('about = "x"\n[[fault]]\nkind = ["bias", "doom"]\n')
    with pytest.raises(ScenarioRefused, match=r"fault\[0\].kind: doom: allowed: spike"):
        scenario(str(path))
    path.write_text('about = "x"\n[[fault]]\nkind = []\n')
    with pytest.raises(ScenarioRefused):
        scenario(f"{tmp_path}/./mine.toml")


def test_every_ready_scenario_says_what_it_shows() -> None:
    from sim.scenario import ready

    for name in ready():
        story = scenario(name)
        assert isinstance(story, Scenario)
        assert story.about.endswith(".")
