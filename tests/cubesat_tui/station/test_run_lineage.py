"""The lineage of a run, from a station's own store and files: data, features, model, promotion, anomalies."""

from __future__ import annotations

import shutil

from cubesat_tui.drawing.lineage_rows import lineage_rows
from cubesat_tui.drawing.rows import plain
from cubesat_tui.run_diff import diff
from cubesat_tui.run_lineage import RunLineage, lineage_of_run
from tests.cubesat_tui.governed import BIRD, Governed


def told(governed: Governed, version: int) -> RunLineage:
    rig = governed.rig

    def read(reader):
        run = reader.run_of_version(version, BIRD)
        return lineage_of_run(reader, rig.directory, run, BIRD, None)

    return rig.read(read)


def words(lineage: RunLineage, now_ns: int) -> str:
    return " ".join(" ".join(plain(line) for line in lineage_rows(lineage, now_ns, 78)).split())


async def test_from_the_data_to_who_took_it_back(governed: Governed):
    await governed.promotions(3)
    await governed.fly(60)
    await governed.ask("rollback", satellite=BIRD, reason="v3 is blind")
    second, third = told(governed, 2), told(governed, 3)
    assert second.manifest is not None
    assert second.manifest.window.hash == second.run.window_hash
    assert second.parent is not None and second.parent.version == 1
    assert [run.version for run in second.children] == [3]
    assert [(stay.event.kind, stay.ended is None) for stay in second.stays] == [
        ("model.promoted", False),
        ("model.rolled_back", True),
    ]
    assert [stay.ended.kind for stay in third.stays if stay.ended is not None] == ["model.rolled_back"]
    now_ns = governed.rig.clock.now_ns()
    text = words(second, now_ns)
    assert "hk 2 channels" in text
    assert "returned to by kim" in text and '"v3 is blind"' in text
    assert "rolled back after" in words(third, now_ns)
    made = {section.title: section.pairs for section in diff(second.run, third.run)}
    names = {pair.name for pair in made["parameters"]}
    assert {"kind", "seed"} <= names, "how it was fitted stands in the run itself"


async def test_files_that_are_gone_or_others_are_told_of(governed: Governed):
    await governed.promotions(2)
    models = governed.rig.directory.models
    shutil.rmtree(models / "v1")
    assert "only the newest models are kept" in told(governed, 1).missing
    shutil.copytree(models / "v2", models / "v1")
    assert told(governed, 1).missing == "the files in v1 are not those of this run"
    (models / "v1" / "manifest.json").write_bytes(b"{")
    assert "cannot be read: manifest.json is not a manifest" in told(governed, 1).missing
    assert "only the newest" not in words(told(governed, 2), 0)
