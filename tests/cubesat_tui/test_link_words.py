"""A link in the words of the status bar: the worst truth first, and room for the two others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cubesat_tui.drawing.signs import UNICODE
from cubesat_tui.drawing.status_lines import status_rows
from cubesat_tui.link_state import LinkState
from cubesat_tui.owner_watch import OwnerWatch, ReportRefused, read_report
from cubesat_tui.replica_words import link_words
from cubesat_tui.reported import link_of
from cubesat_tui.snapshot import ContactNow, LinkNow, ModelNow, Snapshot
from telemetry.clock import NS_PER_S, ManualClock
from telemetry.dictionary import Mission, read_mission
from telemetry.links.link import LinkReport
from telemetry.store.rows import HealthRow
from tests.cubesat_tui import fabricated
from tests.cubesat_tui.fabricated import NOW, SATELLITE


@pytest.fixture
def mission(tmp_path: Any) -> Mission:
    (tmp_path / "mission.toml").write_text(fabricated.mission_toml())
    return read_mission(tmp_path)


def heard(clock: ManualClock, **told: Any) -> OwnerWatch:
    watch = OwnerWatch(clock)
    watch.hear(clock.now_ns() / 1e6, json.dumps({"link": "LIVE", "source": "sim", **told}))
    return watch


LIVE = LinkReport("LIVE", "")


@pytest.mark.parametrize(
    ("own", "owner", "seen"),
    [
        (LIVE, {}, ("LIVE", "")),
        (LIVE, {"link": "REPLAY", "detail": "x60"}, ("REPLAY", "owner: x60")),
        (
            LIVE,
            {"link": "DOWN", "detail": "nothing received for 70 s"},
            ("DOWN", "owner: nothing received for 70 s"),
        ),
        (LinkReport("BACKFILL", "43 %"), {"link": "DOWN"}, ("BACKFILL", "43 %")),
        (LinkReport("CONNECTING", ""), {}, ("CONNECTING", "firebase")),
        (LinkReport("DOWN", "no connection"), {}, ("DOWN", "no connection")),
        (LinkReport("REFUSED", "Permission denied"), {}, ("REFUSED", "Permission denied")),
    ],
)
def test_the_link_of_a_replica_is_the_worst_of_its_own_and_the_owners(
    own: LinkReport, owner: dict[str, Any], seen: tuple[str, str]
) -> None:
    assert link_words(own, heard(ManualClock(NOW), **owner), "firebase") == seen


def test_a_silent_owner_is_worse_than_a_backlog_and_not_worse_than_no_link() -> None:
    clock = ManualClock(NOW)
    watch = heard(clock)
    clock.advance(31)
    assert link_words(LinkReport("BACKFILL", "43 %"), watch, "firebase") == ("MONITOR DOWN", "owner silent 31 s")
    assert link_words(LinkReport("DOWN", "no connection"), watch, "firebase")[0] == "DOWN"
    clock.advance(600)
    assert link_words(LIVE, watch, "firebase")[1] == "owner silent 10 min"


def test_an_owner_whose_clock_or_ours_is_wrong_is_alive_while_its_reports_come() -> None:
    clock = ManualClock(NOW)
    watch = OwnerWatch(clock)
    for _ in range(20):
        # The server's clock stands an hour behind ours.
        watch.hear((clock.now_ns() - 3600 * NS_PER_S) / 1e6, "{}")
        clock.advance(5)
    assert not watch.silent
    clock.advance(31)
    assert watch.silent


def test_a_report_told_again_after_a_cut_is_no_sign_of_life() -> None:
    clock = ManualClock(NOW)
    watch = heard(clock)
    for _ in range(10):
        clock.advance(4)
        watch.hear(NOW / 1e6, json.dumps({"link": "LIVE"}))
    assert watch.silent


@pytest.mark.parametrize("text", ["", "[1]", '{"refused": {"a": "b"}}', '{"link": 7}', '{"a": ' + "[" * 9999])
def test_a_report_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(ReportRefused):
        read_report(text)


def test_nothing_in_a_report_can_steer_the_terminal() -> None:
    report = read_report(json.dumps({"detail": "\x1b]0;gone\x07", "operator": "a\x1b[2Jb"}))
    assert "\x1b" not in report.detail + report.operator


class Carried:
    """A source over a link, as far as a link state asks."""

    live, rate = True, 1.0

    def __init__(self, report: LinkReport) -> None:
        self.report = report


@pytest.mark.parametrize("state", ["CONNECTING", "BACKFILL", "DOWN", "REFUSED"])
def test_a_source_over_a_link_says_itself_how_it_is(mission: Mission, state: str) -> None:
    link = LinkState(mission, ManualClock(NOW))
    link.use(Carried(LinkReport(state, "why")))  # type: ignore[arg-type]
    assert link.state == (state, "why")
    assert link.cut is (state in ("DOWN", "REFUSED"))


def test_a_live_link_over_which_nothing_comes_is_judged_by_what_comes(mission: Mission) -> None:
    clock = ManualClock(NOW)
    link = LinkState(mission, clock)
    link.use(Carried(LIVE))  # type: ignore[arg-type]
    link.received(next(iter(fabricated.batches(NOW - 3 * NS_PER_S, NOW))))
    assert link.state[0] == "LIVE"
    clock.advance(40)
    assert link.state[0] == "STALE"
    clock.advance(40)
    assert link.state[0] == "DOWN"


@pytest.mark.parametrize(
    ("publish", "seen"),
    [
        (None, ("LIVE", "sim", "")),
        ({"state": "LIVE", "detail": "", "unsent": 3}, ("LIVE", "sim", "")),
        ({"state": "DOWN", "detail": "no answer", "unsent": 312}, ("LIVE", "sim", "unsent 312")),
        ({"state": "REFUSED", "detail": "taken over by bob", "unsent": 9}, ("REFUSED", "taken over by bob", "")),
    ],
)
def test_a_station_whose_rows_do_not_arrive_says_so(publish: Any, seen: tuple[str, str, str]) -> None:
    body = {"link": "LIVE", "source": "sim", "rate": 1.0, "publish": publish}
    row = HealthRow(station="station", beat_ns=NOW, body=body)
    state, detail, trouble = seen
    assert link_of(row, NOW, 1.0) == LinkNow(state, detail, 0.0, trouble)


def bar(mission: Mission, link: LinkNow, size: int) -> str:
    snapshot = Snapshot(
        seq=1,
        now_ns=NOW,
        wall_ns=NOW,
        mission=mission,
        satellite=SATELLITE,
        simulated=True,
        link=link,
        contact=ContactNow(True, "Ulaanbaatar", until_ns=NOW + 500 * NS_PER_S),
        data_age_s=73.0,
        model=ModelNow(version=17, retrain=182, next_s=11.0),
    )
    return "".join(text for text, _ in status_rows(snapshot, "live", size, UNICODE)[0])


@pytest.mark.parametrize("size", [80, 100, 140])
@pytest.mark.parametrize(
    "link",
    [
        LinkNow("DOWN", "no connection to a-very-long-name.europe-west1.firebasedatabase.app: trying again", 0.1),
        LinkNow("MONITOR DOWN", "owner silent 45 s", 0.1),
        LinkNow("REFUSED", "the token names no user, and acts are laid into a user's mailbox", 0.1),
        LinkNow("LIVE", "sim", 0.1, "unsent 80,312"),
    ],
)
def test_three_truths_stand_in_the_bar_whatever_a_link_says(mission: Mission, link: LinkNow, size: int) -> None:
    line = bar(mission, link, size)
    assert len(line) == size
    for word in ("SIM", f"LINK {link.state}", "PASS", "LOS 08:20", "DATA", "73", link.trouble):
        assert word in line


def test_beyond_a_silent_owner_no_retrain_is_counted_down(mission: Mission) -> None:
    line = bar(mission, LinkNow("MONITOR DOWN", "owner silent 45 s", 0.1), 140)
    assert "MODEL v17" in line
    assert "#182" not in line
