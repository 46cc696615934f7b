"""Live says severity and freshness of every row in its text: with all colours stripped they are read back."""

from __future__ import annotations

import io
import re
from pathlib import Path

import fabricated
import pytest
from fabricated import NOW, S, settled
from rich.console import Console
from rich.segment import Segments

from cubesat_tui.drawing.channel_rows import label_of, state_key
from cubesat_tui.drawing.signs import ASCII, SIGNS, UNICODE
from telemetry.store.directory import MissionDirectory
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter

SMALL = (80, 24)
_ANSI = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]")
DEPTHS = {"truecolor": "truecolor", "256": "256", "16": "standard", "NO_COLOR": None}


def stripped(app, system: str | None) -> list[str]:
    """The lines of the screen as a terminal of that depth is sent them, without the escapes."""
    out = io.StringIO()
    terminal = Console(
        file=out, width=app.size.width, force_terminal=True, color_system=system, no_color=system is None
    )  # pyright: ignore[reportArgumentType]
    for strip in app.screen._compositor.render_strips()[: app.size.height]:
        terminal.print(Segments(strip), end="", soft_wrap=True)
        out.write("\n")
    text = out.getvalue()
    assert ("\x1b[" in text) or system is None
    return [line.rstrip() for line in _ANSI.sub("", text).splitlines()]


@pytest.fixture
def aged(tmp_path: Path) -> MissionDirectory:
    """Every freshness on one screen: current values, an old one, an invalid one, one that never came."""
    directory = fabricated.fill(tmp_path / "aged")
    text = directory.toml.read_text()
    spare = '[[bus.3u.channel]]\nname = "obc.spare"\nlabel = "Spare rail"\nunit = "V"\ndecimals = 2\n'
    text = text.replace("[[ground_station]]", spare + "[[ground_station]]")
    directory.toml.write_text(
        text.replace('slow = ["eps.bus5v_v"]', 'slow = ["eps.bus5v_v"]\nspare = ["obc.spare"]')
    )
    writer = StoreWriter(directory.telemetry, fabricated.clock())
    batches = fabricated.batches(NOW, NOW)
    for batch in batches:
        if "pld.dist_w" in batch.layout.positions:
            batch.values[:, batch.layout.positions["pld.dist_w"]] = float("nan")
    writer.append([ScoredBatch(batch) for batch in batches if "eps.bus5v_v" not in batch.layout.positions], [], {})
    writer.beat(fabricated.health())
    writer.close()
    return directory


@pytest.mark.parametrize("ascii_signs", [False, True], ids=["unicode", "ascii"])
async def test_severity_and_freshness_of_every_row_are_read_from_the_text(console, aged, ascii_signs) -> None:
    app = console(directory=aged, ascii_signs=ascii_signs)
    signs = ASCII if ascii_signs else UNICODE
    of_glyph = {signs.glyph(key): key for key in SIGNS if key != "ok"} | {" ": "ok"}
    seen: dict[str, tuple[str, str]] = {}
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot, lambda: app.snapshot.newest_t_ns >= NOW)
        channels = {label_of(now).split("°")[0]: now for now in app.snapshot.channels.values()}
        for _ in range(6):
            await pilot.press("tab")
            await settled(pilot)
            views = {depth: stripped(app, system) for depth, system in DEPTHS.items()}
            assert len({tuple(view) for view in views.values()}) == 1, "colour carries nothing the text does not"
            lines = views["NO_COLOR"]
            head = next(i for i, line in enumerate(lines) if "(tab)" in line)
            for line in lines[head + 1 : head + 8]:
                name = next((n for n in sorted(channels, key=len, reverse=True) if line[3:].startswith(n)), None)
                if name is None:
                    break
                fresh = (
                    "EXPIRED" if "expired" in line
                    else "INVALID" if "INV " in line
                    else "NOT_RECEIVED" if "never received" in line or "out of contact" in line
                    else "ACQUIRED"
                )  # fmt: skip
                seen[name] = (of_glyph[line[1]], fresh)
                if fresh == "EXPIRED":
                    assert re.search(r"\d+ (s|min|h|d)$", line), "an old value says how old"
        pinned = stripped(app, None)[4:7]
    assert set(seen) == {name for name, now in channels.items() if not now.channel.predicted}
    for name, (key, fresh) in seen.items():
        assert key == state_key(channels[name]), name
        assert fresh == channels[name].acquisition.name, name
    assert {fresh for _, fresh in seen.values()} == {"ACQUIRED", "EXPIRED", "INVALID", "NOT_RECEIVED"}
    assert {"critical", "warning", "anomaly", "expired", "invalid", "never", "ok"} <= {k for k, _ in seen.values()}
    for line, word in zip(pinned, ("CRIT", "ANOM", "WARN"), strict=True):
        assert word in line
        assert of_glyph[line[1]] == {"CRIT": "critical", "ANOM": "anomaly", "WARN": "warning"}[word]


def test_every_state_has_a_sign_of_its_own_in_both_sets() -> None:
    for signs in (UNICODE, ASCII):
        glyphs = [signs.glyph(key) for key in SIGNS]
        assert len(set(glyphs)) == len(glyphs)
    assert NOW % S == 0
