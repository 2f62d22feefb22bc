"""The person: the ticket is right in everything, and it is for somebody who must not be reset by a machine."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict

import pytest

from sandbox.graph.faults import refusal
from sandbox.people import (
    ELIGIBLE_ROLE_GROUP_ID,
    GUEST,
    HELPDESK_GROUP_ID,
    NIGHT_SHIFT_GROUP_ID,
    PIM_GROUP_ID,
    ROLE_GROUP_ID,
    SALES_GROUP_ID,
    UNIT_SCOPE,
)
from sandbox.stack import Stack
from tests.attacks.wall import (
    BREAK_GLASS_ID,
    PILOT_GROUP_ID,
    PROTECTED_GROUP_ID,
    UNNAMED,
    asked,
    employee,
    granted,
    held,
    joined,
    ready,
)
from tests.e2e.story import Case

pytestmark = pytest.mark.asyncio(loop_scope="session")

type Made = Callable[[Stack, str], Awaitable[None]]
"""What makes an administrator of somebody, given their object id."""

# ---- administrators


async def in_one_unit(stack: Stack, person_id: str) -> None:
    await granted(stack, person_id, "User Administrator", scope=UNIT_SCOPE)


async def eligible(stack: Stack, person_id: str) -> None:
    await granted(stack, person_id, "User Administrator", kind="eligible")


async def owner(stack: Stack, person_id: str) -> None:
    await joined(stack, person_id, ROLE_GROUP_ID, "owner")


async def member(stack: Stack, person_id: str) -> None:
    await joined(stack, person_id, ROLE_GROUP_ID)


async def joinable(stack: Stack, person_id: str) -> None:
    await stack.graph.post("/_sim/group-eligibilities", {"principal": person_id, "group": PIM_GROUP_ID})


async def administrator(stack: Stack, made: Made) -> Case:
    name, person_id = await employee(stack)
    await made(stack, person_id)
    return await ready(stack, person=name)


async def refused_as_privileged(stack: Stack, made: Made) -> None:
    attack = await asked(await administrator(stack, made))
    await held(attack, refused="user-privileged", alert="privileged-subject")


async def test_the_subject_is_a_global_administrator(stack: Stack) -> None:
    """The account that every incident was about."""
    await refused_as_privileged(stack, lambda stack, person: granted(stack, person, "Global Administrator"))


async def test_the_subject_may_activate_a_role(stack: Stack) -> None:
    """Administrator at a click: Privileged Identity Management."""
    await refused_as_privileged(stack, eligible)


async def test_the_subject_has_a_role_through_a_group(stack: Stack) -> None:
    """The assignment is the group's, and nowhere under the person."""
    await refused_as_privileged(stack, lambda stack, person: joined(stack, person, HELPDESK_GROUP_ID))


async def test_the_subject_may_activate_a_role_through_a_group(stack: Stack) -> None:
    """The eligibility is the group's."""
    await refused_as_privileged(stack, lambda stack, person: joined(stack, person, ELIGIBLE_ROLE_GROUP_ID))


async def test_the_subject_is_in_a_role_assignable_group_without_a_role(stack: Stack) -> None:
    """It may be given one tomorrow."""
    await refused_as_privileged(stack, member)


async def test_the_subject_owns_a_role_assignable_group(stack: Stack) -> None:
    """An owner lets himself in."""
    await refused_as_privileged(stack, owner)


async def test_the_subject_may_become_a_member_of_a_role_assignable_group(stack: Stack) -> None:
    """PIM for Groups."""
    await refused_as_privileged(stack, joinable)


async def test_the_subject_may_become_an_owner_of_a_role_assignable_group(stack: Stack) -> None:
    """PIM for Groups, ownership."""

    async def made(stack: Stack, person_id: str) -> None:
        body = {"principal": person_id, "group": ROLE_GROUP_ID, "access": "owner"}
        await stack.graph.post("/_sim/group-eligibilities", body)

    await refused_as_privileged(stack, made)


async def test_the_subjects_ordinary_group_may_join_an_administrators_group(stack: Stack) -> None:
    """Two doors away: nothing under the person's own name tells it."""
    await refused_as_privileged(stack, lambda stack, person: joined(stack, person, NIGHT_SHIFT_GROUP_ID))


async def test_the_subject_administers_one_unit_only(stack: Stack) -> None:
    """A role over an administrative unit is a role."""
    await refused_as_privileged(stack, in_one_unit)


async def test_the_subject_has_a_role_that_the_tenant_made_up(stack: Stack) -> None:
    """A custom role is in nobody's list of privileged ones."""
    await refused_as_privileged(stack, lambda stack, person: granted(stack, person, "Telephone Directory Keeper"))


# ---- what cannot be looked up lets nobody through

ONLY_THERE: dict[str, tuple[str, Made]] = {
    "role in one unit": ("roleAssignments", in_one_unit),
    "role to activate": ("roleEligibilityScheduleInstances", eligible),
    "group to activate": ("/eligibilityScheduleInstances", joinable),
    "membership": ("graph.group", member),
    "ownership": ("ownedObjects", owner),
}
"""The only look-up by which an administrator of each kind is found."""


async def blinded(stack: Stack, kind: str, status: int, code: str, **more: str) -> Case:
    """The look-up that would tell fails for this administrator, and goes on failing."""
    look_up, made = ONLY_THERE[kind]
    target = await administrator(stack, made)
    fault = refusal(status, code, "No.", **more, path=f"(?=.*{look_up})(?=.*{target.person_id})", times=None)
    await stack.graph.fault(**asdict(fault))
    return await asked(target)


@pytest.mark.parametrize("kind", ONLY_THERE)
async def test_the_look_up_that_would_tell_is_down(stack: Stack, kind: str) -> None:
    """Fail closed: it waits, and nobody is let through meanwhile."""
    await held(await blinded(stack, kind, 500, "generalException", retry_after="600"), waits="graph")


@pytest.mark.parametrize("kind", ONLY_THERE)
async def test_the_look_up_that_would_tell_is_forbidden(stack: Stack, kind: str) -> None:
    """A permission was taken away: that nobody can see an administrator does not make one an employee."""
    await held(await blinded(stack, kind, 403, "Authorization_RequestDenied"), failed="graph-forbidden")


@pytest.mark.parametrize("kind", ONLY_THERE)
async def test_the_look_up_that_would_tell_answers_what_nobody_knows(stack: Stack, kind: str) -> None:
    """A bad request for another reason than the licence is no proof that there is nothing."""
    await held(await blinded(stack, kind, 400, "Request_BadRequest"), waits=UNNAMED)


# ---- protected, out of scope, not ours


async def test_the_subject_is_the_break_glass_account(stack: Stack) -> None:
    """Named in PROTECTED_USERS, whatever its groups and roles."""
    name, _ = await employee(stack, id=BREAK_GLASS_ID)
    await held(await asked(await ready(stack, person=name)), refused="user-protected", alert="protected-subject")


async def test_the_subject_is_in_a_protected_group(stack: Stack) -> None:
    """The board, the payroll office."""
    name, person_id = await employee(stack)
    await joined(stack, person_id, PROTECTED_GROUP_ID)
    await held(await asked(await ready(stack, person=name)), refused="user-protected", alert="protected-subject")


async def test_the_subject_is_in_a_group_within_a_protected_group(stack: Stack) -> None:
    """The team within the department."""
    name, person_id = await employee(stack)
    await joined(stack, person_id, SALES_GROUP_ID)
    await held(await asked(await ready(stack, person=name)), refused="user-protected", alert="protected-subject")


async def test_the_subject_is_outside_the_pilot(stack: Stack) -> None:
    """ALLOWED_GROUPS says whom the service is for."""
    name, _ = await employee(stack, pilot=False)
    await held(await asked(await ready(stack, person=name)), refused="user-out-of-scope")


async def test_the_subject_is_a_guest(stack: Stack) -> None:
    """By user type; the name may look like anybody's."""
    name, _ = await employee(stack, userType="Guest")
    await held(await asked(await ready(stack, person=name)), refused="user-guest")


async def test_the_subject_has_a_guests_name_and_a_members_type(stack: Stack) -> None:
    """Some guest was made a member; the home is still elsewhere."""
    await stack.graph.patch(f"/_sim/users/{GUEST.replace('#', '%23')}", {"userType": "Member"})
    target = await ready(stack, person=GUEST)
    await joined(stack, target.person_id, PILOT_GROUP_ID)
    await held(await asked(target), refused="user-guest")


async def test_the_subject_is_disabled(stack: Stack) -> None:
    """Dormant accounts are what attackers enrol for themselves."""
    name, _ = await employee(stack, enabled=False)
    await held(await asked(await ready(stack, person=name)), refused="user-disabled")


async def test_the_subject_is_in_a_restricted_unit(stack: Stack) -> None:
    """Managed by a few named people only."""
    name, _ = await employee(stack, restricted=True)
    await held(await asked(await ready(stack, person=name)), refused="user-management-restricted")


async def test_the_subject_has_left(stack: Stack) -> None:
    """ServiceNow still knows them; the directory does not."""
    target = await ready(stack)
    await stack.graph.delete(f"/_sim/users/{target.person_id}")
    await held(await asked(target), refused="user-not-found")
