"""The webhook: each delivery is for a ticket with which everything is right, so that only the door is in its way."""

import asyncio
import base64
import json
from typing import Any

import pytest
import pytest_asyncio

from sandbox.stack import Stack
from tests.attacks.wall import asked, finished, held, ready
from tests.e2e.story import Another, Case, alarms, delivered, eventually, posted, signed, webhook_body

pytestmark = pytest.mark.asyncio(loop_scope="session")

OTHER_KEY = "whsec_" + base64.b64encode(b"somebody else's key of 32 bytes.").decode()


@pytest_asyncio.fixture(loop_scope="session")
async def target(stack: Stack) -> Case:
    return await ready(stack)


def body(target: Case, **members: Any) -> bytes:
    return json.dumps(webhook_body(target.ticket or {}, **members)).encode()


def data(target: Case, **members: Any) -> dict[str, Any]:
    assert target.ticket is not None
    named = {"table": "sc_req_item", "sys_id": target.ticket["sys_id"], "number": target.ticket["number"]}
    return webhook_body(target.ticket, data={**named, **members})


async def test_a_stranger_calls_the_webhook_without_a_signature(stack: Stack, target: Case) -> None:
    """The address is known; the key is not."""
    answer = await posted(stack, body(target), {"content-type": "application/json"})
    await held(target, answer=answer, status=401)


async def test_a_stranger_signs_with_a_key_of_their_own(stack: Stack, target: Case) -> None:
    """The scheme is public; the key is not."""
    await held(target, answer=await delivered(stack, body(target), key=OTHER_KEY), status=401)


async def test_a_recorded_signature_is_put_on_another_tickets_event(stack: Stack, target: Case) -> None:
    """Somebody who reads a log has the headers of an honest delivery."""
    other = await ready(stack)
    await held(target, answer=await posted(stack, body(target), signed(stack, body(other))), status=401)


async def test_a_recorded_delivery_is_first_brought_in_ten_minutes_later(stack: Stack, target: Case) -> None:
    """A delivery that was caught and held back has expired."""
    await held(target, answer=await delivered(stack, body(target), age=600), status=401)


async def test_a_delivery_is_signed_for_later(stack: Stack, target: Case) -> None:
    """Signatures made in advance, while the key was at hand, are no stock to live on."""
    await held(target, answer=await delivered(stack, body(target), age=-600), status=401)


async def test_the_signature_names_an_algorithm_that_asks_for_no_key(stack: Stack, target: Case) -> None:
    """`none`, an unkeyed digest, or the right digest under another version's name."""
    headers = signed(stack, body(target))
    for junk in ("none,", "none", "v0," + "A" * 43 + "=", headers["webhook-signature"].replace("v1,", "v1a,"), "v1," * 500):
        answer = await posted(stack, body(target), headers | {"webhook-signature": junk})
        await held(target, answer=answer, status=401)


async def test_the_body_names_two_tickets_under_one_key(stack: Stack, target: Case) -> None:
    """One reader takes the first `sys_id`, another the last."""
    twice = body(target).replace(b'"sys_id":', b'"sys_id": "0123456789abcdef0123456789abcdef", "sys_id":')
    await held(target, answer=await delivered(stack, twice), status=400)


async def test_the_body_brings_its_own_subject(stack: Stack, target: Case) -> None:
    """A user principal name in the payload, as another product takes it: only the ticket says for whom it is."""
    for smuggled in (body(target, subject=target.person), json.dumps(data(target, requested_for=target.person)).encode()):
        await held(target, answer=await delivered(stack, smuggled), status=400)


async def test_the_body_is_as_large_as_a_film(stack: Stack, target: Case) -> None:
    """Nothing of that size is hashed or parsed, signed or not."""
    await held(target, answer=await delivered(stack, body(target, padding="x" * 200_000)), status=413)


async def test_the_ticket_id_is_a_path_into_another_table(stack: Stack, target: Case) -> None:
    """What is put into an address must not lead elsewhere."""
    for sys_id in ("../sys_user/0123456789abcdef01234567", "0123456789abcdef^ORactive=true00", "%2e%2e%2fsys_user%2f"):
        await held(target, answer=await delivered(stack, data(target, sys_id=sys_id)), status=422)


async def test_the_ticket_is_said_to_be_in_a_table_of_the_attackers_choice(stack: Stack, target: Case) -> None:
    """Tables in which everybody may write an approved record."""
    for table in ("sys_user", "incident", "u_my_own"):
        await held(target, answer=await delivered(stack, data(target, table=table)), status=422)


async def test_the_event_is_older_than_a_day(stack: Stack, target: Case) -> None:
    """Signed now, but about what was asked for the day before yesterday."""
    await held(target, answer=await delivered(stack, body(target, timestamp="2026-11-01T00:00:00Z")), status=422)


async def test_one_delivery_id_is_used_again_for_another_ticket(stack: Stack, target: Case) -> None:
    """An id under which an honest delivery was taken in stands for that one."""
    honest = await ready(stack)
    taken = await delivered(stack, body(honest), event_id="evt_taken")
    assert taken.status == 202
    await held(target, answer=await delivered(stack, body(target), event_id="evt_taken"), status=422)
    await finished(Case(stack, (await taken.json())["id"], honest.person, honest.person_id, honest.ticket), writes=4)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def quiet(another: Another) -> Any:
    """A stack at whose webhook nobody has failed yet."""
    async with another() as running:
        yield running


async def test_somebody_tries_keys_until_one_fits(quiet: Stack) -> None:
    """Ten failures are an attack: somebody is told once, the caller nothing, and honest deliveries still come in."""
    target = await ready(quiet)
    for number in range(9):
        assert (await delivered(quiet, body(target), key=OTHER_KEY)).status == 401, number
    assert await alarms(quiet, "authentication-failures") == []
    tenth = await delivered(quiet, body(target), key=OTHER_KEY)
    answers = await asyncio.gather(*(delivered(quiet, body(target), key=OTHER_KEY) for _ in range(20)))
    assert {await answer.text() for answer in answers} == {await tenth.text()}
    await held(target, answer=tenth, status=401)
    (alert,) = await eventually(lambda: alarms(quiet, "authentication-failures"))
    assert (alert["type"], alert["data"]["failures"]) == ("mfa.reregistration.alert", 10)
    assert "subject" not in alert
    await finished(await asked(target), writes=4)
    assert len(await alarms(quiet, "authentication-failures")) == 1
