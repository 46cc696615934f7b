from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cubesat_tui.cli import COMMANDS, root
from cubesat_tui.demo import create_demo
from telemetry.clock import ManualClock, SystemClock
from telemetry.dictionary import SCENARIOS, read_mission
from telemetry.frame import Frame, FrameBatch, Quality
from telemetry.limits import Level
from telemetry.store.directory import MissionDirectory, MissionLock
from telemetry.store.reader import StoreReader
from telemetry.store.rows import HealthRow, ScoredBatch
from telemetry.store.writer import StoreWriter
from tests.testbird import TOML

T0 = 1_795_331_600_000_000_000
STATUS_KEYS = {
    "satellite",
    "frames",
    "refused",
    "newest_generation_time",
    "newest_reception_time",
    "freshness",
    "link",
    "detector",
    "model_version",
    "model_kind",
    "next_retrain_s",
    "alarms",
    "store_bytes",
}
MAP = """
schema = 1
[[satellite]]
name = "RECORDED"
bus = "b"
[[bus.b.channel]]
name = "eps.bat_v"
label = "Battery voltage"
unit = "V"
period_s = 5
[[bus.b.channel]]
name = "thm.bat"
label = "Battery temperature"
unit = "degC"
period_s = 5
[source]
kind = "csv"
time = "t_s"
epoch = "2020-11-09T00:00:00Z"
[source.columns]
"eps.bat_v" = "Vbat"
"thm.bat" = "Tbat"
"""


@pytest.fixture
def invoke(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("CUBESAT_OPERATOR", "ann")
    return lambda *arguments: CliRunner().invoke(root, [str(a) for a in arguments])


@pytest.fixture
def mission(tmp_path) -> Path:
    """A stream mission with three frames below the limit, an open alarm, and no station."""
    directory = MissionDirectory(tmp_path / "mission")
    directory.create()
    directory.toml.write_text(TOML)
    layout = read_mission(directory.path).bus_of("TESTBIRD").layouts["hk"]
    frames = [
        Frame("TESTBIRD", 1, i, T0 + i * 10**9, T0 + i * 10**9, 0, layout, np.array([6.0 + i])) for i in range(3)
    ]
    from telemetry.alarms import Event

    raised = Event(T0, "TESTBIRD", "alarm.raised", int(Level.WARNING), "eps.bat_v", "", {"text": "low"})
    writer = StoreWriter(directory.telemetry, ManualClock(T0))
    writer.append([ScoredBatch(FrameBatch.of(frames))], [raised], {})
    writer.close()
    return directory.path


def test_every_command_explains_itself(invoke):
    for name in COMMANDS:
        result = invoke(name, "--help")
        assert result.exit_code == 0, name
        assert "Usage" in result.output


def test_without_a_terminal_the_console_names_the_headless_commands(invoke, tmp_path):
    result = invoke()

    assert result.exit_code == 2
    assert "not a terminal" in result.stderr
    assert "cubesat-tui run" in result.stderr
    assert "status --json" in result.stderr
    assert not (tmp_path / "data").exists(), "nothing was made"


def test_an_unknown_command_is_answered_with_the_known_ones(invoke):
    result = invoke("launch")

    assert result.exit_code == 2
    assert "run, sim, trainer" in result.stderr


@pytest.mark.parametrize("target", ["nats://host", "no/such/dir"])
def test_an_unknown_target_is_answered_with_the_known_ones(invoke, target):
    result = invoke("--attach", target)

    assert result.exit_code == 2
    assert "unknown target" in result.stderr
    assert "a mission directory" in result.stderr
    assert "firebase (the link of mission.toml)" in result.stderr


def test_line_is_no_option_while_it_has_no_effect(invoke):
    assert invoke("--line", "thin").exit_code == 2


def test_status_prints_one_object_with_everything_that_is_promised(invoke, mission):
    result = invoke("status", "--mission", mission, "--json")

    assert result.exit_code == 0
    status = json.loads(result.stdout)
    assert set(status) >= STATUS_KEYS
    assert status["satellite"] == "TESTBIRD"
    assert status["frames"] == 3
    assert status["newest_generation_time"] == "2026-11-22T07:13:22Z"
    assert status["alarms"] == {"UNACK_ALARM": 1}
    assert status["model_version"] is None
    assert status["store_bytes"] > 0
    assert status["freshness"]["channels"] == {"EXPIRED": 1}


def test_status_names_the_detector_while_learning_and_the_kind_of_model_that_scores(invoke, mission):
    toml = MissionDirectory(mission).toml
    toml.write_text(toml.read_text() + '[detector]\nkind = "isolation_forest"\n')
    status = json.loads(invoke("status", "--mission", mission, "--json").stdout)
    assert (status["detector"], status["model_version"], status["model_kind"]) == ("isolation_forest", None, None)
    assert "model   isolation_forest, learning" in invoke("status", "--mission", mission).stdout

    def served(kind):
        writer = StoreWriter(MissionDirectory(mission).telemetry, SystemClock())
        model = {"version": 3, "sha256": "5b", "at_ns": T0, "retrain": 4, "kind": kind}
        writer.beat(HealthRow(station="station", beat_ns=T0, next_retrain_ns=None, body={"model": model}))
        writer.close()
        status = json.loads(invoke("status", "--mission", mission, "--json").stdout)
        assert (status["model_version"], status["model_kind"]) == (3, kind)
        return invoke("status", "--mission", mission).stdout

    assert "model   v3 isolation_forest, no retrain planned" in served("isolation_forest")
    assert "model   v3 fusion (mission.toml: isolation_forest), no retrain planned" in served("fusion")


def test_status_tells_a_health_check_whether_a_station_beats(invoke, mission):
    directory = MissionDirectory(mission)

    def beaten(seconds_ago):
        writer = StoreWriter(directory.telemetry, SystemClock())
        beat_ns = SystemClock().now_ns() - int(seconds_ago * 1e9)
        writer.beat(HealthRow(station="station", beat_ns=beat_ns, next_retrain_ns=None, body={}))
        writer.close()
        return invoke("status", "--mission", mission, "--alive")

    assert beaten(0).exit_code == 3, "no station holds the mission"
    with MissionLock(directory.station_lock):
        assert beaten(0).exit_code == 0
        silent = beaten(60)
    assert (silent.exit_code, silent.stderr) == (3, "")
    assert "frames" in silent.stdout
    assert invoke("status", "--mission", mission).exit_code == 0


def test_the_mission_may_be_named_on_the_program_too(invoke, mission):
    assert json.loads(invoke("--mission", mission, "status", "--json").stdout)["frames"] == 3


def test_status_of_no_mission_says_so(invoke, tmp_path):
    result = invoke("status", "--json")

    assert result.exit_code == 2
    assert "no such mission directory" in result.stderr
    assert result.stdout == ""


def test_status_of_a_mission_nobody_ran_is_not_reachable(invoke, tmp_path):
    directory = MissionDirectory(tmp_path / "m")
    directory.create()
    directory.toml.write_text(TOML)

    assert invoke("status", "--mission", directory.path).exit_code == 3


def test_a_wrong_mission_gives_a_line_for_each_error(invoke, tmp_path):
    (tmp_path / "mission.toml").write_text(TOML.replace("[7.0, 8.4]", "[9.0, 8.4]").replace('"stream"', '"radio"'))
    for command in (["check", tmp_path], ["run", "--mission", tmp_path], ["status", "--mission", tmp_path]):
        result = invoke(*command)
        lines = result.stderr.splitlines()
        assert result.exit_code == 2
        assert len(lines) == 2
        assert all("mission.toml" in line and "allowed" in line for line in lines)


def test_check_says_what_it_found(invoke, mission):
    result = invoke("check", mission)

    assert (result.exit_code, result.output) == (0, "TESTBIRD: 1 channels, 1 with limits, ok\n")


def test_acknowledging_without_a_station_is_done_under_the_lock_and_journaled(invoke, mission):
    result = invoke("ack", "eps.bat_v", "--mission", mission, "--operator", "bob")

    assert result.exit_code == 0, result.output
    (alarm,) = json.loads(invoke("alarms", "--mission", mission, "--json").stdout)["alarms"]
    assert (alarm["state"], alarm["acknowledged_by"], alarm["word"]) == ("ACK_ALARM", "bob", "ACKED")
    assert not MissionLock(mission / "station.lock").holder()
    again = invoke("ack", "eps.bat_v", "--mission", mission)
    assert again.exit_code == 1
    assert "was acknowledged by bob" in again.stderr


def test_acknowledging_everything_that_waits(invoke, mission):
    result = invoke("ack", "--all", "--mission", mission, "--json")
    assert json.loads(result.stdout)["acknowledged"] == ["eps.bat_v"]
    assert "no alarm waits" in invoke("ack", "--all", "--mission", mission).output


def test_a_station_that_does_not_answer_is_not_reachable(invoke, mission, monkeypatch):
    monkeypatch.setattr("cubesat_tui.commands.acting.PATIENCE_S", 0.1)
    lock = MissionLock(mission / "station.lock")
    assert lock.acquire()
    try:
        result = invoke("ack", "eps.bat_v", "--mission", mission)
    finally:
        lock.release()

    assert result.exit_code == 3
    (alarm,) = json.loads(invoke("alarms", "--mission", mission, "--json").stdout)["alarms"]
    assert alarm["state"] == "UNACK_ALARM"


def test_events_are_newest_first_and_can_be_narrowed(invoke, mission):
    invoke("ack", "eps.bat_v", "--mission", mission)

    events = json.loads(invoke("events", "--mission", mission, "--json").stdout)["events"]

    assert [event["kind"] for event in events] == ["alarm.acknowledged", "alarm.raised"]
    narrowed = json.loads(invoke("events", "--kind", "alarm.r", "--mission", mission, "--json").stdout)["events"]
    assert [event["kind"] for event in narrowed] == ["alarm.raised"]


def test_hostile_text_in_the_journal_is_plain_on_the_way_out(invoke, mission):
    from telemetry.alarms import Event

    writer = StoreWriter(mission / "telemetry.db", SystemClock())
    writer.append(
        [], [Event(T0, "TESTBIRD", "note.x", 0, "\x1b[2J", "a\x07", {"text": "[red]\x1b]52;c;x\x07\u202e"})], {}
    )
    writer.close()

    for arguments in (["events"], ["events", "--json"]):
        output = invoke(*arguments, "--mission", mission).output
        assert not any(sign in output for sign in "\x1b\x07\u202e")
        assert "[red]" in output


def test_doctor_gives_a_line_for_each_check_and_json(invoke, mission):
    checks = json.loads(invoke("doctor", "--mission", mission, "--json").stdout)["checks"]

    assert {"versions", "terminal", "glyphs", "clock", "sqlite", "disk", "locks", "store", "data", "model"} <= {
        check["name"] for check in checks
    }
    assert all(check["state"] in {"ok", "warn", "fail"} for check in checks)
    lines = invoke("doctor", "--mission", mission).output
    assert "no station runs here, so nothing new comes" in lines


def test_doctor_finds_a_damaged_store(invoke, mission):
    (mission / "telemetry.db").write_bytes(b"not a database" * 1000)

    result = invoke("doctor", "--mission", mission)

    assert result.exit_code == 1
    assert "fail  store" in result.output


def test_a_new_mission_takes_scenario_and_seed_and_keeps_them(invoke, tmp_path):
    result = invoke("--scenario", "quiet", "--seed", "7", "sim", "--mission", tmp_path / "new", "--seconds", "2")

    assert result.exit_code == 0, result.output
    source = read_mission(tmp_path / "new").source
    assert (source.scenario, source.seed) == ("quiet", 7)
    refused = invoke("--scenario", "hello", "sim", "--mission", tmp_path / "new", "--seconds", "1")
    assert refused.exit_code == 2
    assert "was made with quiet" in refused.stderr
    unknown = invoke("--scenario", "doom", "sim", "--mission", tmp_path / "other")
    assert unknown.exit_code == 2
    assert "allowed: hello, bad-day, campaign" in unknown.stderr
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_ready_scenario_can_be_asked_for_by_name(invoke, tmp_path, scenario):
    create_demo(tmp_path / "m", ManualClock(T0), scenario)

    assert read_mission(tmp_path / "m").source.scenario == scenario
    assert scenario in "".join(invoke("--help").output.split())


STORY = """
about = "The northern rangefinder is restless."
[[fault]]
kind = "noise_up"
target = "pld.dist_n"
at_s = 30
"""


def test_a_scenario_of_ones_own_travels_with_the_mission(invoke, tmp_path, monkeypatch):
    story = tmp_path / "storm.toml"
    story.write_text(STORY)
    made = invoke("--scenario", story, "sim", "--mission", tmp_path / "m", "--seconds", "2")
    assert made.exit_code == 0, made.output
    story.unlink()
    assert read_mission(tmp_path / "m").source.scenario == "storm.toml"
    (tmp_path / "m").rename(tmp_path / "moved")
    assert invoke("check", tmp_path / "moved").exit_code == 0
    again = invoke("--scenario", story, "sim", "--mission", tmp_path / "moved", "--seconds", "2")
    assert again.exit_code == 0, again.output
    other = invoke("--scenario", "calm.toml", "sim", "--mission", tmp_path / "moved", "--seconds", "2")
    assert other.exit_code == 2
    assert "was made with storm.toml" in other.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (STORY.replace("noise_up", "explode"), "story.toml: fault[0].kind: explode: allowed: spike"),
        (STORY.replace("pld.dist_n", "pld.dist_q"), "story.toml: fault[0].target: pld.dist_q: allowed: adcs."),
        (STORY.replace("pld.dist_n", "brightest"), "fault[0].target: brightest: allowed: adcs."),
        (STORY.replace("at_s", "when"), "story.toml: Object contains unknown field when"),
        ("about = [", "story.toml: cannot be read"),
        (None, "scenario: 'story.toml': allowed: hello"),
    ],
)
def test_check_names_what_is_wrong_with_a_scenario_and_nothing_starts_with_it(invoke, tmp_path, text, said):
    directory = create_demo(tmp_path / "m", ManualClock(T0)).path
    toml = (directory / "mission.toml").read_text()
    (directory / "mission.toml").write_text(toml.replace('scenario = "hello"', 'scenario = "story.toml"'))
    if text is not None:
        (directory / "story.toml").write_text(text)
    for command in ("check", "run"):
        result = invoke(command, "--mission", directory)
        assert result.exit_code == 2, result.output
        assert said in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert not (directory / "telemetry.db").exists()


def test_a_new_mission_does_not_take_a_scenario_that_is_wrong(invoke, tmp_path):
    (tmp_path / "bad.toml").write_text("about = 1")
    for story in (tmp_path / "bad.toml", tmp_path / "none.toml"):
        result = invoke("--scenario", story, "sim", "--mission", tmp_path / "m")
        assert result.exit_code == 2
        assert story.name in result.stderr
        assert not (tmp_path / "m").exists()


def test_the_simulator_speaks_the_language_of_the_stream_source(invoke, tmp_path):
    result = invoke("sim", "--mission", tmp_path / "m", "--seconds", "3")

    lines = [json.loads(line) for line in result.stdout.splitlines()]
    mission = read_mission(tmp_path / "m")
    from telemetry.links.json_frame import JsonFrames

    frames = [JsonFrames(mission, "KESTREL-1").read(line.encode()) for line in result.stdout.splitlines()]
    assert len([one for one in lines if one["packet"] == "hk"]) == 3
    assert sorted(frame.seq for frame in frames) == list(range(len(frames)))


@pytest.fixture
def recording(tmp_path) -> tuple[Path, Path]:
    file, map_path = tmp_path / "recording.csv", tmp_path / "map.toml"
    with file.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["t_s", "Vbat", "Tbat"])
        writer.writerows([i * 5, 4.0 + i / 1000, "" if i == 7 else -0.1 * i] for i in range(600))
    map_path.write_text(MAP)
    return file, map_path


def test_a_replay_stores_every_row_once_in_the_time_of_the_file(invoke, recording, tmp_path):
    file, map_path = recording
    arguments = ["replay", file, "--map", map_path, "--speed", "max", "--headless", "--no-trainer"]
    arguments += ["--mission", tmp_path / "played"]
    first = invoke(*arguments)
    assert first.exit_code == 0, first.output
    again = invoke(*arguments)
    assert again.exit_code == 0, again.output

    reader = StoreReader(tmp_path / "played" / "telemetry.db")
    try:
        assert reader.frames_accepted() == 600
        (newest,) = reader.newest("RECORDED").values()
        assert newest.quality & Quality.REPLAYED
        told = [event.kind for event in reader.journal()]
        assert "link.live" not in told
        assert "gap.found" not in told
    finally:
        reader.close()
    status = json.loads(invoke("status", "--mission", tmp_path / "played", "--json").stdout)
    assert status["newest_generation_time"] == "2020-11-09T00:49:55Z"


def test_a_replay_does_not_enter_a_mission_with_live_data(invoke, recording, mission):
    file, map_path = recording

    result = invoke("replay", file, "--map", map_path, "--mission", mission, "--headless")

    assert result.exit_code == 2
    assert "live data" in result.stderr
    (mission / "mission.toml").write_text(MAP)
    assert "live data" in invoke("replay", file, "--map", map_path, "--mission", mission, "--headless").stderr
    assert json.loads(invoke("status", "--mission", mission, "--json").stdout)["frames"] == 3


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan", "inf"])
def test_a_speed_that_is_none_is_refused(invoke, recording, speed):
    result = invoke("replay", recording[0], "--map", recording[1], "--speed", speed, "--headless")

    assert result.exit_code == 2
    assert "allowed: max" in result.stderr


def test_a_map_that_does_not_fit_the_file_leaves_nothing_behind(invoke, recording, tmp_path):
    file, map_path = recording
    map_path.write_text(MAP.replace('"Vbat"', '"Voltage"'))

    result = invoke("replay", file, "--map", map_path, "--headless", "--mission", tmp_path / "played")

    assert result.exit_code == 2
    assert "Voltage" in result.stderr
    assert not (tmp_path / "played").exists()


def test_a_filter_nobody_can_read_is_refused_before_anything_is_started(invoke, mission):
    result = invoke("export", "--mission", mission, "--filter", "eps.nothing < 3")

    assert result.exit_code == 2
    assert "--filter" in result.stderr
    assert list((mission / "exports").iterdir()) == []


def test_export_writes_the_rows_of_the_filter(invoke, mission, tmp_path):
    result = invoke(
        "export", "--mission", mission, "--filter", "eps.bat_v < 7.5", "--to", tmp_path / "out.csv", "--json"
    )

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["rows"] == 2
    with (tmp_path / "out.csv").open(newline="") as text:
        assert [float(row["eps.bat_v"]) for row in csv.DictReader(text)] == [6.0, 7.0]


def test_native_windows_is_told_in_one_line(monkeypatch, capsys):
    import cubesat_tui.__main__ as program

    monkeypatch.setattr(program.os, "name", "nt")

    with pytest.raises(SystemExit) as ended:
        program.main()

    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_looking_imports_nothing_heavy(mission):
    program = (
        "import sys\n"
        "from cubesat_tui.cli import root\n"
        f"root(['status', '--json', '--mission', {str(mission)!r}], standalone_mode=False)\n"
        "heavy = {'sklearn', 'scipy', 'mlflow', 'pandas', 'joblib', 'pyarrow', 'textual', 'plotext'}\n"
        "sys.exit(str(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
