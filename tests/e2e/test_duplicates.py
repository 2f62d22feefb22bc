"""However often something is asked for: one reset, one start note, one comment."""

import asyncio
import json
import uuid
from collections import Counter

import pytest

from sandbox.stack import Stack, cloud_event
from tests.e2e.story import (
    Another,
    Case,
    case,
    delivered,
    eventually,
    for_ticket,
    hired,
    no_rule,
    posted,
    signed,
    told,
    told_about,
    webhook_body,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

COPIES = 20


async def assert_reset_once(reset: Case) -> None:
    assert await reset.methods() == set()
    deleted = Counter(call["path"] for call in await reset.deletes())
    assert len(deleted) == 3
    assert set(deleted.values()) == {1}
    assert len((await reset.truth())["revocations"]) == 1
    if reset.ticket is not None:
        assert len(await reset.notes("start")) == 1
        assert len(await reset.notes("outcome")) == 1
        assert len(await reset.comments()) == 1
        assert len(await reset.activity()) == 3
    assert (await reset.status())["attempt"] == 1


async def everything_taken(stack: Stack) -> None:
    """Every message is off the requests queue, so that no copy is still to come."""

    async def left() -> int:
        async with stack.queue("mfa-requests") as queue:
            return int((await queue.get_queue_properties()).approximate_message_count or 0)

    await eventually(left, lambda count: count == 0)


async def storm(stack: Stack, *, same: bool) -> None:
    name, person_id = await hired(stack)
    async with no_rule(stack):
        ticket = await stack.open_ticket(name)
        await stack.approve(ticket)
    body = json.dumps(webhook_body(ticket)).encode()
    event_id = f"evt_{uuid.uuid4().hex}"
    ids = [event_id if same else f"{event_id}_{number}" for number in range(COPIES)]
    answers = await asyncio.gather(*(delivered(stack, body, event_id=one) for one in ids))
    assert {answer.status for answer in answers} <= {200, 202}
    (request_id,) = {(await answer.json())["id"] for answer in answers}
    reset = Case(stack, request_id, name, person_id, ticket)
    assert (await reset.ended())["reason"] == "removed"
    await everything_taken(stack)
    await assert_reset_once(reset)
    assert len(await reset.results()) == 1
    again = await delivered(stack, body, event_id=ids[0])
    assert again.status == 200
    assert (await again.json())["status"] == "done"


@pytest.mark.parametrize("same", [True, False], ids=["copies of one event", "events of their own"])
async def test_a_storm_of_webhooks_for_one_ticket_is_one_reset(stack: Stack, same: bool) -> None:
    await storm(stack, same=same)


async def test_a_storm_may_be_the_first_thing_that_two_workers_ever_see(another: Another) -> None:
    """Nobody has made the table yet."""
    async with another() as stack:
        await stack.start_app()
        await storm(stack, same=True)


async def test_a_storm_of_messages_of_one_event_is_one_reset_and_every_copy_is_answered_alike(stack: Stack) -> None:
    name, person_id = await hired(stack)
    event = cloud_event({"subject": name})
    await asyncio.gather(*(stack.send(event) for _ in range(COPIES)))
    result = await told_about(stack, event)
    reset = Case(stack, result["data"]["requestId"], name, person_id)
    await reset.ended()
    await everything_taken(stack)
    await assert_reset_once(reset)
    await stack.send(event)
    answers = await eventually(lambda: told(stack, lambda data: data.get("requestId") == reset.id), lambda seen: len(seen) > 1)
    assert {answer["id"] for answer in answers} == {result["id"]}
    assert all(answer["data"] == result["data"] for answer in answers)
    await assert_reset_once(reset)


async def test_webhook_and_messages_for_one_ticket_at_the_same_time_are_one_reset(stack: Stack) -> None:
    name, person_id = await hired(stack)
    async with no_rule(stack):
        ticket = await stack.open_ticket(name)
        await stack.approve(ticket)
    messages = asyncio.gather(*(stack.send(for_ticket(ticket)) for _ in range(COPIES // 2)))
    answer = await delivered(stack, webhook_body(ticket))
    await messages
    reset = Case(stack, (await answer.json())["id"], name, person_id, ticket)
    await reset.ended()
    await everything_taken(stack)
    await assert_reset_once(reset)


async def test_two_people_are_reset_side_by_side_without_mixing_them_up(stack: Stack) -> None:
    resets = await asyncio.gather(*(case(stack) for _ in range(4)))
    await asyncio.gather(*(reset.ended() for reset in resets))
    for reset in resets:
        await assert_reset_once(reset)


async def test_one_webhook_id_with_another_body_is_refused_and_the_first_is_untouched(stack: Stack) -> None:
    first, (other, _) = await case(stack), await hired(stack)
    await first.ended()
    before = await first.status()
    async with no_rule(stack):
        ticket = await stack.open_ticket(other)
        await stack.approve(ticket)
    bodies = [json.dumps(webhook_body(one)).encode() for one in (first.ticket or {}, ticket)]
    headers = [signed(stack, body, event_id="evt_reused") for body in bodies]
    assert (await posted(stack, bodies[0], headers[0])).status == 200
    answer = await posted(stack, bodies[1], headers[1])
    assert answer.status == 422
    assert answer.content_type == "application/problem+json"
    assert await first.status() == before
    assert await stack.answers(ticket) == []
    assert len((await stack.person(other))["methods"]) == 4


@pytest.mark.parametrize("first", ["ticket", "subject"])
async def test_one_event_identity_for_a_ticket_and_for_a_person_is_a_mismatch(stack: Stack, first: str) -> None:
    name, person_id = await hired(stack)
    other, other_id = await hired(stack)
    async with no_rule(stack):
        ticket = await stack.open_ticket(name if first == "ticket" else other)
        await stack.approve(ticket)
        about_ticket = for_ticket(ticket)
        about_person = {**about_ticket, "data": {"subject": other if first == "ticket" else name}}
        events = (about_ticket, about_person) if first == "ticket" else (about_person, about_ticket)
        await stack.send(events[0])
        done = await told_about(stack, events[0])
        assert done["data"]["subjectId"] == person_id
        await stack.send(events[1])
        results = await eventually(
            lambda: told(stack, lambda data: data["reason"] == "payload-mismatch" and data["cause"]["id"] == about_ticket["id"])
        )
    assert results[0]["data"]["requestId"] == done["data"]["requestId"]
    assert await Case(stack, "", other, other_id).calls() == []
