"""What counts as reached: small libraries made for one question each."""

from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from infra.package import CannotPackage
from infra.package.bytecode import compiled
from infra.package.closure import closure
from infra.package.contents import contents
from infra.package.distributions import Distribution, module_name, pinned_hashes
from infra.package.elf import loadable
from infra.package.imports import read
from sandbox.processes import ROOT

GENERATED = "msgraph-sdk"
CLIENT = """
from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from msgraph.typed import Typed

class Client:
    def __init__(self):
        from msgraph.made import Made

    @property
    def users(self):
        from msgraph.users import Users

    @property
    def teams(self):
        from msgraph.teams import Teams

    async def get(self):
        from msgraph.models import User
"""


@pytest.fixture
def library(tmp_path: Path) -> dict[str, Distribution]:
    return {}


def add(library: dict[str, Distribution], root: Path, name: str, files: dict[str, str], requires: tuple[str, ...] = ()) -> None:
    described = root / f"{name.replace('-', '_')}-1.dist-info"
    described.mkdir()
    required = "".join(f"Requires-Dist: {one}\n" for one in requires)
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n{required}")
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    library[name] = Distribution(name, "1", root, tuple(sorted(files)), PathDistribution(described))


def reached(app: dict[str, str], library: dict[str, Distribution]) -> set[str]:
    sources = {module: text.encode() for module, text in app.items()}
    return closure(sources, frozenset({"shared"}), library).reached


def test_imports_inside_functions_count_and_those_for_type_checkers_do_not(
    library: dict[str, Distribution], tmp_path: Path
) -> None:
    files = {
        "lib/__init__.py": "",
        "lib/a.py": "def f():\n    from . import b\n",
        "lib/b.py": "import typing\nif typing.TYPE_CHECKING:\n    from lib import c\nelse:\n    import lib.d\n",
        "lib/c.py": "",
        "lib/d.py": "try:\n    import not_installed\nexcept ImportError:\n    pass\n",
    }
    add(library, tmp_path, "lib", files)
    assert reached({"function_app": "def f():\n    import lib.a"}, library) == {"function_app", "lib", "lib.a", "lib.b", "lib.d"}


def test_a_module_that_imports_lazily_imports_what_it_tells_type_checkers(
    library: dict[str, Distribution], tmp_path: Path
) -> None:
    lazy = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .main import Main\ndef __getattr__(name): ...\n"
    add(library, tmp_path, "lib", {"lib/__init__.py": lazy, "lib/main.py": ""})
    assert "lib.main" in reached({"function_app": "from lib import Main"}, library)


@pytest.mark.parametrize(
    ("use", "found"),
    [
        ("client.users", {"msgraph.users"}),
        ("getattr(client, 'users')", {"msgraph.users"}),
        ("{}.get('key')", set()),
        ("client.get()", {"msgraph.models"}),
        ("await client.get(configuration)", {"msgraph.models"}),
        ("send = client.get", {"msgraph.models"}),
        ("pass", set()),
    ],
)
def test_of_generated_code_what_is_asked_for_counts(
    use: str, found: set[str], library: dict[str, Distribution], tmp_path: Path
) -> None:
    names = ("typed", "made", "users", "teams", "models")
    add(library, tmp_path, GENERATED, {"msgraph/__init__.py": CLIENT, **{f"msgraph/{name}.py": "" for name in names}})
    app = f"from msgraph import Client\nasync def main(client, configuration):\n    {use}\n"
    assert reached({"function_app": app}, library) == {"function_app", "msgraph", "msgraph.made"} | found


def test_what_generated_code_builds_on_asks_too(library: dict[str, Distribution], tmp_path: Path) -> None:
    files = {
        "msgraph/__init__.py": "import kiota\n" + CLIENT,
        "msgraph/made.py": "",
        "msgraph/teams.py": "",
        "msgraph/models.py": "",
    }
    add(library, tmp_path, GENERATED, files)
    add(library, tmp_path, "kiota", {"kiota/__init__.py": "def call(it):\n    it.teams\n    it.get()\n"})
    add(library, tmp_path, "other", {"other.py": "def call(it):\n    it.users\n"})
    found = reached({"function_app": "import msgraph, other"}, library)
    assert "msgraph.teams" in found
    assert not {"msgraph.users", "msgraph.models"} & found


def test_who_cannot_hold_generated_objects_asks_nothing(library: dict[str, Distribution], tmp_path: Path) -> None:
    names = ("made", "users", "teams")
    add(library, tmp_path, GENERATED, {"msgraph/__init__.py": CLIENT, **{f"msgraph/{name}.py": "" for name in names}})
    app = {
        "function_app": "import shared.adapter, shared.core\nfrom typing import Any\ndef main(it: Any): it.users",
        "shared": "",
        "shared.adapter": "import msgraph",
        "shared.core": "def count(it): return it.teams",
    }
    found = reached(app, library)
    assert "msgraph.users" in found
    assert "msgraph.teams" not in found


def test_compiled_code_brings_its_whole_distribution_and_what_that_requires(
    library: dict[str, Distribution], tmp_path: Path
) -> None:
    add(
        library,
        tmp_path,
        "fast",
        {"fast/__init__.py": "", "fast/_c.abi3.so": "", "fast/more.py": "", "fast/tests/a.py": ""},
        ("plain",),
    )
    add(library, tmp_path, "plain", {"plain/__init__.py": "", "plain/deep.py": ""})
    found = reached({"function_app": "import fast"}, library)
    assert found == {"function_app", "fast", "fast._c", "fast.more", "plain", "plain.deep"}
    add(library, tmp_path, "lone", {"lone/__init__.py": "", "lone/_c.abi3.so": ""}, ("absent",))
    with pytest.raises(CannotPackage, match="absent, which is not pinned"):
        reached({"function_app": "import lone"}, library)


@pytest.mark.parametrize(
    "text",
    [
        "import lib\nimport nowhere",
        "from lib import a\nfrom lib.gone import b",
        "import importlib\nimportlib.import_module('li' + 'b')",
        "import lib\ngetattr(lib, 'a' + 'b')",
        "def later():\n    import nowhere",
    ],
)
def test_what_the_app_imports_or_looks_up_must_be_known(text: str, library: dict[str, Distribution], tmp_path: Path) -> None:
    add(library, tmp_path, "lib", {"lib/__init__.py": "", "lib/a.py": ""})
    with pytest.raises(CannotPackage):
        reached({"function_app": text}, library)


def test_a_computed_import_that_nobody_has_looked_at_ends_the_build(library: dict[str, Distribution], tmp_path: Path) -> None:
    add(library, tmp_path, "lib", {"lib.py": "from importlib import import_module\ndef f(x):\n    return import_module(x)\n"})
    with pytest.raises(CannotPackage, match=r"lib imports under a computed name in lines \(3,\)"):
        reached({"function_app": "import lib"}, library)


def test_a_file_of_an_unknown_kind_ends_the_build(tmp_path: Path) -> None:
    library: dict[str, Distribution] = {}
    add(library, tmp_path, "lib", {"lib/__init__.py": "", "lib/model.onnx": ""})
    with pytest.raises(CannotPackage, match=r"lib brings lib/model\.onnx"):
        contents(_app(tmp_path / "app", "import lib"), library)


def test_a_file_of_the_apps_that_is_no_module_ends_the_build(tmp_path: Path) -> None:
    app = _app(tmp_path / "app", "")
    (app / "shared" / "words.txt").write_text("")
    with pytest.raises(CannotPackage, match=r"words\.txt"):
        contents(app, {})


def _app(folder: Path, text: str) -> Path:
    (folder / "shared").mkdir(parents=True)
    (folder / "shared" / "__init__.py").write_text("")
    (folder / "function_app.py").write_text(text)
    (folder / "host.json").write_text("{}")
    return folder


@pytest.mark.parametrize("content", [b"", b"MZ" + bytes(100), b"\x7fELF\x01\x01" + bytes(100)])
def test_only_libraries_for_the_platform_are_cut(content: bytes) -> None:
    with pytest.raises(CannotPackage, match="x86-64"):
        loadable(content)


def test_byte_code_depends_on_source_and_place_alone() -> None:
    source = b"def f(x):\n    return x in {'a', 'b'}, 'a sentence', ('a', 1)\n"
    assert compiled(source, "lib/a.py") == compiled(source, "lib/" + "".join("a.py"))
    assert compiled(source, "lib/a.py") != compiled(source, "lib/b.py")


def test_every_pinned_distribution_is_read_with_its_hashes() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    pinned = pinned_hashes(text)
    assert len(pinned) == sum("==" in line for line in text.splitlines())
    assert all(hashes for _, hashes in pinned.values())
    assert sum(len(hashes) for _, hashes in pinned.values()) == text.count("--hash=sha256:")


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("a/__init__.py", "a"),
        ("a/b.py", "a.b"),
        ("a/_c.cpython-313-x86_64-linux-gnu.so", "a._c"),
        ("a/_c.abi3.so", "a._c"),
        ("a/_c.cpython-312-x86_64-linux-gnu.so", None),
        ("a/b.pyi", None),
        ("a-b/c.py", None),
    ],
)
def test_which_file_is_which_module(path: str, module: str | None) -> None:
    assert module_name(path) == module


def test_a_relative_import_is_read_from_where_it_stands() -> None:
    assert read(b"from .c import d", "a.b", package=True).imports == {"a.b.c", "a.b.c.d"}
    assert read(b"from .c import d", "a.b", package=False).imports == {"a.c", "a.c.d"}
    assert read(b"from .. import d", "a.b.c", package=False).imports == {"a", "a.d"}
