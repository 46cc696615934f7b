"""Where the mirror is, and that no secret is in what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.dictionary import MlflowConfig
from telemetry.mlflow_toml import is_tracking_uri
from telemetry.store.directory import MissionDirectory
from trainer.tracking.settings import masked, shown, tracking_uri

HERE = MissionDirectory(Path("/missions/demo"))


@pytest.mark.parametrize(
    ("uri", "variable", "found"),
    [
        ("", None, "sqlite:////missions/demo/mlflow.db"),
        ("", "http://tracking:5000", "http://tracking:5000"),
        ("sqlite", "http://tracking:5000", "sqlite:////missions/demo/mlflow.db"),
        ("http://a", "http://b", "http://a"),
        ("", "  ", "sqlite:////missions/demo/mlflow.db"),
    ],
)
def test_the_file_decides_then_the_environment_then_the_mission(uri: str, variable: str | None, found: str) -> None:
    environment = {} if variable is None else {"MLFLOW_TRACKING_URI": variable}
    assert tracking_uri(HERE, MlflowConfig(uri=uri), environment) == found


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite",
        "sqlite:////srv/tracking.db",
        "http://127.0.0.1:5000",
        "https://tracking.example/base",
        "postgresql+psycopg2://cubesat@db.example:5433/tracking",
        "postgresql+psycopg2://db/tracking?sslmode=require",
        "mysql+pymysql://db/tracking",
    ],
)
def test_addresses_that_may_stand_in_the_file(uri: str) -> None:
    assert is_tracking_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "https://kim:word@tracking.example",
        "https://kim@tracking.example",
        "https://tracking.example?token=word",
        "postgresql+psycopg2://kim:word@db/tracking",
        "postgresql+psycopg2://kim@db/tracking?password=word",
        "postgresql+psycopg2://kim@db/tracking?SSLPassword=word",
        "postgresql+psycopg2://db",
        "sqlite:///here.db",
        "file:///srv/mlruns",
        "databricks",
        "http://",
        "http://[::1",
        "http://host:port",
        "",
    ],
)
def test_addresses_that_may_not(uri: str) -> None:
    assert not is_tracking_uri(uri)


def test_a_password_is_shown_nowhere() -> None:
    uri = "postgresql+psycopg2://kim:a%20word@db/tracking"
    assert shown(uri) == "postgresql+psycopg2://kim:***@db/tracking"
    assert shown("http://host:5000/a@b") == "http://host:5000/a@b"
    text = f"could not connect to {uri} with 'a word' or 'another'"
    environment = {"MLFLOW_TRACKING_TOKEN": "another"}
    assert masked(text, uri, environment) == (
        "could not connect to postgresql+psycopg2://kim:***@db/tracking with '***' or '***'"
    )
