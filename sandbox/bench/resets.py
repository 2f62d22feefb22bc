"""One reset after another at a fixed latency of Graph, each beside the same calls made bare: what it asks, how long it takes."""

import json
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.bench import storage
from sandbox.bench.critical_path import BareClient
from sandbox.bench.lines import Lines
from sandbox.people import PHONE_IDS
from sandbox.stack import Stack
from sandbox.webhook import deliver

LATENCY = 0.1
METHODS: list[dict[str, Any]] = [
    {"type": "phone", "id": PHONE_IDS["mobile"], "properties": {"phoneType": "mobile", "phoneNumber": "+1 2065550150"}},
    {"type": "phone", "id": PHONE_IDS["office"], "properties": {"phoneType": "office", "phoneNumber": "+1 2065550151"}},
    {"type": "microsoftAuthenticator", "properties": {"displayName": "A phone"}},
    {"type": "softwareOath"},
]
"""Four methods; the mobile phone is the default, so it must go last."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds. From the webhook's answer: until the host hands the message to the app, until the outcome is journaled, until
    the ticket is noted. And the same calls made bare."""

    picked_up: float
    journaled: float
    noted: float
    bare: float

    @property
    def at_work(self) -> float:
        return self.journaled - self.picked_up


@dataclass(frozen=True, slots=True)
class Resets:
    """Medians over the resets; counts are for one reset."""

    times: Times
    graph: dict[str, int]
    servicenow: dict[str, int]
    in_a_row: int
    storage: dict[str, float]


async def employee_with_ticket(stack: Stack) -> dict[str, Any]:
    """A new employee with `METHODS`, and an approved ticket of which the app has not been told."""
    user = await stack.hire(*METHODS, defaultMethod="sms")
    ticket = await stack.open_ticket(user)
    await stack.approve(ticket)
    return ticket


async def measure(stack: Stack, app_log: Lines, storage_log: Lines, repetitions: int) -> Resets:
    """The app and the bare client take turns. ServiceNow's own rule must be silent: the bench is who calls the webhook."""
    bare = BareClient(stack)
    await bare.walk(await employee_with_ticket(stack))
    await _reset(stack, app_log, await employee_with_ticket(stack))
    await stack.graph.put("/_sim/latency", {"seconds": LATENCY})
    all_times, asked = [], Counter[str]()
    graph: list[dict[str, Any]] = []
    servicenow: list[dict[str, Any]] = []
    for _ in range(repetitions):
        ticket = await employee_with_ticket(stack)
        await storage.all_logged(stack, storage_log)
        marks = len(await stack.graph.log()), len(await stack.servicenow.log()), storage_log.mark()
        request_id, answered, picked_up, journaled = await _reset(stack, app_log, ticket)
        await storage.all_logged(stack, storage_log)
        asked += storage.count([line for _, line in storage_log.kept[marks[2] :]], stack)
        graph, servicenow = (await stack.graph.log())[marks[0] :], (await stack.servicenow.log())[marks[1] :]
        moments = picked_up, journaled, await _noted(stack, request_id)
        walked = await bare.walk(await employee_with_ticket(stack))
        all_times.append((*((moment - answered).total_seconds() for moment in moments), walked))
    await stack.graph.put("/_sim/latency", {"seconds": 0})
    return Resets(
        times=Times(*(statistics.median(column) for column in zip(*all_times, strict=True))),
        graph=_graph_calls(graph),
        servicenow=dict(Counter("reads" if call["method"] == "GET" else "writes" for call in servicenow)),
        in_a_row=in_a_row(graph, LATENCY),
        storage={what: times / repetitions for what, times in sorted(asked.items())},
    )


async def _reset(stack: Stack, app_log: Lines, ticket: Mapping[str, Any]) -> tuple[str, datetime, datetime, datetime]:
    """The request's id; when the webhook was answered, the message handed to the app, the outcome journaled. All work is over."""
    mark = app_log.mark()
    status, body = await deliver(stack, ticket)
    answered = datetime.now(UTC)
    if status != 202:
        raise RuntimeError(f"the webhook answered {status} {body}")
    picked_up, _ = await app_log.wait("Executing 'Functions.work'", mark)
    _, line = await app_log.wait("attempt.ended", mark)
    await app_log.wait("Executed 'Functions.work'", mark)
    ended = json.loads(line[line.index("{") :])
    if ended["outcome"] != "done":
        raise RuntimeError(f"the reset ended {ended}")
    return ended["request_id"], answered, picked_up, datetime.fromisoformat(ended["timestamp"])


async def _noted(stack: Stack, request_id: str) -> datetime:
    """When the last note stood on the ticket."""
    steps = (await stack.status(request_id))["steps"]
    return datetime.fromisoformat([step["at"] for step in steps if step["name"] == "ticket-noted"][-1])


def _graph_calls(calls: list[dict[str, Any]]) -> dict[str, int]:
    refused = sum(call["method"] == "DELETE" and call["status"] >= 400 for call in calls)
    return {**Counter("writes" if call["write"] else "reads" for call in calls), "refused deletes": refused}


def in_a_row(calls: list[dict[str, Any]], latency: float) -> int:
    """How many calls at least followed one another: the most of which none began before another had been answered."""
    count, free_at = 0, 0.0
    for start in sorted(datetime.fromisoformat(call["at"]).timestamp() for call in calls):
        if start >= free_at:  # all calls last equally long, so the earliest start is the earliest end
            count, free_at = count + 1, start + latency
    return count
