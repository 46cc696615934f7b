"""Posts alarms to one address: a child process, because nothing else here needs an HTTP client.

The first line on stdin is `{"url", "headers", "timeout_s"}`, every further one is posted as it is; each is answered
with a line `{"why"}`, empty where the other side took it. What it says of a failure is in its own words: those of
the client may hold the address. It ends with its stdin.
"""

from __future__ import annotations

import json
import sys

import httpx


def post(client: httpx.Client, url: str, body: bytes, timeout_s: float) -> str:
    """Why the other side did not take `body`, or "". Of its answer only the status is read."""
    try:
        with client.stream("POST", url, content=body) as response:
            status = response.status_code
    except httpx.TimeoutException:
        return f"no answer within {timeout_s:g} s"
    except httpx.ConnectError:
        return "no connection"
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        return f"the connection failed ({type(error).__name__})"
    except (UnicodeError, ValueError) as error:
        # A name of a host that no resolver takes.
        return f"no address to post to ({type(error).__name__})"
    if 200 <= status < 300:
        return ""
    return f"answered {status}" + (": redirects are not followed" if 300 <= status < 400 else "")


def main() -> None:
    """Serve one station until end-of-file."""
    settings = json.loads(sys.stdin.buffer.readline())
    client = httpx.Client(
        headers={"Content-Type": "application/json", "User-Agent": "cubesat-tui", **settings["headers"]},
        timeout=settings["timeout_s"],
        follow_redirects=False,
        # A connection kept from the last alarm is one the other side may have closed since.
        limits=httpx.Limits(max_keepalive_connections=0),
    )
    with client:
        for line in sys.stdin.buffer:
            why = post(client, settings["url"], line.strip(), settings["timeout_s"])
            sys.stdout.write(json.dumps({"why": why}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
