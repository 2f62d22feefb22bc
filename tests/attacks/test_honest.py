"""What must not be refused: a wall that holds everybody up proves nothing."""

import pytest

from sandbox.people import SALES_GROUP_ID
from sandbox.stack import Stack, cloud_event
from tests.attacks.wall import asked, employee, fields, finished, ready, sent

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_ticket_with_which_everything_is_right_is_done(stack: Stack) -> None:
    await finished(await asked(await ready(stack)), writes=4)


async def test_a_person_synchronised_from_on_premises_is_reset(stack: Stack) -> None:
    name, _ = await employee(stack, synced=True)
    await finished(await asked(await ready(stack, person=name)), writes=4)


async def test_a_person_who_may_activate_an_ordinary_group_is_reset(stack: Stack) -> None:
    name, person_id = await employee(stack)
    await stack.graph.post("/_sim/group-eligibilities", {"principal": person_id, "group": SALES_GROUP_ID})
    await finished(await asked(await ready(stack, person=name)), writes=4)


async def test_a_trusted_source_resets_by_event(stack: Stack) -> None:
    target = await ready(stack)
    await finished(await sent(target, cloud_event({"subject": target.person})), writes=4)


async def test_a_right_ticket_after_a_refused_one_is_still_honoured(stack: Stack) -> None:
    """To have the desk refuse somebody's ticket does not lock them out."""
    target = await ready(stack, proof="")
    await (await asked(target)).ended()
    await fields(target, u_identity_proof="in_person")
    attack = await asked(target)
    await attack.ended(attempt=2)
    await finished(attack, writes=4)
