"""JSON lines in, confirmations out: what is confirmed is stored, what is refused says why."""

from __future__ import annotations

import asyncio
import json
import os
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.clock import ManualClock
from telemetry.dictionary import Bus, Channel, Mission, Satellite
from telemetry.frame import Quality
from telemetry.links.json_frame import MOST_LAYOUTS, JsonFrames, Refusal
from telemetry.links.pipes import LineSplitter
from telemetry.links.stream import MOST_LINE_BYTES, StreamSource
from telemetry.store.reader import StoreReader
from telemetry.store.rows import ScoredBatch

S = 1_000_000_000
BUS = Bus(
    "3u",
    (
        Channel("eps.bat_v", "Battery voltage", "V"),
        Channel("obc.mode", "Mode", enum=((1, "SAFE"), (3, "NOMINAL"))),
        Channel("pld.dist_s", "Distance S", "cm"),
    ),
    packets=(("hk", ("eps.bat_v", "obc.mode")), ("pld", ("pld.dist_s",))),
)


@pytest.fixture
def mission(tmp_path) -> Mission:
    return Mission(tmp_path, (Satellite("A", "3u"), Satellite("B", "3u")), {"3u": BUS})


class Feeder:
    """The other ends of the station's stdin and stdout."""

    def __init__(self) -> None:
        stdin, self.into = os.pipe()
        self.out_of, stdout = os.pipe()
        self.stdin, self.stdout = os.fdopen(stdin, "rb"), os.fdopen(stdout, "wb")

    def send(self, *lines: object) -> None:
        for line in lines:
            data = line if isinstance(line, bytes) else json.dumps(line).encode()
            os.write(self.into, data + b"\n")

    def end(self) -> None:
        os.close(self.into)

    def answers(self) -> list[dict]:
        self.stdout.close()
        with os.fdopen(self.out_of, "rb") as answers:
            return [json.loads(line) for line in answers]


def frame(seq: int, **fields) -> dict:
    return {"boot": 7, "seq": seq, "t": 1_790_000_000 * S + seq, "values": {"eps.bat_v": float(seq)}, **fields}


async def run(source: StreamSource, writer) -> None:
    async for batch in source:
        cursors = {} if batch.cursor is None else {source.name: batch.cursor}
        writer.append([ScoredBatch(batch)], [], cursors)
        await source.committed(batch)


def confirmed(answers: list[dict]) -> list[list]:
    return [place for answer in answers for place in answer.get("confirmed", [])]


async def test_frames_are_stored_and_then_confirmed(mission, writer, store_path):
    feeder = Feeder()
    source = StreamSource(feeder.stdin, feeder.stdout, mission)
    feeder.send(
        frame(1),
        frame(2, satellite="B", t="2026-11-22T07:14:03.5Z", values={"eps.bat_v": None, "obc.mode": "SAFE"}),
        frame(3, packet="hk", values=[7.5, 3], stored=True),
        b'{"boot": 7, "seq": 4, "t": 5, "values": {"pld.dist_s": NaN}}',
    )
    feeder.end()
    await run(source, writer)
    assert sorted(confirmed(feeder.answers())) == [["A", 7, 1], ["A", 7, 3], ["A", 7, 4], ["B", 7, 2]]
    rows = {row.seq: row for row in StoreReader(store_path).page().rows}
    assert rows[1].layout.names == ("eps.bat_v",)
    assert np.isnan(rows[2].values[0])
    assert rows[2].values[1] == 1.0
    assert rows[2].t_ns == 1_795_331_643_500_000_000
    assert rows[3].values.tolist() == [7.5, 3.0]
    assert Quality(rows[3].quality) == Quality.STORED
    assert np.isnan(rows[4].values[0])


async def test_nothing_is_confirmed_before_it_is_committed(mission):
    feeder = Feeder()
    source = StreamSource(feeder.stdin, feeder.stdout, mission)
    feeder.send(frame(1))
    batches = aiter(source)
    batch = await anext(batches)
    os.set_blocking(feeder.out_of, False)
    with pytest.raises(BlockingIOError):
        os.read(feeder.out_of, 1)
    os.set_blocking(feeder.out_of, True)
    await source.committed(batch)
    assert json.loads(os.read(feeder.out_of, 1000)) == {"confirmed": [["A", 7, 1]]}
    await source.close()


async def test_a_duplicate_is_confirmed_again(mission, writer, store_path):
    feeder = Feeder()
    source = StreamSource(feeder.stdin, feeder.stdout, mission)
    feeder.send(frame(1), frame(1, values={"eps.bat_v": 99.0}))
    feeder.end()
    await run(source, writer)
    assert confirmed(feeder.answers()) == [["A", 7, 1], ["A", 7, 1]]
    assert [row.values[0] for row in StoreReader(store_path).page().rows] == [1.0]


REFUSED = [
    (b"{nonsense", "not JSON"),
    (b"[1, 2]", "not a JSON object"),
    (b"[" * 100_000, "not JSON"),
    (frame(1, satellite="C"), "unknown satellite"),
    (frame(1, satellite=5), "unknown satellite"),
    (frame(1, packet="xy"), "unknown packet"),
    (frame(1, values={"eps.bat_x": 1}), "unknown channel"),
    (frame(1, packet="pld", values={"eps.bat_v": 1}), "unknown channel"),
    (frame(1, packet="hk", values=[1]), "wrong length"),
    (frame(1, values=[1, 2]), "no packet"),
    (frame(1, values={}), "no values"),
    (frame(1, values=None), "no values"),
    (frame(1, values={"eps.bat_v": "high"}), "not a number"),
    (frame(1, values={"eps.bat_v": True}), "not a number"),
    (frame(1, values={"eps.bat_v": [1]}), "not a number"),
    (frame(1, values={"obc.mode": "FLYING"}), "unknown label"),
    (frame(1, values={"eps.bat_v": 2**53 + 1}), "integer above 2^53"),
    (frame(1, values={"eps.bat_v": 10**30}), "integer above 2^53"),
    (frame(1, t=None), "no time"),
    (frame(1, t="tomorrow"), "no time"),
    (frame(1, t=1.5), "no time"),
    (frame(1, t=2**70), "no time"),
    (frame(-1), "seq is not a whole number"),
    (frame(1, boot="x"), "boot is not a whole number"),
    (frame(1, boot=2**32), "boot is not a whole number"),
    (frame(1, boot=None), "boot and seq come together"),
    (frame(1, stored="yes"), "stored is not true or false"),
    (b'{"t": 1, "values": "' + b"x" * (MOST_LINE_BYTES + 10) + b'"}', "line too long"),
]


async def test_every_refused_line_is_answered_and_counted_and_the_rest_goes_on(mission, writer, store_path):
    feeder = Feeder()
    source = StreamSource(feeder.stdin, feeder.stdout, mission)

    def send() -> None:
        for line, _ in REFUSED:
            feeder.send(line)
        feeder.send(frame(2))
        feeder.end()

    sender = threading.Thread(target=send)
    sender.start()
    await run(source, writer)
    sender.join()
    answers = feeder.answers()
    refused = [answer["refused"] for answer in answers if "refused" in answer]
    assert [one["reason"] for one in refused] == [reason for _, reason in REFUSED]
    assert [one["line"] for one in refused] == list(range(1, len(REFUSED) + 1))
    assert source.refused.total() == len(REFUSED)
    assert confirmed(answers) == [["A", 7, 2]]
    assert StoreReader(store_path).frames_accepted() == 1


async def test_hostile_text_in_a_refused_line_comes_back_plain(mission):
    frames = JsonFrames(mission, "A")
    with pytest.raises(Refusal) as refusal:
        frames.read(json.dumps(frame(1, satellite="\x1b[2J")).encode())
    with pytest.raises(Refusal) as other:
        frames.read(json.dumps(frame(1, values={"\x1b]52;c;x\x07": 1})).encode())
    for one in (refusal.value, other.value):
        assert "\x1b" not in one.detail + str(one.place)


async def test_frames_without_a_sequence_get_one_and_never_the_same_twice(mission, writer, store_path):
    clock = ManualClock(500 * S)
    for value in (1.0, 2.0):
        feeder = Feeder()
        source = StreamSource(feeder.stdin, feeder.stdout, mission, cursor=writer.cursor("stream"), clock=clock)
        feeder.send({"t": 1, "values": {"eps.bat_v": value}}, {"t": 2, "values": {"eps.bat_v": value + 10}})
        feeder.end()
        await run(source, writer)
        feeder.answers()
    rows = StoreReader(store_path).page().rows
    assert sorted((row.boot, row.seq, row.values[0]) for row in rows) == [
        (500, 0, 1.0),
        (500, 1, 11.0),
        (501, 0, 2.0),
        (501, 1, 12.0),
    ]
    assert {Quality(row.quality) for row in rows} == {Quality.NO_SEQUENCE}


async def test_a_sender_that_does_not_listen_is_made_to_wait(mission):
    feeder = Feeder()
    source = StreamSource(feeder.stdin, feeder.stdout, mission)
    sent = 0

    def send() -> None:
        nonlocal sent
        try:
            for _ in range(200_000):
                os.write(feeder.into, b"{nonsense nonsense\n" * 20)
                sent += 20
        except BrokenPipeError:
            pass

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    task = asyncio.create_task(collect(source))
    while source._output.unwritten <= 1 << 20:
        await asyncio.sleep(0.01)
    stalled = -1
    while stalled != sent:
        stalled = sent
        await asyncio.sleep(0.3)
    assert sent < 200_000 * 20
    os.close(feeder.out_of)
    await source.close()
    await asyncio.wait_for(task, 10)
    feeder.stdin.close()
    sender.join(10)


async def collect(source: StreamSource) -> list:
    return [batch async for batch in source]


async def test_closing_ends_the_source_while_the_sender_is_silent(mission):
    feeder = Feeder()
    source = StreamSource(feeder.stdin, feeder.stdout, mission)
    task = asyncio.create_task(collect(source))
    await asyncio.sleep(0)
    await source.close()
    assert await asyncio.wait_for(task, 5) == []


async def test_a_sender_that_went_away_without_reading_does_no_harm(mission, writer):
    feeder = Feeder()
    source = StreamSource(feeder.stdin, feeder.stdout, mission)
    os.close(feeder.out_of)
    feeder.send(frame(1), frame(2))
    feeder.end()
    await run(source, writer)
    assert writer.max_seq("A")[:2] == (7, 2)


async def test_a_regular_file_is_read_too(mission, writer, tmp_path):
    path = tmp_path / "frames.jsonl"
    path.write_text("\n".join(json.dumps(frame(seq)) for seq in range(2000)), encoding="utf-8")
    answers = tmp_path / "answers"
    with path.open("rb") as stdin, answers.open("wb") as stdout:
        await run(StreamSource(stdin, stdout, mission), writer)
    lines = [json.loads(line) for line in answers.read_text().splitlines()]
    assert [place[2] for place in confirmed(lines)] == list(range(2000))


def test_channels_without_a_packet_find_it(mission):
    frames = JsonFrames(mission, "A")

    def packet(**values: float) -> tuple[str, int]:
        named = {name.replace("__", "."): value for name, value in values.items()}
        layout = frames.read(json.dumps(frame(1, values=named)).encode()).layout
        return layout.packet, len(layout)

    assert packet(pld__dist_s=1) == ("pld", 1)
    assert packet(eps__bat_v=1, obc__mode=1) == ("hk", 2)
    assert packet(eps__bat_v=1, pld__dist_s=1) == ("hk", 2)


def test_the_number_of_layouts_is_limited(tmp_path):
    bus = Bus("big", tuple(Channel(f"a.c{i}", "c") for i in range(10)))
    frames = JsonFrames(Mission(tmp_path, (Satellite("A", "big"),), {"big": bus}), "A")
    with pytest.raises(Refusal, match="too many sets"):
        for mask in range(1, MOST_LAYOUTS + 2):
            values = {f"a.c{i}": 1 for i in range(10) if mask >> i & 1}
            frames.read(json.dumps(frame(1, values=values)).encode())


@given(st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")), max_size=8), st.data())
def test_lines_come_out_whole_however_they_are_cut(lines, data):
    raw = b"\n".join(lines)
    splitter = LineSplitter(8)
    found, start = [], 0
    while start < len(raw):
        size = data.draw(st.integers(1, 9))
        found += splitter.feed(raw[start : start + size])
        start += size
    found += splitter.end()
    wanted = [line if len(line) <= 8 else None for line in raw.split(b"\n")]
    assert found == (wanted[:-1] if wanted[-1] == b"" else wanted)
