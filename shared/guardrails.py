"""Whom and what it refuses. Each rule is one question over facts, with its reason; `True` means: refuse.

Rules come in stages, by what must have been read to ask them, and all of a stage are asked. Facts are complete by their
types: a stage whose facts could not be read is not asked, and then nothing is allowed. More rules are added here, beside their
like, in the order of `model.Reason`; each says in words what its answer rests on, and has its place in docs/threat-model.md.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.model import PRECEDENCE, Approval, Person, Profile, Reason, Standing, Ticket, Verdict
from shared.record import Pins

ANY = frozenset({"*"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What an organisation allows. Empty means none, never all, and zero means zero.

    `ticket_system` says whether there is one to read from. `catalog_items` is `ANY` when every item justifies a reset.
    `approver_group`, `integration_user` and `proof_field` are None where nothing is asked of them; `allowed_groups` is empty
    where the whole tenant is in scope. Object ids are in lower case.
    """

    request_max_age: timedelta
    trusted_sources: frozenset[str]
    allowed_profiles: frozenset[Profile]
    ticket_system: bool
    ticket_tables: frozenset[str]
    catalog_items: frozenset[str]
    approvals_required: int
    approval_max_age: timedelta
    approver_group: str | None
    integration_user: str | None
    proof_field: str | None
    proof_accepted: frozenset[str]
    protected_users: frozenset[str]
    protected_groups: frozenset[str]
    allowed_groups: frozenset[str]
    cooldown: timedelta
    actor_hourly_limit: int
    breaker_limit: int


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
    now: datetime


@dataclass(frozen=True, slots=True)
class SubjectFacts:
    """`person` is whom the directory has, None when nobody. `identifier` is what the ticket calls them now, None without one.

    `pinned_id` is who was bound at the first reading, None when nobody was.
    """

    person: Person | None
    identifier: str | None
    pinned_id: str | None


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """`last_reset` is when another request last reset this person, None when that is longer ago than anybody asks."""

    person: Person
    standing: Standing
    last_reset: datetime | None
    now: datetime


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


def ticket_not_found(ticket: Ticket | None, limits: Limits) -> bool:
    """There is no such ticket, its number belongs to another, or we are not shown it."""
    del limits
    return ticket is None


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


def _approvals(ticket: Ticket) -> tuple[Approval, ...]:
    """The approvals that somebody is on record for; one without a person counts for nothing."""
    return tuple(row for row in ticket.approvals if row.state == "approved" and row.approver)


def _approvers(rows: Iterable[Approval]) -> frozenset[str]:
    return frozenset(row.approver for row in rows)


def _independent(facts: TicketFacts, limits: Limits) -> tuple[Approval, ...]:
    """The approvals by somebody who may give one, as far as it is on record who opened the ticket."""
    ticket = facts.ticket
    barred = {ticket.requested_for, ticket.opened_by, limits.integration_user}
    rows = tuple(row for row in _approvals(ticket) if row.approver not in barred) if ticket.opened_by else ()
    if limits.approver_group is None:
        return rows
    return tuple(row for row in rows if row.approver in (ticket.group_approvers or ()))


def _recent(facts: TicketFacts, limits: Limits) -> tuple[Approval, ...]:
    """The independent approvals that are not too old; one without a time is."""
    oldest = facts.now - limits.approval_max_age
    return tuple(row for row in _independent(facts, limits) if row.updated_at is not None and row.updated_at >= oldest)


def approvers(facts: TicketFacts, limits: Limits) -> frozenset[str]:
    """On whose word it is done: everybody whose approval counts."""
    return _approvers(_recent(facts, limits))


def ticket_not_approved(facts: TicketFacts, limits: Limits) -> bool:
    """The ticket is not approved, too few people are on record for it, or somebody rejected it."""
    ticket = facts.ticket
    rejected = any(row.state == "rejected" for row in ticket.approvals)
    return ticket.approval != "approved" or rejected or len(_approvers(_approvals(ticket))) < limits.approvals_required


def approver_not_independent(facts: TicketFacts, limits: Limits) -> bool:
    """Too few approvals come from somebody of the approver group who is neither subject, opener nor our own account."""
    enough = len(_approvers(_approvals(facts.ticket))) >= limits.approvals_required
    return enough and len(_approvers(_independent(facts, limits))) < limits.approvals_required


def approval_expired(facts: TicketFacts, limits: Limits) -> bool:
    """Too few of the independent approvals are younger than APPROVAL_MAX_AGE."""
    enough = len(_approvers(_independent(facts, limits))) >= limits.approvals_required
    return enough and len(approvers(facts, limits)) < limits.approvals_required


def proof_missing(facts: TicketFacts, limits: Limits) -> bool:
    """The ticket does not attest that identity was proven in a way that is accepted."""
    return limits.proof_field is not None and facts.ticket.proof not in limits.proof_accepted


def ticket_subject_missing(facts: TicketFacts, limits: Limits) -> bool:
    """The ticket is for nobody, or for somebody without an identifier in the directory."""
    del limits
    return not facts.ticket.requested_for or not facts.ticket.subject


# ---- who the subject is


def _leads_to(person: Person, identifier: str | None) -> bool:
    """Whether the person is known by this identifier now; by none at all nobody else is meant."""
    return identifier is None or identifier.casefold() in {person.id.casefold(), person.user_principal_name.casefold()}


def subject_changed(facts: SubjectFacts, limits: Limits) -> bool:
    """The identifier now leads to another person than at the first reading."""
    del limits
    if facts.person is None:
        return False
    bound_to_another = facts.pinned_id is not None and facts.person.id != facts.pinned_id
    return bound_to_another or not _leads_to(facts.person, facts.identifier)


def user_not_found(facts: SubjectFacts, limits: Limits) -> bool:
    """The directory has no such person."""
    del limits
    return facts.person is None


# ---- the person


def user_guest(facts: PersonFacts, limits: Limits) -> bool:
    """The person's methods live in another tenant."""
    del limits
    return facts.person.guest


def user_disabled(facts: PersonFacts, limits: Limits) -> bool:
    """The account is disabled: dormant accounts are what attackers enrol for themselves."""
    del limits
    return not facts.person.enabled


def protected_user(facts: PersonFacts, limits: Limits) -> bool:
    """The person is one of PROTECTED_USERS."""
    return facts.person.id.lower() in limits.protected_users


def protected_group(facts: PersonFacts, limits: Limits) -> bool:
    """The person is in one of PROTECTED_GROUPS, directly or through other groups."""
    return not facts.standing.groups.isdisjoint(limits.protected_groups)


def user_privileged(facts: PersonFacts, limits: Limits) -> bool:
    """The person holds a directory role or may activate one, or belongs to a role-assignable group; no setting allows it."""
    del limits
    return bool(facts.standing.active or facts.standing.eligible or facts.standing.role_groups)


def user_management_restricted(facts: PersonFacts, limits: Limits) -> bool:
    """The person is in a restricted management administrative unit."""
    del limits
    return facts.person.management_restricted


def user_out_of_scope(facts: PersonFacts, limits: Limits) -> bool:
    """ALLOWED_GROUPS is set, and the person is in none of them."""
    return bool(limits.allowed_groups) and facts.standing.groups.isdisjoint(limits.allowed_groups)


def cooldown(facts: PersonFacts, limits: Limits) -> bool:
    """Another request reset the person less than COOLDOWN ago."""
    return facts.last_reset is not None and facts.now - facts.last_reset < limits.cooldown


# ---- what an answer rests on, in words: identifiers, counts and times


def _words(values: Iterable[str]) -> str:
    return ", ".join(sorted(values)) or "none"


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "no time"


def _rows(rows: Iterable[Approval]) -> str:
    return _words(f"{row.approver or 'nobody'} ({row.state}, {_time(row.updated_at)})" for row in rows)


def _origin(person: Person) -> str:
    """Where the account is kept makes no difference: methods are the cloud's own, of a synchronised account too."""
    return "synchronised from on-premises, which is fine: its methods are in the cloud" if person.synced else "a cloud account"


def _subject(facts: SubjectFacts) -> str:
    who = facts.person.id if facts.person else "nobody"
    bound = f"bound to {facts.pinned_id}" if facts.pinned_id else "not bound yet"
    elsewhere = facts.person is not None and not _leads_to(facts.person, facts.identifier)
    return f"{who}, {bound}" + (", the ticket's identifier leads elsewhere" if elsewhere else "")


type Question[F] = Callable[[F, Limits], bool]
type Words[F] = Callable[[F, Limits], str]


@dataclass(frozen=True, slots=True)
class Rule[F]:
    """`refuses` is the question, `fact` says in words what its answer rests on."""

    reason: Reason
    refuses: Question[F]
    fact: Words[F]

    @property
    def name(self) -> str:
        return str(getattr(self.refuses, "__name__", "")).replace("_", "-")


EVENT_RULES: tuple[Rule[EventFacts], ...] = (
    Rule(Reason.REQUEST_EXPIRED, request_expired, lambda e, li: f"asked {e.age} ago, {li.request_max_age} allowed"),
    Rule(Reason.SOURCE_NOT_TRUSTED, source_not_trusted, lambda e, _: "by ticket" if e.ticket_table else f"by {e.source}"),
    Rule(
        Reason.PROFILE_NOT_ALLOWED,
        profile_not_allowed,
        lambda e, li: f"{e.profile or 'as the ticket says'} of {_words(li.allowed_profiles)}",
    ),
    Rule(
        Reason.TICKET_SYSTEM_NOT_CONFIGURED,
        ticket_system_not_configured,
        lambda _, li: "configured" if li.ticket_system else "not configured",
    ),
    Rule(
        Reason.TICKET_NOT_FOR_RESET,
        table_not_for_reset,
        lambda e, li: f"{e.ticket_table or 'no table'} of {_words(li.ticket_tables)}",
    ),
)
TICKET_FOUND_RULES: tuple[Rule[Ticket | None], ...] = (
    Rule(Reason.TICKET_NOT_FOUND, ticket_not_found, lambda t, _: f"{t.ref.table} {t.ref.sys_id}" if t else "none is shown to us"),
)
TICKET_RULES: tuple[Rule[TicketFacts], ...] = (
    Rule(
        Reason.PROFILE_NOT_ALLOWED,
        ticket_profile_not_allowed,
        lambda t, li: f"{t.profile or 'an unknown one'} of {_words(li.allowed_profiles)}",
    ),
    Rule(
        Reason.TICKET_CHANGED,
        ticket_changed,
        lambda t, _: f"for {t.ticket.requested_for or 'nobody'}, opened by {t.ticket.opened_by or 'nobody'}",
    ),
    Rule(
        Reason.TICKET_NOT_FOR_RESET,
        item_not_for_reset,
        lambda t, li: f"{t.ticket.catalog_item or 'no item'} of {_words(li.catalog_items)}",
    ),
    Rule(
        Reason.TICKET_CLOSED,
        ticket_closed,
        lambda t, _: f"{'active' if t.ticket.active else 'not active'}, state {t.ticket.state}",
    ),
    Rule(
        Reason.TICKET_NOT_APPROVED,
        ticket_not_approved,
        lambda t, _: f"{t.ticket.approval or 'no approval'}; {_rows(t.ticket.approvals)}",
    ),
    Rule(
        Reason.APPROVER_NOT_INDEPENDENT,
        approver_not_independent,
        lambda t, li: f"{_words(_approvers(_independent(t, li)))}; {li.approvals_required} required",
    ),
    Rule(
        Reason.APPROVAL_EXPIRED,
        approval_expired,
        lambda t, li: f"{_rows(_independent(t, li))}; {li.approval_max_age} allowed at {_time(t.now)}",
    ),
    Rule(
        Reason.PROOF_MISSING,
        proof_missing,
        lambda t, li: (
            f"{t.ticket.proof if t.ticket.proof in li.proof_accepted else 'none that is accepted'}"
            if li.proof_field
            else "not asked for"
        ),
    ),
    Rule(
        Reason.TICKET_SUBJECT_MISSING,
        ticket_subject_missing,
        lambda t, _: f"{t.ticket.requested_for or 'nobody'}, {'with' if t.ticket.subject else 'without'} an identifier",
    ),
)
SUBJECT_RULES: tuple[Rule[SubjectFacts], ...] = (
    Rule(Reason.TICKET_CHANGED, subject_changed, lambda s, _: _subject(s)),
    Rule(Reason.USER_NOT_FOUND, user_not_found, lambda s, _: s.person.id if s.person else "nobody"),
)
PERSON_RULES: tuple[Rule[PersonFacts], ...] = (
    Rule(Reason.USER_GUEST, user_guest, lambda p, _: "a guest" if p.person.guest else f"a member, {_origin(p.person)}"),
    Rule(Reason.USER_DISABLED, user_disabled, lambda p, _: "enabled" if p.person.enabled else "disabled"),
    Rule(Reason.USER_PROTECTED, protected_user, lambda p, li: f"{p.person.id}; {len(li.protected_users)} are protected"),
    Rule(
        Reason.USER_PROTECTED,
        protected_group,
        lambda p, li: f"in {_words(p.standing.groups & li.protected_groups)} of {len(li.protected_groups)}",
    ),
    Rule(
        Reason.USER_PRIVILEGED,
        user_privileged,
        lambda p, _: (
            f"roles held: {_words(p.standing.active)}; to be activated: {_words(p.standing.eligible)}; "
            f"role-assignable groups: {_words(p.standing.role_groups)}"
        ),
    ),
    Rule(
        Reason.USER_MANAGEMENT_RESTRICTED,
        user_management_restricted,
        lambda p, _: "restricted" if p.person.management_restricted else "not restricted",
    ),
    Rule(
        Reason.USER_OUT_OF_SCOPE,
        user_out_of_scope,
        lambda p, li: f"in {_words(p.standing.groups & li.allowed_groups)}" if li.allowed_groups else "everybody is in scope",
    ),
    Rule(
        Reason.COOLDOWN,
        cooldown,
        lambda p, li: f"last reset {_time(p.last_reset)}, {li.cooldown} apart" if p.last_reset else "not reset of late",
    ),
)

ABOUT_TICKET: tuple[Rule[Any], ...] = (*TICKET_FOUND_RULES, *TICKET_RULES)
ABOUT_PERSON: tuple[Rule[Any], ...] = (*SUBJECT_RULES, *PERSON_RULES)
RULES: tuple[Rule[Any], ...] = (*EVENT_RULES, *ABOUT_TICKET, *ABOUT_PERSON)


def ask[F](rules: tuple[Rule[F], ...], facts: F, limits: Limits) -> tuple[Verdict, ...]:
    """Every rule's answer, in the order of the rules."""
    return tuple(Verdict(rule.name, rule.reason, rule.refuses(facts, limits), rule.fact(facts, limits)) for rule in rules)


def refusals(verdicts: Iterable[Verdict]) -> tuple[Reason, ...]:
    """Every reason to refuse, once, in order of precedence; empty when no rule refuses."""
    return tuple(sorted({verdict.reason for verdict in verdicts if verdict.refuses}, key=PRECEDENCE.__getitem__))
