"""A link over Firebase brings every frame once and in order, whatever happens to the streams on the way."""

from __future__ import annotations

import asyncio


async def test_what_is_there_and_what_comes_is_stored_once_and_in_order(publisher, ledger):
    publisher.publish(5)
    one = ledger()
    following = asyncio.create_task(one.follow(9))
    await asyncio.to_thread(publisher.server.wait_for_streams, 1)
    for _ in range(4):
        await asyncio.to_thread(publisher.publish)
    await following
    assert one.seqs() == list(range(1, 10))
    assert one.duplicates == 0
