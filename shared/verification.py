"""Whether receipts still say what they said: each is checked against what others know of it. Reads only."""

import re
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from shared import identity, receipt, wording
from shared.app import App
from shared.model import Reason, TicketRef
from shared.parallel import together
from shared.ports import Forbidden, NewerVersion, TicketDesk, TicketNotFound, Unavailable, Unreadable
from shared.receipt import Anchor, EntryKind, Fault, Finding, Line
from shared.record import Record

_SYS_ID = re.compile(r"[0-9a-f]{32}")
_NO_TICKET = "there is no such ticket, or it may not be read"


class Witness(StrEnum):
    """Where an anchor was found, farthest from our storage first."""

    GIVEN = "given"
    TICKET = "ticket"
    JOURNAL = "journal"


@dataclass(frozen=True, slots=True)
class Testimony:
    witness: Witness
    anchor: Anchor


@dataclass(frozen=True, slots=True)
class Unheard:
    """A witness that should know, and could not be asked."""

    witness: Witness
    cause: str


@dataclass(frozen=True, slots=True)
class Untold:
    """A witness that was never told anything: it cannot know, and nobody is held against its silence."""

    witness: Witness
    cause: str


@dataclass(frozen=True, slots=True)
class Checked:
    request_id: str
    entries: int
    testimonies: tuple[Testimony, ...]
    findings: tuple[Finding, ...]
    unheard: tuple[Unheard, ...]
    untold: tuple[Untold, ...]

    @property
    def holds(self) -> bool:
        return not self.findings and not self.unheard


async def check(app: App, request_id: str, desk: TicketDesk | None, given: Iterable[Anchor] = ()) -> Checked:
    """The receipt as it is now, against these anchors, those on its tickets, and the journal's.

    Who can write to our storage can change receipt and journal together: only the others are out of their reach.
    """
    whole, (record, unheard) = await together(app.receipts.read(request_id), _record(app, request_id))
    lines = receipt.lines(whole)
    testimonies = [Testimony(Witness.GIVEN, anchor) for anchor in given]
    named = [ref for ref in _in_receipt(lines) if identity.ticket_request_id(ref) == request_id]
    untold: list[Untold] = []
    for ref in dict.fromkeys((*_of_record(record), *named)):
        if ref.table not in app.settings.limits.ticket_tables:
            untold.append(Untold(Witness.TICKET, "its table is not one of ours, and nothing is written there"))
            continue
        match await _on_ticket(desk, ref, request_id):
            case Unheard() as silent if silent.cause == _NO_TICKET and _was_never_found(record, lines):
                untold.append(Untold(Witness.TICKET, "it was not found then either, and nothing was written to it"))
            case Unheard() as silent:
                unheard.append(silent)
            case anchors:
                testimonies += [Testimony(Witness.TICKET, anchor) for anchor in anchors]
    if record is not None and record.receipt is not None:
        testimonies.append(Testimony(Witness.JOURNAL, record.receipt))
    findings = receipt.verify(whole, request_id, [one.anchor for one in testimonies])
    if not whole and not (record is not None and record.is_open and not record.acted_on):
        findings = (Finding(Fault.MISSING), *findings)
    return Checked(request_id, len(lines), tuple(testimonies), findings, tuple(unheard), tuple(untold))


async def _record(app: App, request_id: str) -> tuple[Record | None, list[Unheard]]:
    try:
        stored, _ = await app.journal.find(request_id)
    except Unreadable as error:
        return None, [Unheard(Witness.JOURNAL, str(error))]
    except NewerVersion as later:
        return None, [Unheard(Witness.JOURNAL, later.cause)]
    return (stored.record if stored else None), []


def _of_record(record: Record | None) -> Iterator[TicketRef]:
    if record is not None and record.ticket is not None:
        yield record.ticket


def _in_receipt(lines: Iterable[Line]) -> Iterator[TicketRef]:
    """Tickets that the receipt itself names: the journal may be lost, or lie. Only the request's own ticket may testify."""
    for line in lines:
        match line.kind, line.data.get("ticket"):
            case EntryKind.ACCEPTED, {"system": str(system), "table": str(table), "sysId": str(sys_id), "number": str(number)}:
                if _SYS_ID.fullmatch(sys_id):
                    yield TicketRef(system, table, sys_id, number)


def _was_never_found(record: Record | None, lines: Iterable[Line]) -> bool:
    """Whether journal and receipt agree that the ticket was never there to be told an outcome: neither silences it alone."""
    outcomes = [line.data.get("reasons") for line in lines if line.kind == EntryKind.OUTCOME]
    reasons = [] if record is None else [list(record.reasons), *outcomes]
    return bool(outcomes and reasons) and all(isinstance(one, list) and Reason.TICKET_NOT_FOUND in one for one in reasons)


async def _on_ticket(desk: TicketDesk | None, ref: TicketRef, request_id: str) -> tuple[Anchor, ...] | Unheard:
    """The hashes that stand on the ticket; else why it could not be read."""
    if desk is None:
        return Unheard(Witness.TICKET, "no ticket system is configured")
    try:
        ticket = await desk.read(ref)
    except TicketNotFound:
        return Unheard(Witness.TICKET, _NO_TICKET)
    except (Unavailable, Forbidden) as error:
        return Unheard(Witness.TICKET, error.cause)
    return wording.told_anchors(ticket.activity, request_id)


async def check_all(app: App, request_ids: Iterable[str], given: Iterable[Anchor] = ()) -> tuple[Checked, ...]:
    desk = app.desk() if app.desk else None
    given = tuple(given)
    checks: list[Awaitable[Checked]] = [check(app, one, desk, given) for one in request_ids]
    return tuple([await one for one in checks])
