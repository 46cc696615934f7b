"""Channels whose last orbit is unlike those before: one question when it begins, one line when it is over."""

from __future__ import annotations

from cubesat_tui.moved_channels import MovedChannels, moved_in, newest_moved
from telemetry.dictionary import Bus, Channel
from telemetry.limits import Level
from telemetry.store.rows import RunRow

BUS = Bus("test", (Channel("eps.bat_v", "Battery voltage", "V"), Channel("eps.bat_i", "Battery current", "A")))


def run(retrain: int, moved: object = None, *, fitted: bool = True) -> RunRow:
    body = {} if moved is None else {"moved": moved}
    return RunRow(retrain=retrain, at_ns=retrain, decision="kept", fit_s=1.0 if fitted else None, body=body)


def told(channels: MovedChannels, *runs: RunRow) -> list[tuple[str, int, str]]:
    out: list[tuple[str, int, str]] = []
    for one in runs:
        out += [(event.kind, event.severity, event.text) for event in channels.told(one, "BIRD", 1)]
        channels.take(one)
    return out


def test_a_question_when_it_begins_and_a_line_when_it_is_over() -> None:
    lies = {"eps.bat_v": 0.561, "eps.bat_i": 0.602}
    found = told(
        MovedChannels(BUS), run(1, {}), run(2, lies), run(3, lies), run(4, fitted=False), run(5, {}), run(6, {})
    )
    assert found == [
        (
            "channels.moved",
            Level.WARNING,
            "far from what was accepted: Battery current (60 % of the last orbit), Battery voltage (56 % of the"
            " last orbit). A new mode? Accept it as nominal, or look for a fault",
        ),
        ("channels.settled", Level.IN_LIMITS, "every channel lies where it did again"),
    ]


def test_one_more_channel_is_one_more_question_and_names_it_alone() -> None:
    found = told(MovedChannels(BUS), run(1, {"eps.bat_v": 0.5}), run(2, {"eps.bat_v": 0.6, "eps.bat_i": 0.4}))
    assert len(found) == 2
    assert "Battery current (40 %" in found[1][2]
    assert "Battery voltage" not in found[1][2]


def test_one_about_the_border_is_asked_about_once_until_all_have_settled() -> None:
    both, one = {"eps.bat_v": 0.5, "eps.bat_i": 0.4}, {"eps.bat_v": 0.5}
    found = told(MovedChannels(BUS), run(1, both), run(2, one), run(3, both), run(4, {}), run(5, one))
    assert [kind for kind, _, _ in found] == ["channels.moved", "channels.settled", "channels.moved"]


def test_many_are_counted() -> None:
    [(_, _, text)] = told(MovedChannels(BUS), run(1, {f"x{i}": 0.5 for i in range(6)}))
    assert text.startswith("far from what was accepted: x0 (50 %")
    assert "x2 (50 % of the last orbit) and 3 more." in text


def test_over_a_restart_nothing_is_asked_twice() -> None:
    before = [
        run(4, fitted=False),
        run(3, {"eps.bat_v": 0.5}),
        run(2, {"eps.bat_v": 0.5, "eps.bat_i": 0.4}),
        run(1, {}),
    ]
    channels = MovedChannels(BUS)
    channels.restore(before)
    assert told(channels, run(5, {"eps.bat_v": 0.5, "eps.bat_i": 0.4})) == []


def test_what_a_stranger_wrote_there_is_no_figure() -> None:
    assert moved_in(run(1, ["eps.bat_v"])) == {}
    assert moved_in(run(1, {"eps.bat_v": "much", "eps.bat_i": float("nan")})) == {}
    assert newest_moved([]) == {}
    assert newest_moved([run(2, {"eps.bat_v": 0.5}), run(1, {"eps.bat_i": 0.5})]) == {"eps.bat_v": 0.5}
