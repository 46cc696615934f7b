"""A model that is not exactly what it says it is must be refused, with a reason, before it is used."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from trainer import artifact
from trainer.model import Fitted
from trainer.served import Manifest, Scorer, ScorerRefused


@pytest.fixture
def place(tmp_path: Path, fitted: Fitted) -> Path:
    return artifact.write(tmp_path, fitted.scorer.manifest, fitted.packed)


def _change(place: Path, edit: Callable[[dict[str, np.ndarray]], None]) -> None:
    """Rewrite the arrays and announce the right digest, as somebody who means harm would."""
    with np.load(place / "scorer.npz") as file:
        arrays = {name: file[name].copy() for name in file.files}
    edit(arrays)
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=True, **arrays)
    _replace(place, out.getvalue())


def _replace(place: Path, packed: bytes) -> None:
    (place / "scorer.npz").write_bytes(packed)
    manifest = msgspec.json.decode((place / "manifest.json").read_bytes(), type=Manifest)
    changed = msgspec.structs.replace(manifest, sha256=hashlib.sha256(packed).hexdigest())
    (place / "manifest.json").write_bytes(msgspec.json.encode(changed))


def test_what_is_read_back_scores_exactly_as_what_was_fitted(place: Path, fitted: Fitted) -> None:
    loaded = Scorer.load(place, fitted.scorer.sha256)
    rng = np.random.default_rng(1)
    for name, packet in fitted.scorer.packets.items():
        features = rng.normal(40, 30, (200, len(packet.channels), 3))
        bins = rng.integers(0, len(packet.centre), 200)
        key = rng.integers(0, len(packet.key_offset), 200)
        before = fitted.scorer.judge(name, features, bins, key)
        after = loaded.judge(name, features, bins, key)
        np.testing.assert_array_equal(before.score, after.score)
        np.testing.assert_array_equal(before.row_score, after.row_score)
        np.testing.assert_array_equal(before.axes, after.axes)


def test_a_flipped_byte_is_refused(place: Path) -> None:
    path = place / "scorer.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ScorerRefused, match="SHA-256"):
        Scorer.load(place)


def test_another_model_than_announced_is_refused(place: Path) -> None:
    with pytest.raises(ScorerRefused, match="announced"):
        Scorer.load(place, "0" * 64)


def test_truncated_is_refused(place: Path) -> None:
    _replace(place, (place / "scorer.npz").read_bytes()[:-500])
    with pytest.raises(ScorerRefused, match="cannot be read"):
        Scorer.load(place)


def test_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScorerRefused, match=r"manifest\.json cannot be read"):
        Scorer.load(tmp_path / "v9")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("forest.left", 2**30, "outside the nodes"),
        ("forest.left", 0, "outside the nodes or before its parent"),
        ("forest.roots", -1, "root lies outside"),
        ("forest.roots", 2**30, "root lies outside"),
        ("forest.feature", 100, "feature that does not exist"),
        ("forest.length", -1.0, "path length"),
        ("forest.length", np.nan, "path length"),
        ("forest.normaliser", 0.0, "normaliser"),
        ("packet0.group", 99, "forest that does not exist"),
        ("packet0.spread", 0.0, "spread is not positive"),
        ("packet0.centre", np.inf, "not finite"),
        ("packet0.threshold", -1.0, "inside the normal"),
    ],
)
def test_a_value_that_leads_astray_is_refused(place: Path, name: str, value: float, reason: str) -> None:
    def edit(arrays: dict[str, np.ndarray]) -> None:
        flat = arrays[name].reshape(-1)
        flat[1 if name == "forest.left" and value == 0 else 0] = value

    _change(place, edit)
    with pytest.raises(ScorerRefused, match=reason):
        Scorer.load(place)


def test_a_forest_that_tells_nothing_is_refused(place: Path) -> None:
    _change(place, lambda arrays: arrays["forest.length"].fill(3.0))
    with pytest.raises(ScorerRefused, match="does not tell"):
        Scorer.load(place)


def test_a_pickled_object_is_refused_and_not_run(place: Path, tmp_path: Path) -> None:
    trace = tmp_path / "ran"

    class Harm:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (trace,)

    def edit(arrays: dict[str, np.ndarray]) -> None:
        arrays["packet0.middle"] = np.array([Harm()], dtype=object)

    _change(place, edit)
    with pytest.raises(ScorerRefused):
        Scorer.load(place)
    assert not trace.exists()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(place: Path) -> None:
    with zipfile.ZipFile(place / "scorer.npz") as old:
        names = old.namelist()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bomb:
        for i, name in enumerate(names):
            bomb.writestr(name, b"\0" * (artifact.MAX_UNPACKED_BYTES + 1 if i == 0 else 1))
    _replace(place, out.getvalue())
    with pytest.raises(ScorerRefused, match="unpacks to more"):
        Scorer.load(place)


def test_more_bytes_than_allowed_are_refused(place: Path) -> None:
    _replace(place, b"\0" * (artifact.MAX_FILE_BYTES + 1))
    with pytest.raises(ScorerRefused, match="larger than"):
        Scorer.load(place)


def test_an_array_too_many_is_refused(place: Path) -> None:
    _change(place, lambda arrays: arrays.update({"extra": np.zeros(3)}))
    with pytest.raises(ScorerRefused, match="exactly the arrays"):
        Scorer.load(place)


def test_a_failed_write_leaves_nothing(tmp_path: Path, fitted: Fitted) -> None:
    with pytest.raises(ScorerRefused):
        artifact.write(tmp_path, fitted.scorer.manifest, fitted.packed[:-10])
    assert list(tmp_path.iterdir()) == []
