"""What was put aside becomes a dead letter: kept whole, with its reason, and told to whoever can do something about it.

A message lands there after it broke five invocations, or because nothing can be made of it. Where the journal knows its event and
the record can be read, it is one message too many: the record wakes itself, and counts its tries. All else is kept first, then
the alert goes out and the sender is answered, then the ticket is told, and only then is the message off its queue: whoever dies
in between does the rest again, under the same names.
"""

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from shared import admission, identity, intake, journal, wording
from shared.app import App
from shared.intake import InvalidMessage
from shared.model import AlertKind, Cause, DeadLetter, Event, Reason, TicketRef
from shared.ports import LARGEST_MESSAGE, Forbidden, NewerVersion, Poisoned, Stored, TicketNotFound, Unavailable, Unreadable
from shared.record import SeenEvent

log = structlog.get_logger()

AT_ONCE = 32
A_TICK = timedelta(seconds=40)  # after which the rest is left to the next one
PATIENCE_SECONDS = 30  # for one note
NOTED_FOR = timedelta(days=7)  # how long a note is tried
KEPT_OF_A_RECORD = 65_536  # characters


@dataclass(frozen=True, slots=True)
class Burial:
    """A letter, who is answered, whether the ticket is told. `broken`: its request's record is, and must not fall due again."""

    letter: DeadLetter
    cause: Cause | None
    noted: bool = True
    broken: bool = False


async def bury(app: App) -> int:
    """How many messages were taken off the poison queue. One that cannot be told about yet stays for the next time."""
    count, until = 0, app.clock.now() + A_TICK
    try:
        while messages := await app.queue.poisoned(AT_ONCE):
            for message in messages:
                if app.clock.now() >= until:
                    return count
                count += await _taken_off(app, message)
    except Unavailable as later:
        log.warning("dead-letters.unavailable", cause=later.cause, buried=count)
    return count


async def bury_record(app: App, request_id: str) -> None:
    """A record that contradicts itself is a dead letter, and its request no longer due: only a human can go on with it.

    The message that it kept is put aside, so that its ticket is told from there: the sweep waits for no ticket system.
    """
    remains = await app.journal.remains(request_id)
    if (message := _message_in(remains, request_id)) is not None:
        await app.queue.put_aside(message)
        await _give_up(app, request_id)
        return
    text = remains[:KEPT_OF_A_RECORD]
    letter_id = identity.dead_letter_id(request_id, text)
    try:
        await _told(app, _broken(letter_id, text, app.clock.now(), request_id, None))
    except Unreadable as error:
        log.error("dead-letters.unreadable", request_id=request_id, cause=str(error))  # noqa: TRY400 the sweep goes on


async def _taken_off(app: App, message: Poisoned) -> bool:
    try:
        burial = await _examined(app, message)
        if burial is not None and not await _told(app, burial):
            return False
        await app.queue.buried(message)
    except NewerVersion as later:
        log.warning("dead-letters.newer-version", request_id=later.request_id, cause=later.cause)
        return False
    except Unavailable:
        raise
    except Exception as error:
        log.exception("dead-letters.unclassified", error=type(error).__name__)  # the others are looked at, this one again
        return False
    return True


async def _examined(app: App, message: Poisoned) -> Burial | None:
    """What the message comes to; None when it is one too many."""
    at, text = message.inserted_at, message.text
    letter_id = identity.dead_letter_id(text)
    invalid = Reason.PAYLOAD_INVALID
    try:
        received = intake.message_event(text)
    except InvalidMessage as bad:
        detail = str(bad) if message.encoded else wording.NOT_ENCODED
        return Burial(DeadLetter(letter_id, invalid, detail, text, at), bad.cause)
    event = received.event
    request_id = received.reopens or identity.request_id(event)
    try:
        stored, seen = await app.journal.find(request_id, identity.event_key(event.cause))
    except Unreadable:
        return _broken(letter_id, text, at, request_id, event)
    if received.reopens is not None and (seen is None or seen.request_id != request_id):  # a forgery
        return Burial(DeadLetter(letter_id, invalid, wording.NOT_ORDERED, text, at), event.cause)
    if seen is not None and admission.is_mismatch(event, seen):
        detail = wording.SENTENCES[Reason.PAYLOAD_MISMATCH]
        return Burial(DeadLetter(letter_id, Reason.PAYLOAD_MISMATCH, detail, text, at, seen.request_id), event.cause)
    if stored is None and seen is not None:
        return _broken(letter_id, text, at, request_id, event)
    if stored is not None and await _is_one_too_many(app, stored, seen):
        log.info("dead-letters.one-too-many", request_id=request_id)
        return None
    reason, detail = (Reason.INTERNAL_ERROR, wording.NEVER_TAKEN_IN) if message.encoded else (invalid, wording.NOT_ENCODED)
    letter = DeadLetter(letter_id, reason, detail, text, at, request_id, event.ticket)
    return Burial(letter, event.cause, noted=stored is None or not stored.record.is_open)  # an open attempt has notes of its own


async def _is_one_too_many(app: App, stored: Stored, seen: SeenEvent | None) -> bool:
    """Whether nothing more can come of the message: its event is in the journal's hands, or its request is done for ever."""
    if seen is not None:
        return True
    if not journal.is_final(stored.record):
        return False
    await app.queue.publish(wording.result_event(stored.record))
    return True


def _broken(letter_id: str, text: str, at: datetime, request_id: str, event: Event | None) -> Burial:
    """What was made of this request cannot be known."""
    ticket: TicketRef | None = None
    if event is not None and identity.request_id(event) == request_id:
        ticket = event.ticket
    letter = DeadLetter(letter_id, Reason.INTERNAL_ERROR, wording.BROKEN_RECORD, text, at, request_id, ticket)
    return Burial(letter, event.cause if event else None, broken=True)


def _message_in(remains: str, request_id: str) -> str | None:
    """The message that a broken record kept, if it is one for this request, and no larger than messages are."""
    try:
        text = json.loads(remains)["message"]
        if isinstance(text, str) and identity.request_id(intake.message_event(text).event) == request_id:
            return text if len(text.encode()) <= LARGEST_MESSAGE else None
    except (ValueError, TypeError, LookupError, RecursionError, InvalidMessage):
        pass
    return None


async def _told(app: App, burial: Burial) -> bool:
    """Whether everybody has heard of the letter, which is on record; what they have heard they are not told again."""
    letter = await app.letters.keep(burial.letter)
    if not letter.announced:
        log.error("dead-letters.kept", dead_letter_id=letter.id, reason=letter.reason, request_id=letter.request_id)
        log.warning("alert.raised", kind=AlertKind.DEAD_LETTER, dead_letter_id=letter.id, request_id=letter.request_id)
        await app.queue.publish(wording.dead_letter_alert(letter))
        if burial.cause is not None:
            await app.queue.publish(wording.dead_letter_result(letter, burial.cause, app.settings.mode))
        await app.letters.announced(letter)
    if burial.noted and not letter.resolution and not await _noted(app, letter):
        return False
    if burial.broken and letter.request_id:
        await _give_up(app, letter.request_id)
    return True


async def _give_up(app: App, request_id: str) -> None:
    """Where only the event is broken, or the record has been mended since, the request goes on."""
    try:
        stored, _ = await app.journal.find(request_id)
    except Unreadable:
        stored = None
    if stored is None:
        await app.journal.give_up(request_id)


async def _noted(app: App, letter: DeadLetter) -> bool:
    """Whether the ticket need not be told any more. Only one in a table that is ours is written to."""
    ticket = letter.ticket
    if ticket is None or app.desk is None or ticket.table not in app.settings.limits.ticket_tables:
        return True
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await app.desk().write(ticket, wording.dead_letter_note(letter, app.settings.mode), repeat=True)
    except TicketNotFound:
        log.warning("dead-letters.no-ticket", dead_letter_id=letter.id)
    except (Unavailable, Forbidden, TimeoutError) as later:
        over = app.clock.now() - letter.first_seen >= NOTED_FOR
        said = "dead-letters.note-given-up" if over else "dead-letters.note-later"
        log.warning(said, dead_letter_id=letter.id, cause=str(later))
        return over
    return True
