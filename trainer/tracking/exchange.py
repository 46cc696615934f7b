"""What passes between a station and the mirror: acts of the journal into the spool, names of runs and moved aliases
into the inbox, what serves to the aliases, and how the mirror stands to whoever listens.

In the trainer's own thread: the mirror never opens the mission store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from telemetry.clock import Clock
from telemetry.limits import Level
from telemetry.plain_text import plain_text
from telemetry.store.inbox import Inbox
from telemetry.store.reader import StoreReader
from trainer.audit_entry import MANIFEST
from trainer.serving import serving_of
from trainer.tracking.fetch import Wanted
from trainer.tracking.mirror import Turn, World
from trainer.tracking.registry import CHAMPION, Move
from trainer.tracking.spool import ActEntry
from trainer.tracking.status import MirrorStatus

if TYPE_CHECKING:
    from telemetry.alarms import Event
    from telemetry.store.directory import MissionDirectory
    from trainer.tracking.mirror import Mirror

ACTOR = "mlflow"
"""Who asks where an alias was moved: MLflow does not say who did it."""
ACTS = frozenset({"model.promoted", "model.rolled_back", "model.held", "model.released"})
ALIAS_EVENT = "mlflow.alias"
PAGE = 10_000


class Exchange:
    """One mission's. Uses its reader and inbox from one thread."""

    def __init__(
        self,
        directory: MissionDirectory,
        satellites: Sequence[str],
        mirror: Mirror,
        clock: Clock,
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self._satellites = satellites
        self._mirror = mirror
        self._clock = clock
        self._tell = tell
        self._position = directory.artifacts / "mlflow-journal"
        self._read_to = _number(self._position.read_text()) if self._position.exists() else 0
        self._models = directory.models
        self._asked: dict[str, tuple[str, str]] = {}
        self._wanted: dict[str, tuple[Wanted, Move]] = {}
        self._said: MirrorStatus | None = None
        self._reader = StoreReader(directory.telemetry)
        self._inbox = Inbox(directory.inbox)

    def close(self) -> None:
        """Close store and inbox."""
        self._reader.close()
        self._inbox.close()

    def turn(self, done: Turn, logged: Callable[[Mapping[str, str]], None]) -> None:
        """Carry what the mirror did to the station, and what the station did to the mirror.

        `logged` takes retrain id -> MLflow run id.

        Raises:
            StoreError, OSError, apsw.Error: the mission directory cannot be read or written.
        """
        logged(done.logged)
        waiting = self._asking()
        for move in done.moves:
            if move.satellite not in waiting and move.satellite not in self._wanted:
                wanted = self._gone(move)
                if wanted is None:
                    self._asked[move.satellite] = (move.registered, self._ask(move))
                else:
                    self._wanted[move.satellite] = (wanted, move)
        for satellite, why_not in done.fetched.items():
            if satellite in self._wanted:
                _, move = self._wanted.pop(satellite)
                if why_not:
                    self._event(move, f"the files of v{move.version} were not brought back from MLflow: {why_not}")
                # Without files too: the station refuses in words, and the alias goes back.
                self._asked[satellite] = (move.registered, self._ask(move))
        self._spool_acts()
        # First the inbox: a request that is not there any more has been answered by what serves.
        asking = self._asking()
        serving = {name: serving_of(self._reader.cursor, name) for name in self._satellites}
        known = {name: one for name, one in serving.items() if one is not None}
        wanted = tuple(one for one, _ in self._wanted.values())
        self._mirror.serve(World(known, asking, dict(self._asked), wanted))
        self.tell()

    def tell(self) -> None:
        """Say how the mirror stands, where that is news."""
        status = self._mirror.status()
        if status != self._said:
            self._said = status
            self._tell({"mlflow": status.told()})

    def _asking(self) -> frozenset[str]:
        one = self._satellites[0] if len(self._satellites) == 1 else ""
        return frozenset(
            str(request.body.get("satellite", one))
            for request in self._inbox.pending(1000)
            if request.kind == "promote" and request.actor == ACTOR
        )

    def _ask(self, move: Move) -> str:
        """The id of the request."""
        now_ns = self._clock.now_ns()
        if move.version is not None:
            body = {"satellite": move.satellite, "version": move.version, "reason": move.reason}
            return self._inbox.submit("promote", body, ACTOR, now_ns)
        text = (
            f"alias {CHAMPION} of {move.satellite} was moved in MLflow to version {move.registered}, which is no"
            " model of this mission: it goes back to what serves"
        )
        return self._event(move, text)

    def _gone(self, move: Move) -> Wanted | None:
        """What to fetch before the station is asked; None where the files are here, or of unknown digests."""
        if move.version is None or (self._models / f"v{move.version}").exists():
            return None
        run = self._reader.run_of_version(move.version, move.satellite)
        manifest = None if run is None else run.body.get(MANIFEST)
        if run is None or not run.mlflow_run or not run.model_sha256 or not isinstance(manifest, str):
            return None
        digests = (run.model_sha256, manifest)
        return Wanted(move.satellite, move.version, move.registered, run.mlflow_run, digests)

    def _event(self, move: Move, text: str) -> str:
        body = {
            "kind": ALIAS_EVENT,
            "severity": int(Level.WARNING),
            "satellite": move.satellite,
            "subject": CHAMPION,
            "body": {"text": plain_text(text), "registered": move.registered},
        }
        return self._inbox.submit("event", body, ACTOR, self._clock.now_ns())

    def _spool_acts(self) -> None:
        began = self._read_to
        events = self._reader.journal(began, PAGE)
        for event in events:
            act = act_of(event)
            if act is not None:
                self._mirror.spool(act)
            self._read_to = event.id
        if self._read_to != began:
            draft = self._position.with_suffix(".draft")
            draft.write_text(f"{self._read_to}\n")
            draft.replace(self._position)


def act_of(event: Event) -> ActEntry | None:
    """What MLflow is to be told of a row of the journal; None where that is nothing."""
    if event.kind not in ACTS:
        return None
    version = event.body.get("to", event.body.get("version"))
    if not isinstance(version, int):
        version = _number(event.subject.removeprefix("v"))
    if version <= 0:
        return None
    actor = event.actor or "the trainer"
    text = plain_text(str(event.body.get("text", event.kind)), 400)
    return ActEntry(
        journal=event.id,
        at_ns=event.at_ns,
        satellite=event.satellite,
        kind=event.kind,
        version=version,
        actor=plain_text(actor, 40),
        text=text if event.actor else f"{text} (by {actor})",
    )


def _number(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() else 0
