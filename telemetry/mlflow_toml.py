"""Reading the table `[mlflow]`. An address may hold a secret: one that does is refused and not repeated."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from telemetry.dictionary import MLFLOW_HERE, MlflowConfig
from telemetry.toml_report import Report, Rule, as_table, is_text, number

DATABASES = frozenset({"postgresql", "mysql", "mssql"})
_SECRET_FIELDS = frozenset({"password", "passwd", "pwd", "token", "secret", "sslpassword"})


def is_tracking_uri(text: str) -> bool:
    """Whether it is the address of a tracking store, without a password in it."""
    if text == MLFLOW_HERE:
        return True
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.password is not None or any(key.lower() in _SECRET_FIELDS for key, _ in parse_qsl(parts.query)):
        return False
    if parts.scheme == "sqlite":
        return text.startswith("sqlite:////") and len(text) > len("sqlite:////")
    if parts.scheme in {"http", "https"}:
        return bool(host) and parts.username is None and not parts.query and not parts.fragment
    return parts.scheme.partition("+")[0] in DATABASES and len(parts.path) > 1


URI = Rule(
    str,
    f'"{MLFLOW_HERE}" (in the mission directory), http(s)://HOST of a tracking server, sqlite:////PATH,'
    " or postgresql+psycopg2://HOST/DATABASE, all without a password: that comes from the environment"
    " (MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_TOKEN, PGPASSWORD)",
    lambda text: is_text(400)(text) and is_tracking_uri(text),
)
MLFLOW = {
    "uri": URI,
    "spool_days": number("days from 0.1 to 3650", 0.1, 3650),
    "keep_days": number("days from 0 (for ever) to 3650", 0, 3650),
    "keep_one_in": Rule(int, "a whole number from 0 (none) to 1000000", lambda n: 0 <= n <= 1_000_000),
}


def read_mlflow(report: Report, raw: object) -> MlflowConfig:
    """The mirror of a mission; every error goes into `report`, an address only where it can hold no secret."""
    uri = as_table(raw).get("uri")
    if isinstance(uri, str) and ("@" in uri or "?" in uri) and not URI.test(uri):
        report.error("mlflow.uri", "(not shown)", URI.allowed)
        raw = {key: value for key, value in as_table(raw).items() if key != "uri"}
    return MlflowConfig(**report.table(raw, "mlflow", MLFLOW))
