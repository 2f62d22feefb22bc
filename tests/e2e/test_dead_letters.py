"""What cannot be processed is told about and kept, and the operator's command puts it right, or away."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure.data.tables.aio import TableClient
from azure.storage.queue.aio import QueueClient

from sandbox.stack import Stack, cloud_event
from shared.adapters.tables import TABLE
from shared.identity import event_request_id
from shared.model import Cause
from tests.e2e.story import NEUTRAL, Another, Case, alarms, case, eventually, hired, no_rule, told_about
from tests.e2e.test_operator import Operator

pytestmark = pytest.mark.asyncio(loop_scope="session")

POISON = "mfa-requests-poison"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mine(another: Another) -> AsyncIterator[Stack]:
    """A stack of this file's own: its timers are fired by hand, besides."""
    async with another() as stack:
        yield stack


@pytest.fixture
def operator(mine: Stack, tmp_path: Path) -> Operator:
    return Operator(mine, tmp_path)


async def ticked(stack: Stack, timer: str) -> None:
    response = await stack.app.call("POST", f"/admin/functions/{timer}", {})
    assert response.status == 202, response.status


async def alarm(stack: Stack, **wanted: Any) -> dict[str, Any]:
    """What the alert about a dead letter says, once it is out."""

    async def matching() -> list[dict[str, Any]]:
        await ticked(stack, "dead-letters")
        events = [event["data"] for event in await alarms(stack, "dead-letter")]
        return [data for data in events if wanted.items() <= data.items()]

    return (await eventually(matching, within=60))[-1]


async def carried_out(stack: Stack, asking: Any) -> dict[str, Any]:
    """What an operator is told, who need not wait for the clock."""
    told = asyncio.ensure_future(asking)
    while not told.done():
        await stack.sweep()
        await asyncio.sleep(0.5)
    document: dict[str, Any] = told.result()
    return document


async def sent_as_it_is(stack: Stack, text: str) -> None:
    """By somebody who does not know that messages are base64."""
    async with QueueClient.from_connection_string(stack.account.connection_string, "mfa-requests") as queue:
        await queue.send_message(text)


async def test_garbage_on_the_queue_is_kept_whole_shown_and_discarded(operator: Operator) -> None:
    stack, texts = operator.stack, ("not a request \x1b[2J é", "not even base64!")
    await stack.send(texts[0])
    await sent_as_it_is(stack, texts[1])

    async def kept() -> set[str]:
        await ticked(stack, "dead-letters")
        return {event["data"]["deadLetterId"] for event in await alarms(stack, "dead-letter")}

    both = await eventually(kept, lambda seen: len(seen) == 2, within=60)
    ids = sorted(both)
    assert sorted(letter["id"] for letter in (await operator.asks("dead-letters"))["deadLetters"]) == ids
    shown = [await operator.asks("dead-letters", "show", letter_id) for letter_id in ids]
    assert {letter["text"] for letter in shown} == set(texts)
    assert {letter["reason"] for letter in shown} == {"payload-invalid"}
    seen = await operator.types("dead-letters", "show", shown[0]["id"])
    assert (seen.returncode, "\x1b" in seen.stdout) == (0, False)
    refused = await carried_out(stack, operator.asks("reopen", ids[0], "--why", "INC1", status=1))
    assert [order["done"] for order in refused["orders"]] == [False]
    discarded = await carried_out(stack, operator.asks("dead-letters", "discard", *ids, "--why", "INC2", "--by", "patti@desk"))
    assert [order["done"] for order in discarded["orders"]] == [True, True]
    for letter in (await operator.asks("dead-letters", "--all"))["deadLetters"]:
        assert (letter["resolution"]["how"], letter["resolution"]["by"], letter["resolution"]["why"]) == (
            "discarded",
            "patti@desk",
            "INC2",
        )


async def test_a_refused_ticket_is_reopened_and_checked_from_the_start(operator: Operator) -> None:
    stack = operator.stack
    refused = await case(stack, approved=False)
    assert refused.ticket is not None
    assert (await refused.ended())["reason"] == "ticket-not-approved"
    async with no_rule(stack):
        await stack.approve(refused.ticket)
    said = await carried_out(stack, operator.asks("reopen", refused.id, "--why", "INC4", "--by", "patti@desk"))
    (order,) = said["orders"]
    assert (order["done"], order["target"], order["requestId"]) == (True, refused.id, refused.id)
    ended = await refused.ended(attempt=2)
    assert (ended["outcome"], ended["attempt"]) == ("done", 2)
    results = {result["data"]["attempt"]: result["data"] for result in await refused.results()}
    assert results[2]["reopenedBy"] == order["id"]
    assert "reopenedBy" not in results[1]
    again = await carried_out(stack, operator.asks("reopen", refused.id, "--why", "INC4", status=1))
    assert "done" in again["orders"][0]["said"]


async def test_a_message_that_the_host_gave_up_is_reopened_with_all_others(operator: Operator) -> None:
    stack = operator.stack
    name, person_id = await hired(stack)
    event = cloud_event({"subject": name})
    async with stack.queue(POISON) as queue:
        await queue.send_message(json.dumps(event))
    alert = await alarm(stack, reason="internal-error", requestId=event_request_id(Cause(event["source"], event["id"])))
    assert (await told_about(stack, event))["data"]["reason"] == "internal-error"
    said = await carried_out(stack, operator.asks("reopen", "--dead-letters", "--why", "INC5"))
    assert alert["deadLetterId"] in {order["target"] for order in said["orders"]}
    reset = Case(stack, event_request_id(Cause(event["source"], event["id"])), name, person_id)
    assert (await reset.ended())["outcome"] == "done"
    assert await reset.methods() == set()


async def test_an_order_need_not_be_waited_for(operator: Operator) -> None:
    said = await operator.asks("reopen", "0" * 32, "--why", "INC6", "--no-wait")
    assert [order["done"] for order in said["orders"]] == [None]


async def altered(stack: Stack, request_id: str, change: dict[str, Any]) -> None:
    """Somebody with rights on the table writes to a record."""
    async with TableClient.from_connection_string(stack.journal_account.connection_string, TABLE) as table:
        row = await table.get_entity("request", f"r-{request_id}")
        document = json.loads("".join(row[f"document{n}"] for n in range(sum(key.startswith("document") for key in row))))
        row["document0"] = json.dumps(document | change)
        await table.update_entity(row)


async def test_a_record_that_somebody_wrote_to_ends_as_an_internal_error_and_nothing_is_removed(operator: Operator) -> None:
    stack = operator.stack
    refused = await case(stack, approved=False)
    assert refused.ticket is not None
    assert (await refused.ended())["reason"] == "ticket-not-approved"
    await altered(stack, refused.id, {"status": "running"})
    await stack.approve(refused.ticket)
    alert = await alarm(stack, requestId=refused.id)
    assert alert["reason"] == "internal-error"
    failed = {result["data"]["reason"]: result["data"] for result in await refused.results()}["internal-error"]
    assert (failed["outcome"], failed["ticket"]["number"]) == ("failed", refused.ticket["number"])
    (note,) = await eventually(lambda: refused.notes("outcome", attempt=0))
    assert alert["deadLetterId"] in note
    assert f"{NEUTRAL} [{refused.id}#0 outcome]" in await refused.comments()
    assert (await stack.app.call("GET", f"/api/requests/{refused.id}")).status == 503
    assert await refused.writes() == []
    said = await carried_out(stack, operator.asks("reopen", alert["deadLetterId"], "--why", "INC3", status=1))
    assert "new ticket" in said["orders"][0]["said"]
