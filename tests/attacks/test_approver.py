"""The approvers: two of a group are required, and one of the two is not what is asked for."""

import pytest

from sandbox.people import ADELE
from sandbox.servicenow.seed import INTEGRATION_USER
from sandbox.stack import AGENT, Stack
from tests.attacks.wall import APPROVER_GROUP, APPROVERS, asked, between_readings, employee, held, ready

pytestmark = pytest.mark.asyncio(loop_scope="session")

ONE, OTHER = APPROVERS


async def approver(stack: Stack, person: str) -> str:
    await stack.servicenow.post("/_sim/join", {"person": person, "group": APPROVER_GROUP})
    return person


async def test_the_subject_approves_their_own_reset(stack: Stack) -> None:
    """Who has taken over an approver's account resets that very account."""
    name, _ = await employee(stack)
    target = await ready(stack, person=name, approvers=(ONE, await approver(stack, name)))
    await held(await asked(target), refused="approver-not-independent")


async def test_who_opened_the_ticket_approves_it(stack: Stack) -> None:
    """One clerk alone, with the right to approve."""
    opener, _ = await employee(stack)
    target = await ready(stack, opened_by=opener, approvers=(ONE, await approver(stack, opener)))
    await held(await asked(target), refused="approver-not-independent")


async def test_our_own_account_approves_the_ticket(stack: Stack) -> None:
    """Whoever holds the integration's token can write rows; its word is nobody's."""
    target = await ready(stack, approvers=(ONE, INTEGRATION_USER))
    await held(await asked(target), refused="approver-not-independent")


async def test_an_approver_is_not_of_the_approver_group(stack: Stack) -> None:
    """Anybody can be asked to approve in ServiceNow; only the group may."""
    await held(await asked(await ready(stack, approvers=(ONE, ADELE))), refused="approver-not-independent")


async def test_one_of_two_required_approvers_has_approved(stack: Stack) -> None:
    """The ticket says approved as soon as the first one did."""
    await held(await asked(await ready(stack, approvers=(ONE,))), refused="ticket-not-approved")


async def test_one_person_approves_twice(stack: Stack) -> None:
    """Two rows, one person."""
    await held(await asked(await ready(stack, approvers=(ONE, ONE))), refused="ticket-not-approved")


async def test_two_people_approve_who_may_not(stack: Stack) -> None:
    """Numbers are no substitute: the agent who opened it and a colleague outside the group."""
    await held(await asked(await ready(stack, approvers=(AGENT, ADELE))), refused="approver-not-independent")


async def test_an_approver_is_put_out_of_the_group_before_the_first_change(stack: Stack) -> None:
    """The group is read anew with the ticket."""
    name, _ = await employee(stack)
    target = await ready(stack, approvers=(ONE, await approver(stack, name)))
    await between_readings(target, "POST leave", person=name, group=APPROVER_GROUP)
    await held(await asked(target), refused="approver-not-independent")
