"""The test server as a process: `python tests/firebase/rtdb_main.py --port 0 --data FILE`.

Prints one line of JSON, `{"port": n}`, and runs until TERM or INT. What is written is kept in FILE.
"""

from __future__ import annotations

import argparse
import json
import signal
from pathlib import Path

from rtdb.server import NAMESPACE, RtdbServer


def main() -> None:
    asked = argparse.ArgumentParser(description="A Firebase Realtime Database to test against.")
    asked.add_argument("--port", type=int, default=0, help="0 takes a free one")
    asked.add_argument("--data", type=Path, help="keep the data in this file, and begin with what is in it")
    asked.add_argument("--namespace", default=NAMESPACE, help="for requests that name none")
    asked.add_argument("--as-emulator", action="store_true", help="believe any ID token without a signature")
    given = asked.parse_args()
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    server = RtdbServer(given.port, given.namespace, given.data)
    if given.as_emulator:
        server.believe_unsigned_tokens()
    print(json.dumps({"port": server.port}), flush=True)
    signal.sigwait(ends)
    server.close()


if __name__ == "__main__":
    main()
