"""What the live tier's guard is told of a tenant is what Graph says, and each fact that Graph does not say is unread."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox import tokens
from sandbox.graph import faults
from sandbox.simulator import Fault
from tests.contract.graph_stack import Stack, started
from tests.live import facts, settings
from tests.live.graph import Graph
from tests.live.guard import Facts, Unread

OPERATOR = frozenset({"Directory.Read.All", "User.ReadWrite.All", "UserAuthenticationMethod.ReadWrite.All"})
OF_THE_ORGANIZATION = {"tenant", "name", "domains", "synced"}


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with started() as running_stack:
        running_stack.permissions = OPERATOR
        yield running_stack


async def read(stack: Stack, token: str = "") -> Facts:
    given = settings.load(
        {
            "LIVE_TENANT_ID": tokens.TENANT,
            "LIVE_CONFIRM": tokens.TENANT,
            "LIVE_GRAPH_TOKEN_COMMAND": "cat token",
            "LIVE_GRAPH_ENDPOINT": stack.url,
            "LIVE_APP_TOKEN": stack.token(["User.Read.All"]),
        }
    )
    token = token or stack.token()
    graph = Graph(stack.url, token)
    try:
        return await asyncio.to_thread(facts.read, graph, token, given)
    finally:
        graph.close()


def unread(seen: Facts) -> set[str]:
    return {field.name for field in dataclasses.fields(seen) if isinstance(getattr(seen, field.name), Unread)}


async def test_every_fact_is_read_without_any_write(stack: Stack) -> None:
    ours = stack.tenant.organization
    assert await read(stack) == Facts(
        tenant=ours.id,
        name=ours.display_name,
        domains=tuple(ours.domains),
        synced=False,
        users=len(stack.tenant.accounts),
        seats=23,
        permissions=OPERATOR,
        app_tenant=tokens.TENANT,
        mode=None,
    )
    assert stack.graph.writes() == []


@pytest.mark.parametrize(
    ("path", "missed"), [("/organization", OF_THE_ORGANIZATION), (r"/users\?", {"users"}), ("/subscribedSkus", {"seats"})]
)
@pytest.mark.parametrize("answer", [{"status": 403}, {"status": 200, "body": {}}, {"status": 200, "body": "no JSON"}])
async def test_what_graph_does_not_say_is_unread_and_the_rest_is_read(
    stack: Stack, path: str, missed: set[str], answer: dict[str, Any]
) -> None:
    stack.graph.arm(Fault(path=path, **answer))
    assert unread(await read(stack)) == missed


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({"onPremisesSyncEnabled": "yes"}, {"synced"}),
        ({"displayName": None}, {"name"}),
        ({"verifiedDomains": [{}]}, {"domains"}),
        ({"id": 7}, {"tenant"}),
    ],
)
async def test_a_value_of_another_kind_is_unread(stack: Stack, change: dict[str, Any], missed: set[str]) -> None:
    [ours] = (await stack.get("/organization"))["value"]
    stack.graph.arm(Fault(path="/organization", status=200, body={"value": [ours | change]}))
    assert unread(await read(stack)) == missed


@pytest.mark.parametrize("body", [{"value": []}, {"value": [{}, {}]}, {"value": [{}], "@odata.nextLink": "more"}])
async def test_a_tenant_is_exactly_one(stack: Stack, body: dict[str, Any]) -> None:
    stack.graph.arm(Fault(path="/organization", status=200, body=body))
    assert unread(await read(stack)) == OF_THE_ORGANIZATION


@pytest.mark.parametrize("count", [True, "23", None])
async def test_a_count_that_is_no_number_is_unread(stack: Stack, count: object) -> None:
    stack.graph.arm(Fault(path=r"/users\?", status=200, body={"@odata.count": count, "value": []}))
    assert unread(await read(stack)) == {"users"}


async def test_a_busy_graph_is_asked_again(stack: Stack) -> None:
    stack.graph.arm(faults.throttled("0.5"))
    assert unread(await read(stack)) == set()


async def test_a_token_that_graph_does_not_take_reads_nothing(stack: Stack) -> None:
    seen = await read(stack, "opaque")
    assert unread(seen) == {*OF_THE_ORGANIZATION, "users", "seats", "permissions"}
