"""One request is followed in the host's log by its id alone: from the webhook, across the queue, to the last note."""

import json
import re
from typing import Any

import pytest

from sandbox.stack import Stack, cloud_event
from shared.events import EVENTS, EVERYWHERE
from tests.e2e.conftest import Traces
from tests.e2e.story import Case, case, eventually, hired, told_about

pytestmark = pytest.mark.asyncio(loop_scope="session")

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ON_EVERY_LINE = {"name", "level", "timestamp", "trace"} | EVERYWHERE


def events(traces: Traces) -> list[dict[str, Any]]:
    """What the app itself has logged; the host prefixes nothing to a line."""
    found = []
    for line in list(traces.lines):
        start = line.find('{"')
        try:
            event = json.loads(line[start:]) if start >= 0 else None
        except ValueError:
            continue
        if isinstance(event, dict) and "name" in event:
            found.append(event)
    return found


async def thread(traces: Traces, one: Case) -> list[dict[str, Any]]:
    """What the log says of this request, once the last note has been told."""

    async def lines() -> list[dict[str, Any]]:
        return [event for event in events(traces) if event.get("request_id") == one.id]

    def over(seen: list[dict[str, Any]]) -> bool:
        return ("delivery.told", "outcome") in {(event["name"], event.get("owed")) for event in seen}

    return await eventually(lines, over)


async def test_a_request_is_followed_from_the_webhook_to_the_last_note(stack: Stack, traces: Traces) -> None:
    reset = await case(stack)
    await reset.ended()
    said = await thread(traces, reset)

    in_order = [event["name"] for event in said]
    story = ["request.taken-in", "message.taken", "reset.counted", "removal.made", "attempt.ended"]
    assert sorted(story[1:], key=in_order.index) == story[1:]
    assert in_order.index("attempt.ended") < len(in_order) - 1 - in_order[::-1].index("delivery.told")
    assert "request.taken-in" in in_order
    assert {event["owed"] for event in said if event["name"] == "delivery.told"} == {"start", "outcome", "result"}

    removed = [event["graph_request_id"] for event in said if event["name"] == "removal.made"]
    assert removed == [call["requestId"] for call in await reset.deletes()]
    (ended,) = [event for event in said if event["name"] == "attempt.ended"]
    assert (ended["outcome"], ended["reason"], ended["mode"], ended["attempt"]) == ("done", "removed", "enforce", 1)
    assert isinstance(ended["took_seconds"], float)


async def test_the_queue_carries_the_trace_of_the_invocation_that_took_the_webhook_in(stack: Stack, traces: Traces) -> None:
    reset = await case(stack)
    await reset.ended()
    carried = {event["traceparent"] for event in await thread(traces, reset) if event["name"] == "message.taken"}
    assert len(carried) == 1
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", str(carried.pop()))


async def test_a_sender_to_the_queue_finds_its_own_trace(stack: Stack, traces: Traces) -> None:
    upn, person_id = await hired(stack)
    event = cloud_event({"subject": upn}, traceparent=TRACEPARENT)
    await stack.send(event)
    reset = Case(stack, (await told_about(stack, event))["data"]["requestId"], upn, person_id)
    await reset.ended()
    taken = [one for one in events(traces) if one["name"] == "message.taken" and one["traceparent"] == TRACEPARENT]
    assert {one["request_id"] for one in taken} == {reset.id}


async def test_every_line_of_the_app_is_an_event_of_the_list(stack: Stack, traces: Traces) -> None:
    await (await case(stack)).ended()
    await stack.app.call("POST", "/admin/functions/dead-letters", {})
    await eventually(lambda: named(traces, "requests.waiting"))
    said = events(traces)
    assert {event["name"] for event in said} <= EVENTS.keys()
    assert [event for event in said if event.keys() - ON_EVERY_LINE - EVENTS[event["name"]]] == []
    measured = {"messages": int, "requests": int, "resets": int, "took_seconds": float, "oldest_seconds": float | None}
    wrong = [event for event in said for field, kind in measured.items() if field in event and not isinstance(event[field], kind)]
    assert wrong == []


async def named(traces: Traces, name: str) -> list[dict[str, Any]]:
    return [event for event in events(traces) if event["name"] == name]
