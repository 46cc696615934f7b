"""The README and docs/your-own.md do what they say: their blocks are run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
YOUR_OWN = (ROOT / "docs" / "your-own.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def blocks(text: str) -> list[tuple[str, str]]:
    """(words after ```, body) of every fenced block."""
    return re.findall(r"^```(.*?)\n(.*?)^```$", text, re.M | re.S)


def shell(body: str, cwd: Path, home: Path, timeout: float = 110) -> str:
    """Standard output of a block, run as one bash script that stops at the first error."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", body],
        cwd=cwd,
        env={
            "HOME": str(home),
            "XDG_DATA_HOME": str(home / ".local/share"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "CUBESAT_OPERATOR": "ann",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{body}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_block_says_how_it_is_run() -> None:
    kinds = {kind for text in (README, YOUR_OWN, CONTRIBUTING) for kind, _ in blocks(text)}
    assert kinds <= {"sh", "sh terminal", "sh install"}


def test_the_blocks_of_your_own_run_one_after_the_other(tmp_path: Path) -> None:
    bodies = [body for _, body in blocks(YOUR_OWN)]
    assert len(bodies) >= 4
    # One script, because a block goes on where the one before ended.
    said = shell("\n".join(bodies), tmp_path, tmp_path)
    table = (tmp_path / "pass-out.csv").read_text(encoding="utf-8").splitlines()
    assert len(table) == 5
    assert ",3.97,-9999,NOMINAL,eps.bat_t" in table[3]
    assert '{"confirmed":[["MY-SAT",1795331600,0],["MY-SAT",1795331600,1]' in said
    assert '"reason":"unknown channel"' in said
    assert '"frames": 2' in said


def test_the_command_blocks_of_the_readme_run(tmp_path: Path) -> None:
    """On a mission that exists: the block before them has made one by opening the console."""
    mission = tmp_path / ".local/share/cubesat-tui/demo"
    mission.parent.mkdir(parents=True)
    made = "\n".join(body for _, body in blocks(YOUR_OWN))
    shell(f"{made}\ncp -r my-sat {mission}", tmp_path, tmp_path)
    for kind, body in blocks(README):
        if kind == "sh":
            # Another name for the same environment, where the tests do not run in .venv.
            here = re.sub(r"(?m)^\.venv/bin/", f"{Path(sys.executable).parent}/", body)
            said = shell(here, ROOT, tmp_path)
            assert "cubesat-tui" in said


def test_the_block_of_contributing_runs(tmp_path: Path) -> None:
    for _, body in blocks(CONTRIBUTING):
        assert "pytest" in shell(body, ROOT, tmp_path)


def test_the_long_form_of_make_test_is_what_make_runs() -> None:
    """Run by CI as `make test`, of which this test is a part; so here only the words are compared."""
    dry = subprocess.run(["make", "-n", "-s", "check"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    checks = [line.strip() for line in dry.splitlines() if line.startswith((".venv/bin/", "(.venv/bin/"))]
    wanted = " && ".join(line for line in checks if "uv" not in line.split("/")[2].split()[0])
    line = [body for kind, body in blocks(README) if kind == "sh install"][1].splitlines()[1]
    assert line == wanted


def test_both_long_forms_install_alike_and_pin_the_uv_of_the_makefile() -> None:
    first = [body.splitlines()[0] for kind, body in blocks(README) if kind == "sh install"]
    pinned = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert len(set(first)) == 1
    assert pinned is not None
    assert f"uv=={pinned[1]} " in first[0]


def test_the_first_screen_has_what_a_visitor_looks_for() -> None:
    """One sentence, a picture of a real run, the command, three measured lines, what it does not do."""
    first = README.split("\n## ")[0]
    assert re.search(r"!\[[^]]+\]\(docs/demo\.gif\)", first)
    assert "make run" in first
    assert len(re.findall(r"^\| (?!measured|---).*\| `\.venv/bin/python -m bench \w+` \|$", first, re.M)) == 3
    assert "does not do" in first
    assert len(first.splitlines()) <= 40


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]), ids=lambda page: page.stem)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
