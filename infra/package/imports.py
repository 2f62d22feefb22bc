"""What one module imports and asks of others, by reading its source; nothing is run."""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Set
from dataclasses import dataclass

type Function = ast.FunctionDef | ast.AsyncFunctionDef
type Telling = ast.Import | ast.ImportFrom | ast.Call | ast.Attribute | ast.Await

IMPORTERS = frozenset({"import_module", "__import__"})
LOOKS_UP = frozenset({"getattr"})


@dataclass(frozen=True, slots=True)
class Asked:
    """Names of attributes that are looked at, whatever they are looked for in.

    `awaited` are those of them that may run an `async def`: a call that is awaited, or the attribute itself, called elsewhere.
    `x.get(key)` is a mapping's, where nobody awaits it.
    """

    names: frozenset[str] = frozenset()
    awaited: frozenset[str] = frozenset()

    def __or__(self, other: Asked) -> Asked:
        return Asked(self.names | other.names, self.awaited | other.awaited)


@dataclass(frozen=True, slots=True)
class Member:
    """A function of a module or class: what it imports and asks for once it runs."""

    name: str
    asynchronous: bool
    imports: frozenset[str]
    asks: Asked


@dataclass(frozen=True, slots=True)
class Reading:
    """`imports` and `asks` are those of the module as it is loaded, and of what Python itself calls (`__init__` and its like).

    Names of imports are absolute, and each is a module or something in one. `unknown` lists what is imported or looked up under a
    name that only a running program knows, by line.
    """

    imports: frozenset[str]
    asks: Asked
    members: tuple[Member, ...]
    computed_imports: tuple[int, ...]
    computed_attributes: tuple[int, ...]

    @property
    def all_imports(self) -> frozenset[str]:
        return self.imports.union(*(member.imports for member in self.members))

    @property
    def all_asks(self) -> Asked:
        return functools.reduce(operator.or_, (member.asks for member in self.members), self.asks)


def read(source: bytes, module: str, *, package: bool) -> Reading:
    """The reading of `module`, a package's `__init__` if `package`.

    What is imported for type checkers only does not count, save where a module-level `__getattr__` imports lazily: there the same
    names stand for type checkers.
    """
    tree = ast.parse(source)
    lazy = any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body)
    functions: list[Function] = []
    loaded = _as_it_runs(tree, type_checking=lazy, apart=functions)
    calls = list(loaded)
    members = []
    for function in functions:
        nodes = _as_it_runs(function, type_checking=lazy)
        calls += nodes
        if function.name.startswith("__") and function.name.endswith("__"):
            loaded += nodes
        else:
            asynchronous = isinstance(function, ast.AsyncFunctionDef)
            members.append(Member(function.name, asynchronous, _imports(nodes, module, package), _asks(nodes)))
    return Reading(
        imports=_imports(loaded, module, package),
        asks=_asks(loaded),
        members=tuple(members),
        computed_imports=tuple(node.lineno for node in calls if _computed(node, IMPORTERS, 0)),
        computed_attributes=tuple(node.lineno for node in calls if _computed(node, LOOKS_UP, 1)),
    )


def _as_it_runs(root: ast.AST, *, type_checking: bool, apart: list[Function] | None = None) -> list[Telling]:
    """What tells something below `root` and may run; functions are set `apart` instead, where there is a list."""
    found: list[Telling] = []
    ahead: list[ast.AST] = [root]
    while ahead:
        node = ahead.pop()
        if isinstance(node, Telling.__value__):
            found.append(node)
        elif isinstance(node, ast.If) and not type_checking and _names(node.test) == "TYPE_CHECKING":
            ahead += node.orelse
            continue
        elif apart is not None and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            apart.append(node)
            ahead += node.decorator_list
            continue
        for name in node._fields:
            value = getattr(node, name)
            if isinstance(value, list):
                ahead += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                ahead.append(value)
    return found


def _names(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _imports(nodes: list[Telling], module: str, package: bool) -> frozenset[str]:
    found: set[str] = set()
    for node in nodes:
        match node:
            case ast.Import(names=names):
                found |= {name.name for name in names}
            case ast.ImportFrom(names=names):
                origin = _origin(node, module, package)
                found |= {origin} | {f"{origin}.{name.name}" for name in names}
            case ast.Call(args=[ast.Constant(value=str(name)), *_]) if _names(node.func) in IMPORTERS:
                found.add(name)
    return frozenset(found)


def _origin(node: ast.ImportFrom, module: str, package: bool) -> str:
    """The absolute name of what follows `from`."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    base = parts[: len(parts) - node.level + package]
    return ".".join([*base, *([node.module] if node.module else [])])


def _asks(nodes: list[Telling]) -> Asked:
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    awaited = {id(node.value) for node in nodes if isinstance(node, ast.Await)}
    passing = {id(call.func) for call in calls if id(call) not in awaited}
    mappings = {id(call.func) for call in calls if id(call.func) in passing and call.args and _names(call.func) == "get"}
    attributes = [node for node in nodes if isinstance(node, ast.Attribute) and id(node) not in mappings]
    looked_up = frozenset(
        str(call.args[1].value)
        for call in calls
        if _names(call.func) == "getattr" and len(call.args) > 1 and isinstance(call.args[1], ast.Constant)
    )
    return Asked(
        frozenset(node.attr for node in attributes) | looked_up,
        frozenset(node.attr for node in attributes if id(node) not in passing) | looked_up,
    )


def _computed(node: Telling, functions: Set[str], argument: int) -> bool:
    """Whether one of the functions is called with a name that is not written there."""
    if not isinstance(node, ast.Call) or _names(node.func) not in functions or len(node.args) <= argument:
        return False
    return not isinstance(node.args[argument], ast.Constant)
