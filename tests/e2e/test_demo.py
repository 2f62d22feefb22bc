"""The demo, run as a newcomer runs it: it must succeed, and it must not succeed when something that it shows did not happen."""

import asyncio
import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.processes import Child

ROOT = Path(__file__).parents[2]
SECONDS = 90

TICKET_STORY = [
    "approved in ServiceNow",
    "signed webhook sent; the app answers 202",
    "event accepted",
    "ticket RITM0010001 re-read",
    "person resolved",
    "inventory of registered methods: 4 methods",
    "decided: 3 to remove, 1 to leave",
    "removed: ",
    "removed: ",
    "removed: phone number",  # her default goes last
    "sign-in sessions revoked",
    "read back what is registered now",
    "outcome in the journal: removed",
    "note on the ticket: outcome",
    "result event on mfa-results",
]
UNORDERED = {"note on the ticket: outcome", "result event on mfa-results"}  # told at the same time


def demo(*options: str) -> Child:
    return Child("demo", [sys.executable, "-m", "sandbox.demo", *options], cwd=ROOT)


async def ended(child: Child) -> tuple[int, str]:
    status = await asyncio.to_thread(child.wait, SECONDS)
    return status, "\n".join(child.lines)


def scene(told: str, number: int) -> list[str]:
    """The lines of one numbered scene."""
    return re.split(r"\n\d\. ", told)[number].splitlines()


def fault(**what: Any) -> tuple[str, str]:
    return "--fault", json.dumps({"times": None, **what})


@pytest.fixture(scope="module")
def told() -> str:
    child = demo()
    assert child.wait(SECONDS) == 0, "\n".join(child.lines)
    return "\n".join(child.lines)


def test_the_ticket_story_is_told_step_by_step_in_order(told: str) -> None:
    moments = [line for line in scene(told, 1) if re.match(r" +[+-]\d+\.\d\d s  ", line)]
    places = []
    start = 0
    for step in TICKET_STORY:
        place = next((n for n, line in enumerate(moments) if n >= start and step in line), None)
        assert place is not None, f"{step} is not told after {moments[:start]}"
        places.append(place)
        start = start if step in UNORDERED else place + 1
    assert len(set(places)) == len(places)


def test_every_change_of_the_timeline_names_the_request_id_that_graph_logged(told: str) -> None:
    guid = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    lines = scene(told, 1)
    claimed = [
        re.findall(guid, line) for line in lines if "  removed: " in line or ("sessions revoked" in line and " s  " in line)
    ]
    logged = [re.findall(guid, line) for line in lines if re.search(r" s  (DELETE|POST) ", line)]
    assert len(claimed) == 4
    assert claimed == logged


def test_the_administrator_is_refused_without_a_write_and_without_a_hint(told: str) -> None:
    lines = scene(told, 3)
    assert any("ok  Graph logged no write at all" in line for line in lines)
    assert any("outcome in the journal: user-privileged" in line for line in lines)
    assert any("ok  the comment tells whoever called nothing about it" in line for line in lines)


def test_it_reads_well_in_a_log_without_colours(told: str) -> None:
    assert "\x1b" not in told
    assert max(map(len, told.splitlines())) <= 100


async def test_it_fails_naming_what_graph_only_pretended_to_do() -> None:
    """Graph says that sessions are revoked and does nothing: the app cannot know, whoever looks from outside can."""
    status, told = await ended(demo(*fault(method="POST", path="revokeSignInSessions", status=200, body={"value": True})))
    assert status == 1, told
    assert "This did not happen: sign-in sessions from before are void" in told
    assert "All of it happened" not in told


async def test_it_fails_naming_what_graph_refused() -> None:
    status, told = await ended(
        demo(*fault(method="DELETE", path="phoneMethods", status=403, body={"error": {"code": "accessDenied"}}))
    )
    assert status == 1, told
    assert "This did not happen: left in the directory for Adele Vance: password" in told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("seen", ["Starting", "Who is who", "removed: "])
async def test_a_signal_at_any_moment_leaves_no_process_behind(number: signal.Signals, seen: str) -> None:
    child = demo()
    await child.said(seen)
    started = psutil.Process(child.pid).children(recursive=True)
    child.process.send_signal(number)
    status, told = await ended(child)
    assert status == 128 + number, told
    assert "Traceback" not in told
    _, alive = await asyncio.to_thread(psutil.wait_procs, started, 5)
    assert not alive
