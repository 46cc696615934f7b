"""`cubesat-tui evaluate`: what a detector is worth on published data and on the simulator; fits are a child's."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import click

from cubesat_tui.commands.options import json_option, print_json, refuse, say
from telemetry.plain_text import plain_text

DATASETS = ("opssat", "telemanom", "birds", "sim")
DETECTORS = ("fusion", "isolation_forest", "original")
WIDTH = 38


@click.command()
@click.option(
    "--dataset", type=click.Choice(DATASETS), required=True, help="Which published set, or the simulator."
)
@click.option("--detector", type=click.Choice(DETECTORS), default="fusion", show_default=True)
@click.option("--cv", is_flag=True, help="opssat: cross-validate on the rows with train == 1.")
@click.option("--fit", multiple=True, type=click.Path(path_type=Path), metavar="FILE", help="birds: learn from it.")
@click.option("--test", multiple=True, type=click.Path(path_type=Path), metavar="FILE", help="birds: judge it.")
@click.option("--faulty", multiple=True, metavar="CHANNEL", help="birds: faulty in every test file.")
@click.option("--days", type=click.IntRange(min=1), metavar="N", help="sim: simulated days.")
@click.option("--seed", type=click.IntRange(min=0), metavar="S", help="sim: seed of the simulator.")
@json_option
@click.argument("file", type=click.Path(path_type=Path), required=False, metavar="[FILE]")
def evaluate(
    dataset: str,
    detector: str,
    cv: bool,
    fit: tuple[Path, ...],
    test: tuple[Path, ...],
    faulty: tuple[str, ...],
    days: int | None,
    seed: int | None,
    as_json: bool,
    file: Path | None,
) -> None:
    """Judge a detector on published data: OPSSAT-AD (FILE.csv), SMAP/MSL (FILE.npz), BIRDS-3 EPS (--fit, --test).

    Files are looked for as given and in $CUBESAT_TUI_DATA; docs/datasets.md says where they are published. With
    --dataset sim a simulated satellite learns from its first frame, flies --days clean ones and then a bad one.
    """
    given = {
        "--cv": cv,
        "FILE": file is not None,
        "--fit": bool(fit),
        "--test": bool(test),
        "--faulty": bool(faulty),
    }
    given |= {"--days": days is not None, "--seed": seed is not None}
    needed, also = {
        "opssat": (("FILE",), ("--cv",)),
        "telemanom": (("FILE",), ()),
        "birds": (("--fit", "--test"), ("--faulty",)),
        "sim": ((), ("--days", "--seed")),
    }[dataset]
    for option, there in given.items():
        if there and option not in (*needed, *also):
            refuse(f"{option} means nothing to --dataset {dataset}; allowed: {', '.join((*needed, *also))}")
        if not there and option in needed:
            refuse(f"--dataset {dataset}: {option} is missing")
    if dataset == "sim":
        figures = _campaign(days or 1, 1 if seed is None else seed, detector)
    else:
        figures = _judged_by_child(dataset, detector, cv, fit, test, faulty, file)
    if as_json:
        print_json(figures)
    else:
        for line in table(figures):
            say(line)


def _campaign(days: int, seed: int, detector: str) -> dict[str, Any]:
    """Fly one in a directory that is gone afterwards.

    Raises:
        Refusal: the trainer did not survive it, or no station can be served this detector.
    """
    import sys
    import tempfile

    from cubesat_tui.campaign import DAY_S, campaign
    from cubesat_tui.original_campaign import original_campaign
    from cubesat_tui.paced_station import TrainerEnded
    from cubesat_tui.progress_line import ProgressLine
    from telemetry.dictionary import MissionError
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.errors import StoreError

    line = ProgressLine(sys.stderr, None, 1)

    def tell(flown_s: int, end_s: int) -> None:
        line.seconds = end_s
        line.update(flown_s)

    try:
        with tempfile.TemporaryDirectory(prefix="cubesat-campaign-") as folder:
            directory = MissionDirectory(Path(folder) / "mission")
            if detector == "original":
                figures = original_campaign(directory, days * DAY_S, seed, tell)
            else:
                figures = campaign(directory, days * DAY_S, seed, detector, tell)
    except MissionError as error:
        refuse(*error.lines)
    except (OSError, StoreError, TrainerEnded) as error:
        refuse(f"--dataset sim: {error}", exit_code=1)
    finally:
        line.close()
    return {"dataset": "sim", "detector": detector} | figures


def _judged_by_child(
    dataset: str,
    detector: str,
    cv: bool,
    fit: tuple[Path, ...],
    test: tuple[Path, ...],
    faulty: tuple[str, ...],
    file: Path | None,
) -> dict[str, Any]:
    arguments = ["--dataset", dataset, "--detector", detector, *(("--cv",) if cv else ())]
    for option, values in (("--fit", fit), ("--test", test), ("--faulty", faulty)):
        arguments += [f"{option}={value}" for value in values]
    return _child([*arguments, *(("--", str(file)) if file is not None else ())])


def _child(arguments: list[str]) -> dict[str, Any]:
    """The figures the trainer's process prints.

    Raises:
        Refusal: it refused, with its sentence, or failed.
    """
    from cubesat_tui.children import child_argv, child_environment

    done = subprocess.run(
        child_argv("trainer", "evaluate", *arguments),
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    complaint = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode == 0:
        return json.loads(done.stdout)
    refuse(
        complaint[-1] if complaint else f"the evaluation ended with exit code {done.returncode}",
        exit_code=2 if done.returncode == 2 else 1,
    )


def table(figures: dict[str, Any]) -> list[str]:
    """Lines for a person: single figures, then one line a series, channel or point of the curve."""
    lines = [
        f"{name:<{WIDTH}} {_shown(value)}" for name, value in figures.items() if not isinstance(value, (dict, list))
    ]
    for name, value in figures.items():
        if isinstance(value, dict):
            lines += ["", name]
            lines += [f"  {key:<{WIDTH - 2}} {_row(one)}" for key, one in value.items()]
        elif isinstance(value, list) and value:
            columns = list(value[0])
            widths = [max(len(column), 10) for column in columns]
            lines += ["", name, "  " + "  ".join(c.rjust(w) for c, w in zip(columns, widths, strict=True))]
            for row in value:
                cells = [_shown(row[column]).rjust(w) for column, w in zip(columns, widths, strict=True)]
                lines.append("  " + "  ".join(cells))
    return [plain_text(line, 400) if line else "" for line in lines]


def _row(value: Any) -> str:
    return ", ".join(f"{k} {_shown(v)}" for k, v in value.items()) if isinstance(value, dict) else _shown(value)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)
