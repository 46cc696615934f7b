"""What the audit costs: telling MLflow of a retrain, listing the newest runs, in a small and in a very large store.

The mission is that of `bench.retrain`, with real runs and a real model. Its MLflow store and its table of runs are
then filled with copies of its own rows by SQL, while nobody has them open. Each step is a process of its own,
imports and the opening of the store are not counted.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw

from bench.figure import Figure
from bench.spent import cpu_s, ms
from telemetry.clock import SystemClock
from telemetry.run_query import parse_runs
from telemetry.store.directory import MissionDirectory
from telemetry.store.inbox import Inbox
from telemetry.store.reader import StoreReader
from telemetry.store.writer import StoreWriter
from trainer.learners import pending_runs

SIZES = (100, 10_000, 50_000)
QUICK_SIZES = (100, 2_000)
CYCLES = 20
TIMES = 21
PAGE = 50
PERIOD_MS = 30_000
COPIED_METRICS = 16
"""Of a copied run. A real one has some thirty, with which 50,000 runs would fill 1 GB."""
TABLES = ("params", "metrics", "latest_metrics", "tags")
"""Of MLflow's store, with a row for each run and key."""


def measure(quick: bool = False) -> Iterator[Figure]:
    """Cost of a log without and with files and of a page, at each size; a retrain beside the original's."""
    with tempfile.TemporaryDirectory(prefix="cubesat-bench-") as folder:
        directory = MissionDirectory(Path(folder) / "mission")
        ours = _step("cycles", directory)["cycle_s"]
        theirs = _step("original", directory)["cycle_s"]
        sizes = QUICK_SIZES if quick else SIZES
        found: dict[int, dict[str, float]] = {}
        for size in sizes:
            _fill_mlflow(directory.mlflow, size)
            _fill_runs(directory.telemetry, size)
            found[size] = {**_step("log", directory), **_pages(directory.telemetry)}
            yield from _figures(size, found[size])
        thinned = _step("thin", directory)
    small, large = found[sizes[0]], found[sizes[-1]]
    beside = f"at {sizes[0]:,} runs"
    for name, key in (("tracking without files", "bare_s"), ("tracking with files", "files_s")):
        grown = large[key] / small[key]
        yield Figure(f"{name}, at {sizes[-1]:,} over {sizes[0]:,} runs", grown, "x", at_most=1.5, beside=beside)
    many = f"of {sizes[-1]:,}"
    yield Figure(f"retention, {thinned['gone']:.0f} {many} runs in one step, CPU", thinned["step_s"], "s")
    yield Figure(f"retention, a look {many} runs with nothing due, CPU", thinned["look_s"], "s")
    yield Figure("retrain cycle with its tracking, CPU, mean", ours, "s", beside=f"the original {theirs:.2f} s")
    yield Figure("retrain cycle, times cheaper than the original", theirs / ours, "x", at_least=10.0)


def _figures(size: int, found: dict[str, float]) -> Iterator[Figure]:
    at = f"at {size:,} runs"
    peer = f"mlflow's own search for {PAGE}: {found['search_ms']:.0f} ms"
    least = f"MLflow's client, 14 figures: {found['client_s']:.3f} s"
    yield Figure(f"tracking of a retrain without files {at}, CPU", found["bare_s"], "s", at_most=0.05, beside=least)
    yield Figure(f"tracking with files, version and aliases {at}, CPU", found["files_s"], "s", at_most=0.6)
    yield Figure(f"tracking of a cycle with nothing to tell {at}, CPU", found["idle_s"], "s", at_most=0.05)
    yield Figure(f"`runs` page of {PAGE} {at}, p50", found["page_ms"], "ms", at_most=5.0, beside=peer)
    yield Figure(f"`runs` page of {PAGE} {at}, the filter `promoted`", found["filter_ms"], "ms")
    yield Figure(f"`runs` page of {PAGE} {at}, largest drift first", found["sort_ms"], "ms")


def _step(name: str, directory: MissionDirectory) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.audit", name, str(directory.path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _cycles(directory: MissionDirectory) -> dict[str, float]:
    """A mission with models, and the mean of its cycles."""
    from bench import retrain

    mean = retrain._ours(directory, CYCLES)[0]
    inbox, writer = Inbox(directory.inbox), StoreWriter(directory.telemetry, SystemClock())
    for run in pending_runs(inbox):
        writer.record_run(run, [])
    inbox.close()
    writer.close()
    return {"cycle_s": mean}


def _original(directory: MissionDirectory) -> dict[str, float]:
    from bench import original
    from trainer.tracking.settings import ENVIRONMENT

    os.environ.update(ENVIRONMENT)
    place = directory.path.parent
    original.open_tracking(place)
    original.cycle(original.records(), place)
    return {"cycle_s": original.cycle(original.records(), place)}


def _fill_mlflow(path: Path, wanted: int) -> None:
    """Copies of the newest finished run with its parameters, tags and some of its metrics, half a minute apart."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    have = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
    model, first = connection.execute(
        "SELECT run_uuid, start_time FROM runs WHERE status = 'FINISHED' AND length(run_uuid) = 32"
        " ORDER BY start_time DESC LIMIT 1"
    ).fetchone()
    keys = connection.execute("SELECT key FROM latest_metrics WHERE run_uuid = ? ORDER BY key", (model,))
    kept = [row[0] for row in keys][:COPIED_METRICS]
    connection.execute("BEGIN")
    connection.execute("CREATE TEMP TABLE new(number INTEGER PRIMARY KEY, id TEXT)")
    numbers = range(have, wanted)
    connection.executemany("INSERT INTO new VALUES (?, ?)", ((n, f"{n:032x}") for n in numbers))
    for table in ("runs", *TABLES):
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        values = {name: f"t.{name}" for name in names} | {"run_uuid": "new.id"}
        if table == "runs":
            values["start_time"] = f"{first} - {PERIOD_MS} * new.number"
        if table == "tags":
            ids = "('cubesat.retrain_id', 'cubesat.retrain')"
            values["value"] = f"CASE WHEN t.key IN {ids} THEN 10 * new.number + 1 ELSE t.value END"
            values["value"] = f"CASE WHEN t.key = 'cubesat.decision' THEN 'rejected' ELSE {values['value']} END"
        chosen = ", ".join(values[name] for name in names)
        few = "" if "metrics" not in table else f" AND t.key IN ({', '.join(map(repr, kept))})"
        connection.execute(
            f"INSERT INTO {table} SELECT {chosen} FROM {table} t, new WHERE t.run_uuid = ?{few} ORDER BY new.id",
            (model,),
        )
    connection.execute("COMMIT")
    connection.close()


def _fill_runs(path: Path, wanted: int) -> None:
    """Copies of the newest fitted run, then the real one again; one in ten was promoted."""
    StoreWriter(path, SystemClock()).close()
    connection = apsw.Connection(str(path))
    connection.pragma("synchronous", "off")
    have = connection.execute("SELECT count(*) FROM run").get
    names = [row[1] for row in connection.execute("PRAGMA table_info(run)") if row[1] != "id"]
    fitted = next(
        connection.execute(f"SELECT {', '.join(names)} FROM run WHERE fit_s IS NOT NULL ORDER BY id DESC LIMIT 1")
    )
    with connection:
        for number in range(have, wanted):
            row = dict(zip(names, fitted, strict=True))
            row |= {"retrain": 1_000_000 + number, "decision": "kept" if number % 10 else "promoted"}
            row |= {"at_ns": row["at_ns"] + number * PERIOD_MS * 1_000_000, "drift": number % 997 / 997}
            connection.execute(
                f"INSERT INTO run({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", tuple(row.values())
            )
    connection.pragma("wal_checkpoint", "truncate")
    connection.close()


def _pages(path: Path) -> dict[str, float]:
    reader = StoreReader(path)
    queries = {"page_ms": parse_runs("", "newest"), "filter_ms": parse_runs("promoted", "newest")}
    queries["sort_ms"] = parse_runs("", "drift")
    try:
        return {
            name: statistics.median(ms(lambda q=query: reader.considered.page(q, limit=PAGE)) for _ in range(TIMES))
            for name, query in queries.items()
        }
    finally:
        reader.close()


def _log(directory: MissionDirectory) -> dict[str, float]:
    """CPU of what the trainer does for a run that was fitted, from the spool to its end in MLflow; medians."""
    from trainer.serving import Serving
    from trainer.tracking.mirror import Mirror, World
    from trainer.tracking.spool import AuditEntry

    template = _template(directory)
    satellite = template["tags"]["cubesat.satellite"]
    mirror = Mirror(directory)

    def entry(number: int, *, files: bool) -> AuditEntry:
        now = time.time_ns()
        tags = {**template["tags"], "cubesat.retrain": str(number)}
        return AuditEntry(
            retrain_id=f"{now}-{number}-bench",
            satellite=satellite,
            name=f"retrain {number}",
            started_ns=now,
            ended_ns=now,
            params=template["params"],
            metrics=template["metrics"],
            tags=tags,
            step=number,
            version=number if files else None,
            place=str(template["place"]) if files else None,
        )

    def told(number: int, *, files: bool) -> float:
        one = entry(number, files=files)
        if files:
            mirror.serve(World({satellite: Serving((number - 1, number))}))
        begun = time.process_time()
        mirror.spool(one)
        mirror.turn()
        spent = time.process_time() - begun
        assert not mirror.waiting(), mirror.status()
        return spent

    # Beyond the copies, and beyond what an earlier size left.
    first = 2_000_000 + time.time_ns() // 1_000_000_000 % 1_000_000 * 100
    peer = _peer(directory)
    # In turn: what else the machine does costs either as much CPU time.
    pairs = [(told(first + n, files=False), cpu_s(peer)) for n in range(1 + TIMES)]
    bare, least = (statistics.median(spent) for spent in zip(*pairs[1:], strict=True))
    told(first + 30, files=True)
    files = statistics.median(told(first + 31 + n, files=True) for n in range(TIMES))
    idle = statistics.median(cpu_s(mirror.turn) for _ in range(TIMES))
    told_s = {"bare_s": bare, "files_s": files, "idle_s": idle}
    return {**told_s, "client_s": least, "search_ms": _search_ms(directory)}


def _template(directory: MissionDirectory) -> dict[str, Any]:
    client, experiment = _client(directory)
    run = client.search_runs([experiment], "tags.`cubesat.decision` = 'promoted'", max_results=1)[0]
    tags = {key: value for key, value in run.data.tags.items() if key != "mlflow.runName"}
    place = max(directory.models.glob("v*"), key=lambda path: int(path.name[1:]))
    return {"tags": tags, "params": run.data.params, "metrics": run.data.metrics, "place": place}


def _client(directory: MissionDirectory) -> tuple[Any, str]:
    from trainer.tracking.client import open_client
    from trainer.tracking.settings import local_uri

    client = open_client(directory, local_uri(directory))
    experiment = next(one for one in client.search_experiments() if one.name != "Default")
    return client, experiment.experiment_id


def _peer(directory: MissionDirectory) -> Callable[[], None]:
    """The least that MLflow can be told: a run with eight metrics and six parameters, by its client alone."""
    from mlflow.entities import Metric, Param

    client, experiment = _client(directory)
    metrics = [Metric(f"m{i}", 1.0, 0, 0) for i in range(8)]
    params = [Param(f"p{i}", "1") for i in range(6)]

    def once() -> None:
        run = client.create_run(experiment, run_name="peer").info.run_id
        client.log_batch(run, metrics, params)
        client.set_terminated(run)

    return once


def _search_ms(directory: MissionDirectory) -> float:
    client, experiment = _client(directory)
    return statistics.median(ms(lambda: client.search_runs([experiment], max_results=PAGE)) for _ in range(5))


def _thin(directory: MissionDirectory) -> dict[str, float]:
    from telemetry.dictionary import MlflowConfig
    from trainer.tracking.retention import Retention

    client, _ = _client(directory)
    now_ns = time.time_ns()
    look = Retention(MlflowConfig(keep_days=3650), lambda _: True, directory.artifacts / "mlflow")
    begun = time.process_time()
    look.step(client, now_ns)
    looked = time.process_time()
    thin = Retention(MlflowConfig(keep_days=0.001, keep_one_in=10), lambda _: True, directory.artifacts / "mlflow")
    gone = thin.step(client, now_ns)
    return {"look_s": looked - begun, "step_s": time.process_time() - looked, "gone": gone}


STEPS = {"cycles": _cycles, "original": _original, "log": _log, "thin": _thin}

if __name__ == "__main__":
    print(json.dumps(STEPS[sys.argv[1]](MissionDirectory(Path(sys.argv[2])))))
