"""Diagnosis of a mission's Firebase link: key, reach, access, clock, rules, who writes. One `Check` per question.

It writes two things and takes both away again: the server's time under `doctor/<user>`, and, where the rules let
anybody write into a stranger's mailbox, the letter that proves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from cubesat_tui.children import child_argv, child_environment, open_log
from cubesat_tui.doctor import Check
from cubesat_tui.ownership import OWNER, PUBLISHER
from telemetry.clock import NS_PER_S
from telemetry.dictionary import MissionError, read_mission
from telemetry.link_config import EMULATOR, LinkRefused, address_of
from telemetry.links.endpoint import Endpoint, EndpointRefused, address_path
from telemetry.links.link_health import LinkFailure
from telemetry.links.redaction import install, keep_secret
from telemetry.links.service_account import key_file, key_of, needs_key
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.clock import Clock
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory

FAILED, UNREACHABLE = 1, 3
TIMEOUT_S = 8.0
COURIER_S = 40.0
LATE_S, WRONG_S = 2.0, 60.0
"""A clock so far off is told of; one so far off is refused by Google's token server before long."""
NS_PER_MS = 1_000_000
RULES = "deploy/firebase/database.rules.json"
DEPLOY = f"Firebase console, Realtime Database, Rules: put {RULES} there, Publish"
REFUSING = (401, 403)


class Unreachable(Exception):
    """No answer; the sentence says in which way."""


class Answer(NamedTuple):
    """What a request brought: HTTP status, JSON (None where it is none), and the server's Date (UTC ns, or 0)."""

    status: int
    value: Any
    date_ns: int


class Access(NamedTuple):
    """What is shown to be let in, and as whom."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    uid: str
    above_rules: bool

    def as_operator(self) -> Access:
        """The same, held to the rules as an operator of another name."""
        if not self.above_rules:
            return self
        told = json.dumps({"uid": "doctor", "token": {"role": "operator"}})
        return self._replace(query={"auth_variable_override": told}, uid="doctor", above_rules=False)


NOBODY = Access({}, {}, "", False)


def examine_link(
    directory: MissionDirectory, clock: Clock, environ: Mapping[str, str] = os.environ
) -> tuple[list[Check], int]:
    """Every check in the order of the list a user reads, up to one that makes the rest pointless; the exit code."""
    install()
    checks: list[Check] = []
    try:
        mission = read_mission(directory.path)
        endpoint = Endpoint.of(address_of(mission.link, environ), mission.link_root, environ)
        where = f"{endpoint.base}, node {endpoint.root}" + (
            f", emulator of {EMULATOR}" if endpoint.emulator else ""
        )
        checks.append(Check("link", "ok", where))
        key = _key(mission, environ)
        checks.append(key)
        examination = _Examination(endpoint, clock)
        with examination:
            checks.append(examination.reach())
            if checks[-1].state != "fail":
                checks += examination.with_access(_access(mission, directory, environ))
    except (MissionError, LinkRefused, EndpointRefused) as error:
        checks.append(Check("link" if not checks else "key", "fail", str(error).splitlines()[0]))
    except LinkFailure as error:
        hint = "make a new key, or sign in again: docs/firebase.md; a clock that is wrong is refused too"
        checks.append(Check("access", "fail", error.words, hint))
    except Unreachable as error:
        hint = "is the address right, is there a network, does the emulator run?"
        return [*checks, Check("reach", "fail", str(error), hint)], UNREACHABLE
    return checks, FAILED if any(check.state == "fail" for check in checks) else 0


def _key(mission: Mission, environ: Mapping[str, str]) -> Check:
    """Which credential there is, kept as it has to be."""
    from telemetry.links.id_token import read_token_file

    if not needs_key(mission.link, environ):
        return Check("key", "ok", "none needed: the database is on this machine")
    token_file = mission.link.file("token_file", mission.directory)
    if key_file(mission.link, mission.directory, environ) is None and token_file is not None:
        read_token_file(token_file)
        return Check("key", "ok", f"a user's token, {token_file}: enough for a console, not for a station")
    path = key_of(mission, environ)
    return Check("key", "ok", f"a service account's key, {path}: yours alone, not in git")


def _access(mission: Mission, directory: MissionDirectory, environ: Mapping[str, str]) -> Access:
    """What the credential of the mission gives.

    Raises:
        LinkFailure: nothing, now.
    """
    if not needs_key(mission.link, environ):
        return Access({"Authorization": "Bearer owner"}, {}, "service", True)
    key = key_file(mission.link, mission.directory, environ)
    if key is not None:
        return Access(
            {"Authorization": f"Bearer {_minted(mission, directory, str(key), environ)}"}, {}, "service", True
        )
    from telemetry.links.id_token import IdTokens

    token_file = mission.link.file("token_file", mission.directory)
    assert token_file is not None
    token = asyncio.run(IdTokens(token_file).current())
    return Access({}, {"auth": token.value}, token.uid, False)


def _minted(mission: Mission, directory: MissionDirectory, key: str, environ: Mapping[str, str]) -> str:
    """A token of the service account, asked of a courier: Google's client is imported nowhere else."""
    settings = {
        "url": address_of(mission.link, environ),
        "root": mission.link_root,
        "station": "doctor",
        "name": "doctor",
        "session": "doctor",
        "credentials": key,
    }
    orders = "".join(json.dumps(order) + "\n" for order in ({"open": settings}, {"token": True}))
    log = open_log(directory.log / "courier.log")
    try:
        courier = subprocess.Popen(
            child_argv("telemetry.links.courier", str(directory.path)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=child_environment(),
            text=True,
        )
    finally:
        os.close(log)
    assert courier.stdin is not None
    assert courier.stdout is not None
    deadline = time.monotonic() + COURIER_S
    try:
        courier.stdin.write(orders)
        courier.stdin.flush()
        for line in courier.stdout:
            told = json.loads(line)
            if "token" in told:
                keep_secret(told["token"]["value"])
                return str(told["token"]["value"])
            if "failed" in told or time.monotonic() > deadline:
                raise LinkFailure(str(told.get("failed", {}).get("why", "the courier gives no token")))
    finally:
        with contextlib.suppress(OSError):
            courier.stdin.close()
        courier.kill()
        courier.wait()
        courier.stdout.close()
    raise LinkFailure("the courier ended: log/courier.log says why")


class _Examination:
    """Questions to one database."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        import httpx

        from telemetry.links.firebase_rest import direct

        self._httpx = httpx
        self._endpoint = endpoint
        self._clock = clock
        self._client = httpx.Client(
            base_url=endpoint.base, timeout=TIMEOUT_S, follow_redirects=True, mounts=direct(endpoint)
        )

    def __enter__(self) -> _Examination:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def reach(self) -> Check:
        """Is there a database?

        Raises:
            Unreachable: there is no answer.
        """
        begun = time.perf_counter()
        answer = self._ask("GET", NOBODY, "heads", "frames")
        took_ms = 1000 * (time.perf_counter() - begun)
        if answer.status == 404:
            return Check(
                "reach",
                "fail",
                f"{self._endpoint.host} answers, and has no such database",
                "Firebase console, Realtime Database: the address stands above the data; put it into [link] url",
            )
        return Check("reach", "ok", f"{self._endpoint.host} answers in {took_ms:.0f} ms")

    def with_access(self, access: Access) -> list[Check]:
        """What this credential finds."""
        let_in = self._ask("GET", access, "heads", "frames")
        if let_in.status in REFUSING:
            hint = (
                "the key was revoked or is of another project: make a new one: docs/firebase.md"
                if access.above_rules
                else f"the account needs the custom claim role = operator: docs/firebase.md; or the rules: {DEPLOY}"
            )
            return [Check("access", "fail", f"the database does not let {access.uid or 'you'} in", hint)]
        if let_in.status != 200:
            return [Check("access", "fail", f"the database answers {let_in.status}", "try again later")]
        return [
            Check("access", "ok", f"let in as {plain_text(access.uid, 60) or 'a user'}"),
            self.clock(access),
            *self.rules(access),
            self.stations(access),
        ]

    def clock(self, access: Access) -> Check:
        """How far is this machine's clock from the server's?"""
        before_ns = self._clock.now_ns()
        asked = self._ask("PUT", access, "doctor", access.uid or "nobody", value={".sv": "timestamp"})
        after_ns = self._clock.now_ns()
        if asked.status == 200 and isinstance(asked.value, (int, float)):
            self._ask("DELETE", access, "doctor", access.uid or "nobody")
            server_ns, exact = int(asked.value) * NS_PER_MS, 0.0
        elif asked.date_ns:
            # To the whole second before.
            server_ns, exact = asked.date_ns + NS_PER_S // 2, 0.5
        else:
            return Check("clock", "warn", "the server does not say what time it has")
        off_s = ((before_ns + after_ns) // 2 - server_ns) / NS_PER_S
        if abs(off_s) <= LATE_S + exact:
            return Check("clock", "ok", f"{abs(off_s):.1f} s from the server's")
        side = "ahead of" if off_s > 0 else "behind"
        state = "warn" if abs(off_s) <= WRONG_S else "fail"
        hint = "set the clock: timedatectl set-ntp true; ages and times of frames are wrong until then"
        return Check("clock", state, f"{abs(off_s):.1f} s {side} the server's", hint)

    def rules(self, access: Access) -> list[Check]:
        """May others do what they must not?"""
        # What is open on this machine alone is a way to try things out.
        bad = "warn" if self._endpoint.loopback else "fail"
        checks: list[Check] = []
        if self._ask("GET", NOBODY, "heads", "frames").status not in REFUSING:
            checks.append(Check("rules", bad, "anybody may read the mission without signing in", DEPLOY))
        operator = access.as_operator()
        place = ("mailbox", "somebody-else", "doctor")
        letter = {"at_ns": 0, "kind": "note", "actor": "doctor", "t": "{}"}
        written = self._ask("PUT", operator, *place, value=letter)
        if written.status == 200:
            self._ask("DELETE", access, *place)
            checks.append(Check("rules", bad, "a user may write acts in the name of another", DEPLOY))
        if self._ask("GET", operator, "heads", "frames").status in REFUSING:
            checks.append(Check("rules", bad, "an operator who signed in may not read the mission", DEPLOY))
        return checks or [Check("rules", "ok", "strangers may not read, and no user writes in another's name")]

    def stations(self, access: Access) -> Check:
        """Who writes, and was heard of when?"""
        said: list[str] = []
        for node, what in ((PUBLISHER, "frames"), (OWNER, "scores and alarms")):
            value = self._ask("GET", access, node).value
            if not isinstance(value, dict):
                said.append(f"{what}: from nobody yet")
                continue
            beat = value.get("beat")
            name = plain_text(str(value.get("name", "somebody")), 60)
            age_s = self._clock.now_ns() / NS_PER_S - beat / 1000 if isinstance(beat, (int, float)) else None
            said.append(
                f"{what}: from {name}" + (f", heard {max(0.0, age_s):.0f} s ago" if age_s is not None else "")
            )
        return Check("stations", "ok", "; ".join(said))

    def _ask(self, method: str, access: Access, *path: str, value: Any = None) -> Answer:
        query = dict(access.query)
        if self._endpoint.namespace:
            query["ns"] = self._endpoint.namespace
        address = address_path(self._endpoint.below(*path))
        body = None if value is None else json.dumps(value)
        try:
            got = self._client.request(method, address, params=query, headers=dict(access.headers), content=body)
        except self._httpx.TimeoutException:
            raise Unreachable(f"{self._endpoint.host}: no answer within {TIMEOUT_S:.0f} s") from None
        except self._httpx.HTTPError as error:
            # Its text may hold the address, and the address a token.
            why = "its certificate is not trusted here" if "CERTIFICATE" in str(error) else "cannot be reached"
            raise Unreachable(f"{self._endpoint.host}: {why}") from None
        if got.status_code >= 500:
            raise Unreachable(f"{self._endpoint.host}: answers {got.status_code}")
        told: Any = None
        with contextlib.suppress(ValueError):
            told = got.json()
        return Answer(got.status_code, told, _date_ns(got.headers.get("date", "")))


def _date_ns(text: str) -> int:
    try:
        return int(parsedate_to_datetime(text).timestamp()) * NS_PER_S
    except (ValueError, TypeError):
        return 0
