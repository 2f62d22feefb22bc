"""The distributions that `requirements.txt` pins, as they are installed for the machines that run the app, and their modules."""

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import Distribution as Metadata
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sandbox.bootstrap import uv

PYTHON_VERSION = "3.13"
PLATFORM = "x86_64-manylinux_2_28"
EXTENSION = ".so"
FOR_OTHER_PROGRAMS = frozenset({"console_scripts", "distutils.setup_keywords", "pytest11"})
"""Groups of entry points that nobody looks for in a running app."""

_TARGET = {"python_version": PYTHON_VERSION, "sys_platform": "linux", "platform_system": "Linux", "extra": ""}


@dataclass(frozen=True)
class Distribution:
    """One installed distribution. Paths are relative to the folder of all of them, with `/`."""

    name: str
    version: str
    root: Path
    files: tuple[str, ...]
    metadata: Metadata = field(repr=False)

    @cached_property
    def modules(self) -> Mapping[str, tuple[str, ...]]:
        """The files of each module: its source, its compiled form, or both, of which Python loads the latter. Tests are none."""
        found: dict[str, tuple[str, ...]] = {}
        for path in self.files:
            if not is_test(path) and (module := module_name(path)) is not None:
                found[module] = (*found.get(module, ()), path)
        return found

    @cached_property
    def has_extensions(self) -> bool:
        return any(path.endswith(EXTENSION) for paths in self.modules.values() for path in paths)

    @cached_property
    def requires(self) -> frozenset[str]:
        """Names of the distributions that it requires on the machines that run the app."""
        wanted = [Requirement(line) for line in self.metadata.requires or ()]
        return frozenset(
            canonicalize_name(one.name) for one in wanted if one.marker is None or one.marker.evaluate(dict(_TARGET))
        )

    @cached_property
    def entry_points(self) -> frozenset[str]:
        """Modules that others find through its metadata while the app runs."""
        return frozenset(point.module for point in self.metadata.entry_points if point.group not in FOR_OTHER_PROGRAMS)


def install(requirements: Path, target: Path) -> None:
    """Everything that is pinned is in `target`: wheels for the platform only, each with one of its hashes."""
    subprocess.run(  # noqa: S603  (nothing in it comes from outside)
        [uv(), "pip", "install", "--quiet", "--target", target, "--python", sys.executable, "--no-deps",
         "--require-hashes", "--only-binary", ":all:", "--python-version", PYTHON_VERSION, "--python-platform", PLATFORM,
         "--requirement", requirements],
        check=True,
    )  # fmt: skip


def installed(root: Path) -> dict[str, Distribution]:
    """By normalized name, what is installed below `root`."""
    found: dict[str, Distribution] = {}
    for metadata in distributions(path=[str(root)]):
        name = canonicalize_name(metadata.metadata["Name"])
        files = tuple(sorted(str(file) for file in metadata.files or () if not str(file).startswith("..")))
        found[name] = Distribution(name, metadata.version, root, files, metadata)
    return found


def module_name(path: str) -> str | None:
    """The module that the file at `path` holds; None when it holds none."""
    parts = path.split("/")
    stem, _, suffix = parts[-1].partition(".")
    if f".{suffix}" != ".py" and not re.fullmatch(r"(cpython-313-\S+|abi3)\.so", suffix):
        return None
    *folders, _ = parts
    names = folders if stem == "__init__" else [*folders, stem]
    return ".".join(names) if names and all(name.isidentifier() for name in names) else None


def is_test(path: str) -> bool:
    return any(folder in ("test", "tests") for folder in path.split("/")[:-1])


def pinned_hashes(requirements: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """By normalized name, the version and the SHA-256 of the archives that may be installed for it."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for block in re.split(r"\n(?=\S)", requirements.replace("\\\n", " ")):
        if pinned := re.match(r"([A-Za-z0-9._-]+)==(\S+)", block):
            found[canonicalize_name(pinned[1])] = (pinned[2], tuple(sorted(re.findall(r"--hash=sha256:([0-9a-f]{64})", block))))
    return found
