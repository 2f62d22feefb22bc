"""What the journal remembers of one request: frozen values, and their JSON form. How they may change stands in `journal`."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import TypeAdapter

from shared.model import (
    Action,
    AlertKind,
    Cause,
    LeftAlone,
    Method,
    Mode,
    Outcome,
    Profile,
    Reason,
    Status,
    TicketRef,
    Verdict,
    WaitingFor,
)
from shared.receipt import Anchor

SCHEMA = 1  # of a record's JSON form; raised with every change to it that an older version would not understand, or would drop


class StepName(StrEnum):
    """What a person may read in the status as having happened, in the order of the main job."""

    ACCEPTED = "accepted"
    TICKET_READ = "ticket-read"
    PERSON_RESOLVED = "person-resolved"
    INVENTORY_READ = "inventory-read"
    DECIDED = "decided"
    CONFIRMED = "confirmed"
    DEFAULT_CHANGED = "default-changed"
    METHOD_REMOVED = "method-removed"
    REMOVAL_REFUSED = "removal-refused"
    SESSIONS_REVOKED = "sessions-revoked"
    READ_BACK = "read-back"
    ENDED = "ended"
    TICKET_NOTED = "ticket-noted"
    RESULT_PUBLISHED = "result-published"
    ALERTED = "alerted"
    NOT_DELIVERED = "not-delivered"


@dataclass(frozen=True, slots=True)
class StepTaken:
    """`detail` is a type, a count or a reason; `graph_request_id` is Graph's own id of the call."""

    name: StepName
    at: datetime
    detail: str | None = None
    graph_request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """Who works on the request, and until when nobody else may."""

    owner: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Pins:
    """What was bound at the first reading: object id, `sys_user` id of the subject, `sys_user` id of who opened the ticket."""

    subject_id: str | None = None
    ticket_subject: str | None = None
    ticket_opened_by: str | None = None


@dataclass(frozen=True, slots=True)
class RemovalEntry:
    """One removal from its intent on, and the attempt that means it: `gone_at` is set by Graph's `204` or `404`."""

    type: str
    id: str
    action: Action
    attempt: int
    intended_at: datetime
    gone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outage:
    """Since when a service has not answered without a success between, and until when it asked to be left alone."""

    service: WaitingFor
    since: datetime
    not_before: datetime | None = None


class OwedKind(StrEnum):
    START_NOTE = "start"
    WAITING_NOTE = "waiting"
    OUTCOME_NOTE = "outcome"
    RESULT = "result"
    PRIVILEGED_ALERT = AlertKind.PRIVILEGED_SUBJECT
    PROTECTED_ALERT = AlertKind.PROTECTED_SUBJECT
    METHOD_ALERT = AlertKind.METHOD_REGISTERED
    UNFINISHED_ALERT = AlertKind.RESET_UNFINISHED
    NOT_DELIVERED_ALERT = AlertKind.NOT_DELIVERED
    INTERNAL_ERROR_ALERT = AlertKind.INTERNAL_ERROR

    @property
    def is_note(self) -> bool:
        """Written to the ticket; the others are events on the results queue."""
        return self in (OwedKind.START_NOTE, OwedKind.WAITING_NOTE, OwedKind.OUTCOME_NOTE)


@dataclass(frozen=True, slots=True)
class Owed:
    """Something that the outside has still to be told. `content` is the finished JSON of the note or event.

    `told`: it was, and only the receipt does not say so yet.
    """

    kind: OwedKind
    attempt: int
    content: str
    since: datetime
    tried: int = 0
    told: bool = False


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """One delivery that was taken in. `attempt` is the one it opened, joined or was answered with."""

    key: str
    request_id: str
    fingerprint: str
    attempt: int
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """One request with its current attempt. `message` is what wakes a worker for it; it is dropped when nothing is left to do."""

    id: str
    cause: Cause
    ticket: TicketRef | None
    subject: str | None
    requested_by: str | None
    message: str | None

    attempt: int
    attempts_opened: tuple[datetime, ...]
    mode: Mode
    profile: Profile
    event_time: datetime
    accepted_at: datetime
    latest_event_at: datetime
    updated_at: datetime

    status: Status = Status.ACCEPTED
    waiting_for: WaitingFor | None = None
    next_try_at: datetime | None = None
    waits: int = 0
    tries: int = 0
    outages: tuple[Outage, ...] = ()
    lease: Lease | None = None
    put_back_at: datetime | None = None
    dry_runs: tuple[datetime, ...] = ()  # which of `attempts_opened` were accepted as such
    reopened_by: str | None = None  # the operator's order that opened this attempt

    pins: Pins = Pins()
    facts_read_at: datetime | None = None
    verdicts: tuple[Verdict, ...] = ()
    inventory: tuple[Method, ...] | None = None
    removals: tuple[RemovalEntry, ...] = ()
    revoked_at: datetime | None = None
    read_back_since: datetime | None = None
    steps: tuple[StepTaken, ...] = ()

    outcome: Outcome | None = None
    reasons: tuple[Reason, ...] = ()
    would_remove: tuple[RemovalEntry, ...] = ()
    left_alone: tuple[LeftAlone, ...] = ()
    ended_at: datetime | None = None
    receipt: Anchor | None = None  # of the outcome
    owed: tuple[Owed, ...] = ()
    forgotten_at: datetime | None = None  # since then only what must hold for ever is kept

    @property
    def is_open(self) -> bool:
        return self.outcome is None

    @property
    def removal_begun(self) -> bool:
        """A removal counts as made once its intent is journaled: the contract's "first removal".

        From then on nobody may be left half stripped: tries are not counted, outages and missing permissions are outlasted for
        seven days, and a withdrawal is only noted.
        """
        return any(entry.attempt == self.attempt for entry in self.removals)

    @property
    def acted_on(self) -> bool:
        """What was decided has been felt: a removal has begun or, where nothing was to be removed, sessions are revoked.

        It is not decided again, held back by a switch, or called a dry run. With sessions alone nobody is half stripped, so
        patience ends as it does before the first removal.
        """
        return self.removal_begun or self.revoked_at is not None

    @property
    def owes_result(self) -> bool:
        return any(owed.kind is OwedKind.RESULT and owed.attempt == self.attempt for owed in self.owed)

    @property
    def reason(self) -> Reason | None:
        return self.reasons[0] if self.reasons else None


RECORD_JSON: TypeAdapter[Record] = TypeAdapter(Record)
