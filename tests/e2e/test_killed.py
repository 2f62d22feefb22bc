"""SIGKILL at every boundary of a reset: another process takes up the work, and the end is the same as if nothing had happened.

Graph and ServiceNow hold one call of each reset, before its effect or after it, so that it is known where a reset is when its
process dies. One host has as many resets in hand as it takes at once, each at another boundary; it is killed, and another one
finishes them all. ARCHITECTURE.md ("States") has the table. Deaths at calls to storage are told in tests/unit/test_crashes.py.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import batched
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.stack import Remote, Stack
from tests.e2e.story import Another, Case, approved, eventually, ticket_for

pytestmark = pytest.mark.timeout(90)

AT_ONCE = 8  # batchSize + newBatchThreshold in host.json
HELD_SECONDS = 60  # longer than any of this takes
ARCHITECTURE = Path(__file__).parents[2] / "ARCHITECTURE.md"


@dataclass(frozen=True)
class Boundary:
    """The call that is held, the so-manieth of its kind; `{user}`, `{person}` and `{ticket}` stand for those of the reset."""

    name: str
    service: str
    method: str
    path: str
    effect: bool
    skip: int = 0


TICKET, USER, METHODS = "sc_req_item/{ticket}", "users/{user}", "users/{person}/authentication/methods"
DELETE, REVOKE = "users/{person}/authentication", "users/{person}/revokeSignInSessions"

BOUNDARIES = (
    Boundary("ticket to be read", "servicenow", "GET", TICKET, effect=False),
    Boundary("person to be resolved", "graph", "GET", USER, effect=False),
    Boundary("inventory to be read", "graph", "GET", METHODS, effect=False),
    Boundary("start note written, not answered", "servicenow", "PATCH", TICKET, effect=True),
    Boundary("ticket to be confirmed", "servicenow", "GET", TICKET, effect=False, skip=1),
    Boundary("first removal meant, not made", "graph", "DELETE", DELETE, effect=False),
    Boundary("first removal made, not answered", "graph", "DELETE", DELETE, effect=True),
    Boundary("second removal meant, not made", "graph", "DELETE", DELETE, effect=False, skip=1),
    Boundary("second removal made, not answered", "graph", "DELETE", DELETE, effect=True, skip=1),
    Boundary("last removal meant, not made", "graph", "DELETE", DELETE, effect=False, skip=2),
    Boundary("last removal made, not answered", "graph", "DELETE", DELETE, effect=True, skip=2),
    Boundary("sessions to be revoked", "graph", "POST", REVOKE, effect=False),
    Boundary("sessions revoked, not answered", "graph", "POST", REVOKE, effect=True),
    Boundary("methods to be read back", "graph", "GET", METHODS, effect=False, skip=1),
    Boundary("outcome note to be written", "servicenow", "PATCH", TICKET, effect=False, skip=1),
    Boundary("outcome note written, not answered", "servicenow", "PATCH", TICKET, effect=True, skip=1),
)
DEATHS = tuple(batched(BOUNDARIES, AT_ONCE, strict=False))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mortal(another: Another) -> AsyncIterator[Stack]:
    """A stack of its own, in which a dead worker's lease is soon over."""
    async with another(CLAIM_LEASE="PT1S", SERVICENOW_DONE_STATE="3") as stack:
        yield stack


async def held(stack: Stack, boundary: Boundary) -> Case:
    """A reset that has come to its boundary, and stays there."""
    ticket, name, person_id = await ticket_for(stack)
    service: Remote = getattr(stack, boundary.service)
    user, _, _ = name.partition("@")
    path = boundary.path.format(user=user, person=person_id, ticket=ticket["sys_id"])
    kind = "slow" if boundary.effect else "answer"
    await service.fault(method=boundary.method, path=path, skip=boundary.skip, kind=kind, seconds=HELD_SECONDS)
    reset = await approved(stack, ticket, name, person_id)

    async def there() -> bool:
        calls = await service.log(boundary.method, path)
        return any("fault" in call for call in calls)

    await eventually(there)
    return reset


async def registers(reset: Case) -> str:
    """The id of what the person registers while nobody works for them."""
    new = await reset.stack.graph.post(f"/_sim/users/{reset.person_id}/methods", {"type": "softwareOath"})
    return str(new["id"])


@asynccontextmanager
async def swept(stack: Stack) -> AsyncIterator[None]:
    """The timer's thirty seconds are long for a test."""

    async def sweep() -> None:
        while True:
            await stack.sweep()
            await asyncio.sleep(1)

    sweeping = asyncio.create_task(sweep())
    try:
        yield
    finally:
        sweeping.cancel()


async def assert_as_if_nothing_had_happened(reset: Case, new: str) -> None:
    status = await reset.ended(within=45)
    assert (status["attempt"], status["outcome"], status["reason"]) == (1, "done", "removed")
    truth = await reset.truth()
    assert [method["id"] for method in truth["methods"] if method["type"] != "password"] == [new], (
        "what was registered since stays"
    )
    assert Counter(removal["type"] for removal in truth["deletions"]) == {
        "phone": 1,
        "microsoftAuthenticator": 1,
        "softwareOath": 1,
    }
    answers = Counter(call["path"] for call in await reset.deletes() if call["status"] == 204)
    assert set(answers.values()) <= {1}, "what was answered with 204 is never deleted again"
    assert truth["revocations"]
    assert truth["revocations"][-1] >= max(removal["at"] for removal in truth["deletions"])
    assert len(await reset.notes("start")) == 1
    assert len(await reset.notes("outcome")) == 1
    assert len(await reset.comments()) == 1
    assert await reset.ticket_state() == "3"
    assert len(await reset.results()) == 1


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("boundaries", DEATHS, ids=["up to the second removal", "from there to the outcome note"])
async def test_a_process_killed_with_a_reset_at_each_boundary_is_replaced(mortal: Stack, boundaries: Sequence[Boundary]) -> None:
    resets = await asyncio.gather(*(held(mortal, boundary) for boundary in boundaries))
    await mortal.stop_app(kill=True)
    new = await asyncio.gather(*map(registers, resets))
    await mortal.start_app()
    async with swept(mortal):
        for reset, method_id in zip(resets, new, strict=True):
            await assert_as_if_nothing_had_happened(reset, method_id)


def test_every_boundary_stands_in_the_table() -> None:
    table = ARCHITECTURE.read_text()
    assert [boundary.name for boundary in BOUNDARIES if f"*{boundary.name}*" not in table] == []
