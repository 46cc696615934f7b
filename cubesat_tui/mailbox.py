"""Acts on their way from a replica to the owner: laid into a mailbox, applied once by id, answered in the journal.

On the replica (`Outgoing`) an act stays in the inbox of its directory until its outcome is in the mirrored journal:
whatever fails in between, it is sent again under the same id. The owner (`Intake`) puts it into its own inbox under
that id and empties the mailbox once the outcome is journaled.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import apsw
import msgspec

from cubesat_tui.acts import UID
from cubesat_tui.alarm_requests import KINDS as ALARM_REQUESTS
from cubesat_tui.alarm_requests import refusal
from cubesat_tui.children import Backoff
from cubesat_tui.pending_acts import pending_object
from telemetry.links.link import Letter
from telemetry.links.link_health import AccessRefused
from telemetry.plain_text import plain_text
from telemetry.store.errors import StoreFull
from telemetry.store.inbox import Request

if TYPE_CHECKING:
    from telemetry.alarms import Event
    from telemetry.clock import Clock
    from telemetry.store.inbox import Inbox
    from telemetry.store.reader import StoreReader

log = logging.getLogger(__name__)

MAILABLE = ALARM_REQUESTS | {"accept", "inject", "event", "promote", "rollback", "hold", "release"}
"""What may be asked of an owner from elsewhere; the rest is for those who share its machine."""
MOST_BODY = 64 * 1024
MOST_WAITING = 1000
DISK_RETRY_S = 1.0
MOST_PAUSE_S = 4.0
"""An act that waits for the link goes so soon after the link is back."""
MOST_EVENTS = 20_000
"""Journal rows that are searched for acts answered before this process began."""
PAGE = 2000
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def answered_by(events: Iterable[Event]) -> set[str]:
    """Ids of the requests that these events are the outcome of."""
    found: set[str] = set()
    for event in events:
        for name in ("request", "id"):
            number = event.body.get(name)
            if isinstance(number, str) and _ID.fullmatch(number):
                found.add(number)
    return found


def answered_before(reader: StoreReader) -> set[str]:
    """Those that the newest rows of a journal answer."""
    found: set[str] = set()
    before: int | None = None
    for _ in range(MOST_EVENTS // PAGE):
        page = reader.journal_page(before, limit=PAGE)
        found |= answered_by(page)
        if len(page) < PAGE:
            break
        before = page[-1].id
    return found


@dataclass
class _Act:
    request: Request
    sent: bool = False


class Outgoing:
    """The acts of a replica's operators that have no outcome yet."""

    def __init__(self, inbox: Inbox, clock: Clock, answered: set[str]) -> None:
        """`answered`: ids whose outcome the journal holds already."""
        self._inbox = inbox
        self._clock = clock
        self._acts: dict[str, _Act] = {}
        self._news = asyncio.Event()
        self._answered = set(answered)
        """Ids whose requests may still be in the inbox."""
        self.stop_asked = False
        """Somebody on this machine asked the replica to end."""

    @property
    def unanswered(self) -> list[dict[str, Any]]:
        """For the heartbeat, oldest first."""
        return [pending_object(act.request, sent=act.sent) for act in self._acts.values()]

    def look(self) -> list[Event]:
        """Take note of what was asked for since; the events refuse what no owner takes."""
        requests = {request.id: request for request in self._inbox.pending(MOST_WAITING)}
        # What whoever asked took back before it was sent was never asked for.
        for number in [n for n, act in self._acts.items() if n not in requests and not act.sent]:
            del self._acts[number]
        refused: list[Event] = []
        left = self._answered & requests.keys()
        if left:
            self._forget(left)
        for number, request in requests.items():
            if number in self._answered:
                continue
            if request.kind == "stop":
                self.stop_asked = True
                self._forget([number])
            elif request.kind not in MAILABLE:
                text = f"{plain_text(request.kind, 40)!r} cannot be asked of an owner from a replica"
                refused.append(refusal(request, text, self._clock.now_ns()))
                self._forget([number])
            elif number not in self._acts:
                self._acts[number] = _Act(request)
                self._news.set()
        return refused

    def mirrored(self, events: Sequence[Event]) -> bool:
        """These are in the mirrored journal now; whether any act is pending no longer."""
        done = [number for number in answered_by(events) if number in self._acts]
        for number in done:
            del self._acts[number]
        if done:
            self._forget(done)
        return bool(done)

    def _forget(self, numbers: Iterable[str]) -> None:
        """They have their outcome; on a full disk their rows are deleted with a later look."""
        self._answered.update(numbers)
        try:
            self._inbox.delete(list(numbers))
        except apsw.FullError as error:
            log.warning("answered requests stay in the inbox for now: %s", error)

    async def send(
        self, post: Callable[[Letter], Any], changed: Callable[[], None], denied: Callable[[Event], None]
    ) -> None:
        """Post what is not sent yet, in the order it was asked for, until cancelled.

        `changed` is called when one was sent, `denied` with the event that says why one cannot be.
        """
        backoff = Backoff(first=0.5, top=MOST_PAUSE_S)
        while True:
            waiting = next((act for act in self._acts.values() if not act.sent), None)
            if waiting is None:
                self._news.clear()
                await self._news.wait()
                continue
            request = waiting.request
            letter = Letter(request.id, request.at_ns, request.kind, plain_text(request.actor, 40), request.body)
            try:
                await post(letter)
            except AccessRefused as error:
                self._acts.pop(request.id, None)
                denied(refusal(request, f"the link refuses it: {error.words}", self._clock.now_ns()))
                self._forget([request.id])
            except ConnectionError as error:
                log.warning("an act could not be sent: %s", plain_text(str(error)))
                await self._clock.sleep(backoff.after(0.0))
            else:
                waiting.sent = True
                backoff.failures = 0
                changed()


class Mail(Protocol):
    """The owner's side of a mailbox."""

    def letters(self) -> AsyncIterator[Letter]:
        """What is in it, oldest first, and what is laid into it from now on."""
        ...

    async def done(self, letters: Sequence[Letter]) -> None:
        """Take them out.

        Raises:
            ConnectionError: some may still be there.
        """
        ...


class Intake:
    """Takes acts out of an owner's mailbox: into its inbox, and out of the mailbox once they are answered."""

    def __init__(
        self,
        mail: Mail,
        inbox: Inbox,
        clock: Clock,
        answered: Callable[[], set[str]],
        note: Callable[[list[Event]], None],
        arrived: Callable[[], None] = lambda: None,
    ) -> None:
        """`answered` searches the journal, in a thread. `arrived` is called when the inbox has something new."""
        self._mail = mail
        self._inbox = inbox
        self._clock = clock
        self._search = answered
        self._note = note
        self._arrived = arrived
        self._answered: set[str] | None = None
        self._since: set[str] = set()
        self._waiting: dict[str, Letter] = {}
        self._done: asyncio.Queue[Letter] = asyncio.Queue()

    async def run(self) -> None:
        """Follow the mailbox until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._take())
            tasks.create_task(self._empty())

    def journaled(self, events: Sequence[Event]) -> None:
        """These are in the journal: what they answer leaves the mailbox."""
        done = answered_by(events)
        self._since |= done
        for number in done:
            letter = self._waiting.pop(number, None)
            if letter is not None:
                self._done.put_nowait(letter)

    async def _take(self) -> None:
        async for letter in self._mail.letters():
            if self._answered is None:
                self._answered = await asyncio.to_thread(self._search)
            if letter.id in self._answered or letter.id in self._since:
                # Applied before a station that was killed came to empty the mailbox.
                self._done.put_nowait(letter)
            elif letter.id not in self._waiting:
                await self._put(letter)

    async def _put(self, letter: Letter) -> None:
        request = Request(letter.id, letter.at_ns, letter.kind, dict(letter.body), plain_text(letter.actor, 40))
        reason = self._unfit(letter)
        if reason:
            self._note([refusal(request, reason, self._clock.now_ns())])
            self._since.add(letter.id)
            self._done.put_nowait(letter)
            return
        request.body[UID] = plain_text(letter.uid, 128)
        if request.kind == "event":
            # What is journaled as it is said names no request by itself, and nobody would know it was answered.
            told = request.body.get("body")
            request.body["body"] = {**(told if isinstance(told, dict) else {}), "request": letter.id}
        while not self._left(request):
            # What is not taken stays in the mailbox.
            await self._clock.sleep(DISK_RETRY_S)
        self._waiting[letter.id] = letter
        self._arrived()

    def _left(self, request: Request) -> bool:
        try:
            self._inbox.put(request)
        except StoreFull as error:
            log.warning("%s", error)
            return False
        return True

    def _unfit(self, letter: Letter) -> str:
        if letter.kind not in MAILABLE:
            return f"{plain_text(letter.kind, 40)!r} cannot be asked for over a link"
        if not _ID.fullmatch(letter.id):
            return "its id is none"
        size = len(msgspec.json.encode(letter.body))
        if size > MOST_BODY:
            return f"it has {size} bytes, at most {MOST_BODY} are read"
        if len(self._waiting) >= MOST_WAITING:
            return f"{MOST_WAITING} acts wait already"
        return ""

    async def _empty(self) -> None:
        backoff = Backoff(first=0.5, top=30.0)
        while True:
            letters = [await self._done.get()]
            while not self._done.empty() and len(letters) < 100:
                letters.append(self._done.get_nowait())
            while True:
                try:
                    await self._mail.done(letters)
                except ConnectionError as error:
                    log.warning("the mailbox could not be emptied: %s", plain_text(str(error)))
                    await self._clock.sleep(backoff.after(0.0))
                else:
                    backoff.failures = 0
                    break
