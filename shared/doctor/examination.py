"""What the doctor looks at: every check is made, whatever becomes of the others, at the same time where it can be.

What cannot be read is never taken for good: a check that fails for a reason without a name is one that was not made.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import ValidationError

from shared import simulation
from shared.app import App
from shared.doctor import configuration, permissions, registration
from shared.doctor.findings import Finding, Status, not_checked
from shared.doctor.permissions import Identity, Needs
from shared.doctor.ports import Dates, GraphInspection, QueueSeen, RowsSeen, StorageInspection, TicketInspection, TicketSeen
from shared.guardrails import ANY
from shared.model import Mode, Person, Profile, Reason, WaitingFor
from shared.ports import Forbidden, NotLetIn, PersonNotFound, TicketNotFound, TokenRefused, Unavailable
from shared.settings import Connection, TicketSystem
from shared.simulation import ForPerson

REQUESTS, RESULTS, POISON = "mfa-requests", "mfa-results", "mfa-requests-poison"
JOURNAL, CONTROL, RECEIPTS = "reregisterjournal", "reregistercontrol", "reregister-receipts"
ENCODING_SETTING = "AzureFunctionsJobHost__extensions__queues__messageEncoding"
SOURCE = "urn:reregister:doctor"
CANARIES = 5
SLOW_CLOCK = timedelta(seconds=30)
WRONG_CLOCK = timedelta(seconds=240)
USER_PRIVILEGED = Reason.USER_PRIVILEGED
ALWAYS_ASKED = ("sys_id", "number", "active", "state", "approval", "cat_item", "opened_by", "work_notes", "comments")

TICKET_IDS = (
    "ticket-fields",
    "ticket-proof-field",
    "ticket-profile-field",
    "ticket-catalog-item",
    "ticket-subject",
    "ticket-approvals",
)


@dataclass(frozen=True, slots=True)
class Tenant:
    """What is looked at, and by what. `policies` is a file of Conditional Access policies that a person has fetched."""

    app: App
    environment: Mapping[str, str]
    needs: Needs
    host_json: bytes
    graph: GraphInspection
    storage: StorageInspection
    tickets: TicketInspection | None
    dates: Dates
    addresses: Mapping[str, str] = field(default_factory=dict)
    canary: str | None = None
    ticket: str | None = None
    policies: bytes | None = None

    @property
    def system(self) -> TicketSystem | None:
        return self.app.settings.ticket_system

    @property
    def enforces(self) -> bool:
        return self.app.settings.mode is Mode.ENFORCE


@dataclass(frozen=True, slots=True)
class Examined:
    """`identity` is None where our token could not be read."""

    findings: tuple[Finding, ...]
    identity: Identity | None


type Check = Callable[[Tenant], Awaitable[Sequence[Finding]]]


async def examine(tenant: Tenant) -> Examined:
    """A finding for each id of each check, in their order."""
    claims, who = await _claims(tenant)
    answers = await asyncio.gather(
        _made(permissions.ids(tenant.needs), lambda one: _of_token(one, claims), tenant),
        *(_made(ids, check, tenant) for ids, check in CHECKS),
    )
    return Examined(tuple(finding for answer in answers for finding in answer), who)


def nothing_examined(needs: Needs, why: str) -> tuple[Finding, ...]:
    """What is left to say where the settings allow no check."""
    return not_checked([*permissions.ids(needs), *(one for ids, _ in CHECKS for one in ids)], why)


async def _made(ids: tuple[str, ...], check: Check, tenant: Tenant) -> Sequence[Finding]:
    try:
        return await check(tenant)
    except (Unavailable, Forbidden) as error:
        return not_checked(ids, f"It could not be read: {_cause(error)}.")
    except Exception as error:  # noqa: BLE001 the other checks are of use all the same
        return not_checked(ids, f"It failed for a reason that has no name here: {type(error).__name__}.")


def _cause(error: Unavailable | Forbidden) -> str:
    service = error.waiting_for if isinstance(error, Unavailable) else error.service
    return f"{service} says {error.cause}"


# ---- Microsoft Graph

type Claims = Mapping[str, object] | Unavailable | None


async def _claims(tenant: Tenant) -> tuple[Claims, Identity | None]:
    try:
        claims = await tenant.graph.claims()
    except Unavailable as error:
        return error, None
    return claims, permissions.identity(claims) if claims is not None else None


async def _of_token(tenant: Tenant, claims: Claims) -> Sequence[Finding]:
    chosen = tenant.app.settings
    if isinstance(claims, Unavailable):
        first, *rest = permissions.ids(tenant.needs)
        mend = "az functionapp identity assign --name <app> --resource-group <group> --identities <id of the identity>"
        token = Finding(first, Status.FAULT, f"No token could be had: {_cause(claims)}.", mend)
        return (token, *not_checked(rest, "There is no token."))
    return permissions.judge(
        claims,
        tenant.needs,
        client_id=chosen.client_id,
        full_reset=Profile.FULL_RESET in chosen.limits.allowed_profiles,
        revoke=chosen.revoke_sessions,
    )


async def _canary(tenant: Tenant) -> Sequence[Finding]:
    """An administrator is put to the rules as they are in force; nothing is written, whatever they say."""
    name = "guard-canary"
    mend = "reregister doctor --canary <UPN or object id of an administrator>"
    named = [tenant.canary] if tenant.canary else [one.id for one in await _administrators(tenant)]
    if not named:
        return not_checked([name], "No administrator is known to us: name one.", mend=mend)
    made = await simulation.simulate(tenant.app, ForPerson(named[0], SOURCE))
    asked = {verdict.reason: verdict.refuses for verdict in made.verdicts}
    if USER_PRIVILEGED not in asked:
        why = "; ".join(f"{one.what} ({one.cause})" for one in made.unread) or "the directory has no such person"
        return not_checked([name], f"The rule about administrators could not be asked: {why}.", mend=mend)
    if asked[USER_PRIVILEGED]:
        return [Finding(name, Status.OK, f"{made.subject_id} is refused as an administrator.")]
    pause = 'reregister pause --why "the guard lets an administrator through"'
    return [Finding(name, Status.FAULT, f"{made.subject_id} is not refused as an administrator.", pause)]


async def _administrators(tenant: Tenant) -> Sequence[Person]:
    try:
        return await tenant.graph.administrators(CANARIES)
    except (Unavailable, Forbidden):
        return ()


async def _registration(tenant: Tenant) -> Sequence[Finding]:
    root = tenant.app.settings.graph_endpoint
    if tenant.policies is not None:
        try:
            given = registration.Policies.model_validate_json(tenant.policies)
        except ValidationError:
            return not_checked(
                [registration.ID], "The file of policies is not what Graph lists.", mend=registration.unseen(root).mend
            )
        return [registration.judge(given.value, root)]
    claims = await tenant.graph.claims()
    roles = claims.get("roles") if claims else None
    if not isinstance(roles, list) or registration.READER not in roles:
        return [registration.unseen(root)]
    return [registration.judge(await tenant.graph.policies(), root)]


# ---- storage


async def _requests_queue(tenant: Tenant) -> Sequence[Finding]:
    """The queue and what lies on it: each message is looked at where it is, and none is taken."""
    finding, seen = await _queue(tenant, "storage-requests-queue", REQUESTS)
    return finding, _encoding(tenant, seen)


async def _results_queue(tenant: Tenant) -> Sequence[Finding]:
    finding, _ = await _queue(tenant, "storage-results-queue", RESULTS)
    return [finding]


async def _poison_queue(tenant: Tenant) -> Sequence[Finding]:
    finding, seen = await _queue(tenant, "storage-poison-queue", POISON, made_when_needed=True)
    name = "poison-empty"
    if finding.status is Status.FAULT:
        return finding, *not_checked([name], "The queue cannot be read.")
    if seen is None or not seen.messages:
        return finding, Finding(name, Status.OK, "Nothing lies there.")
    what = f"About {seen.messages} lie there; the app takes them off within a minute or two while it runs."
    return finding, Finding(name, Status.FAULT, what, "reregister dead-letters")


async def _queue(tenant: Tenant, finding: str, queue: str, *, made_when_needed: bool = False) -> tuple[Finding, QueueSeen | None]:
    try:
        seen = await tenant.storage.queue(queue)
    except Unavailable as error:
        return _shut(
            finding, error, f"queue {queue}", _role(queue, "Storage Queue Data Contributor", "queueServices/default/queues")
        ), None
    if seen is not None:
        return Finding(finding, Status.OK, f"The queue {queue} can be read; about {seen.messages} messages."), seen
    mend = _create("queue", queue)
    if made_when_needed:
        return _not_there_yet(finding, f"queue {queue}", tenant.app.settings.queues, mend), None
    return Finding(finding, Status.FAULT, f"There is no queue {queue}.", mend), None


def _encoding(tenant: Tenant, seen: QueueSeen | None) -> Finding:
    name, said = "queue-encoding", _message_encoding(tenant)
    if said != "base64":
        mend = f"az functionapp config appsettings set --name <app> --resource-group <group> --settings {ENCODING_SETTING}=base64"
        return Finding(name, Status.FAULT, "The host does not read messages as base64.", mend)
    if seen is None:
        return Finding(name, Status.NOT_CHECKED, f"The host reads base64; no message on {REQUESTS} could be looked at.")
    if seen.foreign:
        what = f"{seen.foreign} of the {seen.looked_at} messages at the head of {REQUESTS} are not base64 of UTF-8 text."
        mend = f"az storage message put --auth-mode login --account-name <account> --queue-name {REQUESTS} --content <base64>"
        return Finding(name, Status.FAULT, what, mend)
    return Finding(name, Status.OK, f"The host reads base64, and so are the {seen.looked_at} messages that could be looked at.")


def _message_encoding(tenant: Tenant) -> object:
    """As the host reads it: a setting, in whatever case its name is, goes before host.json, and base64 is its default.

    None where host.json is not readable.
    """
    for name, value in tenant.environment.items():
        if name.lower() == ENCODING_SETTING.lower() and (given := value.strip()):
            return given.lower()
    try:
        queues = json.loads(tenant.host_json).get("extensions", {}).get("queues", {})
        return str(queues.get("messageEncoding", "base64")).lower()
    except (ValueError, AttributeError):
        return None


async def _journal(tenant: Tenant) -> Sequence[Finding]:
    return [await _table(tenant, "storage-journal", JOURNAL, tenant.storage.journal())]


async def _control(tenant: Tenant) -> Sequence[Finding]:
    return [await _table(tenant, "storage-control", CONTROL, tenant.storage.control())]


async def _receipts(tenant: Tenant) -> Sequence[Finding]:
    role = _role(RECEIPTS, "Storage Blob Data Contributor", "blobServices/default/containers")
    return [await _store(tenant, "storage-receipts", "container", RECEIPTS, tenant.storage.receipts(), role)]


async def _table(tenant: Tenant, finding: str, name: str, looked: Awaitable[bool]) -> Finding:
    role = _role(name, "Storage Table Data Contributor", "tableServices/default/tables")
    return await _store(tenant, finding, "table", name, looked, role)


async def _store(tenant: Tenant, finding: str, kind: str, name: str, looked: Awaitable[bool], role: str) -> Finding:
    what = f"{kind} {name}"
    try:
        there = await looked
    except Unavailable as error:
        return _shut(finding, error, what, role)
    if there:
        return Finding(finding, Status.OK, f"The {what} can be read.")
    return _not_there_yet(finding, what, tenant.app.settings.journal, _create(kind, name))


def _not_there_yet(finding: str, what: str, connection: Connection, mend: str) -> Finding:
    """With a connection string it can be made whenever it is needed; an identity may have its role on just what was there."""
    if connection.connection_string is not None:
        return Finding(finding, Status.OK, f"There is no {what} yet; it is made when it is needed.")
    return Finding(finding, Status.WARNING, f"There is no {what}, and our identity may not be allowed to make it.", mend)


def _create(kind: str, name: str) -> str:
    return f"az storage {kind} create --auth-mode login --account-name <account> --name {name}"


def _shut(finding: str, error: Unavailable, what: str, role: str) -> Finding:
    if isinstance(error, NotLetIn):
        return Finding(finding, Status.FAULT, f"The {what} may not be read: {error.cause}.", role)
    address = "az storage account show --name <account> --query primaryEndpoints"
    return Finding(finding, Status.FAULT, f"The {what} does not answer: {error.cause}.", address)


def _role(name: str, role: str, below: str) -> str:
    return f'az role assignment create --role "{role}" --assignee <client id> --scope <id of the storage account>/{below}/{name}'


# ---- ServiceNow


async def _ticket_system(tenant: Tenant) -> Sequence[Finding]:
    names, system = ("ticket-system", "ticket-total-count"), tenant.system
    if system is None or tenant.tickets is None:
        return _without_tickets(names)
    table = min(tenant.app.settings.limits.ticket_tables)
    try:
        seen = await tenant.tickets.reach(table)
    except (Unavailable, Forbidden, TicketNotFound) as error:
        refused = isinstance(error, Forbidden)
        why = _cause(error) if not isinstance(error, TicketNotFound) else f"the table {table} is not there"
        mend = (
            "infra/servicenow/README.md has the records; then: az account get-access-token --resource " + system.audience
            if refused
            else f"curl --head {system.url}/api/now/v2/table/{table}"
        )
        kind = (
            "does not accept our token"
            if isinstance(error, TokenRefused)
            else "does not let us read"
            if refused
            else "has no answer"
        )
        first = Finding(names[0], Status.FAULT, f"ServiceNow {kind}: {why}.", mend)
        return first, *not_checked(names[1:], "ServiceNow gave no list.")
    reached = Finding(names[0], Status.OK, f"ServiceNow answers our token ({table}).")
    if seen.total is None:
        command = f'curl --head --header "Authorization: Bearer <token>" "{system.url}/api/now/v2/table/{table}?sysparm_limit=1"'
        return reached, Finding(names[1], Status.FAULT, "Lists come without X-Total-Count.", command)
    return reached, Finding(names[1], Status.OK, "Lists say how many rows match.")


def _without_tickets(ids: Iterable[str]) -> Sequence[Finding]:
    return not_checked(ids, "No ticket system is configured.", mandatory=False)


async def _approver_group(tenant: Tenant) -> Sequence[Finding]:
    name, group = "ticket-approver-group", tenant.app.settings.limits.approver_group
    if tenant.tickets is None or group is None:
        return [Finding(name, Status.OK, "No approver group is configured.")]
    mend = "Give the integration user the right to read sys_user_grmember, and the group direct members (docs/permissions.md)."
    try:
        seen = await tenant.tickets.members(group)
    except Forbidden as error:
        return [Finding(name, Status.FAULT, f"Its members may not be read: {_cause(error)}.", mend)]
    if _hidden(seen):
        return [Finding(name, Status.FAULT, f"{seen.shown} of {seen.total} memberships are shown to us.", mend)]
    if not seen.shown:
        return [Finding(name, Status.FAULT, "Nobody is a direct member of the group, or nobody that we may see.", mend)]
    return [Finding(name, Status.OK, f"{seen.shown} direct members.")]


def _hidden(seen: RowsSeen) -> bool:
    return seen.total is not None and seen.shown < seen.total


async def _ticket(tenant: Tenant) -> Sequence[Finding]:
    """Field and approval mapping on a real ticket. In enforce it must have been looked at."""
    system, tickets = tenant.system, tenant.tickets
    every = ("ticket-sample", *TICKET_IDS)
    if system is None or tickets is None:
        return _without_tickets(every)
    if tenant.ticket is None:
        ask = "reregister doctor --ticket <number of a ticket for our catalog item>"
        return not_checked(every, "No ticket was named.", mandatory=tenant.enforces, mend=ask)
    tables = sorted(tenant.app.settings.limits.ticket_tables)
    wanted = [name for name in (system.profile_field, system.proof_field) if name is not None]
    found = await tickets.ticket(tables, tenant.ticket, (*ALWAYS_ASKED, *wanted))
    if found is None:
        what = f"None of the tables ({', '.join(tables)}) shows us such a ticket."
        mend = "Give the integration user the right to read these tables (docs/permissions.md), or name another ticket."
        return Finding(every[0], Status.FAULT, what, mend), *not_checked(TICKET_IDS, "There is no ticket to look at.")
    sample = Finding(every[0], Status.OK, "The ticket can be read.")
    subject, approvals = await asyncio.gather(
        _made(("ticket-subject",), lambda one: _subject(one, system, found), tenant),
        _made(("ticket-approvals",), lambda _: _approvals(tickets, found), tenant),
    )
    return (
        sample,
        _fields(found),
        _field("ticket-proof-field", "PROOF_FIELD", system.proof_field, found),
        _field("ticket-profile-field", "SERVICENOW_PROFILE_FIELD", system.profile_field, found),
        _catalog_item(tenant, found),
        *subject,
        *approvals,
    )


def _fields(found: TicketSeen) -> Finding:
    hidden = [name for name in (*ALWAYS_ASKED, found.person_field) if name not in found.shown]
    if not hidden:
        return Finding("ticket-fields", Status.OK, "Every field that decides is shown to us.")
    mend = f"Give the integration user the right to read {', '.join(hidden)} (docs/permissions.md, ServiceNow)."
    return Finding("ticket-fields", Status.FAULT, f"Not shown to us: {', '.join(hidden)}.", mend)


def _field(finding: str, setting: str, name: str | None, found: TicketSeen) -> Finding:
    if name is None:
        return Finding(finding, Status.OK, f"{setting} is not set.")
    if name in found.shown:
        return Finding(finding, Status.OK, f"The ticket has {name}.")
    mend = f"az functionapp config appsettings set --name <app> --resource-group <group> --settings {setting}=<field>"
    return Finding(finding, Status.FAULT, f"The ticket has no {name}, or it may not be read.", mend)


def _catalog_item(tenant: Tenant, found: TicketSeen) -> Finding:
    name, allowed = "ticket-catalog-item", tenant.app.settings.limits.catalog_items
    if allowed == ANY or found.catalog_item.lower() in allowed:
        return Finding(name, Status.OK, "The ticket's catalog item is an allowed one.")
    mend = (
        "az functionapp config appsettings set --name <app> --resource-group <group> --settings SERVICENOW_CATALOG_ITEMS=<sys_id>"
    )
    item = found.catalog_item if found.catalog_item.isalnum() else "none"
    return Finding(name, Status.FAULT, f"The ticket's catalog item ({item}) is not among SERVICENOW_CATALOG_ITEMS.", mend)


async def _subject(tenant: Tenant, system: TicketSystem, found: TicketSeen) -> Sequence[Finding]:
    name, field_name = "ticket-subject", system.user_field
    mend = "az functionapp config appsettings set --name <app> --resource-group <group> --settings SERVICENOW_USER_FIELD=<field>"
    assert tenant.tickets is not None
    said = await tenant.tickets.subject(found.requested_for, field_name) if found.requested_for else None
    if said is None:
        return [Finding(name, Status.FAULT, f"{field_name} of the ticket's sys_user says nothing, or may not be read.", mend)]
    try:
        person = await tenant.app.directory().person(said)
    except PersonNotFound:
        return [Finding(name, Status.FAULT, f"{field_name} leads to nobody in Entra.", mend)]
    return [Finding(name, Status.OK, f"{field_name} leads to one user in Entra ({person.id}).")]


async def _approvals(tickets: TicketInspection, found: TicketSeen) -> Sequence[Finding]:
    name = "ticket-approvals"
    mend = "Give the integration user the right to read every row of sysapproval_approver (docs/permissions.md, ServiceNow)."
    try:
        seen = await tickets.approvals(found.sys_id)
    except Forbidden as error:
        return [Finding(name, Status.FAULT, f"They may not be read: {_cause(error)}.", mend)]
    if seen.total is None:
        return [Finding(name, Status.FAULT, "The list does not say how many there are (X-Total-Count).", mend)]
    if _hidden(seen):
        return [Finding(name, Status.FAULT, f"{seen.shown} of {seen.total} approvals are shown to us.", mend)]
    if not seen.total:
        what = "The ticket has no approvals, so they were not seen to be readable: name one that has some."
        return [Finding(name, Status.NOT_CHECKED, what, "reregister doctor --ticket <number>")]
    return [Finding(name, Status.OK, f"All {seen.total} approvals are shown to us.")]


# ---- clocks


def _clock(finding: str, service: WaitingFor) -> Check:
    async def check(tenant: Tenant) -> Sequence[Finding]:
        address = tenant.addresses.get(service)
        if address is None:
            needed = service is not WaitingFor.TICKET_SYSTEM
            return not_checked([finding], f"There is no {service} to ask.", mandatory=needed)
        before = tenant.app.clock.now()
        told = await tenant.dates.told(address)
        after = tenant.app.clock.now()
        return [clock_finding(finding, told, before, after)]

    return check


def clock_finding(finding: str, told: datetime | None, before: datetime, after: datetime) -> Finding:
    """How far the service's clock is from ours, as far as an answer between `before` and `after`, to the second, shows."""
    mend = "timedatectl set-ntp true"
    if told is None:
        return Finding(finding, Status.NOT_CHECKED, "It gave no answer with a Date.", mend)
    beside = max(before - told - timedelta(seconds=1), told - after, timedelta())
    seconds = round(beside.total_seconds())
    if beside > WRONG_CLOCK:
        return Finding(finding, Status.FAULT, f"Its clock is {seconds} s beside ours.", mend)
    if beside > SLOW_CLOCK:
        return Finding(finding, Status.WARNING, f"Its clock is {seconds} s beside ours.", mend)
    return Finding(finding, Status.OK, f"Its clock is {seconds} s beside ours.")


CHECKS: tuple[tuple[tuple[str, ...], Check], ...] = (
    (("guard-canary",), _canary),
    ((registration.ID,), _registration),
    (("storage-requests-queue", "queue-encoding"), _requests_queue),
    (("storage-results-queue",), _results_queue),
    (("storage-poison-queue", "poison-empty"), _poison_queue),
    (("storage-journal",), _journal),
    (("storage-control",), _control),
    (("storage-receipts",), _receipts),
    (("ticket-system", "ticket-total-count"), _ticket_system),
    (("ticket-approver-group",), _approver_group),
    (("ticket-sample", *TICKET_IDS), _ticket),
    (("clock-graph",), _clock("clock-graph", WaitingFor.GRAPH)),
    (("clock-storage",), _clock("clock-storage", WaitingFor.STORAGE)),
    (("clock-ticket-system",), _clock("clock-ticket-system", WaitingFor.TICKET_SYSTEM)),
)
"""Each with the ids of what it finds, in their order."""

IDS = (*configuration.IDS, *(one for ids, _ in CHECKS for one in ids))
