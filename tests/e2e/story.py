"""What an e2e test does and sees: one person, one demand, and the traces of it in Graph, on the ticket and on the results queue.

Everything is asked from outside: the app's HTTP routes and queues, and the simulators' own memory of what was done to them.
"""

import asyncio
import itertools
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp

from sandbox.people import Method, authenticator, phone, software_oath
from sandbox.servicenow.sender import sign
from sandbox.stack import Stack, cloud_event

type Another = Callable[..., AbstractAsyncContextManager[Stack]]
"""Starts a stack of the test's own, with these settings; its host's lines are collected with all others."""

type Story = Callable[[Stack, Another], Awaitable[None]]
"""What happens while other tests run; given a stack that all stories share."""

NEUTRAL = "This request needs a person to look at it. The service desk will be in touch."
PHONE = "+1 2065550199"
DEVICE = "Verily unusual handset"
WEBHOOK = "/api/webhooks/servicenow"
_ENTRY = re.compile(r"^ {4}(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) {2}.+ \((Work notes|Additional comments)\)$")
_numbers = itertools.count(1)


def usual_methods() -> tuple[Method, ...]:
    """What most people have: a phone, the Authenticator and a software token."""
    return phone("mobile", PHONE), authenticator(DEVICE), software_oath()


async def eventually[T](look: Callable[[], Awaitable[T]], wanted: Callable[[T], object] = bool, *, within: float = 30) -> T:
    """What `look` says once it is `wanted`; `AssertionError` with the last that it said when that does not come about."""
    deadline = time.monotonic() + within
    while not wanted(seen := await look()):
        assert time.monotonic() < deadline, f"not so within {within} s: {seen}"
        await asyncio.sleep(0.1)
    return seen


# ---- results


async def told(stack: Stack, wanted: Callable[[dict[str, Any]], bool] = lambda _: True) -> list[dict[str, Any]]:
    """The result events so far that are `wanted`, oldest first, copies included; they are taken off their queue."""
    await stack.take_results()
    return [result for result in stack.told if wanted(result["data"])]


async def told_about(stack: Stack, event: Mapping[str, Any], *, within: float = 30) -> dict[str, Any]:
    """The latest result for this event: by the cause that it names, or by its ticket."""
    cause, ticket = {"source": event["source"], "id": event["id"]}, event["data"].get("ticket")

    def about(data: Mapping[str, Any]) -> bool:
        return "outcome" in data and (data.get("cause") == cause or (ticket is not None and data.get("ticket") == ticket))

    return (await eventually(lambda: told(stack, about), within=within))[-1]


async def alarms(stack: Stack, kind: str) -> list[dict[str, Any]]:
    """The alerts of this kind so far, whatever they are about, copies included."""
    return await told(stack, lambda data: data.get("kind") == kind)


# ---- one demand


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a ticket's activity; a `public` one is a comment, which the customer reads."""

    public: bool
    text: str


@dataclass(frozen=True)
class Case:
    """One request of one person, and where its traces are. `id` is the request's, `person_id` the object id."""

    stack: Stack
    id: str
    person: str
    person_id: str
    ticket: Mapping[str, Any] | None = None

    # ---- what the app says

    async def status(self) -> dict[str, Any]:
        return await self.stack.status(self.id)

    async def ended(self, *, attempt: int = 1, within: float = 30) -> dict[str, Any]:
        """The status once this attempt has ended and nothing is owed: outcome note and result are delivered."""

        def over(status: Mapping[str, Any]) -> bool:
            steps = {(step["name"], step.get("detail")) for step in status["steps"]}
            noted = self.ticket is None or ("ticket-noted", "outcome") in steps
            return status["attempt"] >= attempt and "outcome" in status and ("result-published", "result") in steps and noted

        return await eventually(self.status, over, within=within)

    async def until(self, *, within: float = 30, **wanted: str) -> dict[str, Any]:
        """The status once it has these members with these values."""
        return await eventually(self.status, lambda status: wanted.items() <= status.items(), within=within)

    async def results(self) -> list[dict[str, Any]]:
        """The result events of this request so far, copies of one and the same counted once."""
        return await self._events(lambda data: "outcome" in data)

    async def alerts(self) -> list[dict[str, Any]]:
        """The alerts about this request so far, copies of one and the same counted once."""
        return await self._events(lambda data: "kind" in data)

    async def _events(self, wanted: Callable[[Mapping[str, Any]], bool]) -> list[dict[str, Any]]:
        mine = await told(self.stack, lambda data: data.get("requestId") == self.id and wanted(data))
        return list({event["id"]: event for event in mine}.values())

    # ---- what was done

    async def calls(self, method: str = "", path: str = "") -> list[dict[str, Any]]:
        """What Graph was asked about this person."""
        return [call for call in await self.stack.graph.log(method, path) if self.person_id in call["path"]]

    async def writes(self) -> list[dict[str, Any]]:
        return [call for call in await self.calls() if call["write"]]

    async def deletes(self) -> list[dict[str, Any]]:
        return await self.calls("DELETE")

    async def methods(self) -> set[str]:
        """The types of what is really registered, the password aside."""
        return {method["type"] for method in (await self.truth())["methods"]} - {"password"}

    async def truth(self) -> dict[str, Any]:
        return await self.stack.person(self.person_id)

    # ---- what the ticket shows

    async def activity(self) -> list[Entry]:
        """The ticket's notes and comments, newest first."""
        assert self.ticket is not None
        return activity(await self.stack.page(self.ticket))

    async def comments(self) -> list[str]:
        return [entry.text for entry in await self.activity() if entry.public]

    async def notes(self, kind: str, attempt: int = 1) -> list[str]:
        """The work notes with the marker of this kind: `start`, `waiting` or `outcome`."""
        marker = f"[{self.id}#{attempt} {kind}]"
        return [entry.text for entry in await self.activity() if not entry.public and marker in entry.text]

    async def ticket_state(self) -> str:
        assert self.ticket is not None
        page = await self.stack.servicenow.get(f"/_sim/ticket?ticket={self.ticket['number']}")
        return str(page["record"]["state"])


def activity(page: str) -> list[Entry]:
    """The entries below "Activity" on a ticket as the help desk sees it."""
    entries: list[tuple[bool, list[str]]] = []
    for line in page.partition("  Activity\n")[2].splitlines():
        if head := _ENTRY.match(line):
            entries.append((head[2] == "Additional comments", []))
        elif entries:
            entries[-1][1].append(line.strip())
    return [Entry(public, "\n".join(lines)) for public, lines in entries]


def times(calls: list[dict[str, Any]]) -> list[datetime]:
    return [datetime.fromisoformat(call["at"]) for call in calls]


# ---- how a demand comes about


async def hired(stack: Stack, *methods: Method, **person: Any) -> tuple[str, str]:
    """User principal name and object id of somebody new, with the usual methods unless others are given."""
    name = await stack.hire(*(methods or usual_methods()), **person)
    return name, (await stack.person(name))["id"]


async def accepted(stack: Stack, ticket: Mapping[str, Any]) -> str:
    """The request id that the app gave ServiceNow for this ticket, once it has answered with one."""

    async def ids() -> list[str]:
        answers = await stack.answers(ticket)
        return [json.loads(answer["body"])["id"] for answer in answers if answer.get("status") in (200, 202)]

    found = await eventually(ids)
    return found[0]


async def case(stack: Stack, *methods: Method, approved: bool = True, person: str = "", **ticket: Any) -> Case:
    """A ticket for somebody new (or for `person`), approved unless said otherwise, and taken in by the app."""
    name = person or (await hired(stack, *methods))[0]
    opened = await stack.open_ticket(name, **ticket)
    if approved:
        await stack.approve(opened)
    else:
        await stack.servicenow.post("/_sim/send", {"ticket": opened["number"]})
    return Case(stack, await accepted(stack, opened), name, (await stack.person(name))["id"], opened)


async def ticket_for(stack: Stack, **person: Any) -> tuple[dict[str, Any], str, str]:
    """A ticket that still awaits approval; its person's name and object id."""
    name, person_id = await hired(stack, **person)
    return await stack.open_ticket(name), name, person_id


async def approved(stack: Stack, ticket: dict[str, Any], name: str, person_id: str) -> Case:
    await stack.approve(ticket)
    return Case(stack, await accepted(stack, ticket), name, person_id, ticket)


def for_ticket(ticket: Mapping[str, Any], **attributes: Any) -> dict[str, Any]:
    """The CloudEvent by which other automation names a ticket."""
    reference = {"system": "servicenow", "table": "sc_req_item", "sysId": ticket["sys_id"], "number": ticket["number"]}
    return cloud_event({"ticket": reference}, **attributes)


@asynccontextmanager
async def no_rule(stack: Stack) -> AsyncIterator[None]:
    """Within, ServiceNow's rule calls nobody: what happens comes from the queue alone."""
    url = (await stack.servicenow.get("/_sim/webhook"))["url"]
    await stack.servicenow.put("/_sim/webhook", {"url": ""})
    try:
        yield
    finally:
        await stack.servicenow.put("/_sim/webhook", {"url": url})


# ---- deliveries made by hand


def webhook_body(ticket: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    reference = {"table": "sc_req_item", "sys_id": ticket["sys_id"], "number": ticket["number"]}
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"type": "mfa.reregistration.requested", "timestamp": stamp, "data": reference, **members}


def signed(stack: Stack, body: bytes, *, event_id: str = "", age: float = 0, key: str = "") -> dict[str, str]:
    """The headers of a delivery that was signed `age` seconds ago, with the app's own key unless another is given."""
    event_id, stamp = event_id or f"evt_{next(_numbers)}", int(time.time() - age)
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign(key or stack.webhook_key, event_id, stamp, body),
    }


async def posted(stack: Stack, body: bytes, headers: Mapping[str, str], path: str = WEBHOOK) -> aiohttp.ClientResponse:
    """The app's answer to exactly this."""
    response = await stack.session.post(f"{stack.app.url}{path}", data=body, headers=headers)
    await response.read()
    return response


async def delivered(stack: Stack, body: Any, **signing: Any) -> aiohttp.ClientResponse:
    """The app's answer to this body (bytes, or what becomes JSON), properly signed."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await posted(stack, raw, signed(stack, raw, **signing))
