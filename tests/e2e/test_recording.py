"""A real recording, from the file through the program to an exported file, bit for bit."""

from __future__ import annotations

import csv
import json
import os
import struct
import subprocess
from pathlib import Path

import apsw
import pytest

from telemetry.clock import parse_iso

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
SOURCE = (
    "BIRDS-3 EPS recordings (Jara et al., Data in Brief 45 (2022) 108697, Mendeley 10.17632/8kp25ycf63.1, "
    "GitHub BIRDSOpenSource/EPS_dataset): put nepalisat_2020-11-09.csv in $CUBESAT_TUI_DATA/birds_eps"
)
EPOCH = "2020-11-09T00:00:00Z"
UNITS = {"T": "degC", "V": "mV", "I": "mA"}


@pytest.fixture
def recording() -> Path:
    folder = os.environ.get("CUBESAT_TUI_DATA")
    path = Path(folder or "/nonexistent") / "birds_eps" / "nepalisat_2020-11-09.csv"
    if not path.exists():
        pytest.skip(SOURCE)
    return path


def columns(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [name for name in next(csv.reader(file)) if name != "t_s"]


def write_map(recording: Path, path: Path) -> Path:
    """A map that takes every column of the recording as a channel."""
    names = columns(recording)
    lines = ["schema = 1", "", "[[satellite]]", 'name = "NEPALISAT"', 'bus = "1u"', ""]
    for name in names:
        lines += ["[[bus.1u.channel]]", f'name = "eps.{name.lower()}"', f'label = "{name}"']
        lines += [f'unit = "{UNITS[name[0]]}"', "period_s = 5", ""]
    lines += [
        "[bus.1u]",
        "",
        "[source]",
        'kind = "csv"',
        'time = "t_s"',
        f'epoch = "{EPOCH}"',
        "",
        "[source.columns]",
    ]
    lines += [f'"eps.{name.lower()}" = "{name}"' for name in names]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def differences(recording: Path, exported: Path) -> list[str]:
    """Where an export does not hold what the recording holds; empty when it is the same, bit for bit."""
    told, given = rows(exported), rows(recording)
    found = [f"{len(told)} rows, the file has {len(given)}"] if len(told) != len(given) else []
    start = parse_iso(EPOCH)
    for number, (row, source) in enumerate(zip(told, given, strict=False)):
        if parse_iso(row["generation_time"]) != start + round(float(source["t_s"]) * 1e9):
            found.append(f"row {number}: generation time {row['generation_time']}")
        for name in columns(recording):
            cell, wanted = row[f"eps.{name.lower()}"], source[name]
            if (cell == "") != (wanted == "") or (
                cell and struct.pack("<d", float(cell)) != struct.pack("<d", float(wanted))
            ):
                found.append(f"row {number}, {name}: {cell} is not {wanted}")
    return found


def test_a_recording_goes_in_and_comes_out_bit_for_bit(cli, recording: Path, tmp_path: Path) -> None:
    mission, exported = tmp_path / "replayed", tmp_path / "out.csv"
    the_map = write_map(recording, tmp_path / "map.toml")
    played = cli("replay", str(recording), "--map", str(the_map), "--mission", str(mission), "--speed", "max",
                 "--headless", "--no-trainer", timeout=120)  # fmt: skip
    assert played.returncode == 0, played.stderr
    status = json.loads(cli("status", "--mission", str(mission), "--json").stdout)
    assert status["frames"] == len(rows(recording))
    last = parse_iso(EPOCH) + round(float(rows(recording)[-1]["t_s"]) * 1e9)
    assert parse_iso(status["newest_generation_time"]) == last
    assert cli("export", "--mission", str(mission), "--to", str(exported)).returncode == 0
    assert differences(recording, exported) == []

    # The control: one row fewer in the store, and the comparison must see it.
    store = apsw.Connection(str(mission / "telemetry.db"))
    store.execute("DELETE FROM frame WHERE id = (SELECT max(id) / 2 FROM frame)")
    store.close()
    assert cli("export", "--mission", str(mission), "--to", str(exported)).returncode == 0
    assert differences(recording, exported) != []


def test_a_replay_says_replay_and_its_clock_follows_the_file(terminal, recording: Path, tmp_path: Path) -> None:
    the_map = write_map(recording, tmp_path / "map.toml")
    console = terminal("replay", str(recording), "--map", str(the_map), "--mission", str(tmp_path / "m"), "--speed",
                       "60", columns=120, rows=40)  # fmt: skip
    screen = console.wait_for(r"REPLAY", 60)
    assert "LIVE" not in screen.splitlines()[0]
    assert "SIM" not in screen.splitlines()[0]
    console.wait_for(r"11-09 00:\d\d:\d\dZ", 30, "the clock of the recording")


def test_a_replay_refuses_a_mission_with_live_data(
    cli, recording: Path, tmp_path: Path, program: list[str], user_env: dict[str, str]
) -> None:
    mission = tmp_path / "live"
    mission.mkdir()
    live = write_map(recording, tmp_path / "map.toml").read_text(encoding="utf-8").split("[source]")[0]
    (mission / "mission.toml").write_text(f'{live}[source]\nkind = "stream"\n', encoding="utf-8")
    frame = {"boot": 1, "seq": 0, "t": "2026-11-22T07:13:20Z", "values": {"eps.vbat": 4.0}}
    fed = subprocess.run(
        [*program, "run", "--mission", str(mission), "--source", "-", "--no-trainer"],
        input=json.dumps(frame) + "\n", env=user_env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert '"confirmed"' in fed.stdout
    refused = cli("replay", str(recording), "--map", str(tmp_path / "map.toml"), "--mission", str(mission),
                  "--speed", "max", "--headless", "--no-trainer")  # fmt: skip
    assert refused.returncode == 2
    assert "live" in refused.stderr
    assert json.loads(cli("status", "--mission", str(mission), "--json").stdout)["frames"] == 1
