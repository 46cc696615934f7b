"""Reading the tables `[link]` and, where frames come over a link, `[source]`. An address may hold a secret."""

from __future__ import annotations

from telemetry.limits_toml import YES_NO
from telemetry.link_config import LinkConfig, is_database, is_node_path
from telemetry.toml_report import Report, Rule, as_table, is_text, number, one_of, words

LAYOUTS = ("records", "original")
URL = Rule(
    str,
    "https://HOST of a database, or http:// to this machine only (localhost, 127.0.0.1), without user and path",
    lambda text: is_text(300)(text) and is_database(text),
)
NODE = Rule(
    str,
    "keys joined by /, none of digits only, without . # $ [ ]",
    lambda text: is_text(400)(text) and is_node_path(text),
)
LINK = {
    "target": words(400),
    "url": URL,
    "path": NODE,
    "credentials": words(400),
    "token_file": words(400),
    "compress": YES_NO,
    "retention_hours": number("hours from 0 (keep all) to 87600", 0, 87_600),
    "mirror_alerts": YES_NO,
}
SOURCE = {
    "layout": one_of(*LAYOUTS),
    "node": NODE,
    "faces": Rule(dict[str, str], "channel = face, whose distance_cm it is"),
    "strengths": Rule(dict[str, str], "channel = face, whose signal_strength it is"),
    "simulated": YES_NO,
}


def read_link(report: Report, raw: object) -> LinkConfig:
    """The link of a mission; every error goes into `report`, an address only where it can hold no secret."""
    url = as_table(raw).get("url")
    if isinstance(url, str) and ("@" in url or "?" in url) and not URL.test(url):
        report.error("link.url", "(not shown)", URL.allowed)
        raw = {key: value for key, value in as_table(raw).items() if key != "url"}
    return LinkConfig(**report.table(raw, "link", LINK))
