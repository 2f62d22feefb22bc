"""The app runs from the package: the host has nothing else to load it from."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.processes import ROOT
from sandbox.stack import Stack
from tests.e2e.test_main_job import (  # noqa: F401  (the same stories, told of the package)
    test_a_hardware_token_is_deactivated_and_stays_assigned,
    test_a_request_refused_for_want_of_approval_is_opened_again_by_the_approval,
    test_a_trusted_source_may_ask_for_a_person_by_name,
    test_an_administrator_is_refused_and_the_comment_does_not_hint_at_it,
    test_an_approved_ticket_makes_exactly_its_person_register_again_and_says_so,
    test_health_says_which_version_runs_in_which_mode_and_that_nothing_fails,
)
from tests.package.conftest import Built
from tests.package.isolation import RECORD, development_only, loaded, recording_interpreter

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLUGINS = ("pytest_asyncio.plugin", "pytest_timeout")
STANDARD_LIBRARY = Path(os.__file__).parent


def elsewhere(modules: dict[str, str], *places: Path) -> dict[str, str]:
    """Modules that were loaded from none of the places, nor from Python's own library."""
    own = [*places, STANDARD_LIBRARY]
    return {
        name: path
        for name, path in modules.items()
        if name != "loaded_from" and not any(Path(path).is_relative_to(place) for place in own)
    }


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract tier's tests of the Graph adapter, under way: told of the package by an interpreter of its own."""

    process: subprocess.Popen[str]
    record: Path
    places: tuple[Path, ...]
    """Where its modules may come from."""


@pytest.fixture(scope="module", autouse=True)
def contract(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contract]:
    """Begins with the first test here, and runs beside the others."""
    folder = tmp_path_factory.mktemp("contract")
    development = development_only(folder / "development")
    python = recording_interpreter(folder / "python", built.site, development)
    checkout = folder / "checkout"
    checkout.mkdir()
    for name in ("pyproject.toml", "sandbox", "tests"):
        (checkout / name).symlink_to(ROOT / name)
    for name in ("function_app.py", "host.json", "shared"):
        (checkout / name).symlink_to(built.app / name)
    process = subprocess.Popen(
        [python, "-m", "pytest", "-q", *(f"-p{plugin}" for plugin in PLUGINS), "-pno:cacheprovider",
         "-k", "not TestWhyWeGoAround", "tests/contract/test_graph_adapter.py", "tests/contract/test_sdk_traps.py"],
        cwd=checkout,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1", RECORD: str(folder / "record")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    behind = [link.resolve() for link in development.iterdir()]
    yield Contract(process, folder / "record", (built.app, checkout, ROOT / "tests", ROOT / "sandbox", development, *behind))
    process.kill()
    process.wait()


async def test_every_module_of_the_graph_sdk_that_is_inside_can_be_loaded(built: Built, packaged_python: Path) -> None:
    names = [
        ".".join(file.relative_to(built.site).with_suffix("").parts).removesuffix(".__init__")
        for file in (built.site / "msgraph").rglob("*.pyc")
    ]
    assert len(names) > 50
    script = f"import importlib\nfor name in {sorted(names)!r}: importlib.import_module(name)\n"
    command: list[str | Path] = [packaged_python, "-W", "ignore", "-c", script]
    done = subprocess.run(command, check=False, cwd=built.app, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


async def test_the_host_loads_nothing_from_elsewhere(stack: Stack, built: Built, host_record: Path) -> None:
    await stack.stop_app()
    try:
        (modules,) = loaded(host_record)
        assert elsewhere(modules, built.app, ROOT / "sandbox") == {}
        assert {"function_app", "shared.wiring", "msgraph.graph_service_client", "azure_functions_runtime"} <= modules.keys()
        assert not [path for name, path in modules.items() if name.startswith("shared") and not _inside(path, built.app)]
    finally:
        await stack.start_app()


async def test_the_graph_adapter_keeps_its_contract(contract: Contract, built: Built) -> None:
    """Every profile, every kind of method and every error path.

    What the SDK does by itself, where we go around it (`TestWhyWeGoAround`), is not the package's.
    """
    said, _ = contract.process.communicate()
    assert contract.process.returncode == 0, said[-5000:]
    assert re.search(r"\d{3} passed", said)
    ended = loaded(contract.record)
    assert any("msgraph.graph_service_client" in modules for modules in ended)
    for modules in ended:
        assert elsewhere(modules, *contract.places) == {}
        assert not [path for name, path in modules.items() if name.startswith("shared") and not _inside(path, built.app)]


def _inside(path: str, app: Path) -> bool:
    return Path(path).resolve().is_relative_to(app)
