"""Bicep files as data: what they declare, as pycep-parser reads it, with loops and conditions taken off.

`'name'` is a `str` there, `name` a `Symbol`, which is a `str` too. Of two resources nested in one it keeps the last, so files
that nest are not read (`Nested`).
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pycep import BicepParser
from pycep.models import BicepElement

Symbol = BicepElement
ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"

type Tree = dict[str, Any]
type Files = Mapping[str, Tree]


class Nested(Exception):
    """A resource inside another one: not all of it can be read."""


class Declared(NamedTuple):
    """A resource or module: `kind` is its type, or the path of its file; `body` what stands between its braces."""

    file: str
    symbol: str
    kind: str
    api_version: str
    existing: bool
    body: Tree

    def at(self, path: str) -> Any:
        """The value under these member names, None where there is none."""
        return at(self.body, path)

    def __str__(self) -> str:
        return f"{self.file}: {self.symbol}"


def texts() -> dict[str, str]:
    """Every Bicep file of ours by its path below infra/."""
    paths = [*INFRA.glob("*.bicep"), *INFRA.glob("*/*.bicep")]
    return {path.relative_to(INFRA).as_posix(): path.read_text("utf-8") for path in sorted(paths)}


def parse(text: str) -> Tree:
    tree: Tree = dict(BicepParser().parse(text=text))
    for node in nodes(tree):
        if isinstance(node, dict) and {"__child_resource__", "depends_on"} & node.keys():
            raise Nested
    return tree


def read() -> dict[str, Tree]:
    return {name: parse(text) for name, text in texts().items()}


def nodes(node: Any) -> Iterator[Any]:
    """The node and everything below it, names of members left out."""
    yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from nodes(child)


def at(node: Any, path: str) -> Any:
    for name in path.split("."):
        node = node.get(name) if isinstance(node, dict) else None
    return node


def words(node: Any) -> set[str]:
    """Every name that occurs in an expression, in `${…}` too."""
    return {word for leaf in nodes(node) if isinstance(leaf, str) for word in re.findall(r"\w+", leaf)}


def symbols(node: Any) -> Iterator[str]:
    """What an expression refers to, in `${…}` too; members of it and functions are not among it."""
    match node:
        case Symbol():
            yield str(node)
        case str():
            yield from re.findall(r"\$\{(\w+)\b(?!\()", node)
        case {"operator": {"type": "property_accessor", "operands": {"operand_1": left}}}:
            yield from symbols(left)
        case dict():
            for child in node.values():
                yield from symbols(child)
        case list():
            for child in node:
                yield from symbols(child)


def variables(node: Any) -> Iterator[str]:
    """What loops and lambda expressions call their items."""
    for one in nodes(node):
        if isinstance(one, dict):
            yield from (str(one[name]) for name in ("item_name", "index_name", "var_1", "var_2") if name in one)


def path_of(node: Any) -> str:
    """`a.b.c` and `a[i].b` as they are written; else nothing."""
    match node:
        case str():
            return node
        case {"operator": {"type": "property_accessor", "operands": {"operand_1": left, "operand_2": right}}}:
            return f"{path_of(left)}.{path_of(right)}"
        case {"operator": {"type": "index_accessor", "operands": {"operand_1": left, "operand_2": right}}}:
            return f"{path_of(left)}[{path_of(right)}]"
    return ""


def bare(config: Any) -> Tree:
    """The object itself, without `[for …: …]` and `if (…)` around it."""
    while isinstance(config, dict) and "config" in config and "condition" in config:
        config = config["config"]
    return dict(config)


def resources(files: Files, kind: str = "", *, existing: bool = False) -> list[Declared]:
    """Those that are deployed, or are only referred to; all, or those of one type."""
    found = [
        Declared(file, symbol, node["type"], node["api_version"], node["existing"], bare(node["config"]))
        for file, tree in files.items()
        for symbol, node in tree.get("resources", {}).items()
    ]
    return [one for one in found if one.existing is existing and kind in ("", one.kind)]


def modules(files: Files) -> list[Declared]:
    return [
        Declared(file, symbol, node["detail"]["full"], "", False, bare(node["config"]))
        for file, tree in files.items()
        for symbol, node in tree.get("modules", {}).items()
    ]


def decorated(node: Tree) -> dict[str, Any]:
    """The decorators by name, with their argument."""
    return {decorator["type"]: decorator.get("argument") for decorator in node.get("decorators", ())}
