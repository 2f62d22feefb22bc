"""States and legal transitions of a request. Pure: `now` is an argument, a record goes in and a record comes out.

    accepted ──claim──▶ running ──wait──▶ waiting ──claim──▶ running …
                           └──end──▶ done | refused | failed ──reopen──▶ accepted (next attempt; never after an enforced `done`)

A lease lies across the states: whoever holds it works on the request, or delivers what it still owes.
"""

from collections.abc import Container
from dataclasses import replace
from datetime import datetime, timedelta

from shared.model import PRECEDENCE, RETENTION, LeftAlone, Mode, Outcome, Reason, Removal, Status, Verdict, WaitingFor
from shared.record import Lease, Outage, Owed, OwedKind, Pins, Record, RemovalEntry, StepName, StepTaken

TRIES = 5  # claims that end in nothing we can name, before the first removal
CARRY_ON = timedelta(days=7)  # how long what was begun or is owed is tried
CLOCK_SKEW = timedelta(seconds=5)  # by which workers' clocks may differ: a lease is taken over so long after its end
PICKED_UP_AFTER = timedelta(seconds=60)  # a message that nobody took by then is put on the queue again
PUT_BACK_EVERY = timedelta(minutes=5)
STEPS_KEPT = 200
LONGEST_DELAY = timedelta(days=6)  # the queue allows 7 days
BACKOFF_FIRST, BACKOFF_LONGEST = timedelta(seconds=5), timedelta(minutes=10)
REMOTE = frozenset({WaitingFor.GRAPH, WaitingFor.TICKET_SYSTEM})
FOR_A_HUMAN = frozenset({WaitingFor.BREAKER, WaitingFor.PAUSED})  # only somebody who turns a switch ends these
WITHOUT_LIMIT = FOR_A_HUMAN | {WaitingFor.RATE_LIMIT}  # and only the hour this one
UNFINISHED = timedelta(minutes=15)  # from the first intent on; then somebody should look at what keeps it


class StaleFacts(Exception):
    """An event for the ticket arrived after its facts were read: they must be read again before it may be refused."""


class IllegalRecord(Exception):
    """A stored record contradicts itself: somebody else has written to the journal."""


# ---- leases


def may_claim(record: Record, now: datetime) -> bool:
    """Whether there is something to do now, and nobody is at it."""
    if record.lease is not None and now < record.lease.until + CLOCK_SKEW:
        return False
    if record.next_try_at is not None:
        return now >= record.next_try_at and has_something_left(record)
    return has_something_left(record) and held_for(record) is None


def has_something_left(record: Record) -> bool:
    """Whether the request is to be worked on, or something of it is to be told."""
    return record.is_open or bool(record.owed)


def claim(record: Record, owner: str, now: datetime, lease: timedelta, mode: Mode) -> Record:
    """The request is `owner`'s until the lease ends. An attempt not acted on is downgraded when dry runs are in force."""
    assert may_claim(record, now)
    claimed = replace(record, lease=Lease(owner, now + lease), next_try_at=None, put_back_at=None, updated_at=now)
    if not record.is_open:
        return claimed
    downgraded = mode is Mode.DRY_RUN and record.mode is Mode.ENFORCE and not record.acted_on
    return replace(
        claimed,
        status=Status.RUNNING,
        waiting_for=None,
        tries=record.tries if record.removal_begun else record.tries + 1,
        mode=Mode.DRY_RUN if downgraded else record.mode,
        dry_runs=(*record.dry_runs, record.attempts_opened[-1]) if downgraded else record.dry_runs,
    )


def renew(record: Record, now: datetime, lease: timedelta) -> Record:
    assert record.lease is not None
    return replace(record, lease=replace(record.lease, until=now + lease))


def due_at(record: Record) -> datetime | None:
    """When the sweep should put the request's message on the queue again; None when nothing will be left undone without it."""
    if not has_something_left(record):
        return None
    if record.lease is not None:
        due = record.lease.until + CLOCK_SKEW
    elif record.next_try_at is not None:
        due = record.next_try_at + (PICKED_UP_AFTER / 2 if has_wake_up(record) else timedelta())
    elif held_for(record) is not None:
        return None
    else:
        due = record.attempts_opened[-1] + PICKED_UP_AFTER
    return max(due, record.put_back_at + PUT_BACK_EVERY) if record.put_back_at else due


def put_back(record: Record, now: datetime) -> Record:
    return replace(record, put_back_at=now)


def has_wake_up(record: Record) -> bool:
    """Whether a message comes back by itself at the next try: where many may wait for long, the sweep alone wakes them."""
    return record.waiting_for not in WITHOUT_LIMIT


# ---- held: waiting for a human, without a message


def held_for(record: Record) -> WaitingFor | None:
    """The switch that nobody has turned back yet; the sweep lets go of the request once it is off."""
    held = record.status is Status.WAITING and record.waiting_for in FOR_A_HUMAN
    return record.waiting_for if held else None


def held_since(record: Record) -> datetime:
    """The longest asked for is let go first."""
    return record.attempts_opened[-1]


def resume(record: Record, now: datetime) -> Record:
    """The switch is off: the request may go on as soon as a worker has its message."""
    return replace(let_go(record), status=Status.ACCEPTED, waiting_for=None, next_try_at=now, updated_at=now)


def moved_on(record: Record, waiting_for: WaitingFor, now: datetime) -> Record:
    """The switch is off, and the other one is on; since when it waits for a human is not forgotten."""
    outages = (replace(one, service=waiting_for) if one.service in FOR_A_HUMAN else one for one in record.outages)
    return replace(record, waiting_for=waiting_for, outages=tuple(outages), updated_at=now)


def woken(record: Record, at: datetime) -> Record:
    """A request that is held is woken to tell something, and for nothing else."""
    return replace(record, next_try_at=at) if held_for(record) else record


def still_telling(record: Record, retry_after: timedelta | None, now: datetime, jitter: float) -> Record:
    """The attempt waits, and what could not be told is told with its next try: who is held is woken for that."""
    return woken(record, _next_telling(record.owed, retry_after, now, jitter)) if record.owed else record


# ---- waiting


def backoff(times: int, jitter: float) -> timedelta:
    """How long to wait after `times` waits in a row; `jitter` in [0, 1) spreads it over ± 20 %."""
    length = min(BACKOFF_FIRST * int(2 ** min(times, 16)), BACKOFF_LONGEST)
    return length * (0.8 + 0.4 * jitter)


def wait(
    record: Record,
    waiting_for: WaitingFor | None,
    retry_after: timedelta | None,
    now: datetime,
    jitter: float,
    give_up_after: timedelta = LONGEST_DELAY,
) -> Record:
    """The attempt goes on later. `waiting_for` None: after an error that nobody has a name for, which counts as a try.

    Before the first removal it is woken to be given up in time, even if it may not ask again by then. A `Retry-After` of
    nothing is no reason for a storm. Nobody knows when a human turns a switch: until then the request is held.
    """
    if not record.is_open or (record.status is Status.WAITING and record.updated_at == now):
        return record
    asked = retry_after if retry_after is not None and retry_after >= timedelta(seconds=1) else None
    next_try_at = now + min(asked or backoff(record.waits, jitter), LONGEST_DELAY)
    outages = record.outages
    if waiting_for is not None:
        outage = next((one for one in outages if one.service == waiting_for), Outage(waiting_for, now))
        outage = replace(outage, not_before=now + asked if asked else None)
        # Nobody has heard of the others meanwhile, save storage: it read the switches before anything else was waited for.
        outages = (*(one for one in outages if one.service in REMOTE and one.service != waiting_for), outage)
        if not record.removal_begun and waiting_for not in WITHOUT_LIMIT:
            next_try_at = min(next_try_at, max(outage.since + give_up_after, now + BACKOFF_FIRST))
    return replace(
        record,
        status=Status.WAITING,
        waiting_for=waiting_for,
        next_try_at=None if waiting_for in FOR_A_HUMAN else next_try_at,
        waits=record.waits + 1,
        tries=record.tries if waiting_for is None else 0,
        outages=outages,
        lease=None,
        updated_at=now,
    )


def answered(record: Record, service: WaitingFor) -> Record:
    """A service did what it was asked: its outage, if it had one, is over."""
    outages = tuple(outage for outage in record.outages if outage.service != service)
    return replace(record, outages=outages, waits=record.waits if outages else 0)


def all_answered(record: Record) -> Record:
    """Every service did what it was asked, and still the attempt may not go on: a limit or a switch was met at the end."""
    return replace(record, outages=())


def let_go(record: Record) -> Record:
    """No switch or limit is waited for any longer."""
    return replace(record, outages=tuple(outage for outage in record.outages if outage.service not in WITHOUT_LIMIT))


def given_up(record: Record, service: WaitingFor, give_up_after: timedelta, now: datetime) -> bool:
    """Whether an outage has lasted too long; what was begun is carried on for 7 days."""
    limit = CARRY_ON if record.removal_begun else give_up_after
    since = [outage.since for outage in record.outages if outage.service == service]
    return service not in WITHOUT_LIMIT and any(now - at >= limit for at in since)


def may_not_ask(record: Record, give_up_after: timedelta, now: datetime) -> WaitingFor | None:
    """The service that is given up without asking again: it wants to be left alone for longer than we wait."""
    for outage in record.outages:
        left_alone = outage.not_before is not None and now < outage.not_before
        if left_alone and given_up(record, outage.service, give_up_after, now):
            return outage.service
    return None


def out_of_tries(record: Record) -> bool:
    """Whether nothing that has a name has come of five tries; what was begun is not counted but carried on."""
    return record.tries > TRIES and not record.removal_begun


def carried_on_for_long(record: Record, now: datetime) -> bool:
    return _begun_for(record, now) >= CARRY_ON


def unfinished(record: Record, now: datetime) -> bool:
    """Whether what was begun will not have been finished in a quarter of an hour: the next try is later than that."""
    return _begun_for(record, max(now, record.next_try_at or now)) >= UNFINISHED


def _begun_for(record: Record, now: datetime) -> timedelta:
    """How long ago this attempt first meant a removal; nothing before that."""
    return now - min((entry.intended_at for entry in record.removals if entry.attempt == record.attempt), default=now)


# ---- the attempt


def step(record: Record, name: StepName, at: datetime, detail: str | None = None, request_id: str | None = None) -> Record:
    """Of the same step, told again in a later turn, the latest is kept; of a long story the beginning and the end."""
    taken = StepTaken(name, at, detail, request_id)
    before = tuple(one for one in record.steps if not _retold(one, taken))
    return replace(record, steps=(*before[:1], *before[1:][-(STEPS_KEPT - 2) :], taken))


def _retold(one: StepTaken, by: StepTaken) -> bool:
    """Two removals of one type differ by Graph's request id."""
    same = (one.name, one.detail) == (by.name, by.detail)
    return same and (one.name is not StepName.METHOD_REMOVED or one.graph_request_id == by.graph_request_id)


def pinned(record: Record, pins: Pins) -> Record:
    """What the first reading bound stays; what it could not yet say is bound now."""
    return replace(
        record,
        pins=Pins(
            record.pins.subject_id or pins.subject_id,
            record.pins.ticket_subject or pins.ticket_subject,
            record.pins.ticket_opened_by or pins.ticket_opened_by,
        ),
    )


def judged(record: Record, verdicts: tuple[Verdict, ...]) -> Record:
    """What the rules said last; a rule that is asked again replaces what it said before."""
    rules = {verdict.rule for verdict in verdicts}
    return replace(record, verdicts=(*(one for one in record.verdicts if one.rule not in rules), *verdicts))


def unjudged(record: Record, rules: Container[str]) -> Record:
    """Without what these rules said."""
    return replace(record, verdicts=tuple(one for one in record.verdicts if one.rule not in rules))


def intend(record: Record, removal: Removal, now: datetime) -> Record:
    """From here on the removal counts as made. An id that is gone is never intended again, unless it was only deactivated."""
    identity = (removal.method.type, removal.method.id)
    others = tuple(entry for entry in record.removals if (entry.type, entry.id) != identity)
    mine = [entry for entry in record.removals if (entry.type, entry.id) == identity]
    if any(entry.gone_at and entry.action is removal.action for entry in mine):
        raise ValueError(f"{identity} is gone already")
    if any(entry.attempt == record.attempt and entry.action is removal.action for entry in mine):
        return record
    return replace(record, removals=(*others, RemovalEntry(*identity, removal.action, record.attempt, now)), updated_at=now)


def gone(record: Record, kind: str, method_id: str, now: datetime) -> Record:
    """Sessions are to be revoked, and the list to be read, after the last removal."""
    return replace(
        record,
        revoked_at=None,
        read_back_since=None,
        removals=tuple(
            replace(entry, gone_at=now) if (entry.type, entry.id) == (kind, method_id) else entry for entry in record.removals
        ),
    )


def end(
    record: Record,
    outcome: Outcome,
    reasons: tuple[Reason, ...],
    now: datetime,
    *,
    would_remove: tuple[RemovalEntry, ...] = (),
    left_alone: tuple[LeftAlone, ...] = (),
) -> Record:
    """The attempt has ended. A refusal on facts older than the ticket's latest event raises `StaleFacts`."""
    if not record.is_open:
        return record
    read_at = record.facts_read_at
    if outcome is Outcome.REFUSED and read_at is not None and record.latest_event_at > read_at:
        raise StaleFacts
    reasons = tuple(sorted(set(reasons), key=PRECEDENCE.__getitem__))
    return step(
        replace(
            record,
            status=Status(outcome),
            waiting_for=None,
            next_try_at=None,
            waits=0,
            outcome=outcome,
            reasons=reasons,
            would_remove=would_remove,
            left_alone=left_alone,
            ended_at=now,
            updated_at=now,
        ),
        StepName.ENDED,
        now,
        reasons[0],
    )


# ---- what the outside has still to be told


def owe(record: Record, kind: OwedKind, content: str, now: datetime) -> Record:
    """There is one of each kind in an attempt; a second is not owed."""
    if any(owed.kind is kind and owed.attempt == record.attempt for owed in record.owed):
        return record
    return replace(record, owed=(*record.owed, Owed(kind, record.attempt, content, now)))


def delivered(record: Record, owed: Owed, now: datetime) -> Record:
    published = StepName.RESULT_PUBLISHED if owed.kind is OwedKind.RESULT else StepName.ALERTED
    name = StepName.TICKET_NOTED if owed.kind.is_note else published
    return _no_longer_owed(record, owed, name, now)


def not_delivered(record: Record, owed: Owed, now: datetime) -> Record:
    """Seven days were not enough. That is a step: it is not owed again."""
    return _no_longer_owed(record, owed, StepName.NOT_DELIVERED, now)


def _no_longer_owed(record: Record, owed: Owed, name: StepName, now: datetime) -> Record:
    """What an earlier attempt owed is no step of the present one."""
    told = undeliverable(record, owed)
    return step(told, name, now, owed.kind) if owed.attempt == record.attempt else told


def has_told(record: Record, kind: OwedKind) -> bool:
    """Whether this attempt owes such a thing, has told it, or has given that up."""
    owes = any(owed.kind is kind and owed.attempt == record.attempt for owed in record.owed)
    over = (StepName.TICKET_NOTED, StepName.ALERTED, StepName.NOT_DELIVERED)
    return owes or any(step.name in over and step.detail == kind for step in record.steps)


def undeliverable(record: Record, owed: Owed) -> Record:
    """Nobody is left to tell it to."""
    return replace(record, owed=tuple(other for other in record.owed if not _same(other, owed)))


def undelivered(record: Record, owed: Owed) -> Record:
    return replace(
        record,
        owed=tuple(replace(other, tried=owed.tried + 1) if _same(other, owed) else other for other in record.owed),
    )


def unrecorded(record: Record, owed: Owed) -> Record:
    """It was told, and stays owed until the receipt says so."""
    others = undeliverable(record, owed).owed
    return replace(record, owed=(*others, replace(owed, tried=owed.tried + 1, told=True)))


def _same(one: Owed, other: Owed) -> bool:
    return (one.kind, one.attempt) == (other.kind, other.attempt)


def settle(record: Record, retry_after: timedelta | None, now: datetime, jitter: float) -> Record:
    """Let go of after delivering: for good when all is told, else until the next try.

    A next attempt that was opened meanwhile may begin.
    """
    if record.is_open:
        return replace(record, lease=None, next_try_at=now, updated_at=now)
    if not record.owed:
        return replace(record, lease=None, next_try_at=None, message=None, updated_at=now)
    return replace(record, lease=None, next_try_at=_next_telling(record.owed, retry_after, now, jitter), updated_at=now)


def _next_telling(owed: tuple[Owed, ...], retry_after: timedelta | None, now: datetime, jitter: float) -> datetime:
    return now + min(retry_after or backoff(max(one.tried for one in owed), jitter), LONGEST_DELAY)


def overdue(record: Record, now: datetime) -> tuple[Owed, ...]:
    """What could not be told in seven days."""
    return tuple(one for one in record.owed if now - one.since >= CARRY_ON)


# ---- what has ended, and is kept long enough


def is_final(record: Record) -> bool:
    """Done for ever: the person was reset."""
    return record.outcome is Outcome.DONE and record.mode is Mode.ENFORCE


def forget_at(record: Record) -> datetime | None:
    """When what need not hold for ever may go; None while something is left to do, or when it has gone."""
    if has_something_left(record) or record.forgotten_at is not None or record.ended_at is None:
        return None
    return record.ended_at + RETENTION


def forget(record: Record, now: datetime) -> Record:
    """What stays is what a copy is answered with, and what binds a next attempt: pins, what is gone, and the inventory to that.

    Who was meant is known by the object id alone from then on: a message's request, which had no other name for them, is over.
    """
    due = forget_at(record)
    if due is None or now < due:
        return record
    gone = {(entry.type, entry.id) for entry in record.removals}
    named = tuple(method for method in record.inventory or () if not is_final(record) or (method.type, method.id) in gone)
    return replace(
        record,
        subject=None,
        requested_by=None,
        inventory=named if gone else None,
        verdicts=(),
        steps=(),
        outages=(),
        forgotten_at=now,
    )


def check(record: Record) -> Record:
    """The record itself when it can be true; else `IllegalRecord`."""
    ended = record.status in (Status.DONE, Status.REFUSED, Status.FAILED)
    inventory = {(method.type, method.id) for method in record.inventory or ()}
    problems = [
        problem
        for problem, found in {
            "outcome and status differ": ended != (record.outcome is not None)
            or (record.outcome is not None and record.status != Status(record.outcome)),
            "an outcome without a reason": record.outcome is not None and not record.reasons,
            "running without a lease": record.status is Status.RUNNING and record.lease is None,
            "something left to do and no message": record.message is None and (record.is_open or bool(record.owed)),
            "a removal that the first inventory did not hold": any((r.type, r.id) not in inventory for r in record.removals),
            "a removal in a dry run": record.mode is Mode.DRY_RUN and record.removal_begun,
            "neither ticket nor subject": record.forgotten_at is None and (record.ticket is None) == (record.subject is None),
            "not forgotten": record.forgotten_at is not None and (has_something_left(record) or record.subject is not None),
        }.items()
        if found
    ]
    if problems:
        raise IllegalRecord("; ".join(problems))
    return record
