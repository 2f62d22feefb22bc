"""`python -m infra.package [--source FOLDER] [--out FOLDER]`: the zip, its SHA-256 and its bill of materials."""

import argparse
import sys
import time
from pathlib import Path

from infra.package import CannotPackage
from infra.package.build import make

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(prog="infra.package", description="The deployment package of the app.")
    parser.add_argument("--source", type=Path, default=ROOT, help="the app's checkout")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="the folder for the three files")
    given = parser.parse_args()
    started = time.monotonic()
    try:
        made = make(given.source.resolve(), given.out.resolve())
    except CannotPackage as problem:
        sys.exit(f"no package: {problem}")
    size = made.zip.stat().st_size / 1e6
    took = time.monotonic() - started
    sys.stdout.write(f"{made.zip.name}, {size:.1f} MB, in {took:.0f} s; beside it {made.bill.name}, {made.checksum.name}\n")


if __name__ == "__main__":
    main()
