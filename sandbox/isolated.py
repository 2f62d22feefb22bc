"""Interpreters that see none of this checkout's dependencies, only those that they are given."""

import venv
from pathlib import Path


def interpreter(home: Path, *paths: Path) -> Path:
    """The Python of an environment made in `home`, in which only `paths` stand in for installed packages."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(home)
    (site_packages(home) / "paths.pth").write_text("".join(f"{path}\n" for path in paths))
    return home / "bin" / "python"


def site_packages(home: Path) -> Path:
    (site,) = home.glob("lib/python3*/site-packages")
    return site
