"""`i` on a running station: accepted with a reason, what was flagged on screen is not after the next fit."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from cubesat_tui.app import ConsoleApp
from cubesat_tui.screens.accept import AcceptDialog
from telemetry.clock import NS_PER_S
from tests.cubesat_tui.fabricated import screen_text, settled
from tests.cubesat_tui.governed import Governed

REASON = "new wheel law"


class Operator:
    """Somebody at a console that looks at the satellite."""

    def __init__(self, pilot: Pilot[Any], bird: Governed) -> None:
        self.pilot = pilot
        self.bird = bird
        assert isinstance(pilot.app, ConsoleApp)
        self.app = pilot.app

    async def keys(self, *keys: str) -> str:
        """Press them; what is on screen then, words apart by one space."""
        newest_ns = self.bird.t0_ns + (self.bird.seq - 1) * NS_PER_S
        await settled(self.pilot, lambda: self.app.snapshot and self.app.snapshot.newest_t_ns == newest_ns)
        await self.pilot.press(*keys)
        await settled(self.pilot)
        return " ".join(screen_text(self.app).split())

    async def types(self, text: str) -> None:
        await self.pilot.press(*["space" if letter == " " else letter for letter in text])

    async def ledger(self) -> tuple[int, int]:
        """How many of the newest rows it shows as they should be, and how many as anomalies."""
        words = (await self.keys("4", "home")).split()
        return words.count("OK"), words.count("◈")

    async def told(self, words: str) -> None:
        """Wait for a toast."""
        await self.bird.rig.until(lambda: any(words in one.message for one in self.app._notifications), 0.01)


async def test_what_is_accepted_on_screen_is_no_longer_flagged_after_the_next_fit(
    bird: Governed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cubesat_tui.requests.PATIENCE_S", 30.0)
    await bird.fly(200, x=20.0)
    app = ConsoleApp(bird.rig.directory, clock=bird.rig.clock, operator="ann")
    async with app.run_test(size=(140, 42)) as pilot:
        ann = Operator(pilot, bird)
        usual, flagged = await ann.ledger()
        assert usual == 0
        assert flagged > 30
        assert "ACCEPT AS NOMINAL: Wheel X" in await ann.keys("5", "down", "i")

        assert "A reason of at least 3 letters" in await ann.keys("enter")
        assert isinstance(app.screen, AcceptDialog), "refused without a reason"
        assert bird.rig.waiting_requests() == 0
        await ann.types(REASON)
        await pilot.press("enter")
        await ann.told("ann accepted Wheel X as nominal, ")
        assert (await bird.retrain()).runs[0].decision == "promoted"
        assert f"#2 promoted: accepted as nominal by ann: {REASON}" in await ann.keys("3")

        await bird.fly(100)
        assert "RETURNED ◈ ANOM" in await ann.keys("5")
        await pilot.press("a")
        await ann.told("ann acknowledged")
        await bird.fly(200, x=20.0)
        assert "No alarm open." in await ann.keys("5")
        usual, flagged = await ann.ledger()
        assert usual > 30
        assert flagged == 0
        await bird.fly(60, y=20.0)
        assert "◈ ANOM" in (screen := await ann.keys("5"))
        assert "WHY Wheel Y" in screen, "what nobody accepted is still one"
