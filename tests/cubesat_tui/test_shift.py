"""The handover and the line for whoever was away: what stands in them, and that it fits."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import fabricated
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from cubesat_tui.absence import absence_line, last_trace_ns
from cubesat_tui.cli import root
from cubesat_tui.past_journal import CHAPTER, PROMOTED, PastJournal
from cubesat_tui.screens.handover import HandoverCard
from cubesat_tui.shift import Shift, read_shift
from cubesat_tui.shift_text import MOST, shift_lines
from telemetry.alarms import (
    ACKNOWLEDGED,
    ALARM_KINDS,
    CLEARED,
    NOTE,
    RAISED,
    RETURNED,
    SEVERITY,
    SHELVED,
    SHIFT_NOTE,
    UPDATED,
    Alarm,
    Event,
    fold_all,
)
from telemetry.clock import ManualClock, parse_iso
from telemetry.dictionary import read_mission
from telemetry.limits import Level
from telemetry.store.directory import MissionDirectory
from telemetry.store.reader import StoreReader
from telemetry.store.rows import ContactRow
from telemetry.store.writer import StoreWriter
from tests.testbird import TOML

NOW = parse_iso("2026-11-22T07:14:00Z")
MINUTE = 60 * 10**9


def event(
    minutes_ago: float, kind: str, subject: str, text: str, level: int = 0, actor: str = "", **body: Any
) -> Event:
    at_ns = NOW - int(minutes_ago * MINUTE)
    return Event(at_ns, "TESTBIRD", kind, level, subject, actor, {"text": text, **body})


def night() -> list[Event]:
    """From eleven in the evening on, and something from the shift before."""
    warning, critical = int(Level.WARNING), int(Level.CRITICAL)
    gap = {"t0_ns": NOW - 304 * MINUTE, "t1_ns": NOW - 300 * MINUTE, "seconds": 240.0}
    return [
        event(900, RAISED, "com.rssi_dn", "signal weak", warning),
        event(890, "model.promoted", "v17", "model v17 promoted", version=17),
        event(890, SHELVED, "com.rssi_dn", "lk shelved", actor="lk", until_ns=NOW + 46 * MINUTE, reason="antenna"),
        event(400, RAISED, "thm.bat", "battery warm", warning),
        event(399, ACKNOWLEDGED, "thm.bat", "ann acknowledged: battery warm", actor="ann"),
        event(380, RETURNED, "thm.bat", "battery cool", warning),
        event(380, CLEARED, "thm.bat", "cleared: battery cool"),
        event(300, "gap.found", "TESTBIRD", "no data for 4 min", int(Level.WATCH), **gap),
        event(200, RAISED, "adcs.rw_x", "wheel fast", warning),
        event(199, SEVERITY, "adcs.rw_x", "wheel too fast", critical),
        event(198, UPDATED, "adcs.rw_x", "wheel too fast", critical, count=40),
        event(197, NOTE, "adcs.rw_x", "friction test was planned", actor="ann"),
        event(100, "model.promoted", "v18", "model v18 promoted", version=18),
        event(50, SHIFT_NOTE, "", "call lk at noon", actor="ann"),
    ]


def mission_with(path: Path, events: list[Event], passes: tuple[ContactRow, ...] = ()) -> MissionDirectory:
    directory = MissionDirectory(path)
    directory.create()
    directory.toml.write_text(TOML, encoding="utf-8")
    writer = StoreWriter(directory.telemetry, ManualClock(NOW))
    writer.append([], events, {})
    if passes:
        writer.describe_satellite("TESTBIRD", None, "b")
        writer.replace_contacts("TESTBIRD", passes)
    writer.close()
    return directory


def shift_of(directory: MissionDirectory, minutes: float = 480) -> Shift:
    reader = StoreReader(directory.telemetry)
    try:
        return read_shift(reader, read_mission(directory.path), NOW - int(minutes * MINUTE), NOW)
    finally:
        reader.close()


def test_the_whole_night_in_lines_to_paste(tmp_path: Path) -> None:
    munich = ContactRow(
        satellite="TESTBIRD",
        station="Munich",
        acquisition_ns=NOW + 6 * MINUTE,
        loss_ns=NOW + 16 * MINUTE,
        max_el_deg=61.4,
    )
    assert shift_lines(shift_of(mission_with(tmp_path / "m", night(), (munich,)))) == [
        "HANDOVER TESTBIRD  2026-11-21 23:14:00Z to 2026-11-22 07:14:00Z (8.0 h)",
        "RAISED 2: 1 CRITICAL, 1 WARNING; 1 still open",
        "OPEN 1 (1 not acknowledged)",
        "  NEW      CRITICAL 11-22 03:54:00Z  wheel too fast",
        "SHELVED 1",
        "  until 11-22 08:00:00Z by lk: antenna; WARNING signal weak",
        "NOTES 2",
        "  11-22 06:24:00Z ann: call lk at noon",
        "  11-22 03:57:00Z ann on adcs.rw_x: friction test was planned",
        "ACTS 1",
        "  11-22 00:35:00Z ann acknowledged: battery warm",
        "GAPS 1, 4 min in all",
        "  11-22 02:10:00Z to 11-22 02:14:00Z 4 min",
        "MODEL v17 -> v18",
        "  11-22 05:34:00Z model v18 promoted",
        "TROUBLE 0",
        "NEXT PASSES 1",
        "  11-22 07:20:00Z to 07:30:00Z Munich, 10 min, max 61 deg",
    ]


def test_one_line_after_an_absence(tmp_path: Path) -> None:
    directory = mission_with(tmp_path / "m", night())
    assert absence_line(shift_of(directory)) == (
        "Since 23:14Z: 2 alarms (1 CRITICAL, 1 open), 1 gap of 4 min, model v17 -> v18; w = handover"
    )
    assert absence_line(shift_of(directory, 210)) == (
        "Since 03:44Z: 1 alarm (1 CRITICAL, 1 open), model v17 -> v18; w = handover"
    )
    assert absence_line(shift_of(directory, 40)) == "Since 06:34Z: no alarm; w = handover"


def test_an_alarm_that_comes_back_while_it_is_open_is_one(tmp_path: Path) -> None:
    again = [
        event(30 - i, RETURNED if i % 2 else RAISED, "eps.bat_v", "low", int(Level.WARNING)) for i in range(20)
    ]
    shift = shift_of(mission_with(tmp_path / "m", again), 60)
    assert absence_line(shift) == "Since 06:14Z: 1 alarm (1 open); w = handover"


def test_the_last_trace_of_an_operator(tmp_path: Path) -> None:
    newest_first = night()[::-1]
    assert last_trace_ns(newest_first, "ann") == NOW - 50 * MINUTE
    assert last_trace_ns(newest_first, "lk") == NOW - 890 * MINUTE
    assert last_trace_ns(newest_first, "nobody") is None


KINDS = (RAISED, SHELVED, NOTE, SHIFT_NOTE, ACKNOWLEDGED, "gap.found", "model.promoted", "link.lost", "export.done")


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 40), st.integers(1, 5)), max_size=400))
def test_it_never_has_more_than_sixty_lines_and_says_how_much_it_left_out(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, int, int]]
) -> None:
    events = [
        event(
            60 - i / 10,
            kind,
            f"c.{n}",
            f"something {i} \x1b[31m",
            level,
            "" if kind == RAISED else "ann",
            until_ns=NOW + MINUTE,
            reason="because",
            t0_ns=NOW,
            t1_ns=NOW,
            seconds=1.0,
            version=n,
        )
        for i, (kind, n, level) in enumerate(drawn)
    ]
    shift = shift_of(mission_with(tmp_path_factory.mktemp("m") / "m", events), 120)
    lines = shift_lines(shift)
    assert len(lines) <= MOST
    assert "\x1b" not in "".join(lines)
    for title, count in (
        ("OPEN", len(shift.unshelved)),
        ("SHELVED", len(shift.shelved)),
        ("GAPS", len(shift.gaps)),
    ):
        at = next(i for i, line in enumerate(lines) if line.startswith(f"{title} "))
        rows = [line for line in lines[at + 1 :] if True]
        under = next((i for i, line in enumerate(rows) if not line.startswith("  ")), len(rows))
        told = rows[:under]
        if told and told[-1].startswith("  ... and "):
            assert len(told) - 1 + int(told[-1].split()[2]) == count
        else:
            assert len(told) == count


def test_the_command_prints_one_object_or_lines_and_refuses_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = mission_with(tmp_path / "m", night())
    monkeypatch.setattr("telemetry.clock.SystemClock.now_ns", lambda _: NOW)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(root, ["handover", "--mission", str(directory.path), *arguments])

    told = json.loads(run("--since", "8h", "--json").stdout)
    assert (told["from"], told["until"]) == ("2026-11-21T23:14:00Z", "2026-11-22T07:14:00Z")
    assert [one["subject"] for one in told["open"]] == ["adcs.rw_x"]
    assert [(one["subject"], one["shelved_by"]) for one in told["shelved"]] == [("com.rssi_dn", "lk")]
    assert told["raised"] == {"count": 2, "open": 1, "by_severity": {"CRITICAL": 1, "WARNING": 1}}
    assert [one["text"] for one in told["notes"]] == ["friction test was planned", "call lk at noon"]
    assert told["gaps"][0]["seconds"] == 240.0
    assert run("--since", "23:14").stdout.splitlines()[0].endswith("(8.0 h)")
    assert run("--since", "tomorrow").exit_code == 2
    directory.telemetry.unlink()
    assert run().exit_code == 3


@pytest.mark.parametrize("size", [(80, 24), (140, 42)])
async def test_w_shows_it_and_y_copies_it(console, size: tuple[int, int]) -> None:
    app = console()
    async with app.run_test(size=size) as pilot:
        await fabricated.settled(pilot)
        await pilot.press("w")
        await pilot.pause(0.3)
        assert isinstance(app.screen, HandoverCard)
        shown = fabricated.screen_text(app)
        assert "HANDOVER, LAST 8 HOURS" in shown
        assert "OPEN 3 (2 not acknowledged)" in shown
        assert "esc closes" in shown
        await pilot.press("y")
        assert app.clipboard.startswith("HANDOVER KESTREL-1 SIM")
        await pilot.press("escape")
        assert not isinstance(app.screen, HandoverCard)


@settings(max_examples=60, deadline=None)
@given(
    drawn=st.lists(
        # (kind, subject, version or count, step of the clock: seldom back)
        st.tuples(
            st.sampled_from((*ALARM_KINDS, SHIFT_NOTE, "gap.found", *PROMOTED)),
            st.sampled_from("abc"),
            st.integers(1, 9),
            st.integers(-3, 9),
        ),
        min_size=12,
        max_size=60,
    ),
    chapter=st.integers(1, 6),
    untaken=st.integers(0, 12),
    beside=st.lists(st.tuples(st.integers(0, 59), st.integers(-1, 1)), min_size=3, max_size=6),
)
def test_a_shift_read_from_where_it_began_is_that_of_the_whole_journal(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[tuple[str, str, int, int]],
    chapter: int,
    untaken: int,
    beside: list[tuple[int, int]],
) -> None:
    events, at = [], NOW - 400
    for kind, subject, number, step in drawn:
        at += step if step > -3 else -40
        spans = {"until_ns": NOW + MINUTE, "t0_ns": at, "t1_ns": at, "seconds": 1.0}
        body = {"text": kind, "version": number, "count": number, **spans}
        events.append(Event(at, "TESTBIRD", kind, number % 4 + 1, subject, "ann", body))
    directory = mission_with(tmp_path_factory.mktemp("m") / "m", events)
    mission, reader, past = read_mission(directory.path), StoreReader(directory.telemetry), PastJournal(chapter)
    journal = reader.journal()
    past.take(journal[: max(0, len(journal) - untaken)])
    for since_ns in [events[i % len(events)].at_ns + step for i, step in beside]:
        shift = read_shift(reader, mission, since_ns, NOW, past)
        assert shift == read_shift(reader, mission, since_ns, NOW)
        inside = [one for one in journal if one.at_ns >= since_ns]
        before = [one.body["version"] for one in journal if one.kind in PROMOTED and one.at_ns < since_ns]
        began: dict[str, Alarm] = {}
        for i, one in enumerate(journal):
            known, now = fold_all(journal[:i]), fold_all(journal[: i + 1])
            key = (one.satellite, one.subject)
            begins = one.kind == RAISED and one in inside and key not in known
            if begins or (key in now and now[key].id in began):
                began[now[key].id] = now[key]
        assert {alarm.key: alarm for alarm in shift.alarms} == fold_all(journal)
        assert shift.raised == tuple(began.values())
        assert shift.events == tuple(one for one in inside if one.kind != UPDATED)
        assert shift.before == (before[-1] if before else None)
    reader.close()


def test_of_a_long_journal_a_shift_reads_what_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = (RAISED, UPDATED, RETURNED, ACKNOWLEDGED)
    told = [event((5000 - i) / 5, kinds[i % 4], "eps.bat_v", "low", int(Level.WARNING)) for i in range(5000)]
    directory = mission_with(tmp_path / "m", told)
    reader, past = StoreReader(directory.telemetry), PastJournal(100)
    journal = reader.journal
    past.take(journal())
    read: list[int] = []

    def counted(after_id: int = 0, limit: int = 10_000) -> list[Event]:
        rows = journal(after_id, limit)
        read.append(len(rows))
        return rows

    monkeypatch.setattr(reader, "journal", counted)
    shift = read_shift(reader, read_mission(directory.path), NOW - 60 * MINUTE, NOW, past)
    assert len(shift.raised) == 75
    assert 300 <= sum(read) <= 400
    reader.close()


async def told(app: Any, pilot: Any, count: int) -> list[str]:
    """The notices of a shift, once there are so many; the journal is read on another thread."""
    for _ in range(100):
        found = [one.message for one in app._notifications if "w = handover" in one.message]
        if len(found) >= count:
            return found
        await pilot.pause(0.02)
    return found


async def test_who_comes_back_after_half_an_hour_is_told_once(console) -> None:
    clock = fabricated.clock()
    app = console(clock=clock)
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        await pilot.press("5")
        clock.advance(1799.0)
        await pilot.press("1")
        await fabricated.settled(pilot)
        assert await told(app, pilot, 1) == []
        clock.advance(1801.0)
        await pilot.press("5")
        [line] = await told(app, pilot, 1)
        assert line == "Since 07:14Z: no alarm; w = handover"
        await pilot.press("1")
        assert len(await told(app, pilot, 2)) == 1


async def test_who_attaches_is_told_what_happened_since_their_last_act(console) -> None:
    """Five minutes ago; another operator, who never was here, is told nothing."""
    clock = fabricated.clock()
    clock.advance(60)
    app = console(station=None, clock=clock)
    async with app.run_test(size=(140, 42)) as pilot:
        [line] = await told(app, pilot, 1)
        assert line == "Since 07:09Z: 2 alarms (1 CRITICAL, 2 open); w = handover"
    stranger = console(station=None, clock=clock, operator="zoe")
    async with stranger.run_test(size=(140, 42)) as pilot:
        await fabricated.settled(pilot)
        assert await told(stranger, pilot, 1) == []


@pytest.mark.parametrize("asked", ["w", "past"])
async def test_a_console_does_not_read_again_what_it_knows_of_a_long_journal(
    console, directory: MissionDirectory, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """Neither for the line of an absence, nor the handover, nor a moment of the past."""
    writer = StoreWriter(directory.telemetry, ManualClock(NOW))
    kinds = (RAISED, UPDATED, RETURNED, ACKNOWLEDGED)
    told_of = [
        Event(fabricated.NOW + i * 10_000_000, "KESTREL-1", kinds[i % 4], 2, "c", "lk", {"text": "x"})
        for i in range(5000)
    ]
    writer.append([], told_of, {})
    writer.close()
    journal, read = StoreReader.journal, []

    def counted(reader: StoreReader, after_id: int = 0, limit: int = 10_000) -> list[Event]:
        rows = journal(reader, after_id, limit)
        if threading.current_thread().name.startswith("store-view"):
            read.append(len(rows))
        return rows

    monkeypatch.setattr(StoreReader, "journal", counted)
    clock = fabricated.clock()
    clock.advance(36_000.0)
    app = console(clock=clock)
    async with app.run_test(size=(140, 42)) as pilot:
        await fabricated.settled(pilot)
        clock.advance(2000.0)
        await pilot.press("w" if asked == "w" else "less_than_sign")
        await told(app, pilot, 1)
        for _ in range(500):
            ready = "RAISED" in fabricated.screen_text(app) if asked == "w" else app.shown is not None
            if ready:
                break
            await pilot.pause(0.02)
        assert ready
    assert 0 < sum(read) <= 3 * CHAPTER
