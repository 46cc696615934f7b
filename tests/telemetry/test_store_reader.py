"""Reading a store: pages, plots and selections equal what a slow and simple reading of all frames gives."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.alarms import Event
from telemetry.clock import ManualClock
from telemetry.dictionary import Bus, Channel, Mission, Satellite
from telemetry.frame import Column, FrameBatch, Layout, Quality
from telemetry.query import FilterColumns, parse
from telemetry.store import blocks, sieve, stretches, tracks
from telemetry.store import series as series_module
from telemetry.store import writer as writer_module
from telemetry.store.errors import StoreRefused
from telemetry.store.reader import StoreReader
from telemetry.store.rows import Key, ScoreColumns, ScoredBatch
from telemetry.store.validity import invalid_rule
from telemetry.store.writer import StoreWriter

S = 1_000_000_000
T0 = 1_790_000_000 * S
CHANNELS = (
    Channel("eps.bat_v", "Battery voltage", "V", valid=(-1000, 1000), sentinels=(-99.0,)),
    Channel("obc.mode", "Mode", enum=((1, "SAFE"), (3, "NOMINAL"))),
    Channel("pld.dist_s", "Distance S", "cm"),
)
BUS = Bus("3u", CHANNELS, packets=(("hk", ("eps.bat_v", "obc.mode")), ("pld", ("pld.dist_s",))))


@pytest.fixture
def mission(tmp_path) -> Mission:
    return Mission(tmp_path, (Satellite("A", "3u"), Satellite("B", "3u")), {"3u": BUS})


def random_frames(seed: int, n: int, disorder: float) -> list[tuple]:
    """(satellite, packet, t, value, mode, stored, state): two a time unit, some of them out of order."""
    draw = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        t = int(draw.integers(0, n // 2 + 1)) if draw.random() < disorder else i // 2
        value = float(draw.choice([np.nan, -99.0, 5000.0])) if draw.random() < 0.1 else float(draw.integers(-5, 6))
        state = [None, 0, 0, 0, 1, 2][int(draw.integers(6))]
        satellite = "AB"[int(draw.random() < 0.2)]
        packet = ["hk", "pld"][int(draw.random() < 0.3)]
        rows.append((satellite, packet, t, value, float(draw.choice([1.0, 3.0, 2.0])), draw.random() < 0.1, state))
    return rows


class Stored:
    """A store of random frames, and the same frames as plain rows (t, id, satellite, packet, value, ...)."""

    def __init__(self, path, rows, cuts, restart, rule):
        self.rows = []
        writer = opened(path, rule)
        start = 0
        for cut in [*sorted(cuts), len(rows)]:
            part, start = rows[start:cut], max(start, cut)
            batches = []
            for packet in ("hk", "pld"):
                # Ids follow the order in which frames are handed over: packet by packet in each append.
                run = []
                for satellite, kind, t, value, mode, stored, state in part:
                    if kind == packet:
                        run.append((t, len(self.rows) + 1, satellite, packet, value, mode, stored, state))
                        self.rows.append(run[-1])
                if run:
                    batches.append(scored(packet, run))
            writer.append(batches, [], {})
            if restart:
                writer.close()
                writer = opened(path, rule)
        writer.close()
        self.reader = StoreReader(path, rule)


def opened(path, rule) -> StoreWriter:
    writer = StoreWriter(path, ManualClock(0), rule)
    writer._connection.pragma("synchronous", "off")
    return writer


def scored(packet, rows):
    layout = BUS.layouts[packet]
    n = len(rows)
    seq = np.array([row[1] for row in rows])
    t = np.array([row[0] for row in rows])
    quality = np.array([int(Quality.STORED) if row[6] else 0 for row in rows])
    sent = [[row[4], row[5]] if packet == "hk" else [row[4]] for row in rows]
    satellite = np.array([int(row[2] == "B") for row in rows])
    batch = FrameBatch(layout, ("A", "B"), satellite, np.zeros(n, int), seq, t, t, quality, np.array(sent))
    model = np.array([0 if row[7] is None else 1 for row in rows])
    state = np.array([row[7] or 0 for row in rows])
    columns = ScoreColumns(model, seq / 100, seq / 200, state, np.zeros((n, 3), np.float32))
    return ScoredBatch(batch, columns)


def stores(function):
    rows = st.builds(random_frames, st.integers(0, 2**32), st.integers(0, 300), st.sampled_from([0.0, 0.02, 0.3]))
    return given(rows, st.lists(st.integers(0, 300), max_size=4), st.booleans(), st.data())(function)


@settings(max_examples=30)
@stores
def test_a_series_keeps_every_extreme_the_last_value_and_the_count(
    fast_folder, small_blocks_once, mission_once, rows, cuts, restart, data
):
    rule = invalid_rule(mission_once)
    store = Stored(fast_folder / f"{uuid.uuid4().hex}.db", rows, cuts, restart, rule)
    for _ in range(6):
        t0 = data.draw(st.integers(-5, 150))
        t1 = data.draw(st.integers(t0 + 1, 160))
        bins = data.draw(st.integers(1, 12))
        channel, packet, column = data.draw(
            st.sampled_from([("eps.bat_v", "hk", 4), ("obc.mode", "hk", 5), ("pld.dist_s", "pld", 4)])
        )
        found = store.reader.series("A", channel, t0, t1, bins)
        width = found.bin_ns
        assert found.t_ns[0] <= t0 < found.t_ns[0] + width
        assert found.t_ns[-1] <= t1 - 1 < found.t_ns[-1] + width
        assert len(found.t_ns) <= bins + 1
        definition = BUS.by_name[channel]
        for i, begin in enumerate(found.t_ns.tolist()):
            inside = [
                (row[0], row[1], row[column])
                for row in store.rows
                if row[2] == "A"
                and row[3] == packet
                and begin <= row[0] < begin + width
                and valid(definition, row[column])
            ]
            assert found.count[i] == len(inside)
            if inside:
                assert found.low[i] == min(value for _, _, value in inside)
                assert found.high[i] == max(value for _, _, value in inside)
                newest = max(t for t, _, _ in inside)
                assert found.last[i] in {value for t, _, value in inside if t == newest}
            else:
                assert np.isnan(found.low[i])
    store.reader.close()


def valid(channel: Channel, value: float) -> bool:
    if np.isnan(value) or value in channel.sentinels or (channel.enum and value not in channel.labels):
        return False
    return channel.valid is None or channel.valid[0] <= value <= channel.valid[1]


QUERIES = [
    "",
    "eps.bat_v > 3",
    "not eps.bat_v > 3",
    "eps.bat_v != 2",
    "obc.mode = SAFE and eps.bat_v < 0",
    "pld.dist_s >= 4 or obc.mode = NOMINAL",
    "anomaly",
    "state = anomaly",
    "anomaly and eps.bat_v > 0",
    "not anomaly",
    "score > 0.3",
    "quality has stored",
    "satellite = B and eps.bat_v = 1",
    "satellite != B",
    "time >= 1970-01-01T00:00:00.000000020Z and pld.dist_s < 2",
    "eps.bat_v > 4000",
    "eps.bat_v > 3 or quality has stored",
    "eps.bat_v < 0 or time < 1970-01-01T00:00:00.000000030Z",
    "pld.dist_s > 2 or score > 0.5 and not satellite = A",
    "score > 0.3 and quality has stored and eps.bat_v > -2",
    "not (anomaly and eps.bat_v > 0)",
]


def expected(store, mission, query):
    rows = sorted(store.rows)
    if query is None:
        return rows
    columns = FilterColumns(
        satellites=("A", "B"),
        satellite=np.array([int(row[2] == "B") for row in rows], dtype=np.int64),
        t_ns=np.array([row[0] for row in rows], dtype=np.int64),
        quality=np.array([int(row[6]) for row in rows], dtype=np.int64),
        state=np.array([-1 if row[7] is None else row[7] for row in rows], dtype=np.int64),
        score=np.array([np.nan if row[7] is None else row[1] / 100 for row in rows]),
        values={
            "eps.bat_v": np.array([row[4] if row[3] == "hk" else np.nan for row in rows]),
            "obc.mode": np.array([row[5] if row[3] == "hk" else np.nan for row in rows]),
            "pld.dist_s": np.array([row[4] if row[3] == "pld" else np.nan for row in rows]),
        },
    )
    return [row for row, keep in zip(rows, query.mask(columns), strict=True) if keep]


@settings(max_examples=30)
@stores
def test_pages_and_selections_hold_exactly_the_rows_of_the_filter_in_order(
    fast_folder, small_blocks_once, mission_once, rows, cuts, restart, data
):
    store = Stored(fast_folder / f"{uuid.uuid4().hex}.db", rows, cuts, restart, invalid_rule(mission_once))
    for text in data.draw(st.lists(st.sampled_from(QUERIES), min_size=2, max_size=4)):
        query = parse(text, mission_once, 0)
        wanted = [Key(row[0], row[1]) for row in expected(store, mission_once, query)]
        limit = data.draw(st.integers(max(1, len(wanted) // 8), 60))
        assert walk_down(store.reader, query, limit) == wanted[::-1]
        assert walk_up(store.reader, query, limit) == wanted
        chunks = list(store.reader.rows_from(query, chunk=limit))
        assert [Key(t, i) for chunk in chunks for t, i in zip(chunk.t_ns, chunk.id, strict=True)] == wanted
        assert sum(len(chunk) for chunk in store.reader.rows_from(query, limit=limit)) == min(limit, len(wanted))
    store.reader.close()


def walk_down(reader, query, limit):
    keys, before, more = [], None, True
    while more:
        page = reader.page(query, before=before, limit=limit)
        assert len(page.rows) <= limit
        keys += [row.key for row in page.rows]
        before, more = (page.rows[-1].key if page.rows else None), page.more
    return keys


def walk_up(reader, query, limit):
    keys, after, more = [], Key(-1000, 0), True
    while more:
        page = reader.page(query, after=after, limit=limit)
        keys += [row.key for row in reversed(page.rows)]
        after, more = (page.rows[0].key if page.rows else after), page.more
    return keys


@pytest.fixture(scope="module")
def mission_once(tmp_path_factory) -> Mission:
    return Mission(tmp_path_factory.mktemp("m"), (Satellite("A", "3u"), Satellite("B", "3u")), {"3u": BUS})


@pytest.fixture(scope="module")
def fast_folder() -> Iterator[Path]:
    """In memory where the system has such a place; many stores are made here and each waits for the disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def small_blocks_once():
    """Blocks of 4 and 16 frames, so that small examples have blocks of both kinds and frames outside them."""
    patch = pytest.MonkeyPatch()
    for module in (blocks, tracks, writer_module, stretches, series_module):
        patch.setattr(module, "FINE", 4)
        patch.setattr(module, "COARSE", 16)
    patch.setattr(tracks, "_PER_COARSE", 4)
    yield
    patch.undo()


def test_a_filter_that_blocks_exclude_reads_almost_nothing(writer, store_path, mission, monkeypatch):
    n = 20_000
    layout = BUS.layouts["pld"]
    zeros, seqs = np.zeros(n, dtype=np.int64), np.arange(n)
    sent = np.full((n, 1), 50.0)
    sent[7_000] = 80.0
    writer.append([ScoredBatch(FrameBatch(layout, ("A",), zeros, zeros, seqs, seqs, seqs, zeros, sent))], [], {})
    reader = StoreReader(store_path)
    looked_at = []
    read = sieve.Sieve._read

    def counted(self, satellite, span):
        rows = read(self, satellite, span)
        looked_at.append(rows.integers.shape[1])
        return rows

    monkeypatch.setattr(sieve.Sieve, "_read", counted)
    page = reader.page(parse("pld.dist_s > 70", mission))
    assert [row.seq for row in page.rows] == [7_000]
    assert 0 < sum(looked_at) < 300


def test_a_filter_finds_nothing_where_nothing_was_ever_stored(writer, store_path, mission):
    reader = StoreReader(store_path)
    for text in QUERIES:
        assert reader.page(parse(text, mission, 0)).rows == []
        assert list(reader.rows_from(parse(text, mission, 0))) == []


def test_newest_never_shows_a_stored_frame_as_live(writer, store_path, batch, hk, pld):
    writer.append(
        [ScoredBatch(batch(hk, [1, 2])), ScoredBatch(batch(pld, [3], quality=int(Quality.STORED)))], [], {}
    )
    writer.append([ScoredBatch(batch(hk, [9], quality=int(Quality.STORED)))], [], {})
    writer.append([ScoredBatch(batch(hk, [0]))], [], {})
    reader = StoreReader(store_path)
    assert {packet: frame.seq for packet, frame in reader.newest("KESTREL-1").items()} == {"hk": 2}
    assert {packet: frame.seq for packet, frame in reader.newest_any("KESTREL-1").items()} == {"hk": 9, "pld": 3}
    assert reader.newest("nobody") == {}


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("together", [False, True])
def test_newest_follows_the_numbers_when_the_clock_on_board_jumps_and_jumps_back(
    store_path, batch, hk, together, reopened
):
    hour = 3600 * S
    parts = [
        batch(hk, [1, 2]),
        batch(hk, [3, 4], t_ns=[T0 + 3 * S + hour, T0 + 4 * S + hour]),
        batch(hk, [5, 6]),
    ]
    writer = StoreWriter(store_path, ManualClock(T0))
    seen = []
    if together:
        parts = [FrameBatch.of([frame for part in parts for frame in part])]
    for part in parts:
        if reopened:
            writer.close()
            writer = StoreWriter(store_path, ManualClock(T0))
        writer.append([ScoredBatch(part)], [], {})
        reader = StoreReader(store_path)
        frame, heard = reader.newest("KESTREL-1")["hk"], reader.heard()["KESTREL-1"]
        assert heard == (frame.t_ns, frame.received_ns)
        seen.append((frame.seq, frame.t_ns - T0))
        reader.close()
    writer.close()
    assert seen == ([] if together else [(2, 2 * S), (4, 4 * S + hour)]) + [(6, 6 * S)]


def test_newest_of_frames_without_numbers_goes_by_time(writer, store_path, batch, hk):
    unnumbered = int(Quality.NO_SEQUENCE)
    writer.append([ScoredBatch(batch(hk, [1, 2, 3], t_ns=[T0, T0 + 9 * S, T0 + S], quality=unnumbered))], [], {})
    writer.append([ScoredBatch(batch(hk, [4], t_ns=[T0 + 2 * S], quality=unnumbered))], [], {})
    reader = StoreReader(store_path)
    assert reader.newest("KESTREL-1")["hk"].seq == 2


def test_a_tail_is_oldest_first_and_of_one_packet(writer, store_path, batch, hk, pld):
    writer.append([ScoredBatch(batch(hk, range(100))), ScoredBatch(batch(pld, range(100, 120)))], [], {})
    reader = StoreReader(store_path)
    tail = reader.tail("KESTREL-1", "hk", 3)
    assert tail.seq.tolist() == [97, 98, 99]
    assert tail.values[:, 0].tolist() == [97.0, 98.0, 99.0]
    assert reader.tail("KESTREL-1", "thm", 3) is None
    assert reader.tail("nobody", "hk", 3) is None


def test_a_window_gives_rows_as_sent_and_the_newest_where_there_are_too_many(writer, store_path, batch, hk, pld):
    writer.append([ScoredBatch(batch(hk, [1, 2, 3], values=[[-99, 1], [5, 1], [6, 1]]))], [], {})
    writer.append([ScoredBatch(batch(pld, [4]))], [], {})
    reader = StoreReader(store_path)
    t, values_, ids = reader.window("KESTREL-1", ["eps.bat_v"], 0, 2**62)
    assert (values_[:, 0].tolist(), ids.tolist()) == ([-99.0, 5.0, 6.0], [1, 2, 3])
    assert (np.diff(t) > 0).all()
    _, values_, ids = reader.window("KESTREL-1", ["eps.bat_v", "pld.dist_s"], 0, 2**62, max_rows=2)
    assert ids.tolist() == [3, 4]
    assert np.isnan(values_[0, 1])
    assert np.isnan(values_[1, 0])
    assert len(reader.window("KESTREL-1", ["no.such"], 0, 2**62)[0]) == 0


def test_a_selection_tells_not_sent_from_invalid(writer, store_path, mission, batch):
    hk, pld = BUS.layouts["hk"], BUS.layouts["pld"]
    sent = [[-99.0, 1.0], [np.nan, 3.0]]
    writer.append([ScoredBatch(batch(hk, [1, 2], satellite="A", values=sent))], [], {})
    writer.append([ScoredBatch(batch(pld, [3], satellite="B"))], [], {})
    (chunk,) = StoreReader(store_path, invalid_rule(mission)).rows_from()
    assert chunk.channels == ("eps.bat_v", "obc.mode", "pld.dist_s")
    assert chunk.sent.tolist() == [[True, True, False], [True, True, False], [False, False, True]]
    assert chunk.invalid.tolist() == [[True, False, False], [True, False, False], [False] * 3]
    assert [chunk.satellites[i] for i in chunk.satellite] == ["A", "A", "B"]
    assert [chunk.layouts[i].packet for i in chunk.layout] == ["hk", "hk", "pld"]
    assert chunk.values[0, 0] == -99.0


def test_a_selection_ends_although_frames_keep_coming(writer, store_path, batch, hk):
    writer.append([ScoredBatch(batch(hk, range(100)))], [], {})
    seen = 0
    for step, chunk in enumerate(StoreReader(store_path).rows_from(chunk=10)):
        seen += len(chunk)
        writer.append([ScoredBatch(batch(hk, [1000 + step]))], [], {})
    assert seen == 100


def test_the_journal_is_read_onwards_and_backwards(writer, store_path):
    for severity in (0, 2, 4, 0):
        writer.append([], [Event(at_ns=severity, satellite="A", kind=f"k.{severity}", severity=severity)], {})
    reader = StoreReader(store_path)
    assert [event.id for event in reader.journal(after_id=2)] == [3, 4]
    assert [event.id for event in reader.journal_page(min_severity=2)] == [3, 2]
    assert [event.id for event in reader.journal_page(before_id=3, limit=1)] == [2]
    assert [event.id for event in reader.journal_page(kind="k.4")] == [3]
    assert [event.id for event in reader.journal_page(without="k.0")] == [3, 2]


def test_gaps_come_from_the_journal(writer, store_path):
    def gap(t0: int, t1: int) -> Event:
        return Event(at_ns=t1, satellite="A", kind="gap.found", body={"t0_ns": t0, "t1_ns": t1})

    writer.append([], [gap(100, 200), gap(5, 10)], {})
    reader = StoreReader(store_path)
    assert reader.gaps("A", 0, 1000) == [(5, 10), (100, 200)]
    assert reader.gaps("A", 150, 160) == [(100, 200)]
    assert reader.gaps("A", 200, 300) == []
    assert reader.gaps("B", 0, 1000) == []


def test_counts_need_no_counting(writer, store_path, batch, hk):
    writer.append([ScoredBatch(batch(hk, range(70)))], [], {})
    reader = StoreReader(store_path)
    assert reader.frames_accepted() == 70
    assert reader.store_bytes() >= 4096


def test_wrong_questions_are_refused(writer, store_path):
    reader = StoreReader(store_path)
    with pytest.raises(ValueError, match="not both"):
        reader.page(before=Key(1, 1), after=Key(1, 1))
    with pytest.raises(ValueError, match="at least one row"):
        reader.page(limit=0)
    with pytest.raises(ValueError, match="t1_ns must be after"):
        reader.series("A", "eps.bat_v", 5, 5, 10)
    with pytest.raises(StoreRefused, match="no store here"):
        StoreReader(store_path.with_name("absent.db"))


def test_a_backup_is_whole_and_never_overwrites(writer, store_path, batch, hk):
    writer.append([ScoredBatch(batch(hk, range(70)))], [], {})
    reader = StoreReader(store_path)
    copy = store_path.with_name("copy.db")
    reader.backup(copy)
    assert len(StoreReader(copy).page(limit=100).rows) == 70
    with pytest.raises(Exception, match="never overwrites"):
        reader.backup(copy)


def test_a_layout_without_columns_is_stored_and_read(writer, store_path, batch):
    writer.append([ScoredBatch(batch(Layout("beacon", ()), range(130), values=[[]] * 130))], [], {})
    reader = StoreReader(store_path)
    assert len(reader.page(limit=200).rows) == 130
    assert reader.newest("KESTREL-1")["beacon"].values.shape == (0,)


def test_layouts_with_equal_packets_are_kept_apart(writer, store_path, batch, hk):
    changed = Layout("hk", (*hk.columns, Column("eps.bat_i", "A")))
    writer.append([ScoredBatch(batch(hk, [1])), ScoredBatch(batch(changed, [2]))], [], {})
    reader = StoreReader(store_path)
    assert len(reader.layouts()) == 2
    assert len(reader.newest("KESTREL-1")["hk"].layout) == 3
