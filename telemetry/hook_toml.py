"""Reading the table `[hooks]` of mission.toml. What may be a secret is in no line it writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from telemetry.hook_config import ENV, OCCASIONS, CommandHook, Hook, WebhookHook, is_address
from telemetry.toml_report import MISSING, Report, Rule, as_table, is_text, number, one_of

MOST = 8
HIDDEN = "(not shown)"
_OPEN = ("from", "on", "timeout_s")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_OURS = ("content-type", "content-length", "host", "transfer-encoding")

COMMON = {
    "from": one_of("WATCH", "WARNING", "DISTRESS", "CRITICAL", "SEVERE"),
    "on": Rule(
        tuple[str, ...],
        "a list of " + ", ".join(f'"{word}"' for word in OCCASIONS),
        lambda words: bool(words) and set(words) <= set(OCCASIONS),
    ),
    "timeout_s": number("seconds from 0.1 to 300", 0.1, 300),
}
COMMAND = {
    "argv": Rule(
        tuple[str, ...],
        "a program and its arguments, each a text of its own; no shell reads them",
        lambda words: bool(words) and bool(words[0].strip()) and not any("\0" in word for word in words),
        needed=True,
    ),
    **COMMON,
}
WEBHOOK = {
    "url": Rule(
        str,
        "an address: http:// or https://, then the name of a host or its IP address;"
        f' or "{ENV}NAME" of an environment variable that holds one',
        lambda text: is_text(2000)(text) and (_is_variable(text) or is_address(text)),
        needed=True,
    ),
    "headers": Rule(dict[str, str], "a table of headers"),
    **COMMON,
}


class _Discreet(Report):
    """Reports to another report, and shows a value only where it cannot be a secret."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.file)
        self.lines = report.lines

    def error(self, key: str, value: object, allowed: str) -> None:
        leaf = key.rpartition(".")[2]
        super().error(key, value if value is MISSING or leaf in _OPEN else HIDDEN, allowed)


def read_hooks(report: Report, raw: object) -> tuple[Hook, ...]:
    """The hooks of a mission, in the order of the file, commands first; every error goes into `report`."""
    discreet = _Discreet(report)
    discreet.table(raw, "hooks", {}, children=("command", "webhook"))
    table = as_table(raw)
    found: list[Hook] = []
    for path, one in discreet.tables(table.get("command"), "hooks.command"):
        fields = discreet.table(one, path, COMMAND)
        if "argv" in fields:
            found.append(CommandHook(**_common(fields), argv=fields["argv"]))
    for path, one in discreet.tables(table.get("webhook"), "hooks.webhook"):
        fields = discreet.table(one, path, WEBHOOK)
        headers = _headers(discreet, f"{path}.headers", fields.get("headers", {}))
        if "url" in fields:
            found.append(WebhookHook(**_common(fields), url=fields["url"], headers=headers))
    if len(found) > MOST:
        report.error("hooks", len(found), f"at most {MOST} hooks")
    return tuple(found)


def _common(fields: Mapping[str, Any]) -> dict[str, Any]:
    known = {"from": "level", "on": "on", "timeout_s": "timeout_s"}
    return {known[name]: value for name, value in fields.items() if name in known}


def _headers(report: Report, path: str, raw: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for name, value in cast("dict[str, str]", raw).items():
        if not _HEADER.fullmatch(name) or len(name) > 100 or name.lower() in _OURS:
            # The name itself may be what was meant as the value.
            report.error(path, value, f"names of headers, and none of {', '.join(_OURS)}")
        elif not _is_variable(value):
            report.error(f"{path}.{name}", value, f'"{ENV}NAME": the environment variable that holds the value')
        else:
            found.append((name, value.removeprefix(ENV)))
    return tuple(found)


def _is_variable(text: str) -> bool:
    return text.startswith(ENV) and _VARIABLE.fullmatch(text.removeprefix(ENV)) is not None
