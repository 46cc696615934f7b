"""Faults by hand at a station: what is broken, what the journal says, what is refused, and what a restart keeps."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from cubesat_tui.acts import Applied
from cubesat_tui.cli import root
from sim.catalogue import KINDS, Fault
from sim.injection import Injectable
from telemetry.clock import NS_PER_S
from telemetry.limits import Level

TLE = (
    "1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927",
    "2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537",
)


def simulated(toml: str) -> str:
    return toml.replace('kind = "stream"', 'kind = "sim"').replace('bus = "b"', f'bus = "b"\ntle = {list(TLE)}')


class Breakable:
    """Put over a hand-fed source: the simulator as far as faults are concerned."""

    def __init__(self, source: Any, clock: Any) -> None:
        self._source = source
        self._clock = clock
        self.faults: dict[str, Fault] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __aiter__(self) -> Any:
        return aiter(self._source)

    @property
    def next_s(self) -> int:
        return self._clock.now_ns() // NS_PER_S + 1

    def inject(self, fault: Fault) -> None:
        self.faults.setdefault(fault.id, fault)

    def clear(self, fault_id: str | None) -> None:
        for one in [one for one in self.faults if fault_id in (None, one)]:
            self.faults[one] = replace(self.faults[one], end_s=self.next_s)


@pytest.fixture
async def sim_rig(make_rig, tmp_path):
    """A rig whose source can be broken; `sim_rig.broken` is the newest one's double."""
    rig = make_rig(tmp_path / "sim", simulated)
    hand_made = rig.make_source
    rig.doubles = []

    def make(cursor: str | None) -> Any:
        rig.doubles.append(Breakable(hand_made(cursor), rig.clock))
        return rig.doubles[-1]

    rig.make_source = make
    yield rig
    await rig.close()


async def asked(rig, body: dict[str, Any]) -> Any:
    """Leave a request `inject` and wait for the journal row that answers it."""
    number = rig.ask("inject", body)

    def answers() -> list[Any]:
        return [e for e in rig.events() if number in (e.body.get("request"), e.body.get("id"))]

    await rig.until(lambda: bool(answers()))
    return answers()[0]


BIAS = {"kind": "bias", "satellite": "TESTBIRD", "target": "eps.bat_v", "size": 60.0, "lasts_s": 60}


async def test_a_fault_is_handed_to_the_simulator_and_journaled_with_its_operator(sim_rig):
    await sim_rig.start()
    assert isinstance(sim_rig.doubles[0], Injectable)
    event = await asked(sim_rig, BIAS)

    assert (event.kind, event.severity, event.satellite, event.subject, event.actor) == (
        "fault.injected",
        int(Level.WATCH),
        "TESTBIRD",
        "eps.bat_v",
        "ann",
    )
    assert event.text == "bias of 60 steps on Battery voltage for 60 s"
    (fault,) = sim_rig.doubles[0].faults.values()
    assert (fault.kind, fault.target, fault.size, fault.end_s - fault.start_s) == ("bias", "eps.bat_v", 60.0, 60)
    assert fault.start_s * NS_PER_S > event.at_ns - NS_PER_S
    assert sim_rig.waiting_requests() == 0


async def test_what_is_running_is_told_with_the_heartbeat_until_it_is_over(sim_rig):
    await sim_rig.start()
    await asked(sim_rig, BIAS)

    def told() -> list[str]:
        return [one["text"] for one in sim_rig.read(lambda r: r.health()).body["injected"]]

    await sim_rig.until(lambda: told() == ["bias of 60 steps on Battery voltage for 60 s"])
    await sim_rig.until(lambda: told() == [], seconds=1.0)


async def test_an_operator_ends_one_fault_or_all_of_them_early(sim_rig):
    await sim_rig.start()
    first = await asked(sim_rig, BIAS)
    second = await asked(sim_rig, {"kind": "heater_stuck_on", "satellite": "TESTBIRD"})
    third = await asked(sim_rig, {**BIAS, "in_s": 600})
    assert third.text.endswith("for 60 s, in 600 s")

    event = await asked(sim_rig, {"clear": first.body["id"]})
    assert (event.kind, event.text) == ("fault.cleared", "bias of 60 steps on Battery voltage: ended")
    faults = sim_rig.doubles[0].faults
    assert faults[first.body["id"]].end_s == event.body["end_s"]
    assert faults[second.body["id"]].end_s > event.body["end_s"] + 60

    event = await asked(sim_rig, {"clear": ""})
    assert event.text.startswith("2 faults ended: heater stuck on, bias of")
    assert all(fault.end_s <= event.body["end_s"] for fault in faults.values())
    refused = await asked(sim_rig, {"clear": ""})
    assert (refused.kind, refused.text) == ("act.refused", "no injected fault is running")
    refused = await asked(sim_rig, {"clear": "hand-nobody"})
    assert "'hand-nobody'; running: none" in refused.text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"kind": "explode", "satellite": "TESTBIRD"}, "kind: explode: allowed: spike, stuck"),
        ({**BIAS, "satellite": "MIR"}, "satellite: MIR: allowed: TESTBIRD"),
        ({**BIAS, "target": "eps.none"}, "channel: eps.none: allowed: eps.bat_v, obc.mode"),
        ({**BIAS, "size": 0.0}, "size: 0: allowed: from -1,000,000 to 1,000,000, not 0"),
        ({**BIAS, "how": "nan"}, "how: nan: allowed: nothing for bias"),
        ({**BIAS, "lasts_s": 0}, "lasts_s: 0: allowed: 1 or more"),
        ({**BIAS, "in_s": -5}, "in_s: -5: allowed: 0 to 86400"),
        ({**BIAS, "lasts_s": "x"}, "the request cannot be read"),
        ({**BIAS, "surprise": 1}, "the request cannot be read"),
        ({"kind": "tumble", "satellite": "TESTBIRD", "target": "x", "size": 1e9}, "size: 1e+09: allowed: above 0"),
        ({"kind": "string_loss", "satellite": "TESTBIRD", "target": "px", "size": 2}, "above 0, up to 1"),
        ({}, "the request cannot be read"),
    ],
)
async def test_what_cannot_be_done_is_refused_in_one_sentence(sim_rig, body, said):
    await sim_rig.start()
    event = await asked(sim_rig, body)
    assert event.kind == "act.refused"
    assert said in event.text
    assert sim_rig.doubles[0].faults == {}


async def test_hostile_text_in_a_request_is_plain_in_the_journal(sim_rig):
    await sim_rig.start()
    event = await asked(sim_rig, {**BIAS, "target": "\x1b]52;c;AAAA\x07[red]x"})
    assert event.kind == "act.refused"
    assert "\x1b" not in event.text
    assert "\x07" not in event.text


async def test_nothing_real_can_be_broken(rig):
    await rig.start()
    event = await asked(rig, BIAS)
    assert event.kind == "act.refused"
    assert event.text == (
        "only the simulator can be broken, and this mission's source is stream: nothing was changed"
    )
    assert event.satellite == "TESTBIRD"


async def test_a_simulated_mission_that_is_fed_through_a_pipe_is_not_the_simulator(sim_rig):
    del sim_rig.make_source
    await sim_rig.start()
    event = await asked(sim_rig, BIAS)
    assert "this one is fed by stream: nothing was changed" in event.text


async def test_a_wish_that_waited_for_a_station_is_not_fulfilled_hours_later(sim_rig):
    await sim_rig.start()
    await sim_rig.stop()
    number = sim_rig.ask("inject", BIAS)
    sim_rig.clock.advance(3600.0)
    await sim_rig.start()
    await sim_rig.until(lambda: any(e.body.get("id") == number for e in sim_rig.events("act.refused")))
    assert sim_rig.events("act.refused")[0].text.startswith("asked more than a minute ago")
    assert all(double.faults == {} for double in sim_rig.doubles)


async def test_a_station_that_starts_again_goes_on_with_what_was_injected_and_not_with_what_was_ended(sim_rig):
    await sim_rig.start()
    kept = await asked(sim_rig, {**BIAS, "lasts_s": 3600})
    ended = await asked(sim_rig, {"kind": "heater_stuck_on", "satellite": "TESTBIRD"})
    sim_rig.clock.advance(5.0)
    cleared = await asked(sim_rig, {"clear": ended.body["id"]})
    before = sim_rig.doubles[0].faults[kept.body["id"]]
    await sim_rig.stop()
    await sim_rig.start()

    again = sim_rig.doubles[-1]
    assert again is not sim_rig.doubles[0]
    assert again.faults[kept.body["id"]] == before
    # What was ended ends when it did, also in seconds that are made again.
    assert again.faults[ended.body["id"]].end_s == cleared.body["end_s"]
    sim_rig.clock.advance(4000.0)
    await sim_rig.stop()
    await sim_rig.start()
    assert sim_rig.doubles[-1].faults == {}


async def test_a_source_that_died_is_given_the_faults_again(sim_rig):
    await sim_rig.start()
    event = await asked(sim_rig, BIAS)
    sim_rig.source.put(RuntimeError("boom"))
    await sim_rig.until(lambda: len(sim_rig.doubles) == 2)
    await sim_rig.until(lambda: event.body["id"] in sim_rig.doubles[1].faults)


# The command


@pytest.fixture
def invoke(monkeypatch):
    """invoke(rig, *arguments): the command beside the rig's station, on its clock."""
    monkeypatch.setenv("CUBESAT_OPERATOR", "bob")

    async def run(rig, *arguments: str) -> Any:
        monkeypatch.setattr("telemetry.clock.SystemClock", lambda: rig.clock)
        line = ["inject", *arguments, "--mission", str(rig.directory.path)]
        task = asyncio.create_task(asyncio.to_thread(CliRunner().invoke, root, line))
        await rig.until(task.done)
        return task.result()

    return run


async def test_the_command_breaks_something_and_says_what_and_ends_it_again(sim_rig, invoke):
    await sim_rig.start()
    result = await invoke(sim_rig, "bias", "--channel", "eps.bat_v", "--size", "60", "--lasts", "1min")
    assert result.exit_code == 0, result.output
    (fault,) = sim_rig.doubles[0].faults.values()
    assert result.stdout == f"bias of 60 steps on Battery voltage for 60 s   ({fault.id})\n"
    assert sim_rig.events("fault.injected")[0].actor == "bob"

    result = await invoke(sim_rig, "seu_reboot", "--in", "30s", "--json")
    told = json.loads(result.stdout)
    assert (told["done"], told["kind"], told["text"]) == (True, "seu_reboot", "seu reboot, in 30 s")
    listed = json.loads((await invoke(sim_rig, "--list", "--json")).stdout)
    assert [one["kind"] for one in listed["kinds"]] == list(KINDS)

    result = await invoke(sim_rig, "--clear", fault.id)
    assert (result.exit_code, result.stdout) == (0, "bias of 60 steps on Battery voltage: ended\n")
    told = json.loads((await invoke(sim_rig, "--clear", "--json")).stdout)
    assert told["ids"] == [told["ids"][0]] != [fault.id]
    result = await invoke(sim_rig, "--clear")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no injected fault is running" in result.stderr


async def test_the_list_names_every_kind_and_what_is_injected_now(sim_rig, invoke):
    await sim_rig.start()
    await asked(sim_rig, {**BIAS, "lasts_s": 5_000})
    await sim_rig.until(lambda: bool(sim_rig.read(lambda r: r.health()).body["injected"]))
    result = await invoke(sim_rig, "--list")
    assert result.exit_code == 0
    assert all(kind.name in result.stdout and kind.about in result.stdout for kind in KINDS.values())
    assert "bias of 60 steps on Battery voltage" in result.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a kind, or give --clear"),
        (["bias", "--clear"], "name a kind, or give --clear"),
        (["explode"], "kind: explode: allowed: spike"),
        (["bias"], "channel: : allowed: eps.bat_v"),
        (["bias", "--channel", "eps.bat_v", "--target", "eps.bat_v"], "say the same"),
        (["bias", "--channel", "eps.bat_v", "--lasts", "soon"], "'soon' is no time"),
        (["bias", "--channel", "eps.bat_v", "--lasts", "0s"], "lasts_s: 0: allowed: 1 or more"),
        (["bias", "--channel", "eps.bat_v", "--in", "9d"], "in_s: 777600: allowed: 0 to 86400"),
        (["bias", "--channel", "eps.bat_v", "--satellite", "MIR"], "satellite: MIR"),
        (["corrupt", "--channel", "eps.bat_v", "--how", "rail"], "how: rail: allowed: nan, fill, bit"),
        (["string_loss", "--target", "px", "--size", "nan"], "size: nan"),
    ],
)
async def test_wrong_use_is_refused_before_anything_is_asked(sim_rig, invoke, arguments, said):
    await sim_rig.start()
    result = await invoke(sim_rig, *arguments)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert sim_rig.doubles[0].faults == {}
    assert sim_rig.events("act.") == []


async def test_without_a_station_the_command_says_how_to_start_one(sim_rig, invoke):
    await sim_rig.start()
    await sim_rig.stop()
    result = await invoke(sim_rig, "seu_reboot")
    assert result.exit_code == 3
    assert f"cubesat-tui run --mission {sim_rig.directory.path}" in result.stderr
    assert sim_rig.waiting_requests() == 0


async def test_the_command_refuses_a_mission_that_is_not_simulated(rig, invoke):
    await rig.start()
    result = await invoke(rig, "seu_reboot")
    assert result.exit_code == 2
    assert "this mission's source is stream" in result.stderr
    assert rig.waiting_requests() == 0


async def test_a_refusal_of_the_station_is_a_failure(sim_rig, invoke):
    del sim_rig.make_source
    await sim_rig.start()
    result = await invoke(sim_rig, "seu_reboot", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "done": False,
        "text": "only the station that runs the simulator can break it, and this one is fed by stream:"
        " nothing was changed",
    }


async def test_a_station_that_does_not_answer_is_not_reachable_and_keeps_no_request(sim_rig, invoke, monkeypatch):
    monkeypatch.setattr("cubesat_tui.commands.inject.PATIENCE_S", 0.0)
    await sim_rig.start()
    monkeypatch.setattr(sim_rig.station.acts, "poll", Applied)
    result = await invoke(sim_rig, "seu_reboot")
    assert result.exit_code == 3
    assert "does not answer" in result.stderr
    assert sim_rig.waiting_requests() == 0
