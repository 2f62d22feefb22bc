"""One scene of the demo: what happens to one person, as it is seen from outside, and what may be claimed afterwards.

Evidence is what the services around the app say: Graph's log and its directory, the ticket, the results queue. Whatever should be
seen and is not raises `DidNotHappen`.
"""

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import unquote

from sandbox import people
from sandbox.stack import AGENT, APPROVER, Stack
from sandbox.timeline import TYPES, DidNotHappen, Steps, Teller

PATIENCE_SECONDS = 20
LOOK_EVERY = 0.05
ALERT = "mfa.reregistration.alert"

type Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """`before` is the person as the directory had them when the scene began, `others` everybody else."""

    stack: Stack
    tell: Teller
    before: Document
    others: list[Document]
    calls_before: int

    @classmethod
    async def about(cls, user: str, stack: Stack, tell: Teller) -> Self:
        before = await stack.person(user)
        return cls(stack, tell, before, await _others(stack, before["id"]), len(await stack.graph.log()))

    @property
    def name(self) -> str:
        return str(self.before["displayName"])

    # ---- what happens

    async def approved_ticket(self) -> tuple[Document, str, datetime]:
        """A ticket opened and approved, of which the app has been told: the ticket, the request's id, when it was approved."""
        ticket = await self.stack.open_ticket(self.before["userPrincipalName"])
        self.tell.say(f"{name(AGENT)} opens {ticket['number']} for {self.name}; {name(APPROVER)} approves it.")
        since = datetime.now(UTC)
        await self.stack.approve(ticket)
        self.tell.moment(since, since, "approved in ServiceNow")
        deliveries = await self.stack.servicenow.get("/_sim/deliveries?wait=true")
        delivery = next((one for one in deliveries if one["ticket"]["sys_id"] == ticket["sys_id"]), None)
        if delivery is None or delivery["state"] != "delivered":
            raise DidNotHappen(f"ServiceNow tells the app of the approval (its delivery: {delivery})")
        sent = delivery["attempts"][-1]
        self.tell.moment(datetime.fromisoformat(sent["at"]), since, f"signed webhook sent; the app answers {sent['status']}")
        return ticket, sent["location"].rpartition("/")[2], since

    async def followed(self, request_id: str, since: datetime, *last: str) -> Document:
        """The status of the request once it has taken the `last` steps; all steps are shown as they come."""
        steps = Steps(self.tell, since)

        async def ended() -> Document | None:
            status = await self.stack.status(request_id)
            steps.show(status)
            taken = {name for step in status["steps"] for name in (step["name"], f"{step['name']} {step.get('detail')}")}
            return status if taken.issuperset(last) else None

        return await _eventually(f"the request for {self.name} ends, and everyone is told", ended)

    async def watched(self, since: datetime, fits: Callable[[Document], bool]) -> Document:
        """As `result`; meanwhile what Graph is asked is shown as it answers."""
        shown = 0

        async def found() -> Document | None:
            nonlocal shown
            event = next(filter(fits, await self._results()), None)
            for call in itertools.takewhile(lambda call: call["status"], (await self.calls())[shown:]):
                self.tell.moment(_at(call), since, _asked(call), call["requestId"])
                shown += 1
            return event

        await _eventually(f"a result event for {self.name}", found)
        return await self.result(fits)

    async def result(self, fits: Callable[[Document], bool]) -> Document:
        """The result event that fits; there is exactly one."""

        async def found() -> Document | None:
            events = [event for event in await self._results() if fits(event)]
            if len(events) > 1:
                raise DidNotHappen(f"exactly one result event for {self.name} (there are {len(events)})")
            return events[0] if events else None

        return await _eventually(f"a result event for {self.name}", found)

    async def _results(self) -> list[Document]:
        return [event for event in await self.stack.results() if event["type"] != ALERT]

    async def alerts(self) -> list[str]:
        """Of what kind the alerts about the person are."""
        return [event["data"]["kind"] for event in await self.stack.results() if event["type"] == ALERT]

    async def calls(self) -> list[Document]:
        """What Graph has logged since the scene began."""
        return (await self.stack.graph.log())[self.calls_before :]

    async def show_writes(self) -> None:
        writes = [call for call in await self.calls() if call["write"]]
        for call in writes:
            self.tell.moment(_at(call), _at(writes[0]), _asked(call), call["requestId"])

    # ---- what may be claimed

    async def check_removals(self, status: Document, types: set[str]) -> None:
        """Graph's own log has the removals that the app claims, under the request ids that it gives, and no other write."""
        writes = [call for call in await self.calls() if call["write"]]
        deleted = [call["path"].rpartition("/")[2] for call in writes if call["method"] == "DELETE" and call["changed"]]
        expected = [method["id"] for method in self.before["methods"] if method["type"] in types]
        self.tell.check(
            sorted(deleted) == sorted(expected) and len(writes) == len(expected) + 1,
            f"Graph logged the removal of {_listed(types)}, then one revocation of sessions, and no other write",
        )
        self.tell.check({call["subject"] for call in writes} == {self.before["id"]}, f"each write is about {self.name}")
        claimed = [
            step.get("graphRequestId") for step in status["steps"] if step["name"] in ("method-removed", "sessions-revoked")
        ]
        self.tell.check(
            claimed == [call["requestId"] for call in writes], "the app's timeline names the request ids of Graph's log, in order"
        )

    async def check_person(self, left: set[str]) -> None:
        after = await self.stack.person(self.before["id"])
        types = sorted(method["type"] for method in after["methods"])
        self.tell.check(types == sorted(left), f"left in the directory for {self.name}: {_listed(left)}")
        self.tell.check(after["sessionsRevokedAt"], "sign-in sessions from before are void")

    async def check_others(self) -> None:
        others = await _others(self.stack, self.before["id"])
        self.tell.check(others == self.others, f"nothing has changed for the other {len(others)} people of the tenant")

    async def check_untouched(self) -> None:
        self.tell.check(not any(call["write"] for call in await self.calls()), "Graph logged no write at all")
        self.tell.check(await self.stack.person(self.before["id"]) == self.before, f"nothing has changed for {self.name}")

    def check_outcome(self, status: Document, event: Document, outcome: str, reason: str) -> None:
        data = event["data"]
        said = status["outcome"], status["reason"], data["outcome"], data["reason"]
        self.tell.check(
            said == (outcome, reason) * 2
            and event["type"] == f"mfa.reregistration.{outcome}"
            and data["requestId"] == status["id"],
            f"status and result event agree: {outcome}, {reason}",
        )

    def check_notes(self, page: str, request_id: str) -> tuple[str, str]:
        """The one work note with the outcome, and the one comment, which the customer reads."""
        marker = f"[{request_id}#1 outcome]"
        activity = _activity(page)
        work_notes = [text for label, text in activity if label == "Work notes" and marker in text]
        comments = [text for label, text in activity if label == "Additional comments"]
        self.tell.check(
            len(work_notes) == len(comments) == 1 and marker in comments[0],
            "the ticket has one work note with the outcome, and one comment for the customer",
        )
        return work_notes[0], comments[0]


def name(user: str) -> str:
    """What somebody of the tenant is called."""
    return people.contoso().person(user).display_name


async def _eventually[T](claim: str, look: Callable[[], Awaitable[T | None]]) -> T:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (found := await look()) is None:
                await asyncio.sleep(LOOK_EVERY)
            return found
    except TimeoutError:
        raise DidNotHappen(f"{claim}, within {PATIENCE_SECONDS} s") from None


async def _others(stack: Stack, person_id: str) -> list[Document]:
    return [person for person in await stack.graph.get("/_sim/users") if person["id"] != person_id]


def _at(call: Document) -> datetime:
    return datetime.fromisoformat(call["at"])


def _asked(call: Document) -> str:
    """A call of Graph's log, without API version, namespace and query; of an id only the beginning."""
    path = re.sub(r"^/(v1\.0|beta)/|(?<=/)graph\.|\?.*", "", unquote(call["path"]))
    path = re.sub(r"^users/[^/]*/(authentication/)?|^roleManagement/directory/|^identityGovernance/privilegedAccess/", "", path)
    return f"{call['method']} {re.sub(r'([0-9a-f]{8})-[0-9a-f-]{27}', r'\1', path)}: {call['status']}"


def _listed(types: set[str]) -> str:
    return ", ".join(sorted(TYPES.get(one, one) for one in types))


def _activity(page: str) -> list[tuple[str, str]]:
    """The entries of a ticket's activity as (label, text)."""
    lines = itertools.dropwhile(lambda line: line.strip() != "Activity", page.splitlines())
    entries: list[tuple[str, str]] = []
    for line in itertools.islice(lines, 1, None):
        if line.startswith(" " * 6) and entries:
            label, text = entries[-1]
            entries[-1] = label, f"{text}\n{line.strip()}".strip()
        elif found := re.search(r"\(([^()]*)\)$", line):
            entries.append((found[1], ""))
    return entries
