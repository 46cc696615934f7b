"""Crafted models offered to a running station: refused with an event, nothing runs, the scores stay the same."""

from __future__ import annotations

import hashlib
import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tests.cubesat_tui.governed import BIRD, Governed
from trainer import artifact
from trainer.scorer import LiveScoring, Scorer
from trainer.served import Manifest

Arrays = dict[str, np.ndarray]


class Forge:
    """Copies of a good model, changed and announced with the right digest, as somebody who means harm would."""

    def __init__(self, models: Path, canary: Path) -> None:
        self.models = models
        self.canary = canary
        self.good = (models / "v1" / "scorer.npz").read_bytes()

    def place(self, version: int, packed: bytes, announced: bytes | None = None) -> str:
        """Write `models/v<version>`; the digest that is announced, of `announced` where that is another one."""
        place = self.models / f"v{version}"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.models / "v1", place)
        digest = hashlib.sha256(packed if announced is None else announced).hexdigest()
        manifest = msgspec.json.decode((place / "manifest.json").read_bytes(), type=Manifest)
        manifest = msgspec.structs.replace(manifest, version=version, sha256=digest, parent=1)
        (place / "scorer.npz").write_bytes(packed)
        (place / "manifest.json").write_bytes(msgspec.json.encode(manifest))
        return digest

    def arrays(self, edit: Callable[[Arrays], None]) -> bytes:
        with np.load(io.BytesIO(self.good)) as file:
            arrays = {name: file[name].copy() for name in file.files}
        edit(arrays)
        out = io.BytesIO()
        np.savez_compressed(out, allow_pickle=True, **arrays)
        return out.getvalue()

    def value(self, name: str, value: float) -> bytes:
        def edit(arrays: Arrays) -> None:
            arrays[name].reshape(-1)[0] = value

        return self.arrays(edit)

    def pickled(self) -> bytes:
        canary = self.canary

        class Harm:
            def __reduce__(self) -> tuple[object, ...]:
                return Path.touch, (canary,)

        return self.arrays(lambda arrays: arrays.update({"packet0.middle": np.array([Harm()], dtype=object)}))

    def archive(self, change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> bytes:
        with zipfile.ZipFile(io.BytesIO(self.good)) as file:
            members = {name: file.read(name) for name in file.namelist()}
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in change(members).items():
                file.writestr(name, content)
        return out.getvalue()

    def bomb(self) -> bytes:
        zeros = b"\0" * (artifact.MAX_UNPACKED_BYTES + 1)
        return self.archive(lambda members: {**members, next(iter(members)): zeros})

    def traversal(self) -> bytes:
        """One member more that would land beside the canary, and one that takes the place of another."""
        up = f"{'../' * 40}{str(self.canary).lstrip('/')}"
        return self.archive(lambda members: {**members, up: b"harm", str(self.canary): b"harm"})

    def renamed(self) -> bytes:
        return self.archive(
            lambda members: {("../" + name if i == 0 else name): c for i, (name, c) in enumerate(members.items())}
        )


def _drop(arrays: Arrays) -> None:
    del arrays["forest.roots"]


async def test_every_crafted_model_is_refused_nothing_runs_and_the_scores_stay(
    governed: Governed, tmp_path: Path
) -> None:
    """Issue 7, acceptance 5."""
    await governed.promotions(1)
    models, canary = governed.rig.directory.models, tmp_path / "canary"
    forge = Forge(models, canary)
    good = forge.good
    crafted: list[tuple[str, bytes, bytes | None]] = [
        ("a pickled object", forge.pickled(), None),
        ("a wrong hash", good, good + b"\0"),
        ("truncated", good[:-500], None),
        ("truncated after it was announced", good[:-500], good),
        ("an array missing", forge.arrays(_drop), None),
        ("an array too many", forge.arrays(lambda arrays: arrays.update({"extra": np.zeros(3)})), None),
        ("an index far outside", forge.value("forest.roots", 2**30), None),
        ("an index below 0", forge.value("forest.roots", -1), None),
        ("a child outside the nodes", forge.value("forest.left", 2**30), None),
        ("a feature that is none", forge.value("forest.feature", 100), None),
        ("a split at NaN", forge.arrays(lambda arrays: arrays["forest.threshold"].fill(np.nan)), None),
        ("a threshold of NaN", forge.arrays(lambda arrays: arrays["packet0.threshold"].fill(np.nan)), None),
        ("a zip bomb", forge.bomb(), None),
        ("a way out of the archive", forge.traversal(), None),
        ("a member elsewhere", forge.renamed(), None),
        ("no archive", b"\x80\x04\x95harm.", None),
        ("nothing", b"", None),
    ]
    # Beside the station, a scoring that never sees any of them.
    beside = LiveScoring(governed.rig.mission)
    for batch in governed.fed:
        beside.score(batch)
    beside.swap(Scorer.load(models / "v1"))
    champion = governed.rig.station.models.scoring.scorer(BIRD)
    for number, (what, packed, announced) in enumerate(crafted, 2):
        digest = forge.place(number, packed, announced)
        governed.rig.ask("run_recorded", _run(governed, number, digest), "trainer")
        await governed.settled()
        event = governed.rig.events("model.rejected")[-1]
        assert (event.kind, event.subject) == ("model.rejected", f"v{number}"), what
        assert event.body["reason"] != "trust me", what
        assert governed.rig.station.models.scoring.scorer(BIRD) is champion, what
        # And once more by the hand of an operator who was talked into it.
        assert (await governed.ask("promote", version=number, reason="try it")).kind == "act.refused", what
        assert governed.rig.station.models.scoring.scorer(BIRD) is champion, what
        await governed.fly(20)
        assert not canary.exists(), what
    assert [run.decision for run in governed.rig.read(lambda r: r.runs())][:-1] == ["rejected"] * len(crafted)

    rows = governed.rows()[3000:]
    again: list[tuple[int, float, int]] = []
    for batch in governed.fed[-len(crafted) :]:
        columns = beside.score(batch).columns
        assert columns is not None
        again += [
            (int(columns.model[i]), float(columns.score[i]), int(columns.state[i])) for i in range(len(batch))
        ]
    assert len(rows) == 20 * len(crafted)
    assert again == rows, "to the bit"

    last = len(crafted) + 2
    digest = forge.place(last, good)
    governed.rig.ask("run_recorded", _run(governed, last, digest), "trainer")
    await governed.settled()
    assert governed.rig.events("model.")[-1].kind == "model.promoted"
    assert governed.scores_with == last


def _run(governed: Governed, version: int, digest: str) -> dict[str, Any]:
    return {
        "retrain": version,
        "at_ns": governed.rig.clock.now_ns(),
        "satellite": BIRD,
        "decision": "promoted",
        "version": version,
        "parent": 1,
        "reason": "trust me",
        "model_sha256": digest,
    }
