"""Twenty times kill -9 in the middle of the work; an independent feeder says what had been confirmed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from telemetry.clock import NS_PER_S
from telemetry.dictionary import read_mission
from telemetry.frame import Frame, FrameBatch
from telemetry.store.directory import MissionDirectory
from telemetry.store.inbox import Inbox
from telemetry.store.reader import StoreReader

CHANNELS = 48
BOOT = 1_795_000_000
LOW_RUN = 40
"""Frames 0-39 of every hundred and twenty are below the limit."""
PERIOD = 3 * LOW_RUN

ROUNDS = (
    *[("ingest", n) for n in (1, 2, 3, 5, 7, 9, 12)],
    *[("scorer_swap", n) for n in (1, 2, 1, 2, 1, 2, 1)],
    *[("checkpoint", n) for n in (1, 2, 1, 2, 1, 2)],
)


def toml() -> str:
    parts = ['schema = 1\n[[satellite]]\nname = "TESTBIRD"\nbus = "b"\n[source]\nkind = "stream"\n']
    for i in range(CHANNELS):
        parts.append(f'[[bus.b.channel]]\nname = "eps.v{i}"\nlabel = "Voltage {i}"\nunit = "V"\ndecimals = 3\n')
        if i == 0:
            parts.append("[[bus.b.channel.limits]]\nwarning = [7.0, 9.0]\n")
    return "".join(parts)


NOISE = np.random.default_rng(7).normal(0.0, 0.01, (5_000, CHANNELS))


def values(seq: int) -> list[float]:
    row = NOISE[seq % len(NOISE)] + 5.0
    row[0] = (6.0 if seq % PERIOD < LOW_RUN else 8.0) + seq * 1e-6
    return row.tolist()


def digest(row: list[float]) -> str:
    return hashlib.sha256(np.array(row, dtype="<f8").tobytes()).hexdigest()


class Feeder:
    """Sends frames, and writes down what was confirmed: on the disk before the next line is read."""

    def __init__(self, ledger: Path) -> None:
        self.ledger = ledger
        self.confirmed: set[int] = set()

    @property
    def next(self) -> int:
        """The first frame that nobody has confirmed."""
        seq = 0
        while seq in self.confirmed:
            seq += 1
        return seq

    def drive(self, process: subprocess.Popen[bytes], upto: int) -> None:
        """Feed from the first unconfirmed frame until the station dies or all frames are sent."""
        reader = threading.Thread(target=self._listen, args=(process,))
        reader.start()
        assert process.stdin is not None
        try:
            for seq in range(self.next, upto):
                t_ns = (BOOT + seq) * NS_PER_S
                line = {"boot": BOOT, "seq": seq, "t": t_ns, "values": values(seq)}
                process.stdin.write(json.dumps(line).encode() + b"\n")
            process.stdin.close()
        except BrokenPipeError:
            pass
        reader.join(60)
        assert not reader.is_alive()

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with self.ledger.open("a") as file:
            for line in process.stdout:
                if not line.endswith(b"\n"):
                    return
                for _, boot, seq in json.loads(line).get("confirmed", ()):
                    file.write(f"{boot} {seq} {digest(values(seq))}\n")
                    self.confirmed.add(seq)
                file.flush()
                os.fsync(file.fileno())


def models(directory: MissionDirectory) -> Iterator[dict[str, object]]:
    """Promotions as the trainer would ask for them: v1, v2, ... each with its files in place."""
    from trainer.artifact import write
    from trainer.model import fit
    from trainer.window import from_batches

    mission = read_mission(directory.path)
    bus = mission.bus_of("TESTBIRD")
    layout = bus.layouts["hk"]
    frames = [
        Frame("TESTBIRD", BOOT, seq, (BOOT + seq) * NS_PER_S, 0, 0, layout, np.array(values(seq)))
        for seq in range(1_500)
        if seq % PERIOD >= LOW_RUN
    ]
    window = from_batches("TESTBIRD", bus, [FrameBatch.of(frames)])
    fitted = fit(window, version=1, parent=None, created_ns=1, false_alarms_per_day=0.2, trees=10)
    for version in range(1, 20):
        manifest = msgspec.structs.replace(fitted.scorer.manifest, version=version)
        write(directory.models, manifest, fitted.packed)
        yield {
            "retrain": version,
            "at_ns": version,
            "satellite": "TESTBIRD",
            "decision": "promoted",
            "version": version,
            "model_sha256": manifest.sha256,
            "reason": "test",
        }


@pytest.mark.e2e
@pytest.mark.timeout(240)
def test_nothing_confirmed_is_lost_in_twenty_kills(tmp_path, program, user_env):
    directory = MissionDirectory(tmp_path / "mission")
    directory.create()
    directory.toml.write_text(toml())
    promotions = models(directory)
    feeder = Feeder(tmp_path / "confirmed.txt")
    inbox = Inbox(directory.inbox)

    def station(kill_at: str | None) -> subprocess.Popen[bytes]:
        env = user_env | ({} if kill_at is None else {"CUBESAT_TUI_KILL_AT": kill_at})
        arguments = ["run", "--mission", str(directory.path), "--source", "-", "--no-trainer"]
        return subprocess.Popen(
            [*program, *arguments],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(tmp_path / "stderr.txt").open("ab"),
        )

    killed = 0
    for point, n in ROUNDS:
        if point == "scorer_swap":
            inbox.submit("run_recorded", {"run": next(promotions)}, "trainer", 1)
        process = station(f"{point}:{n}")
        feeder.drive(process, feeder.next + 20_000)
        code = process.wait(30)
        assert code == -9, f"{point}:{n} was never reached\n{(tmp_path / 'stderr.txt').read_text()[-2000:]}"
        killed += 1
    assert killed == 20
    last = feeder.next + 300
    process = station(None)
    feeder.drive(process, last)
    assert process.wait(30) == 0
    inbox.close()

    written = [line.split() for line in feeder.ledger.read_text().splitlines()]
    reader = StoreReader(directory.telemetry)
    stored: dict[tuple[int, int], str] = {}
    low_ends: list[int] = []
    for chunk in reader.rows_from():
        for boot, seq, row in zip(chunk.boot.tolist(), chunk.seq.tolist(), chunk.values.tolist(), strict=True):
            assert (boot, seq) not in stored, "stored twice"
            stored[boot, seq] = digest(row)
            if seq % PERIOD == LOW_RUN + 10:
                low_ends.append(seq)
    missing = [(boot, seq) for boot, seq, _ in written if (int(boot), int(seq)) not in stored]
    assert missing == []
    assert all(stored[int(boot), int(seq)] == digest_ for boot, seq, digest_ in written)
    assert len(feeder.confirmed) == last
    assert reader.integrity() == "ok"

    # Alarms and frames of a batch are never apart: each low stretch has one alarm, raised and returned inside it.
    events = [event for event in reader.journal() if event.subject == "eps.v0"]
    raised = [event.at_ns // NS_PER_S - BOOT for event in events if event.kind == "alarm.raised"]
    returned = [event.at_ns // NS_PER_S - BOOT for event in events if event.kind == "alarm.returned"]
    assert len(low_ends) > 10
    for end in low_ends:
        start = end - LOW_RUN - 10
        assert len([seq for seq in raised if start <= seq < start + LOW_RUN]) == 1
        assert len([seq for seq in returned if start + LOW_RUN <= seq < start + PERIOD]) == 1
    assert all((BOOT, seq) in stored for seq in (*raised, *returned))

    # Every model that was promoted is recorded once, told once, and the newest one scores.
    swaps = sum(point == "scorer_swap" for point, _ in ROUNDS)
    assert sorted(run.version for run in reader.runs() if run.version) == list(range(1, swaps + 1))
    told = [event.subject for event in reader.journal() if event.kind == "model.promoted"]
    assert sorted(told) == sorted(f"v{version}" for version in range(1, swaps + 1))
    assert reader.health().body["model"]["version"] == swaps
    reader.close()
