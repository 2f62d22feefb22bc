"""Whom and what it refuses. Each rule is one question over facts, with its reason; `True` means: refuse.

Rules come in three stages, by what must have been read to ask them. Facts are complete by their types: a stage whose facts could
not be read is not asked, and then nothing is allowed. More rules are added here, beside their like, in the order of
`model.Reason`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from shared.model import PRECEDENCE, Person, Privileges, Profile, Reason, Ticket
from shared.record import Pins

ANY = frozenset({"*"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What an organisation allows. Empty means none, never all.

    `ticket_system` says whether there is one to read from. `catalog_items` is `ANY` when every item justifies a reset.
    """

    request_max_age: timedelta
    trusted_sources: frozenset[str]
    allowed_profiles: frozenset[Profile]
    ticket_system: bool
    ticket_tables: frozenset[str]
    catalog_items: frozenset[str]
    approvals_required: int


@dataclass(frozen=True, slots=True)
class EventFacts:
    """`age` is the event's age at acceptance; of one without a ticket, at the start of this run.

    A ticket says itself which profile it asks for: `profile` and `ticket_table` exclude each other.
    """

    age: timedelta
    source: str
    ticket_table: str | None
    profile: Profile | None


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """`profile` is what the ticket asks for, None when it is none that exists. `pins` is what an earlier reading bound."""

    ticket: Ticket
    profile: Profile | None
    pins: Pins


@dataclass(frozen=True, slots=True)
class PersonFacts:
    person: Person
    privileges: Privileges
    pinned_id: str | None


# ---- the event


def request_expired(event: EventFacts, limits: Limits) -> bool:
    """The event is older than REQUEST_MAX_AGE."""
    return event.age > limits.request_max_age


def source_not_trusted(event: EventFacts, limits: Limits) -> bool:
    """Nobody but a trusted source may ask without a ticket."""
    return event.ticket_table is None and event.source not in limits.trusted_sources


def profile_not_allowed(event: EventFacts, limits: Limits) -> bool:
    """The event asks for a profile that is not in ALLOWED_PROFILES."""
    return event.profile is not None and event.profile not in limits.allowed_profiles


def ticket_system_not_configured(event: EventFacts, limits: Limits) -> bool:
    """The event names a ticket, and there is no system to read it from."""
    return event.ticket_table is not None and not limits.ticket_system


def table_not_for_reset(event: EventFacts, limits: Limits) -> bool:
    """The ticket is in a table that is not in SERVICENOW_TABLES: it is not even read."""
    return event.ticket_table is not None and event.ticket_table not in limits.ticket_tables


# ---- the ticket


def ticket_profile_not_allowed(facts: TicketFacts, limits: Limits) -> bool:
    """The ticket asks for a profile that does not exist or is not allowed."""
    return facts.profile not in limits.allowed_profiles


def ticket_changed(facts: TicketFacts, limits: Limits) -> bool:
    """Subject or opener is another than at the first reading."""
    del limits
    pins, ticket = facts.pins, facts.ticket
    return (pins.ticket_subject is not None and ticket.requested_for != pins.ticket_subject) or (
        pins.ticket_opened_by is not None and ticket.opened_by != pins.ticket_opened_by
    )


def item_not_for_reset(facts: TicketFacts, limits: Limits) -> bool:
    """The ticket is for a catalog item that justifies no reset: an approved laptop order is no licence."""
    return limits.catalog_items != ANY and facts.ticket.catalog_item not in limits.catalog_items


def ticket_closed(facts: TicketFacts, limits: Limits) -> bool:
    """The ticket is not active."""
    del limits
    return not facts.ticket.active


def _approvers(ticket: Ticket) -> set[str]:
    """Who is on record as having approved; an approval without a person counts for nothing."""
    return {row.approver for row in ticket.approvals if row.state == "approved" and row.approver}


def ticket_not_approved(facts: TicketFacts, limits: Limits) -> bool:
    """The ticket is not approved, too few people are on record for it, or somebody rejected it."""
    ticket = facts.ticket
    rejected = any(row.state == "rejected" for row in ticket.approvals)
    return ticket.approval != "approved" or rejected or len(_approvers(ticket)) < limits.approvals_required


def approver_not_independent(facts: TicketFacts, limits: Limits) -> bool:
    """Too few approvals come from somebody who is neither the subject nor who opened the ticket, if that is on record at all."""
    ticket = facts.ticket
    independent = _approvers(ticket) - {ticket.requested_for, ticket.opened_by}
    return len(_approvers(ticket)) >= limits.approvals_required and (
        len(independent) < limits.approvals_required or not ticket.opened_by
    )


def ticket_subject_missing(facts: TicketFacts, limits: Limits) -> bool:
    """The ticket is for nobody, or for somebody without an identifier in the directory."""
    del limits
    return not facts.ticket.requested_for or not facts.ticket.subject


# ---- the person


def subject_changed(facts: PersonFacts, limits: Limits) -> bool:
    """The identifier now leads to another person than at the first reading."""
    del limits
    return facts.pinned_id is not None and facts.person.id != facts.pinned_id


def user_guest(facts: PersonFacts, limits: Limits) -> bool:
    """The person's methods live in another tenant."""
    del limits
    return facts.person.guest


def user_disabled(facts: PersonFacts, limits: Limits) -> bool:
    """The account is disabled: dormant accounts are what attackers enrol for themselves."""
    del limits
    return not facts.person.enabled


def user_privileged(facts: PersonFacts, limits: Limits) -> bool:
    """The person holds a directory role or may activate one."""
    del limits
    return bool(facts.privileges.active or facts.privileges.eligible)


def user_management_restricted(facts: PersonFacts, limits: Limits) -> bool:
    """The person is in a restricted management administrative unit."""
    del limits
    return facts.person.management_restricted


type Rule[F] = tuple[Reason, Callable[[F, Limits], bool]]

EVENT_RULES: tuple[Rule[EventFacts], ...] = (
    (Reason.REQUEST_EXPIRED, request_expired),
    (Reason.SOURCE_NOT_TRUSTED, source_not_trusted),
    (Reason.PROFILE_NOT_ALLOWED, profile_not_allowed),
    (Reason.TICKET_SYSTEM_NOT_CONFIGURED, ticket_system_not_configured),
    (Reason.TICKET_NOT_FOR_RESET, table_not_for_reset),
)
TICKET_RULES: tuple[Rule[TicketFacts], ...] = (
    (Reason.PROFILE_NOT_ALLOWED, ticket_profile_not_allowed),
    (Reason.TICKET_CHANGED, ticket_changed),
    (Reason.TICKET_NOT_FOR_RESET, item_not_for_reset),
    (Reason.TICKET_CLOSED, ticket_closed),
    (Reason.TICKET_NOT_APPROVED, ticket_not_approved),
    (Reason.APPROVER_NOT_INDEPENDENT, approver_not_independent),
    (Reason.TICKET_SUBJECT_MISSING, ticket_subject_missing),
)
PERSON_RULES: tuple[Rule[PersonFacts], ...] = (
    (Reason.TICKET_CHANGED, subject_changed),
    (Reason.USER_GUEST, user_guest),
    (Reason.USER_DISABLED, user_disabled),
    (Reason.USER_PRIVILEGED, user_privileged),
    (Reason.USER_MANAGEMENT_RESTRICTED, user_management_restricted),
)


def refusals[F](rules: tuple[Rule[F], ...], facts: F, limits: Limits) -> tuple[Reason, ...]:
    """Every reason to refuse that holds, in order of precedence; empty when none does."""
    return tuple(sorted({reason for reason, refuses in rules if refuses(facts, limits)}, key=PRECEDENCE.__getitem__))
