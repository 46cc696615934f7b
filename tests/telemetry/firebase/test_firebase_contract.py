"""The contract of a link, over Firebase: the courier's own work writes, a link and a source read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from link_contract import LinkContract, Range

from telemetry.dictionary import Mission
from telemetry.links.admin_database import AdminDatabase
from telemetry.links.courier_claims import Claim
from telemetry.links.courier_records import Range as CourierRange
from telemetry.links.courier_work import Courier, Settings
from telemetry.links.endpoint import Endpoint
from telemetry.links.firebase import FirebaseSource
from telemetry.links.firebase_link import FirebaseLink
from telemetry.links.firebase_rest import Rest
from telemetry.links.link import Link, Lost, Pruned
from telemetry.links.link_keys import STREAMS, StreamKey
from telemetry.links.source import Source
from telemetry.links.tokens import EMULATOR_OWNER
from telemetry.store.reader import StoreReader

if TYPE_CHECKING:
    from rtdb.server import RtdbServer

ROOT = "cubesat_tui/kestrel-1"


class FirebaseCarrier:
    """One database; each store that publishes into it has a courier, each end connections of its own."""

    def __init__(self, server: RtdbServer) -> None:
        self._server = server
        self._database = AdminDatabase(server.database_url, "")
        self._couriers: dict[int, Courier] = {}
        self._said: list[dict[str, Any]] = []
        self._rests: list[Rest] = []

    async def publish(self, reader: StoreReader, ranges: Sequence[Range]) -> list[str]:
        return await asyncio.to_thread(self._publish, reader, ranges)

    def _publish(self, reader: StoreReader, ranges: Sequence[Range]) -> list[str]:
        courier = self._couriers.get(id(reader))
        if courier is None:
            settings = Settings(self._server.database_url, ROOT, f"station-{len(self._couriers)}", "test", "1")
            courier = self._couriers[id(reader)] = Courier(
                settings, lambda: reader.outgoing, self._database, self._said.append
            )
            courier.claim(Claim("publisher", list(STREAMS), take_over=True))
        self._said.clear()
        courier.send([CourierRange(StreamKey.parse(key).stream, key, first, last) for key, first, last in ranges])
        return [said["sent"] for said in self._said if "sent" in said]

    def link(self) -> Link:
        return FirebaseLink(self._rest())

    def source(self, cursor: str | None, mission: Mission, missing: Callable[[Lost | Pruned], None]) -> Source:
        return FirebaseSource(self._rest(), cursor, mission, missing=missing)

    def _rest(self) -> Rest:
        rest = Rest(Endpoint.of(self._server.url, ROOT), EMULATOR_OWNER)
        self._rests.append(rest)
        return rest

    async def lose(self, key: str) -> None:
        self._server.fill(None, self._path(key))

    async def prune(self, key: str) -> None:
        stream = StreamKey.parse(key).stream
        self._server.fill(key, f"{ROOT}/lo/{stream}")
        for one in self._server.tree(f"{ROOT}/{stream}"):
            if one < key:
                self._server.fill(None, self._path(one))

    async def spoil(self, key: str) -> None:
        self._server.fill({"v": 1, "z": "nothing"}, self._path(key))

    def _path(self, key: str) -> str:
        return f"{ROOT}/{StreamKey.parse(key).stream}/{key}"

    async def close(self) -> None:
        for rest in self._rests:
            await rest.close()


class TestFirebaseContract(LinkContract):
    @pytest.fixture
    async def carrier(self, firebase_server: RtdbServer) -> AsyncIterator[FirebaseCarrier]:
        opened = FirebaseCarrier(firebase_server)
        yield opened
        await opened.close()
