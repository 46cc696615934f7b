"""The fit of the served fusion: what it depends on, what it carries over, and what of its bytes is believed."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from telemetry.dictionary import Bus, Channel, Mission
from telemetry.frame import FrameBatch
from trainer import artifact
from trainer.fit_channels import NotEnough
from trainer.fusion.arrays import MUTE, PacketFusion
from trainer.fusion.fit_members import chosen_blocks, joined, taken
from trainer.fusion.fit_rules import FURTHER_AWAY, longest_runs, place_thresholds
from trainer.model import Fitted, fit
from trainer.served import Manifest, Scorer, ScorerRefused
from trainer.window import PacketRows, Window, from_batches

Make = Callable[..., list[FrameBatch]]
SATELLITE = "TESTSAT"
ORBIT_S = 1200


def _fit(window: Window, **more: object) -> Fitted:
    arguments = {"version": 1, "parent": None, "created_ns": 0, "false_alarms_per_day": 0.2, "kind": "fusion"}
    return fit(window, **{**arguments, **more})


@pytest.fixture(scope="module")
def window(mission: Mission, make_packets: Make) -> Window:
    return from_batches(SATELLITE, mission.bus_of(SATELLITE), make_packets(0, 6 * ORBIT_S))


@pytest.fixture(scope="module")
def fused(window: Window) -> Fitted:
    return _fit(window)


def _of(scorer: Scorer, name: str) -> PacketFusion:
    for model in scorer.packets.values():
        if name in model.channels:
            assert model.fusion is not None
            return taken(model.fusion, [model.channels.index(name)])
    raise KeyError(name)


def _same(a: PacketFusion, b: PacketFusion, atol: float = 0.0) -> None:
    for field in fields(PacketFusion):
        np.testing.assert_allclose(getattr(a, field.name), getattr(b, field.name), rtol=atol, atol=atol)


def _changed(window: Window, change: Callable[[PacketRows], PacketRows]) -> Window:
    return replace(window, packets=tuple(change(rows) for rows in window.packets))


def test_every_judged_channel_has_both_voices(fused: Fitted) -> None:
    judged = {name for model in fused.scorer.packets.values() for name in model.channels}
    assert {"eps.bat_i", "eps.pv_i_px", "pld.dist_n", "pld.dist_s"} <= judged
    for model in fused.scorer.packets.values():
        assert model.fusion is not None
        assert (model.fusion.threshold < MUTE).all()
        assert (model.fusion.threshold > model.fusion.usual).all()
        assert (model.fusion.place_threshold >= 6.0).all()
        assert (model.fusion.longest >= 1).all()


def test_a_channel_is_the_same_wherever_it_stands_among_the_others(window: Window, fused: Fitted) -> None:
    def backwards(rows: PacketRows) -> PacketRows:
        order = slice(None, None, -1)
        return replace(
            rows, channels=rows.channels[order], values=rows.values[:, order], vouched=rows.vouched[:, order]
        )

    again = _fit(_changed(window, backwards))
    assert again.scorer.packets["pld"].channels == fused.scorer.packets["pld"].channels[::-1]
    for name in ("eps.bat_i", "pld.dist_n", "pld.dist_s"):
        _same(_of(again.scorer, name), _of(fused.scorer, name))


def test_signs_and_units_change_no_threshold(window: Window, fused: Fitted) -> None:
    def otherwise(rows: PacketRows) -> PacketRows:
        factor = np.array([-3.6 if channel.name.startswith("pld.") else 1.0 for channel in rows.channels])
        return replace(rows, values=rows.values * factor)

    again = _fit(_changed(window, otherwise))
    for name in ("pld.dist_n", "pld.dist_s"):
        mine, was = _of(again.scorer, name), _of(fused.scorer, name)
        for figure in ("unit", "usual", "threshold", "place_threshold", "longest"):
            np.testing.assert_allclose(getattr(mine, figure), getattr(was, figure), rtol=1e-6)


def test_only_what_is_due_is_fitted_anew_and_refits_can_be_chained(
    mission: Mission, make_packets: Make, fused: Fitted
) -> None:
    later = from_batches(SATELLITE, mission.bus_of(SATELLITE), make_packets(ORBIT_S, 6 * ORBIT_S))
    first = _fit(later, version=2, parent=fused.scorer, due={"pld.dist_s"})
    assert first.scorer.clock is not None
    assert fused.scorer.clock is not None
    assert first.scorer.clock.epoch_ns == fused.scorer.clock.epoch_ns
    assert first.scorer.clock.valid_until_ns > fused.scorer.clock.valid_until_ns
    for name in ("eps.bat_i", "eps.pv_i_px", "pld.dist_n"):
        _same(_of(first.scorer, name), _of(fused.scorer, name))
    assert not np.array_equal(
        _of(first.scorer, "pld.dist_s").window_refs, _of(fused.scorer, "pld.dist_s").window_refs
    )
    before, after = fused.scorer.packets["pld"], first.scorer.packets["pld"]
    at = before.channels.index("pld.dist_n")
    np.testing.assert_array_equal(after.centre[:, at], before.centre[:, at])
    second = _fit(later, version=3, parent=first.scorer, due={"pld.dist_n", "eps.bat_i", "eps.pv_i_px"})
    _same(_of(second.scorer, "pld.dist_s"), _of(first.scorer, "pld.dist_s"))
    assert second.scorer.manifest.parent == 2
    fitted = {
        n: v for info in second.scorer.manifest.packets for n, v in zip(info.channels, info.fitted, strict=True)
    }
    assert {fitted[name] for name in ("pld.dist_n", "eps.bat_i", "eps.pv_i_px")} == {3}
    assert fitted["pld.dist_s"] == 2


def test_a_clock_that_no_longer_holds_lets_nothing_be_carried_over(
    mission: Mission, make_packets: Make, fused: Fitted
) -> None:
    later = from_batches(SATELLITE, mission.bus_of(SATELLITE), make_packets(ORBIT_S, 6 * ORBIT_S))
    info = fused.scorer.manifest.clock
    assert info is not None
    moved = msgspec.structs.replace(info, epoch_ns=info.epoch_ns + 60_000_000_000)
    parent = replace(fused.scorer, manifest=msgspec.structs.replace(fused.scorer.manifest, clock=moved))
    done = _fit(later, version=2, parent=parent, due={"pld.dist_s"})
    assert {version for packet in done.scorer.manifest.packets for version in packet.fitted} == {2}


def test_a_channel_without_whole_windows_says_how_far_it_is(window: Window) -> None:
    def holes(rows: PacketRows) -> PacketRows:
        values = rows.values.copy()
        for i, channel in enumerate(rows.channels):
            if channel.name == "pld.dist_s":
                values[::20, i] = np.nan
        return replace(rows, values=values)

    done = _fit(_changed(window, holes))
    info = next(info for info in done.scorer.manifest.packets if info.packet == "pld")
    assert info.excluded["pld.dist_s"] == "learning 0 of 64"
    assert "pld.dist_n" in info.channels


def test_nothing_to_judge_is_said(mission: Mission, make_packets: Make) -> None:
    with pytest.raises(NotEnough):
        _fit(from_batches(SATELLITE, mission.bus_of(SATELLITE), make_packets(0, 60)))


def test_what_is_read_back_is_what_was_calibrated(tmp_path: Path, fused: Fitted) -> None:
    place = artifact.write(tmp_path, fused.scorer.manifest, fused.packed)
    loaded = Scorer.load(place, fused.scorer.sha256)
    for name, model in fused.scorer.packets.items():
        other = loaded.packets[name]
        assert model.fusion is not None
        assert other.fusion is not None
        assert other.joint_scale is not None
        _same(other.fusion, model.fusion)
        np.testing.assert_array_equal(other.joint_precision, model.joint_precision)


def _announce(place: Path, edit: Callable[[dict[str, np.ndarray]], None]) -> None:
    with np.load(place / "scorer.npz") as file:
        arrays = {name: file[name].copy() for name in file.files}
    edit(arrays)
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    (place / "scorer.npz").write_bytes(out.getvalue())
    manifest = msgspec.json.decode((place / "manifest.json").read_bytes(), type=Manifest)
    changed = msgspec.structs.replace(manifest, sha256=hashlib.sha256(out.getvalue()).hexdigest())
    (place / "manifest.json").write_bytes(msgspec.json.encode(changed))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("fusion.window_refs", np.zeros((2, 9999, 32)), "window_refs has shape"),
        ("fusion.window_white", np.zeros((2, 32, 31)), "window_white has shape"),
        ("fusion.axes", np.zeros((2, 40, 32)), "axes has shape"),
        ("fusion.lags", np.full((2, 16), np.nan), "not finite"),
        ("fusion.unit", np.zeros((2, 6)), "not positive"),
        ("fusion.threshold", np.full(2, -5.0), "inside the usual"),
        ("fusion.longest", np.zeros(2, dtype=np.int64), "wrong type"),
        ("fusion.unrest", np.full((2, 1), 5.0), "unrest has shape"),
        ("joint_precision", -np.eye(2), "joint scale or precision is not positive"),
    ],
)
def test_arrays_that_are_not_as_they_must_be_are_refused(
    tmp_path: Path, fused: Fitted, name: str, value: np.ndarray, said: str
) -> None:
    place = artifact.write(tmp_path, fused.scorer.manifest, fused.packed)
    at = list(fused.scorer.packets).index("pld")

    def edit(arrays: dict[str, np.ndarray]) -> None:
        arrays[f"packet{at}.{name}"] = value

    _announce(place, edit)
    with pytest.raises(ScorerRefused, match=said):
        Scorer.load(place)


def test_a_model_of_the_format_before_is_refused_with_a_sentence(tmp_path: Path, fused: Fitted) -> None:
    place = artifact.write(tmp_path, fused.scorer.manifest, fused.packed)
    text = (place / "manifest.json").read_text(encoding="utf-8")
    (place / "manifest.json").write_text(text.replace('"format": 4', '"format": 3'), encoding="utf-8")
    with pytest.raises(ScorerRefused, match="format 3 is not known, allowed: 4"):
        Scorer.load(place)


def test_blocks_are_neighbours_and_lie_at_all_places_of_the_orbit() -> None:
    usable = np.ones(24_000, dtype=np.bool_)
    usable[5000:9000] = False
    bins = 1 + (np.arange(24_000) % 3000) * 187 // 3000
    rows = chosen_blocks(usable, bins, 187)
    assert len(rows) == 2000
    assert usable[rows].all()
    assert (np.diff(rows) == 1).mean() > 0.98
    assert np.diff(np.unique(bins[rows]), append=188).max() <= 12
    assert len(np.unique(rows // 3000)) >= 5
    assert len(chosen_blocks(usable, bins, 0)) == 2000


def test_joined_channels_come_apart_as_they_were(fused: Fitted) -> None:
    names = ("pld.dist_n", "eps.bat_i", "pld.dist_s")
    together = joined([_of(fused.scorer, name) for name in names])
    for i, name in enumerate(names):
        one, was = taken(together, [i]), _of(fused.scorer, name)
        np.testing.assert_array_equal(one.window_white, was.window_white)
        np.testing.assert_array_equal(one.threshold, was.threshold)
        m = was.window_refs.shape[1]
        np.testing.assert_array_equal(one.window_refs[:, :m], was.window_refs)


def test_the_longest_run_ends_at_gaps_and_at_quarantined_rows() -> None:
    values = np.array([1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 4], dtype=np.float64)[:, None]
    usable, apart = np.ones(12, dtype=np.bool_), np.zeros(12, dtype=np.bool_)
    assert longest_runs(values, usable, apart).tolist() == [6.0]
    apart[7] = True
    assert longest_runs(values, usable, apart).tolist() == [4.0]
    usable[1] = False
    assert longest_runs(values, usable, apart).tolist() == [3.0]
    assert longest_runs(np.ones((12, 1)), usable, np.zeros(12, dtype=np.bool_)).tolist() == [0.0]


def test_a_place_is_heard_beyond_what_three_of_five_rows_have_reached() -> None:
    z = np.zeros((60, 3, 3))
    z[20:22, 0, 0] = 30.0
    z[20:23, 1, 0] = [9.0, 5.0, 7.0]
    z[:, 2, 2] = np.nan
    threshold = place_thresholds(z, 2.0)
    assert threshold.tolist() == [6.0, 2.0 * FURTHER_AWAY * 5.0, MUTE]
    assert FURTHER_AWAY > 1


def test_names_are_not_looked_at(mission: Mission, make_packets: Make, fused: Fitted) -> None:
    bus = mission.bus_of(SATELLITE)
    new = {channel.name: f"x.{chr(122 - i)}" for i, channel in enumerate(bus.channels)}

    def named(channel: Channel) -> Channel:
        return msgspec.structs.replace(channel, name=new[channel.name])

    window = from_batches(SATELLITE, bus, make_packets(0, 6 * ORBIT_S))
    track = window.track
    renamed = _changed(window, lambda rows: replace(rows, channels=tuple(named(one) for one in rows.channels)))
    assert renamed.track is track
    done = _fit(renamed)
    _same(_of(done.scorer, new["pld.dist_s"]), _of(fused.scorer, "pld.dist_s"))
    assert isinstance(bus, Bus)


def test_a_channel_with_a_stuck_rule_is_left_to_the_rule(window: Window) -> None:
    """The model's own voice about values that stand still would be a second alarm of the same cause."""

    def ruled(rows: PacketRows) -> PacketRows:
        channels = tuple(
            msgspec.structs.replace(one, stuck_s=60.0 if one.name == "pld.dist_s" else None)
            for one in rows.channels
        )
        return replace(rows, channels=channels)

    packet = _fit(_changed(window, ruled)).scorer.packets["pld"]
    assert packet.fusion is not None
    longest = dict(zip(packet.channels, packet.fusion.longest.tolist(), strict=True))
    assert longest["pld.dist_s"] == 0
    assert longest["pld.dist_n"] >= 1
    assert np.isinf(packet.fusion.stuck_after[packet.channels.index("pld.dist_s")])
