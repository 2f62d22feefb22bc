"""Stories in which time passes. All are under way from the start of the session, while other tests run; here is how they ended.

A story is given a stack that all of them share, and the means to start one of its own.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from sandbox.stack import Stack
from tests.e2e.story import (
    NEUTRAL,
    PHONE,
    Another,
    Story,
    approved,
    case,
    eventually,
    ticket_for,
    times,
)

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

STORIES: list[Story] = []
THROTTLED = {"error": {"code": "TooManyRequests", "message": "Too many requests"}}


def story(told: Story) -> Story:
    STORIES.append(told)
    return told


# ---- Graph asks for more time than a turn has


LONG = 60.0


async def put_back_and_taken_up_again(stack: Stack, method: str, path: str, form: str) -> None:
    """Graph throttles one call for long: the request waits, others go on meanwhile, and nobody calls again before the time."""
    ticket, name, person_id = await ticket_for(stack)
    until = (datetime.now(UTC) + timedelta(seconds=LONG)).replace(microsecond=0)
    retry_after = format_datetime(until, usegmt=True) if form == "date" else form
    where = f"users/{person_id}/{path}"
    await stack.graph.fault(method=method, path=where, status=429, headers={"Retry-After": retry_after}, body=THROTTLED)
    reset = await approved(stack, ticket, name, person_id)
    waiting = await reset.until(status="waiting")
    assert waiting["waitingFor"] == "graph"
    assert "outcome" not in waiting

    other = await case(stack)
    assert (await other.ended())["reason"] == "removed"
    assert (await reset.status())["status"] == "waiting", "the worker was free for somebody else meanwhile"

    status = await reset.ended(within=120)
    assert (status["attempt"], status["outcome"], status["reason"]) == (1, "done", "removed")
    assert "waitingFor" not in status
    throttled, again, *_ = times(await reset.calls(method, path))
    assert again >= (until if form == "date" else throttled + timedelta(seconds=LONG))
    gone = Counter(call["path"] for call in await reset.deletes() if call["status"] == 204)
    assert len(gone) == 3
    assert set(gone.values()) == {1}
    assert len(await reset.notes("start")) == 1
    assert len(await reset.comments()) == 1


@story
async def graph_asks_for_whole_seconds_before_the_first_removal(stack: Stack, _: Another) -> None:
    await put_back_and_taken_up_again(stack, "GET", "authentication/methods", f"{LONG:.0f}")


@story
async def graph_asks_for_a_fraction_of_seconds_in_the_midst_of_removing(stack: Stack, _: Another) -> None:
    await put_back_and_taken_up_again(stack, "DELETE", "authentication/softwareOathMethods", f"{LONG}25")


@story
async def graph_names_a_date_when_sessions_are_to_be_revoked(stack: Stack, _: Another) -> None:
    await put_back_and_taken_up_again(stack, "POST", "revokeSignInSessions", "date")


@story
async def graph_asks_for_so_long_that_the_desk_is_told(stack: Stack, _: Another) -> None:
    ticket, name, person_id = await ticket_for(stack)
    await stack.graph.fault(path=f"users/{person_id}/authentication", status=503, headers={"Retry-After": "600"}, times=None)
    waits = await approved(stack, ticket, name, person_id)
    await waits.until(status="waiting", waitingFor="graph")
    (note,) = await eventually(lambda: waits.notes("waiting"))
    assert "aiting, because" in note
    assert await waits.comments() == []
    assert await waits.deletes() == []


@story
async def an_approval_withdrawn_while_waiting_is_noticed_before_the_first_removal(stack: Stack, _: Another) -> None:
    ticket, name, person_id = await ticket_for(stack)
    await stack.graph.fault(path=f"users/{person_id}/authentication/methods", status=503, headers={"Retry-After": "6"})
    refused = await approved(stack, ticket, name, person_id)
    await refused.until(status="waiting")
    await stack.servicenow.post("/_sim/withdraw", {"ticket": ticket["number"]})
    status = await refused.ended()
    assert (status["outcome"], status["reason"]) == ("refused", "ticket-not-approved")
    assert await refused.writes() == []
    assert await refused.comments() == [f"{NEUTRAL} [{refused.id}#1 outcome]"]


@story
async def an_approval_withdrawn_after_the_first_removal_is_noted_and_the_attempt_carried_to_its_end(
    stack: Stack, _: Another
) -> None:
    ticket, name, person_id = await ticket_for(stack)
    await stack.graph.fault(method="DELETE", path=person_id, skip=1, kind="slow", seconds=2)
    reset = await approved(stack, ticket, name, person_id)
    await eventually(reset.deletes, lambda calls: len(calls) == 2)
    await stack.servicenow.post("/_sim/withdraw", {"ticket": ticket["number"]})
    status = await reset.ended()
    assert (status["outcome"], status["reason"]) == ("done", "removed")
    assert await reset.methods() == set()
    assert len((await reset.truth())["revocations"]) == 1
    assert "no longer" in (await reset.notes("outcome"))[0]


@story
async def an_approval_withdrawn_after_the_first_removal_is_carried_to_its_end_by_a_later_turn_too(
    stack: Stack, _: Another
) -> None:
    ticket, name, person_id = await ticket_for(stack)
    await stack.graph.fault(method="DELETE", path=person_id, skip=1, status=503, headers={"Retry-After": "6"})
    reset = await approved(stack, ticket, name, person_id)
    await reset.until(status="waiting")
    assert len(await reset.methods()) == 2
    await stack.servicenow.post("/_sim/withdraw", {"ticket": ticket["number"]})
    await stack.servicenow.post("/_sim/close", {"ticket": ticket["number"]})
    status = await reset.ended()
    assert (status["outcome"], status["reason"]) == ("done", "removed")
    assert await reset.methods() == set()
    assert "no longer" in (await reset.notes("outcome"))[0]


# ---- lag


@story
async def a_removed_method_that_is_listed_for_ever_is_not_called_done(stack: Stack, _: Another) -> None:
    ticket, name, person_id = await ticket_for(stack, lagSeconds=3600)
    failed = await approved(stack, ticket, name, person_id)
    waiting = await failed.until(status="waiting", waitingFor="graph", within=60)
    assert len(waiting["removed"]) == 3
    status = await failed.ended(within=150)
    assert (status["attempt"], status["outcome"], status["reason"]) == (1, "failed", "not-removed")
    deleted = Counter(call["path"] for call in await failed.deletes())
    assert set(deleted.values()) == {1}
    assert len((await failed.truth())["revocations"]) == 1
    assert await failed.comments() == [f"{NEUTRAL} [{failed.id}#1 outcome]"]
    listings = times(await failed.calls("GET", "authentication/methods"))
    assert (listings[-1] - listings[0]).total_seconds() >= 60


@story
async def a_read_back_that_lags_for_longer_than_a_turn_is_done_in_the_end(stack: Stack, _: Another) -> None:
    ticket, name, person_id = await ticket_for(stack, lagSeconds=18)
    reset = await approved(stack, ticket, name, person_id)
    await reset.until(status="waiting", waitingFor="graph", within=60)
    status = await reset.ended(within=60)
    assert (status["attempt"], status["outcome"], status["reason"]) == (1, "done", "removed")
    assert len(await reset.deletes()) == 3


# ---- the ticket system is down


@story
async def a_ticket_system_that_is_down_at_the_start_is_waited_for(stack: Stack, _: Another) -> None:
    ticket, name, person_id = await ticket_for(stack)
    await stack.servicenow.fault(method="GET", path=f"sc_req_item/{ticket['sys_id']}", status=503, times=2)
    reset = await approved(stack, ticket, name, person_id)
    waiting = await reset.until(status="waiting")
    assert waiting["waitingFor"] == "ticket-system"
    assert await reset.calls() == []
    status = await reset.ended()
    assert (status["attempt"], status["outcome"], status["reason"]) == (1, "done", "removed")
    assert len(await reset.notes("start")) == 1
    assert len(await reset.comments()) == 1


@story
async def the_outcome_does_not_wait_for_a_ticket_system_that_is_down_when_it_is_told(stack: Stack, _: Another) -> None:
    ticket, name, person_id = await ticket_for(stack)
    # The start note goes through, the outcome note does not.
    await stack.servicenow.fault(method="PATCH", path=f"sc_req_item/{ticket['sys_id']}", skip=1, status=503)
    reset = await approved(stack, ticket, name, person_id)
    status = await reset.until(outcome="done")
    assert status["reason"] == "removed"
    (result,) = await eventually(reset.results)
    assert result["data"]["reason"] == "removed"
    assert await reset.comments() == []

    status = await reset.ended(within=60)
    assert (status["attempt"], status["status"]) == (1, "done")
    assert len(await reset.notes("outcome")) == 1
    assert len(await reset.comments()) == 1
    assert len(await reset.results()) == 1
    assert len(await reset.deletes()) == 3


@story
async def a_note_whose_answer_was_lost_is_not_written_twice(stack: Stack, _: Another) -> None:
    ticket, name, person_id = await ticket_for(stack)
    where = f"sc_req_item/{ticket['sys_id']}"
    await stack.servicenow.fault(method="PATCH", path=where, status=504, after_effect=True, times=2)
    reset = await approved(stack, ticket, name, person_id)
    assert (await reset.ended(within=60))["reason"] == "removed"
    assert len(await reset.notes("start")) == 1
    assert len(await reset.notes("outcome")) == 1
    assert len(await reset.comments()) == 1


# ---- giving up


@story
async def an_outage_longer_than_give_up_after_ends_the_attempt_before_its_first_removal_and_only_then(
    _: Stack, another: Another
) -> None:
    async with another(GIVE_UP_AFTER="PT3S") as stack:
        await asyncio.gather(graph_is_given_up(stack), servicenow_is_given_up(stack), what_was_begun_is_not_given_up(stack))


async def graph_is_given_up(stack: Stack) -> None:
    ticket, name, person_id = await ticket_for(stack)
    await stack.graph.fault(path=f"users/{person_id}/authentication", status=503, times=None)
    failed = await approved(stack, ticket, name, person_id)
    await failed.until(status="waiting", waitingFor="graph")
    status = await failed.ended()
    assert (status["outcome"], status["reason"]) == ("failed", "graph-unavailable")
    assert await failed.writes() == []
    assert await failed.comments() == [f"{NEUTRAL} [{failed.id}#1 outcome]"]


async def servicenow_is_given_up(stack: Stack) -> None:
    ticket, name, person_id = await ticket_for(stack)
    await stack.servicenow.fault(method="GET", path=f"sc_req_item/{ticket['sys_id']}", status=503, times=None)
    failed = await approved(stack, ticket, name, person_id)
    await failed.until(status="waiting", waitingFor="ticket-system")
    status = await failed.until(outcome="failed")
    assert status["reason"] == "ticket-system-unavailable"
    (result,) = await eventually(failed.results)
    assert result["data"]["reason"] == "ticket-system-unavailable"
    assert await failed.calls() == []


async def what_was_begun_is_not_given_up(stack: Stack) -> None:
    """The second removal fails for as long as two turns take, the first being made."""
    ticket, name, person_id = await ticket_for(stack)
    await stack.graph.fault(method="DELETE", path=person_id, skip=1, status=503, times=4)
    reset = await approved(stack, ticket, name, person_id)
    await reset.until(status="waiting", waitingFor="graph")
    status = await reset.ended(within=60)
    assert (status["outcome"], status["reason"]) == ("done", "removed")
    assert await reset.methods() == set()


@story
async def an_answer_that_makes_no_sense_is_an_internal_error_after_five_tries(stack: Stack, _: Another) -> None:
    ticket, name, person_id = await ticket_for(stack)
    nonsense = {"value": [{"@odata.type": 7, "phoneNumber": PHONE}]}
    await stack.graph.fault(path=f"users/{person_id}/authentication/methods", status=200, body=nonsense, times=None)
    failed = await approved(stack, ticket, name, person_id)
    status = await failed.ended(within=150)
    assert (status["attempt"], status["outcome"], status["reason"]) == (1, "failed", "internal-error")
    assert len(await failed.calls("GET", "authentication/methods")) == 5
    assert await failed.writes() == []
    assert await failed.comments() == [f"{NEUTRAL} [{failed.id}#1 outcome]"]


@pytest.mark.parametrize("story", STORIES, ids=lambda told: told.__name__)
async def test_meanwhile(story: Story, being_told: Mapping[Story, asyncio.Task[None]]) -> None:
    await being_told[story]
