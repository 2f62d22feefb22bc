"""Small builders: each gives a plausible value, of which a test names only what matters to it.

    build.ticket(active=False)      build.record(profile=Profile.FULL_RESET)      build.ended(Outcome.DONE, Reason.REMOVED)

Times count from `NOW`, when the request of `record()` was accepted: `after(minutes=5)`.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared import admission, identity, journal
from shared.guardrails import Limits
from shared.model import (
    Action,
    Approval,
    Cause,
    Event,
    Inventory,
    Method,
    Mode,
    Order,
    OrderKind,
    Outcome,
    Person,
    Profile,
    Reason,
    Reset,
    Status,
    Switch,
    Ticket,
    TicketRef,
    WaitingFor,
)
from shared.record import Lease, Owed, OwedKind, Pins, Record, RemovalEntry, SeenEvent, StepName, StepTaken

NOW = datetime(2026, 11, 24, 2, 35, 16, tzinfo=UTC)
LEASE = timedelta(minutes=2)
TICK = timedelta(microseconds=1)

ADELE = "87d349ed-44d7-43e1-9a83-5f2406dee5bd"  # object id of the subject
SUBJECT, OPENER, APPROVER = "5" * 32, "0" * 32, "a" * 32  # sys_user ids
CATALOG_ITEM = "c" * 32

# The refusals that rest on what is read from the ticket system, so that a later event for the ticket may change them
TICKET_REASONS = (
    Reason.PROFILE_NOT_ALLOWED,
    Reason.TICKET_NOT_FOUND,
    Reason.TICKET_CHANGED,
    Reason.TICKET_NOT_FOR_RESET,
    Reason.TICKET_CLOSED,
    Reason.TICKET_NOT_APPROVED,
    Reason.APPROVER_NOT_INDEPENDENT,
    Reason.APPROVAL_EXPIRED,
    Reason.PROOF_MISSING,
    Reason.TICKET_SUBJECT_MISSING,
)

MOBILE = "3179e48a-750b-4051-897c-87b9720928f7"
ALTERNATE_MOBILE = "b6332ec1-7057-4abe-9331-3d72feddfe41"
OFFICE = "e37fc753-ff3b-4958-9484-eaa9425c82bc"

REF = TicketRef("servicenow", "sc_req_item", "0123456789abcdef0123456789abcdef", "RITM0010001")
CAUSE = Cause("urn:contoso:soar", "4711-1")


def after(**length: float) -> datetime:
    return NOW + timedelta(**length)


def before(**length: float) -> datetime:
    return NOW - timedelta(**length)


def event(**changes: Any) -> Event:
    """About a person, from other automation."""
    made = Event(CAUSE, before(minutes=1), "f" * 64, subject="adele.vance@contoso.com", profile=Profile.REQUIRE_REREGISTER)
    return replace(made, **changes)


def ticket_event(event_id: str = "msg-1", **changes: Any) -> Event:
    """About the ticket `REF`; each `event_id` is another delivery."""
    return replace(
        Event(Cause("urn:reregister:webhook:servicenow", event_id), before(minutes=1), "f" * 64, ticket=REF), **changes
    )


def seen(of: Event, request: Record, **changes: Any) -> SeenEvent:
    """What the journal remembers of an event that `request` was the answer to."""
    made = SeenEvent(identity.event_key(of.cause), request.id, of.fingerprint, request.attempt, request.accepted_at)
    return replace(made, **changes)


def person(**changes: Any) -> Person:
    return replace(
        Person(ADELE, "adele.vance@contoso.com", enabled=True, guest=False, management_restricted=False, synced=False), **changes
    )


def approval(approver: str = APPROVER, state: str = "approved", updated_at: datetime | None = None) -> Approval:
    return Approval(approver, state, updated_at or before(hours=1))


def ticket(**changes: Any) -> Ticket:
    """Open, for a catalog item that justifies a reset, approved by somebody who is neither subject nor opener."""
    made = Ticket(
        ref=REF,
        active=True,
        state="1",
        approval="approved",
        catalog_item=CATALOG_ITEM,
        requested_for=SUBJECT,
        opened_by=OPENER,
        subject="adele.vance@contoso.com",
        approvals=(approval(),),
    )
    return replace(made, **changes)


def limits(**changes: Any) -> Limits:
    """Such as let `ticket()`, and a trusted sender's event, pass."""
    made = Limits(
        request_max_age=timedelta(hours=24),
        trusted_sources=frozenset({CAUSE.source}),
        allowed_profiles=frozenset({Profile.REQUIRE_REREGISTER}),
        ticket_system=True,
        ticket_tables=frozenset({REF.table}),
        catalog_items=frozenset({CATALOG_ITEM}),
        approvals_required=1,
        approval_max_age=timedelta(hours=72),
        approver_group=None,
        integration_user=None,
        proof_field=None,
        proof_accepted=frozenset(),
        protected_users=frozenset(),
        protected_groups=frozenset(),
        allowed_groups=frozenset(),
        cooldown=timedelta(hours=24),
        actor_hourly_limit=10,
        breaker_limit=50,
    )
    return replace(made, **changes)


def counted(**changes: Any) -> Reset:
    """What the ledger holds of another ticket's reset of the subject, made at `NOW`."""
    return replace(Reset("another", ADELE, NOW, (f"requester:{OPENER}", f"approver:{APPROVER}")), **changes)


def switch(on: bool = True, at: datetime = NOW, **changes: Any) -> Switch:
    """Turned by an operator."""
    return replace(Switch(on, by="operator@contoso.com", why="CHG0030001", at=at), **changes)


def method(
    kind: str = "phone", method_id: str = MOBILE, created_at: datetime | None = None, active: bool | None = None
) -> Method:
    return Method(kind, method_id, created_at, active)


def inventory(*methods: Method, default: str | None = None) -> Inventory:
    return Inventory(methods, default, "graph-request-1")


def entry(of: Method, **changes: Any) -> RemovalEntry:
    """The removal of a method by the first attempt, meant and not yet answered; `gone_at` makes it answered."""
    return replace(RemovalEntry(of.type, of.id, Action.DELETE, 1, after(seconds=10)), **changes)


def owed(kind: OwedKind = OwedKind.RESULT, attempt: int = 1, since: datetime = NOW, tried: int = 0) -> Owed:
    return Owed(kind, attempt, "{}", since, tried)


def record(**changes: Any) -> Record:
    """A ticket's request in its first, enforced attempt, accepted at `NOW` and not yet claimed."""
    opened = admission.admit(ticket_event(), "message", NOW, None, None, mode=Mode.ENFORCE, now=NOW).record
    return replace(opened, **changes)


def running(**changes: Any) -> Record:
    """`record()` in the hands of `worker-1` since `NOW`, its ticket read and its subject pinned."""
    made = record(
        status=Status.RUNNING,
        lease=Lease("worker-1", NOW + LEASE),
        tries=1,
        pins=Pins(ADELE, SUBJECT, OPENER),
        facts_read_at=after(seconds=1),
    )
    return replace(made, **changes)


def begun(*methods: Method, **changes: Any) -> Record:
    """`running()` with `methods` (a mobile number unless told) as its inventory; the first one's removal is journaled."""
    held = methods or (method(),)
    return replace(running(inventory=held, removals=(entry(held[0]),)), **changes)


def held(waiting_for: WaitingFor = WaitingFor.PAUSED, **changes: Any) -> Record:
    """`running()` that has waited for a human since `NOW`."""
    return journal.wait(running(**changes), waiting_for, None, NOW, 0.5)


def ended(outcome: Outcome = Outcome.REFUSED, *reasons: Reason, **changes: Any) -> Record:
    """`running()` that ended a minute after `NOW` (refused: the ticket was not approved), and owes nothing any more."""
    said = reasons or (Reason.TICKET_NOT_APPROVED,)
    made = running(
        status=Status(outcome),
        lease=None,
        message=None,
        outcome=outcome,
        reasons=said,
        ended_at=after(minutes=1),
        updated_at=after(minutes=1),
        steps=(StepTaken(StepName.ACCEPTED, NOW), StepTaken(StepName.ENDED, after(minutes=1), said[0])),
    )
    return replace(made, **changes)


# One record in every state that a request can be in
STATES: dict[str, Record] = {
    "accepted": record(),
    "running": running(),
    "begun": begun(),
    "waiting": journal.wait(running(), WaitingFor.GRAPH, None, after(seconds=5), 0.5),
    "done": ended(Outcome.DONE, Reason.REMOVED),
    "dry run": ended(Outcome.DONE, Reason.DRY_RUN, mode=Mode.DRY_RUN),
    "refused": ended(),
    "failed": ended(Outcome.FAILED, Reason.INTERNAL_ERROR),
}


def order(**changes: Any) -> Order:
    """To reopen a request that `target` names."""
    return replace(Order("0" * 32, OrderKind.REOPEN, "0" * 32, "operator@contoso.com", "CHG0030002", NOW), **changes)
