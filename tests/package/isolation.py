"""What an interpreter that sees the package's dependencies has loaded, and what the tests need besides."""

import json
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from infra.package.distributions import pinned_hashes
from sandbox.isolated import interpreter, site_packages
from sandbox.processes import ROOT

RECORD = "MODULES_LOADED_FROM"
"""The environment variable that names the file in which an interpreter lists, as it ends, the files of all that it loaded."""

_RECORDER = f"""\
import atexit, json, os, sys
def record():
    found = {{name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}}
    with open(os.environ["{RECORD}"] + "." + str(os.getpid()), "w") as file:
        json.dump({{name: path for name, path in found.items() if path}}, file)
if "{RECORD}" in os.environ:
    atexit.register(record)
"""


def recording_interpreter(home: Path, *paths: Path) -> Path:
    """One that sees only `paths`, and keeps the record that it is asked for."""
    python = interpreter(home, *paths)
    site = site_packages(home)
    (site / "loaded_from.py").write_text(_RECORDER)
    (site / "loaded_from.pth").write_text("import loaded_from\n")
    return python


def loaded(record: Path) -> list[dict[str, str]]:
    """For each interpreter that has ended, the files of its modules by name."""
    return [json.loads(file.read_text()) for file in sorted(record.parent.glob(f"{record.name}.*"))]


def development_only(folder: Path) -> Path:
    """A folder with the distributions of this checkout's environment that the app does not depend on."""
    app = pinned_hashes((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    site = site_packages(ROOT / ".venv")
    folder.mkdir()
    for one in distributions(path=[str(site)]):
        if canonicalize_name(one.metadata["Name"]) not in app:
            for top in _tops(str(file) for file in one.files or ()):
                if not (folder / top).exists():
                    (folder / top).symlink_to(site / top)
    return folder


def _tops(files: Iterable[str]) -> set[str]:
    return {top for file in files if (top := file.partition("/")[0]) not in ("..", "__pycache__", "bin")}
