"""Alarms told to commands and webhooks: over a real HTTP server that answers, fails, hangs and redirects."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cubesat_tui.app import ConsoleApp
from telemetry.alarms import EXPIRED, RAISED, SHELVED, UNSHELVED, Event
from telemetry.frame import Quality
from telemetry.limits import Level
from telemetry.store.writer import StoreWriter

CANARY = "canary-7f3a"
SUBJECT = "eps.bat_v"


class Listener:
    """An HTTP server on 127.0.0.1 that remembers what it was sent; `answers` are used up, the last one stays."""

    def __init__(self) -> None:
        self.answers: list[int | str] = [204]
        """A status, `hang`, or an address to redirect to."""
        self.got: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.free = threading.Event()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                listener.take(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    @property
    def occasions(self) -> list[str]:
        return [one["occasion"] for one in self.got]

    def take(self, request: BaseHTTPRequestHandler) -> None:
        told = json.loads(request.rfile.read(int(request.headers.get("Content-Length", 0))) or "{}")
        if told.get("alarm", {}).get("subject", SUBJECT) != SUBJECT:
            # While a test waits, time passes and values grow old.
            request.send_response(204)
            request.end_headers()
            return
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.got.append(told)
        self.headers.append(dict(request.headers))
        self.paths.append(request.path)
        if answer == "hang":
            self.free.wait(30)
            return
        with contextlib.suppress(OSError):
            request.send_response(answer if isinstance(answer, int) else 302)
            if isinstance(answer, str):
                request.send_header("Location", answer)
            request.end_headers()

    def close(self) -> None:
        self.free.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    one = Listener()
    yield one
    one.close()


@pytest.fixture
async def hooked(tmp_path: Path, make_rig) -> AsyncIterator[Callable[[str], Any]]:
    """hooked(toml): a rig whose mission has these hooks."""
    made: list[Any] = []

    def start(toml: str) -> Any:
        made.append(make_rig(tmp_path / "mission", lambda plain: plain + toml))
        return made[-1]

    yield start
    for rig in made:
        await rig.close()


def webhook(url: str, more: str = "", timeout_s: float = 20) -> str:
    return f'\n[[hooks.webhook]]\nurl = "{url}"\ntimeout_s = {timeout_s}\n{more}\n'


async def until(rig: Any, true: Callable[[], bool], seconds: float = 0.05) -> None:
    """As of the rig, but children start and answer in real time, on a machine that may be busy."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it never became so"
        rig.clock.advance(seconds)
        await asyncio.sleep(0.01)


async def feed(rig: Any, *voltages: float, quality: Quality = Quality.NONE) -> None:
    """Each of them three times: so many samples make a state."""
    values = [one for one in voltages for _ in range(3)]
    await rig.feed(rig.frames(values, quality=quality))
    rig.clock.advance(float(len(values)))


async def test_raised_worse_and_cleared_arrive_once_each_and_in_order(hooked, listener: Listener) -> None:
    rig = hooked(webhook(listener.url))
    await rig.start()
    await feed(rig, 7.5, 6.8)
    await until(rig, lambda: len(listener.got) == 1)
    await feed(rig, 6.2)
    rig.ask("ack", {"satellite": "TESTBIRD", "subject": "eps.bat_v"})
    await until(rig, lambda: rig.waiting_requests() == 0)
    await feed(rig, 7.5)
    await until(rig, lambda: len(listener.got) == 3)
    assert listener.occasions == ["raised", "severity", "cleared"]
    assert [one["alarm"]["severity"] for one in listener.got] == ["WARNING", "CRITICAL", "CRITICAL"]
    first = listener.got[0]
    assert (first["simulated"], first["alarm"]["satellite"], first["alarm"]["subject"]) == (
        False,
        "TESTBIRD",
        "eps.bat_v",
    )
    assert len({one["delivery"] for one in listener.got}) == 3
    assert rig.events("hook.") == []


async def test_a_level_and_the_occasions_choose(hooked, listener: Listener) -> None:
    rig = hooked(webhook(listener.url, 'from = "CRITICAL"\non = ["raised"]'))
    await rig.start()
    await feed(rig, 6.8, 7.5, 6.2, 7.5)
    await until(rig, lambda: len(listener.got) == 1)
    await rig.stop()
    assert [(one["occasion"], one["alarm"]["severity"]) for one in listener.got] == [("raised", "CRITICAL")]


async def test_what_answers_500_is_told_of_once_tried_again_and_ingest_goes_on(hooked, listener: Listener) -> None:
    listener.answers = [500, 500, 503, 204]
    rig = hooked(webhook(listener.url))
    await rig.start()
    await feed(rig, 6.8)
    await until(rig, lambda: bool(rig.events("hook.failed")))
    await feed(rig, 6.8, 6.8)
    await until(rig, lambda: bool(rig.events("hook.recovered")), 0.5)
    [failed] = rig.events("hook.failed")
    assert (
        failed.text == f"webhook http://127.0.0.1:{listener.port}: answered 500; tried again until it gets through"
    )
    assert failed.severity > 0
    assert "gets through again, " in rig.events("hook.recovered")[0].text
    assert [one["delivery"] for one in listener.got] == [listener.got[0]["delivery"]] * 4


async def test_one_that_does_not_answer_holds_nothing_up(hooked, listener: Listener) -> None:
    listener.answers = ["hang"]
    rig = hooked(
        webhook(listener.url, timeout_s=0.5)
        + '\n[[hooks.command]]\nargv = ["sh", "-c", "cat >> told.txt"]\non = ["raised"]\ntimeout_s = 20\n'
    )
    file = rig.directory.path / "told.txt"
    await rig.start()
    await feed(rig, 6.8)
    await until(rig, lambda: len(listener.got) == 1)
    await feed(rig, *[6.8] * 5)
    await until(rig, lambda: file.exists() and bool(file.read_text()))
    told, _ = json.JSONDecoder().raw_decode(file.read_text())
    assert (told["occasion"], told["alarm"]["subject"]) == ("raised", SUBJECT)
    await until(rig, lambda: bool(rig.events("hook.failed")))
    assert "no answer within 0.5 s" in rig.events("hook.failed")[0].text
    await rig.stop()
    assert "not confirmed when the station ended" in rig.events("hook.failed")[-1].text


async def test_a_redirect_is_not_followed(hooked, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_TOKEN", CANARY)
    other = Listener()
    try:
        listener.answers = [other.url]
        rig = hooked(webhook(listener.url, 'headers = {Authorization = "env:HOOK_TOKEN"}'))
        await rig.start()
        await feed(rig, 6.8)
        await until(rig, lambda: len(listener.got) > 1, 0.5)
        assert "answered 302: redirects are not followed" in rig.events("hook.failed")[0].text
        assert listener.headers[0]["Authorization"] == CANARY
        assert other.got == []
    finally:
        other.close()


async def test_nobody_there_is_said_so(hooked, listener: Listener) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        rig = hooked(webhook(f"http://127.0.0.1:{taken.getsockname()[1]}"))
        await rig.start()
        await feed(rig, 6.8)
        await until(rig, lambda: bool(rig.events("hook.failed")))
    assert "no connection" in rig.events("hook.failed")[0].text


async def test_a_variable_that_is_not_set_is_told_before_the_first_alarm(hooked, listener: Listener) -> None:
    rig = hooked(webhook(listener.url, 'headers = {Authorization = "env:NOT_SET_HERE"}'))
    await rig.start()
    await until(rig, lambda: bool(rig.events("hook.failed")))
    assert "environment variable NOT_SET_HERE is not set" in rig.events("hook.failed")[0].text
    assert listener.got == []


async def test_a_host_that_no_resolver_takes_is_said_in_words_and_kills_no_child(
    hooked, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_URL", "http://xn--a/in")
    rig = hooked(webhook("env:HOOK_URL"))
    await rig.start()
    await feed(rig, 6.8)
    await until(rig, lambda: bool(rig.events("hook.failed")))
    assert "no address to post to" in rig.events("hook.failed")[0].text


async def test_only_what_is_raised_live_is_told(hooked, listener: Listener) -> None:
    rig = hooked(webhook(listener.url))
    await rig.start()
    await feed(rig, 6.8, quality=Quality.STORED)
    await feed(rig, 6.8)
    await until(rig, lambda: len(listener.got) == 1 and not rig.station.hooks.outlets[0].waiting)
    await rig.stop()
    await rig.start()
    await feed(rig, *[6.8] * 5)
    assert rig.events("alarm.updated")
    await rig.stop()
    rig.sources.clear()
    await rig.start()
    rig.source.live = False
    rig.station.mission_clock.live = False
    await feed(rig, 7.5, 6.2)
    await rig.stop()
    assert listener.occasions == ["raised"]
    # What was on its way when a station ended would be told here.
    assert rig.events("hook.") == []


async def test_what_still_waits_when_a_station_ends_is_told_by_the_next_one_and_once(
    hooked, listener: Listener
) -> None:
    listener.answers = [500]
    rig = hooked(webhook(listener.url))
    await rig.start()
    await feed(rig, 7.5, 6.8)
    await until(rig, lambda: bool(rig.events("hook.failed")))
    await feed(rig, 7.5)
    rig.ask("ack", {"satellite": "TESTBIRD", "subject": SUBJECT})
    await until(rig, lambda: bool(rig.events("alarm.cleared")))
    await rig.stop()
    tried = [one["delivery"] for one in listener.got]
    assert listener.occasions == ["raised"] * len(tried)
    listener.got.clear()
    listener.answers = [204]
    await rig.start()
    await until(rig, lambda: len(listener.got) == 2 and not rig.station.hooks.outlets[0].waiting)
    assert listener.occasions == ["raised", "cleared"]
    assert listener.got[0]["delivery"] == tried[0], "whoever got it before knows it again"
    # Values that grow old meanwhile are told, too.
    assert re.search(r": [23] told late, since the station had ended$", rig.events("hook.late")[-1].text)
    for _ in range(2):
        await rig.stop()
        await rig.start()
        await feed(rig, 7.5)
    assert len(listener.got) == 2
    assert len(rig.events("hook.late")) == 1


def forget(rig: Any, to: int) -> None:
    """As after kill -9: the store knows of no delivery after the journal row `to`."""
    writer = StoreWriter(rig.directory.telemetry, rig.clock)
    name = next(iter(json.loads(writer.cursor("hooks") or "")))
    writer.append([], [], {"hooks": json.dumps({name: to})})
    writer.close()


async def test_after_a_kill_only_the_last_delivery_may_come_twice(hooked, listener: Listener) -> None:
    rig = hooked(webhook(listener.url))
    await rig.start()
    await feed(rig, 7.5, 6.8, 6.2)
    await until(rig, lambda: len(listener.got) == 2 and not rig.station.hooks.outlets[0].waiting)
    first = json.loads(rig.station.writer.cursor("hooks") or "")
    worse = rig.events("alarm.severity")[0].id
    assert worse - 1 <= next(iter(first.values())), "kept before the second was told"
    await rig.stop()
    forget(rig, worse - 1)
    await rig.start()
    await until(rig, lambda: len(listener.got) == 3)
    assert listener.occasions == ["raised", "severity", "severity"]
    assert listener.got[1]["delivery"] == listener.got[2]["delivery"]


async def test_the_past_of_a_simulator_and_what_is_too_old_are_not_told_after_a_restart(
    hooked, listener: Listener
) -> None:
    rig = hooked(webhook(listener.url))
    station = await rig.start()
    await until(rig, lambda: bool(rig.events("station.started")))
    before = rig.events()[-1].id
    now = rig.clock.now_ns()

    def raised(subject: str, age_s: int) -> Event:
        return Event(now - age_s * 10**9, "TESTBIRD", RAISED, int(Level.CRITICAL), subject, "", {"text": subject})

    await station._store_past([], [raised(f"hist.{i}", 60) for i in range(3)])
    assert all(one.body["past"] is True for one in rig.events(RAISED))
    station.ingest.note([raised("old.one", 7200), raised(SUBJECT, 60)])
    await until(rig, lambda: len(listener.got) == 1)
    await rig.stop()
    listener.got.clear()
    forget(rig, before)
    await rig.start()
    await until(rig, lambda: len(listener.got) == 1 and not rig.station.hooks.outlets[0].waiting)
    [late] = rig.events("hook.late")
    assert late.text.endswith("1 told late, since the station had ended, 1 given up: older than 1 h, or too many")
    assert late.severity > 0


async def test_a_shelved_alarm_is_not_told_until_its_shelf_ends(hooked, listener: Listener) -> None:
    rig = hooked(webhook(listener.url, 'from = "CRITICAL"'))
    station = await rig.start()
    now = rig.clock.now_ns()
    key = ("TESTBIRD", "eps.bat_v")

    def event(kind: str, severity: Level, **body: Any) -> Event:
        return Event(now, key[0], kind, int(severity), key[1], "ann", {"text": kind, **body})

    critical = int(Level.CRITICAL)
    station.hooks.tell([event(RAISED, Level.WARNING), event(SHELVED, Level.WARNING, until_ns=now + 1)], live=True)
    station.hooks.tell([event("alarm.severity", Level.CRITICAL, level=critical)], live=True)
    assert not station.hooks.outlets[0].waiting
    station.hooks.tell([event(UNSHELVED, Level.CRITICAL, why=EXPIRED)], live=True)
    await until(rig, lambda: len(listener.got) == 1)
    assert listener.occasions == ["raised"]


async def test_a_command_gets_json_no_shell_reads_and_what_hangs_is_killed_with_its_children(
    hooked, tmp_path: Path
) -> None:
    script = tmp_path / "page.py"
    script.write_text(
        "import json, os, subprocess, sys, time\n"
        "told = json.load(sys.stdin)\n"
        "open('said.json', 'w').write(json.dumps([sys.argv[1:], told['occasion'], told['alarm']['word']]))\n"
        "if sys.argv[2] == 'hang':\n"
        "    child = subprocess.Popen(['sleep', '600'])\n"
        "    open('child.txt', 'w').write(str(child.pid))\n"
        "    time.sleep(600)\n",
        encoding="utf-8",
    )
    argv = json.dumps([sys.executable, str(script), "$(id); `id` *", "hang"])
    rig = hooked(f'\n[[hooks.command]]\nargv = {argv}\ntimeout_s = 4\non = ["raised"]\n')
    await rig.start()
    await feed(rig, 6.8)
    await until(rig, lambda: bool(rig.events("hook.failed")))
    said = json.loads((rig.directory.path / "said.json").read_text())
    assert said == [["$(id); `id` *", "hang"], "raised", "NEW"]
    [failed] = rig.events("hook.failed")
    assert "did not end within 4 s and was killed" in failed.text
    grandchild = int((rig.directory.path / "child.txt").read_text())
    await until(rig, lambda: not _runs(grandchild), 0.0)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def command(rig: Any, name: str) -> str:
    """All that a command writes; it succeeds."""
    argv = [sys.executable, "-P", "-m", "cubesat_tui", name, "--mission", str(rig.directory.path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


async def test_no_secret_is_in_log_journal_export_or_screen(
    hooked, listener: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A place that takes it, one that refuses, one that is not there: each with a secret wherever one fits."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("HOOK_TOKEN", f"Bearer {CANARY}-token")
    monkeypatch.setenv("HOOK_URL", f"{listener.url}/{CANARY}-path?key={CANARY}-query")
    monkeypatch.setenv("HOOK_BROKEN", f"http://{CANARY}-host:port/")
    listener.answers = [500, 204]
    headers = 'headers = {Authorization = "env:HOOK_TOKEN", X-Key = "env:HOOK_TOKEN"}'
    host = f"http://ann:{CANARY}-word@127.0.0.1:{listener.port}/{CANARY}?{CANARY}=1"
    rig = hooked(
        webhook(host, headers)
        + webhook("env:HOOK_URL", headers)
        + webhook("env:HOOK_BROKEN", headers)
        + webhook(f"http://ann:{CANARY}@127.0.0.1:1/{CANARY}?{CANARY}", headers)
        + f'\n[[hooks.command]]\nargv = ["false", "{CANARY}"]\n'
    )
    await rig.start()
    await feed(rig, 7.5, 6.8)
    await until(rig, lambda: len(rig.events("hook.failed")) == 4 and bool(rig.events("hook.recovered")), 0.5)
    assert any(CANARY in path for path in listener.paths)
    assert any(f"{CANARY}-token" in told.get("Authorization", "") for told in listener.headers)
    app = ConsoleApp(rig.directory, clock=rig.clock, operator="ann")
    async with app.run_test(size=(140, 42)) as pilot:
        await pilot.press("5", "tab")
        await pilot.pause(0.5)
        screen = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
    await rig.stop()
    exported, told = command(rig, "export"), command(rig, "events")
    assert "hook.failed" in told
    assert "webhook" in screen
    assert CANARY not in screen + told + exported + caplog.text
    files = [file for file in rig.directory.path.rglob("*") if file.is_file() and file.name != "mission.toml"]
    assert {"exports", "log"} <= {file.parent.name for file in files}
    assert [file.name for file in files if CANARY.encode() in file.read_bytes()] == []
