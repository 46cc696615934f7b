"""Severity, state and freshness of every alarm row, read back from characters alone on every kind of terminal."""

from __future__ import annotations

import io
import re
from typing import Any

import fabricated
import pyte
import pytest
from fabricated import NOW, SATELLITE, S, settled
from rich.console import Console
from rich.segment import Segment, Segments

from cubesat_tui.drawing.alarm_rows import needs_rows
from cubesat_tui.drawing.rows import Row
from cubesat_tui.drawing.signs import ASCII, SIGNS, UNICODE, level_key
from cubesat_tui.drawing.why import alarm_label, state_word
from cubesat_tui.themes import NIGHT, rich_styles
from telemetry.alarms import Alarm, AlarmState, Event

SIZE = (100, 44)
TERMINALS = {
    "truecolor": ("truecolor", False, False),
    "256": ("256", False, False),
    "16": ("standard", False, False),
    "NO_COLOR": ("truecolor", True, False),
    "NO_COLOR and ASCII": (None, True, True),
    "16 and ASCII": ("standard", False, True),
}
"""Colours of the terminal, NO_COLOR, ASCII signs."""
_WORDS = {sign.word: key for key, sign in SIGNS.items()}


def _raised(subject: str, severity: int, age_s: int, **body: Any) -> Event:
    told = {
        "kind": "limit",
        "level": severity,
        "side": 1,
        "limit": 1.0,
        "trigger": 2.0,
        "worst": 2.0,
        "current": 2.0,
    }
    return _event("alarm.raised", subject, age_s, severity, **{**told, "count": 3, "text": "over", **body})


def _event(what: str, subject: str, age_s: int, severity: int = 0, actor: str = "", **body: Any) -> Event:
    return Event(NOW - age_s * S, SATELLITE, what, severity, subject, actor, {"text": what, **body})


def _every_state() -> list[Event]:
    """Six levels and the anomaly, new and in every other state, one of them on a value that is too old."""
    anomaly = {"kind": "anomaly", "threshold": 0.5, "trigger": 0.9, "worst": 0.9, "channels": ["pld.dist_s"]}
    return [
        _raised("eps.bat_v", 1, 500),
        _raised("eps.bat_i", 2, 490),
        _raised("eps.bat_t", 3, 480),
        _raised("thm.t_px", 4, 470),
        _raised("adcs.rw_x", 5, 460),
        _raised("anomaly:pld.dist_s", 2, 450, **anomaly),
        _raised("obc.cpu", 4, 440),
        _event("alarm.acknowledged", "obc.cpu", 430, actor="ann"),
        _raised("obc.mem", 2, 420),
        _event("alarm.returned", "obc.mem", 410),
        _raised("com.pa_t", 5, 400, latch=True),
        _event("alarm.returned", "com.pa_t", 390),
        _raised("thm.t_mx", 3, 380, latch=True),
        _event("alarm.returned", "thm.t_mx", 370),
        _event("alarm.acknowledged", "thm.t_mx", 360, actor="lk"),
        _raised("adcs.rate_x", 2, 350),
        _event("alarm.shelved", "adcs.rate_x", 340, actor="lk", until_ns=NOW + 2757 * S, reason="antenna"),
        _raised("com.rssi_dn", 1, 330),
        _event("alarm.inhibited", "com.rssi_dn", 320, by="loss of signal"),
        _raised("eps.bus5v_v", 2, 310),
        _event("alarm.acknowledged", "eps.bus5v_v", 300, actor="ann"),
    ]


def _expected(alarms: tuple[Alarm, ...], snapshot: Any) -> set[tuple[str, str, str]]:
    return {
        (alarm_label(a, snapshot), state_word(a), "anomaly" if a.kind == "anomaly" else level_key(a.severity))
        for a in alarms
    }


def _seen(segments: list[list[Segment]], colours: str | None, size: tuple[int, int]) -> list[str]:
    """What a terminal of so many colours shows, as characters without any style."""
    out = io.StringIO()
    console = Console(file=out, color_system=colours, force_terminal=True, width=size[0], legacy_windows=False)  # pyright: ignore[reportArgumentType]
    terminal = pyte.Screen(*size)
    for line in segments:
        console.print(Segments(line), end="\r\n", soft_wrap=True)
    pyte.Stream(terminal).feed(out.getvalue().rstrip("\r\n"))
    return [line.rstrip() for line in terminal.display]


def _events_row(line: str, ascii_signs: bool) -> tuple[str, str, str] | None:
    """(label, state, severity) of a row of the Events table."""
    found = re.match(r"^[> ]  (\S.{10}) (.) (\w+) +(\d\d \d\d:\d\d:\d\d) (.{17,33}?)(?:  |$)", line)
    if found is None or found[3] not in _WORDS:
        return None
    key = _WORDS[found[3]]
    signs = ASCII if ascii_signs else UNICODE
    assert found[2] == signs.glyph(key), "sign and word say the same"
    return found[5].strip(), found[1].strip(), key


@pytest.mark.parametrize(("colours", "no_color", "ascii_signs"), TERMINALS.values(), ids=TERMINALS)
async def test_every_row_of_events_tells_severity_and_state_without_colour(
    console, tmp_path, monkeypatch: pytest.MonkeyPatch, colours: str | None, no_color: bool, ascii_signs: bool
) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    app = console(directory=fabricated.fill(tmp_path / "m", events=_every_state()), ascii_signs=ascii_signs)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await pilot.press("5")
        await settled(pilot)
        strips = app.screen._compositor.render_strips()
        lines = _seen([list(strip) for strip in strips], colours, SIZE)
        rows = [row for line in lines if (row := _events_row(line, ascii_signs)) is not None]
        snapshot = app.snapshot
        states = {alarm.state for alarm in snapshot.alarms}
        assert states == set(AlarmState) - {AlarmState.NORMAL}, "every state is on the screen"
        assert len(rows) == len(snapshot.alarms)
        assert set(rows) == _expected(snapshot.alarms, snapshot)
        [quiet] = [line for line in lines if "SHELVED lk" in line]
        assert 'until 08:00, "antenna"' in quiet
        [muted] = [line for line in lines if "MUTED" in line]
        assert "loss of signal" in muted
        [old] = [line for line in lines if " Bus 5V " in line]
        assert f"{(ASCII if ascii_signs else UNICODE).glyph('expired')} 5.001 V" in old, "an old value says so"
        fresh = next(line for line in lines if "CPU load" in line)
        assert re.search(r"CPU load +\d+ %", fresh), "a fresh one wears no sign"


def _styled(made: Row, *, plain: bool) -> list[Segment]:
    styles = rich_styles(NIGHT)
    return [Segment(text, None if plain else styles[style.removesuffix("@")]) for text, style in made]


def _pinned_row(line: str, labels: set[str]) -> tuple[str, str, str] | None:
    """(label, state, severity) of a pinned row: no word of a state means NEW."""
    found = re.match(r"^[> ](.) (\w{4}) +(.*)$", line)
    if found is None or found[2] not in _WORDS:
        return None
    label = next(one for one in labels if found[3].startswith(one))
    state = re.search(r"ACKED \w+|RETURNED|LATCHED|SHELVED \w+|MUTED", found[3])
    return label, state[0] if state else "NEW", _WORDS[found[2]]


@pytest.mark.parametrize(("colours", "no_color", "ascii_signs"), TERMINALS.values(), ids=TERMINALS)
@pytest.mark.parametrize("contact", [True, False], ids=["in contact", "out of contact"])
async def test_every_pinned_row_tells_severity_state_and_freshness_without_colour(
    console, tmp_path, colours: str | None, no_color: bool, ascii_signs: bool, contact: bool
) -> None:
    app = console(directory=fabricated.fill(tmp_path / "m", events=_every_state(), contact=contact))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        snapshot = app.snapshot
    made = needs_rows(snapshot.alarms, snapshot, 80, ASCII if ascii_signs else UNICODE, None)
    lines = _seen([_styled(one, plain=no_color) for one in made], colours, (80, len(made)))
    labels = {alarm_label(alarm, snapshot) for alarm in snapshot.alarms}
    rows = [row for line in lines if (row := _pinned_row(line, labels)) is not None]
    assert set(rows) == _expected(snapshot.alarms, snapshot)
    assert len(rows) == len(snapshot.alarms)
    [old] = [line for line in lines if "Bus 5V" in line]
    assert "expired  ACKED ann" in old
    assert old.endswith("41 s"), "how old it is"
    assert [line for line in lines if "expired" in line] == [old], "and only that one is"
    [silent] = [line for line in lines if "Signal strength" in line]
    assert ("out of contact  MUTED" in silent) == (not contact)
