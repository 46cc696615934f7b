"""Frames recorded on board and sent hours later: stored after younger ones, read in their place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from telemetry.clock import ManualClock, iso
from telemetry.dictionary import Bus, Channel, Mission, Satellite
from telemetry.frame import FrameBatch, Quality
from telemetry.query import parse
from telemetry.store.reader import StoreReader
from telemetry.store.rows import AppendResult, Key, ScoredBatch
from telemetry.store.writer import StoreWriter

S = 1_000_000_000
T0 = 1_790_000_000 * S
BUS = Bus(
    "3u",
    (Channel("eps.bat_v", "Battery voltage", "V", valid=(0, 1000)), Channel("thm.panel", "Panel", "degC")),
    packets=(("hk", ("eps.bat_v",)), ("thm", ("thm.panel",))),
)
MISSION = Mission(Path("/nowhere"), (Satellite("A", "3u"),), {"3u": BUS})
PASS, ORBIT, ORBITS = 600, 5400, 3


def value(second: int) -> float:
    return float("nan") if second % 97 == 0 else 500 + 400 * float(np.sin(second / 900)) + second % 7


def frames(packet: str, seconds: range, quality: Quality) -> FrameBatch:
    """One frame a second; seq counts both packets of the boot in order of generation."""
    t = np.array(list(seconds), dtype=np.int64)
    zeros = np.zeros(len(t), dtype=np.int64)
    sent = np.array([[value(second)] for second in seconds])
    received = zeros + T0 + (10 * ORBIT * S)
    seq = 2 * t + (packet == "thm")
    return FrameBatch(
        BUS.layouts[packet], ("A",), zeros, zeros + 1, seq, T0 + t * S, received, zeros + int(quality), sent
    )


class Downlinked:
    """Three orbits through a realistic link, and the same frames as plain rows (t, id, packet, value, quality).

    In each pass live frames come second by second; between them the recorder plays back the time since the last
    pass, newest stretch first.
    """

    def __init__(self, path: Path) -> None:
        self.rows: list[tuple[int, int, str, float, int]] = []
        self.results: list[AppendResult] = []
        writer = StoreWriter(path, ManualClock(T0))
        writer._connection.pragma("synchronous", "off")
        for orbit in range(ORBITS):
            begin = orbit * ORBIT
            playback = [range(s, s + 400) for s in range(begin - ORBIT + PASS, begin, 400)][::-1] if orbit else []
            playback = [range(r.start, min(r.stop, begin)) for r in playback]
            for start in range(begin, begin + PASS, 10):
                batches = [frames(packet, range(start, start + 10), Quality.NONE) for packet in ("hk", "thm")]
                if playback:
                    recorded = playback.pop(0)
                    batches += [frames(packet, recorded, Quality.STORED) for packet in ("hk", "thm")]
                self.append(writer, batches)
            assert not playback
        writer.close()
        self.path = path

    def append(self, writer: StoreWriter, batches: list[FrameBatch]) -> None:
        for batch in batches:
            for i in range(len(batch)):
                row = int(batch.t_ns[i]), len(self.rows) + 1, batch.layout.packet
                self.rows.append((*row, float(batch.values[i, 0]), int(batch.quality[i])))
        self.results.append(writer.append([ScoredBatch(batch) for batch in batches], [], {}))


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Downlinked:
    return Downlinked(tmp_path_factory.mktemp("recorded") / "telemetry.db")


@pytest.fixture
def reader(link: Downlinked) -> StoreReader:
    return StoreReader(link.path)


def test_all_are_stored_none_is_called_late_or_twice_seen(link: Downlinked, reader: StoreReader) -> None:
    assert sum(result.accepted for result in link.results) == len(link.rows) == reader.frames_accepted()
    assert sum(result.late + result.duplicates for result in link.results) == 0
    # Live frames that come after a dump with lower numbers of the same packet are not late either.
    qualities = {int(q) for chunk in reader.rows_from() for q in chunk.quality}
    assert qualities == {0, int(Quality.STORED)}


def test_a_dump_that_comes_twice_is_stored_once(link: Downlinked, tmp_path: Path) -> None:
    again = tmp_path / "again.db"
    reader = StoreReader(link.path)
    reader.backup(again)
    writer = StoreWriter(again, ManualClock(T0))
    result = writer.append([ScoredBatch(frames("hk", range(PASS + 100, PASS + 900), Quality.STORED))], [], {})
    writer.close()
    assert (result.accepted, result.duplicates) == (0, 800)


def test_pages_and_selections_lie_in_order_of_generation_time(link: Downlinked, reader: StoreReader) -> None:
    wanted = [Key(t, number) for t, number, *_ in sorted(link.rows)]
    walked: list[Key] = []
    before = None
    while True:
        page = reader.page(before=before, limit=1500)
        walked += [row.key for row in page.rows]
        if not page.more:
            break
        before = page.rows[-1].key
    assert walked == wanted[::-1]
    chunks = list(reader.rows_from(chunk=2000))
    assert [Key(t, i) for chunk in chunks for t, i in zip(chunk.t_ns, chunk.id, strict=True)] == wanted


@pytest.mark.parametrize(
    "text",
    [
        "eps.bat_v > 880",
        "thm.panel < 120 and quality has stored",
        "eps.bat_v > 850 and not quality has stored",
        f"time >= {iso(T0 + 4000 * S)} and time <= {iso(T0 + 6100 * S)}",
        f"eps.bat_v > 700 and time >= {iso(T0 + 5000 * S)} and time < {iso(T0 + 5700 * S)}",
        "quality has stored and thm.panel > 10000",
    ],
)
def test_filters_find_recorded_rows_in_their_place(link: Downlinked, reader: StoreReader, text: str) -> None:
    def matches(t: int, packet: str, sent: float, quality: int) -> bool:
        second, stored = (t - T0) // S, bool(quality & Quality.STORED)
        return {
            "eps.bat_v > 880": packet == "hk" and sent > 880,
            "thm.panel < 120 and quality has stored": packet == "thm" and sent < 120 and stored,
            "eps.bat_v > 850 and not quality has stored": packet == "hk" and sent > 850 and not stored,
            "quality has stored and thm.panel > 10000": False,
        }.get(
            text,
            (4000 <= second <= 6100)
            if text.startswith("time")
            else packet == "hk" and sent > 700 and 5000 <= second < 5700,
        )

    wanted = [number for t, number, packet, sent, quality in sorted(link.rows) if matches(t, packet, sent, quality)]
    query = parse(text, MISSION)
    found = [int(i) for chunk in reader.rows_from(query) for i in chunk.id]
    assert found == wanted
    assert [row.id for row in reader.page(query, limit=70).rows] == wanted[::-1][:70]


@pytest.mark.parametrize(
    ("t0", "t1", "bins"), [(0, 11_400, 57), (500, 5500, 40), (5300, 6100, 8), (-900, 20_000, 3)]
)
@pytest.mark.parametrize(("channel", "packet"), [("eps.bat_v", "hk"), ("thm.panel", "thm")])
def test_a_plot_shows_recorded_values_where_they_belong(
    link: Downlinked, reader: StoreReader, t0: int, t1: int, bins: int, channel: str, packet: str
) -> None:
    found = reader.series("A", channel, T0 + t0 * S, T0 + t1 * S, bins)
    for i, begin in enumerate(found.t_ns.tolist()):
        inside = sorted(
            (t, sent)
            for t, _, kind, sent, _ in link.rows
            if kind == packet and begin <= t < begin + found.bin_ns and not np.isnan(sent)
        )
        assert found.count[i] == len(inside)
        if inside:
            values = [sent for _, sent in inside]
            assert (found.low[i], found.high[i], found.last[i]) == (min(values), max(values), values[-1])


def test_live_stays_what_was_sent_live(link: Downlinked, reader: StoreReader) -> None:
    newest = (ORBITS - 1) * ORBIT + PASS - 1
    for packet, frame in reader.newest("A").items():
        assert frame.t_ns == T0 + newest * S
        tail = reader.tail("A", packet, PASS + 50)
        assert tail is not None
        # Before the first live second of the pass stand the rows that were played back.
        assert np.diff(tail.t_ns).tolist() == [S] * (PASS + 49)
        assert [bool(q & Quality.STORED) for q in tail.quality] == [True] * 50 + [False] * PASS


def test_a_reader_of_what_was_stored_since_gets_the_dump(link: Downlinked, reader: StoreReader) -> None:
    for first in (0, 1000, 7000, len(link.rows)):
        parts = list(reader.judged_after("A", first))
        ids = sorted(int(i) for part in parts for i in part.ids)
        assert ids == list(range(first + 1, len(link.rows) + 1))
    between = list(reader.judged_between("A", T0 + 3000 * S, T0 + 5500 * S))
    wanted = {number for t, number, *_ in link.rows if 3000 * S <= t - T0 <= 5500 * S}
    assert {int(i) for part in between for i in part.ids} == wanted
