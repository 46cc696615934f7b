"""The truths of the status bar: link, pass, model and alarm counts, as heartbeat, passes and alarms tell them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cubesat_tui.drawing.numbers import count_text
from cubesat_tui.drawing.why import alarm_key
from cubesat_tui.snapshot import ContactNow, HoldNow, LinkNow, ModelNow, Pass
from telemetry.alarms import Alarm
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.store.rows import HealthRow

SILENT_S = 2.0
"""A heartbeat older than this means that no station runs."""
STARTS = "the station starts"


def age_s(wall_ns: int, received_ns: int) -> float:
    """Wall seconds since a reception; never below 0, whatever the clock did since."""
    return max(0.0, (wall_ns - received_ns) / 1e9)


def rate_of(body: Mapping[str, Any]) -> float:
    """Times real time at which the source runs; inf as fast as it can."""
    raw = body.get("rate", 1.0)
    return float(raw) if isinstance(raw, int | float) and raw > 0 else math.inf


def link_of(health: HealthRow | None, wall_ns: int, rate: float, *, coming: bool = False) -> LinkNow:
    """The link as the heartbeat tells it, DOWN once it is silent. `rate`: of the source.

    `coming`: a station is being started, and what the last one told is over.
    """
    if health is None:
        return LinkNow("CONNECTING", STARTS if coming else "no station has reported yet", None)
    beat = age_s(wall_ns, health.beat_ns)
    if coming:
        return LinkNow("CONNECTING", STARTS, beat)
    if beat > SILENT_S:
        return LinkNow("DOWN", f"station silent {_short(beat)}", beat)
    full = int(health.body.get("disk_full") or 0)
    if full:
        return LinkNow("DISK FULL", f"{full} frames refused", beat)
    publishing = health.body.get("publish") or {}
    if publishing.get("state") == "REFUSED":
        # Another station has the link, or nobody is let in: what is judged here reaches nobody.
        return LinkNow("REFUSED", str(publishing.get("detail") or ""), beat)
    state = str(health.body.get("link", "CONNECTING"))
    detail = str(health.body.get("detail") or "")
    history = health.body.get("history") or {}
    if not detail and history.get("of") and history["done"] < history["of"]:
        detail = f"history {100 * history['done'] // history['of']} %"
    if not detail:
        detail = str(health.body.get("source", ""))
        if rate != 1.0 and state == "LIVE":
            detail += f" x{rate:g}"
    return LinkNow(state, detail, beat, _unsent(publishing))


def _unsent(publishing: Mapping[str, Any]) -> str:
    """`unsent 312` while the link takes nothing; empty where it does."""
    return f"unsent {count_text(int(publishing.get('unsent') or 0))}" if publishing.get("state") == "DOWN" else ""


def _short(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def contact_of(passes: Sequence[Pass], now_ns: int) -> ContactNow:
    """The pass that runs now, or the next one; `passes` in order of acquisition."""
    for one in passes:
        if one.acquisition_ns <= now_ns < one.loss_ns:
            return ContactNow(True, one.station, until_ns=one.loss_ns)
    coming = next((one for one in passes if one.acquisition_ns > now_ns), None)
    return ContactNow() if coming is None else ContactNow(False, coming.station, next_ns=coming.acquisition_ns)


def pass_of(passes: tuple[Pass, ...], body: Mapping[str, Any], satellite: str, now_ns: int) -> ContactNow:
    """As `contact_of`; where no pass is predicted, what the heartbeat was told of one."""
    known = contact_of(passes, now_ns)
    if known != ContactNow():
        return known
    told = (body.get("contact") or {}).get(satellite) or {}
    station = str(told.get("station", ""))
    until, following = told.get("until_ns"), told.get("next_ns")
    if until is not None and int(until) > now_ns:
        return ContactNow(True, station, until_ns=int(until))
    return ContactNow(False, station, next_ns=int(following)) if following is not None else ContactNow()


def model_of(health: HealthRow | None, wall_ns: int, *, coming: bool = False) -> ModelNow:
    """The model and the trainer as the heartbeat tells of them; `coming`: what the last trainer planned is over."""
    if health is None:
        return ModelNow()
    model = health.body.get("model") or {}
    trainer = health.body.get("trainer") or {}
    learning = health.body.get("learning") or {}
    due = health.next_retrain_ns if health.next_retrain_ns is not None else trainer.get("next_ns")
    return ModelNow(
        version=model.get("version"),
        sha256=str(model["sha256"]) if model.get("sha256") else None,
        retrain=trainer.get("retrain"),
        next_s=None if due is None or coming else max(0.0, (int(due) - wall_ns) / 1e9),
        learning=(int(learning["have"]), int(learning["need"])) if {"have", "need"} <= learning.keys() else None,
        error="" if coming else str(trainer.get("error") or ""),
        kind=str(model.get("kind") or ""),
        before=model.get("before"),
        mirror=_mirror_trouble(trainer),
    )


def _mirror_trouble(trainer: Mapping[str, Any]) -> str:
    told = trainer.get("mlflow")
    if not isinstance(told, Mapping) or not told.get("trouble"):
        return ""
    return plain_text(str(told.get("words", "")), 60)


def hold_of(body: Mapping[str, Any], satellite: str, wall_ns: int) -> HoldNow | None:
    """Who holds the promotion of models of `satellite`, as the heartbeat tells of it; None where nobody does."""
    told = (body.get("held") or {}).get(satellite)
    if not told or int(told["until_ns"]) <= wall_ns:
        return None
    return HoldNow(int(told["until_ns"]), str(told["actor"]), str(told["reason"]))


def counts_of(alarms: Iterable[Alarm]) -> dict[str, tuple[int, int]]:
    """Sign key -> (new, active) of those alarms that are neither shelved nor inhibited."""
    counts: dict[str, tuple[int, int]] = {}
    for alarm in alarms:
        if alarm.muted:
            continue
        new, active = counts.get(alarm_key(alarm), (0, 0))
        counts[alarm_key(alarm)] = (new + alarm.needs_acknowledgement, active + alarm.active)
    return counts
