"""A labelled run as a CSV file, with its labels in a folder beside it. Both appear whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TextIO

import numpy as np

from sim.esa_layout import write_labels
from telemetry.clock import NS_PER_S, iso

if TYPE_CHECKING:
    from sim.labelled_run import LabelledRun, Rows

Schema = Literal["wide", "original"]
FACES: Final = {"NORTH": "pld.dist_n", "SOUTH": "pld.dist_s", "EAST": "pld.dist_e", "WEST": "pld.dist_w"}
"""Of the original system, whose rows were one a face."""
ORIGINAL: Final = ("face", "distance_cm", "timestamp", "signal_strength", "true_label")
WEAKEST_DBM: Final = -125.0
STRONGEST_DBM: Final = -95.0
"""The signal strength of the original counts from 0 to 100 between these."""
SIGNAL: Final = "com.rssi_dn"


def labels_folder(path: Path) -> Path:
    """Where the labels of the run in `path` lie."""
    return path.with_name(f"{path.name}.labels")


def write_run(
    run: LabelledRun, path: Path, schema: Schema = "wide", flown: Callable[[], None] = lambda: None
) -> None:
    """Fly `run` into `path` and `labels_folder(path)`; `flown` is called after every piece.

    Several satellites have a folder of labels each. `wide`: a row a second and satellite, all channels, empty where
    nothing was sent, and 1 in `label` where some channel is labelled. `original`: rows of the original system.

    Raises:
        FileExistsError: one of them is there already.
        OSError: they cannot be written.
    """
    folder = labels_folder(path)
    for there in (path, folder):
        if there.exists():
            raise FileExistsError(17, "exists already", str(there))
    part, folder_part = path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.labels.part")
    shutil.rmtree(folder_part, ignore_errors=True)
    try:
        with part.open("w", encoding="utf-8", newline="") as out:
            write = _wide if schema == "wide" else _original
            write(run, out, flown)
        folder_part.mkdir()
        labels, told = run.labels(), run.told()
        for name in run.satellites:
            place = folder_part if len(run.satellites) == 1 else folder_part / name.replace("/", "_")
            place.mkdir(exist_ok=True)
            mine = [label for label in labels if label.satellite == name]
            write_labels(
                place,
                run.channels,
                mine,
                [one for one in told if one.fault.satellite == name],
                run.seed,
                run.end_s,
            )
        folder_part.replace(folder)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
        shutil.rmtree(folder_part, ignore_errors=True)


def _wide(run: LabelledRun, out: TextIO, flown: Callable[[], None]) -> None:
    names = (channel.name for channel in run.channels)
    out.write(",".join(("time", "satellite", *names, "label")) + "\r\n")
    quoted = [_field(name) for name in run.satellites]
    for rows in run.rows():
        out.writelines(_wide_lines(rows, quoted))
        flown()


def _wide_lines(rows: Rows, satellites: Iterable[str]) -> Iterable[str]:
    marks = np.logical_or.reduce(rows.labelled, axis=2).tolist()
    sent: list[list[list[bool]]] = rows.sent.tolist()
    for second, each in enumerate(rows.values.tolist()):
        time = iso((rows.t0_s + second) * NS_PER_S)
        for i, satellite in enumerate(satellites):
            values = [repr(value) if there else "" for value, there in zip(each[i], sent[second][i], strict=True)]
            yield f"{time},{satellite},{','.join(values)},{int(marks[second][i])}\r\n"


def _original(run: LabelledRun, out: TextIO, flown: Callable[[], None]) -> None:
    names = [channel.name for channel in run.channels]
    faces = [(face, names.index(channel)) for face, channel in FACES.items()]
    signal = names.index(SIGNAL)
    several = len(run.satellites) > 1
    out.write(",".join((*(("satellite",) if several else ()), *ORIGINAL)) + "\r\n")
    for rows in run.rows():
        for second, each in enumerate(rows.values.tolist()):
            time = iso((rows.t0_s + second) * NS_PER_S)
            for i, name in enumerate(run.satellites):
                heard = bool(rows.sent[second, i, signal])
                strength = _strength(each[i][signal]) if heard else 0.0
                for face, column in faces:
                    if rows.sent[second, i, column]:
                        label = int(rows.labelled[second, i, column])
                        first = f"{_field(name)}," if several else ""
                        out.write(f"{first}{face},{each[i][column]!r},{time},{strength!r},{label}\r\n")
        flown()


def _strength(dbm: float) -> float:
    share = (dbm - WEAKEST_DBM) / (STRONGEST_DBM - WEAKEST_DBM)
    return round(100.0 * min(1.0, max(0.0, share)), 1)


def _field(text: str) -> str:
    """`text` as a field of a CSV file."""
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\r\n') else text
