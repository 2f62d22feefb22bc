"""The simulated list of Conditional Access policies: who may read it, and what it may hold."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.graph_stack import DEFAULT_SET, Stack, started

PATH = "/identity/conditionalAccess/policies"
POLICY: dict[str, Any] = {"displayName": "n", "state": "enabled", "conditions": {}, "grantControls": None}


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with started() as running_stack:
        yield running_stack


async def test_nothing_but_the_permission_to_read_policies_opens_it(stack: Stack) -> None:
    """Source: Microsoft Graph, "List policies", application permissions: this one, and no higher one."""
    refused = await stack.call("GET", PATH, permissions=[*DEFAULT_SET, "Directory.ReadWrite.All"])
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "Authorization_RequestDenied")
    assert (await stack.call("GET", PATH, permissions=["Policy.Read.All"])).json()["value"] == []


async def test_it_lists_what_a_script_has_put_there_and_takes_nothing_that_graph_could_not_list(stack: Stack) -> None:
    assert (await stack.client.put("/_sim/policies", json=[POLICY])).status_code == 200
    (listed,) = (await stack.call("GET", PATH, permissions=["Policy.Read.All"])).json()["value"]
    assert listed.items() >= POLICY.items()
    for wrong in ({**POLICY, "state": "on"}, {**POLICY, "more": 1}, {"state": "enabled"}):
        assert (await stack.client.put("/_sim/policies", json=[wrong])).status_code == 400
