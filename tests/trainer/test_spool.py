"""What waits for MLflow: in order, whatever crashes, for so many days, with the files of its models."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.tracking import spool as module
from trainer.tracking.spool import DAY_NS, ActEntry, AuditEntry, Spool


def entry(number: int, place: Path | None = None, decision: str = "promoted", at_ns: int = 0) -> AuditEntry:
    return AuditEntry(
        retrain_id=f"{number}-{number}-abc",
        satellite="SAT",
        name=f"retrain {number}",
        started_ns=at_ns,
        ended_ns=at_ns,
        params={"seed": str(number)},
        metrics={"rows": 1.0},
        tags={"cubesat.decision": decision},
        step=number,
        version=None if place is None else number,
        place=None if place is None else str(place),
    )


ACT = ActEntry(
    journal=7, at_ns=0, satellite="SAT", kind="model.held", version=3, actor="kim", text="kim holds promotion"
)


def model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "scorer.npz").write_bytes(b"arrays")
    digest = hashlib.sha256(b"arrays").hexdigest()
    (folder / "manifest.json").write_bytes(msgspec.json.encode({"sha256": digest}))
    return folder


def ids(spool: Spool) -> list[str]:
    return [one.id for one in spool.waiting()]


def test_runs_and_acts_wait_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.jsonl")
    for one in (entry(1), ACT, entry(2)):
        spool.put(one)
    assert ids(Spool(tmp_path / "spool.jsonl")) == ["1-1-abc", "journal-7", "2-2-abc"]
    assert Spool(tmp_path / "spool.jsonl").waiting()[1] == ACT


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["put", "begin", "done", "again"]), max_size=30), st.data())
def test_a_spool_that_is_read_again_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, acts: list[str], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("spool") / "spool.jsonl"
    spool, number, begun = Spool(path), 0, set[str]()
    expected: list[str] = []
    for act in acts:
        if act == "put":
            number += 1
            spool.put(entry(number))
            expected.append(f"{number}-{number}-abc")
        elif act == "again":
            spool = Spool(path)
        elif expected:
            chosen = data.draw(st.sampled_from(spool.waiting()))
            if act == "begin":
                assert spool.begin(chosen) == (chosen.id in begun)
                begun.add(chosen.id)
            else:
                spool.done(chosen)
                expected.remove(chosen.id)
        assert ids(spool) == expected
    assert ids(Spool(path)) == expected


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_line_that_a_crash_cut_costs_that_line_only(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "spool.jsonl"
    spool = Spool(path)
    spool.put(entry(1))
    whole = path.read_bytes()
    spool.put(entry(2))
    path.write_bytes(whole + path.read_bytes()[len(whole) :][:-cut])
    again = Spool(path)
    again.put(entry(3))
    # Without its newline the line is whole.
    assert ids(Spool(path)) == (["1-1-abc", "2-2-abc"] if cut == 1 else ["1-1-abc"]) + ["3-3-abc"]


def test_the_file_does_not_grow_with_what_went_through_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "spool.jsonl"
    spool = Spool(path)
    for number in range(20):
        spool.put(entry(number))
        spool.begin(entry(number))
        spool.done(entry(number))
    assert path.read_bytes() == b""
    monkeypatch.setattr(module, "COMPACT_AFTER", 5)
    spool.put(entry(100))
    spool.begin(entry(100))
    for number in range(200, 300):
        spool.put(entry(number))
        spool.done(entry(number))
    assert len(path.read_bytes().splitlines()) < 20
    assert Spool(path).begin(entry(100)), "that it was begun is remembered"


def test_the_files_of_a_model_outlast_its_being_pruned(tmp_path: Path) -> None:
    place = model(tmp_path / "models" / "v1")
    spool = Spool(tmp_path / "spool.jsonl")
    spool.put(entry(1, place))
    for file in place.iterdir():
        file.unlink()
    place.rmdir()
    kept = spool.waiting()[0]
    assert isinstance(kept, AuditEntry)
    assert kept.place is not None
    assert (Path(kept.place) / "scorer.npz").read_bytes() == b"arrays"
    spool.done(kept)
    assert not Path(kept.place).exists()


def test_what_waits_too_long_is_given_up_and_files_of_what_never_served_before_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.jsonl")
    held, served = model(tmp_path / "v2"), model(tmp_path / "v3")
    for one in (
        entry(1, at_ns=0),
        entry(2, held, "kept", at_ns=5 * DAY_NS),
        entry(3, served, at_ns=5 * DAY_NS),
        entry(4, at_ns=9 * DAY_NS),
    ):
        spool.put(one)
    assert spool.bound(12 * DAY_NS, days=10) == 1
    assert ids(spool) == ["2-2-abc", "3-3-abc", "4-4-abc"]
    there = [Path(str(one.place)).exists() for one in spool.waiting() if isinstance(one, AuditEntry) and one.place]
    assert there == [False, True]


def test_a_figure_that_is_no_number_costs_that_figure_only(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.jsonl")
    spool.put(
        msgspec.structs.replace(entry(1), metrics={"rows": 2.0, "recall": float("nan"), "rate": float("inf")})
    )
    (read,) = Spool(tmp_path / "spool.jsonl").waiting()
    assert isinstance(read, AuditEntry)
    assert read.metrics == {"rows": 2.0}


def test_what_was_set_aside_can_be_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.jsonl")
    spool.put(entry(1))
    spool.set_aside(entry(1), "a parameter is too long")
    assert ids(spool) == []
    kept = msgspec.json.decode((tmp_path / "mlflow-refused.jsonl").read_bytes())
    assert (kept["why"], kept["entry"]["retrain_id"]) == ("a parameter is too long", "1-1-abc")


def test_a_full_disk_is_told_and_the_entry_is_not_thought_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool.jsonl")
    spool.put(entry(1))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trainer.tracking.spool.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        spool.put(entry(2))
    assert ids(spool) == ["1-1-abc"]
