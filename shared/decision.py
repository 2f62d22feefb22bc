"""Steps 1 to 5 of an attempt: may this be done, and what would be done? Nothing is changed here, and everything is read anew.

`decide` asks every rule. `confirm` asks those on the ticket and the person once more, just before the first change: the ticket
may have been withdrawn meanwhile, or the person been given a role.
"""

from dataclasses import replace
from datetime import datetime

import structlog

from shared import brakes, guardrails, journal, plan, velocity
from shared.attempt import Attempt
from shared.brakes import DecideAgain
from shared.guardrails import EventFacts, Limits, PersonFacts, TicketFacts
from shared.model import Inventory, Outcome, Person, Profile, Reason, Reset, Standing, Ticket, TicketRef, Verdict, WaitingFor
from shared.parallel import together
from shared.ports import PersonNotFound, TicketNotFound
from shared.record import Pins, Record, StepName

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
    verdicts = guardrails.ask(guardrails.EVENT_RULES, facts, _limits(attempt))
    attempt.judged(verdicts)
    if reasons := guardrails.refusals(verdicts):
        attempt.claim.stage(lambda record: replace(record, facts_read_at=None))  # this rests on no facts of the ticket
        await attempt.end(Outcome.REFUSED, *reasons)
    if record.ticket:
        return await _decide_on_ticket(attempt, record.ticket)
    assert record.subject is not None
    reasons, current = await _look_at(attempt, record.pins.subject_id or record.subject, pinned_id=None)
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
    if record.ticket is None:
        _, reasons = await _confirm_person(attempt, person_id)
        approvers: frozenset[str] = frozenset()
        opened_by = None
    else:
        (ticket, ticket_reasons), (names, person_reasons) = await together(
            _read_ticket(attempt, record.ticket), _confirm_person(attempt, person_id)
        )
        reasons = (*ticket_reasons, *person_reasons)
        if ticket.subject is not None and names and ticket.subject.casefold() not in names:
            fact = "the ticket's identifier leads to somebody else by now"
            attempt.judged((Verdict("subject-changed", Reason.TICKET_CHANGED, refuses=True, fact=fact),))
            reasons = (*reasons, Reason.TICKET_CHANGED)
        approvers, opened_by = (
            guardrails.approvers(_ticket_facts(attempt.record, ticket, now), _limits(attempt)),
            ticket.opened_by,
        )
    if reasons:
        await attempt.end(Outcome.REFUSED, *reasons)
    if attempt.record.profile is not record.profile:
        raise DecideAgain
    attempt.step(StepName.CONFIRMED)
    return Reset(record.id, person_id, now, velocity.actors(record, opened_by, approvers))


async def _decide_on_ticket(attempt: Attempt, ref: TicketRef) -> Inventory:
    ticket, ticket_reasons = await _read_ticket(attempt, ref)
    attempt.step(StepName.TICKET_READ, ticket.ref.number)
    attempt.tell_start(ticket.activity)
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


async def _read_ticket(attempt: Attempt, ref: TicketRef) -> tuple[Ticket, tuple[Reason, ...]]:
    """Step 2: the ticket as of now and every reason in it to refuse; the first reading binds subject and opener."""
    assert attempt.desk is not None
    read_at = attempt.claim.now()
    try:
        ticket = await attempt.desk.read(ref)
    except TicketNotFound:
        attempt.claim.stage(lambda record: replace(record, facts_read_at=read_at))
        await attempt.end(Outcome.REFUSED, Reason.TICKET_NOT_FOUND)
    attempt.claim.stage(lambda record: replace(journal.answered(record, WaitingFor.TICKET_SYSTEM), facts_read_at=read_at))
    if profile := profile_of(ticket):
        attempt.claim.stage(lambda record: replace(record, profile=profile))
    verdicts = guardrails.ask(guardrails.TICKET_RULES, _ticket_facts(attempt.record, ticket, read_at), _limits(attempt))
    attempt.judged(verdicts)
    pins = Pins(ticket_subject=ticket.requested_for or None, ticket_opened_by=ticket.opened_by or None)
    attempt.claim.stage(lambda record: journal.pinned(record, pins))
    return ticket, guardrails.refusals(verdicts)


def ticket_refusals(attempt: Attempt, ticket: Ticket) -> tuple[Reason, ...]:
    """Every reason to refuse that the ticket as read gives, held against what its first reading bound."""
    facts = _ticket_facts(attempt.record, ticket, attempt.claim.now())
    return guardrails.refusals(guardrails.ask(guardrails.TICKET_RULES, facts, _limits(attempt)))


def _ticket_facts(record: Record, ticket: Ticket, now: datetime) -> TicketFacts:
    return TicketFacts(ticket, profile_of(ticket), record.pins, now)


def _limits(attempt: Attempt) -> Limits:
    return attempt.app.settings.limits


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
        standing, current, latest = await together(
            directory.standing(person.id), directory.inventory(person.id), _last_reset(attempt, person.id)
        )
    except PersonNotFound:
        return (Reason.USER_NOT_FOUND,), Inventory(())
    attempt.listed(StepName.INVENTORY_READ, current)
    return _judge_person(attempt, person, standing, pinned_id, latest), current


async def _confirm_person(attempt: Attempt, person_id: str) -> tuple[frozenset[str], tuple[Reason, ...]]:
    """By what identifiers the person is known now, and every reason in them to refuse."""
    try:
        person, standing, latest = await together(
            attempt.directory.person(person_id),
            attempt.directory.standing(person_id),
            _last_reset(attempt, person_id),
        )
    except PersonNotFound:
        attempt.claim.stage(_nobody_judged)
        return frozenset(), (Reason.USER_NOT_FOUND,)
    names = frozenset({person.id.casefold(), person.user_principal_name.casefold()})
    return names, _judge_person(attempt, person, standing, person_id, latest)


def _judge_person(
    attempt: Attempt, person: Person, standing: Standing, pinned_id: str | None, latest: Reset | None
) -> tuple[Reason, ...]:
    facts = PersonFacts(person, standing, pinned_id, latest.at if latest else None, attempt.claim.now())
    verdicts: tuple[Verdict, ...] = guardrails.ask(guardrails.PERSON_RULES, facts, _limits(attempt))
    attempt.judged(verdicts)
    return guardrails.refusals(verdicts)


def _nobody_judged(record: Record) -> Record:
    """Who is gone has no verdicts any more."""
    about_persons = {rule.name for rule in guardrails.PERSON_RULES}
    return replace(record, verdicts=tuple(one for one in record.verdicts if one.rule not in about_persons))


async def _last_reset(attempt: Attempt, person_id: str) -> Reset | None:
    counted = await attempt.app.ledger.read(person_id)
    return await brakes.last_reset(attempt.app, counted.latest, attempt.record.id)


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
