"""The courier of a link: the one process that writes to a Firebase database, through Google's own client.

`python -P -m telemetry.links.courier MISSION_DIR`, run by a station, speaks JSON lines: orders on its stdin, what
became of them on its stdout. It ends at end-of-file on its stdin, whatever it is waiting for, and may be killed at
any moment: what was not confirmed is said again to the next one.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from telemetry.links.courier_claims import Claim
from telemetry.links.courier_records import Range
from telemetry.links.courier_work import Beat, Courier, Prune, Settings
from telemetry.links.redaction import install
from telemetry.store.directory import MissionDirectory
from telemetry.store.errors import StoreError
from telemetry.store.reader import StoreReader

if TYPE_CHECKING:
    from telemetry.store.publication import Outgoing

log = logging.getLogger("courier")

MOST_WAITING = 64


class Order(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """One line on stdin: one of these."""

    open: Settings | None = None
    claim: Claim | None = None
    send: list[Range] | None = None
    settle: Range | None = None
    beat: Beat | None = None
    delete: list[str] | None = None
    prune: Prune | None = None
    token: bool = False


class Orders:
    """Orders of the station, carried out one after the other."""

    def __init__(self, directory: MissionDirectory) -> None:
        self._directory = directory
        self._waiting: queue.Queue[Order] = queue.Queue(MOST_WAITING)
        self._courier: Courier | None = None
        self._reader: StoreReader | None = None

    def put(self, order: Order) -> None:
        self._waiting.put(order)

    def run(self) -> None:
        """Carry out orders for ever."""
        while True:
            self._obey(self._waiting.get())

    @property
    def _opened(self) -> Courier:
        if self._courier is None:
            raise SystemExit("an order before the link was opened")
        return self._courier

    def _obey(self, order: Order) -> None:
        if order.open is not None:
            self._open(order.open)
        if order.claim is not None:
            self._opened.claim(order.claim)
        if order.send is not None:
            self._opened.send(order.send)
        if order.settle is not None:
            self._opened.settle(order.settle)
        if order.beat is not None:
            self._opened.beat(order.beat.status)
        if order.delete is not None:
            self._opened.delete(order.delete)
        if order.prune is not None:
            self._opened.prune(order.prune)
        if order.token:
            self._opened.token()

    def _outgoing(self) -> Outgoing:
        if self._reader is None:
            self._reader = StoreReader(self._directory.telemetry)
        return self._reader.outgoing

    def _open(self, settings: Settings) -> None:
        from telemetry.links.admin_database import AdminDatabase

        database = AdminDatabase(settings.url, settings.credentials)
        self._courier = Courier(settings, self._outgoing, database, say)
        say({"opened": True})


_ORDER = msgspec.json.Decoder(Order)
_speaking = threading.Lock()


def say(message: dict[str, Any]) -> None:
    """One JSON line on stdout."""
    with _speaking:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def main(arguments: list[str]) -> None:
    """Run until end-of-file on stdin."""
    install()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)sZ %(levelname)s %(name)s %(message)s")
    logging.Formatter.converter = time.gmtime
    # Each attempt of an outage; the station tells of the outage once.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    orders = Orders(MissionDirectory(Path(arguments[0])))
    threading.Thread(target=_work, args=(orders,), daemon=True, name="work").start()
    say({"ready": os.getpid()})
    for line in sys.stdin.buffer:
        orders.put(_ORDER.decode(line))


def _work(orders: Orders) -> None:
    try:
        orders.run()
    except StoreError as error:
        log.error("%s", error)  # noqa: TRY400 - the sentence is all there is to say
    except SystemExit as error:
        log.error("%s", error)  # noqa: TRY400
    except Exception:  # the process ends of it, and is started anew
        log.exception("the courier failed")
    # The main thread waits for the station's next line, which may never come.
    logging.shutdown()
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
