"""The values that the whole app speaks. Frozen, without behaviour beyond what follows from their own fields.

All times are aware UTC datetimes. Names are those of Microsoft Graph, ServiceNow and CloudEvents.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

RETENTION = timedelta(days=90)  # how long what has ended is remembered in full


class Mode(StrEnum):
    DRY_RUN = "dry-run"
    ENFORCE = "enforce"


class Profile(StrEnum):
    """What is removed; `plan` knows which method types each one covers."""

    REQUIRE_REREGISTER = "require-reregister"
    FULL_RESET = "full-reset"


class Status(StrEnum):
    ACCEPTED = "accepted"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class WaitingFor(StrEnum):
    GRAPH = "graph"
    TICKET_SYSTEM = "ticket-system"
    STORAGE = "storage"
    RATE_LIMIT = "rate-limit"
    BREAKER = "breaker"
    PAUSED = "paused"


class Reason(StrEnum):
    """Why an attempt ended as it did. Refusals stand in their order of precedence; a reason never changes its meaning."""

    PAYLOAD_INVALID = "payload-invalid"
    PAYLOAD_MISMATCH = "payload-mismatch"
    REQUEST_EXPIRED = "request-expired"
    SOURCE_NOT_TRUSTED = "source-not-trusted"
    PROFILE_NOT_ALLOWED = "profile-not-allowed"
    TICKET_SYSTEM_NOT_CONFIGURED = "ticket-system-not-configured"
    TICKET_NOT_FOUND = "ticket-not-found"
    TICKET_CHANGED = "ticket-changed"
    TICKET_NOT_FOR_RESET = "ticket-not-for-reset"
    TICKET_CLOSED = "ticket-closed"
    TICKET_NOT_APPROVED = "ticket-not-approved"
    APPROVER_NOT_INDEPENDENT = "approver-not-independent"
    APPROVAL_EXPIRED = "approval-expired"
    PROOF_MISSING = "proof-missing"
    TICKET_SUBJECT_MISSING = "ticket-subject-missing"
    USER_NOT_FOUND = "user-not-found"
    USER_GUEST = "user-guest"
    USER_DISABLED = "user-disabled"
    USER_PROTECTED = "user-protected"
    USER_PRIVILEGED = "user-privileged"
    USER_MANAGEMENT_RESTRICTED = "user-management-restricted"
    USER_OUT_OF_SCOPE = "user-out-of-scope"
    COOLDOWN = "cooldown"

    REMOVED = "removed"
    NOTHING_TO_REMOVE = "nothing-to-remove"
    DRY_RUN = "dry-run"

    DEFAULT_METHOD_STUCK = "default-method-stuck"
    UNKNOWN_METHOD = "unknown-method"
    NOT_REMOVED = "not-removed"
    GRAPH_FORBIDDEN = "graph-forbidden"
    GRAPH_UNAVAILABLE = "graph-unavailable"
    TICKET_SYSTEM_FORBIDDEN = "ticket-system-forbidden"
    TICKET_SYSTEM_UNAVAILABLE = "ticket-system-unavailable"
    INTERNAL_ERROR = "internal-error"


class AlertKind(StrEnum):
    """What somebody should look at, whatever becomes of the request; the names are stable."""

    PRIVILEGED_SUBJECT = "privileged-subject"
    PROTECTED_SUBJECT = "protected-subject"
    METHOD_REGISTERED = "method-registered"
    BREAKER_OPENED = "breaker-opened"
    AUTHENTICATION_FAILURES = "authentication-failures"
    DEAD_LETTER = "dead-letter"
    RESET_UNFINISHED = "reset-unfinished"
    NOT_DELIVERED = "not-delivered"
    INTERNAL_ERROR = "internal-error"


PRECEDENCE: dict[Reason, int] = {reason: place for place, reason in enumerate(Reason)}

# ---- events: what asks for a reset


@dataclass(frozen=True, slots=True)
class TicketRef:
    """Where the ticket is; `number` is what people call it and must belong to `sys_id`."""

    system: str
    table: str
    sys_id: str
    number: str


@dataclass(frozen=True, slots=True)
class Cause:
    """The identity of a CloudEvent: `(source, id)` is unique by its specification."""

    source: str
    id: str


@dataclass(frozen=True, slots=True)
class Event:
    """One demand, verified and well formed, whichever door it came through.

    Either `ticket` is set, or `subject` is (a user principal name or an object id) with its `profile`.
    `fingerprint` is a digest of what the sender said, so that one identity with other content is noticed.
    """

    cause: Cause
    time: datetime
    fingerprint: str
    ticket: TicketRef | None = None
    subject: str | None = None
    profile: Profile | None = None
    requested_by: str | None = None


# ---- the directory


@dataclass(frozen=True, slots=True)
class Person:
    """An Entra user as read once from Graph; from here on only `id` (the object id) names them."""

    id: str
    user_principal_name: str
    enabled: bool
    guest: bool
    management_restricted: bool
    synced: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What the person may do in the directory, and where they belong.

    `active` and `eligible` are ids of directory roles, held or to be activated. `role_groups` are role-assignable groups, which
    alone may have roles, of which the person is a member or owner, or may become one (PIM for Groups).
    `groups` are all groups that the person is a member of, directly or through other groups. Ids of groups are in lower case.
    """

    active: tuple[str, ...] = ()
    eligible: tuple[str, ...] = ()
    role_groups: tuple[str, ...] = ()
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Method:
    """One registered authentication method.

    `type` is Graph's type name without `#microsoft.graph.` and `AuthenticationMethod`, as in `phone`.
    `created_at` is None where Graph does not say. `active` is False for a hardware token that is assigned but deactivated, None
    where Graph does not say.
    """

    type: str
    id: str
    created_at: datetime | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """The methods registered at one moment, and the default among them if Graph would say.

    `default` is Graph's `userPreferredMethodForSecondaryAuthentication`: push, oath, voiceMobile, voiceAlternateMobile,
    voiceOffice, sms; None when unknown. `request_id` is Graph's for the listing.
    """

    methods: tuple[Method, ...]
    default: str | None = None
    request_id: str | None = None


class Action(StrEnum):
    DELETE = "delete"
    DEACTIVATE = "deactivate"


@dataclass(frozen=True, slots=True)
class Removal:
    """One step of a plan: what happens to one method."""

    method: Method
    action: Action = Action.DELETE


class Why(StrEnum):
    PROFILE = "profile"
    REGISTERED_SINCE = "registered-since"
    UNKNOWN_TYPE = "unknown-type"


@dataclass(frozen=True, slots=True)
class LeftAlone:
    type: str
    id: str
    why: Why


# ---- the ticket


@dataclass(frozen=True, slots=True)
class Approval:
    """One row of `sysapproval_approver`: `approver` is a `sys_user` id, "" when nobody is on record."""

    approver: str
    state: str
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as re-read from ServiceNow, in values, never display texts.

    `requested_for` and `opened_by` are `sys_user` ids, "" when empty. `subject` is what the configured field of the
    requested-for record holds: a UPN or an object id; None when there is no such record or the field is empty.
    `profile` and `proof` are the raw values of the configured fields, None when none is configured.
    `group_approvers` are those of its approvers who are members of the configured group now, None when none is configured.
    `activity` is the display text of its journal fields, where our own markers are looked for.
    """

    ref: TicketRef
    active: bool
    state: str
    approval: str
    catalog_item: str
    requested_for: str
    opened_by: str
    subject: str | None
    approvals: tuple[Approval, ...]
    profile: str | None = None
    proof: str | None = None
    group_approvers: frozenset[str] | None = None
    activity: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """What is written to a ticket at once, recognised by `marker`, which stands in each text.

    `work_notes` is for the desk, `comments` for the customer, `state` the value the ticket moves to.
    """

    marker: str
    work_notes: str
    comments: str | None = None
    state: str | None = None


# ---- what is asked, what slows down, what stops


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule's answer. `fact` says in words, with identifiers and times but never names, what the answer rests on."""

    rule: str
    reason: Reason
    refuses: bool
    fact: str


@dataclass(frozen=True, slots=True)
class Reset:
    """One reset as the limits count it, from just before its first change. `actors` are who asked for it and who approved it."""

    request_id: str
    subject_id: str
    at: datetime
    actors: tuple[str, ...]


class SwitchName(StrEnum):
    PAUSE = "pause"
    BREAKER = "breaker"


@dataclass(frozen=True, slots=True)
class Switch:
    """The last change of a switch: `on` means that requests wait. `announced`: the alert about it is out."""

    on: bool
    by: str
    why: str
    at: datetime
    announced: bool = False


@dataclass(frozen=True, slots=True)
class Switches:
    """Both switches; None: it was never touched, so nothing waits for it."""

    pause: Switch | None = None
    breaker: Switch | None = None


# ---- what nothing could be made of, and what operators order


class How(StrEnum):
    """What an operator did about a dead letter."""

    REOPENED = "reopened"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of a dead letter, `at` by our own clock. `order_id`: by which the order is recognised when it is repeated."""

    how: How
    by: str
    why: str
    at: datetime
    order_id: str = ""

    def repeats(self, other: "Resolution | None") -> bool:
        """Whether both are the same order's."""
        return other is not None and (self.how, self.order_id) == (other.how, other.order_id)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be processed, whole. `detail` says why in our words, and repeats nothing of it.

    `announced`: its alert is out and its sender is answered. `request_id` and `ticket` are None where they cannot be told.
    """

    id: str
    reason: Reason
    detail: str
    text: str
    first_seen: datetime
    request_id: str | None = None
    ticket: TicketRef | None = None
    announced: bool = False
    resolution: Resolution | None = None

    @property
    def forget_at(self) -> datetime | None:
        """When its text may go; None while nothing was done about it, or when it has gone."""
        return self.resolution.at + RETENTION if self.resolution and self.text else None


class OrderKind(StrEnum):
    REOPEN = "reopen"
    DISCARD = "discard"


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator wants done to `target`: the id of a request or of a dead letter."""

    id: str
    what: OrderKind
    target: str
    by: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OrderReply:
    """What became of an order: whether it is so now, in a sentence, and of which request."""

    done: bool
    said: str
    at: datetime
    request_id: str | None = None
