"""The ticket: everything about it is right but for one thing."""

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.people import ADELE, LEE
from sandbox.stack import OTHER_ITEM, Stack
from tests.attacks.wall import APPROVERS, approvals, asked, employee, fields, granted, held, ready
from tests.e2e.story import Case

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_approval_is_withdrawn_before_the_event_is_worked_on(stack: Stack) -> None:
    """The event was sent when the ticket was approved; what counts is what it says now."""
    target = await ready(stack)
    assert target.ticket is not None
    await stack.servicenow.post("/_sim/withdraw", {"ticket": target.ticket["number"]})
    await held(await asked(target), refused="ticket-not-approved")


async def test_a_closed_ticket_is_used_once_more(stack: Stack) -> None:
    """Approved a month ago, done, closed: no licence for another time."""
    target = await ready(stack)
    assert target.ticket is not None
    await stack.servicenow.post("/_sim/close", {"ticket": target.ticket["number"]})
    await held(await asked(target), refused="ticket-closed")


async def test_somebody_rejects_what_others_approved(stack: Stack) -> None:
    """One no outweighs two approvals, also where the ticket's own field is set back to approved."""
    target = await ready(stack)
    assert target.ticket is not None
    await stack.servicenow.post("/_sim/reject", {"ticket": target.ticket["number"], "approver": LEE})
    await fields(target, approval="approved")
    await held(await asked(target), refused="ticket-not-approved")


async def test_the_tickets_own_field_says_approved_and_nobody_did(stack: Stack) -> None:
    """A script, an import or an administrator sets the flag: there is no row of anybody."""
    target = await ready(stack, approvers=())
    await fields(target, approval="approved")
    await held(await asked(target), refused="ticket-not-approved")


async def test_an_approval_is_by_nobody(stack: Stack) -> None:
    """Two approved rows, and one has no person in it."""
    target = await ready(stack)
    await fields(target, "sysapproval_approver", (await approvals(target))[0]["sys_id"], approver="")
    await held(await asked(target), refused="ticket-not-approved")


async def test_an_approved_laptop_is_turned_into_a_reset(stack: Stack) -> None:
    """Approvers look at what is ordered: an approved order of something else is no licence."""
    await held(await asked(await ready(stack, item=OTHER_ITEM)), refused="ticket-not-for-reset")


async def test_an_old_approval_is_kept_for_later(stack: Stack) -> None:
    """One of the two is older than three days."""
    target = await ready(stack)
    before = datetime.now(UTC) - timedelta(hours=73)
    row = (await approvals(target))[0]["sys_id"]
    await fields(target, "sysapproval_approver", row, sys_updated_on=f"{before:%Y-%m-%d %H:%M:%S}")
    await held(await asked(target), refused="approval-expired")


async def test_nobody_says_how_identity_was_proven(stack: Stack) -> None:
    """The caller was convincing, and the field is empty."""
    await held(await asked(await ready(stack, proof="")), refused="proof-missing")


async def test_identity_was_proven_by_what_anybody_may_know(stack: Stack) -> None:
    """A birthday, a badge number, or an accepted value with something behind it."""
    for proof in ("knowledge_based", "none", "verified_id_pending", "VERIFIED_ID", "verified_id in_person"):
        await held(await asked(await ready(stack, proof=proof)), refused="proof-missing")


async def test_the_ticket_is_for_nobody(stack: Stack) -> None:
    """Nobody is not everybody, nor who opened it."""
    target = await ready(stack)
    await fields(target, requested_for="")
    await held(await asked(target), refused="ticket-subject-missing")


async def test_the_subject_is_swapped_after_a_refusal(stack: Stack) -> None:
    """Refused for a formality, corrected, and by the way it is for somebody else now."""
    target = await ready(stack, proof="")
    await held(await asked(target), refused="proof-missing")
    other, other_id = await employee(stack)
    await fields(target, u_identity_proof="verified_id", requested_for=other_id.replace("-", ""))
    attack = await asked(target)
    await held(attack, refused="ticket-changed", attempt=2)
    await held(Case(stack, attack.id, other, other_id), refused="ticket-changed", attempt=2)


async def test_who_opened_it_is_swapped_after_a_refusal(stack: Stack) -> None:
    """So that who opened it may count among its approvers."""
    target = await ready(stack, opened_by=APPROVERS[0])
    await held(await asked(target), refused="approver-not-independent")
    await fields(target, opened_by=(await stack.person(ADELE))["id"].replace("-", ""))
    await held(await asked(target), refused="ticket-changed", attempt=2)


async def test_a_caller_has_the_desk_open_a_ticket_for_the_chiefs_account(stack: Stack) -> None:
    """Everything on the ticket is right: proof attested, two people convinced. The person is an administrator."""
    name, person_id = await employee(stack)
    await granted(stack, person_id, "Global Administrator")
    attack = await asked(await ready(stack, person=name))
    await held(attack, refused="user-privileged", alert="privileged-subject")


async def test_the_desk_is_asked_for_more_than_is_allowed_by_a_ticket_full_of_faults(stack: Stack) -> None:
    """Every fault is reported, the gravest first; the customer reads the same sentence."""
    name, person_id = await employee(stack, pilot=False)
    await granted(stack, person_id, "Global Administrator")
    target = await ready(stack, person=name, proof="", item=OTHER_ITEM)
    also = ("proof-missing", "user-privileged", "user-out-of-scope")
    await held(await asked(target), refused="ticket-not-for-reset", also=also, alert="privileged-subject")
