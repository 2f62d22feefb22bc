"""The three files: the zip, its SHA-256 and its bill of materials."""

import hashlib
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from infra.package import CannotPackage
from infra.package.archive import archive
from infra.package.bill import NAME, bill
from infra.package.contents import contents
from infra.package.distributions import PYTHON_VERSION, install, installed, pinned_hashes

TESTED_PYTHON = f"cpython-{PYTHON_VERSION.replace('.', '')}"


@dataclass(frozen=True, slots=True)
class Package:
    zip: Path
    bill: Path
    checksum: Path


def make(source: Path, out: Path) -> Package:
    """The package of the app in `source`, written to `out` under its version; `CannotPackage`, and nothing is written."""
    if sys.implementation.cache_tag != TESTED_PYTHON:
        raise CannotPackage(f"byte-code for {TESTED_PYTHON} cannot be made by {sys.implementation.cache_tag}")
    version = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    requirements = source / "requirements.txt"
    with tempfile.TemporaryDirectory(prefix="reregister-package-") as site:
        install(requirements, Path(site))
        inside = contents(source, installed(Path(site)))
    zipped = archive(inside.files)
    digest = hashlib.sha256(zipped).hexdigest()
    listed = bill(version, inside, pinned_hashes(requirements.read_text(encoding="utf-8")), digest)
    out.mkdir(parents=True, exist_ok=True)
    name = f"{NAME}-{version}"
    made = Package(out / f"{name}.zip", out / f"{name}.cdx.json", out / f"{name}.zip.sha256")
    made.zip.write_bytes(zipped)
    made.bill.write_text(listed, encoding="utf-8")
    made.checksum.write_text(f"{digest}  {made.zip.name}\n", encoding="utf-8")
    return made
