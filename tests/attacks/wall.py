"""What an attack starts from, and what it must come to: nothing written, the reason told to those who should know it.

An attack on a ticket starts from one with which everything is right, under settings that leave nothing open, and spoils one
thing. So the one thing is what holds it up.
"""

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
from azure.data.tables.aio import TableServiceClient

from sandbox.people import ADELE, CHRISTIE, EVERYONE_GROUP_ID, PATTI, PROJECT_GROUP_ID, Method
from sandbox.servicenow.seed import INTEGRATION_USER, INTEGRATION_USER_ID
from sandbox.stack import Stack
from shared.adapters.tables import CONTROL_TABLE, TableControl
from shared.identity import event_request_id
from shared.model import Cause, Switch, SwitchName
from tests.e2e.story import NEUTRAL, Case, accepted, eventually, hired, no_rule, told, told_about

APPROVER_GROUP = "a99a0000000000000000000000000001"
APPROVERS = (PATTI, CHRISTIE)
BREAK_GLASS_ID = "b4ea0000-0000-4000-8000-000000000001"
PILOT_GROUP_ID, PROTECTED_GROUP_ID = PROJECT_GROUP_ID, EVERYONE_GROUP_ID
STRICT = {
    "APPROVALS_REQUIRED": "2",
    "APPROVER_GROUP": APPROVER_GROUP,
    "SERVICENOW_INTEGRATION_USER": INTEGRATION_USER_ID,
    "PROOF_FIELD": "u_identity_proof",
    "PROOF_ACCEPTED": "verified_id in_person",
    "PROTECTED_USERS": BREAK_GLASS_ID,
    "PROTECTED_GROUPS": PROTECTED_GROUP_ID,
    "ALLOWED_GROUPS": PILOT_GROUP_ID,
}
"""Every guard up at once: two approvers of a group, proof of identity, somebody protected, a pilot."""

UNNAMED = "what has no name"
"""What a request waits for after an error that nobody knows."""
TICKET_TEXT = "Left it on the ferry to Hven"
RULES: dict[str, tuple[str, ...]] = {
    "request-expired": ("request-expired",),
    "source-not-trusted": ("source-not-trusted",),
    "profile-not-allowed": ("profile-not-allowed", "ticket-profile-not-allowed"),
    "ticket-system-not-configured": ("ticket-system-not-configured",),
    "ticket-not-for-reset": ("table-not-for-reset", "item-not-for-reset"),
    "ticket-not-found": ("ticket-not-found",),
    "ticket-changed": ("ticket-changed", "subject-changed"),
    "ticket-closed": ("ticket-closed",),
    "ticket-not-approved": ("ticket-not-approved",),
    "approver-not-independent": ("approver-not-independent",),
    "approval-expired": ("approval-expired",),
    "proof-missing": ("proof-missing",),
    "ticket-subject-missing": ("ticket-subject-missing",),
    "user-not-found": ("user-not-found",),
    "user-guest": ("user-guest",),
    "user-disabled": ("user-disabled",),
    "user-protected": ("protected-user", "protected-group"),
    "user-privileged": ("user-privileged",),
    "user-management-restricted": ("user-management-restricted",),
    "user-out-of-scope": ("user-out-of-scope",),
    "cooldown": ("cooldown",),
}
"""By which rules each reason is found, as the desk reads it."""
EVERY_RULE = sorted(rule for rules in RULES.values() for rule in rules)
STANDING = ("graph.group", "graph.directoryRole", "ownedObjects", "roleAssignments", "roleEligibilityScheduleInstances",
            "/eligibilityScheduleInstances")  # fmt: skip
"""The reads that tell of a person's standing, by a part of their paths."""
_RULE_LINES = ("Rules that refuse: ", "Rules passed: ", "Rules not asked: ")


@dataclass
class Held:
    """What has held so far, to be looked at once more when all is over: nothing came of it later either."""

    attacks: list[tuple[Case, int, tuple[str, ...]]] = field(default_factory=list)


SO_FAR = Held()

# ---- what an attack starts from


async def prepared(stack: Stack) -> None:
    """The approvers are a group, and the ticket has a field for the proof."""
    members = [*APPROVERS, INTEGRATION_USER]
    await stack.servicenow.post("/_sim/groups", {"name": "MFA approvers", "sys_id": APPROVER_GROUP, "members": members})
    await stack.open_ticket(ADELE, u_identity_proof="")


async def employee(stack: Stack, *methods: Method, pilot: bool = True, **person: Any) -> tuple[str, str]:
    """Name and object id of somebody who may be reset, unless `person` says otherwise."""
    name, person_id = await hired(stack, *methods, **person)
    if pilot:
        await joined(stack, person_id, PILOT_GROUP_ID)
    return name, person_id


async def joined(stack: Stack, person: str, group: str, access: str = "member") -> None:
    await stack.graph.post("/_sim/memberships", {"user": person, "group": group, "access": access})


async def granted(stack: Stack, principal: str, role: str, **more: str) -> None:
    await stack.graph.post("/_sim/roles", {"principal": principal, "role": role, **more})


async def ticket_for(
    stack: Stack, name: str, *, approvers: Iterable[str] = APPROVERS, proof: str = "verified_id", **ticket: Any
) -> Case:
    """A ticket with which everything is right, unless said otherwise, and of which the app knows nothing yet."""
    ticket = {"short_description": TICKET_TEXT, "u_identity_proof": proof, **ticket}
    opened = await stack.open_ticket(name, **ticket)
    async with no_rule(stack):
        for approver in approvers:
            await stack.approve(opened, approver)
    return Case(stack, "", name, (await stack.person(name))["id"], opened)


async def ready(stack: Stack, *, person: str = "", **ticket: Any) -> Case:
    """As `ticket_for`, for somebody new unless for `person`."""
    return await ticket_for(stack, person or (await employee(stack))[0], **ticket)


async def asked(target: Case) -> Case:
    """ServiceNow's rule calls the webhook for the ticket as it is now."""
    assert target.ticket is not None
    await target.stack.servicenow.post("/_sim/send", {"ticket": target.ticket["number"]})
    request_id = await accepted(target.stack, target.ticket)
    return Case(target.stack, request_id, target.person, target.person_id, target.ticket)


async def sent(target: Case, event: Mapping[str, Any]) -> Case:
    """The event is put on the queue, and answered on the other; a ticket of `target` plays no part in it."""
    await target.stack.send(event)
    result = await told_about(target.stack, event)
    return Case(target.stack, result["data"]["requestId"], target.person, target.person_id)


async def put(target: Case, event: Mapping[str, Any]) -> Case:
    """The event is put on the queue, and nobody waits for its result."""
    await target.stack.send(event)
    request_id = event_request_id(Cause(event["source"], event["id"]))
    return Case(target.stack, request_id, target.person, target.person_id)


async def fields(target: Case, table: str = "sc_req_item", record: str = "", **values: str) -> None:
    """Somebody with rights in ServiceNow sets columns, of the target's ticket unless of another record; no rule runs."""
    assert target.ticket is not None
    where = {"table": table, "record": record or target.ticket["sys_id"], "fields": values}
    await target.stack.servicenow.put("/_sim/fields", where)


async def approvals(target: Case) -> list[dict[str, str]]:
    assert target.ticket is not None
    seen = await target.stack.servicenow.get(f"/_sim/ticket?ticket={target.ticket['number']}")
    rows: list[dict[str, str]] = seen["approvals"]
    return rows


async def between_readings(target: Case, do: str, **body: Any) -> None:
    """This control of ServiceNow acts once the ticket has been read, and before it is read again."""
    assert target.ticket is not None
    then = {"ticket": target.ticket["number"], "reads": 1, "do": do, "body": body}
    await target.stack.servicenow.post("/_sim/then", then)


@contextlib.asynccontextmanager
async def after_first_look(target: Case) -> AsyncIterator[Case]:
    """Within, Graph has told the person's standing once, and the decision still waits for the list of methods, which is late."""
    stack, person = target.stack, target.person_id
    await stack.graph.fault(path=f"users/{person}/authentication/methods", kind="slow", seconds=1.5)
    attack = await asked(target)

    async def looked_at() -> set[str]:
        paths = [call["path"] for call in await stack.graph.log("GET") if person in call["path"] and call["status"] == 200]
        return {read for read in STANDING if any(read in path for path in paths)}

    await eventually(looked_at, lambda seen: len(seen) == len(STANDING))
    yield attack


# ---- what it must come to


async def held(
    attack: Case,
    *,
    refused: str = "",
    failed: str = "",
    waits: str = "",
    answer: aiohttp.ClientResponse | None = None,
    status: int = 0,
    also: Iterable[str] = (),
    alert: str = "",
    attempt: int = 1,
    record: bool = True,
    writes: int = 0,
) -> None:
    """The attack has come to nothing.

    Either its `answer` has this `status` and nobody was asked about anything; or it waits; or it ended with this reason (and
    `also` these), which desk and results learn and the customer does not. `alert` is the kind of the one that was due. `record`
    is false where only the results queue knows of it. `writes` were made for the person before, rightly.
    """
    if answer is not None:
        assert answer.status == status, await answer.text()
        assert answer.content_type == "application/problem+json"
        assert await attack.calls() == []
        await _nothing_on_the_ticket(attack)
    elif waits:
        await eventually(attack.status, lambda seen: (seen["status"], seen.get("waitingFor", UNNAMED)) == ("waiting", waits))
        assert await attack.results() == []
        if attack.ticket is not None:
            assert await attack.comments() == []
    else:
        outcome, reasons = ("refused" if refused else "failed"), [refused or failed, *also]
        if record:
            ended = await attack.ended(attempt=attempt)
            assert (ended["status"], ended["outcome"]) == (outcome, outcome), ended
            assert ended["reasons"] == reasons
            assert ended["removed"] == []
        await _results(attack, outcome, reasons, attempt, alert)
        if attack.ticket is not None:
            await _ticket(attack, outcome, reasons, attempt)
    await _unwritten(attack, writes)
    SO_FAR.attacks.append((attack, writes, (alert,) if alert else ()))


async def _unwritten(attack: Case, writes: int) -> None:
    """Graph was asked to change nothing of the person: no method, no default, no session."""
    log = [call for call in await attack.stack.graph.log() if call["write"]]
    about = [
        call for call in log if attack.person_id in (call["subject"], *call["path"].split("/")) or attack.person in call["path"]
    ]
    assert len(about) == writes, about


async def _results(attack: Case, outcome: str, reasons: list[str], attempt: int, alert: str) -> None:

    async def ending() -> list[dict[str, Any]]:
        results = await attack.results()
        return [one for one in results if (one["data"]["attempt"], one["data"]["reason"]) == (attempt, reasons[0])]

    (result,) = await eventually(ending)
    assert result["type"] == f"mfa.reregistration.{outcome}"
    assert (result["data"]["outcome"], result["data"]["reasons"], result["data"]["removed"]) == (outcome, reasons, [])
    raised = await eventually(attack.alerts) if alert else await attack.alerts()
    assert [one["data"]["kind"] for one in raised] == ([alert] if alert else [])
    for one in raised:
        assert one["type"] == "mfa.reregistration.alert"
        assert (one["data"]["reason"], one["data"]["subjectId"]) == (reasons[0], attack.person_id)


async def _ticket(attack: Case, outcome: str, reasons: list[str], attempt: int) -> None:
    """The desk reads the reason and every rule's verdict, the customer the one constant sentence."""
    (note,) = await attack.notes("outcome", attempt)
    assert f"Outcome: {outcome}, reason: {reasons[0]}." in note
    assert all(reason in note for reason in reasons)
    assert (await attack.comments())[0] == f"{NEUTRAL} [{attack.id}#{attempt} outcome]"
    assert len(await attack.comments()) == attempt
    if outcome == "refused":
        refusing, passed, unasked = (_rules(note, line) for line in _RULE_LINES)
        assert sorted((*refusing, *passed, *unasked)) == EVERY_RULE
        assert set(refusing) <= {rule for reason in reasons for rule in RULES.get(reason, ())}
        assert [reason for reason in reasons if reason in RULES and not {*RULES[reason]} & {*refusing}] == []


def _rules(note: str, line: str) -> list[str]:
    found = [text.removeprefix(line).rstrip(".") for text in note.splitlines() if text.startswith(line)]
    return found[0].split(", ") if found else []


async def _nothing_on_the_ticket(attack: Case) -> None:
    if attack.ticket is None:
        return
    assert await attack.activity() == []
    sys_id = attack.ticket["sys_id"]
    assert await told(attack.stack, lambda data: data.get("ticket", {}).get("sysId") == sys_id) == []


async def still_held(attack: Case, writes: int, alerts: tuple[str, ...]) -> None:
    """Nothing came of it later, and no alert too many: one that has run out of tries meanwhile says so."""
    await _unwritten(attack, writes)
    if attack.id and attack.ticket is not None:
        results = [one["data"] for one in await attack.results()]
        assert "done" not in [one["outcome"] for one in results]
        given_up = ("internal-error",) if "internal-error" in [one["reason"] for one in results] else ()
        kinds = tuple(one["data"]["kind"] for one in await attack.alerts() if one["data"]["kind"] not in given_up)
        assert kinds == alerts, (kinds, alerts, results)


async def finished(reset: Case, *, writes: int, reason: str = "removed") -> None:
    """What was begun, or rightly asked for, was done, once."""
    ended = await reset.ended()
    assert (ended["outcome"], ended["reason"]) == ("done", reason), ended
    assert await reset.methods() == set()
    await _unwritten(reset, writes)


# ---- the operator's switches


@contextlib.asynccontextmanager
async def control(stack: Stack) -> AsyncIterator[TableControl]:
    """The control record, in the hands of who may turn the switches."""
    async with TableServiceClient.from_connection_string(stack.journal_account.connection_string) as service:
        yield TableControl(service.get_table_client(CONTROL_TABLE))


async def turned(stack: Stack, name: SwitchName, *, on: bool) -> None:
    async with control(stack) as switches:
        await switches.turn(name, Switch(on=on, by="operator", why="a test", at=datetime.now(UTC)))
