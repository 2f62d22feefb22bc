"""What `sandbox.up` prints to be pasted is pasted here, line by line, in order."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.people import JONI
from sandbox.processes import Child

ROOT = Path(__file__).parents[2]
LAST_LINE = "Ctrl-C ends it all"
KEPT = ("stack.json", "local.settings.json")


@pytest.fixture
async def up(tmp_path: Path) -> Child:
    child = Child("up", [sys.executable, "-m", "sandbox.up", "--folder", tmp_path], cwd=ROOT)
    await child.said(LAST_LINE)
    return child


def pasted(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)


async def test_every_printed_command_works_when_pasted(up: Child, tmp_path: Path) -> None:
    try:
        lines = [line for line in up.lines if line.startswith(("curl ", ".venv/bin/"))]
        assert len(lines) >= 20
        said = {}
        for line in lines:
            done = await asyncio.to_thread(pasted, line)
            assert done.returncode == (1 if "simulate" in line and JONI in line else 0), (line, done.stdout, done.stderr)
            assert done.stdout.strip(), line
            assert not any(word in done.stdout for word in ("Traceback", "not found", "Not Found", '"status": 404')), (
                line,
                done.stdout,
            )
            said[line] = done.stdout
        health = next(text for line, text in said.items() if line.endswith("/api/health"))
        assert '"failing": []' in health
        assert all(stat.S_IMODE(os.stat(tmp_path / name).st_mode) == 0o600 for name in KEPT)
    finally:
        up.process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(up.wait, 30) == 130
    assert not any((tmp_path / name).exists() for name in KEPT)


async def test_talking_to_nothing_says_how_to_start_it(tmp_path: Path) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "sandbox.talk", "--folder", str(tmp_path), "results"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "make up" in done.stderr
