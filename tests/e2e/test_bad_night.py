"""A bad night by keyboard alone at 80x24: from the first alarm to the handover."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from telemetry.alarms import Event
from telemetry.clock import NS_PER_S, iso, parse_iso
from telemetry.store.reader import StoreReader

Open = Callable[..., Any]

pytestmark = pytest.mark.e2e

NIGHT = """
about = "A night in a minute: a supply reads too high for a while, the battery seems to boil, a face goes blind."

[[fault]]
kind = "bias"
target = "eps.bus5v_v"
at_s = 10
lasts_s = 25
size = 60

[[fault]]
kind = "bias"
target = "eps.bat_t"
at_s = 20
lasts_s = 900
size = 390

[[fault]]
kind = "bias"
target = "pld.dist_n"
at_s = 30
lasts_s = 900
size = 1500
"""


def close(window: Any, shown: str) -> None:
    """Escape, and wait until what it closes has gone: a key on its heels would arrive as alt and that key."""
    window.keys("Escape")
    window.wait_for(lambda screen: re.search(shown, screen) is None, 10, f"{shown} gone")


PAGE = r"(\d+)-(\d+) of (\d+), [↓↑]"
"""Where a card stands. The Ledger behind a card that is still read counts its columns in almost the same words."""


def read_on(window: Any, wanted: str) -> str:
    """The page of a card that shows `wanted`: the more there was to tell, the later it comes."""
    screen = window.wait_for(rf"{wanted}|{PAGE}", 15, wanted)
    while not re.search(wanted, screen):
        at = re.search(PAGE, screen)
        assert at is not None, screen
        assert at[2] != at[3], f"{wanted} is on no page:\n{screen}"
        window.keys("NPage")
        screen = window.wait_for(lambda now, before=at[0]: before not in now, 10, "the next page")
    return screen


def filter_line(window: Any) -> str:
    return next((line for line in window.styled().splitlines() if "FILTER" in line), "")


def marked(screen: str) -> int:
    """Number of the line that is marked, -1 where none is."""
    return next((i for i, line in enumerate(screen.splitlines()) if line.startswith(">")), -1)


def select(window: Any, wanted: str) -> None:
    """Move the mark down the list until it stands on the row that is wanted; the list may move meanwhile."""
    window.keys("Home")
    screen = window.wait_for(r"worst +n\n>", 10, "the first row is marked")
    for _ in range(12):
        at = marked(screen)
        if re.search(wanted, screen.splitlines()[at]):
            return
        window.keys("Down")
        screen = window.wait_for(lambda now, at=at: marked(now) not in (at, -1), 5, "another row is marked")
    pytest.fail(f"no row {wanted}\n{window.screen()}")


def journal(store: Path, kind: str, subject: str = "") -> list[Event]:
    reader = StoreReader(store)
    try:
        return [one for one in reader.journal() if one.kind == kind and subject in ("", one.subject)]
    finally:
        reader.close()


def frames_between(store: Path, t0_ns: int, t1_ns: int) -> set[tuple[int, int]]:
    """(boot, seq) of what was generated then, read past our own reader."""
    connection = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return set(connection.execute("SELECT boot, seq FROM frame WHERE t_ns BETWEEN ? AND ?", (t0_ns, t1_ns)))
    finally:
        connection.close()


@pytest.mark.timeout(240)
def test_a_bad_night_is_handled_by_keyboard_alone(terminal: Open, home: Path, tmp_path: Path) -> None:
    scenario = tmp_path / "night.toml"
    scenario.write_text(NIGHT, encoding="utf-8")
    window = terminal("--scenario", str(scenario))
    window.wait_for("SIMULATED satellite", 30)
    close(window, "SIMULATED")
    store = home / ".local/share/cubesat-tui/demo/telemetry.db"

    # Raised: the worst stands first on Live, and what has returned waits for somebody.
    window.wait_for(r"◆ CRIT +Distance N", 90, "a hard limit on Live")
    window.keys("5")
    window.wait_for(r"NEW +◆ CRIT .*Distance N", 15)
    window.wait_for(r"NEW +▲ WARN .*Battery temp", 15)
    window.wait_for(r"RETURNED +▲ WARN .*Bus 5V", 40, "the first fault over and not acknowledged")

    # Why, in the words of the limit.
    select(window, r"◆ CRIT .*Distance N")
    window.keys("Enter")
    why = window.wait_for("esc closes", 10, "why")
    assert re.search(r"> 300(\.0)? cm CRITICAL HIGH", why), why
    close(window, "esc closes")

    # A note, an acknowledgement, a shelf: each belongs to the marked alarm.
    window.keys("m")
    window.wait_for("write it", 10)
    window.type("north face blind, payload told")
    window.wait_for("payload told", 10)
    window.keys("Enter")
    window.wait_for(lambda screen: "write it" not in screen, 10, "the note is written")
    window.keys("a")
    window.wait_for(r"ACKED ann +◆ CRIT .*Distance N", 15)
    select(window, r"▲ WARN .*Battery temp")
    window.keys("s")
    window.wait_for(r"SHELVE Battery temp", 10)
    # Typed ahead: the reason is the whole text all the same.
    window.type("sensor, heater is off")
    window.keys("Enter")
    window.wait_for(r"SHELVED.* ▲ WARN .*Battery temp", 15)

    # Back to the moment of the alarm: it is new there, and the shelf is not made yet.
    select(window, r"◆ CRIT .*Distance N")
    window.keys("g")
    window.wait_for("GO TO TIME", 10)
    window.keys("Enter")
    [raised] = journal(store, "alarm.raised", "pld.dist_n")
    # What the detector says of the rail may stand between the two limits, or not.
    before = max(
        (one for one in journal(store, "alarm.raised") if one.at_ns < raised.at_ns), key=lambda one: one.at_ns
    )
    window.wait_for(rf"### PAST .*\.\..*{moment(raised)}Z", 15, "the banner of that moment")
    window.wait_for(
        lambda screen: re.search(r"NEW .*Distance N", screen) and "SHELVED" not in screen, 15, "as it was then"
    )

    # From alarm to alarm.
    window.keys("N")
    window.wait_for(rf"### PAST .*\.\..*{moment(before)}Z", 15, "the alarm before")
    window.keys("n")
    window.wait_for(rf"### PAST .*\.\..*{moment(raised)}Z", 15, "and the one after it")

    # The window as a file: the minute before the alarm.
    begin_ns, end_ns = raised.at_ns - 60 * NS_PER_S, raised.at_ns
    window.keys("4")
    window.wait_for("FILTER", 15)
    unfocused = filter_line(window)
    window.keys("/")
    window.wait_for(lambda _: filter_line(window) != unfocused, 10, "the cursor in the filter line")
    window.type(f"time >= {iso(begin_ns)} and time <= {iso(end_ns)}")
    window.wait_for(rf"FILTER .*{iso(end_ns)}", 10)
    window.keys("Enter")
    window.wait_for(r"LEDGER (all|at least) [\d,]+ of [\d,]+ frames", 15, "the frames of the window")
    window.keys("e")
    window.wait_for("EXPORT", 10)
    window.keys("Enter")
    window.wait_for(r"Done\.", 60)
    close(window, r"Done\.")

    # Now again, by one key; and what the next shift reads.
    window.keys("Space")
    window.wait_for(lambda screen: "### PAST" not in screen, 15, "live again")
    window.keys("w")
    window.wait_for("HANDOVER", 10)
    for words in ("SHELVED 1", "sensor, heater is off", "north face blind"):
        read_on(window, words)
    close(window, "HANDOVER")
    window.keys("q")
    window.wait_for("LEAVE", 5)
    window.keys("s")
    window.wait_for(lambda _: window.dead, 15, "the program over")

    acts = [
        (one.kind, one.subject, one.actor)
        for kind in ("note.alarm", "alarm.acknowledged", "alarm.shelved")
        for one in journal(store, kind)
        if one.actor != "sim"
    ]
    assert acts == [
        ("note.alarm", "pld.dist_n", "ann"),
        ("alarm.acknowledged", "pld.dist_n", "ann"),
        ("alarm.shelved", "eps.bat_t", "ann"),
    ]
    [file] = (store.parent / "exports").glob("*.csv")
    with file.open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    assert {(int(row["boot"]), int(row["seq"])) for row in rows} == frames_between(store, begin_ns, end_ns)
    assert all(begin_ns <= parse_iso(row["generation_time"]) <= end_ns for row in rows)
    assert len(rows) > 60


def moment(event: Event) -> str:
    """`07:14:03`, as the banner says it."""
    return iso(event.at_ns // NS_PER_S * NS_PER_S)[11:19]
