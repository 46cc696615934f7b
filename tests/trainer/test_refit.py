"""The fitted scikit-learn forest of a run once more: equal to what serves, or refused in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import joblib
import msgspec
import numpy as np
import pytest

from telemetry.clock import ManualClock, SystemClock
from telemetry.dictionary import DetectorConfig, Mission
from telemetry.frame import FrameBatch
from telemetry.store.directory import MissionDirectory
from telemetry.store.reader import StoreReader
from telemetry.store.rows import RunRow, ScoredBatch
from telemetry.store.writer import StoreWriter
from trainer.fitting import arrays_of, compress
from trainer.loop import Trainer
from trainer.refit import NoRun, RefitRefused, Regrown, find_run, regrow
from trainer.served import Scorer

Make = Callable[..., list[FrameBatch]]
ROOT = Path(__file__).resolve().parents[2]
SIX = 7200
MLFLOW_RUN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def directory(tmp_path: Path) -> MissionDirectory:
    made = MissionDirectory(tmp_path / "mission")
    made.create()
    return made


@contextmanager
def writing(directory: MissionDirectory) -> Iterator[StoreWriter]:
    writer = StoreWriter(directory.telemetry, SystemClock())
    try:
        yield writer
    finally:
        writer.close()


def train(
    directory: MissionDirectory, mission: Mission, make_packets: Make, kind: str, flights: tuple[int, ...]
) -> list[RunRow]:
    """What a trainer records after each flight, with the runs in the store as a station writes them."""
    mission = msgspec.structs.replace(mission, detector=DetectorConfig(kind=kind))
    flown, runs, trainer = 0, list[RunRow](), None
    for rows in flights:
        with writing(directory) as writer:
            writer.append([ScoredBatch(batch) for batch in make_packets(flown, rows)], [], {})
        flown += rows
        trainer = trainer or Trainer(directory, mission, ManualClock(), lambda _: None)
        decided = False
        while not decided:
            cycle = trainer.cycle().runs
            decided = any(run.fit_s is not None for run in cycle)
            runs += cycle
    assert trainer is not None
    trainer.close()
    with writing(directory) as writer:
        for run in runs:
            writer.record_run(run, [], None)
    return runs


def again(directory: MissionDirectory, mission: Mission, run: str) -> Regrown:
    reader = StoreReader(directory.telemetry)
    try:
        return regrow(reader, directory, mission, find_run(reader, run))
    finally:
        reader.close()


def test_the_forest_of_a_run_scores_as_what_serves_does(
    directory: MissionDirectory, mission: Mission, make_packets: Make
) -> None:
    runs = train(directory, mission, make_packets, "isolation_forest", (SIX, 600))
    with writing(directory) as writer:
        # What was stored later, and judged, was not in its window.
        writer.append([ScoredBatch(batch) for batch in make_packets(SIX + 600, 300)], [], {})
    assert [run.decision for run in runs] == ["promoted", "promoted"]
    found = again(directory, mission, "v2")
    assert (found.run.retrain, found.record.seed, found.equals_served) == (2, 2, True)
    served = Scorer.load(directory.models / "v2").forest
    rows = compress(4 * np.random.default_rng(3).standard_normal((500, 3)))
    mine = served.score(rows, np.zeros(len(rows), dtype=np.intp))
    np.testing.assert_allclose(mine, -found.forest.score_samples(rows), atol=1e-12)
    other = again(directory, mission, "#1")
    assert not np.array_equal(arrays_of([other.forest]).threshold, served.threshold)


def test_a_run_that_carried_its_forest_over_leads_to_the_run_that_grew_it(
    directory: MissionDirectory, mission: Mission, make_packets: Make
) -> None:
    runs = train(directory, mission, make_packets, "fusion", (SIX, 600))
    assert (runs[-1].decision, runs[-1].parent) == ("promoted", 1)
    assert runs[-1].body["refit"]["seed"] is None
    found = again(directory, mission, str(runs[-1].retrain))
    assert (found.run.retrain, found.run.version, found.equals_served) == (1, 1, True)


def test_what_was_pruned_is_grown_from_hash_and_seed_and_says_so(
    directory: MissionDirectory, mission: Mission, make_packets: Make
) -> None:
    train(directory, mission, make_packets, "isolation_forest", (SIX,))
    served = Scorer.load(directory.models / "v1").forest
    for path in (directory.models / "v1").iterdir():
        path.unlink()
    (directory.models / "v1").rmdir()
    found = again(directory, mission, "1")
    assert not found.equals_served
    assert np.array_equal(arrays_of([found.forest]).threshold, served.threshold)


def forget_rows(directory: MissionDirectory) -> None:
    change(directory, "DELETE FROM frame WHERE id <= 40")


def falsify_a_value(directory: MissionDirectory) -> None:
    change(directory, "UPDATE frame SET v = (SELECT v FROM frame WHERE id = 300) WHERE id = 301")


def exchange_the_seed(directory: MissionDirectory) -> None:
    change(directory, "UPDATE run SET body = json_set(body, '$.refit.seed', 99)")


def forget_the_record(directory: MissionDirectory) -> None:
    change(directory, "UPDATE run SET body = '{}'")


def fit_nothing(directory: MissionDirectory) -> None:
    change(directory, "UPDATE run SET fit_s = NULL, reason = '3 newly accepted rows, a fit wants 500'")


def change(directory: MissionDirectory, sql: str) -> None:
    connection = apsw.Connection(str(directory.telemetry))
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f'DROP TRIGGER "{name}"')
    connection.execute(sql)
    connection.close()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (forget_rows, r"run #1: 40 of the [\d,]+ rows it was fitted to are gone"),
        (falsify_a_value, "run #1: the rows are not those it was fitted to: their hash is"),
        (exchange_the_seed, "run #1: what grew is not the forest of v1, to the bit"),
        (forget_the_record, "run #1 was recorded before runs kept what a refit needs"),
        (fit_nothing, "run #1 fitted nothing: 3 newly accepted rows"),
    ],
)
def test_what_cannot_be_grown_again_is_refused_in_words(
    directory: MissionDirectory,
    mission: Mission,
    make_packets: Make,
    harm: Callable[[MissionDirectory], None],
    words: str,
) -> None:
    train(directory, mission, make_packets, "isolation_forest", (SIX,))
    harm(directory)
    with pytest.raises(RefitRefused, match=words):
        again(directory, mission, "1")


def test_a_run_is_found_by_number_by_model_and_by_its_name_in_mlflow(directory: MissionDirectory) -> None:
    with writing(directory) as writer:
        for retrain, version, name in ((7, 3, None), (8, None, MLFLOW_RUN)):
            run = RunRow(retrain=retrain, at_ns=retrain, satellite="A", decision="kept", version=version)
            writer.record_run(msgspec.structs.replace(run, mlflow_run=name), [], None)
    reader = StoreReader(directory.telemetry)
    found = [find_run(reader, text).retrain for text in ("7", "#7", "v3", MLFLOW_RUN)]
    assert found == [7, 7, 7, 8]
    for text, words in (("v9", "no run v9 is stored"), ("../x", "'../x' is no run: allowed"), ("", "allowed")):
        with pytest.raises(NoRun, match=words):
            find_run(reader, text)
    reader.close()


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_the_command_writes_the_object_once_and_for_its_owner_only(
    tmp_path: Path, mission: Mission, make_packets: Make
) -> None:
    directory = written_mission(tmp_path, mission)
    train(directory, mission, make_packets, "isolation_forest", (SIX,))
    made = command(directory, "--run", "v1", "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    place = directory.exports / "forest-run-1.joblib"
    assert (told["file"], told["equals_served"], told["seed"]) == (str(place), True, 1)
    assert place.stat().st_mode & 0o777 == 0o600
    assert len(joblib.load(place).estimators_) == told["trees"]
    twice = command(directory, "--run", "1")
    assert (twice.returncode, twice.stdout) == (1, "")
    assert "is there already" in twice.stderr
    unknown = command(directory, "--run", "17")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    spoken = command(directory, "--run", "1", "--to", str(tmp_path / "mine.joblib"))
    assert "equal to the arrays of v1 to the last bit" in spoken.stdout
    assert "it is a pickle" in spoken.stdout
    assert sorted(path.name for path in directory.exports.iterdir()) == ["forest-run-1.joblib"]


def written_mission(tmp_path: Path, mission: Mission) -> MissionDirectory:
    directory = MissionDirectory(tmp_path / "mission")
    directory.create()
    text = (
        'schema = 1\n[[satellite]]\nname = "TESTSAT"\nbus = "test"\n[source]\nkind = "stream"\n'
        '[bus.test]\ncontext = ["obc.mode", "orb.eclipse"]\n[bus.test.packets]\npld = ["pld.*"]\n'
    )
    for channel in mission.bus_of("TESTSAT").channels:
        text += f'[[bus.test.channel]]\nname = "{channel.name}"\nlabel = "{channel.label}"\n'
        text += f'unit = "{channel.unit}"\n' if channel.unit else ""
        if channel.enum:
            text += "enum = {" + ", ".join(f'{code} = "{label}"' for code, label in channel.enum) + "}\n"
    directory.toml.write_text(text, encoding="utf-8")
    return directory


def command(directory: MissionDirectory, *arguments: str) -> subprocess.CompletedProcess[Any]:
    return subprocess.run(
        [sys.executable, "-m", "cubesat_tui", "trainer", "refit", "--mission", str(directory.path), *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
