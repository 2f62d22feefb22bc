"""Steps 1 to 5 of an attempt: may this be done, and what would be done? Nothing is changed here, and everything is read anew."""

from dataclasses import replace

import structlog

from shared import guardrails, journal, plan
from shared.attempt import Attempt
from shared.guardrails import EventFacts, PersonFacts, TicketFacts
from shared.model import Inventory, Outcome, Profile, Reason, Ticket, WaitingFor
from shared.parallel import together
from shared.ports import PersonNotFound, TicketNotFound
from shared.record import Pins, StepName

log = structlog.get_logger()


async def decide(attempt: Attempt) -> Inventory:
    """What is registered for a person who may be reset; else the attempt has ended `refused` with every reason found."""
    record, limits = attempt.record, attempt.app.settings.limits
    asked_at = record.attempts_opened[-1] if record.ticket else attempt.claim.now()
    facts = EventFacts(
        age=asked_at - record.event_time,
        source=record.cause.source,
        ticket_table=record.ticket.table if record.ticket else None,
        profile=record.profile if record.subject else None,
    )
    if reasons := guardrails.refusals(guardrails.EVENT_RULES, facts, limits):
        attempt.claim.stage(lambda record: replace(record, facts_read_at=None))  # this rests on no facts of the ticket
        await attempt.end(Outcome.REFUSED, *reasons)
    if record.ticket:
        return await _decide_on_ticket(attempt)
    assert record.subject is not None
    reasons, current = await _look_at(attempt, record.pins.subject_id or record.subject, pinned_id=None)
    if reasons:
        await attempt.end(Outcome.REFUSED, *reasons)
    return current


async def _decide_on_ticket(attempt: Attempt) -> Inventory:
    ticket, ticket_reasons = await _read_ticket(attempt)
    if ticket.subject is None:
        await attempt.end(Outcome.REFUSED, *ticket_reasons)
    assert ticket.subject is not None
    try:
        person_reasons, current = await _look_at(attempt, ticket.subject, pinned_id=attempt.record.pins.subject_id)
    except Exception:
        if not ticket_reasons:
            raise
        await attempt.end(Outcome.REFUSED, *ticket_reasons)
    if reasons := (*ticket_reasons, *person_reasons):
        await attempt.end(Outcome.REFUSED, *reasons)
    return current


async def _read_ticket(attempt: Attempt) -> tuple[Ticket, tuple[Reason, ...]]:
    """Step 2: the ticket as of now and every reason in it to refuse; the first reading binds subject and opener."""
    assert attempt.desk is not None
    assert attempt.record.ticket is not None
    read_at = attempt.claim.now()
    try:
        ticket = await attempt.desk.read(attempt.record.ticket)
    except TicketNotFound:
        attempt.claim.stage(lambda record: replace(record, facts_read_at=read_at))
        await attempt.end(Outcome.REFUSED, Reason.TICKET_NOT_FOUND)
    attempt.claim.stage(lambda record: replace(journal.answered(record, WaitingFor.TICKET_SYSTEM), facts_read_at=read_at))
    attempt.step(StepName.TICKET_READ, ticket.ref.number)
    if profile := profile_of(ticket):
        attempt.claim.stage(lambda record: replace(record, profile=profile))
    reasons = ticket_refusals(attempt, ticket)
    pins = Pins(ticket_subject=ticket.requested_for or None, ticket_opened_by=ticket.opened_by or None)
    attempt.claim.stage(lambda record: journal.pinned(record, pins))
    attempt.tell_start(ticket.activity)
    return ticket, reasons


def ticket_refusals(attempt: Attempt, ticket: Ticket) -> tuple[Reason, ...]:
    """Every reason to refuse that the ticket as read gives, held against what its first reading bound."""
    facts = TicketFacts(ticket, profile_of(ticket), attempt.record.pins)
    return guardrails.refusals(guardrails.TICKET_RULES, facts, attempt.app.settings.limits)


def profile_of(ticket: Ticket) -> Profile | None:
    """What the ticket asks for; None when it is no profile. A ticket that says nothing asks for the default."""
    if not ticket.profile:
        return Profile.REQUIRE_REREGISTER
    return next((profile for profile in Profile if profile == ticket.profile), None)


async def _look_at(attempt: Attempt, identifier: str, *, pinned_id: str | None) -> tuple[tuple[Reason, ...], Inventory]:
    """Steps 3 and 4: every reason in the person to refuse, and what is registered for them."""
    directory = attempt.directory
    try:
        person = await directory.person(identifier)
        pins = Pins(subject_id=person.id)
        attempt.claim.stage(lambda record: journal.pinned(record, pins))
        attempt.step(StepName.PERSON_RESOLVED)
        privileges, current = await together(directory.privileges(person.id), directory.inventory(person.id))
    except PersonNotFound:
        return (Reason.USER_NOT_FOUND,), Inventory(())
    attempt.listed(StepName.INVENTORY_READ, current)
    facts = PersonFacts(person, privileges, pinned_id)
    return guardrails.refusals(guardrails.PERSON_RULES, facts, attempt.app.settings.limits), current


async def foresee(attempt: Attempt, made: plan.Plan) -> str | None:
    """What can be known to fail has ended the attempt; else the default to choose first where the present one is in the way."""
    revoke = attempt.app.settings.revoke_sessions
    if lacking := await attempt.directory.lacking(made.removals, revoke=revoke, prefer=False):
        log.warning("attempt.lacks-permission", request_id=attempt.record.id, permissions=lacking)
        await attempt.end(Outcome.FAILED, Reason.GRAPH_FORBIDDEN)
    if not made.deadlocked:
        return None
    target = made.other_default
    if target is None or await attempt.directory.lacking((), revoke=False, prefer=True):
        await attempt.end(Outcome.FAILED, Reason.DEFAULT_METHOD_STUCK)
    return target
