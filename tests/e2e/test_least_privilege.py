"""What the identity may do on Graph, and what becomes of a reset without each part of it: docs/permissions.md says the same."""

import contextlib
import re
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from sandbox.identity import API_VERSION, DEFAULT_PERMISSIONS, PATH
from sandbox.people import authenticator, hardware_oath, phone, software_oath
from sandbox.stack import Stack
from tests.e2e.story import NEUTRAL, Another, Case, case, hired

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = (Path(__file__).parents[2] / "docs" / "permissions.md").read_text("utf-8")
METHODS = (phone("mobile", "+1 2065550120"), authenticator("Any handset"), software_oath(), hardware_oath("CTSO0000120"))
_ENDING = re.compile(r"`(\w+)`, `([a-z-]+)`, nothing written")


def rows(heading: str) -> dict[str, list[str]]:
    """The table below a heading of the page: the other cells of each row by the permission in its first."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells[1:] for cells in lines}


DEFAULT_SET = rows("The default set")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def silent(another: Another) -> AsyncIterator[Stack]:
    """A stack without an app: each test starts one, since a token keeps the permissions that it was issued with."""
    async with another(app=False) as stack:
        yield stack


@contextlib.asynccontextmanager
async def granted(stack: Stack, permissions: Iterable[str]) -> AsyncIterator[None]:
    """Within, the app runs and its identity holds just these permissions on Graph."""
    await stack.identity.put("/_sim/roles", {"roles": sorted(permissions)})
    await stack.start_app()
    try:
        yield
    finally:
        await stack.stop_app()


async def employee(stack: Stack) -> Case:
    """A request for somebody in no group at all, with a method of each kind that goes: every permission is needed even so."""
    name, _ = await hired(stack, *METHODS)
    return await case(stack, person=name)


async def test_the_page_has_each_permission_of_the_default_set_and_no_other() -> None:
    assert set(DEFAULT_SET) == DEFAULT_PERMISSIONS


async def test_with_the_default_set_all_goes(silent: Stack) -> None:
    async with granted(silent, DEFAULT_PERMISSIONS):
        reset = await employee(silent)
        status = await reset.ended()
    assert (status["outcome"], status["reason"]) == ("done", "removed")
    assert sorted(gone["type"] for gone in status["removed"]) == sorted(method.type for method in METHODS)
    assert 403 not in {call["status"] for call in await reset.calls()}


@pytest.mark.parametrize("missing", sorted(DEFAULT_PERMISSIONS))
async def test_without_one_of_them_a_reset_ends_as_the_page_says_and_nothing_is_written(silent: Stack, missing: str) -> None:
    ending = _ENDING.fullmatch(DEFAULT_SET[missing][-1])
    assert ending, DEFAULT_SET[missing]
    async with granted(silent, DEFAULT_PERMISSIONS - {missing}):
        failed = await employee(silent)
        status = await failed.ended()
        notes, comments, (result,) = await failed.notes("outcome"), await failed.comments(), await failed.results()
    assert (status["status"], status["outcome"], status["reason"]) == ("failed", *ending.groups())
    assert await failed.writes() == []
    assert await failed.methods() == {method.type for method in METHODS}
    assert ending[2] in notes[0]
    assert comments == [f"{NEUTRAL} [{failed.id}#1 outcome]"]
    assert (result["type"], result["data"]["reason"]) == (f"mfa.reregistration.{ending[1]}", ending[2])


async def test_after_the_permission_was_granted_a_new_event_opens_the_next_attempt(silent: Stack) -> None:
    async with granted(silent, DEFAULT_PERMISSIONS - {"UserAuthMethod-Phone.ReadWrite.All"}):
        reset = await employee(silent)
        assert (await reset.ended())["reason"] == "graph-forbidden"
    async with granted(silent, DEFAULT_PERMISSIONS):
        assert reset.ticket is not None
        await silent.servicenow.post("/_sim/send", {"ticket": reset.ticket["number"]})
        status = await reset.ended(attempt=2)
    assert (status["outcome"], status["reason"]) == ("done", "removed")
    assert await reset.methods() == {"hardwareOath"}


# ---- what the default set cannot do


async def asked_for_a_pass(stack: Stack) -> int:
    """What Graph answers the app's identity when it asks for a Temporary Access Pass for somebody."""
    _, person_id = await hired(stack)
    header, query = stack.settings["IDENTITY_HEADER"], f"api-version={API_VERSION}&resource={stack.graph.url}"
    response = await stack.identity.call("GET", f"{PATH}?{query}", **{"X-IDENTITY-HEADER": header})
    bearer = {"Authorization": f"Bearer {(await response.json())['access_token']}"}
    path = f"/v1.0/users/{person_id}/authentication/temporaryAccessPassMethods"
    answer: aiohttp.ClientResponse = await stack.graph.call("POST", path, {"isUsableOnce": True}, **bearer)
    passes = {method["type"] for method in (await stack.person(person_id))["methods"]} & {"temporaryAccessPass"}
    assert bool(passes) is (answer.status == 201)
    return answer.status


async def test_with_the_default_set_a_temporary_access_pass_cannot_be_issued(silent: Stack) -> None:
    await silent.identity.put("/_sim/roles", {"roles": sorted(DEFAULT_PERMISSIONS)})
    assert await asked_for_a_pass(silent) == 403


@pytest.mark.parametrize("permission", sorted(rows("What issues a Temporary Access Pass")))
async def test_the_permissions_that_the_page_warns_of_do_issue_one(silent: Stack, permission: str) -> None:
    await silent.identity.put("/_sim/roles", {"roles": [permission]})
    assert await asked_for_a_pass(silent) == 201
