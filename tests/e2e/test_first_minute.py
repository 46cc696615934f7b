"""The first minute of a newcomer, read from a real terminal of 80x24 on an empty home."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

Open = Callable[..., Any]
Cli = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.e2e

LEAD = re.compile(r"◈ ANOM +Distance S")
SENTENCE = re.compile(r"Distance S (\d+\.\d) cm, (?:usual here|forecast|jumped from) (\d+\.\d)(?: ±(\d\.\d))?")
"""In the words of the voice that spoke; each names the value and what it should have been."""


def values_of(screen: str) -> list[str]:
    """Every number on the screen with what stands before it, as a reader compares two glances."""
    return re.findall(r"[-+]?\d+(?:\.\d+)?", screen)


@pytest.mark.timeout(420)
def test_the_first_minutes_of_a_newcomer(terminal: Open, cli: Cli) -> None:
    window = terminal()
    window.wait_for("KESTREL-1", 20)
    painted = time.monotonic()

    def by(second: float) -> float:
        """Seconds left until `second` after the first paint; a wait is never shorter than one look."""
        return max(1.0, second - (time.monotonic() - painted))

    window.wait_for("SIMULATED satellite", 10, "the welcome card")
    window.keys("Escape")
    window.wait_for(r"Battery voltage +\d", by(4), "a panel that is alive")

    cli_status = json.loads(cli("status", "--json").stdout)
    assert cli_status["simulated"] is True
    window.wait_for(r"MODEL v1", by(20), "a model within 15 s")
    screen = window.screen()
    assert "◈" not in screen, screen

    window.wait_for(LEAD, by(52), "the right channel, first")
    found = time.monotonic() - painted
    assert found > 18, "an anomaly before the fault is a false alarm"
    sentence = window.wait_for(SENTENCE, by(56), "one sentence that says why")
    value, usual, spread = (float(part or 0) for part in SENTENCE.search(sentence).groups())
    assert 79 < value < 82
    assert 54 < usual < 56.5
    assert spread < 1.0

    before, glance = json.loads(cli("status", "--json").stdout), window.screen()
    since = time.monotonic()
    window.wait_for(lambda _: time.monotonic() - since >= 5, 10)
    after, second_glance = json.loads(cli("status", "--json").stdout), window.screen()
    changed = sum(a != b for a, b in zip(values_of(glance), values_of(second_glance), strict=False))
    assert changed >= 10, f"only {changed} values moved\n{glance}\n{second_glance}"
    assert after["frames"] > before["frames"]

    window.wait_for(r"◈ ANOM +Distance S.*RETURNED", by(122), "the fault over, the alarm still there")
    window.wait_for(r"Signal +-\d+\.\d dBm", by(125), "a pass")
    assert re.search(r"LOS \d\d:\d\d", window.screen())

    window.keys("5")

    def anomalies() -> list[dict[str, Any]]:
        """Open ones; the rule on how fast a distance may change has told of the first fault too."""
        alarms = json.loads(cli("alarms", "--json").stdout)["alarms"]
        assert all("Distance S" in alarm["text"] for alarm in alarms if alarm["kind"] != "anomaly"), alarms
        return [alarm for alarm in alarms if alarm["kind"] == "anomaly"]

    window.wait_for(lambda _: len(anomalies()) == 2, by(300), "half a solar panel: one more alarm")

    def grouped(_: str) -> bool:
        """Two in all, the newer one holding several channels."""
        found = anomalies()
        assert len(found) == 2, found
        return any(len(alarm["channels"]) >= 2 for alarm in found if "Distance" not in alarm["text"])

    window.wait_for(grouped, by(330), "several channels in one alarm")

    window.keys("q")
    window.wait_for("LEAVE", 5)
    window.keys("s")
    window.wait_for(lambda _: window.dead, 5, "the program over")
