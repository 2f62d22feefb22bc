"""The package, built once for the whole tier and unpacked; and the stack with the app that runs from it."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from infra.package.contents import SITE
from sandbox import stack as sandbox
from sandbox.processes import ROOT
from sandbox.stack import Installation, Stack
from tests.e2e.conftest import SHARED_SETTINGS
from tests.package.isolation import RECORD, recording_interpreter

SOURCES = ("function_app.py", "host.json", "pyproject.toml", "requirements.txt", "shared")
"""What a build reads."""


@dataclass(frozen=True, slots=True)
class Built:
    """Two builds of the same sources: `out` from this checkout, `again` from a copy elsewhere. `app` is the zip, unpacked."""

    out: Path
    again: Path
    app: Path

    @property
    def zip(self) -> Path:
        return next(self.out.glob("*.zip"))

    @property
    def site(self) -> Path:
        return self.app / SITE


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("package")
    found = Built(folder / "out", folder / "again", folder / "app")
    copy = folder / "elsewhere" / "sources"
    copy.mkdir(parents=True)
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy)
    builds = [
        subprocess.Popen(
            [sys.executable, "-m", "infra.package", "--source", source, "--out", out],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for source, out, seed in ((ROOT, found.out, "1"), (copy, found.again, "2"))
    ]
    for build in builds:
        said, _ = build.communicate()
        assert build.returncode == 0, said
    with zipfile.ZipFile(found.zip) as zipped:
        zipped.extractall(found.app)
    return found


@pytest.fixture(scope="session")
def packaged_python(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the package's dependencies and nothing else."""
    return recording_interpreter(tmp_path_factory.mktemp("host") / "python", built.site)


@pytest.fixture(scope="session")
def host_record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the app's hosts list what they loaded."""
    return tmp_path_factory.mktemp("record") / "host"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(built: Built, packaged_python: Path, host_record: Path) -> AsyncIterator[Stack]:
    """The whole stack, with the app run from the package by `packaged_python`."""
    package = Installation(built.app, packaged_python)
    settings: dict[str, Any] = {**SHARED_SETTINGS, RECORD: str(host_record)}
    async with sandbox.stack(installation=package, **settings) as running:
        yield running
