"""What is in the package, and what is not."""

import csv
import hashlib
import json
import re
import tempfile
import zipfile
from importlib.metadata import distributions
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name

from infra.package.contents import SITE
from infra.package.distributions import pinned_hashes
from sandbox.processes import ROOT
from tests.package.conftest import Built

LARGEST = 15_000_000
METADATA = re.compile(rf"{re.escape(SITE)}/[^/]+\.dist-info/(METADATA|entry_points\.txt|(licenses/.+|[A-Z]+[^/]*))")


def names(built: Built) -> list[str]:
    with zipfile.ZipFile(built.zip) as zipped:
        return zipped.namelist()


def test_the_same_sources_make_the_same_bytes_wherever_they_lie(built: Built) -> None:
    made = sorted(file.name for file in built.out.iterdir())
    assert [Path(name).suffix for name in made] == [".json", ".zip", ".sha256"]
    for name in made:
        assert (built.out / name).read_bytes() == (built.again / name).read_bytes(), name


def test_it_is_small(built: Built) -> None:
    assert built.zip.stat().st_size <= LARGEST


def test_nothing_is_inside_but_the_app_and_what_it_needs(built: Built) -> None:
    assert {name.partition("/")[0] for name in names(built)} == {
        ".python_packages",
        "__pycache__",
        "function_app.py",
        "host.json",
        "shared",
    }
    own = [name for name in names(built) if not name.startswith(SITE)]
    assert {name for name in own if not name.endswith((".py", ".cpython-313.pyc"))} == {"host.json"}
    assert not [name for name in own if name.startswith("shared/cli/")]
    needed = [name for name in names(built) if name.startswith(SITE) and not METADATA.fullmatch(name)]
    assert {Path(name).suffix for name in needed} == {".pyc", ".so", ".pem"}
    assert not [name for name in names(built) if {"tests", "test", "sandbox", "docs", "infra"} & set(name.split("/")[:-1])]


def test_no_distribution_that_only_developers_need_is_inside(built: Built) -> None:
    development = pinned_hashes((ROOT / "requirements-dev.txt").read_text(encoding="utf-8")).keys()
    app = pinned_hashes((ROOT / "requirements.txt").read_text(encoding="utf-8")).keys()
    inside = {canonicalize_name(one.metadata["Name"]) for one in distributions(path=[str(built.site)])}
    assert development - app
    assert inside <= app
    assert not inside & (development - app)


def test_nothing_says_where_it_was_made(built: Built) -> None:
    machine = [str(ROOT), tempfile.gettempdir() + "/reregister", str(Path.home()) + "/.cache", str(built.app.parent)]
    assert not [
        (file, place)
        for file in built.app.rglob("*")
        if file.is_file()
        for place in machine
        if place.encode() in file.read_bytes()
    ]


def test_files_are_in_order_and_without_time_or_owner(built: Built) -> None:
    with zipfile.ZipFile(built.zip) as zipped:
        entries = zipped.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {(entry.date_time, entry.external_attr >> 16, entry.extra) for entry in entries} == {
        ((1980, 1, 1, 0, 0, 0), 0o100644, b"")
    }


def test_byte_code_is_never_checked_against_a_time(built: Built) -> None:
    flags = {file: int.from_bytes(file.read_bytes()[4:8], "little") for file in built.app.rglob("*.pyc")}
    assert set(flags.values()) == {1}


def test_every_source_of_the_app_has_its_byte_code(built: Built) -> None:
    sources = [built.app / name for name in names(built) if name.endswith(".py")]
    assert len(sources) > 40
    assert not [file for file in sources if not (file.parent / "__pycache__" / f"{file.stem}.cpython-313.pyc").is_file()]


def test_the_checksum_is_the_zips(built: Built) -> None:
    (checksum,) = built.out.glob("*.sha256")
    digest, name = checksum.read_text().split()
    assert (digest, name) == (hashlib.sha256(built.zip.read_bytes()).hexdigest(), built.zip.name)


def test_the_bill_lists_exactly_what_is_inside(built: Built) -> None:
    (listed,) = built.out.glob("*.cdx.json")
    text = listed.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    digest = hashlib.sha256(built.zip.read_bytes()).hexdigest()
    assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert "timestamp" not in bill["metadata"]
    inside = {canonicalize_name(one.metadata["Name"]): one.version for one in distributions(path=[str(built.site)])}
    assert {part["name"]: part["version"] for part in bill["components"]} == inside
    pinned = pinned_hashes((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    assert {
        part["name"]: (part["version"], tuple(sorted(one["content"] for one in part["hashes"]))) for part in bill["components"]
    } == {name: pinned[name] for name in inside}
    assert {part["purl"] for part in bill["components"]} == {f"pkg:pypi/{name}@{version}" for name, version in inside.items()}


def test_every_folder_of_modules_belongs_to_a_distribution_that_is_listed(built: Built) -> None:
    """A module of one that is not listed would have no version, no licence and no place in the bill."""
    (site,) = (ROOT / ".venv").glob("lib/python3*/site-packages")
    of_listed = set()
    for entry in built.site.glob("*.dist-info"):
        with (site / entry.name / "RECORD").open(newline="") as record:
            of_listed |= {row[0] for row in csv.reader(record)}
    inside = [file.relative_to(built.site).as_posix() for file in built.site.rglob("*") if file.suffix in (".pyc", ".so", ".pem")]
    assert len(inside) > 1000
    assert [path for path in inside if (path.removesuffix("c") if path.endswith(".pyc") else path) not in of_listed] == []
