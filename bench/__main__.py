"""`make bench`: every budget, each beside its peer; exit 1 on a miss that `waivers.toml` does not name.

    python -m bench [NAME ...] [--quick] [--json]

A module of this package with `measure(quick: bool) -> Iterable[Figure]` is a benchmark; each runs in a process of
its own, so that none pays for the imports and the memory of another. Load of the machine is printed with the
figures: ratios and CPU seconds stay comparable on a busy machine, wall times do not.
"""

from __future__ import annotations

import argparse
import json
import os
import pkgutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import bench
from bench.figure import Figure

HERE = Path(__file__).parent
NO_BENCHMARK = {"__main__", "figure", "pty_program", "lag_probe"}


def names() -> list[str]:
    """Benchmarks in this package."""
    found = sorted(module.name for module in pkgutil.iter_modules(bench.__path__))
    return [name for name in found if name not in NO_BENCHMARK and "def measure(" in source(name)]


def source(name: str) -> str:
    path = HERE / f"{name}.py"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def run_one(name: str, quick: bool) -> list[Figure]:
    """Figures of one benchmark, measured in a process of its own, with a missed one when it did not end well."""
    command = [sys.executable, "-m", "bench", "--one", name, *(["--quick"] if quick else [])]
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True)
    figures = [Figure(**json.loads(line)) for line in done.stdout.splitlines()]
    if done.returncode != 0:
        figures.append(
            Figure(f"{name}: could not be measured to the end, exit code", done.returncode, "", at_most=0)
        )
    return figures


def waived(figure: Figure, waivers: Iterable[dict[str, object]]) -> str | None:
    """Why this miss is accepted for now: a waiver names it, and it is not worse than the waiver says."""
    for waiver in waivers:
        if waiver["name"] != figure.name:
            continue
        limit = float(str(waiver["figure"]))
        worse = figure.value > limit if figure.at_most is not None else figure.value < limit
        if not worse:
            return str(waiver["reason"])
    return None


def line_of(figure: Figure, verdict: str) -> str:
    value = f"{figure.value:,.0f}" if abs(figure.value) >= 1000 else f"{figure.value:.3g}"
    return f"{figure.name:<58} {value:>12} {figure.unit:<10} {figure.budget:>12}  {verdict:<7} {figure.beside}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(names())}")
    parser.add_argument("--quick", action="store_true", help="smaller sizes: shows the shape, proves no budget")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", metavar="NAME", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        for figure in import_module(f"bench.{asked.one}").measure(asked.quick):
            print(json.dumps(figure.as_dict()), flush=True)
        return 0
    unknown = set(asked.names) - set(names())
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}. Known: {', '.join(names())}")
    waivers = tomllib.loads((HERE / "waivers.toml").read_text(encoding="utf-8")).get("waiver", [])
    missed = 0
    rows: list[dict[str, object]] = []
    if not asked.json:
        print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}\n")
    for name in asked.names or names():
        for figure in run_one(name, asked.quick):
            reason = None if figure.met else waived(figure, waivers)
            verdict = ("ok" if figure.budget else "") if figure.met else ("waived" if reason else "MISSED")
            missed += verdict == "MISSED"
            rows.append({**figure.as_dict(), "verdict": verdict, "waiver": reason})
            if not asked.json:
                print(line_of(figure, verdict), flush=True)
                if reason:
                    print(f"    {reason}")
    if asked.json:
        print(json.dumps({"figures": rows, "missed": missed}, indent=2))
    elif missed:
        print(f"\n{missed} missed", file=sys.stderr)
    return 1 if missed and not asked.quick else 0


if __name__ == "__main__":
    sys.exit(main())
