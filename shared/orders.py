"""What operators order is carried out: requests and dead letters are reopened, dead letters are discarded.

An order may be carried out again by whoever comes after a crash: what it opened bears its name, and is not opened twice.
"""

import contextlib
from dataclasses import replace

import structlog

from shared import admission, identity, intake, journal
from shared.admission import Admission
from shared.app import App
from shared.intake import OPERATOR_SOURCE, InvalidMessage
from shared.model import Cause, DeadLetter, Event, How, Order, OrderKind, OrderReply, Resolution
from shared.ports import LARGEST_MESSAGE, Conflict, NewerVersion, Stored, Unavailable, Unreadable
from shared.record import Record

log = structlog.get_logger()

AT_ONCE = 20


class _CannotBe(Exception):
    """What was ordered is not possible; says why."""

    def __init__(self, said: str, request_id: str | None = None) -> None:
        super().__init__(said)
        self.request_id = request_id


async def carry_out(app: App) -> int:
    """How many orders have their reply. One read when there are none."""
    count = 0
    try:
        for order in await app.orders.waiting(AT_ONCE):
            try:
                reply = await _reply(app, order)
            except NewerVersion as later:
                log.warning("order.newer-version", order_id=order.id, cause=later.cause)
                continue
            await app.orders.settled(order, reply)
            log.info("order.settled", order_id=order.id, what=order.what, target=order.target, done=reply.done)
            count += 1
    except Unavailable as later:
        log.warning("orders.unavailable", cause=later.cause, settled=count)
    return count


async def _reply(app: App, order: Order) -> OrderReply:
    try:
        done, said, request_id = True, *await (_discard(app, order) if order.what is OrderKind.DISCARD else _reopen(app, order))
    except _CannotBe as not_so:
        done, said, request_id = False, str(not_so), not_so.request_id
    except Unreadable as error:
        log.error("order.unreadable", order_id=order.id, cause=str(error))  # noqa: TRY400 nothing of the record may be in a trace
        done, said, request_id = False, "What is stored of it cannot be understood: let a new ticket be opened.", None
    except Unavailable:
        raise
    except Exception as error:
        log.exception("order.unclassified", order_id=order.id, error=type(error).__name__)
        done, said, request_id = False, "It failed for a reason that has no name; the service's own log says more.", None
    return OrderReply(done, said, app.clock.now(), request_id)


async def _discard(app: App, order: Order) -> tuple[str, str | None]:
    request_id = None
    with contextlib.suppress(Unreadable):  # what nobody can read is discarded all the same
        letter = await _letter(app, order, How.DISCARDED)
        if letter is None:
            raise _CannotBe("There is no such dead letter.")
        request_id = letter.request_id
    if not await app.letters.resolved(order.target, _resolution(app, order, How.DISCARDED)):
        raise _CannotBe("Something else was done about it meanwhile.", request_id)
    return "It is discarded.", request_id


async def _reopen(app: App, order: Order) -> tuple[str, str | None]:
    letter = await _letter(app, order, How.REOPENED)
    if letter is None and not identity.is_request_id(order.target):
        raise _CannotBe("There is no such request or dead letter.")
    event = _event_in(letter) if letter else None
    request_id = identity.request_id(event) if event else letter.request_id if letter else order.target
    if request_id is None:
        raise _CannotBe("It is no request that can be read: let it be asked for again.")
    if event is not None:
        await _refuse_if_used(app, event, request_id)
    record = await _opened(app, order, request_id, event, letter)
    said = f"Attempt {record.attempt} was opened."
    if letter is not None and not await app.letters.resolved(letter.id, _resolution(app, order, How.REOPENED)):
        said += " Something else was done about the dead letter meanwhile."
    await _wake(app, record)
    return said, record.id


async def _letter(app: App, order: Order, how: How) -> DeadLetter | None:
    """The dead letter that is meant, which nothing else was done about."""
    letter = await app.letters.find(order.target) if identity.is_dead_letter_id(order.target) else None
    if letter and letter.resolution and not _resolution(app, order, how).repeats(letter.resolution):
        raise _CannotBe(f"It is {letter.resolution.how} already.", letter.request_id)
    return letter


def _resolution(app: App, order: Order, how: How) -> Resolution:
    """As of now: what the order says of its time is its writer's word."""
    return Resolution(how, order.by, order.why, app.clock.now(), order.id)


def _event_in(letter: DeadLetter) -> Event | None:
    """What a dead letter asks for, if it is a request that may be put on the queue once more."""
    try:
        received = intake.message_event(letter.text)
    except InvalidMessage:
        return None
    fits = len(letter.text.encode()) <= LARGEST_MESSAGE
    return received.event if fits and received.reopens is None else None


async def _refuse_if_used(app: App, event: Event, request_id: str) -> None:
    """An identity that stands for another request or other content, or for one that is lost, opens what nobody asked for."""
    stored, seen = await app.journal.find(request_id, identity.event_key(event.cause))
    if seen is not None and (stored is None or seen.request_id != request_id or admission.is_mismatch(event, seen)):
        raise _CannotBe("Its event is known as another, or its request is lost: let it be asked for again.", seen.request_id)


async def _opened(app: App, order: Order, request_id: str, event: Event | None, letter: DeadLetter | None) -> Record:
    """The request with the attempt that this order opens, or has opened; `_CannotBe` where it may not."""
    operators = Cause(OPERATOR_SOURCE, order.id)
    conflicts = 0
    while True:
        stored, seen = await app.journal.find(request_id, identity.event_key(operators))
        if seen is not None and seen.request_id != request_id:
            raise _CannotBe("An order of this name was for another request: order it anew.")
        if stored is not None and (seen is not None or stored.record.reopened_by == order.id):
            return stored.record
        if stored is not None:
            admitted = await _next_attempt(app, operators, stored)
        elif event is not None and letter is not None:
            admitted = _first_attempt(app, order, event, letter)
        else:
            raise _CannotBe("There is no such request.")
        try:
            stored = await app.journal.commit(admitted.record, stored.version if stored else None, admitted.seen)
        except Conflict:
            await app.step_aside(conflicts := conflicts + 1)
            continue
        return stored.record


async def _next_attempt(app: App, operators: Cause, stored: Stored) -> Admission:
    """Of a request that is known. Its wake-up names the operator's event, which the journal knows from the same write on."""
    record, now = stored.record, app.clock.now()
    if record.is_open:
        await _wake(app, record)
        raise _CannotBe("It is open already.", record.id)
    if journal.is_final(record):
        raise _CannotBe("It is done, and stays so.", record.id)
    if record.ticket is None and record.subject is None:
        raise _CannotBe("Whom it was about has been forgotten by now: let it be asked for again.", record.id)
    profile = record.profile if record.ticket is None else None
    demand = Event(operators, now, "", record.ticket, record.subject, profile, record.requested_by)
    message = intake.reopening(demand, record.id)
    return admission.reopen(intake.message_event(message).event, message, record, mode=app.settings.mode, now=now)


def _first_attempt(app: App, order: Order, event: Event, letter: DeadLetter) -> Admission:
    """Of a request that was never taken in, as if it had been sent now. Its wake-up is the message itself."""
    now = app.clock.now()
    fresh = admission.admit(replace(event, time=now), letter.text, now, None, None, mode=app.settings.mode, now=now)
    return replace(fresh, record=replace(fresh.record, reopened_by=order.id))


async def _wake(app: App, record: Record) -> None:
    if record.message is not None:
        await app.queue.put(record.message)
