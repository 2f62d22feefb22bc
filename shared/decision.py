"""Steps 1 to 5 of an attempt: may this be done, and what would be done? Nothing is changed here, and everything is read anew.

`decide` asks every rule. `confirm` asks those on the ticket and the person once more, just before the first change: the ticket
may have been withdrawn meanwhile, or the person been given a role.
"""

from dataclasses import replace
from datetime import datetime

import structlog

from shared import brakes, guardrails, journal, plan, statements, velocity
from shared.attempt import Attempt
from shared.brakes import DecideAgain
from shared.guardrails import (
    EVENT_RULES,
    PERSON_RULES,
    SUBJECT_RULES,
    TICKET_FOUND_RULES,
    TICKET_RULES,
    EventFacts,
    Limits,
    PersonFacts,
    Rule,
    SubjectFacts,
    TicketFacts,
)
from shared.model import Inventory, Outcome, Person, Profile, Reason, Reset, Ticket, TicketRef, WaitingFor
from shared.parallel import together
from shared.ports import PersonNotFound, TicketNotFound
from shared.receipt import EntryKind
from shared.record import Pins, StepName

log = structlog.get_logger()


async def decide(attempt: Attempt) -> Inventory:
    """What is registered for a person who may be reset; else the attempt has ended `refused` with every reason found."""
    record = attempt.record
    attempt.claim.stage(lambda record: replace(record, verdicts=()))
    asked_at = record.attempts_opened[-1] if record.ticket else attempt.claim.now()
    facts = EventFacts(
        age=asked_at - record.event_time,
        source=record.cause.source,
        ticket_table=record.ticket.table if record.ticket else None,
        profile=record.profile if record.subject else None,
    )
    if reasons := _ask(attempt, EVENT_RULES, facts):
        attempt.claim.stage(lambda record: replace(record, facts_read_at=None))  # this rests on no facts of the ticket
        await attempt.end(Outcome.REFUSED, *reasons)
    if record.ticket:
        return await _decide_on_ticket(attempt, record.ticket)
    assert record.subject is not None
    reasons, current = await _look_at(attempt, record.pins.subject_id or record.subject, named=None, pinned_id=None)
    if reasons:
        await attempt.end(Outcome.REFUSED, *reasons)
    return current


async def confirm(attempt: Attempt) -> Reset:
    """The reset that may now be made, as the limits count it; else the attempt has ended `refused`.

    Ticket and person are read at the same time. `DecideAgain` when the ticket asks for another profile by now.
    """
    record = attempt.record
    person_id = attempt.subject_id
    now = attempt.claim.now()
    named, opened_by, approvers = None, None, frozenset[str]()
    if record.ticket is None:
        ticket_reasons: tuple[Reason, ...] = ()
        seen = await _look_again(attempt, person_id)
    else:
        (facts, ticket_reasons), seen = await together(_read_ticket(attempt, record.ticket), _look_again(attempt, person_id))
        named, opened_by, approvers = facts.ticket.subject, facts.ticket.opened_by, guardrails.approvers(facts, _limits(attempt))
    if reasons := (*ticket_reasons, *_judge_person(attempt, seen, named, person_id)):
        await attempt.end(Outcome.REFUSED, *reasons)
    if attempt.record.profile is not record.profile:
        raise DecideAgain
    attempt.step(StepName.CONFIRMED)
    return Reset(record.id, person_id, now, velocity.actors(record, opened_by, approvers))


async def _decide_on_ticket(attempt: Attempt, ref: TicketRef) -> Inventory:
    facts, ticket_reasons = await _read_ticket(attempt, ref)
    ticket = facts.ticket
    attempt.step(StepName.TICKET_READ, ticket.ref.number)
    attempt.tell_start(ticket.activity)
    if ticket.subject is None:
        await attempt.end(Outcome.REFUSED, *ticket_reasons)
    assert ticket.subject is not None
    pinned_id = attempt.record.pins.subject_id
    try:
        person_reasons, current = await _look_at(attempt, ticket.subject, named=ticket.subject, pinned_id=pinned_id)
    except Exception:
        if not ticket_reasons:
            raise
        await attempt.end(Outcome.REFUSED, *ticket_reasons)
    if reasons := (*ticket_reasons, *person_reasons):
        await attempt.end(Outcome.REFUSED, *reasons)
    return current


async def _read_ticket(attempt: Attempt, ref: TicketRef) -> tuple[TicketFacts, tuple[Reason, ...]]:
    """Step 2: the ticket as of now and every reason in it to refuse; the first reading binds subject and opener."""
    assert attempt.desk is not None
    read_at = attempt.claim.now()
    try:
        ticket = await attempt.desk.read(ref)
    except TicketNotFound:
        ticket = None
    attempt.claim.stage(lambda record: replace(journal.answered(record, WaitingFor.TICKET_SYSTEM), facts_read_at=read_at))
    if reasons := _ask(attempt, TICKET_FOUND_RULES, ticket):
        attempt.unasked(TICKET_RULES)
        await attempt.end(Outcome.REFUSED, *reasons)
    assert ticket is not None
    facts = ticket_facts(ticket, attempt.record.pins, read_at)
    if profile := facts.profile:
        attempt.claim.stage(lambda record: replace(record, profile=profile))
    reasons = _ask(attempt, TICKET_RULES, facts)
    pins = Pins(ticket_subject=ticket.requested_for or None, ticket_opened_by=ticket.opened_by or None)
    attempt.claim.stage(lambda record: journal.pinned(record, pins))
    attempt.audit.note(EntryKind.FACTS, statements.ticket_facts(ticket, attempt.record.pins))
    return facts, reasons


def withdrawn(attempt: Attempt, ticket: Ticket, person: Person | None) -> bool:
    """Whether the ticket as it is now would be refused; whom it leads to is asked where the person could be read."""
    facts = ticket_facts(ticket, attempt.record.pins, attempt.claim.now())
    verdicts = guardrails.ask(TICKET_RULES, facts, _limits(attempt))
    if person is not None:
        subject = SubjectFacts(person, ticket.subject, attempt.subject_id)
        verdicts += guardrails.ask(SUBJECT_RULES, subject, _limits(attempt))
    return bool(guardrails.refusals(verdicts))


def ticket_facts(ticket: Ticket, pins: Pins, now: datetime) -> TicketFacts:
    return TicketFacts(ticket, profile_of(ticket), pins, now)


def _ask[F](attempt: Attempt, rules: tuple[Rule[F], ...], facts: F) -> tuple[Reason, ...]:
    """Every reason to refuse that these rules give; their verdicts are kept."""
    verdicts = guardrails.ask(rules, facts, _limits(attempt))
    attempt.judged(verdicts)
    return guardrails.refusals(verdicts)


def _limits(attempt: Attempt) -> Limits:
    return attempt.app.settings.limits


def profile_of(ticket: Ticket) -> Profile | None:
    """What the ticket asks for; None when it is no profile. A ticket that says nothing asks for the default."""
    if not ticket.profile:
        return Profile.REQUIRE_REREGISTER
    return next((profile for profile in Profile if profile == ticket.profile), None)


async def _look_at(
    attempt: Attempt, identifier: str, *, named: str | None, pinned_id: str | None
) -> tuple[tuple[Reason, ...], Inventory]:
    """Steps 3 and 4: every reason in the person to refuse, and what is registered for them.

    `named` is the identifier if it is a ticket's: one that leads to somebody else by the next reading is a change.
    """
    directory = attempt.directory
    try:
        person = await directory.person(identifier)
        pins = Pins(subject_id=person.id)
        attempt.claim.stage(lambda record: journal.pinned(record, pins))
        attempt.step(StepName.PERSON_RESOLVED)
        standing, current, latest = await together(
            directory.standing(person.id), directory.inventory(person.id), _last_reset(attempt, person.id)
        )
    except PersonNotFound:
        return _judge_person(attempt, None, named, pinned_id), Inventory(())
    attempt.listed(StepName.INVENTORY_READ, current)
    attempt.read(current)
    attempt.audit.note(EntryKind.FACTS, statements.person_facts(person.id, standing, latest))
    return _judge_person(attempt, PersonFacts(person, standing, latest, attempt.claim.now()), named, pinned_id), current


async def _look_again(attempt: Attempt, person_id: str) -> PersonFacts | None:
    """The bound person as of now; None when the directory has them no more."""
    directory = attempt.directory
    try:
        person, standing, latest = await together(
            directory.person(person_id), directory.standing(person_id), _last_reset(attempt, person_id)
        )
    except PersonNotFound:
        return None
    attempt.audit.note(EntryKind.FACTS, statements.person_facts(person.id, standing, latest))
    return PersonFacts(person, standing, latest, attempt.claim.now())


def _judge_person(attempt: Attempt, seen: PersonFacts | None, named: str | None, pinned_id: str | None) -> tuple[Reason, ...]:
    """Every reason in the person to refuse; of one who is not there nothing more is asked."""
    reasons = _ask(attempt, SUBJECT_RULES, SubjectFacts(seen.person if seen else None, named, pinned_id))
    if seen is None:
        attempt.unasked(PERSON_RULES)
        return reasons
    return (*reasons, *_ask(attempt, PERSON_RULES, seen))


async def _last_reset(attempt: Attempt, person_id: str) -> datetime | None:
    counted = await attempt.app.ledger.read(person_id)
    last = await brakes.last_reset(attempt.app, counted.latest, attempt.record)
    return last.at if last else None


async def foresee(attempt: Attempt, made: plan.Plan) -> str | None:
    """What can be known to fail has ended the attempt; else the default to choose first where the present one is in the way."""
    revoke = attempt.app.settings.revoke_sessions
    if lacking := await attempt.directory.lacking(made.removals, revoke=revoke, prefer=False):
        log.warning("attempt.lacks-permission", request_id=attempt.record.id, permissions=lacking)
        await attempt.end(Outcome.FAILED, Reason.GRAPH_FORBIDDEN, left_alone=made.left_alone)
    if not made.deadlocked:
        return None
    target = made.other_default
    if target is None or await attempt.directory.lacking((), revoke=False, prefer=True):
        await attempt.end(Outcome.FAILED, Reason.DEFAULT_METHOD_STUCK, left_alone=made.left_alone)
    return target
