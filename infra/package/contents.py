"""What is in the package, file by file: an allow-list, and the reason for whatever of a distribution stays out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.package import CannotPackage
from infra.package.bytecode import compiled
from infra.package.closure import closure
from infra.package.distributions import EXTENSION, Distribution, is_test, module_name
from infra.package.elf import loadable

SITE = ".python_packages/lib/site-packages"
"""Where the platform looks for an app's dependencies, before its own."""

APP_FILES = ("function_app.py", "host.json")
APP_PACKAGE = "shared"

DATA = frozenset({".pem"})
"""What distributions read while they run."""

LEFT_OUT: Mapping[str, str] = {
    ".pyi": "for type checkers",
    ".typed": "for type checkers",
    ".c": "for compilers",
    ".h": "for compilers",
    ".pxd": "for compilers",
    ".pxi": "for compilers",
    ".pyx": "for compilers",
    ".cfg": "pycparser's own build",
    ".json": "what generated msgraph-sdk",
    ".md": "for readers",
    ".rst": "for readers",
    ".txt": "for readers; also the API that msgraph-sdk was generated from, 38 MB",
    ".css": "werkzeug's debugger",
    ".png": "werkzeug's debugger",
    ".js": "werkzeug's debugger; urllib3 in browsers",
}

COMMANDS = "bin/"

_METADATA = re.compile(r"(METADATA|entry_points\.txt|(licenses/.*|[^/]*)(LICEN[CS]E|NOTICE|COPYING|AUTHORS)[^/]*)")
"""Of a distribution's own description: its name and version, what others find through it, on what terms it may be used."""


@dataclass(frozen=True, slots=True)
class Contents:
    """`files` by their path in the package; `inside` the distributions that any of them belong to."""

    files: Mapping[str, bytes]
    inside: tuple[Distribution, ...]
    modules: Mapping[str, tuple[int, int]]
    """By distribution: how many modules are inside, of how many."""


def contents(source: Path, library: Mapping[str, Distribution]) -> Contents:
    """The contents for the app in the folder `source`."""
    app, packages = _app(source)
    found = closure({module: text for module, (_, text) in app.items()}, packages, library)
    files = {"host.json": (source / "host.json").read_bytes()}
    for module, (path, text) in app.items():
        if module in found.reached:
            files |= _with_byte_code(path, text)
    inside, modules = [], {}
    for one in library.values():
        reached = found.reached & one.modules.keys()
        if reached:
            inside.append(one)
            modules[one.name] = (len(reached), len(one.modules))
            files |= _of(one, {path for module in reached for path in one.modules[module]})
    return Contents(files, tuple(sorted(inside, key=lambda one: one.name)), modules)


def _app(source: Path) -> tuple[dict[str, tuple[str, bytes]], frozenset[str]]:
    """By module, path and text of the app's sources; and which modules are packages."""
    app, packages = {}, set()
    for file in (source / "function_app.py", *sorted((source / APP_PACKAGE).rglob("*"))):
        path = file.relative_to(source)
        if file.is_dir() or "__pycache__" in path.parts:
            continue
        if file.suffix != ".py":
            raise CannotPackage(f"{path} is no module, and nothing says whether the app reads it")
        parts = path.with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        app[module] = (path.as_posix(), file.read_bytes())
        if parts[-1] == "__init__":
            packages.add(module)
    return app, frozenset(packages)


def _with_byte_code(path: str, text: bytes) -> dict[str, bytes]:
    """The app's own modules stay readable: the platform looks for `function_app.py`, and a traceback shows its lines."""
    folder, _, name = path.rpartition("/")
    cached = "/".join(filter(None, (folder, "__pycache__", f"{name.removesuffix('.py')}.cpython-313.pyc")))
    return {path: text, cached: compiled(text, path)}


def _of(one: Distribution, reached: set[str]) -> dict[str, bytes]:
    """Its modules as byte-code alone, since sources take as much again; its data, and what describes it."""
    files = {}
    for path in one.files:
        folder, _, rest = path.partition("/")
        if folder.endswith(".dist-info"):
            if _METADATA.fullmatch(rest):
                files[path] = _described(_read(one, path)) if rest == "METADATA" else _read(one, path)
        elif path in reached:
            content = _read(one, path)
            if path.endswith(EXTENSION):
                files[path] = loadable(content)
            else:
                files[f"{path}c"] = compiled(content, path)
        elif module_name(path) is None and _is_data(one, path):
            files[path] = _read(one, path)
    return {f"{SITE}/{path}": content for path, content in files.items()}


def _described(metadata: bytes) -> bytes:
    """The fields of a distribution's own description, without the page for readers that follows them."""
    return metadata.partition(b"\n\n")[0] + b"\n"


def _is_data(one: Distribution, path: str) -> bool:
    """Whether the file goes in, being no module; ends the build when no rule knows its kind."""
    kind = Path(path).suffix
    if kind in DATA:
        return not is_test(path)
    if is_test(path) or path.startswith(COMMANDS) or kind in LEFT_OUT:
        return False
    raise CannotPackage(f"{one.name} brings {path}: whether it is needed is said neither by DATA nor by LEFT_OUT")


def _read(one: Distribution, path: str) -> bytes:
    return (one.root / path).read_bytes()
