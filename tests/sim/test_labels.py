"""Labels: what they are made of, that chunks do not matter, and files that agree with each other."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.catalogue import KINDS, Fault
from sim.channels import COLUMN, TABLE
from sim.labelled_file import labels_folder, write_run
from sim.labelled_run import LabelledRun
from sim.labels import CLOSED_S, Labeller, prevalence, sent, silences, tolerances
from sim.preset import demo_mission_toml
from sim.scenario import scenario
from telemetry.clock import NS_PER_S, parse_iso
from telemetry.dictionary import Mission, read_mission

T0 = 1_000_000_000
NAMES = ("eps.bat_v", "pld.dist_s", "thm.t_int", "obc.mode", "obc.uptime", "adcs.q_1", "adcs.q_2")
CHANNELS = tuple(TABLE[COLUMN[name]] for name in NAMES)
HERE = {name: i for i, name in enumerate(NAMES)}


def spans(faulty: np.ndarray, twin: np.ndarray, cuts: list[int]) -> list[tuple[str, int, int]]:
    """Labels as (channel, first second, second after the last), the values fed in chunks that end at `cuts`."""
    labeller = Labeller(1, CHANNELS, T0)
    edges = sorted({0, len(faulty), *(cut for cut in cuts if 0 < cut < len(faulty))})
    marked = np.zeros((len(faulty), len(CHANNELS)), dtype=bool)
    for begin, end in itertools.pairwise(edges):
        contact = np.ones((end - begin, 1), dtype=bool)
        for span in labeller.add(T0 + begin, faulty[begin:end, None], twin[begin:end, None], contact):
            assert span.end_s <= T0 + end
            assert span.start_s >= T0 + begin - CLOSED_S
            marked[span.start_s - T0 : span.end_s - T0, span.channel] = True
    found = labeller.spans()
    for channel in range(len(CHANNELS)):
        rows = np.zeros(len(faulty), dtype=bool)
        for span in found:
            if span.channel == channel:
                rows[span.start_s - T0 : span.end_s - T0] = True
        assert np.array_equal(rows, marked[:, channel]), "what is told piece by piece is the whole"
    return [(NAMES[span.channel], span.start_s - T0, span.end_s - T0) for span in found]


def base(seconds: int) -> np.ndarray:
    values = np.zeros((seconds, len(NAMES)))
    values[:, HERE["obc.uptime"]] = 5_000.0 + np.arange(seconds)
    values[:, HERE["adcs.q_1"]] = 0.6
    values[:, HERE["adcs.q_2"]] = 0.8
    return values


@settings(max_examples=60)
@given(
    bad=st.lists(st.tuples(st.sampled_from([1, 30, 58, 59, 60, 61, 90]), st.integers(1, 40)), max_size=6),
    cuts=st.lists(st.integers(1, 399), max_size=12),
)
def test_intervals_are_the_same_in_any_chunks_and_close_gaps_below_a_minute(
    bad: list[tuple[int, int]], cuts: list[int]
) -> None:
    twin, faulty = base(400), base(400)
    begin = 0
    for pause, lasts in bad:
        begin += pause
        faulty[begin : begin + lasts, HERE["pld.dist_s"]] += 5.0
        begin += lasts
    whole = spans(faulty, twin, [])
    assert spans(faulty, twin, cuts) == whole
    wrong = np.flatnonzero(faulty[:, HERE["pld.dist_s"]] > 1.0)
    covered = {t for _, begin, end in whole for t in range(begin, end)}
    assert set(wrong.tolist()) <= covered
    for (_, _, end), (_, begin, _) in itertools.pairwise(whole):
        assert begin - end >= CLOSED_S
    for _, begin, end in whole:
        assert begin in wrong
        assert end - 1 in wrong
        inside = wrong[(wrong >= begin) & (wrong < end)]
        assert (np.diff(inside) <= CLOSED_S).all()


def test_a_channel_differs_by_more_than_its_noise_and_resolution_allow() -> None:
    twin = base(30)
    for name, allowed in zip(NAMES[:3], tolerances(CHANNELS[:3]).tolist(), strict=True):
        within, beyond = base(30), base(30)
        within[10:21, HERE[name]] += allowed
        beyond[10:21, HERE[name]] += 1.01 * allowed
        assert spans(within, twin, []) == []
        assert [one[0] for one in spans(beyond, twin, [])] == [name]
    assert tolerances(CHANNELS)[HERE["pld.dist_s"]] == pytest.approx(1.2), "three sigma of 0.4 cm"
    assert tolerances(CHANNELS)[HERE["eps.bat_v"]] == pytest.approx(0.02), "two steps of 0.01 V"


def test_codes_differ_at_once_and_nan_is_another_value() -> None:
    twin, faulty = base(20), base(20)
    faulty[5:7, HERE["obc.mode"]] = 1.0
    faulty[9, HERE["eps.bat_v"]] = np.nan
    assert spans(faulty, twin, []) == [("obc.mode", 5, 7), ("eps.bat_v", 9, 10)]
    both = faulty.copy()
    assert spans(faulty, both, []) == []


def test_a_slow_channel_is_labelled_where_it_is_sent() -> None:
    twin, faulty = base(40), base(40)
    faulty[6:9, HERE["thm.t_int"]] += 3.0
    assert spans(faulty, twin, []) == [], "its packet is due every five seconds"
    faulty[9:12, HERE["thm.t_int"]] += 3.0
    assert spans(faulty, twin, []) == [("thm.t_int", 10, 11)]


@given(cuts=st.lists(st.integers(1, 299), max_size=8))
def test_a_counter_is_wrong_where_it_counts_wrongly_not_for_ever(cuts: list[int]) -> None:
    twin, faulty = base(300), base(300)
    faulty[101:, HERE["obc.uptime"]] = np.arange(199)
    assert spans(faulty, twin, cuts) == [("obc.uptime", 110, 111)]


def test_a_counter_that_went_wrong_before_it_was_first_sent_is_labelled() -> None:
    labeller = Labeller(1, CHANNELS, T0)
    contact = np.ones((20, 1), dtype=bool)
    column = HERE["obc.uptime"]

    def restarted(begin: int) -> list[int]:
        well, ill = base(20)[:, None], base(20)[:, None]
        ill[3:, 0, column] = np.arange(17)
        found = labeller.add(T0 + begin, ill, well, contact)
        return [span.start_s - T0 for span in found if span.channel == column]

    assert restarted(5) == [10]
    labeller.agree()
    assert restarted(1_005) == [1_010], "what was counted before the twins became one says nothing"


def test_an_attitude_has_two_signs() -> None:
    twin, faulty = base(20), base(20)
    faulty[:, HERE["adcs.q_1"] :] *= -1.0
    assert spans(faulty, twin, []) == []
    faulty[3:5, HERE["adcs.q_2"]] += 0.1
    assert spans(faulty, twin, []) == [("adcs.q_2", 3, 5)]


def test_what_is_not_sent_is_not_labelled() -> None:
    channels = (TABLE[COLUMN["com.rssi_dn"]], TABLE[COLUMN["eps.bat_v"]])
    contact = np.array([[True], [False], [True]])
    assert sent(channels, T0, T0, contact)[:, 0].tolist() == [[True, True], [False, True], [True, True]]
    labeller = Labeller(1, channels, T0)
    faulty = np.full((3, 1, 2), 10.0)
    labeller.add(T0, faulty, np.zeros((3, 1, 2)), np.zeros((3, 1), dtype=bool))
    assert {span.channel for span in labeller.spans()} == {1}


def fault(kind: str, target: str, start: int, end: int, satellite: str = "A") -> Fault:
    return Fault(f"{kind}/{target}/{start}", kind, satellite, target, T0 + start, T0 + end, KINDS[kind].size[0])


def test_a_label_belongs_to_what_caused_it() -> None:
    twin, faulty = base(400), base(400)
    faulty[10:300, HERE["eps.bat_v"]] -= 1.0
    faulty[100:110, HERE["pld.dist_s"]] += 9.0
    labeller = Labeller(1, CHANNELS, T0)
    labeller.add(T0, faulty[:, None], twin[:, None], np.ones((400, 1), dtype=bool))
    faults = [
        fault("string_loss", "px", 5, 150),
        fault("spike", "pld.dist_s", 100, 110),
        fault("latchup", "3v3", 90, 95),
        fault("string_loss", "py", 1, 3, satellite="B"),
        fault("payload_off", "payload", 0, 400),
    ]
    found = {label.channel: label.fault for label in labeller.labels(["A"], faults)}
    assert found == {"eps.bat_v": "string_loss/px/5", "pld.dist_s": "spike/pld.dist_s/100"}


def test_lost_packets_are_labelled_on_every_channel_they_carry() -> None:
    found = silences([fault("gap", "thm", 10, 30), fault("late", "all", 0, 50)], CHANNELS)
    assert [(label.channel, label.start_s - T0, label.end_s - T0) for label in found] == [("thm.t_int", 10, 30)]


def test_prevalence_is_the_share_of_labelled_samples() -> None:
    labels = silences([fault("gap", "thm", 0, 70)], CHANNELS)
    assert prevalence(labels, len(CHANNELS), 100) == pytest.approx(0.1)


CREATED_S = 1_795_355_400


def mission(tmp_path: Path, satellites: int = 1, seed: int = 1) -> Mission:
    text = demo_mission_toml(CREATED_S * NS_PER_S, seed, "quiet", "3u", satellites)
    (tmp_path / "mission.toml").write_text(text, encoding="utf-8")
    return read_mission(tmp_path)


def given_to(run_mission: Mission) -> list[Fault]:
    name = run_mission.satellites[0].name
    at = CREATED_S
    return [
        Fault("1", "bias", name, "pld.dist_s", at + 60, at + 120, 30.0),
        Fault("2", "string_loss", name, "mx", at + 200, at + 260, 0.5),
        Fault("3", "gap", name, "thm", at + 300, at + 350, 0.0),
        Fault("4", "clock_jump", name, "clock", at + 400, at + 420, 5.0),
        Fault("5", "safe_exercise", name, "computer", at + 500, at + 10_000, 0.0),
    ]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def test_the_files_of_a_run_agree_with_each_other(tmp_path: Path) -> None:
    simulated = mission(tmp_path)
    path = tmp_path / "run.csv"
    write_run(LabelledRun(simulated, scenario("quiet"), CREATED_S, 600, given_to(simulated)), path)
    assert {one.name for one in tmp_path.iterdir()} == {"mission.toml", "run.csv", "run.csv.labels"}
    rows = table(path)
    bus = simulated.bus_of(simulated.satellites[0].name)
    assert list(rows[0]) == ["time", "satellite", *bus.by_name, "label"]
    assert [parse_iso(row["time"]) // NS_PER_S for row in rows] == list(range(CREATED_S, CREATED_S + 600))

    folder = labels_folder(path)
    labels, types = table(folder / "labels.csv"), table(folder / "anomaly_types.csv")
    channels = table(folder / "channels.csv")
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert list(labels[0]) == ["ID", "Channel", "StartTime", "EndTime"]
    assert list(types[0]) == ["ID", "Class", "Subclass", "Category", "Dimensionality", "Locality", "Length"]
    assert list(channels[0]) == ["Channel", "Subsystem", "Physical Unit", "Group", "Target"]
    assert [one["Channel"] for one in channels] == list(bus.by_name)
    assert {one["ID"] for one in labels} == {one["ID"] for one in types}
    assert {one["Channel"] for one in labels} <= set(bus.by_name)
    assert [one["fault"] for one in events] == ["bias", "string_loss", "gap", "clock_jump", "safe_exercise"]
    by_class = {one["Class"]: one for one in types}
    assert set(by_class) == {"bias", "string_loss", "gap", "safe_exercise"}, "a clock that jumps has no channel"
    assert by_class["bias"]["Dimensionality"] == "Univariate"
    assert by_class["bias"]["Locality"] == "Local"
    assert by_class["string_loss"]["Dimensionality"] == "Multivariate"
    assert [by_class[kind]["Category"] for kind in ("bias", "gap", "safe_exercise")] == [
        "Anomaly",
        "Communication Gap",
        "Rare Event",
    ]
    last = max(one["EndTime"] for one in labels)
    assert parse_iso(last) // NS_PER_S == CREATED_S + 600, "nothing is labelled beyond the data"

    routine = by_class["safe_exercise"]["ID"]
    gap = by_class["gap"]["ID"]
    wrong = np.zeros(600, dtype=bool)
    for one in labels:
        if one["ID"] not in (routine, gap):
            begin, end = (parse_iso(one[key]) // NS_PER_S - CREATED_S for key in ("StartTime", "EndTime"))
            wrong[begin:end] = True
    assert [row["label"] for row in rows] == [str(int(one)) for one in wrong]
    assert wrong[60:120].all()
    assert not wrong[:60].any()
    assert all(row["thm.t_int"] == "" for row in rows[300:350]), "lost packets leave no values"
    assert rows[295]["thm.t_int"]
    assert rows[1]["thm.t_int"] == "", "a slow channel has values where it is sent"
    assert rows[10]["com.rssi_dn"] == "", "out of contact"
    assert rows[200]["com.rssi_dn"]


def test_values_come_back_exactly(tmp_path: Path) -> None:
    simulated = mission(tmp_path)
    run = LabelledRun(simulated, scenario("quiet"), CREATED_S, 70)
    write_run(run, tmp_path / "run.csv")
    again = LabelledRun(simulated, scenario("quiet"), CREATED_S, 70)
    values = np.concatenate([rows.values[:, 0] for rows in again.rows()])
    names = [channel.name for channel in again.channels]
    for row, second in zip(table(tmp_path / "run.csv"), values, strict=True):
        for name, value in zip(names, second.tolist(), strict=True):
            assert row[name] == "" or float(row[name]) == value
    assert labels_folder(tmp_path / "run.csv").joinpath("labels.csv").read_text().count("\n") == 1


def test_the_rows_of_the_original_system(tmp_path: Path) -> None:
    simulated = mission(tmp_path)
    run = LabelledRun(simulated, scenario("quiet"), CREATED_S, 300, given_to(simulated))
    write_run(run, tmp_path / "run.csv", "original")
    rows = table(tmp_path / "run.csv")
    assert list(rows[0]) == ["face", "distance_cm", "timestamp", "signal_strength", "true_label"]
    assert len(rows) == 4 * 300
    assert [row["face"] for row in rows[:4]] == ["NORTH", "SOUTH", "EAST", "WEST"]
    wrong = [row for row in rows if row["true_label"] == "1"]
    assert {row["face"] for row in wrong} == {"SOUTH"}
    assert len(wrong) == 60
    strengths = [float(row["signal_strength"]) for row in rows]
    assert min(strengths) == 0.0
    assert 20.0 < max(strengths) <= 100.0


def test_a_fleet_has_labels_for_each(tmp_path: Path) -> None:
    simulated = mission(tmp_path, 2)
    name = simulated.satellites[1].name
    ill = Fault("1", "bias", name, "pld.dist_s", CREATED_S + 20, CREATED_S + 40, 30.0)
    write_run(LabelledRun(simulated, scenario("quiet"), CREATED_S, 70, [ill]), tmp_path / "run.csv")
    rows = table(tmp_path / "run.csv")
    assert [row["satellite"] for row in rows[:2]] == [one.name for one in simulated.satellites]
    assert {row["satellite"] for row in rows if row["label"] == "1"} == {name}
    folder = labels_folder(tmp_path / "run.csv")
    assert len(table(folder / simulated.satellites[0].name / "labels.csv")) == 0
    assert len(table(folder / name / "labels.csv")) == 1


def test_a_run_that_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    simulated = mission(tmp_path)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_run(LabelledRun(simulated, scenario("quiet"), CREATED_S, 600), tmp_path / "run.csv", flown=stop)
    assert [one.name for one in tmp_path.iterdir()] == ["mission.toml"]
    (tmp_path / "run.csv").write_text("mine")
    with pytest.raises(FileExistsError):
        write_run(LabelledRun(simulated, scenario("quiet"), CREATED_S, 600), tmp_path / "run.csv")
    assert (tmp_path / "run.csv").read_text() == "mine"
