"""The deployment package beside all that is installed for the app: how large each is, and how long a cold start of it takes."""

import asyncio
import re
import shutil
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox.bench.cold import Cold, medians, start_of_app
from sandbox.bench.lines import Lines
from sandbox.isolated import interpreter
from sandbox.processes import ROOT
from sandbox.stack import Installation, Stack

SITE = ".python_packages/lib/site-packages"
"""Where the platform looks for an app's dependencies."""
APP_FILES, APP_PACKAGE = ("function_app.py", "host.json"), "shared"
NO_BYTE_CODE = shutil.ignore_patterns("__pycache__")


@dataclass(frozen=True, slots=True)
class Figures:
    """Bytes, zipped and the sum of all files; and medians of cold starts. What a start leaves is in no zip."""

    zip: int | None
    unpacked: int
    cold: Cold


@dataclass(frozen=True, slots=True)
class _Row:
    installation: Installation
    zip: Path | None
    folders: tuple[Path, ...]
    environment: Mapping[str, str]
    """Says where byte-code is read and written."""


async def measure(stack: Stack, log: Lines, package: Path, repetitions: int) -> dict[str, Figures]:
    """They take turns, each after one start that does not count. Of the stack, no host runs meanwhile."""
    checkout = stack.installation
    async with _rows(package) as rows:
        runs: dict[str, list[Cold]] = {name: [] for name in rows}
        for _ in range(1 + repetitions):
            for name, row in rows.items():
                stack.installation = row.installation
                runs[name].append(await start_of_app(stack, log, **row.environment))
        stack.installation = checkout
        return {
            name: Figures(row.zip.stat().st_size if row.zip else None, sum(map(_size, row.folders)), medians(runs[name][1:]))
            for name, row in rows.items()
        }


@asynccontextmanager
async def _rows(package: Path) -> AsyncIterator[dict[str, _Row]]:
    with TemporaryDirectory(prefix="reregister-bench-") as made:
        folder = Path(made).resolve()
        everything, byte_code, unpacked = (folder / name for name in ("everything", "byte-code", "package"))
        zipped = folder / "everything.zip"
        await asyncio.to_thread(_install, everything)
        await asyncio.to_thread(_zip, everything, zipped)
        await asyncio.to_thread(_unpack, package, unpacked)
        installed = Installation(everything, interpreter(folder / "everything-python", everything / SITE))
        packaged = Installation(unpacked, interpreter(folder / "package-python", unpacked / SITE))
        of_everything = byte_code.joinpath(*everything.parts[1:])
        none, kept = {"PYTHONDONTWRITEBYTECODE": "1"}, {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(byte_code)}
        yield {
            "everything": _Row(installed, zipped, (everything,), none),
            "everythingWithByteCode": _Row(installed, None, (everything, of_everything), kept),
            "package": _Row(packaged, package, (unpacked,), none),
        }


def _install(folder: Path) -> None:
    """The app's sources, and all of what `requirements.txt` pins, as installing leaves it that compiles nothing."""
    shutil.copytree(ROOT / APP_PACKAGE, folder / APP_PACKAGE, ignore=NO_BYTE_CODE)
    for name in APP_FILES:
        shutil.copyfile(ROOT / name, folder / name)
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    for name in re.findall(r"^([\w.-]+)==", requirements, re.MULTILINE):
        for file in distribution(name).files or ():
            if not {"..", "__pycache__"} & set(file.parts):
                target = folder / SITE / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), target)


def _zip(folder: Path, to: Path) -> None:
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in _files(folder):
            zipped.write(file, file.relative_to(folder))


def _unpack(package: Path, folder: Path) -> None:
    with zipfile.ZipFile(package) as zipped:
        zipped.extractall(folder)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in _files(folder))


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]
