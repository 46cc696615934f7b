"""Acts that cannot go wrong at 3 a.m.: every key, by keyboard alone, at 80x24, and what each of them refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fabricated
import pytest
from fabricated import NOW, SATELLITE, S, screen_text, settled

from cubesat_tui.app import ConsoleApp
from cubesat_tui.drawing.signs import UNICODE
from cubesat_tui.operator_acts import told
from cubesat_tui.requests import Requests
from cubesat_tui.screens.confirm import ConfirmAcknowledge
from cubesat_tui.screens.note import NoteDialog
from cubesat_tui.screens.shelve import ShelveDialog, UnshelveDialog
from telemetry.alarms import Event
from telemetry.store.errors import StoreFull
from telemetry.store.inbox import Inbox
from telemetry.store.writer import StoreWriter

SMALL, TINY = (80, 24), (50, 14)
WHEEL, DISTANCE, PANEL = "adcs.rw_x", "anomaly:pld.dist_s", "thm.t_px"
SHELVED = Event(
    NOW - 60 * S,
    SATELLITE,
    "alarm.shelved",
    0,
    WHEEL,
    "lk",
    {"until_ns": NOW + 2757 * S, "reason": "antenna", "text": "lk shelved until 2026-11-22T08:00:00Z"},
)
WORSE = Event(
    NOW,
    SATELLITE,
    "alarm.raised",
    5,
    "eps.bat_v",
    "",
    {"kind": "limit", "level": 5, "side": -1, "limit": 6.0, "trigger": 5.9, "text": "Battery voltage 5.9 V < 6"},
)


def write(directory: Any, *events: Event) -> None:
    writer = StoreWriter(directory.telemetry, fabricated.clock())
    writer.append([], events, {})
    writer.close()


def asked(directory: Any) -> list[tuple[str, dict[str, Any]]]:
    """Requests that wait for a station."""
    if not directory.inbox.exists():
        return []
    inbox = Inbox(directory.inbox)
    found = [(request.kind, request.body) for request in inbox.pending()]
    inbox.close()
    return found


def toasts(app: ConsoleApp) -> list[str]:
    return [str(toast.message) for toast in app._notifications]


async def told_of(pilot: Any, text: str) -> None:
    await settled(pilot, lambda: any(text in one for one in toasts(pilot.app)))


async def arrived(pilot: Any, directory: Any, *events: Event) -> None:
    """The station writes `events`, and the console has seen them."""
    before = pilot.app.snapshot.told
    write(directory, *events)
    await settled(pilot, lambda: pilot.app.snapshot.told >= before + len(events))


async def opened(pilot: Any, mode: str = "5") -> None:
    await settled(pilot)
    await pilot.press(mode)
    await settled(pilot)


def marked(app: ConsoleApp) -> str:
    lines = screen_text(app).splitlines()
    return next((line for line in lines if line.lstrip("│").startswith(">")), "")


async def test_an_inbox_that_takes_nothing_is_said_and_the_console_lives_on(
    console, directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> str:
        raise StoreFull("inbox.db: DISK FULL, the request was not taken")

    monkeypatch.setattr(Inbox, "submit", full)
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("a")
        await told_of(pilot, "Nothing was asked of the station: inbox.db: DISK FULL, the request was not taken")
        await pilot.press("u")
        await settled(pilot)
        assert app.is_running
    assert app.return_code in (None, 0)


@pytest.mark.parametrize("mode", ["1", "5"])
async def test_a_worse_alarm_between_two_keys_moves_the_list_and_not_the_selection(
    console, directory, mode: str
) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, mode)
        await pilot.press("down", "up")
        await settled(pilot)
        assert "Wheel X speed" in marked(app)
        await arrived(pilot, directory, WORSE)
        text = screen_text(app)
        assert text.index("Battery voltage") < text.index("Wheel X speed"), "the list moved"
        assert "Wheel X speed" in marked(app), "the selection did not"
        await pilot.press("a")
        await settled(pilot)
    [(kind, body)] = asked(directory)
    assert (kind, body["subject"]) == ("ack", WHEEL)


async def test_on_live_the_first_key_after_a_quiet_hour_does_not_meet_what_came_at_that_moment(
    console, directory
) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, "1")
        await arrived(pilot, directory, WORSE)
        assert "Battery voltage" in marked(app), "an idle screen follows the worst"
        await pilot.press("a")
        await told_of(pilot, "Selected is Battery voltage now, no longer Wheel X speed: look, then press again.")
        assert asked(directory) == []
        await pilot.press("a")
        await settled(pilot)
    assert [body["subject"] for _, body in asked(directory)] == ["eps.bat_v"]


@pytest.mark.parametrize("key", ["a", "s", "m"])
async def test_one_that_is_over_between_two_keys_hands_its_key_to_nobody(console, directory, key: str) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        await arrived(
            pilot,
            directory,
            Event(NOW, SATELLITE, "alarm.acknowledged", 0, WHEEL, "lk", {"text": "lk acknowledged"}),
            Event(NOW, SATELLITE, "alarm.returned", 0, WHEEL, "", {"text": "back"}),
            Event(NOW, SATELLITE, "alarm.cleared", 0, WHEEL, "", {"text": "cleared"}),
        )
        await pilot.press(key)
        await told_of(pilot, "Selected is Distance S now, no longer Wheel X speed: look, then press again.")
        assert app.screen is app.mission_screen
        assert asked(directory) == []
        await pilot.press("a")
        await settled(pilot)
    assert [body["subject"] for _, body in asked(directory)] == [DISTANCE]


@pytest.mark.parametrize("mode", ["1", "5"])
async def test_what_was_acknowledged_and_returns_hours_later_hands_the_next_key_to_nobody(
    console, directory, mode: str
) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, mode)
        await pilot.press("down", "up", "a")
        await settled(pilot)
        await arrived(
            pilot,
            directory,
            Event(NOW, SATELLITE, "alarm.acknowledged", 0, WHEEL, "ann", {"text": "ann acknowledged"}),
        )
        assert "Wheel X speed" in marked(app)
        before = asked(directory)
        await arrived(
            pilot,
            directory,
            Event(NOW, SATELLITE, "alarm.returned", 0, WHEEL, "", {"text": "back"}),
            Event(NOW, SATELLITE, "alarm.cleared", 0, WHEEL, "", {"text": "cleared"}),
        )
        await settled(pilot)
        assert "Wheel X speed" not in marked(app)
        await pilot.press("a")
        await told_of(pilot, "now, no longer Wheel X speed: look, then press again.")
        assert asked(directory) == before
        await pilot.press("a")
        await settled(pilot, lambda: asked(directory) != before or "Acknowledged already" in " ".join(toasts(app)))


async def test_one_cleared_by_its_own_acknowledgement_lets_the_next_key_through(console, directory) -> None:
    returned = Event(NOW, SATELLITE, "alarm.returned", 0, WHEEL, "", {"text": "back"})
    write(directory, returned)
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("home")
        while "Wheel X speed" not in marked(app):
            await pilot.press("down")
            await settled(pilot)
        await pilot.press("a")
        await settled(pilot)
        await arrived(
            pilot,
            directory,
            Event(NOW, SATELLITE, "alarm.acknowledged", 0, WHEEL, "ann", {"text": "ann acknowledged"}),
            Event(NOW, SATELLITE, "alarm.cleared", 0, WHEEL, "", {"text": "cleared"}),
        )
        await pilot.press("a")
        await settled(pilot)
        assert not any("look, then press again" in one for one in toasts(app))


async def test_a_sends_what_was_seen(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("a")
        await settled(pilot)
    wanted = {"satellite": SATELLITE, "subject": WHEEL, "severity": 4, "raised_ns": NOW - 32 * S}
    assert asked(directory) == [("ack", wanted)]


async def test_in_a_paused_screen_a_sends_what_stands_on_it(console, directory) -> None:
    app = console()
    worse = Event(NOW, SATELLITE, "alarm.severity", 5, WHEEL, "", {"level": 5, "text": "Wheel X speed 6500 rpm"})
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("space")
        await arrived(pilot, directory, worse)
        await pilot.press("a")
        await settled(pilot)
    assert asked(directory)[0][1]["severity"] == 4, "the station will refuse: it is SEVERE by now"


async def test_shift_a_asks_with_count_and_worst_and_takes_only_what_is_listed(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("A")
        await settled(pilot)
        assert isinstance(app.screen, ConfirmAcknowledge)
        assert "Acknowledge 2 alarms, the worst CRITICAL Wheel X speed?" in screen_text(app)
        assert "◆ 1 CRIT  ◈ 1 ANOM" in screen_text(app)
        await arrived(pilot, directory, WORSE)
        await pilot.press("escape")
        await settled(pilot)
        assert asked(directory) == []
        await pilot.press("slash", *"distance", "enter", "A")
        await settled(pilot)
        assert "Acknowledge an anomaly Distance S?" in screen_text(app)
        assert 'Only what is listed: "distance"' in screen_text(app)
        await pilot.press("enter")
        await settled(pilot)
    assert asked(directory) == [("ack_all", {"subjects": [[SATELLITE, DISTANCE, 2, NOW - 103 * S]]})]


async def test_one_that_came_while_it_was_asked_is_not_acknowledged(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("A")
        await arrived(pilot, directory, WORSE)
        await pilot.press("y")
        await settled(pilot)
    [(_, body)] = asked(directory)
    assert [one[1] for one in body["subjects"]] == [WHEEL, DISTANCE]


@pytest.mark.parametrize("size", [SMALL, TINY], ids=["80x24", "50x14"])
@pytest.mark.parametrize("mode", ["1", "5"])
async def test_s_shelves_for_a_quarter_of_an_hour_with_a_reason(
    console, directory, size: tuple[int, int], mode: str
) -> None:
    app = console()
    async with app.run_test(size=size) as pilot:
        await opened(pilot, mode)
        await pilot.press("s")
        await settled(pilot)
        assert isinstance(app.screen, ShelveDialog)
        for words in ("SHELVE Wheel X speed", "CRIT", "Reason", "until 07:29Z (15 min)", "esc"):
            assert words in screen_text(app), words
        await pilot.press("n", "o", "enter")
        await told_of(pilot, "at least 3 letters")
        assert isinstance(app.screen, ShelveDialog), "a reason is required"
        await pilot.press("space", "w", "enter")
        await settled(pilot)
        assert app.screen is app.mission_screen
    alarm = next(one for one in app.snapshot.alarms if one.subject == WHEEL)
    wanted = {"satellite": SATELLITE, "subject": WHEEL, "reason": "no w", "minutes": 15}
    seen = {"severity": alarm.severity, "raised_ns": alarm.raised_ns}
    assert asked(directory) == [("shelve", wanted | seen)]


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        (("left",), {"minutes": 5}),
        (("right",), {"minutes": 60}),
        (("right", "right"), {"until_ns": NOW + (45 * 60 + 57) * S}),
        (tuple("0930"), {"until_ns": NOW + (2 * 3600 + 15 * 60 + 57) * S}),
        (tuple("07:13"), {"until_ns": NOW + (24 * 3600 - 63) * S}),
    ],
)
async def test_how_long_is_chosen_by_arrows_or_typed(
    console, directory, keys: tuple[str, ...], wanted: dict[str, int]
) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("s", "up", *[{":": "colon"}.get(key, key) for key in keys], "tab", *"antenna", "enter")
        await settled(pilot)
    [(kind, body)] = asked(directory)
    assert kind == "shelve"
    assert {name: body[name] for name in ("until_ns", "minutes") if name in body} == wanted


async def test_a_time_that_is_none_is_refused_and_says_why(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("s", *"antenna", "up", *"2961", "enter")
        await told_of(pilot, "'29:61' is no time of day: HH:MM in UTC")
        assert isinstance(app.screen, ShelveDialog)
        await pilot.press("escape")
        await settled(pilot)
    assert asked(directory) == []


async def test_one_that_becomes_worse_while_the_reason_is_typed_is_shelved_only_on_purpose(
    console, directory
) -> None:
    app = console()
    worse = Event(NOW, SATELLITE, "alarm.severity", 5, WHEEL, "", {"level": 5, "text": "Wheel X speed 6500 rpm"})
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("s", *"antenna")
        await arrived(pilot, directory, worse)
        await pilot.press("enter")
        await told_of(pilot, "It is SEVERE since you opened this.")
        assert asked(directory) == []
        await pilot.press("enter")
        await settled(pilot)
    assert [kind for kind, _ in asked(directory)] == ["shelve"]


async def test_s_takes_a_shelved_one_off_with_a_reason_and_a_does_not_touch_it(console, directory) -> None:
    write(directory, SHELVED)
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("end", "pagedown")
        await settled(pilot)
        assert "SHELVED lk" in marked(app)
        assert 'until 08:00, "antenna"' in marked(app)
        await pilot.press("a")
        await told_of(pilot, "Wheel X speed is shelved by lk")
        await pilot.press("s")
        await settled(pilot)
        assert isinstance(app.screen, UnshelveDialog)
        assert 'Shelved by lk until 08:00Z (46 min): "antenna"' in screen_text(app)
        await pilot.press("enter")
        await told_of(pilot, "at least 3 letters")
        await pilot.press(*"pointed again", "enter")
        await settled(pilot)
    [(kind, wanted)] = asked(directory)
    assert kind == "unshelve"
    seen = {"severity": 4, "raised_ns": NOW - 32 * S}
    assert wanted == {"satellite": SATELLITE, "subject": WHEEL, "reason": "pointed again", **seen}


async def test_m_writes_on_the_alarm_and_tab_turns_to_the_shift(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("m", *"planned", "enter")
        await settled(pilot)
        await pilot.press("m", "tab", *"quiet night", "enter")
        await settled(pilot)
        await pilot.press("m", "x", "enter")
        await told_of(pilot, "At least 3 letters.")
        await pilot.press("escape")
        await settled(pilot)
    assert asked(directory) == [
        ("note", {"satellite": SATELLITE, "subject": WHEEL, "text": "planned"}),
        ("note", {"satellite": SATELLITE, "subject": "", "text": "quiet night"}),
    ]


async def test_m_where_no_alarm_is_selected_is_a_note_of_the_shift(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, "3")
        await pilot.press("m")
        await settled(pilot)
        assert isinstance(app.screen, NoteDialog)
        assert "On the shift" in screen_text(app)
        await pilot.press(*"all quiet", "enter")
        await settled(pilot)
    assert asked(directory) == [("note", {"satellite": SATELLITE, "subject": "", "text": "all quiet"})]


async def test_u_asks_for_the_last_act_to_be_undone(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, "3")
        await pilot.press("u")
        await settled(pilot)
    assert asked(directory) == [("undo", {})]


@pytest.mark.parametrize("mode", ["1", "5"])
@pytest.mark.parametrize(
    ("key", "words"),
    [("a", "acknowledged"), ("A", "acknowledged"), ("s", "shelved"), ("m", "noted"), ("u", "undone")],
)
async def test_a_read_only_console_refuses_each_act_before_a_dialog_opens(
    console, directory, mode: str, key: str, words: str
) -> None:
    app = console(read_only=True)
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, mode)
        await pilot.press(key)
        await told_of(pilot, f"read-only: nothing can be {words} from here")
        assert app.screen is app.mission_screen
    assert asked(directory) == []


async def test_b_turns_the_bell_off_and_on_and_says_so(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("b")
        await told_of(pilot, "Bell off")
        assert not app.attention.bell_on
        await pilot.press("b")
        await told_of(pilot, "Bell on; a simulator and a replay never ring.")
        assert app.attention.bell_on


async def test_keys_on_a_screen_that_selects_no_alarm_say_where_one_is(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("tab", "a")
        await told_of(pilot, "Select an open alarm first: tab lists them.")
        await pilot.press("A")
        await told_of(pilot, "Nothing shown here waits")
    assert asked(directory) == []


@pytest.mark.parametrize(
    ("kind", "text", "severity"),
    [
        ("alarm.acknowledged", "ann acknowledged Wheel X speed.", "information"),
        ("alarm.ack_undone", "ann took back the acknowledgement of Wheel X speed.", "information"),
        ("act.refused", "adcs.rw_x is now SEVERE: look again", "warning"),
    ],
)
async def test_the_answer_of_the_station_is_told(
    console, directory, monkeypatch: pytest.MonkeyPatch, kind: str, text: str, severity: str
) -> None:
    submit: Callable[..., Any] = Requests.submit

    async def answered(self: Requests, what: str, body: dict[str, Any]) -> str:
        number = await submit(self, what, body)
        write(directory, Event(NOW, SATELLITE, kind, 0, WHEEL, "ann", {"text": text, "id": number}))
        return number

    monkeypatch.setattr(Requests, "submit", answered)
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("a")
        await told_of(pilot, text)
        [toast] = [one for one in app._notifications if text in one.message]
        assert (toast.severity, toast.markup) == (severity, False)


@pytest.mark.parametrize(
    ("beat_ns", "words"),
    [
        (NOW, "The station has not answered yet: Events (5) will tell."),
        (NOW - 30 * S, "No station is running: the request waits until one starts."),
    ],
)
async def test_a_satellite_that_is_not_heard_is_no_station_that_is_gone(
    console, directory, beat_ns: int, words: str
) -> None:
    writer = StoreWriter(directory.telemetry, fabricated.clock())
    writer.beat(fabricated.health(beat_ns, link="DOWN", detail="nothing received for 200 s"))
    writer.close()
    app = console(station=None)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        assert "LINK DOWN" in screen_text(app).splitlines()[0]
        await pilot.press("down", "a")
        await told_of(pilot, words)


def _answer(kind: str, subject: str, text: str = "words") -> Event:
    return Event(NOW, SATELLITE, kind, 0, subject, "ann", {"text": text})


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([_answer("alarm.acknowledged", "a"), _answer("alarm.cleared", "a", "cleared")], "words"),
        ([_answer("alarm.acknowledged", c) for c in "abc"], "3 acknowledged"),
        (
            [*(_answer("alarm.acknowledged", c) for c in "abc"), _answer("act.refused", "d", "d is now CRITICAL")],
            "3 acknowledged; 1 refused: d is now CRITICAL",
        ),
        (
            [_answer("act.refused", "a", "a is over"), _answer("act.refused", "b", "b is over")],
            "a is over",
        ),
        ([_answer("alarm.ack_undone", c) for c in "ab"], "2 acknowledgements taken back"),
    ],
)
def test_many_answers_are_one_sentence(events: list[Event], words: str) -> None:
    assert told(events, None, UNICODE)[0] == words
