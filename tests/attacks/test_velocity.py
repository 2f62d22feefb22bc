"""Numbers: one person again, one clerk too often, everybody at once."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sandbox.stack import Stack, cloud_event
from tests.attacks.under_way import UnderWay, everybody_at_once, withdrawn_while_paused
from tests.attacks.wall import asked, finished, held, put, ready, sent
from tests.e2e.story import Another, Case, accepted, eventually, hired

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOAR, SIEM = "urn:contoso:soar", "urn:contoso:siem"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def limited(another: Another) -> AsyncIterator[Stack]:
    """Two resets an hour for one actor."""
    async with another(ACTOR_HOURLY_LIMIT="2", TRUSTED_SOURCES=f"{SOAR} {SIEM}") as running:
        yield running


async def test_a_second_ticket_strips_the_person_again(stack: Stack) -> None:
    """The attacker has registered, the owner got help, and the attacker's clerk opens another ticket."""
    first = await asked(await ready(stack))
    await finished(first, writes=4)
    await held(await asked(await ready(stack, person=first.person)), refused="cooldown", writes=4)


async def test_an_event_without_a_ticket_strips_the_person_again(stack: Stack) -> None:
    """Another door, the same person."""
    first = await asked(await ready(stack))
    await finished(first, writes=4)
    again = await sent(first, cloud_event({"subject": first.person_id.upper()}))
    await held(again, refused="cooldown", writes=4)


async def by(stack: Stack, *, opener: str = "", approver: str = "") -> Case:
    """A ticket of a new person's, opened and approved by these or by new people."""
    (name, person_id), opened_by, approved_by = await hired(stack), opener or await stack.hire(), approver or await stack.hire()
    ticket = await stack.open_ticket(name, opened_by=opened_by)
    await stack.approve(ticket, approved_by)
    return Case(stack, await accepted(stack, ticket), name, person_id, ticket)


async def test_one_clerk_opens_ticket_after_ticket(limited: Stack) -> None:
    """Whoever approves them, the third waits."""
    clerk = await limited.hire()
    for _ in range(2):
        await finished(await by(limited, opener=clerk), writes=4)
    await held(await by(limited, opener=clerk), waits="rate-limit")
    await finished(await by(limited), writes=4)


async def test_one_approver_waves_everything_through(limited: Stack) -> None:
    """Whoever opens them, the third waits, and the desk is told so."""
    approver = await limited.hire()
    for _ in range(2):
        await finished(await by(limited, approver=approver), writes=4)
    third = await by(limited, approver=approver)
    await held(third, waits="rate-limit")
    (note,) = await eventually(lambda: third.notes("waiting"))
    assert "an hourly limit is reached" in note


async def test_one_trusted_source_runs_amok(limited: Stack) -> None:
    """Its third event waits; another source's goes on."""
    for _ in range(2):
        target = Case(limited, "", *await hired(limited))
        await finished(await sent(target, cloud_event({"subject": target.person}, source=SOAR)), writes=4)
    third = Case(limited, "", *await hired(limited))
    attack = await put(third, cloud_event({"subject": third.person}, source=SOAR))
    await eventually(lambda: limited.app.call("GET", f"/api/requests/{attack.id}"), lambda answer: answer.status == 200)
    await held(attack, waits="rate-limit")
    other = Case(limited, "", *await hired(limited))
    await finished(await sent(other, cloud_event({"subject": other.person}, source=SIEM)), writes=4)


async def test_a_limit_of_zero_lets_nobody_through(limited: Stack) -> None:
    """Zero is zero, not "without limit"."""
    await limited.restart_app(ACTOR_HOURLY_LIMIT="0")
    await held(await by(limited), waits="rate-limit")
    await limited.restart_app(ACTOR_HOURLY_LIMIT="999", BREAKER_LIMIT="0")
    await held(await by(limited), waits="breaker")


async def test_the_approval_is_withdrawn_while_everything_is_paused(under_way: UnderWay) -> None:
    """What waits is not let through by having waited."""
    await under_way[withdrawn_while_paused]


async def test_everybody_is_asked_for_at_once(under_way: UnderWay) -> None:
    """Exactly so many resets, then all wait for a human; each opening is told once, and nobody is lost."""
    await under_way[everybody_at_once]
