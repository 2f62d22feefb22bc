"""What an event becomes: a new request, its next attempt, or part of what there is already. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared import identity
from shared.journal import IllegalRecord, is_final
from shared.model import Event, Mode, Outcome, Profile
from shared.record import Record, SeenEvent, StepName, StepTaken

ATTEMPTS_PER_DAY = 5  # our own notes may fire the sender's rule again


class Taken(StrEnum):
    OPENED = "opened"
    REOPENED = "reopened"
    JOINED = "joined"  # belongs to an attempt that was open when it arrived
    COPY = "copy"  # this very event was taken in before
    FINAL = "final"  # the request is done for ever
    EXHAUSTED = "exhausted"  # too many attempts today: only an operator reopens


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of an event. `record` and `seen` are to be stored where they differ from what was read."""

    taken: Taken
    record: Record
    seen: SeenEvent


def is_mismatch(event: Event, seen: SeenEvent | None) -> bool:
    """Whether the event's identity was used before with other content; its request is then `seen`'s, and not touched."""
    return seen is not None and seen.fingerprint != event.fingerprint


def admit(
    event: Event, message: str, arrived_at: datetime, seen: SeenEvent | None, record: Record | None, *, mode: Mode, now: datetime
) -> Admission:
    """Decides whether an event opens a request, its next attempt, or neither.

    `arrived_at` is the webhook's arrival or the message's first insertion time on the queue; `message` is what wakes a worker.
    """
    key = identity.event_key(event.cause)
    if seen is not None:
        if record is None or seen.request_id != record.id or is_mismatch(event, seen):
            raise IllegalRecord("an event is known whose request is not")
        return Admission(Taken.COPY, record, seen)

    def answered(taken: Taken, result: Record) -> Admission:
        return Admission(taken, result, SeenEvent(key, result.id, event.fingerprint, result.attempt, arrived_at))

    if record is None:
        return answered(Taken.OPENED, _open(event, message, arrived_at, mode, now))
    if event.ticket is None:
        raise IllegalRecord("a request is known whose event is not")
    if record.is_open:
        # A number that was mistyped in an earlier event is corrected by this one, as long as nothing has been done under it.
        ticket = record.ticket if record.removal_begun else event.ticket
        return answered(Taken.JOINED, replace(record, ticket=ticket, latest_event_at=now, updated_at=now))
    if is_final(record):
        return answered(Taken.FINAL, record)
    if _arrived_during(record, event, arrived_at):
        return answered(Taken.JOINED, record)
    recent = tuple(at for at in record.attempts_opened if now - at < timedelta(hours=24))
    if sum((at in record.dry_runs) is (mode is Mode.DRY_RUN) for at in recent) >= ATTEMPTS_PER_DAY:  # dry runs count for nothing
        return answered(Taken.EXHAUSTED, record)
    return answered(Taken.REOPENED, _reopen(replace(record, attempts_opened=recent), event, message, arrived_at, mode, now))


def reopen(event: Event, message: str, record: Record, *, mode: Mode, now: datetime) -> Admission:
    """An operator's event opens the next attempt of a request that has ended, whatever came of it save an enforced `done`.

    It stays the request of whoever asked for it: its id and its cause. The age of the demand counts from now.
    """
    assert not record.is_open
    assert not is_final(record)
    recent = tuple(at for at in record.attempts_opened if now - at < timedelta(hours=24))
    fresh = _reopen(replace(record, attempts_opened=recent), event, message, now, mode, now)
    ours = replace(fresh, id=record.id, cause=record.cause, reopened_by=event.cause.id)
    seen = SeenEvent(identity.event_key(event.cause), record.id, event.fingerprint, ours.attempt, now)
    return Admission(Taken.REOPENED, ours, seen)


def _arrived_during(record: Record, event: Event, arrived_at: datetime) -> bool:
    """Whether an event arrived while the ended attempt was open, and the attempt can have taken it into account."""
    assert record.ended_at is not None
    arrived_at = _latest_arrival(event, arrived_at)
    if arrived_at > record.ended_at:
        return False
    return record.outcome is not Outcome.REFUSED or record.facts_read_at is None or arrived_at <= record.facts_read_at


def _latest_arrival(event: Event, arrived_at: datetime) -> datetime:
    """The queue tells only the second of an arrival: its end, unless the event itself says when in that second it was made.

    An attempt too many is refused again; an event too few is a person who waits for ever.
    """
    if arrived_at.microsecond:
        return arrived_at
    end = arrived_at + timedelta(seconds=1)
    return event.time if event.time.microsecond and arrived_at < event.time < end else end


def _open(event: Event, message: str, arrived_at: datetime, mode: Mode, now: datetime) -> Record:
    return Record(
        id=identity.request_id(event),
        cause=event.cause,
        ticket=event.ticket,
        subject=event.subject,
        requested_by=event.requested_by,
        message=message,
        attempt=1,
        attempts_opened=(arrived_at,),
        dry_runs=(arrived_at,) if mode is Mode.DRY_RUN else (),
        mode=mode,
        profile=event.profile or Profile.REQUIRE_REREGISTER,
        event_time=event.time,
        accepted_at=arrived_at,
        latest_event_at=min(arrived_at, now),
        updated_at=now,
        steps=(StepTaken(StepName.ACCEPTED, arrived_at),),
    )


def _reopen(record: Record, event: Event, message: str, arrived_at: datetime, mode: Mode, now: datetime) -> Record:
    """The next attempt, checked from the start; what an earlier one removed stays removed and keeps its time and inventory."""
    fresh = replace(
        _open(event, message, arrived_at, mode, now),
        attempt=record.attempt + 1,
        attempts_opened=(*record.attempts_opened, arrived_at),
        dry_runs=(
            *(at for at in record.dry_runs if at in record.attempts_opened),
            *((arrived_at,) if mode is Mode.DRY_RUN else ()),
        ),
        pins=record.pins,
        owed=record.owed,
        lease=record.lease,  # who is delivering what the last attempt owes goes on with that
    )
    if not record.removals:
        return fresh
    return replace(fresh, accepted_at=record.accepted_at, inventory=record.inventory, removals=record.removals)
