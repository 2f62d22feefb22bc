"""How a demand gets in: the webhook is answered only when its message is durably on the queue, a message only taken once."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from shared import identity, intake, journal, wording
from shared.admission import Admission, admit, is_mismatch
from shared.app import App, Unready
from shared.claim import Claim
from shared.intake import ReceivedMessage
from shared.journal import IllegalRecord
from shared.model import AlertKind, Event, Status
from shared.ports import Conflict, RequestQueue, Stored, Unavailable, Unreadable
from shared.record import Record, SeenEvent
from shared.wording import Answer

log = structlog.get_logger()

RETRY_SOON = timedelta(seconds=30)
OURS = frozenset({intake.WEBHOOK_SOURCE, intake.OPERATOR_SOURCE})  # nobody waits at the results queue for an answer to these


async def webhook(app: App, headers: Mapping[str, str], body: bytes, traceparent: str | None = None) -> Answer:
    """The answer to one delivery of the ticket system; 202 means that the work will be done.

    `traceparent` names the trace that the host keeps of this call: the message takes it along.
    """
    structlog.contextvars.clear_contextvars()
    now = app.clock.now()
    try:
        intake.check_size(body)
        webhook_id = intake.verify(headers, body, app.settings.webhook_keys, now)
    except intake.TooLarge:
        return wording.problem(413, f"The body is larger than {intake.MAX_BODY} bytes.")
    except intake.NotAuthentic as refused:
        log.warning("webhook.not-authentic", why=refused.why)
        await _watch(app, now)
        return wording.NOT_AUTHENTIC
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        return wording.problem(415, "The body must be application/json.")
    limits = app.settings.limits
    try:
        event = intake.webhook_event(webhook_id, body, tables=limits.ticket_tables, max_age=limits.request_max_age, now=now)
    except intake.BadShape as bad:
        return wording.problem(400, bad.message, pointer=bad.pointer)
    except intake.BadValue as bad:
        return wording.problem(422, bad.message, pointer=bad.pointer)
    _follow(identity.request_id(event))
    try:
        return await _take_in(app, event, now, intake.trace_parent(traceparent))
    except Unavailable as later:
        return unavailable(later)
    except Unreadable as error:
        await _set_aside(app, event)
        return unavailable(error)


async def _set_aside(app: App, event: Event) -> None:
    """Whoever looks after dead letters tells the ticket, since nothing else will come of this event."""
    try:
        await app.queue.put_aside(intake.message(event))
    except Unavailable as later:
        log.warning("webhook.set-aside-later", cause=later.cause)  # the sender repeats what was not taken in


async def _watch(app: App, now: datetime) -> None:
    """One failure too many is told to whoever watches; the caller learns nothing of it."""
    watch = app.watch
    if not watch.failed(now):
        return
    watch.said(now)
    log.warning("alert.raised", kind=AlertKind.AUTHENTICATION_FAILURES, failures=watch.failures)
    try:
        await app.queue.publish(wording.intake_alert(watch.failures, watch.since, now))
    except Unavailable as later:
        log.warning("webhook.alert-later", failures=watch.failures, cause=later.cause)
        watch.unsaid()


async def status(app: App, request_id: str) -> Answer:
    """What became of a request, from the journal.

    Of a record that contradicts itself nothing is said but 503, until somebody has looked: not even its outcome can be believed.
    """
    if not identity.is_request_id(request_id):
        return _UNKNOWN
    try:
        stored, _ = await app.journal.find(request_id)
    except (Unavailable, Unreadable) as later:
        return unavailable(later)
    return Answer(200, wording.status_body(stored.record), {}) if stored else _UNKNOWN


_UNKNOWN = wording.problem(404, "There is no such request.")


def unavailable(why: Unavailable | Unreadable | Unready) -> Answer:
    """Nothing was taken in; the sender may repeat. It is not told why: health says it to whoever runs this."""
    log.warning("http.unavailable", why=sorted(why.problems) if isinstance(why, Unready) else str(why))
    after = (why.retry_after if isinstance(why, Unavailable) else None) or RETRY_SOON
    return wording.problem(503, "Not available now; try again later.", retry_after=math.ceil(after.total_seconds()))


def _follow(request_id: str) -> None:
    """Whatever is logged from here on, in this invocation, says whose it is."""
    structlog.contextvars.bind_contextvars(request_id=request_id)


async def _take_in(app: App, event: Event, now: datetime, traceparent: str | None) -> Answer:
    admission = await _admitted(app, event, intake.message(event, traceparent=traceparent), now)
    if admission is None:
        return wording.problem(422, "This webhook-id was used before with another body.", pointer="")
    record = admission.record
    # A copy may be all that is left of a sender who saw us die between journal and queue: nobody has claimed it, so put it there.
    if record.status is Status.ACCEPTED and record.message is not None:
        await app.queue.put(record.message)
    log.info("request.taken-in", request_id=record.id, attempt=record.attempt, taken=admission.taken, status=record.status)
    return wording.accepted(record, ended=not record.is_open)


async def _admitted(app: App, event: Event, message: str, arrived_at: datetime) -> Admission | None:
    """The event is in the journal; None when its identity was used for another. The first reading is guessed: mostly right."""
    stored, seen = None, None
    conflicts = 0
    while True:
        if is_mismatch(event, seen):
            return None
        admission = _admit(app, event, message, arrived_at, stored, seen)
        try:
            await _store(app, admission.record, stored, admission.seen, seen)
        except Conflict:
            await app.step_aside(conflicts := conflicts + 1)
            stored, seen = await app.journal.find(identity.request_id(event), identity.event_key(event.cause))
            continue
        return admission


def _admit(
    app: App, event: Event, message: str, arrived_at: datetime, stored: Stored | None, seen: SeenEvent | None
) -> Admission:
    record = stored.record if stored else None
    try:
        return admit(event, message, arrived_at, seen, record, mode=app.settings.mode, now=app.clock.now())
    except IllegalRecord as error:
        raise Unreadable(str(error)) from error


async def _store(app: App, record: Record, stored: Stored | None, event: SeenEvent, seen: SeenEvent | None) -> Stored:
    """What is new of record and event is in the journal; `Conflict` when others were there first."""
    if stored is not None and record is stored.record and seen is not None:
        return stored
    return await app.journal.commit(record, stored.version if stored else None, event if seen is None else None)


async def message(app: App, text: str, inserted_at: datetime) -> Claim | None:
    """The claim on the request that a queue message asks for; None when there is nothing (more) to do for it."""
    now = app.clock.now()
    try:
        received = intake.message_event(text)
        return await _claimed(app, received, text, min(inserted_at, received.first_inserted_at or inserted_at))
    except intake.InvalidMessage as bad:
        log.warning("message.invalid", pointer=bad.pointer, reported=bad.cause is not None)
        if bad.cause is None:
            await app.queue.put_aside(text)
        else:
            await app.queue.publish(wording.invalid_event(bad.cause, app.settings.mode, now))
        return None


async def _claimed(app: App, received: ReceivedMessage, text: str, arrived_at: datetime) -> Claim | None:
    event = received.event
    request_id = received.reopens or identity.request_id(event)
    _follow(request_id)
    conflicts = 0
    while True:
        stored, seen = await app.journal.find(request_id, identity.event_key(event.cause))
        if seen is not None and is_mismatch(event, seen):
            await _refuse_mismatch(app, event, seen)
            return None
        if seen is None:
            intake.check_time(event, arrived_at)
        intake.check_ordered(received, seen.request_id if seen else None)
        admission = _admit(app, event, text, arrived_at, stored, seen)
        record, now = admission.record, app.clock.now()
        claimable = journal.may_claim(record, now)
        if claimable:
            owner = f"{app.worker}/{now.timestamp():.6f}/{app.jitter():.6f}"
            record = journal.claim(record, owner, now, app.settings.claim_lease, app.settings.mode)
        try:
            stored = await _store(app, record, stored, admission.seen, seen)
        except Conflict:
            await app.step_aside(conflicts := conflicts + 1)
            continue
        log.info(
            "message.taken",
            request_id=record.id,
            attempt=record.attempt,
            taken=admission.taken,
            claimed=claimable,
            traceparent=received.traceparent,
        )
        if claimable:
            return Claim(app, stored)
        if record.lease is None and record.next_try_at and record.next_try_at - now <= journal.CLOCK_SKEW:
            await app.queue.put(text, record.next_try_at - now)  # woken by a clock that is ahead of ours
        elif not record.is_open and not record.owes_result and event.cause.source not in OURS:
            await app.queue.publish(wording.result_event(record))
        return None


async def _refuse_mismatch(app: App, event: Event, seen: SeenEvent) -> None:
    first, _ = await app.journal.find(seen.request_id)
    if first is None:
        raise Unreadable("an event is known whose request is not")
    await app.queue.publish(wording.mismatch_event(first.record, event.cause, app.clock.now()))


async def put_back(queue: RequestQueue, text: str, inserted_at: datetime) -> None:
    """The message is on the queue again, later, with the time at which it first came."""
    await queue.put(intake.returned(text, inserted_at), RETRY_SOON)
