"""Time of check, time of use: everything is right when it is read first, and not any more just before the first change."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from sandbox.people import ADELE, SALES_GROUP_ID
from sandbox.stack import Stack, cloud_event
from tests.attacks.wall import (
    after_first_look,
    asked,
    between_readings,
    employee,
    finished,
    granted,
    held,
    joined,
    ready,
)
from tests.e2e.story import Case, eventually, told_about

pytestmark = pytest.mark.asyncio(loop_scope="session")

WOKEN = 60  # seconds; who met another at work on the same person is woken by the sweep, which may have to come twice


async def column(target: Case, **fields: str) -> None:
    assert target.ticket is not None
    await between_readings(target, "PUT fields", table="sc_req_item", record=target.ticket["sys_id"], fields=fields)


async def test_the_approval_is_withdrawn_between_decision_and_removal(stack: Stack) -> None:
    """The approver has called the person back: it was not them."""
    target = await ready(stack)
    assert target.ticket is not None
    await between_readings(target, "POST withdraw", ticket=target.ticket["number"])
    await held(await asked(target), refused="ticket-not-approved")


async def test_somebody_rejects_between_decision_and_removal(stack: Stack) -> None:
    """A second thought counts."""
    target = await ready(stack)
    assert target.ticket is not None
    await between_readings(target, "POST reject", ticket=target.ticket["number"], approver=ADELE)
    await held(await asked(target), refused="ticket-not-approved")


async def test_the_ticket_is_closed_between_decision_and_removal(stack: Stack) -> None:
    """The desk was quicker."""
    target = await ready(stack)
    assert target.ticket is not None
    await between_readings(target, "POST close", ticket=target.ticket["number"])
    await held(await asked(target), refused="ticket-closed")


async def test_the_subject_is_swapped_between_decision_and_removal(stack: Stack) -> None:
    """Approved for one person, carried out on another."""
    target, (victim, victim_id) = await ready(stack), await employee(stack)
    await column(target, requested_for=victim_id.replace("-", ""))
    attack = await asked(target)
    await held(attack, refused="ticket-changed")
    await held(Case(stack, attack.id, victim, victim_id), refused="ticket-changed")


async def test_the_subjects_name_is_given_to_a_victim_between_decision_and_removal(stack: Stack) -> None:
    """The `sys_user` record is the same, and its user name is the victim's now."""
    target, (victim, victim_id) = await ready(stack), await employee(stack)
    record = target.person_id.replace("-", "")
    await between_readings(target, "PUT fields", table="sys_user", record=record, fields={"user_name": victim})
    attack = await asked(target)
    await held(attack, refused="ticket-changed")
    await held(Case(stack, attack.id, victim, victim_id), refused="ticket-changed")


async def test_who_opened_it_is_swapped_between_decision_and_removal(stack: Stack) -> None:
    """So that the traces point to somebody else."""
    target = await ready(stack)
    await column(target, opened_by=(await stack.person(ADELE))["id"].replace("-", ""))
    await held(await asked(target), refused="ticket-changed")


async def test_the_proof_is_taken_back_between_decision_and_removal(stack: Stack) -> None:
    """The document turned out to be a forgery."""
    target = await ready(stack)
    await column(target, u_identity_proof="failed")
    await held(await asked(target), refused="proof-missing")


type Happens = Callable[[Stack, Case], Awaitable[object]]


async def meanwhile(stack: Stack, happens: Happens) -> Case:
    async with after_first_look(await ready(stack)) as attack:
        await happens(stack, attack)
    return attack


async def test_the_subject_becomes_an_administrator_between_decision_and_removal(stack: Stack) -> None:
    """Promoted a second ago."""
    attack = await meanwhile(stack, lambda stack, one: granted(stack, one.person_id, "Global Administrator"))
    await held(attack, refused="user-privileged", alert="privileged-subject")


async def test_the_subject_becomes_eligible_for_a_role_between_decision_and_removal(stack: Stack) -> None:
    """Administrator-to-be."""
    attack = await meanwhile(stack, lambda stack, one: granted(stack, one.person_id, "User Administrator", kind="eligible"))
    await held(attack, refused="user-privileged", alert="privileged-subject")


async def test_the_subject_joins_a_protected_group_between_decision_and_removal(stack: Stack) -> None:
    """Somebody noticed the attack and put the person under protection."""
    attack = await meanwhile(stack, lambda stack, one: joined(stack, one.person_id, SALES_GROUP_ID))
    await held(attack, refused="user-protected", alert="protected-subject")


async def test_the_subject_is_disabled_between_decision_and_removal(stack: Stack) -> None:
    """Somebody noticed the attack and locked the account."""
    attack = await meanwhile(stack, lambda stack, one: stack.graph.patch(f"/_sim/users/{one.person_id}", {"enabled": False}))
    await held(attack, refused="user-disabled")


async def test_two_tickets_for_one_person_arrive_at_the_same_moment(stack: Stack) -> None:
    """One resets, the other is refused: neither counts twice, nor passes beside the cooldown."""
    one = await ready(stack)
    other = await ready(stack, person=one.person)
    both = await asyncio.gather(asked(one), asked(other))
    await asyncio.gather(*(case.ended(within=WOKEN) for case in both))
    endings = {(await case.status())["outcome"]: case for case in both}
    await finished(endings["done"], writes=4)
    await held(endings["refused"], refused="cooldown", writes=4)


async def test_two_events_for_one_person_arrive_at_the_same_moment(stack: Stack) -> None:
    """The same from two playbooks, one by name and one by object id."""
    name, person_id = await employee(stack)
    events = [cloud_event({"subject": subject}) for subject in (name, person_id)]
    await asyncio.gather(*(stack.send(event) for event in events))
    results = [await told_about(stack, event, within=WOKEN) for event in events]
    cases = {one["data"]["outcome"]: Case(stack, one["data"]["requestId"], name, person_id) for one in results}
    await finished(cases["done"], writes=4)
    await held(cases["refused"], refused="cooldown", writes=4)


async def test_the_approval_is_withdrawn_to_leave_somebody_half_stripped(stack: Stack) -> None:
    """After the first removal it is finished: the owner of a half-stripped account would be helpless. The desk is told."""
    target = await ready(stack)
    await stack.graph.fault(method="DELETE", path=target.person_id, kind="slow", seconds=1)
    attack = await asked(target)
    await eventually(lambda: attack.calls("DELETE"))
    assert attack.ticket is not None
    await stack.servicenow.post("/_sim/withdraw", {"ticket": attack.ticket["number"]})
    await finished(attack, writes=4)
    (note,) = await attack.notes("outcome")
    assert "no longer allows this" in note or "no longer allowed this" in note


async def test_an_attacker_registers_a_phone_while_the_reset_runs(stack: Stack) -> None:
    """It was not there when the reset was approved, so it stays; it may be the owner's. Somebody is told to look."""
    target = await ready(stack)
    await stack.graph.fault(method="DELETE", path=target.person_id, kind="slow", seconds=1.5)
    attack = await asked(target)
    await eventually(lambda: attack.calls("DELETE"))
    body = {"type": "microsoftAuthenticator", "properties": {"displayName": "The attacker's"}}
    await stack.graph.post(f"/_sim/users/{attack.person_id}/methods", body)
    ended = await attack.ended()
    assert (ended["outcome"], ended["reason"]) == ("done", "removed")
    assert [left["type"] for left in ended["leftAlone"] if left["why"] == "registered-since"] == ["microsoftAuthenticator"]
    (alert,) = await eventually(attack.alerts)
    assert (alert["data"]["kind"], len(alert["data"]["methods"])) == ("method-registered", 1)
    assert "The attacker's" not in str(alert)
