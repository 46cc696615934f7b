"""A snapshot of the past is what the live reader would have told then, and what a look through everything gives."""

from __future__ import annotations

import math

import fabricated
import numpy as np
import pytest
from fabricated import BOOT, NOW, SATELLITE, S

from cubesat_tui.past_journal import CHAPTER, PastJournal
from cubesat_tui.snapshot_at import PastReader
from cubesat_tui.snapshot_reader import SnapshotReader, invalid_by
from telemetry.alarms import Event, fold_all, urgency
from telemetry.clock import ManualClock
from telemetry.dictionary import read_mission
from telemetry.frame import FrameBatch, Quality
from telemetry.freshness import Acquisition
from telemetry.store.directory import MissionDirectory
from telemetry.store.reader import StoreReader
from telemetry.store.rows import RunRow, ScoredBatch
from telemetry.store.writer import StoreWriter

MOMENTS = [
    NOW,
    NOW - 12 * S,
    NOW - 45 * S,
    NOW - 103 * S,
    NOW - 150 * S,
    NOW - 283 * S,
    NOW - 300 * S,
    NOW - 1700 * S,
]


def past_of(directory, t_ns: int, live=None):
    mission = read_mission(directory.path)
    reader = StoreReader(directory.telemetry, invalid_by(mission))
    if live is None:
        live = SnapshotReader(directory, ManualClock(NOW)).read()
    found = PastReader(mission).snapshot(reader, live, t_ns)
    return found, reader, live


@pytest.mark.parametrize("t_ns", MOMENTS)
def test_values_alarms_and_events_are_those_of_everything_up_to_the_moment(directory, t_ns: int) -> None:
    found, reader, live = past_of(directory, t_ns)
    mission = found.mission
    bus = mission.bus_of(SATELLITE)
    for name, channel in bus.by_name.items():
        times, values, _ = reader.window(SATELLITE, [name], 0, t_ns + 1)
        sent = np.flatnonzero(~np.isnan(values[:, 0]))
        now = found.channels[name]
        assert now.t_ns == int(times[sent[-1]])
        assert now.value == values[sent[-1], 0]
        assert now.text in (channel.number(now.value), "no signal")
        assert now.age_s is None
        for i, value in enumerate(now.spark):
            begin = (t_ns // (75 * S) - 7 + i) * 75 * S
            inside = sent[(times[sent] >= begin) & (times[sent] < begin + 75 * S)]
            expected = values[inside[-1], 0] if len(inside) else math.nan
            assert value == expected or (math.isnan(value) and math.isnan(expected))
    then = [event for event in reader.journal() if event.at_ns <= t_ns]
    assert found.alarms == tuple(sorted(fold_all(then).values(), key=urgency))
    assert [event.id for event in found.events] == [event.id for event in reversed(then)]
    assert (found.past_ns, found.now_ns, found.wall_ns, found.data_age_s) == (t_ns, t_ns, t_ns, None)
    assert (found.link, found.frames, found.health) == (live.link, live.frames, live.health)


@pytest.mark.parametrize("t_ns", [NOW - 600 * S, NOW - 150 * S, NOW - 1 * S])
def test_it_is_what_the_live_reader_told_when_that_moment_was_now(tmp_path, t_ns: int) -> None:
    whole = fabricated.fill(tmp_path / "whole")
    half = fabricated.fill(tmp_path / "half", minutes=0, events=[])
    writer = StoreWriter(half.telemetry, ManualClock(t_ns))
    rows = [ScoredBatch(batch) for batch in fabricated.batches(NOW - 1800 * S, t_ns, bus5v_until=NOW - 42 * S)]
    writer.append(rows, [event for event in fabricated.alarm_events() if event.at_ns <= t_ns], {})
    writer.close()
    told = SnapshotReader(half, ManualClock(t_ns + 20_000_000)).read()
    found, _, _ = past_of(whole, t_ns)
    for name, now in told.channels.items():
        then = found.channels[name]
        assert (then.value, then.t_ns, then.acquisition, then.result) == (
            now.value, now.t_ns, now.acquisition, now.result
        ), name  # fmt: skip
        assert (then.limits, then.anomalous, then.silent) == (now.limits, now.anomalous, now.silent)
        np.testing.assert_array_equal(then.spark, now.spark)
    assert found.counts == told.counts
    assert [a.key for a in found.alarms] == [a.key for a in told.alarms]


def test_a_value_that_was_old_then_looks_old_then(directory) -> None:
    found, _, _ = past_of(directory, NOW - 20 * S)
    assert found.channels["eps.bus5v_v"].acquisition is Acquisition.EXPIRED
    assert found.channels["eps.bus5v_v"].t_ns == NOW - 42 * S
    fresh, _, _ = past_of(directory, NOW - 43 * S)
    assert fresh.channels["eps.bus5v_v"].acquisition is Acquisition.ACQUIRED


def test_before_the_first_frame_nothing_was_received_and_nothing_is_made_up(directory) -> None:
    found, _, _ = past_of(directory, NOW - 7200 * S)
    sent = [now for now in found.channels.values() if not now.channel.predicted]
    assert all(now.value is None and now.t_ns is None for now in sent)
    assert {now.acquisition for now in sent} == {Acquisition.NOT_RECEIVED}
    assert (found.alarms, found.events, found.newest_t_ns, found.model.version) == ((), (), None, None)


def test_what_was_recorded_on_board_and_came_down_later_belongs_to_its_own_moment(directory) -> None:
    layout = fabricated.fabricated_mission().layouts["slow"]
    one = np.array([1])
    stored = np.array([int(Quality.STORED)])
    times = one * (NOW - 30 * S)
    value = np.array([[5.1]])
    batch = FrameBatch(layout, (SATELLITE,), one * 0, one * BOOT, one * 7, times, one * NOW, stored, value)
    writer = StoreWriter(directory.telemetry, ManualClock(NOW))
    writer.append([ScoredBatch(batch)], [], {})
    writer.close()
    found, _, _ = past_of(directory, NOW - 29 * S)
    assert (found.channels["eps.bus5v_v"].value, found.channels["eps.bus5v_v"].t_ns) == (5.1, NOW - 30 * S)
    before, _, _ = past_of(directory, NOW - 31 * S)
    assert before.channels["eps.bus5v_v"].t_ns == NOW - 42 * S


def test_the_pass_and_the_model_are_those_of_the_moment(directory) -> None:
    writer = StoreWriter(directory.telemetry, ManualClock(NOW))
    for version, age_s, decision in ((3, 1200, "promoted"), (None, 900, "kept"), (4, 400, "promoted")):
        writer.record_run(
            RunRow(
                id=0, retrain=age_s, at_ns=NOW - age_s * S, satellite=None, decision=decision, version=version,
                model_sha256="ab", reason="",
            )
        )  # fmt: skip
    writer.close()
    seen = {}
    for age_s in (1500, 1000, 300, 100):
        found, _, _ = past_of(directory, NOW - age_s * S)
        seen[age_s] = (found.model.version, found.contact.in_contact)
        assert found.model.next_s is None
    assert seen == {1500: (None, False), 1000: (3, False), 300: (4, False), 100: (4, True)}
    found, _, _ = past_of(directory, NOW - 300 * S)
    assert found.contact.next_ns == NOW - 200 * S


def test_of_what_the_console_has_read_of_the_journal_a_moment_reads_one_chapter(tmp_path, monkeypatch) -> None:
    directory = MissionDirectory(fabricated.fill(tmp_path / "long").path)
    writer = StoreWriter(directory.telemetry, ManualClock(NOW))
    writer.append([], [e for i in range(500) for e in fabricated.alarm_events()], {})
    writer.close()
    known = PastJournal()
    live = SnapshotReader(directory, ManualClock(NOW), past=known).read()
    reader = StoreReader(directory.telemetry, invalid_by(live.mission))
    journal, read = reader.journal, []

    def counted(after_id: int = 0, limit: int = 10_000) -> list[Event]:
        rows = journal(after_id, limit)
        read.append(len(rows))
        return rows

    monkeypatch.setattr(reader, "journal", counted)
    now = PastReader(live.mission, known).snapshot(reader, live, NOW)
    assert {alarm.key for alarm in now.alarms} == {alarm.key for alarm in live.alarms}
    # Alarms and events each read what is no whole chapter yet.
    assert 0 < sum(read) <= 2 * CHAPTER
    reader.close()
