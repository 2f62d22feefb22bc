"""The operator's command as installed, against the running product: what it says and holds, and that looking writes nothing."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sandbox.people import CHRISTIE, JONI
from sandbox.processes import ROOT
from sandbox.stack import TRUSTED_SOURCE, Stack, lent
from tests.e2e.story import Another, Case, alarms, case, eventually, hired

pytestmark = pytest.mark.asyncio(loop_scope="session")

COMMAND = ROOT / ".venv" / "bin" / "reregister"


async def ran(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    line = [str(COMMAND), *map(str, words)]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(line, cwd=folder, env=lent(), capture_output=True, text=True, timeout=60, check=False)

    return await asyncio.to_thread(run)


@dataclass(frozen=True)
class Operator:
    """Somebody with the command and a file of the app's settings, in a folder that is not the checkout."""

    stack: Stack
    folder: Path

    async def types(self, *words: str) -> subprocess.CompletedProcess[str]:
        file = self.folder / "local.settings.json"
        file.write_text(json.dumps({"IsEncrypted": False, "Values": self.stack.settings}))
        return await ran(self.folder, "--settings", file, *words)

    async def asks(self, *words: str, status: int = 0) -> dict[str, Any]:
        """The one document on stdout, with the exit status as expected."""
        done = await self.types(*words, "--json")
        assert done.returncode == status, (done.stdout, done.stderr)
        document: dict[str, Any] = json.loads(done.stdout)
        return document


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mine(another: Another) -> AsyncIterator[Stack]:
    """A stack of this file's own: its switches are turned."""
    async with another() as stack:
        yield stack


@pytest.fixture
def operator(mine: Stack, tmp_path: Path) -> Operator:
    return Operator(mine, tmp_path)


async def written(stack: Stack) -> list[tuple[str, str]]:
    """Every call to Graph and ServiceNow that was not a reading one."""
    return [
        (call["method"], call["path"])
        for service in (stack.graph, stack.servicenow)
        for call in await service.log()
        if call["method"] not in ("GET", "HEAD")
    ]


def verdicts(simulated: dict[str, Any]) -> dict[str, str]:
    return {rule["rule"]: rule["verdict"] for rule in simulated["rules"]}


# ---- switches


async def test_a_pause_makes_a_request_wait_until_it_is_resumed(operator: Operator) -> None:
    paused = await operator.asks("pause", "--why", "CHG0030001", "--by", "test@desk")
    assert (paused["changed"], paused["on"], paused["by"], paused["why"]) == (True, True, "test@desk", "CHG0030001")
    waiting = await case(operator.stack)
    await waiting.until(status="waiting", waitingFor="paused")
    seen = await operator.asks("status")
    assert seen["switches"]["pause"]["on"] is True
    (request,) = [one for one in seen["requests"] if one["id"] == waiting.id]
    assert waiting.ticket is not None
    assert (request["status"], request["waitingFor"], request["ticket"]) == ("waiting", "paused", waiting.ticket["number"])
    assert (await operator.asks("pause", "--why", "again"))["changed"] is False
    assert await waiting.writes() == []
    assert (await operator.asks("resume", "--why", "looked into"))["changed"] is True
    await operator.stack.sweep()
    assert (await waiting.ended(within=90))["outcome"] == "done"
    resumed = await operator.asks("resume", "--why", "again")
    assert (resumed["changed"], resumed["on"], resumed["why"]) == (False, False, "looked into")


async def test_at_its_limit_the_breaker_opens_and_a_request_waits_until_it_is_closed(another: Another, tmp_path: Path) -> None:
    async with another(BREAKER_LIMIT="1") as stack:
        operator = Operator(stack, tmp_path)
        assert await operator.asks("breaker") == {"on": False, "limit": 1, "changes": []}
        assert (await (await case(stack)).ended())["outcome"] == "done"
        waiting = await case(stack)
        await waiting.until(status="waiting", waitingFor="breaker")
        shown = await operator.asks("breaker")
        assert (shown["on"], shown["by"], len(shown["changes"])) == (True, "reregister", 1)
        assert await eventually(lambda: alarms(stack, "breaker-opened"))
        assert (await operator.asks("breaker", "close", "--why", "looked into"))["changed"] is True
        await stack.sweep()
        assert (await waiting.ended(within=90))["outcome"] == "done"
        assert [change["on"] for change in (await operator.asks("breaker"))["changes"]] == [True, False, True]


async def test_a_breaker_that_an_operator_opens_holds_too(operator: Operator) -> None:
    assert (await operator.asks("breaker", "open", "--why", "an attack"))["changed"] is True
    waiting = await case(operator.stack)
    await waiting.until(status="waiting", waitingFor="breaker")
    simulated = await operator.asks("simulate", "--subject", CHRISTIE, "--source", TRUSTED_SOURCE, status=1)
    assert simulated["outcome"] == "waiting"
    assert [hold["waitingFor"] for hold in simulated["holds"]] == ["breaker"]
    await operator.asks("breaker", "close", "--why", "over")
    await operator.stack.sweep()
    assert (await waiting.ended(within=90))["outcome"] == "done"


# ---- status


async def test_the_status_of_a_request_is_the_one_that_the_api_gives(operator: Operator) -> None:
    done = await case(operator.stack)
    status = await done.ended()
    assert await operator.asks("status", done.id) == status
    shown = await operator.types("status", done.id)
    assert (shown.returncode, "session" in shown.stdout) == (0, True)


async def test_an_unknown_request_is_an_error_in_words(operator: Operator) -> None:
    done = await operator.types("status", "0" * 32, "--json")
    assert (done.returncode, done.stderr) == (1, "There is no such request.\n")
    assert json.loads(done.stdout) == {"error": "There is no such request."}


# ---- simulate


async def simulated_for(operator: Operator, *words: str, status: int) -> dict[str, Any]:
    """What is said, while nothing is written anywhere."""
    before = await written(operator.stack), await operator.asks("status")
    said = await operator.asks("simulate", *words, status=status)
    assert (await written(operator.stack), await operator.asks("status")) == before
    return said


async def test_for_an_employee_it_says_what_would_go_and_writes_nothing(operator: Operator) -> None:
    name, person_id = await hired(operator.stack)
    said = await simulated_for(operator, "--subject", name, "--source", TRUSTED_SOURCE, status=0)
    assert (said["outcome"], said["reasons"], said["subjectId"]) == ("done", ["removed"], person_id)
    assert {one["type"] for one in said["wouldRemove"]} == {"phone", "microsoftAuthenticator", "softwareOath"}
    assert [one["type"] for one in said["leftAlone"]] == ["password"]
    assert set(verdicts(said).values()) == {"passes", "not asked"}
    assert len((await operator.stack.person(name))["methods"]) == 4


async def test_for_an_administrator_it_says_refused_and_which_role(operator: Operator) -> None:
    said = await simulated_for(operator, "--subject", JONI, "--source", TRUSTED_SOURCE, status=1)
    assert (said["outcome"], said["reasons"], said["wouldRemove"]) == ("refused", ["user-privileged"], [])
    (rule,) = [rule for rule in said["rules"] if rule["verdict"] == "refuses"]
    assert rule["rule"] == "user-privileged"
    assert "62e90394-69f5-4237-9190-012177145e10" in rule["fact"]


async def test_for_a_ticket_that_awaits_approval_it_says_so_and_once_approved_it_would_be_done(operator: Operator) -> None:
    stack = operator.stack
    name, person_id = await hired(stack)
    ticket = await stack.open_ticket(name)
    said = await simulated_for(operator, "--ticket", ticket["number"], status=1)
    assert (said["outcome"], said["reasons"], said["subjectId"]) == ("refused", ["ticket-not-approved"], person_id)
    assert said["ticket"]["sysId"] == ticket["sys_id"]
    assert "not asked" not in verdicts(said).values()
    await operator.asks("pause", "--why", "so that it is still there to be asked about")
    await stack.approve(ticket)
    held = await operator.asks("simulate", "--ticket", ticket["number"], status=1)
    assert (held["outcome"], [one["waitingFor"] for one in held["holds"]]) == ("waiting", ["paused"])
    await operator.asks("resume", "--why", "over")
    await operator.stack.sweep()
    answered = Case(stack, held["requestId"], name, person_id, ticket)
    assert (await answered.ended(within=90))["outcome"] == "done"
    again = await simulated_for(operator, "--ticket", ticket["number"], status=1)
    assert (again["outcome"], again["taken"]) == ("nothing", "final")


async def test_what_cannot_be_read_is_no_yes(operator: Operator) -> None:
    name, person_id = await hired(operator.stack)
    fault = {"path": "transitiveMemberOf", "times": 50, "status": 503}
    await operator.stack.graph.fault(**fault)
    try:
        said = await operator.asks("simulate", "--subject", name, "--source", TRUSTED_SOURCE, status=3)
    finally:
        await operator.stack.graph.delete("/_sim/faults")
    assert (said["outcome"], [one["what"] for one in said["unread"]]) == ("unknown", ["roles and groups"])
    assert verdicts(said)["user-privileged"] == "not asked"
    assert len((await operator.stack.person(person_id))["methods"]) == 4


# ---- usage and settings


async def test_wrong_usage_is_one_document_too(tmp_path: Path) -> None:
    done = await ran(tmp_path, "pause", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (2, {"error": done.stderr.strip()})
    assert "--why" in done.stderr


async def test_every_problem_with_the_settings_is_named(tmp_path: Path) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps({"Values": {"MODE": "perhaps", "COOLDOWN": "soon"}}))
    done = await ran(tmp_path, "status", "--json", "--settings", file)
    assert done.returncode == 2
    assert set(json.loads(done.stdout)["problems"]) == {"MODE", "COOLDOWN", "AzureWebJobsStorage"}
    assert "Traceback" not in done.stderr
