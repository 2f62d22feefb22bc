"""What the use cases need of the world, in our own words. Adapters translate every error of theirs into the ones here.

An `Unavailable` may succeed later and says how long to wait if it knows; a `Forbidden` will not succeed until somebody changes a
permission; everything else that an adapter raises is unclassified.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from shared.model import (
    DeadLetter,
    Inventory,
    Note,
    Order,
    OrderReply,
    Person,
    Removal,
    Reset,
    Resolution,
    Standing,
    Switch,
    Switches,
    SwitchName,
    Ticket,
    TicketRef,
    WaitingFor,
)
from shared.record import Record, SeenEvent


class Unavailable(Exception):
    """A service could not do it now: throttled, down, timed out, or it answered what is no answer."""

    def __init__(self, waiting_for: WaitingFor, cause: str, retry_after: timedelta | None = None) -> None:
        super().__init__(f"{waiting_for}: {cause}")
        self.waiting_for = waiting_for
        self.cause = cause
        self.retry_after = retry_after


class NotLetIn(Unavailable):
    """Storage does not let our identity do it. It is waited for like an outage: whoever gives the role loses nothing."""


class NewerVersion(Unavailable):
    """A newer version of the app wrote the record, and only that may go on with it: waited for, and never held for broken."""

    def __init__(self, request_id: str) -> None:
        super().__init__(WaitingFor.STORAGE, "written by a newer version")
        self.request_id = request_id


class Forbidden(Exception):
    """A service refused for want of a permission or a valid token."""

    def __init__(self, waiting_for: WaitingFor, cause: str) -> None:
        super().__init__(f"{waiting_for}: {cause}")
        self.service = waiting_for
        self.cause = cause


class TokenRefused(Forbidden):
    """A service did not accept our token. It may have been an old one: worth another look, but not hours of them."""


class PersonNotFound(Exception):
    """The directory has no such user."""


class TicketNotFound(Exception):
    """The ticket system has no such ticket, or will not let us read it: the two look alike."""


class Conflict(Exception):
    """The stored version is no longer the one that was read."""


class Unreadable(Exception):
    """The journal holds what cannot be true: somebody else has written to it, and a human must look."""


# ---- the directory


@dataclass(frozen=True, slots=True)
class Removed:
    """The answer to one removal. `gone`: accepted, or there was nothing (`204`, `404`). Not gone: refused for now (`400`)."""

    gone: bool
    status: int
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """The answer to any other change. `done`: it is as was asked; else refused for now (`400`)."""

    done: bool
    status: int
    request_id: str | None = None


class Directory(Protocol):
    """Microsoft Graph for the length of one invocation. Every method may raise `Unavailable` or `Forbidden`."""

    async def person(self, identifier: str) -> Person:
        """The user with this object id or UPN; `PersonNotFound`."""
        ...

    async def standing(self, person_id: str) -> Standing:
        """Every directory role that the person holds or may activate, every role-assignable group, every group; complete."""
        ...

    async def inventory(self, person_id: str) -> Inventory:
        """All registered methods, hardware tokens included, with the default if it can be learned; `PersonNotFound`."""
        ...

    async def methods(self, person_id: str) -> Inventory:
        """All registered methods, without asking for the default: for reading back; `PersonNotFound`."""
        ...

    async def lacking(self, removals: Sequence[Removal], *, revoke: bool, prefer: bool) -> tuple[str, ...]:
        """Application permissions that our token is seen to lack for these calls; empty also when it cannot be seen."""
        ...

    async def prefer(self, person_id: str, method: str) -> Changed:
        """The default method is now `method` (a value of `userPreferredMethodForSecondaryAuthentication`), if that can be."""
        ...

    async def remove(self, person_id: str, removal: Removal) -> Removed:
        """One method deleted or deactivated, or refused for now. `Forbidden` leaves it untouched."""
        ...

    async def revoke_sessions(self, person_id: str) -> Changed:
        """Sign-in sessions are revoked."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """`state_changed`: the ticket is in the note's state, or the note has none. A ticket system may say yes and not do it."""

    state_changed: bool


class TicketDesk(Protocol):
    """The ticket system for the length of one invocation. Every method may raise `Unavailable` or `Forbidden`."""

    async def read(self, ref: TicketRef) -> Ticket:
        """The ticket with its approvals and subject as of now; `TicketNotFound` also when its number is another."""
        ...

    async def locate(self, table: str, number: str) -> TicketRef:
        """The only ticket of the table with this number; `TicketNotFound` also when there are several."""
        ...

    async def write(self, ref: TicketRef, note: Note, *, repeat: bool) -> Written:
        """The note's texts stand on the ticket, read back. With `repeat`, what already bears the marker is not written again."""
        ...


# ---- storage; each may raise `Unavailable` with `WaitingFor.STORAGE`


@dataclass(frozen=True, slots=True)
class Stored:
    """A record with the version that a conditional write must name. `version` is the adapter's own."""

    record: Record
    version: Any


class Journal(Protocol):
    async def find(self, request_id: str, event_key: str | None = None) -> tuple[Stored | None, SeenEvent | None]:
        """The record of a request and what is known of an event, each None when there is none; read in parallel."""
        ...

    async def commit(self, record: Record, version: Any, seen: SeenEvent | None = None) -> Stored:
        """Record (and event) are stored, both or neither. `version` None: neither existed. `Conflict` when it moved on."""
        ...

    async def due(self, now: datetime, limit: int) -> tuple[str, ...]:
        """Ids of requests whose `due_at` has passed, longest due first. One read when there is nothing to do.

        With a `now` far ahead: the requests that have something left to do, save those that are held.
        """
        ...

    async def held(self, waiting_for: WaitingFor, limit: int) -> tuple[str, ...]:
        """Ids of requests that are held for this switch, longest first. One read when there are none."""
        ...

    async def expired(self, now: datetime, limit: int) -> tuple[str, ...]:
        """Ids of requests whose `forget_at` has passed, those that ended first come first. One read when there are none."""
        ...

    async def remains(self, request_id: str) -> str:
        """What stands in place of a record that is `Unreadable`: its document as it is, whatever that says; "" without one."""
        ...

    async def give_up(self, request_id: str) -> None:
        """The request is in no list any longer, whatever its record says: it is left to a human."""
        ...

    async def ping(self) -> None:
        """Returns when the journal answers."""
        ...


class DeadLetters(Protocol):
    """What could not be processed, until an operator has done something about it, and afterwards."""

    async def keep(self, letter: DeadLetter) -> DeadLetter:
        """The letter is on record, as it was the first time. One that was resolved before this was first seen lies open again."""
        ...

    async def announced(self, letter: DeadLetter) -> None:
        """The letter is marked as announced; nothing when it was resolved since."""
        ...

    async def resolved(self, letter_id: str, resolution: Resolution) -> bool:
        """The letter is resolved so, by this order; False when there is none, or it was resolved otherwise, and then nothing is
        changed. One that is `Unreadable` gives way to a letter with what stands there.
        """
        ...

    async def find(self, letter_id: str) -> DeadLetter | None:
        """The letter as it is now; `Unreadable` when somebody else has written to it."""
        ...

    async def listed(self, limit: int, *, resolved: bool = False) -> tuple[DeadLetter, ...]:
        """Letters that nothing was done about, or those that something was; of either, those seen first come first."""
        ...

    async def forget(self, now: datetime, limit: int) -> int:
        """Letters whose `forget_at` has passed are without their text; how many were looked at. One read when there are none."""
        ...


@dataclass(frozen=True, slots=True)
class Counted:
    """What the ledger holds: resets that are still of interest, and the latest of one person.

    `version` is the adapter's own, and covers both.
    """

    resets: tuple[Reset, ...]
    latest: Reset | None
    version: Any


class Ledger(Protocol):
    """The resets that were let through, counted across all workers."""

    async def read(self, subject_id: str) -> Counted:
        """The resets counted of late, in the whole tenant, and the person's latest."""
        ...

    async def commit(self, resets: tuple[Reset, ...], latest: Reset, version: Any) -> None:
        """`resets` is all that is kept from now on, `latest` its subject's latest; `Conflict` when either moved on."""
        ...


@dataclass(frozen=True, slots=True)
class SwitchChange:
    name: SwitchName
    switch: Switch


class Control(Protocol):
    """Pause and breaker, in a store of their own, so that who may turn them need not read the journal."""

    async def read(self) -> Switches:
        """Both switches as of now. A switch that cannot be understood is on."""
        ...

    async def turn(self, name: SwitchName, switch: Switch) -> bool:
        """The switch is as given, and its change on record; False when it was in that position, and then nothing is changed.

        It was turned no later than the store says: whoever turns it may have a clock that is ahead.
        """
        ...

    async def announced(self, name: SwitchName, switch: Switch) -> None:
        """The alert about this change is out; nothing when the switch has been turned since."""
        ...

    async def changes(self, limit: int) -> tuple[SwitchChange, ...]:
        """The last changes, latest first."""
        ...


class Orders(Protocol):
    """What operators want done, beside the switches: who may turn those may order, and the app carries it out."""

    async def give(self, order: Order) -> None:
        """The order is on record, and waits to be carried out."""
        ...

    async def waiting(self, limit: int) -> tuple[Order, ...]:
        """Orders that wait, oldest first. What cannot be understood is nobody's order: it has a reply, and waits no longer."""
        ...

    async def settled(self, order: Order, reply: OrderReply) -> None:
        """The order stays on record with this reply, and waits no longer; with an earlier one, if it has that."""
        ...

    async def reply(self, order: Order) -> OrderReply | None:
        """What became of it; None while it waits."""
        ...


class Receipts(Protocol):
    """The audit trail of each request, as bytes to which can only be added."""

    async def read(self, request_id: str) -> bytes:
        """All of a request's receipt; b"" when there is none."""
        ...

    async def append(self, request_id: str, data: bytes, at: int) -> None:
        """`data` follows the first `at` bytes, which are all that there was; else `Conflict`, and nothing is changed."""
        ...

    async def listed(self) -> tuple[str, ...]:
        """Ids of all requests that have a receipt."""
        ...

    async def ping(self) -> None:
        """Returns when the store of receipts answers."""
        ...


@dataclass(frozen=True, slots=True)
class Poisoned:
    """A message that was put aside, by us or by the host.

    `encoded`: it is base64 of UTF-8 text, as messages are, and `text` is what that says; else `text` is what the queue holds.
    `receipt` is the adapter's own.
    """

    text: str
    encoded: bool
    inserted_at: datetime
    receipt: Any


@dataclass(frozen=True, slots=True)
class Depth:
    """About how many messages a queue holds, hidden ones too, and since when the next one that is visible, if there is one."""

    queue: str
    messages: int
    oldest: datetime | None


LARGEST_MESSAGE = 49_152  # bytes of text on a queue, before base64


class RequestQueue(Protocol):
    async def put(self, message: str, delay: timedelta = timedelta()) -> None:
        """The message is durably on `mfa-requests`, visible after `delay`."""
        ...

    async def put_aside(self, message: str) -> None:
        """A message that nothing can be made of is durably on `mfa-requests-poison`."""
        ...

    async def publish(self, event: dict[str, Any]) -> None:
        """The CloudEvent is durably on `mfa-results`."""
        ...

    async def poisoned(self, limit: int) -> tuple[Poisoned, ...]:
        """Messages on `mfa-requests-poison`, hidden from now on for a minute; up to 32."""
        ...

    async def buried(self, message: Poisoned) -> None:
        """The message is off `mfa-requests-poison`; one that was hidden for too long stays."""
        ...

    async def depths(self) -> tuple[Depth, ...]:
        """How full each queue is; one that is not there is empty."""
        ...

    async def ping(self) -> None:
        """Returns when the queues answer."""
        ...


class Clock(Protocol):
    def now(self) -> datetime: ...

    async def sleep(self, seconds: float) -> None: ...
