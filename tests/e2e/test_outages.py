"""What does not answer now, or not to us: short waits happen inside the turn, lost answers repeat nothing, silence is no yes."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from sandbox.servicenow import INTEGRATION_USER
from sandbox.stack import Stack
from tests.e2e.story import case, eventually, hired, times

pytestmark = pytest.mark.asyncio(loop_scope="session")

THROTTLED = {"error": {"code": "TooManyRequests", "message": "Too many requests"}}


@pytest.mark.parametrize("form", ["2", "1.5", "date", "0"], ids=["whole seconds", "a fraction", "a date", "at once"])
async def test_a_short_retry_after_is_waited_for_within_the_turn(stack: Stack, form: str) -> None:
    name, person_id = await hired(stack)
    date = (datetime.now(UTC) + timedelta(seconds=4)).replace(microsecond=0)
    header = format_datetime(date, usegmt=True) if form == "date" else form
    await stack.graph.fault(
        method="DELETE", path=f"{person_id}.*phoneMethods", status=429, headers={"Retry-After": header}, body=THROTTLED
    )
    reset = await case(stack, person=name)
    status = await reset.ended()
    assert (status["outcome"], status["reason"]) == ("done", "removed")
    calls = await reset.calls("DELETE", "phoneMethods")
    assert [call["status"] for call in calls] == [429, 204]
    first, second = times(calls)
    assert second >= (date if form == "date" else first + timedelta(seconds=float(form)))
    assert await reset.notes("waiting") == []


async def test_a_read_back_that_lags_for_seconds_is_waited_for(stack: Stack) -> None:
    name, _ = await hired(stack, lagSeconds=3)
    reset = await case(stack, person=name)
    status = await reset.ended()
    assert (status["outcome"], status["reason"]) == ("done", "removed")
    deleted = [call["path"] for call in await reset.deletes()]
    assert len(deleted) == len(set(deleted)) == 3


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 504, "after_effect": True},
        {"kind": "reset", "after_effect": True},
        {"status": 502, "body": "<html>Bad gateway</html>", "headers": {"Content-Type": "text/html"}},
        {"kind": "reset"},
        {"status": 423},
    ],
    ids=["answer lost after the effect", "connection lost after the effect", "bad gateway", "connection reset", "locked"],
)
async def test_a_removal_whose_answer_does_not_come_is_made_certain_of(stack: Stack, fault: dict[str, Any]) -> None:
    name, person_id = await hired(stack)
    await stack.graph.fault(method="DELETE", path=f"{person_id}.*softwareOath", **fault)
    reset = await case(stack, person=name)
    status = await reset.ended()
    assert (status["outcome"], status["reason"]) == ("done", "removed")
    assert await reset.methods() == set()
    answers = [call["status"] for call in await reset.calls("DELETE", "softwareOath")]
    assert len(answers) == 2
    assert answers[1] == (404 if fault.get("after_effect") else 204)
    assert sorted(gone["type"] for gone in status["removed"]) == ["microsoftAuthenticator", "phone", "softwareOath"]


INTEGRATION_MAY = {
    "read": ["sc_req_item", "sysapproval_approver", "sys_user"],
    "write": {"sc_req_item": ["work_notes", "comments", "state"]},
}


@contextlib.asynccontextmanager
async def rights(stack: Stack, **changed: Any) -> AsyncIterator[None]:
    """Within, the integration user of the ticket system may do this, and nothing else."""
    await stack.servicenow.put("/_sim/rights", {"user": INTEGRATION_USER, "rights": INTEGRATION_MAY | changed})
    try:
        yield
    finally:
        await stack.servicenow.put("/_sim/rights", {"user": INTEGRATION_USER, "rights": "integration"})


async def test_a_ticket_that_silently_keeps_its_state_is_noted_all_the_same(stack: Stack) -> None:
    """A 200 that changes nothing is the ticket system's well known trap."""
    async with rights(stack, write={"sc_req_item": ["work_notes", "comments"]}):
        reset = await case(stack)
        assert (await reset.ended())["reason"] == "removed"
    assert len(await reset.notes("outcome")) == 1
    assert len(await reset.comments()) == 1
    assert await reset.ticket_state() != "3"


@pytest.mark.parametrize(
    "changed",
    [{"api": False}, {"hidden": {"sysapproval_approver": ["state"]}}, {"hidden": {"sc_req_item": ["opened_by"]}}],
    ids=["no api", "the state of approvals is hidden", "who opened the ticket is hidden"],
)
async def test_what_the_ticket_system_does_not_let_us_read_is_no_yes(stack: Stack, changed: dict[str, Any]) -> None:
    async with rights(stack, **changed):
        failed = await case(stack)
        status = await failed.until(outcome="failed")
        assert status["reason"] == "ticket-system-forbidden"
        (result,) = await eventually(failed.results)
        assert result["data"]["reason"] == "ticket-system-forbidden"
        assert await failed.calls() == []


async def test_an_approval_that_is_hidden_from_us_does_not_count(stack: Stack) -> None:
    async with rights(stack, only={"sysapproval_approver": "state=requested"}):
        failed = await case(stack)
        status = await failed.until(outcome="failed")
        assert status["reason"] == "ticket-system-forbidden"
        assert await failed.writes() == []
