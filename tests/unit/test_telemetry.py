"""What is logged: the events of one list, the fields of docs/privacy.md, nothing that breaks a line or quotes what was sent."""

import ast
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from shared.adapters import telemetry
from shared.events import EVENTS

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for path in (ROOT / "shared").rglob("*.py") if "cli" not in path.relative_to(ROOT).parts)
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
EVENT_NAME = re.compile(r"[a-z]+(-[a-z]+)*(\.[a-z]+(-[a-z]+)*)+")

SECRET = "Sigrid's handset"
SCRIPT = f"""
import asyncio, logging, sys
import structlog
from shared.adapters import telemetry

logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
telemetry.configure()
telemetry.configure()
ours, theirs = structlog.get_logger(), logging.getLogger("azure.identity._internal")

def choke():
    raise ValueError("{SECRET}")

ours.info("wake-up.left-to-sweep", cause="a\\r\\nb\\u2028c\\x1b[2J")
try:
    choke()
except ValueError as error:
    ours.exception("attempt.unclassified", error=type(error).__name__)
    theirs.warning("a\\x1b[2J\\r\\n%s", "{SECRET}", exc_info=True)
theirs.warning("%d of them", "some")
theirs.info("{SECRET}")
ours.info("wake-up.left-to-sweep", cause="later", subject="{SECRET}")
ours.info("surprise", cause="{SECRET}")
with structlog.contextvars.bound_contextvars(request_id="ab12", subject="{SECRET}"):
    ours.info("attempt.facts-stale")
logging.getLogger("httpx").info("GET /users/{SECRET}")

async def loses():
    asyncio.get_running_loop().create_task(chokes())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

async def chokes():
    choke()

asyncio.run(loses())
"""


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """What a process of its own says, in which logging is set up as in the app."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def test_an_event_of_ours_is_one_line_of_json_whatever_is_in_it(lines: list[str]) -> None:
    event = json.loads(lines[0])
    assert (event["name"], event["cause"], event["level"]) == ("wake-up.left-to-sweep", "a\r\nb\u2028c\x1b[2J", "info")
    assert lines[0].isprintable()
    assert lines[0].isascii()


def test_an_exception_leaves_its_place_and_not_its_text(lines: list[str]) -> None:
    event = json.loads(lines[1])
    assert event["error"] == "ValueError"
    assert re.fullmatch(r"<string>:\d+ choke", event["trace"][-1])


def test_of_what_a_library_says_the_first_line_is_kept_and_no_exceptions_text(lines: list[str]) -> None:
    assert re.fullmatch(r"a\\x1b\[2J < <string>:\d+ <module> < <string>:\d+ choke", lines[2])
    assert lines[3] == "%d of them"


def test_of_what_a_library_says_no_more_is_kept_than_a_line_should_hold() -> None:
    record = logging.LogRecord("azure", logging.WARNING, "", 0, "%s", ("\u00e9" * 100_000,), None)
    assert telemetry._first_line(record) == "\\xe9" * telemetry.LONGEST


def test_an_exception_that_nobody_waited_for_leaves_its_place_and_not_its_text(lines: list[str]) -> None:
    assert re.fullmatch(r"Task exception was never retrieved( < <string>:\d+ chokes? ?)+", lines[7] + " ")


def test_what_is_not_on_the_list_does_not_get_out(lines: list[str]) -> None:
    listed, unknown, bound = [json.loads(line) for line in lines[4:7]]
    always = {"name", "level", "timestamp"}
    assert listed.keys() == always | {"cause"}
    assert unknown.keys() == always
    assert bound.keys() == always | {"request_id"}


def test_nothing_else_is_said_and_nothing_private(lines: list[str]) -> None:
    assert len(lines) == 8
    assert not [line for line in lines if SECRET in line]


# ---- what is passed in


type Logged = Mapping[str, tuple[set[str], set[str]]]
"""By the name of an event: the levels that it is logged at, the fields that go along."""


def log_calls() -> Iterator[tuple[str, ast.Call, set[str]]]:
    """Every call that logs: its place, itself, the names that its event may have."""
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        chosen = {target.id: value for target, value in choices(tree)}
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=attr), args=[name]) if attr in LEVELS:
                    value = chosen[name.id] if isinstance(name, ast.Name) else name
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node, names(value)
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log"))):
                    raise AssertionError(f"{path}:{node.lineno} logs something without a name, or with more than one")


def choices(tree: ast.Module) -> Iterator[tuple[ast.Name, ast.expr]]:
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name() as target], value=ast.IfExp() as value):
                yield target, value


def names(value: ast.expr) -> set[str]:
    match value:
        case ast.Constant(value=str() as name):
            return {name}
        case ast.IfExp(body=one, orelse=other):
            return names(one) | names(other)
        case _:
            raise AssertionError(f"an event's name is not constant: {ast.unparse(value)}")


def logged() -> Logged:
    found: dict[str, tuple[set[str], set[str]]] = {}
    for _, call, called in log_calls():
        assert isinstance(call.func, ast.Attribute)
        for name in called:
            levels, fields = found.setdefault(name, (set(), set()))
            levels.add({"exception": "error"}.get(call.func.attr, call.func.attr))
            fields |= {keyword.arg for keyword in call.keywords if keyword.arg}
    return found


def rows(page: str, heading: str) -> Iterator[list[str]]:
    """The cells of the table's rows below this heading that begin with a name."""
    section = (ROOT / "docs" / page).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def code(cell: str) -> list[str]:
    return re.findall(r"`([a-z_.-]+)`", cell)


def test_only_fields_that_the_page_on_privacy_lists_are_logged_and_all_of_them() -> None:
    documented = {field for row in rows("privacy.md", "What is logged") for field in code(row[0])}
    assert {field for _, fields in logged().values() for field in fields} == documented


def test_the_list_of_events_is_what_is_logged() -> None:
    assert {name: fields for name, (_, fields) in logged().items()} == {name: set(fields) for name, fields in EVENTS.items()}


def test_the_page_on_observability_lists_every_event_with_its_level_and_fields() -> None:
    documented = [(code(row[0]), row[1], set(code(row[2]))) for row in rows("observability.md", "The events")]
    assert documented == [([name], *levels, fields) for name, (levels, fields) in sorted(logged().items())]


def test_an_events_name_is_constant_and_of_one_form() -> None:
    assert len(EVENTS) > 60
    assert {name for name in EVENTS if not EVENT_NAME.fullmatch(name)} == set()


def test_nothing_goes_along_without_a_field() -> None:
    assert [place for place, call, _ in log_calls() if None in {one.arg for one in call.keywords}] == []


def test_the_text_of_an_error_goes_along_only_where_it_is_one_of_ours() -> None:
    """Whoever catches everything cannot know what the text quotes."""
    assert [place for path in SOURCES for place in texts_of_anything(path)] == []


def texts_of_anything(path: Path) -> Iterator[str]:
    for handler in ast.walk(ast.parse(path.read_text())):
        match handler:
            case ast.ExceptHandler(type=ast.Name(id="Exception" | "BaseException") | None, name=str() as error):
                for call in ast.walk(handler):
                    match call:
                        case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=attr)) if attr in LEVELS:
                            if f"str({error})" in ast.unparse(call) or f"{{{error}}}" in ast.unparse(call):
                                yield f"{path.relative_to(ROOT)}:{call.lineno}"
