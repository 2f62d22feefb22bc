"""What is logged: constant names, fields that docs/privacy.md lists, nothing that breaks a line or quotes what was sent."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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

ours.info("message.taken", cause="a\\r\\nb\\u2028c\\x1b[2J")
try:
    choke()
except ValueError as error:
    ours.exception("attempt.unclassified", error=type(error).__name__)
    theirs.warning("a\\x1b[2J\\r\\n%s", "{SECRET}", exc_info=True)
theirs.warning("%d of them", "some")
theirs.info("{SECRET}")
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
    assert (event["name"], event["cause"], event["level"]) == ("message.taken", "a\r\nb\u2028c\x1b[2J", "info")
    assert lines[0].isprintable()
    assert lines[0].isascii()


def test_an_exception_leaves_its_place_and_not_its_text(lines: list[str]) -> None:
    event = json.loads(lines[1])
    assert event["error"] == "ValueError"
    assert re.fullmatch(r"<string>:\d+ choke", event["trace"][-1])


def test_of_what_a_library_says_the_first_line_is_kept_and_no_exceptions_text(lines: list[str]) -> None:
    assert re.fullmatch(r"a\\x1b\[2J < <string>:\d+ <module> < <string>:\d+ choke", lines[2])
    assert lines[3] == "%d of them"


def test_an_exception_that_nobody_waited_for_leaves_its_place_and_not_its_text(lines: list[str]) -> None:
    assert re.fullmatch(r"Task exception was never retrieved( < <string>:\d+ chokes? ?)+", lines[4] + " ")


def test_nothing_else_is_said_and_nothing_private(lines: list[str]) -> None:
    assert len(lines) == 5
    assert not [line for line in lines if SECRET in line]


# ---- what is passed in


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=attr)) if attr in LEVELS:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def documented() -> set[str]:
    """The fields that the page lists."""
    section = (ROOT / "docs" / "privacy.md").read_text().partition("## What is logged")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return {field for row in rows for field in re.findall(r"`([a-z_]+)`", row.split("|")[1])}


def test_only_fields_that_the_page_on_privacy_lists_are_logged_and_all_of_them() -> None:
    passed = {keyword.arg for _, call in log_calls() for keyword in call.keywords}
    assert passed == documented()


def test_an_events_name_is_constant_or_one_of_several_that_are() -> None:
    names = [call.args[0] for _, call in log_calls()]
    assert len(names) > 40
    assert {name.value for name in names if isinstance(name, ast.Constant) and not EVENT_NAME.fullmatch(str(name.value))} == set()
    assert {type(name) for name in names} <= {ast.Constant, ast.Name}


def test_nothing_goes_along_without_a_field() -> None:
    assert [place for place, call in log_calls() if len(call.args) != 1 or None in {one.arg for one in call.keywords}] == []
