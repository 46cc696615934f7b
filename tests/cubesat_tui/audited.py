"""The fabricated mission with a model's history on it: promoted, rolled back, held, and what it raised."""

from __future__ import annotations

from pathlib import Path

import msgspec

from telemetry.alarms import Event
from telemetry.clock import ManualClock
from telemetry.store.directory import MissionDirectory
from telemetry.store.recorded import write_run
from telemetry.store.rows import RunRow
from telemetry.store.writer import StoreWriter
from tests.cubesat_tui import fabricated, scored
from tests.cubesat_tui.fabricated import NOW, SATELLITE, S

FIRST, CYCLE_S, COUNT = 143, 30, 40
PROMOTED = {143: 14, 155: 15, 163: 16, 176: 17}
"""Retrain -> version."""
REJECTED, HELD = (149, 169), (181,)
HELD_VERSION = 18


def at(retrain: int) -> int:
    """When it was considered: every 30 s, the last 19 s ago."""
    return NOW - (FIRST + COUNT - 1 - retrain) * CYCLE_S * S - 19 * S


def run(retrain: int) -> RunRow:
    """One run of the history; what was fitted has figures, parameters and the drift of channels."""
    fitted = retrain in PROMOTED or retrain in REJECTED or retrain in HELD
    served = max(version for number, version in PROMOTED.items() if number < retrain) if retrain > FIRST else None
    row = RunRow(
        retrain=retrain, at_ns=at(retrain), satellite=SATELLITE, decision="kept", parent=served,
        anomaly_rate=0.0004 * (retrain % 3), drift=None if served is None else 0.02 + 0.004 * (retrain % 9),
        reason=f"{30 * (retrain % 13)} newly accepted rows, a fit wants 500",
    )  # fmt: skip
    if not fitted:
        return row
    recall = 0.91 if retrain in REJECTED else 0.95 + 0.001 * (retrain % 7)
    version = PROMOTED.get(retrain, HELD_VERSION if retrain in HELD else None)
    decision, reason = "promoted", "512 newly accepted rows since the model before"
    if retrain == FIRST:
        reason = "first model"
    if retrain in REJECTED:
        decision, reason = "rejected", "bank recall 0.910 < 0.955 - 0.02"
    if retrain in HELD:
        decision, reason = "kept", "held by kim until 09:14Z: camera calibration"
    body = {
        "bank_recall": recall, "champion_bank_recall": 0.955, "alarm_rate": 0.0021 + 0.0001 * (retrain % 5),
        "champion_alarm_rate": 0.0019, "bank_trials": 1200.0, "new_rows": 512.0,
        "fit_cpu_s": 1.9 + 0.01 * (retrain % 9),
        "params": {"kind": "fusion", "trees": 100, "features_version": 3, "seed": retrain},
        "drift": {
            "eps.bat_v": 0.01, "thm.t_px": 0.04 + 0.001 * retrain, "adcs.rw_x": 0.31 if retrain > 175 else 0.02,
        },
    }  # fmt: skip
    return msgspec.structs.replace(
        row, decision=decision, reason=reason, version=version, mlflow_run=f"362321e7{retrain}",
        fit_s=1.4 + 0.02 * (retrain % 5), rows=3600 + 30 * (retrain - FIRST), excluded=retrain % 4,
        threshold=0.62 + 0.002 * (retrain % 3), false_alarms_per_day=0.1 + 0.02 * (retrain % 4),
        drift=0.27 if retrain == 169 else row.drift,
        window_from=at(retrain) - 5700 * S, window_to=at(retrain), window_hash=f"5b1dd1{retrain:x}" * 8,
        model_sha256=f"c0ffee{retrain:x}" * 8, body=body,
    )  # fmt: skip


def runs() -> list[RunRow]:
    return [run(FIRST + i) for i in range(COUNT)]


def put(kind: str, at_ns: int, to: int, instead: int | None, actor: str, reason: str) -> Event:
    """How a model came to score."""
    did = {"model.promoted": "promoted", "model.rolled_back": "rolled back"}[kind]
    text = f"{actor} {did} v{to} instead of v{instead}: {reason}" if actor else f"model v{to} {did}: {reason}"
    body = {"to": to, "from": instead, "reason": reason, "text": text}
    return Event(at_ns, SATELLITE, kind, 0, f"v{to}", actor, body)


def history() -> list[Event]:
    """Promotions by the trainer, v17 rolled back by kim; two anomalies raised by v16, one by v17."""
    puts = [
        put("model.promoted", at(retrain), version, None if version == 14 else version - 1, "", run(retrain).reason)
        for retrain, version in PROMOTED.items()
    ]
    back = put("model.rolled_back", at(180), 16, 17, "kim", "blind on wheel Y")
    raised = [
        Event(
            at(retrain), SATELLITE, "alarm.raised", 2, f"anomaly:{channel}", "",
            {"kind": "anomaly", "level": 2, "model": version, "text": text, "channels": [channel]},
        )
        for retrain, version, channel, text in (
            (166, 16, "eps.bat_v", "Battery voltage 7.21 V, usual here 7.91 +-0.03"),
            (168, 16, "thm.t_px", "Panel +X 71.2 degC, usual here 62.0 +-1.1"),
            (177, 17, "adcs.rw_x", "Wheel X speed 6204 rpm, usual here 3800 +-120"),
        )
    ]  # fmt: skip
    return sorted([*puts, back, *raised], key=lambda event: event.at_ns)


def fill(path: Path, more: int = 0) -> MissionDirectory:
    """A mission directory whose store ends at NOW with v16 scoring; `more` rejected runs before the history."""
    directory = scored.fill(path, minutes=2, run_count=0)
    writer = StoreWriter(directory.telemetry, ManualClock(NOW))
    writer._connection.pragma("synchronous", "off")
    with writer._transaction():
        for i in range(more):
            write_run(
                writer._connection,
                RunRow(
                    retrain=i - more, at_ns=at(FIRST) - (more - i) * CYCLE_S * S, satellite=SATELLITE,
                    decision="rejected", reason=f"bank recall 0.8 < 0.9, try {i}", fit_s=1.0, drift=i / more,
                ),
            )  # fmt: skip
    for one in runs():
        writer.record_run(one)
    writer.append([], history(), {})
    health = fabricated.health()
    hold = {"until_ns": NOW + 7200 * S, "actor": "kim", "reason": "camera calibration"}
    model = {**health.body["model"], "version": 16, "before": 15}
    writer.beat(msgspec.structs.replace(health, body={**health.body, "model": model, "held": {SATELLITE: hold}}))
    writer.close()
    return directory
