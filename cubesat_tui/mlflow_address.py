"""Where a person finds a mission's runs in MLflow's own pages: an address, or the command that starts them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.dictionary import MlflowConfig
    from telemetry.store.directory import MissionDirectory


def mlflow_address(directory: MissionDirectory, config: MlflowConfig) -> tuple[str, str]:
    """What to open or to run, and what it is in a word: `address` or `command`."""
    from trainer.tracking.server import shown_at

    address = shown_at(directory, config)
    if address is not None:
        return address, "address"
    place = plain_text(str(directory.path.absolute()), 300)
    return f"cubesat-tui mlflow-ui --mission {shlex.quote(place)}", "command"
