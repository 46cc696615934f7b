"""Acts that were asked for on a replica and that the owner has not answered yet, as the heartbeat carries them.

The replica writes them into its heartbeat, the screens read them there: until the outcome is in the mirrored
journal an act is pending and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cubesat_tui.snapshot import LinkNow
    from telemetry.alarms import Key
    from telemetry.store.inbox import Request

ACK_PENDING, ACT_PENDING = "ack pending", "act pending"
MOST_SUBJECTS = 200
FIELD = "pending"


def subjects_of(kind: str, body: Mapping[str, Any]) -> list[list[str]]:
    """[satellite, subject] of each alarm that a request is about; none where it names no alarm."""
    if kind == "ack_all":
        rows = body.get("subjects")
        wanted = rows if isinstance(rows, list) else []
        return [[str(row[0]), str(row[1])] for row in wanted if isinstance(row, list) and len(row) > 1]
    subject = body.get("subject")
    return [[str(body.get("satellite", "")), str(subject)]] if subject else []


def pending_object(request: Request, *, sent: bool) -> dict[str, Any]:
    """For the heartbeat: `sent` once the link's server has it."""
    return {
        "id": request.id,
        "kind": request.kind,
        "subjects": subjects_of(request.kind, request.body)[:MOST_SUBJECTS],
        "actor": request.actor,
        "at_ns": request.at_ns,
        "sent": sent,
    }


def words_of(health: Mapping[str, Any]) -> dict[Key, str]:
    """(satellite, subject) -> `ack pending` or `act pending`, from the body of a heartbeat."""
    found: dict[Key, str] = {}
    for act in health.get(FIELD) or ():
        word = ACK_PENDING if act["kind"] in ("ack", "ack_all") else ACT_PENDING
        for satellite, subject in act["subjects"]:
            found[satellite, subject] = word
    return found


def waiting_words(link: LinkNow, health: Mapping[str, Any], *, alive: bool, patient: bool = False) -> str:
    """Why an act has no answer, in a sentence; empty where one may still come.

    `alive`: a station or replica beats; `patient`: an answer was waited for.
    """
    replica = health.get("replica")
    if replica is None:
        # A link may be down because nothing is received: the station is there, and answers.
        if link.state == "DOWN" and not alive:
            return "No station is running: the request waits until one starts."
        return "The station has not answered yet: Events (5) will tell." if patient else ""
    if not alive:
        return "No console of this replica runs: the act is pending and is sent when one does."
    if replica["link"] in ("DOWN", "REFUSED"):
        return f"The link is {replica['link']}: the act is pending and is sent when the link is back."
    if link.state == "MONITOR DOWN":
        return "The owner is silent: the act is pending until it answers."
    return "Sent, the owner has not answered yet: the act is pending." if patient else ""


def pending_line(health: Mapping[str, Any]) -> str:
    """`2 acts pending: sent, the owner has not answered`, or that they wait for the link; empty without any."""
    acts = health.get(FIELD) or ()
    if not acts:
        return ""
    count = f"{len(acts)} act{'s' if len(acts) > 1 else ''} pending"
    if all(act["sent"] for act in acts):
        return f"{count}: sent, the owner has not answered"
    return f"{count}: waiting for the link"
