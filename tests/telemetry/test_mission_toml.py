"""A mission file is read whole, or every error in it is told in a line of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.dictionary import Mission, MissionError, read_mission

TLE = (
    '["1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927",'
    ' "2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537"]'
)
GOOD = f"""
schema = 1
[[satellite]]
name = "KESTREL-1"
bus = "3u"
tle = {TLE}
norad = 25544

[bus.3u]
context = ["obc.mode"]
packets = {{hk = ["eps.*"], slow = ["eps.bat_soc"], thm = ["thm.*"]}}

[[bus.3u.channel]]
name = "eps.bat_v"
label = "Battery voltage"
unit = "V"
decimals = 3
valid = [0, 10]
sentinels = [-9999]
action = "shed load"
[[bus.3u.channel.limits]]
when = "obc.mode = SAFE"
warning = [7.0, 8.35]
critical = [6.4, 8.5]
[[bus.3u.channel.limits]]
warning = [7.2, 8.35]
critical = [6.4, inf]

[[bus.3u.channel]]
name = "eps.bat_soc"
period_s = 10

[[bus.3u.channel]]
name = "obc.mode"
enum = {{0 = "BOOT", 1 = "SAFE", 3 = "NOMINAL"}}

[[bus.3u.channel]]
name = "thm.t_px"
unit = "degC"

[[ground_station]]
name = "Munich"
lat = 48.1
lon = 11.3
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        file = tmp_path / "mission.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def errors(path: Path) -> tuple[str, ...]:
    with pytest.raises(MissionError) as caught:
        read_mission(path)
    return caught.value.lines


def read(write, text: str = GOOD) -> Mission:
    return read_mission(write(text).parent)


def test_a_right_file_is_read_whole(write) -> None:
    mission = read(write)
    bus = mission.bus_of("KESTREL-1")
    assert mission.simulated
    assert mission.satellite("KESTREL-1").norad == 25544
    assert mission.ground_stations[0].mask_deg == 5
    assert [channel.name for channel in bus.channels] == ["eps.bat_v", "eps.bat_soc", "obc.mode", "thm.t_px"]
    assert bus.channel("obc.mode").enum == ((0, "BOOT"), (1, "SAFE"), (3, "NOMINAL"))
    assert bus.channel("thm.t_px").label == "thm.t_px"
    assert bus.subsystems == (("eps", "Power"), ("obc", "Computer"), ("thm", "Thermal"))
    assert mission.channel("KESTREL-1", "eps.bat_v").quantity(7.9) == "7.900 V"
    assert bus.channel("obc.mode").quantity(1.0) == "SAFE"


def test_packets_take_exact_names_before_patterns_and_the_rest_is_housekeeping(write) -> None:
    layouts = read(write).bus_of("KESTREL-1").layouts
    assert {packet: layout.names for packet, layout in layouts.items()} == {
        "hk": ("eps.bat_v", "obc.mode"),
        "slow": ("eps.bat_soc",),
        "thm": ("thm.t_px",),
    }
    assert layouts["hk"].columns[1].enum[1] == (1, "SAFE")


def test_the_first_limit_set_whose_condition_holds_is_used(write) -> None:
    channel = read(write).channel("KESTREL-1", "eps.bat_v")

    def low(context: dict[str, float]) -> tuple[float, str, str]:
        limits = channel.limit_set(context)
        assert limits is not None
        assert limits.warning is not None
        return limits.warning[0], limits.name, limits.title

    assert low({"obc.mode": 1.0}) == (7.0, "obc.mode = SAFE", "SAFE")
    assert low({"obc.mode": 3.0}) == (7.2, "default", "default")
    assert low({}) == (7.2, "default", "default")


def test_a_directory_and_its_file_are_the_same_mission(write) -> None:
    file = write(GOOD)
    assert read_mission(file) == read_mission(file.parent)


@pytest.mark.parametrize(
    ("right", "wrong", "line"),
    [
        ("schema = 1", "schema = 2", "mission.toml: schema: 2: allowed: 1"),
        ("schema = 1", "", "mission.toml: schema: missing: allowed: 1"),
        (
            "[7.0, 8.35]",
            "[9, 7]",
            "mission.toml: bus.3u.channel[0].limits[0].warning: [9, 7]: allowed: two numbers, low then high",
        ),
        ("[7.0, 8.35]", "[1]", ".warning: [1]: allowed: two numbers"),
        ("[7.0, 8.35]", "[nan, 8]", ".warning: [nan, 8]: allowed: two numbers"),
        ("[7.0, 8.35]", "[6.0, 8.35]", ".critical: [6.4, 8.5]: allowed: a band around warning [6, 8.35]"),
        ("valid = [0, 10]", "valid = [0, 9007199254740993]", "whole numbers up to 2^53"),
        ("norad = 25544", "norad = 9007199254740993", "whole numbers up to 2^53"),
        ("valid = [0, 10]", 'valid = "0..10"', 'valid: "0..10": allowed: two numbers'),
        ("decimals = 3", 'kind = "text"', "every channel is a number (float64), text belongs to events"),
        (
            "decimals = 3",
            "decimal = 3",
            "bus.3u.channel[0].decimal: 3: allowed: decimals? keys here are name, label",
        ),
        ("decimals = 3", "decimals = true", "decimals: true: allowed: a whole number from 0 to 12"),
        ("decimals = 3", "period_s = 0", "period_s: 0: allowed: seconds above 0"),
        ("decimals = 3", "min_violations = 0", "min_violations: 0: allowed: a whole number from 1"),
        ("decimals = 3", "stuck_s = 0", "bus.3u.channel[0].stuck_s: 0: allowed: seconds above 0"),
        ("decimals = 3", 'stuck_s = "1 min"', 'stuck_s: "1 min": allowed: seconds above 0'),
        ("decimals = 3", "max_rate = -1", "max_rate: -1: allowed: units per second, a number above 0"),
        ("decimals = 3", "max_rate = inf", "max_rate: inf: allowed: units per second"),
        ("decimals = 3", "latch = 1", "latch: 1: allowed: true or false"),
        ("decimals = 3", 'stuck_when = "obc.mode = SAFE"', "nothing without stuck_s"),
        ("decimals = 3", 'rate_when = "obc.mode = SAFE"', "nothing without max_rate"),
        (
            "decimals = 3",
            'stuck_s = 60\nstuck_when = "obc.mode = SAVE"',
            'channel[0].stuck_when: "obc.mode = SAVE": allowed: a condition',
        ),
        (
            "decimals = 3",
            'max_rate = 1\nrate_when = "eps.bat_soc > 3"',
            "channels listed in the bus's context (obc.mode); eps.bat_soc is not",
        ),
        ("enum = {", "stuck_s = 5\nenum = {", "stuck_s: 5.0: allowed: nothing beside enum"),
        ('unit = "V"', 'unit = "°C"', 'unit: "°C": allowed: at most 16 ASCII characters'),
        (
            'label = "Battery voltage"',
            'label = "\\u001b]52;c;x\\u0007"',
            'label: "\ufffd]52;c;x\ufffd": allowed: 1 to 60 printable',
        ),
        ('name = "KESTREL-1"', 'name = "K\\u202eX"', 'satellite[0].name: "K\ufffdX": allowed: 1 to 40 printable'),
        ('name = "KESTREL-1"', 'name = " K"', 'satellite[0].name: " K": allowed'),
        ('bus = "3u"', 'bus = "6u"', 'satellite[0].bus: "6u": allowed: 3u'),
        ("15.72125391563537", "15.72125391563538", "satellite[0].tle: "),
        (f"tle = {TLE}", "", "satellite[0].tle: missing"),
        ('context = ["obc.mode"]', "", "channels listed in the bus's context (none yet); obc.mode is not"),
        ('when = "obc.mode = SAFE"', 'when = "obc.mode = SAVE"', '"SAVE" is no value of obc.mode: allowed: SAFE'),
        ('when = "obc.mode = SAFE"', 'when = "anomaly"', '"anomaly" is no channel'),
        ('when = "obc.mode = SAFE"', 'when = ""', 'limits[0].when: "": allowed: a condition'),
        (
            'when = "obc.mode = SAFE"',
            "",
            "limits[0].when: missing: allowed: a condition: the sets after this one are never reached",
        ),
        (
            "warning = [7.2, 8.35]",
            'when = "obc.mode = BOOT"',
            'limits[1].when: "obc.mode = BOOT": allowed: no when in the last set',
        ),
        (
            'thm = ["thm.*"]',
            'thm = ["thr.*"]',
            'packets.thm[0]: "thr.*": allowed: a channel of this bus, or a pattern',
        ),
        (
            'thm = ["thm.*"]',
            'thm = ["eps.*"]',
            'packets.thm: ["eps.*"]: allowed: at least one channel that no earlier packet takes',
        ),
        ('thm = ["thm.*"]', 'thm = ["eps.bat_soc"]', "a channel in one packet (it is in slow)"),
        ('3 = "NOMINAL"', '3 = "safe"', 'enum.3: "safe": allowed: 1 to 40 printable characters, each label once'),
        ('3 = "NOMINAL"', 'x = "NOMINAL"', 'enum.x: "NOMINAL": allowed: whole-number codes'),
        ("lat = 48.1", "lat = 98.1", "ground_station[0].lat: 98.1: allowed: degrees from -90 to 90"),
        ("lat = 48.1", "", "ground_station[0].lat: missing"),
        ("[[ground_station]]", "[groundstation]", "groundstation: {name ="),
        ("[[ground_station]]", "[ground_station]", "ground_station: {name ="),
    ],
)
def test_a_wrong_value_is_one_line_with_file_key_value_and_what_is_allowed(
    write, right: str, wrong: str, line: str
) -> None:
    assert right in GOOD
    lines = errors(write(GOOD.replace(right, wrong, 1)))
    assert len(lines) == 1
    assert line in lines[0]
    assert lines[0].startswith("mission.toml: ")
    assert "allowed: " in lines[0]
    assert lines[0].isprintable()


@pytest.mark.parametrize(
    ("right", "wrong", "line", "consequence"),
    [
        (
            'name = "thm.t_px"',
            'name = "t_px"',
            'channel[3].name: "t_px": allowed: subsystem.name',
            "packets.thm[0]",
        ),
        ('name = "thm.t_px"', 'name = "EPS.bat_v"', "a name not used before", "packets.thm[0]"),
        (
            'context = ["obc.mode"]',
            'context = ["obc.mod"]',
            'bus.3u.context[0]: "obc.mod": allowed: a channel of this bus',
            "limits[0].when",
        ),
    ],
)
def test_what_refers_to_a_wrong_name_is_told_too(
    write, right: str, wrong: str, line: str, consequence: str
) -> None:
    lines = errors(write(GOOD.replace(right, wrong, 1)))
    assert len(lines) == 2
    assert any(line in one for one in lines)
    assert any(consequence in one for one in lines)


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ('[source]\nkind = "xml"', 'source.kind: "xml": allowed: "sim" or "csv" or "stream" or "firebase"'),
        ("[source]\nseed = 1.5", "source.seed: 1.5"),
        ("[source]\nrate = 0", "source.rate: 0: allowed: a factor above 0"),
        ("[source]\nrate = nan", "source.rate: nan"),
        ('[source]\nscenario = "war"', 'source.scenario: "war": allowed: "hello" or "bad-day" or'),
        ('[source]\ntime = "t_s"', 'source.time: "t_s": allowed: keys here are kind, scenario'),
        ('[source]\nkind = "csv"\ntime = "t"\ncolumns = {"eps.x" = "a"}', "source.columns.eps.x"),
        ('[source]\nkind = "csv"\ntime = "t"', "source.columns: missing"),
        ('[source]\nkind = "csv"\ncolumns = {"eps.bat_v" = "a"}', "source.time: missing"),
        (
            '[source]\nkind = "csv"\ntime = "t"\nepoch = "noon"\ncolumns = {"eps.bat_v" = "a"}',
            'source.epoch: "noon"',
        ),
        ('[detector]\nkind = "lstm"', 'detector.kind: "lstm": allowed: "fusion" or "isolation_forest"'),
        ("[detector]\nfalse_alarms_per_day = 0", "detector.false_alarms_per_day: 0"),
        ("[trainer]\nrefit_budget_s = 0", "trainer.refit_budget_s: 0: allowed:"),
        ("[trainer]\nperiod_s = 0.5", "trainer.period_s: 0.5: allowed: seconds from 1 to 86400"),
        (
            '[mlflow]\nuri = "http://u:p@x"',
            'mlflow.uri: "(not shown)": allowed: "sqlite" (in the mission directory)',
        ),
        ("[link]\ntarget = 3", "link.target: 3"),
        ("trainer = 3", "trainer: 3: allowed: a table"),
    ],
)
def test_settings_that_do_not_exist_are_refused(write, table: str, line: str) -> None:
    text = table + GOOD if "[" not in table else GOOD + "\n" + table
    lines = errors(write(text))
    assert len(lines) == 1
    assert line in lines[0]


def test_every_error_is_reported(write) -> None:
    text = (
        GOOD.replace("schema = 1", "schema = 3")
        .replace("lat = 48.1", "lat = 1e9")
        .replace('unit = "V"', "unit = 5")
    )
    text = text.replace('thm = ["thm.*"]', 'thm = ["nothing.*"]') + "\n[trainer]\nperiod = 3\n"
    found = errors(write(text))
    keys = [line.split(": ")[1] for line in found]
    assert sorted(keys) == sorted(
        ["schema", "ground_station[0].lat", "bus.3u.channel[0].unit", "bus.3u.packets.thm[0]", "trainer.period"]
    )


def test_what_is_not_toml_says_where(write, tmp_path: Path) -> None:
    assert "line 1, column 5" in errors(write("a = = 3"))[0]
    (tmp_path / "mission.toml").write_bytes(b"a = '\xff'")
    assert "not UTF-8" in errors(tmp_path)[0]


def test_a_directory_without_the_file_says_so(tmp_path: Path) -> None:
    assert errors(tmp_path) == (f"mission.toml: not found in {tmp_path}",)


def test_a_recorded_file_has_a_map(write) -> None:
    source = '[source]\nkind = "csv"\ntime = "t_s"\nepoch = "2020-11-09T00:00:00Z"\n'
    text = GOOD + source + 'columns = {"eps.bat_v" = "Vbat"}\n'
    mission = read(write, text.replace(f"tle = {TLE}", ""))
    assert not mission.simulated
    assert mission.source.columns == (("eps.bat_v", "Vbat"),)


def test_markup_in_a_name_is_only_text(write) -> None:
    assert read(write, GOOD.replace("KESTREL-1", "[red][/")).satellites[0].name == "[red][/"
