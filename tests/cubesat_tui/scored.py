"""The fabricated mission with a model's opinion on it: scores, two modes, training runs; nothing is random."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
from textual.pilot import Pilot

from cubesat_tui import feature_space
from cubesat_tui.app import ConsoleApp
from cubesat_tui.departure import Departure
from telemetry.clock import ManualClock
from telemetry.frame import FrameBatch
from telemetry.store.directory import MissionDirectory
from telemetry.store.rows import RunRow, ScoreColumns, ScoredBatch
from telemetry.store.writer import StoreWriter
from tests.cubesat_tui import fabricated
from tests.cubesat_tui.fabricated import NOW, SATELLITE, S
from trainer.context import OrbitClock
from trainer.served import Scorer

FAULT_S = 103
SPANNING = ("eps.bat_v", "eps.bat_i", "thm.t_px", "pld.dist_n", "pld.dist_s", "pld.dist_e")
"""Channels of the made-up model; they all belong to `hk`."""
MODEL = 17


def with_modes(batch: FrameBatch) -> FrameBatch:
    """Eclipse until fifteen minutes ago, sunlit since."""
    at = batch.layout.positions.get("orb.eclipse")
    if at is None:
        return batch
    values = batch.values.copy()
    values[:, at] = (NOW - batch.t_ns) / S > 900
    return FrameBatch(batch.layout, batch.satellites, batch.satellite, batch.boot, batch.seq, batch.t_ns,
                      batch.received_ns, batch.quality, values, batch.cursor)  # fmt: skip


def opinion(batch: FrameBatch) -> ScoreColumns | None:
    """What the made-up model thinks: the packet with the rangefinders is judged, confirmed 3 s after the jump."""
    if "pld.dist_s" not in batch.layout.positions:
        return None
    age = (NOW - batch.t_ns) / S
    n = len(batch)
    state = np.where(age < FAULT_S - 3, 2, np.where(age < FAULT_S, 1, 0)).astype(np.int64)
    score = np.where(state > 0, 0.9, 0.3) + 0.05 * np.sin(age)
    axes = np.zeros((n, 3), np.float32)
    return ScoreColumns(np.full(n, MODEL), score, np.where(state > 0, 0.0004, 0.5), state, axes)


def runs(count: int = 12) -> list[RunRow]:
    """Retrains 30 s apart: #1 and #6 promoted, #4 rejected with its figure, the others kept."""
    out: list[RunRow] = []
    for k in range(1, count + 1):
        decision = "promoted" if k in (1, 6) else "rejected" if k == 4 else "kept"
        reason = {
            "promoted": "reference moved: 512 new rows",
            "rejected": "bank recall 0.81 < 0.86",
            "kept": "30 new rows, the reference did not move",
        }[decision]
        at = NOW - (count - k) * 30 * S - 19 * S
        out.append(
            RunRow(
                retrain=170 + k, at_ns=at, satellite=SATELLITE, decision=decision,
                version={1: 16, 6: MODEL}.get(k), parent=16 if k == 6 else None, mlflow_run=f"362321e7{k:02d}",
                fit_s=0.4 + 0.01 * (k % 5), rows=3600 + 30 * k, excluded=k % 4, threshold=0.62 + 0.002 * (k % 3),
                false_alarms_per_day=0.1 + 0.02 * (k % 4), anomaly_rate=0.0004 * (k % 3),
                drift=0.31 if k == 8 else 0.02 + 0.003 * k, window_from=at - 5700 * S, window_to=at,
                window_hash="5b1dd1af" * 8, model_sha256="c0ffee00" * 8, reason=reason, body={},
            )
        )  # fmt: skip
    return out


def fill(
    path: Path, *, minutes: int = 30, model: bool = True, run_count: int = 12, frames: bool = True
) -> MissionDirectory:
    """A mission directory whose store ends at NOW; `model` False leaves it learning."""
    directory = MissionDirectory(path)
    directory.create()
    directory.toml.write_text(fabricated.mission_toml())
    writer = StoreWriter(directory.telemetry, ManualClock(NOW))
    if frames:
        rows = fabricated.batches(NOW - minutes * 60 * S, NOW - S, bus5v_until=NOW - 42 * S)
        judged = [with_modes(batch) for batch in rows]
        scored = [ScoredBatch(batch, opinion(batch) if model else None) for batch in judged]
        writer.append(scored, fabricated.alarm_events() if model else [], {"sim": "{}"})
    for run in runs(run_count):
        writer.record_run(run)
    health = fabricated.health()
    if not model:
        body = {**health.body, "model": None, "learning": {"have": 120, "need": 600}}
        health = msgspec.structs.replace(health, body=body)
    writer.beat(health)
    writer.close()
    return directory


ORBIT = OrbitClock(NOW - 5700 * S, 5700 * S, 356, NOW + 600 * S)


class MadeUpModel:
    """Stands in for the served scorer: its tables and its projection.

    Values wave with the orbit by a tenth of their swing; what is usual reaches 1.2 swings to either side.
    """

    place = Scorer.place
    clock = ORBIT
    keys = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    """Sunlit and eclipse, out of contact and in it."""

    normalise = Scorer.normalise
    satellite, version, sha256 = SATELLITE, MODEL, ""

    def __init__(self, kind: str = "isolation_forest") -> None:
        self.seen = None
        fusion = kind == "fusion"
        excluded = {"obc.mode": "enumerated", "adcs.rw_x": "counts in one direction"}
        self.manifest = SimpleNamespace(
            kind=kind, context=("orb.eclipse",), packets=[SimpleNamespace(packet="hk", excluded=excluded)]
        )
        axes = np.linalg.qr(np.random.default_rng(4).normal(size=(len(SPANNING), 3)))[0]
        slow = _tables(("eps.bus5v_v",), np.eye(3)[:1], fusion)
        self.packets = {"hk": _tables(SPANNING, axes, fusion), "slow": slow}

    def isolate(self, packet: Any, z: np.ndarray) -> np.ndarray:
        """A forest that says a tenth of the deviation of the value."""
        return np.where(np.isfinite(z).all(axis=2), np.abs(z[:, :, 0]) / 10, np.nan)

    def row_score(self, packet: Any, score: np.ndarray) -> np.ndarray:
        """Its worst channel."""
        return np.nanmax(score, axis=1)


def _tables(channels: tuple[str, ...], axes: np.ndarray, fusion: bool) -> Any:
    middle = np.array([row[6] for name in channels for row in fabricated.CHANNELS if row[0] == name])
    swing = np.array([row[7] for name in channels for row in fabricated.CHANNELS if row[0] == name])
    wave = np.sin(2 * np.pi * np.arange(ORBIT.bins + 1) / ORBIT.bins)[:, None, None]
    centre = (middle + 0.1 * swing * wave[:, :, 0])[:, :, None] * np.ones(3)
    keys = len(MadeUpModel.keys) + 1
    return SimpleNamespace(
        channels=channels, period_s=1.0, axes_centre=middle, axes_scale=swing, axes=axes, centre=centre,
        spread=np.broadcast_to(0.4 * swing[:, None], centre.shape), key_offset=np.zeros((keys, len(channels), 3)),
        key_spread=np.zeros((keys, len(channels), 3)), calibration=np.linspace(0.1, 0.45, 713),
        fusion=object() if fusion else None,
    )  # fmt: skip


def made_up_model(kind: str = "isolation_forest") -> Any:
    """A model of `hk` and `slow`; for what it does not have, see `MadeUpModel`."""
    return MadeUpModel(kind)


def serve(monkeypatch: Any, kind: str = "isolation_forest") -> None:
    """Let the screens find the made-up model where a station would have put one."""
    monkeypatch.setattr(feature_space.ServedModel, "load", lambda self, version, sha256: made_up_model(kind))


def console(directory: MissionDirectory, **options: Any) -> ConsoleApp:
    """The console at NOW."""
    return ConsoleApp(directory, clock=fabricated.clock(), operator="ann", **options)


async def until(pilot: Pilot[Departure], true: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait until the screen has caught up; fails loudly where it never does."""
    for _ in range(round(seconds / 0.02)):
        if true():
            return
        await pilot.pause(0.02)
    raise AssertionError("the screen never came to what was waited for")


def opened(mode: str, ready: Callable[[Any], Any]) -> Callable[[Pilot[Departure]], Awaitable[None]]:
    """For `snap_compare`: go to a mode and wait until `ready(screen)`."""

    async def run_before(pilot: Pilot[Departure]) -> None:
        await go(pilot, mode, ready)

    return run_before


async def go(pilot: Pilot[Departure], mode: str, ready: Callable[[Any], Any]) -> Any:
    """Switch to a mode by its key and wait until `ready(screen)`; returns the screen."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    await until(pilot, lambda: app.snapshot is not None)
    await pilot.press({"clusters": "2", "models": "3", "ledger": "4"}[mode])
    await until(pilot, lambda: getattr(app.screen, "MODE", "") == mode and ready(app.screen))
    await pilot.pause()
    return app.screen


def words(widget: Any) -> str:
    """The text a line widget shows."""
    return "\n".join("".join(text for text, _ in row) for row in widget.rows)


def listen(app: ConsoleApp) -> list[Any]:
    """Every message of `cubesat_tui.messages` that reaches the app, in order; the app still answers them."""
    sent: list[Any] = []
    answer = app._on_message

    async def hear(message: Any) -> None:
        if type(message).__module__ == "cubesat_tui.messages":
            sent.append(message)
        await answer(message)

    app._on_message = hear  # pyright: ignore[reportAttributeAccessIssue]
    return sent
