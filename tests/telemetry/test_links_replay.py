"""A recorded file becomes frames in its own time, exactly, once, from where it stopped."""

from __future__ import annotations

import asyncio
import csv
import os
from pathlib import Path

import numpy as np
import pytest

from telemetry.clock import ManualClock, parse_iso
from telemetry.dictionary import Bus, Channel, Mission, Satellite, SourceConfig
from telemetry.frame import Quality
from telemetry.links.replay import ReplayRefused, ReplaySource
from telemetry.store.reader import StoreReader
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter

S = 1_000_000_000
BUS = Bus(
    "1u",
    (
        Channel("eps.bat_v", "Battery voltage", "V"),
        Channel("obc.mode", "Mode", enum=((1, "SAFE"), (3, "NOMINAL"))),
    ),
)
COLUMNS = (("eps.bat_v", "Vbat"), ("obc.mode", "mode"))


def mission(tmp_path: Path, epoch: str = "unix", columns=COLUMNS, bus: Bus = BUS) -> Mission:
    source = SourceConfig(kind="csv", time="t", epoch=epoch, columns=columns)
    return Mission(tmp_path, (Satellite("BIRD", bus.name),), {bus.name: bus}, source=source)


def write(tmp_path: Path, *lines: str, name: str = "file.csv") -> Path:
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


async def everything(source: ReplaySource) -> list:
    return [batch async for batch in source]


def rows(batches: list) -> list[tuple[int, int, list[float]]]:
    return [(frame.seq, frame.t_ns, frame.values.tolist()) for batch in batches for frame in batch]


async def test_one_row_is_one_frame_with_exact_time_and_values(tmp_path):
    path = write(tmp_path, "mode,t,Vbat", "SAFE,1600000000.123456789,7.9100000000000001", "3,1600000001,-1e-300")
    batches = await everything(ReplaySource(path, mission(tmp_path), speed=float("inf")))
    assert rows(batches) == [
        (0, 1_600_000_000_123_456_789, [7.9100000000000001, 1.0]),
        (1, 1_600_000_001 * S, [-1e-300, 3.0]),
    ]
    frame = batches[0].frame(0)
    assert (frame.satellite, frame.boot, frame.layout.packet) == ("BIRD", 1_600_000_000, "hk")
    assert Quality(frame.quality) == Quality.NO_SEQUENCE | Quality.REPLAYED


@pytest.mark.parametrize(
    ("epoch", "cell", "t_ns"),
    [
        ("iso", "2020-11-09T00:00:05.5Z", parse_iso("2020-11-09T00:00:05.5Z")),
        ("unix", "12.5", 12_500_000_000),
        ("unix_ms", "1600000000123", 1_600_000_000_123_000_000),
        ("2020-11-09T00:00:00Z", "5", parse_iso("2020-11-09T00:00:05Z")),
    ],
)
async def test_the_time_column_counts_from_the_epoch(tmp_path, epoch, cell, t_ns):
    path = write(tmp_path, "t,Vbat,mode", f"{cell},1,1")
    batches = await everything(ReplaySource(path, mission(tmp_path, epoch), speed=float("inf")))
    assert batches[0].t_ns.tolist() == [t_ns]


async def test_missing_cells_are_stored_and_bad_rows_are_refused_with_their_line(tmp_path):
    path = write(
        tmp_path,
        "t,Vbat,mode",
        "1,,1",
        "2,NaN,NOMINAL",
        "3,seven,1",
        ",7,1",
        "soon,7,1",
        "",
        "7,7",
        "8,7,FLYING",
        "9,9007199254740993,1",
        "10,1_0,1",
        "11,7.5,1",
        "inf,7,1",
        f"12,{'9' * 5000},1",
    )
    source = ReplaySource(path, mission(tmp_path), speed=float("inf"))
    found = rows(await everything(source))
    assert [seq for seq, _, _ in found] == [0, 1, 9]
    assert np.isnan(found[0][2][0])
    assert source.refused == {
        "not a number": 3,
        "no time": 3,
        "wrong number of columns": 1,
        "integer above 2^53": 2,
    }
    assert any("line 4: not a number: eps.bat_v: 'seven'" in line for line in source.refusals)
    assert any(
        "line 9: not a number: obc.mode: 'FLYING', allowed: a number or SAFE, NOMINAL" in line
        for line in source.refusals
    )


async def test_hostile_text_comes_out_plain(tmp_path):
    evil = "\x1b]52;c;aGk=\x07"
    path = write(tmp_path, f"t,Vbat,mode,{evil}[red]", f"1,{evil},1,0", "2,2,1,0")
    source = ReplaySource(path, mission(tmp_path), speed=float("inf"))
    await everything(source)
    assert not any("\x1b" in line for line in source.refusals)
    bad = write(tmp_path, f"t,{evil}", "1,1", name="bad.csv")
    with pytest.raises(ReplayRefused) as refusal:
        ReplaySource(bad, mission(tmp_path))
    assert "\x1b" not in str(refusal.value)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (("t,mode", "1,1"), "no column 'Vbat'; the file has t, mode"),
        (("t,Vbat,mode,Vbat", "1,1,1,1"), "'Vbat' is there twice"),
        (("t,Vbat,mode",), "no row has a time"),
        (("t,Vbat,mode", "x,1,1"), "no row has a time"),
        (("",), "names? the columns|empty"),
    ],
)
def test_a_file_that_does_not_fit_the_map_is_refused(tmp_path, lines, sentence):
    with pytest.raises(ReplayRefused, match=sentence):
        ReplaySource(write(tmp_path, *lines), mission(tmp_path))


def test_a_missing_file_and_a_wrong_speed_are_refused(tmp_path):
    with pytest.raises(ReplayRefused, match="cannot be read"):
        ReplaySource(tmp_path / "absent.csv", mission(tmp_path))
    with pytest.raises(ReplayRefused, match="allowed: a number above 0"):
        ReplaySource(write(tmp_path, "t,Vbat,mode", "1,1,1"), mission(tmp_path), speed=0)


async def test_rows_come_at_the_pace_of_the_file(tmp_path):
    clock = ManualClock(0)
    path = write(tmp_path, "t,Vbat,mode", "100,1,1", "100,2,1", "160,3,1", "220,4,1")
    source = ReplaySource(path, mission(tmp_path), speed=10.0, clock=clock)
    assert (source.live, source.rate) == (False, 10.0)
    seen: list[float] = []

    async def follow():
        async for batch in source:
            seen.extend(batch.values[:, 0].tolist())

    task = asyncio.create_task(follow())
    await until(lambda: clock.sleepers == 1)
    assert seen == [1.0, 2.0]
    clock.advance(5.9)
    await until(lambda: clock.sleepers == 1)
    assert seen == [1.0, 2.0]
    clock.advance(0.2)
    await until(lambda: len(seen) == 3 and clock.sleepers == 1)
    clock.advance(6)
    await task
    assert seen == [1.0, 2.0, 3.0, 4.0]


async def until(condition) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("did not happen")


async def test_closing_ends_a_long_wait(tmp_path):
    clock = ManualClock(0)
    source = ReplaySource(write(tmp_path, "t,Vbat,mode", "1,1,1", "99999,2,1"), mission(tmp_path), clock=clock)
    task = asyncio.create_task(everything(source))
    await until(lambda: clock.sleepers == 1)
    await source.close()
    assert [seq for seq, _, _ in rows(await task)] == [0]


async def store(source: ReplaySource, writer: StoreWriter, batches: int | None = None) -> None:
    async for batch in source:
        cursors = {source.name: batch.cursor} if batch.cursor else {}
        writer.append([ScoredBatch(batch)], [], cursors)
        await source.committed(batch)
        if batches is not None:
            batches -= 1
            if not batches:
                return


async def test_a_replay_goes_on_where_it_was_stopped_and_a_file_is_stored_once(tmp_path, writer, store_path):
    path = write(tmp_path, "t,Vbat,mode", *(f"{i},{i},1" for i in range(1000)))
    await store(ReplaySource(path, mission(tmp_path), speed=float("inf")), writer, batches=2)
    stopped = StoreReader(store_path).frames_accepted()
    assert 0 < stopped < 1000
    resumed = ReplaySource(path, mission(tmp_path), speed=float("inf"), cursor=writer.cursor("replay"))
    await store(resumed, writer)
    assert StoreReader(store_path).frames_accepted() == 1000
    renamed = path.rename(tmp_path / "same.csv")
    again = ReplaySource(renamed, mission(tmp_path), speed=float("inf"), cursor=writer.cursor("replay"))
    assert await everything(again) == []
    blind = ReplaySource(renamed, mission(tmp_path), speed=float("inf"))
    await store(blind, writer)
    assert StoreReader(store_path).frames_accepted() == 1000


async def test_another_file_with_the_same_beginning_is_not_taken_for_the_first(tmp_path, writer):
    first = write(tmp_path, "t,Vbat,mode", "5,1,1", name="a.csv")
    second = write(tmp_path, "t,Vbat,mode", "5,2,1", name="b.csv")
    await store(ReplaySource(first, mission(tmp_path), speed=float("inf")), writer)
    with pytest.raises(ReplayRefused, match="an epoch of its own"):
        ReplaySource(second, mission(tmp_path), cursor=writer.cursor("replay"))


RECORDING = "birds_eps/nepalisat_2020-11-09.csv"


async def test_a_real_recording_is_kept_bit_for_bit(tmp_path, writer, store_path):
    folder = os.environ.get("CUBESAT_TUI_DATA", "")
    path = Path(folder) / RECORDING
    if not folder or not path.exists():
        pytest.skip(
            "set CUBESAT_TUI_DATA to a folder with birds_eps, the BIRDS-3 EPS telemetry published by Kyutech"
        )
    with path.open(newline="") as text:
        table = list(csv.DictReader(text))
    names = [name for name in table[0] if name != "t_s"]
    bus = Bus("1u", tuple(Channel(f"eps.{name.lower()}", name) for name in names))
    source = SourceConfig(
        "csv",
        time="t_s",
        epoch="2020-11-09T00:00:00Z",
        columns=tuple((f"eps.{name.lower()}", name) for name in names),
    )
    birds = Mission(tmp_path, (Satellite("NEPALISAT", "1u"),), {"1u": bus}, source=source)
    await store(ReplaySource(path, birds, speed=float("inf")), writer)
    kept = StoreReader(store_path).page(limit=100_000).rows[::-1]
    assert len(kept) == len(table)
    wanted = np.array([[float(row[name]) for name in names] for row in table])
    assert np.array([row.values for row in kept]).tobytes() == wanted.tobytes()
