"""The requests queue: whoever may write to it says who they are, and being on it earns no trust."""

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.people import GUEST
from sandbox.stack import Stack, cloud_event
from tests.attacks.wall import PILOT_GROUP_ID, asked, employee, fields, finished, held, joined, put, ready, sent
from tests.e2e.story import Case, for_ticket

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def somebody(stack: Stack) -> Case:
    """Whom a trusted source might have reset."""
    return Case(stack, "", *await employee(stack))


async def test_a_source_that_nobody_trusts_asks_without_a_ticket(stack: Stack) -> None:
    """Its name differs from a trusted one by a letter's case, or goes on behind it."""
    for source in ("urn:contoso:SOAR", "urn:contoso:soar:playbook", "urn:contoso:somebody"):
        target = await somebody(stack)
        await held(await sent(target, cloud_event({"subject": target.person}, source=source)), refused="source-not-trusted")


async def test_a_message_says_that_it_came_through_the_webhook(stack: Stack) -> None:
    """The source that the app gives its own events is no pass for somebody else's."""
    target = await somebody(stack)
    event = cloud_event({"subject": target.person}, source="urn:reregister:webhook")
    await held(await sent(target, event), refused="source-not-trusted")


async def test_a_ticket_is_named_and_another_persons_name_put_beside_it(stack: Stack) -> None:
    """The ticket is right, and the name is a victim's."""
    target, pretext = await somebody(stack), await ready(stack)
    event = for_ticket(pretext.ticket or {})
    event["data"]["subject"] = target.person
    attack = await sent(target, event)
    await held(attack, refused="payload-invalid", record=False)
    await held(Case(stack, attack.id, pretext.person, pretext.person_id), refused="payload-invalid", record=False)


async def test_a_ticket_is_named_and_a_harsher_profile_put_beside_it(stack: Stack) -> None:
    """What goes is what the ticket was approved for."""
    target = await ready(stack)
    event = for_ticket(target.ticket or {})
    event["data"]["profile"] = "full-reset"
    await held(await sent(target, event), refused="payload-invalid", record=False)


async def test_the_message_has_members_that_nobody_knows(stack: Stack) -> None:
    """What is not understood is not ignored."""
    for member in ({"force": True}, {"skipApproval": "true"}, {"removeAlso": ["password"]}):
        target = await somebody(stack)
        event = cloud_event({"subject": target.person, **member})
        await held(await sent(target, event), refused="payload-invalid", record=False)


async def test_the_subject_is_a_path_into_the_directory(stack: Stack) -> None:
    """What is put into Graph's address must name one user and nothing else."""
    target = await somebody(stack)
    before = len(await stack.graph.log())
    paths = ("{}/manager", "../groups/{}", "{}?$select=id", "x@contoso.com/../{}", "{}%2Fmanager", "{}\u0000")
    for path in paths:
        event = cloud_event({"subject": path.format(target.person_id)})
        await held(await sent(target, event), refused="payload-invalid", record=False)
    assert len(await stack.graph.log()) == before


async def test_a_name_with_a_hash_does_not_become_a_shorter_address(stack: Stack) -> None:
    """A guest's `#EXT#` unencoded cuts the address off, and the rest may name somebody else."""
    guest_id = (await stack.person(GUEST))["id"]
    await joined(stack, guest_id, PILOT_GROUP_ID)
    target = Case(stack, "", GUEST, guest_id)
    await held(await sent(target, cloud_event({"subject": GUEST})), refused="user-guest")
    paths = {call["path"].partition("?")[0] for call in await stack.graph.log("GET", "megan")}
    assert {path.rpartition("/")[2] for path in paths} == {"megan_fabrikam.com%23EXT%23%40contoso.com"}


async def test_an_old_message_is_put_back_on_the_queue(stack: Stack) -> None:
    """What was asked for a day ago is not asked for now."""
    target = await somebody(stack)
    before = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
    await held(await sent(target, cloud_event({"subject": target.person}, time=before)), refused="request-expired")


async def test_a_message_is_dated_ahead(stack: Stack) -> None:
    """So that it would not expire."""
    target = await somebody(stack)
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    event = cloud_event({"subject": target.person}, time=ahead)
    await held(await sent(target, event), refused="payload-invalid", record=False)


async def test_an_event_that_was_honoured_is_sent_again_for_somebody_else(stack: Stack) -> None:
    """Same source, same id, another subject."""
    first, target = await somebody(stack), await somebody(stack)
    event = cloud_event({"subject": first.person})
    honest = await sent(first, event)
    await finished(honest, writes=4)
    await stack.send({**event, "data": {"subject": target.person}})
    attack = Case(stack, honest.id, target.person, target.person_id)
    await held(attack, refused="payload-mismatch", record=False)
    await finished(honest, writes=4)


async def test_an_approved_record_of_another_table_is_named_as_the_ticket(stack: Stack) -> None:
    """It is not even read."""
    target = await ready(stack)
    event = for_ticket(target.ticket or {})
    event["data"]["ticket"]["table"] = "incident"
    await held(await sent(target, event), refused="ticket-not-for-reset")
    assert await target.activity() == []
    assert await stack.servicenow.log(path="/table/incident") == []


async def test_one_tickets_number_is_put_on_anothers_id(stack: Stack) -> None:
    """The desk would look at one ticket while another is acted on."""
    target, pretext = await ready(stack), await ready(stack)
    assert target.ticket is not None
    assert pretext.ticket is not None
    event = for_ticket({**target.ticket, "number": pretext.ticket["number"]})
    await held(await sent(target, event), refused="ticket-not-found")
    assert await target.activity() == await pretext.activity() == []


async def test_a_ticket_is_named_that_does_not_exist(stack: Stack) -> None:
    """A good guess is answered as a bad one."""
    target = await ready(stack)
    assert target.ticket is not None
    event = for_ticket({**target.ticket, "sys_id": "f" * 32})
    await held(await sent(target, event), refused="ticket-not-found")
    assert await target.activity() == []


async def test_a_message_says_that_an_operator_reopens_a_request(stack: Stack) -> None:
    """A ticket that was refused, named by the id that its own notes show. Nobody ordered it."""
    target = await ready(stack, proof="")
    refused = await asked(target)
    await held(refused, refused="proof-missing")
    await fields(target, u_identity_proof="verified_id")
    event = for_ticket(target.ticket or {}, source="urn:reregister:operator", reregisterreopens=refused.id)
    attack = await put(Case(stack, "", target.person, target.person_id), event)
    await held(attack, refused="payload-invalid", record=False)
    assert (await refused.status())["attempt"] == 1


async def test_a_message_says_that_it_comes_from_an_operator(stack: Stack) -> None:
    """With a victim's name, with a ticket, and with a reopening under somebody else's source."""
    target = await somebody(stack)
    data = {"subject": target.person}
    for attributes in (
        {"source": "urn:reregister:operator"},
        {"source": "urn:reregister:operator", "reregisterreopens": "0" * 32},
        {"source": "urn:contoso:soar", "reregisterreopens": "0" * 32},
    ):
        await held(await sent(target, cloud_event(data, **attributes)), refused="payload-invalid", record=False)
