"""The list of runs: whatever is stored while pages are read, it is the head of what the store would list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubesat_tui import run_list
from cubesat_tui.run_list import RunList
from telemetry.clock import ManualClock
from telemetry.run_query import SORTS, parse_runs
from telemetry.store.reader import StoreReader
from telemetry.store.rows import RunRow
from telemetry.store.writer import StoreWriter
from tests.cubesat_tui.fabricated import NOW, SATELLITE, S

figure = st.none() | st.sampled_from([0.1, 0.2, 0.3])
made = st.builds(
    lambda drift, fit_s, decision: {"drift": drift, "fit_s": fit_s, "decision": decision},
    figure,
    figure,
    st.sampled_from(["kept", "promoted", "rejected"]),
)
steps = st.lists(st.lists(made, max_size=4) | st.sampled_from(["older", "new", "named"]), max_size=14)


class Store:
    """A store that grows, and its reader."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0
        self.writer: StoreWriter
        self.reader: StoreReader

    def begin(self) -> None:
        self._number += 1
        path = self._path / f"{self._number}.db"
        self.writer = StoreWriter(path, ManualClock(NOW))
        self.writer._connection.pragma("synchronous", "off")
        self.reader = StoreReader(path)
        self.recorded = 0
        self.fitted = 0

    def end(self) -> None:
        self.reader.close()
        self.writer.close()

    def record(self, figures: dict[str, object]) -> None:
        self.recorded += 1
        number = self.recorded
        self.fitted = self.fitted if figures["fit_s"] is None else number
        self.writer.record_run(RunRow(retrain=number, at_ns=NOW + number * S, satellite=SATELLITE, **figures))

    def name(self) -> None:
        """MLflow has the newest run that was fitted: others it is never told of."""
        self.writer.name_mlflow_run(self.fitted, NOW + self.fitted * S, "abc")


@pytest.fixture(scope="module")
def store_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Store]:
    store = Store(tmp_path_factory.mktemp("lists"))
    return lambda: store


@given(steps, st.sampled_from(SORTS), st.sampled_from(["", "-kept", "drift>0.1"]))
def test_pages_and_news_make_the_head_of_the_store(
    store_of: Callable[[], Store], done: list[object], sort: str, text: str
):
    store = store_of()
    store.begin()
    try:
        query = parse_runs(text, sort)
        known = RunList(query, SATELLITE, None)
        known.append(store.reader.considered.page(query, SATELLITE, limit=2), 2)
        for step in [*done, "new"]:
            if step == "older":
                page = store.reader.considered.page(query, SATELLITE, after=known.behind, limit=3)
                known.append(page, 3)
            elif step == "new":
                known.merge(store.reader.considered.page(query, SATELLITE, above_id=known.above_id))
                whole = store.reader.considered.page(query, SATELLITE)
                assert known.rows == whole[: len(known.rows)]
                assert known.more or known.rows == whole
            elif step == "named":
                store.name()
            else:
                for figures in step:  # type: ignore[union-attr]
                    store.record(figures)
    finally:
        store.end()


def test_only_so_many_are_kept_and_the_list_says_that_there_are_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_list, "MOST", 4)
    known = RunList(parse_runs(""), SATELLITE, None)
    rows = [RunRow(id=i, retrain=i, at_ns=NOW + i * S, decision="kept") for i in range(1, 8)]
    known.append(rows[1:4][::-1], 10)
    assert (known.whole, known.full) == (True, False)
    assert known.merge(rows[4:])
    assert [run.id for run in known.rows] == [7, 6, 5, 4]
    assert (known.whole, known.full) == (False, True)


def test_a_run_named_in_mlflow_later_takes_the_place_of_itself():
    known = RunList(parse_runs(""), SATELLITE, None)
    rows = [RunRow(id=i, retrain=i, at_ns=NOW + i * S, decision="kept", fit_s=0.4) for i in range(1, 4)]
    named = [msgspec.structs.replace(run, mlflow_run="abc") for run in rows]
    known.append([named[2], rows[1], named[0]], 10)
    assert known.above_id == 1
    assert not known.merge(known.rows[:2])
    assert known.merge([named[2], named[1]])
    assert known.rows == named[::-1]
    assert known.above_id == 3
