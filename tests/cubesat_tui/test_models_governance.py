"""Models: promote, roll back, hold and release by key; who put a model there, when and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from cubesat_tui import messages
from cubesat_tui.screens.govern import HoldDialog, PromoteDialog, ReleaseDialog, RollBackDialog
from cubesat_tui.screens.models import ModelsScreen
from cubesat_tui.widgets.lines import Lines
from telemetry.alarms import Event
from telemetry.clock import ManualClock
from telemetry.store.directory import MissionDirectory
from telemetry.store.writer import StoreWriter
from tests.cubesat_tui import fabricated, scored
from tests.cubesat_tui.fabricated import NOW, SATELLITE, S

SIZES = [(80, 24), (140, 42)]
HOLD = {"until_ns": NOW + 7200 * S, "actor": "kim", "reason": "camera calibration"}


def loaded(screen: ModelsScreen) -> bool:
    return bool(screen.table.lines) and bool(screen.table.rows)


def fill(path: Path, *, held: bool = False, before: int | None = 16) -> MissionDirectory:
    """Two promotions by the trainer, v16 rolled back to by kim and v17 promoted by ann again."""
    directory = scored.fill(path, minutes=5)
    writer = StoreWriter(directory.telemetry, ManualClock(NOW))
    writer.append([], [
        put("model.promoted", 330, 17, 16, "", "model v17 promoted: reference moved: 512 new rows"),
        put("model.rolled_back", 150, 16, 17, "kim", "kim rolled back from v17 to v16: blind on wheel Y"),
        put("model.promoted", 60, 17, 16, "ann", "ann promoted v17 instead of v16: it was the radio after all"),
    ], {})  # fmt: skip
    health = fabricated.health()
    body = {
        **health.body,
        "model": {**health.body["model"], "before": before},
        "held": {SATELLITE: HOLD} if held else {},
    }
    writer.beat(msgspec.structs.replace(health, body=body))
    writer.close()
    return directory


def put(kind: str, age_s: int, to: int, instead: int, actor: str, text: str) -> Event:
    body = {"to": to, "from": instead, "retrain": 160 + to, "sha256": "c0ffee00" * 8, "text": text}
    return Event(NOW - age_s * S, SATELLITE, kind, 0, f"v{to}", actor, body)


def said(app: Any) -> list[str]:
    return [note.message for note in app._notifications]


async def asked(pilot: Any, sent: list[Any]) -> tuple[str, dict[str, Any]]:
    """What was asked of the station."""

    def found() -> list[Any]:
        return [m for m in sent if isinstance(m, messages.ModelActRequested)]

    await scored.until(pilot, found)
    (one,) = found()
    return one.kind, one.body


async def test_p_promotes_the_selected_model_and_wants_a_reason(tmp_path: Path):
    app = scored.console(fill(tmp_path / "mission"))
    sent = scored.listen(app)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        await pilot.press("p")
        assert "only what passed the gate has a version" in said(app)[-1]
        await pilot.press("j", "p")
        assert said(app)[-1] == "v17 scores already."
        oldest = len(screen.table.lines) - 1
        await pilot.press(*["j"] * oldest, "p")
        await scored.until(pilot, lambda: isinstance(app.screen, PromoteDialog))
        await pilot.press("a", "b", "enter")
        await pilot.pause()
        assert isinstance(app.screen, PromoteDialog), "two letters are no reason"
        await pilot.press("c", "enter")
        await scored.until(pilot, lambda: app.screen is screen)
        assert await asked(pilot, sent) == ("promote", {"satellite": SATELLITE, "version": 16, "reason": "abc"})


async def test_shift_r_rolls_back_to_the_model_before_and_says_how_long_it_holds(tmp_path: Path):
    app = scored.console(fill(tmp_path / "mission"))
    sent = scored.listen(app)
    async with app.run_test(size=(80, 24)) as pilot:
        await scored.go(pilot, "models", loaded)
        await pilot.press("R")
        await scored.until(pilot, lambda: isinstance(app.screen, RollBackDialog))
        await pilot.pause()
        about = scored.words(app.screen.query_one("#about", Lines))
        assert "From v17 to v16." in about
        await pilot.press(*"blind")
        foot = scored.words(app.screen.query_one("#foot", Lines))
        assert "11:14Z (4 h 0 min)" in foot
        assert "v16 scores from the next frame on; nothing is promoted by itself until" in foot
        await pilot.press("tab", *["backspace"] * 2, *"90m", "enter")
        wanted = {"satellite": SATELLITE, "version": 16, "minutes": 90, "reason": "blind"}
        assert await asked(pilot, sent) == ("rollback", wanted)


async def test_without_a_model_before_there_is_nothing_to_roll_back_to(tmp_path: Path):
    app = scored.console(fill(tmp_path / "mission", before=None))
    async with app.run_test(size=(80, 24)) as pilot:
        await scored.go(pilot, "models", loaded)
        await pilot.press("R")
        assert said(app)[-1] == "No model is known to have scored before v17."


async def test_z_holds_for_a_time_that_can_be_typed(tmp_path: Path):
    app = scored.console(fill(tmp_path / "mission"))
    sent = scored.listen(app)
    async with app.run_test(size=(80, 24)) as pilot:
        await scored.go(pilot, "models", loaded)
        await pilot.press("z")
        await scored.until(pilot, lambda: isinstance(app.screen, HoldDialog))
        await pilot.press(*"camera", "tab", "backspace", "backspace", *"soon", "enter")
        await pilot.pause()
        assert isinstance(app.screen, HoldDialog)
        assert "'soon' is no length of time" in scored.words(app.screen.query_one("#foot", Lines))
        await pilot.press(*["backspace"] * 4, *"31d", "enter")
        await pilot.pause()
        assert "at most 30 days" in scored.words(app.screen.query_one("#foot", Lines))
        await pilot.press(*["backspace"] * 3, *"1d", "enter")
        wanted = {"satellite": SATELLITE, "minutes": 1440, "reason": "camera"}
        assert await asked(pilot, sent) == ("hold", wanted)


@pytest.mark.parametrize("size", SIZES)
async def test_a_hold_is_shown_and_z_releases_it(tmp_path: Path, size: tuple[int, int]):
    app = scored.console(fill(tmp_path / "mission", held=True))
    sent = scored.listen(app)
    async with app.run_test(size=size) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        title = scored.words(screen.query_one("#runs-title", Lines))
        assert "HELD by kim until 09:14Z" in title
        assert len(title.rstrip()) <= size[0]
        await pilot.press("z")
        await scored.until(pilot, lambda: isinstance(app.screen, ReleaseDialog))
        await pilot.pause()
        assert '"camera calibration"' in scored.words(app.screen.query_one("#about", Lines))
        await pilot.press(*"done", "enter")
        assert await asked(pilot, sent) == ("release", {"satellite": SATELLITE, "reason": "done"})


@pytest.mark.parametrize(("key", "done"), [("p", "promoted"), ("R", "rolled back"), ("z", "held")])
async def test_a_read_only_console_refuses_in_words(tmp_path: Path, key: str, done: str):
    app = scored.console(fill(tmp_path / "mission"), read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        await pilot.press(key)
        assert said(app)[-1] == f"This console is read-only: nothing can be {done} from here."
        assert app.screen is screen


async def test_the_run_says_who_put_its_model_there_when_and_why(tmp_path: Path):
    app = scored.console(fill(tmp_path / "mission"))
    async with app.run_test(size=(140, 42)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        detail = screen.query_one("#run-detail", Lines)
        assert "ann" not in scored.words(detail), "of kept runs there is nothing to say"
        await pilot.press("j")
        words = scored.words(detail)
        assert "ann promoted v17 instead of v16: it was the radio after all (2 times in all)" in words
        await pilot.press(*["j"] * len(screen.table.lines))
        assert "kim rolled back from v17 to v16: blind on wheel Y" in scored.words(detail)
        assert detail.size.height == 4


async def test_in_the_past_what_came_later_is_not_told(tmp_path: Path):
    app = scored.console(fill(tmp_path / "mission"))
    async with app.run_test(size=(140, 42)) as pilot:
        screen = await scored.go(pilot, "models", loaded)
        app.go_to(app.time.at(NOW - 100 * S))
        await scored.until(pilot, lambda: len(screen.table.runs) < 12 and loaded(screen))
        assert app.shown is not None
        assert app.shown.model.version == 16, "kim had rolled back by then"
        assert "v16" in scored.words(screen.query_one("#runs-title", Lines))
        app.go_to(app.time.at(NOW - 30 * S))
        await scored.until(pilot, lambda: app.shown is not None and app.shown.model.version == 17)


@pytest.mark.parametrize("size", SIZES)
def test_picture_of_a_roll_back(tmp_path: Path, snap_compare: Any, size: tuple[int, int]):
    async def open_it(pilot: Any) -> None:
        await scored.go(pilot, "models", loaded)
        await pilot.press("j", "R")
        await scored.until(pilot, lambda: isinstance(pilot.app.screen, RollBackDialog))
        await pilot.press(*"blind")
        await pilot.pause()

    assert snap_compare(
        scored.console(fill(tmp_path / "mission", held=True)), terminal_size=size, run_before=open_it
    )
