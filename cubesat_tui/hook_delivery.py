"""How one alarm reaches a program or an address: in a child of its own, within a time, and why it did not.

No reason holds a secret: of an address only scheme and host are told, of a header only the name of its variable, of
a program only its name and how it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Protocol

from cubesat_tui.children import child_argv, describe_exit, signal_session, spawn
from telemetry.hook_config import ENV, CommandHook, Hook, WebhookHook, is_address

START_S = 10.0
"""How long a child of ours may take until it runs, beside the time-out of the hook."""


class Delivery(Protocol):
    """Brings alarms to one place."""

    def missing(self) -> str:
        """What is not there that it needs, in words; "" where all is."""
        ...

    async def deliver(self, body: bytes) -> str:
        """Why `body` (JSON) did not arrive, or ""."""
        ...

    async def rest(self) -> None:
        """Nothing waits for now: keep no process."""
        ...


def delivery_of(hook: Hook, directory: Path, log_file: Path) -> Delivery:
    """The way to the place that `hook` names; a command runs in `directory`."""
    if isinstance(hook, CommandHook):
        return CommandDelivery(hook, directory)
    return WebhookDelivery(hook, log_file)


class CommandDelivery:
    """Runs a program once an alarm. What it writes is not kept: it may be anything."""

    def __init__(self, hook: CommandHook, directory: Path) -> None:
        self._hook = hook
        self._directory = directory

    def missing(self) -> str:
        return ""

    async def deliver(self, body: bytes) -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._hook.argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
                cwd=self._directory,
            )
        except OSError as error:
            return f"cannot be started: {error.strerror or type(error).__name__}"
        try:
            async with asyncio.timeout(self._hook.timeout_s):
                await process.communicate(body)
        except TimeoutError:
            return f"did not end within {self._hook.timeout_s:g} s and was killed"
        finally:
            await _end(process)
        assert process.returncode is not None
        return "" if process.returncode == 0 else f"ended with {describe_exit(process.returncode)}"

    async def rest(self) -> None:
        pass


class WebhookDelivery:
    """Posts to an address through a child that lives while there is something to post."""

    def __init__(self, hook: WebhookHook, log_file: Path) -> None:
        self._hook = hook
        self._log_file = log_file
        self._process: asyncio.subprocess.Process | None = None

    def missing(self) -> str:
        hook = self._hook
        named = [name for _, name in hook.headers]
        if hook.url.startswith(ENV):
            named.append(hook.url.removeprefix(ENV))
        for name in named:
            if not os.environ.get(name):
                return f"environment variable {name} is not set"
        if not is_address(self._url()):
            return f"environment variable {hook.url.removeprefix(ENV)} holds no http or https address"
        for _, name in hook.headers:
            if not (os.environ[name].isascii() and os.environ[name].isprintable()):
                return f"environment variable {name} holds what no header can"
        return ""

    def _url(self) -> str:
        url = self._hook.url
        return os.environ.get(url.removeprefix(ENV), "") if url.startswith(ENV) else url

    async def deliver(self, body: bytes) -> str:
        why = self.missing()
        if why:
            return why
        try:
            async with asyncio.timeout(self._hook.timeout_s + START_S):
                return await self._post(body)
        except TimeoutError:
            await self.rest()
            return f"no answer within {self._hook.timeout_s:g} s"
        except OSError as error:
            await self.rest()
            return f"cannot be posted: {error.strerror or type(error).__name__}"
        except asyncio.CancelledError:
            await self.rest()
            raise

    async def _post(self, body: bytes) -> str:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await spawn(child_argv("cubesat_tui.webhook"), self._log_file)
            _write(process, json.dumps(self._settings()).encode())
        _write(process, body)
        assert process.stdout is not None
        line = await process.stdout.readline()
        if line.endswith(b"\n"):  # a child that was killed may leave a part of one
            return str(json.loads(line)["why"])
        code = await process.wait()
        await self.rest()
        return f"the child that posts ended with {describe_exit(code)}"

    def _settings(self) -> dict[str, object]:
        headers = {header: os.environ[name] for header, name in self._hook.headers}
        return {"url": self._url(), "headers": headers, "timeout_s": self._hook.timeout_s}

    async def rest(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await _end(process)


def _write(process: asyncio.subprocess.Process, line: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(line + b"\n")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what still runs, with all it started, and close the pipes to it."""
    if process.returncode is None:
        signal_session(process.pid, signal.SIGKILL)
        await process.wait()
    if process.stdin is not None:
        process.stdin.close()
        with contextlib.suppress(OSError):
            await process.stdin.wait_closed()
    if process.stdout is not None:
        await process.stdout.read()
