"""Every reason for which this version refuses, from outside: nothing is touched, the desk learns why, the customer does not."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from sandbox.people import ADELE, GUEST, HENRIETTA, JONI, LEE, MIRIAM, PRADEEP
from sandbox.stack import AGENT, APPROVER, OTHER_ITEM, Stack, cloud_event
from tests.e2e.story import NEUTRAL, Another, Case, case, eventually, for_ticket, hired, told, told_about

pytestmark = pytest.mark.asyncio(loop_scope="session")

type Asked = Callable[[Stack], Awaitable[Case]]


# ---- by ticket


async def wrong_item(stack: Stack) -> Case:
    return await case(stack, item=OTHER_ITEM)


async def closed(stack: Stack) -> Case:
    name, _ = await hired(stack)
    ticket = await stack.open_ticket(name, state="3")
    await stack.servicenow.put(
        "/_sim/fields", {"table": "sc_req_item", "record": ticket["sys_id"], "fields": {"active": "false"}}
    )
    return await by_event(stack, name, ticket)


async def by_event(stack: Stack, person: str, ticket: dict[str, Any], *, send: bool = True) -> Case:
    """Asked for by a message of our own, or (`send` false) by the approval that has just been given."""
    event = for_ticket(ticket)
    if send:
        await stack.send(event)
    result = await told_about(stack, event)
    return Case(stack, result["data"]["requestId"], person, (await stack.person(person))["id"], ticket)


async def unapproved(stack: Stack) -> Case:
    return await case(stack, approved=False)


async def rejected_by_one(stack: Stack) -> Case:
    """One approval is there and the ticket says approved, but somebody else has said no."""
    name, _ = await hired(stack)
    ticket = await stack.open_ticket(name)
    await stack.servicenow.post("/_sim/reject", {"ticket": ticket["number"], "approver": PRADEEP})
    await stack.servicenow.post("/_sim/approve", {"ticket": ticket["number"], "approver": APPROVER})
    fields = {"approval": "approved"}
    await stack.servicenow.put("/_sim/fields", {"table": "sc_req_item", "record": ticket["sys_id"], "fields": fields})
    return await by_event(stack, name, ticket)


async def approved_by_the_subject(stack: Stack) -> Case:
    name, _ = await hired(stack)
    ticket = await stack.open_ticket(name)
    await stack.approve(ticket, name)
    return await by_event(stack, name, ticket, send=False)


async def approved_by_who_opened_it(stack: Stack) -> Case:
    name, _ = await hired(stack)
    ticket = await stack.open_ticket(name, opened_by=AGENT)
    await stack.approve(ticket, AGENT)
    return await by_event(stack, name, ticket, send=False)


async def for_nobody(stack: Stack) -> Case:
    name, _ = await hired(stack)
    ticket = await stack.open_ticket(name)
    fields = {"requested_for": ""}
    await stack.servicenow.put("/_sim/fields", {"table": "sc_req_item", "record": ticket["sys_id"], "fields": fields})
    await stack.approve(ticket)
    return await by_event(stack, name, ticket, send=False)


async def asking_for_a_profile_that_does_not_exist(stack: Stack) -> Case:
    return await case(stack, u_profile="everything")


async def for_another_person_than_at_first(stack: Stack) -> Case:
    """The desk changes the subject between two attempts."""
    first = await case(stack, approved=False)
    await first.ended()
    _, other_id = await hired(stack)
    return await after_a_change(first, requested_for=other_id.replace("-", ""))


async def opened_by_another_than_at_first(stack: Stack) -> Case:
    first = await case(stack, approved=False)
    await first.ended()
    return await after_a_change(first, opened_by=(await stack.person(ADELE))["id"].replace("-", ""))


async def after_a_change(first: Case, **fields: str) -> Case:
    assert first.ticket is not None
    where = {"table": "sc_req_item", "record": first.ticket["sys_id"], "fields": fields}
    await first.stack.servicenow.put("/_sim/fields", where)
    await first.stack.approve(first.ticket)
    await first.ended(attempt=2)
    return first


def of_the_tenant(person: str) -> Asked:
    async def of_somebody(stack: Stack) -> Case:
        return await case(stack, person=person)

    of_somebody.__name__ = person.partition("@")[0]
    return of_somebody


async def not_in_the_directory(stack: Stack) -> Case:
    """ServiceNow still knows somebody whom Entra does not."""
    name, person_id = await hired(stack)
    await stack.graph.delete(f"/_sim/users/{person_id}")
    ticket = await stack.open_ticket(name)
    await stack.approve(ticket)
    event = for_ticket(ticket)
    await stack.send(event)
    result = await told_about(stack, event)
    return Case(stack, result["data"]["requestId"], name, person_id, ticket)


@pytest.mark.parametrize(
    ("reason", "asked"),
    [
        ("profile-not-allowed", asking_for_a_profile_that_does_not_exist),
        ("ticket-changed", for_another_person_than_at_first),
        ("ticket-changed", opened_by_another_than_at_first),
        ("ticket-not-for-reset", wrong_item),
        ("ticket-closed", closed),
        ("ticket-not-approved", unapproved),
        ("ticket-not-approved", rejected_by_one),
        ("approver-not-independent", approved_by_the_subject),
        ("approver-not-independent", approved_by_who_opened_it),
        ("ticket-subject-missing", for_nobody),
        ("user-not-found", not_in_the_directory),
        ("user-guest", of_the_tenant(GUEST)),
        ("user-disabled", of_the_tenant(HENRIETTA)),
        ("user-privileged", of_the_tenant(JONI)),
        ("user-privileged", of_the_tenant(LEE)),
        ("user-management-restricted", of_the_tenant(MIRIAM)),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
async def test_a_ticket_is_refused(stack: Stack, reason: str, asked: Asked) -> None:
    refused = await asked(stack)
    attempt = (await refused.status())["attempt"]
    status = await refused.ended(attempt=attempt)
    assert (status["status"], status["outcome"], status["reason"]) == ("refused", "refused", reason)
    assert status["removed"] == []
    assert await refused.writes() == []
    (note,) = await refused.notes("outcome", attempt)
    assert reason in note
    assert f"{NEUTRAL} [{refused.id}#{attempt} outcome]" in await refused.comments()
    assert all(comment.startswith(NEUTRAL) for comment in await refused.comments())
    assert len(await refused.comments()) == attempt
    result = (await refused.results())[-1]
    assert result["type"] == "mfa.reregistration.refused"
    assert (result["data"]["reason"], result["data"]["attempt"]) == (reason, attempt)


@pytest.mark.parametrize("how", ["another number", "another sys_id"])
async def test_a_ticket_that_is_not_the_one_named_is_not_found_and_not_written_to(stack: Stack, how: str) -> None:
    name, person_id = await hired(stack)
    ticket = await stack.open_ticket(name)
    other = await stack.open_ticket(name)
    named = {**ticket, "number": other["number"]} if how == "another number" else {**ticket, "sys_id": "0" * 32}
    event = for_ticket(named)
    await stack.send(event)
    result = await told_about(stack, event)
    assert (result["data"]["outcome"], result["data"]["reason"]) == ("refused", "ticket-not-found")
    for mentioned in (ticket, other):
        assert await Case(stack, "", name, person_id, mentioned).activity() == []


async def test_several_reasons_are_all_reported_and_the_first_in_order_is_the_reason(stack: Stack) -> None:
    refused = await case(stack, approved=False, person=JONI, item=OTHER_ITEM)
    status = await refused.ended()
    assert status["reason"] == "ticket-not-for-reset"
    (note,) = await refused.notes("outcome")
    for reason in ("ticket-not-for-reset", "ticket-not-approved", "user-privileged"):
        assert reason in note


async def test_an_approval_that_is_there_too_soon_for_the_first_reading_is_read_again(stack: Stack) -> None:
    """The event of the approval arrives while an attempt is about to refuse for want of it."""
    name, person_id = await hired(stack)
    ticket = await stack.open_ticket(name)
    await stack.graph.fault(path=f"users/{person_id}/transitiveMemberOf", kind="slow", seconds=1)
    await stack.servicenow.post("/_sim/send", {"ticket": ticket["number"]})
    await eventually(lambda: stack.graph.log(path=f"{person_id}/transitiveMemberOf"))
    await stack.approve(ticket)
    result = await told_about(stack, for_ticket(ticket))
    reset = Case(stack, result["data"]["requestId"], name, person_id, ticket)
    status = await reset.ended()
    assert (status["attempt"], status["outcome"], status["reason"]) == (1, "done", "removed")
    assert len(await reset.comments()) == 1


# ---- by event


async def refusal_of(stack: Stack, event: dict[str, Any]) -> dict[str, Any]:
    await stack.send(event)
    data: dict[str, Any] = (await told_about(stack, event))["data"]
    return data


async def test_an_event_that_is_too_old_is_refused(stack: Stack) -> None:
    name, person_id = await hired(stack)
    before = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
    data = await refusal_of(stack, cloud_event({"subject": name}, time=before))
    assert (data["outcome"], data["reason"]) == ("refused", "request-expired")
    assert await Case(stack, "", name, person_id).writes() == []


async def test_a_source_that_is_not_trusted_may_not_ask_without_a_ticket(stack: Stack) -> None:
    name, person_id = await hired(stack)
    data = await refusal_of(stack, cloud_event({"subject": name}, source="urn:contoso:somebody"))
    assert (data["outcome"], data["reason"]) == ("refused", "source-not-trusted")
    assert await Case(stack, "", name, person_id).calls() == []


@pytest.mark.parametrize(
    "flaw",
    [
        {"data": {"subject": "nobody"}},
        {"data": {"subject": ADELE, "profile": "everything"}},
        {"data": {"subject": ADELE, "alsoRemove": "password"}},
        {"data": {"subject": ADELE, "ticket": {}}},
        {"data": {}},
        {"data": {"subject": ["a", "b"]}},
        {"type": "mfa.reregistration.done"},
        {"specversion": "0.3"},
        {"datacontenttype": "text/xml"},
        {"time": (datetime.now(UTC) + timedelta(hours=1)).isoformat()},
        {"time": "yesterday"},
    ],
    ids=lambda flaw: next(iter(flaw)),
)
async def test_a_message_that_is_no_request_but_has_an_identity_is_answered(stack: Stack, flaw: dict[str, Any]) -> None:
    event = cloud_event({"subject": ADELE}) | flaw
    writes = [call for call in await stack.graph.log() if call["write"]]
    data = await refusal_of(stack, event)
    assert (data["outcome"], data["reason"]) == ("refused", "payload-invalid")
    assert [call for call in await stack.graph.log() if call["write"]] == writes


async def test_the_same_event_with_other_content_is_refused_and_the_first_is_untouched(stack: Stack) -> None:
    (name, _), (other, other_id) = await hired(stack), await hired(stack)
    event = cloud_event({"subject": name})
    first = await refusal_of(stack, event)
    assert (first["outcome"], first["reason"]) == ("done", "removed")
    before = await stack.ended(first["requestId"])  # and has told so, which is a step too

    await stack.send({**event, "data": {"subject": other}})
    found = await eventually(
        lambda: told(stack, lambda data: data.get("cause", {}).get("id") == event["id"]), lambda results: len(results) > 1
    )
    mismatch = found[-1]
    assert mismatch["type"] == "mfa.reregistration.refused"
    assert mismatch["data"]["reason"] == "payload-mismatch"
    assert mismatch["data"]["requestId"] == first["requestId"]
    assert await Case(stack, "", other, other_id).calls() == []
    assert await stack.status(first["requestId"]) == before


# ---- by what the organisation has not configured


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def modest(another: Another) -> AsyncIterator[Stack]:
    """No ticket system, the default profiles, and nobody is trusted but one source."""
    async with another(SERVICENOW_URL="", SERVICENOW_CATALOG_ITEMS="", ALLOWED_PROFILES="") as stack:
        yield stack


async def test_without_a_ticket_system_a_ticket_is_refused(modest: Stack) -> None:
    name, person_id = await hired(modest)
    event = for_ticket(await modest.open_ticket(name))
    data = await refusal_of(modest, event)
    assert (data["outcome"], data["reason"]) == ("refused", "ticket-system-not-configured")
    assert data["ticket"] == event["data"]["ticket"]
    assert await Case(modest, "", name, person_id).calls() == []


async def test_a_profile_that_is_not_allowed_is_refused(modest: Stack) -> None:
    name, person_id = await hired(modest)
    data = await refusal_of(modest, cloud_event({"subject": name, "profile": "full-reset"}))
    assert (data["outcome"], data["reason"]) == ("refused", "profile-not-allowed")
    assert await Case(modest, "", name, person_id).calls() == []


async def test_a_table_that_is_not_for_resets_is_not_even_read(stack: Stack) -> None:
    name, _ = await hired(stack)
    ticket = await stack.open_ticket(name)
    event = for_ticket(ticket)
    event["data"]["ticket"]["table"] = "incident"
    data = await refusal_of(stack, event)
    assert (data["outcome"], data["reason"]) == ("refused", "ticket-not-for-reset")
    assert not [call for call in await stack.servicenow.log() if "/table/incident/" in call["path"]]
