"""The served model on disk: `scorer.npz` and `manifest.json`, written atomically, read with distrust.

Nothing in it is unpickled. Sizes, member names, shapes, types and every index are checked before an array is used,
so a truncated, swapped or crafted file is refused with a reason and cannot make the station read out of bounds or
unpack a zip bomb.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import zipfile
import zlib
from dataclasses import fields, replace
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from telemetry.dictionary import DETECTOR_KINDS
from telemetry.frame import Float64s
from telemetry.plain_text import plain_text
from trainer.features import FEATURES, FEATURES_VERSION
from trainer.forest import ForestArrays, check
from trainer.fusion.arrays import PacketFusion
from trainer.members.arrays import DRIFT_FREE, LAGS, NEIGHBOURS
from trainer.members.windows import WINDOW
from trainer.served import Manifest, PacketModel, Scorer, ScorerRefused

FORMAT = 4
"""Since 2 with the fusion, since 3 with breaks between channels, since 4 with noise from row to row. A model of
another format is refused, and the trainer fits anew."""
MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_MANIFEST_BYTES = 1024 * 1024
MAX_UNPACKED_BYTES = 64 * 1024 * 1024

_FOREST = ("feature", "threshold", "left", "length", "roots", "normaliser", "depth")
_PACKET = (
    "centre",
    "spread",
    "key_offset",
    "key_spread",
    "group",
    "threshold",
    "middle",
    "calibration",
    "axes_centre",
    "axes_scale",
    "axes",
)
_SMALL = frozenset({"centre", "spread", "key_offset", "key_spread"})
HEXADECIMAL = frozenset("0123456789abcdef")
_JOINT = ("joint_scale", "joint_precision")
_RIFTS = ("rift_precision", "rift_threshold")
_FUSION = tuple(field.name for field in fields(PacketFusion))
_EXACT = frozenset({"unit", "usual", "threshold", "place_threshold", "longest"})
"""What of a fusion is kept in float64; members are rounded to float32 before anything is measured with them."""

FUSION = "fusion"
MAX_REFERENCES = 4096
SHAPES, MEMBERS = 10, 6


def pack(forest: ForestArrays, packets: dict[str, PacketModel]) -> bytes:
    """The arrays as a compressed npz. The members of a fusion, and places and spreads without one, are in float32:
    they were rounded before the model was calibrated, so that what is served is what was calibrated."""
    arrays: dict[str, npt.NDArray[np.generic]] = {
        f"forest.{name}": np.asarray(getattr(forest, name)) for name in _FOREST
    }
    for i, model in enumerate(packets.values()):
        for name in _PACKET:
            value = np.asarray(getattr(model, name))
            small = name in _SMALL and model.fusion is None
            arrays[f"packet{i}.{name}"] = value.astype(np.float32) if small else value
        if model.fusion is not None:
            for name in (*_JOINT, *_RIFTS):
                value = np.asarray(getattr(model, name))
                arrays[f"packet{i}.{name}"] = value.astype(np.float32) if name == "rift_threshold" else value
            for name in _FUSION:
                value = np.asarray(getattr(model.fusion, name))
                arrays[f"packet{i}.fusion.{name}"] = value if name in _EXACT else value.astype(np.float32)
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **arrays)
    return out.getvalue()


def write(models: Path, manifest: Manifest, packed: bytes) -> Path:
    """`models/v<N>/` with both files, or nothing: written beside, synced and renamed, then read back.

    Raises:
        OSError: the directory cannot be written.
        ScorerRefused: what was written does not read back.
    """
    final = models / f"v{manifest.version}"
    draft = models / f".v{manifest.version}.{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    try:
        _write_synced(draft / "scorer.npz", packed)
        _write_synced(draft / "manifest.json", msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        load(draft)
        shutil.rmtree(final, ignore_errors=True)
        draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    handle = os.open(models, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return final


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def load(directory: Path, sha256: str | None = None) -> Scorer:
    """The scorer in `directory`. `sha256`, where given, is the digest it was announced with.

    Raises:
        ScorerRefused: anything about it is not exactly as it must be.
    """
    manifest = _manifest(directory / "manifest.json")
    packed = _bounded(directory / "scorer.npz", MAX_FILE_BYTES)
    digest = hashlib.sha256(packed).hexdigest()
    if digest != manifest.sha256:
        raise ScorerRefused("scorer.npz does not have the SHA-256 its manifest names")
    if sha256 is not None and digest != sha256:
        raise ScorerRefused("scorer.npz is not the model that was announced")
    return unpack(manifest, packed)


def unpack(manifest: Manifest, packed: bytes) -> Scorer:
    """A scorer from the bytes of `scorer.npz`.

    Raises:
        ScorerRefused: see `load`.
    """
    arrays = _arrays(packed, len(manifest.packets), fusion=manifest.kind == FUSION)
    forest = _forest(arrays)
    packets: dict[str, PacketModel] = {}
    for i, info in enumerate(manifest.packets):
        packets[info.packet] = _packet(arrays, i, manifest, len(forest.roots))
    scorer = Scorer(manifest, forest, packets)
    groups = np.arange(len(forest.roots))
    far = scorer.isolation(np.full((len(groups), FEATURES), 30.0), groups)
    if np.any(far <= scorer.probe + 1e-6):
        raise ScorerRefused("a forest does not tell the far from the normal")
    return scorer


def _bounded(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise ScorerRefused(f"{path.name} cannot be read: {error.strerror}") from error
    if len(content) > limit:
        raise ScorerRefused(f"{path.name} is larger than {limit} bytes")
    return content


def manifest_of(directory: Path) -> Manifest:
    """What a model in `directory` says of itself; its arrays are not looked at.

    Raises:
        ScorerRefused: there is none, or anything about it is not exactly as it must be.
    """
    return _manifest(directory / "manifest.json")


def _manifest(path: Path) -> Manifest:
    try:
        manifest = msgspec.json.decode(_bounded(path, MAX_MANIFEST_BYTES), type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ScorerRefused(f"manifest.json is not a manifest: {error}") from error
    if manifest.format != FORMAT:
        raise ScorerRefused(f"format {manifest.format} is not known, allowed: {FORMAT}")
    if manifest.kind not in DETECTOR_KINDS:
        raise ScorerRefused(
            f"kind {plain_text(manifest.kind)[:40]} is not known, allowed: {', '.join(DETECTOR_KINDS)}"
        )
    if manifest.features_version != FEATURES_VERSION:
        raise ScorerRefused(f"features version {manifest.features_version}, allowed: {FEATURES_VERSION}")
    if manifest.clock is not None and not (1 <= manifest.clock.bins <= 10_000 and manifest.clock.period_ns > 0):
        raise ScorerRefused("the clock has no period or too many bins")
    if any(len(key) != len(manifest.context) + 1 for key in manifest.keys):
        raise ScorerRefused("a mode does not name every context channel")
    if manifest.seen and (manifest.clock is None or len(manifest.seen) != len(manifest.keys)):
        raise ScorerRefused("the places of the modes are not one line for each")
    if any(set(text) - HEXADECIMAL or not text for text in manifest.seen):
        raise ScorerRefused("the places of a mode are no hexadecimal number")
    if len({info.packet for info in manifest.packets}) != len(manifest.packets):
        raise ScorerRefused("a packet is named twice")
    if any(len(info.fitted) != len(info.channels) for info in manifest.packets):
        raise ScorerRefused("a channel does not say when it was fitted")
    return manifest


def _arrays(packed: bytes, packets: int, *, fusion: bool) -> dict[str, npt.NDArray[np.generic]]:
    wanted = {f"forest.{name}.npy" for name in _FOREST}
    of_packet = (*_PACKET, *_JOINT, *_RIFTS, *(f"fusion.{name}" for name in _FUSION)) if fusion else _PACKET
    wanted |= {f"packet{i}.{name}.npy" for i in range(packets) for name in of_packet}
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            members = archive.infolist()
            if len(members) != len(wanted) or {member.filename for member in members} != wanted:
                raise ScorerRefused("scorer.npz does not hold exactly the arrays of its manifest")
            if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
                raise ScorerRefused(f"scorer.npz unpacks to more than {MAX_UNPACKED_BYTES} bytes")
        with np.load(io.BytesIO(packed), allow_pickle=False) as file:
            return {name: np.asarray(file[name]) for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise ScorerRefused(f"scorer.npz cannot be read: {error}") from error
    except MemoryError as error:
        raise ScorerRefused("scorer.npz claims arrays too large to hold") from error


def _forest(arrays: dict[str, npt.NDArray[np.generic]]) -> ForestArrays:
    types = {"feature": "int8", "threshold": "float64", "left": "int32", "length": "float64", "roots": "int32"}
    for name, dtype in {**types, "normaliser": "float64", "depth": "int64"}.items():
        array = arrays[f"forest.{name}"]
        if array.dtype != np.dtype(dtype) or array.ndim != (2 if name == "roots" else 0 if name == "depth" else 1):
            raise ScorerRefused(f"forest.{name} has the wrong type or shape")
    forest = ForestArrays(
        arrays["forest.feature"].astype(np.int8),
        arrays["forest.threshold"].astype(np.float64),
        arrays["forest.left"].astype(np.int32),
        arrays["forest.length"].astype(np.float64),
        arrays["forest.roots"].astype(np.int32),
        arrays["forest.normaliser"].astype(np.float64),
        int(arrays["forest.depth"].astype(np.int64)),
    )
    reason = check(forest, FEATURES)
    if reason is not None:
        raise ScorerRefused(f"the forest cannot be used: {reason}")
    return forest


def _packet(arrays: dict[str, npt.NDArray[np.generic]], i: int, manifest: Manifest, forests: int) -> PacketModel:
    info = manifest.packets[i]
    c = len(info.channels)
    bins = 1 if manifest.clock is None else manifest.clock.bins + 1
    keys = len(manifest.keys) + 1
    shapes: dict[str, tuple[int, ...]] = {
        "centre": (bins, c, FEATURES),
        "spread": (bins, c, FEATURES),
        "key_offset": (keys, c, FEATURES),
        "key_spread": (keys, c, FEATURES),
        "threshold": (c,),
        "middle": (c,),
        "axes_centre": (c,),
        "axes_scale": (c,),
        "axes": (c, 3),
    }

    def read(name: str) -> Float64s:
        return _read(arrays, i, info.packet, name, shapes.get(name, (info.calibration_rows,)))

    named = arrays[f"packet{i}.group"]
    group = named.astype(np.int64)
    if named.dtype != np.dtype("int64") or group.shape != (c,) or np.any((group < 0) | (group >= forests)):
        raise ScorerRefused(f"{info.packet}.group names a forest that does not exist")
    model = PacketModel(
        info.channels,
        info.period_s,
        read("centre"),
        read("spread"),
        read("key_offset"),
        read("key_spread"),
        group.astype(np.intp),
        read("threshold"),
        read("middle"),
        read("calibration"),
        read("axes_centre"),
        read("axes_scale"),
        read("axes"),
    )
    if manifest.kind == FUSION:
        scale, precision = (_read(arrays, i, info.packet, name, (c,) * n) for n, name in enumerate(_JOINT, 1))
        if np.any(scale <= 0) or np.any(np.diag(precision) <= 0):
            raise ScorerRefused(f"{info.packet}: a joint scale or precision is not positive")
        fusion = _fusion(arrays, i, info.packet, c, keys, bins)
        steps = _read(arrays, i, info.packet, "rift_precision", (c, c))
        threshold = _read(arrays, i, info.packet, "rift_threshold", (c, bins))
        if np.any(threshold <= 0) or np.any(np.diag(steps) <= 0):
            raise ScorerRefused(f"{info.packet}: a threshold or a precision of breaks is not positive")
        model = replace(
            model,
            fusion=fusion,
            joint_scale=scale,
            joint_precision=precision,
            rift_precision=steps,
            rift_threshold=threshold,
        )
    if np.any(model.spread <= 0) or np.any(model.axes_scale <= 0) or np.any(model.key_spread < 0):
        raise ScorerRefused(f"{info.packet}: a spread is not positive")
    if np.any(model.threshold <= model.middle):
        raise ScorerRefused(f"{info.packet}: a threshold lies inside the normal")
    if np.any(np.diff(model.calibration) < 0):
        raise ScorerRefused(f"{info.packet}: the calibration scores are not in order")
    return model


def _read(
    arrays: dict[str, npt.NDArray[np.generic]], i: int, packet: str, name: str, shape: tuple[int, ...]
) -> Float64s:
    """One array of packet `i` as float64.

    Raises:
        ScorerRefused: its type, its shape or one of its values is not as it must be.
    """
    array = arrays[f"packet{i}.{name}"]
    if array.dtype not in (np.dtype("float32"), np.dtype("float64")):
        raise ScorerRefused(f"{packet}.{name} has the wrong type")
    if array.shape != shape:
        raise ScorerRefused(f"{packet}.{name} has shape {array.shape}")
    out = array.astype(np.float64)
    if not np.all(np.isfinite(out)):
        raise ScorerRefused(f"{packet}.{name} holds a value that is not finite")
    return out


def _fusion(
    arrays: dict[str, npt.NDArray[np.generic]], i: int, packet: str, c: int, keys: int, bins: int
) -> PacketFusion:
    """The fusion of packet `i`; how many references, clusters and axes there are, the arrays say."""

    def many(name: str, least: int, most: int) -> int:
        shape = arrays[f"packet{i}.fusion.{name}"].shape
        if len(shape) != 3 or not least <= shape[1] <= most:
            raise ScorerRefused(f"{packet}.fusion.{name} has shape {shape}")
        return shape[1]

    w, d = WINDOW, SHAPES - DRIFT_FREE
    shapes: dict[str, tuple[int, ...]] = {
        "window_mean": (c, w),
        "window_white": (c, w, w),
        "window_refs": (c, many("window_refs", NEIGHBOURS, MAX_REFERENCES), w),
        "shape_mean": (c, d),
        "shape_white": (c, d, d),
        "shape_refs": (c, many("shape_refs", NEIGHBOURS, MAX_REFERENCES), d),
        "clusters": (c, many("clusters", 1, MAX_REFERENCES), d),
        "level_mean": (c, SHAPES),
        "level_white": (c, SHAPES, SHAPES),
        "axes_mean": (c, w),
        "axes": (c, many("axes", 0, w), w),
        "lags": (c, LAGS),
        "context": (c, keys),
        "unit": (c, MEMBERS),
        "jump": (c, bins),
        "unrest": (c, bins),
    }
    fusion = PacketFusion(
        **{name: _read(arrays, i, packet, f"fusion.{name}", shapes.get(name, (c,))) for name in _FUSION}
    )
    positive = (fusion.unit, fusion.place_threshold, fusion.jump, fusion.unrest)
    if any(np.any(one <= 0) for one in positive) or np.any(fusion.longest < 0):
        raise ScorerRefused(f"{packet}.fusion: a unit or a threshold is not positive")
    if np.any(fusion.threshold <= fusion.usual):
        raise ScorerRefused(f"{packet}.fusion: a threshold lies inside the usual")
    return fusion
