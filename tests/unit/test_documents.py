"""The documents name what is there: links lead somewhere, files exist, the map is the ground, imports point as is drawn."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "sandbox/*.md", "infra/*.md")
    for path in ROOT.glob(pattern)
)
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
HOUSE, DRAWN = re.findall(r"```\n(.*?)```", ARCHITECTURE, re.DOTALL)[:2]
FILE = re.compile(r"`((?:tests|shared|sandbox|docs|infra)/[\w./*-]+)(?:::[\w:]+)?`")


def anchors(document: Path) -> set[str]:
    """Of all headings, as they are made where documents are shown."""
    headings = re.findall(r"^#+ (.*)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(document: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if "://" not in link and (not target.exists() or (anchor and anchor not in anchors(target))):
            yield link


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    assert list(dead_links(ROOT / document)) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_is_named_is_there(document: str) -> None:
    named = FILE.findall((ROOT / document).read_text("utf-8"))
    assert [name for name in named if not list(ROOT.glob(name.rstrip("/")))] == []


def test_the_front_page_leads_to_every_document() -> None:
    page = (ROOT / "README.md").read_text("utf-8")
    apart = ("README.md", "docs/adr/")
    assert [one for one in DOCUMENTS if not one.startswith(apart) and f"]({one})" not in page] == []


def test_the_map_names_every_part_of_the_product_once() -> None:
    parts = {path.name + "/" * path.is_dir() for path in (ROOT / "shared").iterdir()} - {"__init__.py", "__pycache__/"}
    named = re.findall(r"^  ([a-z]+(?:\.py|/)) ", HOUSE, re.MULTILINE)
    assert sorted(named) == sorted(parts)


def test_imports_are_drawn_as_they_are_held_to() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    held = [{name.strip().removeprefix("shared.") for name in layer.split("|")} for layer in layers]
    assert [{name.strip() for name in layer.split(",")} for layer in DRAWN.split("→")] == held
