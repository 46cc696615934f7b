"""Older stores become current ones after a copy; newer and foreign files are left alone."""

from __future__ import annotations

import gzip
from pathlib import Path

import apsw
import pytest

from telemetry.clock import ManualClock
from telemetry.store import schema
from telemetry.store.connection import open_reader, open_writer
from telemetry.store.errors import StoreRefused
from telemetry.store.reader import StoreReader
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter

STORES = Path(__file__).parent / "stores"


def raw(path: Path, *statements: str) -> None:
    connection = apsw.Connection(str(path))
    for statement in statements:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("packed", sorted(STORES.glob("*.db.gz")), ids=lambda path: path.stem)
def test_a_store_of_every_version_opens_and_goes_on(tmp_path, packed, batch, hk):
    path = tmp_path / "telemetry.db"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    writer = StoreWriter(path, ManualClock(0))
    reader = StoreReader(path)
    assert reader.frames_accepted() == 150
    assert reader.series("KESTREL-1", "eps.bat_v", 0, 2**62, 1).count.sum() == 149
    assert [event.kind for event in reader.journal()] == ["station.started"]
    assert reader.cursor("sim") == "c150"
    assert [row.decision for row in reader.runs()] == ["promoted"]
    assert writer.append([ScoredBatch(batch(hk, [149, 150]))], [], {}).duplicates == 1
    assert reader.integrity() == "ok"
    writer.close()


def test_there_is_a_store_of_the_present_version_for_those_who_come_later():
    assert (STORES / f"v{schema.SCHEMA_VERSION}.db.gz").exists()


def test_a_migration_copies_first_and_then_changes(tmp_path, writer, store_path, batch, hk):
    writer.append([ScoredBatch(batch(hk, [1, 2]))], [], {})
    writer.close()
    steps = {
        1: lambda db: db.run("ALTER TABLE frame ADD COLUMN colour TEXT"),
        2: lambda db: db.run("UPDATE frame SET colour = 'red'"),
    }
    connection = open_writer(store_path)
    copy = schema.migrate(connection, store_path, steps, target=3)
    assert connection.rows("SELECT colour FROM frame") == [("red",), ("red",)]
    assert schema.version(connection) == 3
    connection.close()
    assert copy == store_path.with_name("telemetry.db.before-v3")
    assert len(StoreReader(copy).page().rows) == 2
    with pytest.raises(StoreRefused, match="update cubesat-tui"):
        StoreReader(store_path)


def test_a_migration_that_fails_changes_nothing(writer, store_path, batch, hk):
    writer.append([ScoredBatch(batch(hk, [1, 2]))], [], {})
    writer.close()

    def second_half_fails(db):
        db.run("DELETE FROM frame")
        raise RuntimeError("half way")

    connection = open_writer(store_path)
    with pytest.raises(RuntimeError):
        schema.migrate(connection, store_path, {1: second_half_fails}, target=2)
    assert schema.version(connection) == 1
    connection.close()
    assert len(StoreReader(store_path).page().rows) == 2


def test_a_migration_with_a_missing_step_is_refused(writer, store_path):
    writer.close()
    connection = open_writer(store_path)
    with pytest.raises(StoreRefused, match="no way is known from schema 2"):
        schema.migrate(connection, store_path, {1: lambda db: None}, target=3)
    connection.close()


@pytest.mark.parametrize("open_store", [StoreReader, lambda path: StoreWriter(path, ManualClock(0))])
def test_a_newer_store_is_refused_in_one_sentence_and_untouched(writer, store_path, open_store):
    writer.close()
    raw(store_path, "PRAGMA user_version = 99")
    with pytest.raises(StoreRefused, match="schema 99, this program knows up to 1: update") as refusal:
        open_store(store_path)
    assert "\n" not in str(refusal.value)
    connection = open_reader(store_path)
    assert schema.version(connection) == 99
    connection.close()
    assert not list(store_path.parent.glob("*before*"))


@pytest.mark.parametrize("open_store", [StoreReader, lambda path: StoreWriter(path, ManualClock(0))])
def test_a_foreign_database_is_refused(store_path, open_store):
    raw(store_path, "CREATE TABLE songs(title)")
    with pytest.raises(StoreRefused, match="not a mission store"):
        open_store(store_path)


@pytest.mark.parametrize("open_store", [StoreReader, lambda path: StoreWriter(path, ManualClock(0))])
def test_a_file_that_is_no_database_is_refused(store_path, open_store):
    store_path.write_bytes(b"time,value\n" * 1000)
    with pytest.raises(StoreRefused, match="not a mission store"):
        open_store(store_path)
    assert store_path.read_bytes() == b"time,value\n" * 1000


def test_a_reader_does_not_migrate(writer, store_path):
    writer.close()
    raw(store_path, "PRAGMA user_version = 0")
    with pytest.raises(StoreRefused, match="start the station once"):
        StoreReader(store_path)
