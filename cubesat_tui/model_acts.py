"""What operators do with models: promote one by hand, roll back, hold automatic promotion, release it.

    promote   {satellite?, version, reason}             a model that has files, other than the one that serves
    rollback  {satellite?, version?, reason, minutes?}  default: the version that served before; always holds
    hold      {satellite?, until_ns | minutes, reason}  wall time; a hold ends by itself
    release   {satellite?, reason?}

The satellite may be left out where the mission has one. Each becomes one event with who, why, from, to and the
digest of the files, and a cursor that is committed with it; what cannot be done is refused in words and changes
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from cubesat_tui import request_fields
from cubesat_tui.alarm_requests import refusal
from cubesat_tui.faults_by_hand import Refused
from cubesat_tui.shelf_time import LEAST_REASON, is_reason
from telemetry.alarms import Event
from telemetry.clock import NS_PER_S
from telemetry.limits import Level
from telemetry.plain_text import plain_text
from trainer.served import ScorerRefused
from trainer.serving import Hold, when

if TYPE_CHECKING:
    from cubesat_tui.served_models import ServedModels
    from telemetry.dictionary import Mission
    from telemetry.store.inbox import Request
    from telemetry.store.rows import RunRow
    from trainer.served import Scorer

MODEL_KINDS = frozenset({"promote", "rollback", "hold", "release"})
PROMOTED, ROLLED_BACK, HELD, RELEASED = "model.promoted", "model.rolled_back", "model.held", "model.released"
MINUTE_NS = 60 * NS_PER_S
HOLD_AFTER_ROLL_BACK_MIN = 240
"""Without a hold the next promotion would undo a roll-back."""
MOST_HOLD_MIN = 30 * 24 * 60
LONGEST_REASON = 200


class ModelActs:
    """Applies them to the models of a station."""

    def __init__(self, mission: Mission, models: ServedModels, now_ns: Callable[[], int]) -> None:
        """`now_ns`: wall time; holds end by it, as the trainer's period goes by it."""
        self._mission = mission
        self._models = models
        self._now_ns = now_ns

    def apply(self, request: Request) -> tuple[list[Event], dict[str, str]]:
        """The events of a request, one of `MODEL_KINDS`, and the cursors to commit with them.

        Raises:
            KeyError, TypeError, ValueError, OverflowError: it cannot be read; nothing was changed.
        """
        satellite = self._satellite(request.body)
        try:
            if satellite not in self._mission.by_name:
                allowed = plain_text(", ".join(self._mission.by_name), 200)
                raise Refused(f"satellite {plain_text(satellite, 40)!r}: allowed: {allowed}")
            actor = plain_text(request.actor, 40).strip()
            if not actor:
                raise Refused("an act on models needs the operator's name")
            match request.kind:
                case "promote":
                    event = self._promote(request, satellite, actor)
                case "rollback":
                    event = self._roll_back(request, satellite, actor)
                case "hold":
                    event = self._hold(request, satellite, actor)
                case _:
                    event = self._release(request, satellite, actor)
        except _Unusable as error:
            return [self._models.rejected(error.run, str(error)), self._refused(request, satellite, error)], {}
        except Refused as error:
            return [self._refused(request, satellite, error)], {}
        return [event], self._models.cursor(satellite)

    def expire(self) -> tuple[list[Event], dict[str, str]]:
        """End the holds whose time is over."""
        events: list[Event] = []
        cursors: dict[str, str] = {}
        for satellite, hold in self._models.holds_over(self._now_ns()):
            self._models.hold(satellite, None)
            text = f"the hold by {hold.actor} is over, models are promoted again: it was {hold.reason}"
            body = {"text": text, "until_ns": hold.until_ns, "by": hold.actor, "reason": hold.reason}
            events.append(self._event(satellite, RELEASED, "", body))
            cursors |= self._models.cursor(satellite)
        return events, cursors

    def _promote(self, request: Request, satellite: str, actor: str) -> Event:
        reason, before = _reason(request.body), self._models.serving(satellite)
        version = request_fields.whole(request.body["version"], "version")
        scorer, run = self._found(satellite, version, before.version)
        self._models.serve(scorer, run, before.promoted(version))
        instead = "" if before.version is None else f" instead of v{before.version}"
        body = _of_model(request, run, before.version, reason)
        body["text"] = f"{actor} promoted v{version}{instead}: {reason}"
        return self._event(satellite, PROMOTED, actor, body)

    def _roll_back(self, request: Request, satellite: str, actor: str) -> Event:
        reason, before = _reason(request.body), self._models.serving(satellite)
        wanted = request.body.get("version")
        version = before.before if wanted is None else request_fields.whole(wanted, "version")
        if before.version is None or version is None:
            none = (
                "no model serves"
                if before.version is None
                else f"none is known to have served before v{before.version}"
            )
            raise Refused(f"{none}: there is nothing to roll back to")
        minutes = _minutes(request.body.get("minutes", HOLD_AFTER_ROLL_BACK_MIN))
        scorer, run = self._found(satellite, version, before.version)
        now_ns = self._now_ns()
        hold = Hold(now_ns, now_ns + minutes * MINUTE_NS, actor, f"after the roll-back to v{version}: {reason}")
        standing = before.held(now_ns)
        if standing is not None and standing.until_ns > hold.until_ns:
            hold = standing
        self._models.serve(scorer, run, before.rolled_back(version))
        self._models.hold(satellite, hold)
        body = _of_model(request, run, before.version, reason)
        body |= {"until_ns": hold.until_ns}
        body["text"] = (
            f"{actor} rolled back from v{before.version} to v{version},"
            f" no automatic promotion until {when(hold.until_ns)}: {reason}"
        )
        return self._event(satellite, ROLLED_BACK, actor, body)

    def _hold(self, request: Request, satellite: str, actor: str) -> Event:
        reason, now_ns = _reason(request.body), self._now_ns()
        if self._models.serving(satellite).version is None:
            raise Refused("no model scores yet, so there is nothing to hold: the first one is always promoted")
        if ("until_ns" in request.body) == ("minutes" in request.body):
            raise ValueError("until_ns or minutes is wanted, one of them")
        if "minutes" in request.body:
            until_ns = now_ns + _minutes(request.body["minutes"]) * MINUTE_NS
        else:
            until_ns = request_fields.whole(request.body["until_ns"], "until_ns")
            if not now_ns < until_ns <= now_ns + MOST_HOLD_MIN * MINUTE_NS:
                raise Refused(f"a hold ends within {MOST_HOLD_MIN // 1440} days from now")
        self._models.hold(satellite, Hold(now_ns, until_ns, actor, reason))
        text = f"{actor} holds promotion until {when(until_ns)}: {reason}"
        body = {"text": text, "reason": reason, "until_ns": until_ns, "request": request.id}
        return self._event(satellite, HELD, actor, body)

    def _release(self, request: Request, satellite: str, actor: str) -> Event:
        hold = self._models.serving(satellite).held(self._now_ns())
        if hold is None:
            raise Refused("nothing is held: models are promoted as the gate says")
        reason = _reason(request.body) if request.body.get("reason") else ""
        self._models.hold(satellite, None)
        text = f"{actor} released the hold by {hold.actor}" + (f": {reason}" if reason else "")
        body = {"text": text, "reason": reason, "by": hold.actor, "request": request.id}
        return self._event(satellite, RELEASED, actor, body)

    def _found(self, satellite: str, version: int, served: int | None) -> tuple[Scorer, RunRow]:
        """Raises: Refused."""
        if version == served:
            raise Refused(f"v{version} scores already")
        try:
            return self._models.find(satellite, version)
        except ScorerRefused as refused:
            run = self._models.unusable(satellite, version)
            still = "no model scores" if served is None else f"v{served} scores on"
            if run is not None:
                raise _Unusable(f"v{version} is refused: {refused.reason}; {still}", run) from None
            raise Refused(f"{refused.reason}; {still}") from None

    def _satellite(self, body: Mapping[str, Any]) -> str:
        if "satellite" not in body and len(self._mission.satellites) == 1:
            return self._mission.satellites[0].name
        return request_fields.text(body, "satellite")

    def _refused(self, request: Request, satellite: str, error: Refused) -> Event:
        return refusal(request, str(error), self._now_ns(), satellite)

    def _event(self, satellite: str, kind: str, actor: str, body: dict[str, Any]) -> Event:
        version = body.get("to", self._models.serving(satellite).version)
        subject = "models" if version is None else f"v{version}"
        return Event(self._now_ns(), satellite, kind, int(Level.IN_LIMITS), subject, actor, body)


class _Unusable(Refused):
    """The files of a model are there and must not be used."""

    def __init__(self, text: str, run: RunRow) -> None:
        super().__init__(text)
        self.run = run


def _of_model(request: Request, run: RunRow, before: int | None, reason: str) -> dict[str, Any]:
    return {
        "version": run.version,
        "retrain": run.retrain,
        "from": before,
        "to": run.version,
        "sha256": run.model_sha256,
        "reason": reason,
        "request": request.id,
    }


def _reason(body: Mapping[str, Any]) -> str:
    """Raises: Refused: there is none."""
    reason = " ".join(
        plain_text(request_fields.text(body, "reason") if "reason" in body else "", LONGEST_REASON).split()
    )
    if not is_reason(reason):
        raise Refused(f"a reason of at least {LEAST_REASON} letters is needed: it is what the audit will say")
    return reason


def _minutes(value: Any) -> int:
    minutes = request_fields.whole(value, "minutes")
    if not 1 <= minutes <= MOST_HOLD_MIN:
        raise Refused(f"a hold is 1 minute to {MOST_HOLD_MIN // 1440} days long")
    return minutes
