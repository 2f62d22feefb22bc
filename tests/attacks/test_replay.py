"""What worked once, or did not, is tried again."""

import asyncio
import json

import pytest

from sandbox.stack import Stack, cloud_event
from tests.attacks.wall import asked, employee, fields, finished, held, ready, sent
from tests.e2e.story import Case, eventually, for_ticket, posted, signed, told, webhook_body

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_recorded_delivery_is_sent_again_within_its_five_minutes(stack: Stack) -> None:
    """The signature is good, and it is answered as the copy that it is."""
    target = await ready(stack)
    raw = json.dumps(webhook_body(target.ticket or {})).encode()
    headers = signed(stack, raw)
    first = await posted(stack, raw, headers)
    reset = Case(stack, (await first.json())["id"], target.person, target.person_id, target.ticket)
    await finished(reset, writes=4)
    copies = await asyncio.gather(*(posted(stack, raw, headers) for _ in range(5)))
    assert {copy.status for copy in copies} == {200}
    await finished(reset, writes=4)
    assert len(await reset.comments()) == 1


async def test_a_ticket_that_was_done_is_asked_for_again(stack: Stack) -> None:
    """By a new event through either door: done is final, also for who has registered since."""
    target = await ready(stack)
    reset = await asked(target)
    await finished(reset, writes=4)
    body = {"type": "microsoftAuthenticator", "properties": {"displayName": "The owner's new one"}}
    await stack.graph.post(f"/_sim/users/{reset.person_id}/methods", body)
    await asked(target)
    event = for_ticket(target.ticket or {})
    await stack.send(event)
    await eventually(lambda: told(stack, lambda data: data.get("requestId") == reset.id), lambda seen: len(seen) > 1)
    assert await reset.methods() == {"microsoftAuthenticator"}
    assert (len(await reset.writes()), len(await reset.comments()), (await reset.status())["attempt"]) == (4, 1, 1)


async def test_a_done_ticket_is_reopened_for_another_person(stack: Stack) -> None:
    """The old approvals, a new name on it."""
    target = await ready(stack)
    await finished(await asked(target), writes=4)
    victim = Case(stack, "", *await employee(stack), target.ticket)
    assert target.ticket is not None
    await fields(target, requested_for=victim.person_id.replace("-", ""))
    await stack.servicenow.post("/_sim/reopen", {"ticket": target.ticket["number"]})
    again = await asked(target)
    assert (await again.status())["attempt"] == 1
    assert await victim.calls() == []


async def test_an_event_that_was_done_is_put_on_the_queue_again(stack: Stack) -> None:
    """Source and id are the same: it is the same event."""
    target = Case(stack, "", *await employee(stack))
    event = cloud_event({"subject": target.person})
    reset = await sent(target, event)
    await finished(reset, writes=4)
    for _ in range(3):
        await stack.send(event)
    await eventually(lambda: told(stack, lambda data: data.get("requestId") == reset.id), lambda seen: len(seen) > 1)
    await finished(reset, writes=4)


async def test_a_refused_ticket_is_hammered_until_it_slips_through(stack: Stack) -> None:
    """Five attempts a day: then only an operator opens it, even when everything is right at last."""
    target = await ready(stack, proof="")
    for attempt in range(1, 6):
        await held(await asked(target), refused="proof-missing", attempt=attempt)
    await fields(target, u_identity_proof="verified_id")
    attack = await asked(target)
    assert (await attack.status())["attempt"] == 5
    await held(attack, refused="proof-missing", attempt=5)
