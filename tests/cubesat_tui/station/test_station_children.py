from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from cubesat_tui.children import Backoff, Child, child_argv, child_environment, open_log
from telemetry.clock import ManualClock, SystemClock


async def until(true, clock: ManualClock | None = None, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never became so"
        if clock is not None:
            clock.advance(0.5)
        await asyncio.sleep(0.005)


def child(tmp_path: Path, program: str, said: list, clock=None) -> Child:
    return Child(
        "child",
        [sys.executable, "-c", program],
        tmp_path / "log" / "child.log",
        said.append,
        clock or SystemClock(),
    )


async def test_what_a_child_says_is_read_and_lines_that_are_no_json_are_skipped(tmp_path):
    said: list = []
    one = child(
        tmp_path,
        "import sys; print('{\"a\": 1}'); print('noise'); print('[2]'); print('{\"b\": 2}'); sys.stdin.read()",
        said,
    )
    task = asyncio.create_task(one.supervise())

    await until(lambda: len(said) == 2)

    assert said == [{"a": 1}, {"b": 2}]
    assert one.state == "running"
    await one.close()
    await task
    assert one.state == "stopped"


async def test_a_child_that_dies_is_started_again_and_its_end_is_shown(tmp_path):
    clock = ManualClock()
    one = child(tmp_path, "import sys; sys.stderr.write('why'); sys.exit(3)", [], clock)
    task = asyncio.create_task(one.supervise())

    await until(lambda: one.state == "waiting")
    assert one.error == "child ended with code 3"
    assert (tmp_path / "log" / "child.log").read_text() == "why"
    await until(lambda: one.starts >= 3, clock)

    await one.close()
    task.cancel()


async def test_a_child_that_ignores_term_is_killed_with_its_own_children(tmp_path):
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    program = (
        "import signal, subprocess, sys, time, json\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"p = subprocess.Popen([sys.executable, '-c', {deaf!r}])\n"
        "print(json.dumps({'pid': p.pid}), flush=True)\n"
        "time.sleep(60)\n"
    )
    said: list = []
    one = child(tmp_path, program, said)
    task = asyncio.create_task(one.supervise())
    await until(lambda: bool(said))

    begun = time.monotonic()
    await one.close(grace_s=0.3)

    assert time.monotonic() - begun < 1.5
    await task
    await until(lambda: not alive(said[0]["pid"]))


def alive(pid: int) -> bool:
    try:
        # A zombie of somebody else still has a number; what matters is that it does not run.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path("/proc").exists()


async def test_a_child_ends_when_its_parents_end_of_the_pipe_is_closed(tmp_path):
    said: list = []
    one = child(tmp_path, "import sys; print('{}'); sys.stdin.read()", said)
    task = asyncio.create_task(one.supervise())
    await until(lambda: bool(said))
    assert one._process is not None
    assert one._process.stdin is not None

    one._process.stdin.close()

    await until(lambda: one.state == "waiting")
    await one.close()
    task.cancel()


def test_a_foreign_package_of_the_current_directory_is_never_run(tmp_path, monkeypatch):
    import subprocess

    for name in ("trainer", "exports"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('foreign code ran')")
        (tmp_path / name / "__main__.py").write_text("print('foreign code ran')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    show = "import {0}, sys; sys.stdout.write({0}.__file__)"
    for name in ("trainer", "exports"):
        argv = child_argv(name)
        assert argv[:3] == [sys.executable, "-P", "-m"]
        done = subprocess.run(
            [*argv[:2], "-c", show.format(name)],
            env=child_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert "foreign" not in done.stdout + done.stderr
        assert Path(done.stdout).parent.parent == Path(__file__).resolve().parents[3]


def test_the_program_itself_keeps_the_current_directory_off_its_path(tmp_path):
    import subprocess

    (tmp_path / "telemetry").mkdir()
    (tmp_path / "telemetry" / "__init__.py").write_text("raise SystemExit('foreign code ran')")
    done = subprocess.run(
        [sys.executable, "-m", "cubesat_tui", "check", "nothing-here"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"},
    )

    assert "foreign" not in done.stdout + done.stderr
    assert done.returncode == 2


def test_back_off_doubles_to_its_top_and_starts_over_after_a_calm_life():
    backoff = Backoff(first=1.0, top=8.0, calm_s=60.0)

    assert [backoff.after(0.1) for _ in range(5)] == [1.0, 2.0, 4.0, 8.0, 8.0]
    assert backoff.after(61.0) == 1.0


def test_a_large_log_is_put_aside_once(tmp_path):
    path = tmp_path / "log" / "x.log"
    path.parent.mkdir()
    path.write_bytes(b"x" * ((1 << 20) + 1))

    os.close(open_log(path))

    assert path.stat().st_size == 0
    assert (tmp_path / "log" / "x.log.1").stat().st_size == (1 << 20) + 1
