"""Bell and title: once for what is grave and new, on real links only, and the title given back."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from fabricated import NOW, S, fabricated_mission

from cubesat_tui.attention import BELL, POP_TITLE, PUSH_TITLE, Attention, listens
from cubesat_tui.snapshot import ContactNow, LinkNow, ModelNow, Snapshot
from telemetry.alarms import Alarm, AlarmState
from telemetry.clock import ManualClock
from telemetry.dictionary import Mission

CRITICAL, SEVERE, WARNING = 4, 5, 2


class Terminal:
    """Keeps what was written."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.clock = ManualClock(NOW)
        self.attention = Attention(self.written.append, self.clock.monotonic)

    @property
    def bells(self) -> int:
        return self.written.count(BELL)

    @property
    def title(self) -> str:
        last = next(text for text in reversed(self.written) if "\x1b]2;" in text)
        return last.split("\x1b]2;")[1].removesuffix(BELL)

    def look(self, *alarms: Alarm, **changes: object) -> None:
        self.attention.look(_snapshot(*alarms, **changes))


def _alarm(severity: int = CRITICAL, subject: str = "adcs.rw_x", raised_s: float = 0.0, **changes: object) -> Alarm:
    raised = NOW + round(raised_s * S)
    alarm = Alarm(
        "KESTREL-1", subject, "limit", severity, AlarmState.UNACK_ALARM, raised, raised, "too fast", level=severity
    )
    return msgspec.structs.replace(alarm, **changes)


def _snapshot(*alarms: Alarm, **changes: object) -> Snapshot:
    known: dict[str, object] = {"simulated": False, "link": LinkNow("LIVE", "relay", 0.1), "satellite": "KESTREL-1"}
    return Snapshot(
        seq=1,
        now_ns=NOW,
        wall_ns=NOW,
        mission=Mission(Path(), (), {"3u": fabricated_mission()}),
        contact=ContactNow(),
        data_age_s=0.4,
        model=ModelNow(),
        alarms=alarms,
        **{**known, **changes},
    )


@pytest.fixture
def terminal() -> Terminal:
    one = Terminal()
    one.look()
    return one


@pytest.mark.parametrize(("severity", "bells"), [(WARNING, 0), (3, 0), (CRITICAL, 1), (SEVERE, 1)])
def test_a_grave_alarm_rings_once(terminal: Terminal, severity: int, bells: int) -> None:
    for _ in range(3):
        terminal.look(_alarm(severity))
        terminal.clock.advance(20)
    assert terminal.bells == bells


def test_what_was_open_when_the_console_came_does_not_ring() -> None:
    terminal = Terminal()
    terminal.look(_alarm())
    terminal.look(_alarm())
    assert terminal.bells == 0


@pytest.mark.parametrize("changes", [{"simulated": True}, {"link": LinkNow("REPLAY", "x60", 0.1)}])
def test_a_simulator_and_a_replay_never_ring(terminal: Terminal, changes: dict[str, object]) -> None:
    terminal.look(_alarm(), **changes)
    assert terminal.bells == 0


def test_at_most_one_bell_in_ten_seconds_and_none_is_lost(terminal: Terminal) -> None:
    terminal.look(_alarm())
    terminal.clock.advance(4)
    terminal.look(_alarm(), _alarm(subject="eps.bat_v"))
    assert terminal.bells == 1
    terminal.clock.advance(5.9)
    terminal.look(_alarm(), _alarm(subject="eps.bat_v"))
    assert terminal.bells == 1
    terminal.clock.advance(0.1)
    terminal.look(_alarm(), _alarm(subject="eps.bat_v"))
    assert terminal.bells == 2


def test_becoming_worse_rings_and_being_dealt_with_does_not(terminal: Terminal) -> None:
    terminal.look(_alarm(WARNING))
    terminal.look(_alarm(CRITICAL))
    assert terminal.bells == 1
    terminal.clock.advance(20)
    terminal.look(_alarm(CRITICAL, state=AlarmState.ACK_ALARM))
    terminal.look(_alarm(CRITICAL))  # the acknowledgement was taken back
    assert terminal.bells == 1
    terminal.look(_alarm(SEVERE))
    assert terminal.bells == 2


def test_shelved_is_silent_until_its_shelf_ends(terminal: Terminal) -> None:
    terminal.look(_alarm(state=AlarmState.SHELVED))
    terminal.clock.advance(20)
    terminal.look(_alarm(SEVERE, state=AlarmState.SHELVED))
    assert terminal.bells == 0
    terminal.look(_alarm(SEVERE))
    assert terminal.bells == 1


def test_inhibited_is_silent_and_rings_once_when_released(terminal: Terminal) -> None:
    muted = _alarm(inhibited_by="link down")
    terminal.look(muted)
    assert terminal.bells == 0
    assert terminal.title == "cubesat-tui KESTREL-1"
    terminal.look(_alarm())
    terminal.clock.advance(20)
    terminal.look(muted)
    terminal.look(_alarm())
    assert terminal.bells == 1


def test_another_satellite_rings_as_well(terminal: Terminal) -> None:
    terminal.look(elsewhere=(_alarm(satellite="KESTREL-9"),))
    assert terminal.bells == 1


def test_switched_off_it_stays_silent_about_what_came_meanwhile(terminal: Terminal) -> None:
    terminal.attention.bell_on = False
    terminal.look(_alarm())
    terminal.attention.bell_on = True
    terminal.look(_alarm())
    assert terminal.bells == 0


def test_the_title_says_what_is_new_and_is_given_back(terminal: Terminal) -> None:
    assert terminal.written == [f"{PUSH_TITLE}\x1b]2;cubesat-tui KESTREL-1{BELL}"]
    terminal.look(_alarm(), _alarm(WARNING, "eps.bat_v"), _alarm(subject="thm.t_px", state=AlarmState.ACK_ALARM))
    assert terminal.title == "cubesat-tui KESTREL-1: 2 NEW, CRITICAL adcs.rw_x"
    before = len(terminal.written)
    terminal.look(_alarm(), _alarm(WARNING, "eps.bat_v"))
    assert len(terminal.written) == before, "the same title is written once"
    terminal.attention.leave()
    terminal.attention.leave()
    assert terminal.written[before:] == [POP_TITLE]
    assert "".join(terminal.written).count(PUSH_TITLE) == 1


def test_a_name_from_outside_cannot_leave_the_title(terminal: Terminal) -> None:
    terminal.look(_alarm(subject="x\x07\x1b]2;gotcha\x1b\\"), satellite="evil\x1b[2J\x9c")
    assert not set(terminal.title) & {"\x07", "\x1b", "\x9c"}


def test_a_simulated_satellite_says_so_in_the_title(terminal: Terminal) -> None:
    terminal.look(_alarm(), simulated=True)
    assert terminal.title.startswith("cubesat-tui KESTREL-1 SIM: 1 NEW, CRITICAL")


def test_where_no_terminal_listens_nothing_is_said() -> None:
    assert not listens({"TERM": "xterm-256color"}), "tests have no terminal"
    assert not listens({})
