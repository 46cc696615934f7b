"""A process that publishes the frames of a mission directory and ends: `python publishing_process.py DIR`.

It prints what it has imported, as one JSON list of top-level names.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cubesat_tui.publisher import Publisher
from telemetry.alarms import Event
from telemetry.clock import SystemClock
from telemetry.dictionary import read_mission
from telemetry.store.directory import MissionDirectory
from telemetry.store.writer import StoreWriter


async def publish(path: Path) -> None:
    directory, clock = MissionDirectory(path), SystemClock()
    writer = StoreWriter(directory.telemetry, clock)

    def note(
        events: Sequence[Event], cursors: dict[str, str] | None = None, after: Callable[[], None] | None = None
    ) -> None:
        writer.append([], events, cursors or {})
        if after is not None:
            after()

    publisher = Publisher(read_mission(path), directory, writer, clock, ("frames",), note, name="ann@ground")
    running = asyncio.create_task(publisher.run())
    newest = writer._connection.value("SELECT max(id) FROM frame")
    while writer.publication.sent_until("frames") < newest:
        if running.done():
            running.result()
        await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    writer.close()


if __name__ == "__main__":
    asyncio.run(publish(Path(sys.argv[1])))
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
