"""Old models leave the disk, but never one that a satellite is judged by."""

from __future__ import annotations

from pathlib import Path

from trainer.kept_models import KEPT_MODELS, prune


def test_a_model_that_serves_stays_however_many_came_after_it(tmp_path: Path) -> None:
    newest = KEPT_MODELS + 100
    for version in range(1, newest + 1):
        (tmp_path / f"v{version}").mkdir()
        (tmp_path / f"v{version}" / "manifest.json").touch()
    prune(tmp_path, newest, {3, 57})
    kept = sorted(int(path.name[1:]) for path in tmp_path.iterdir())
    assert kept == [3, 57, *range(newest - KEPT_MODELS + 1, newest + 1)]
