"""One message, one turn of work: whatever happens in it, the request has ended, or waits, or somebody else has it.

Every way in which a turn can end is here; what it does meanwhile is in `reset`.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NoReturn

import structlog

from shared import acceptance, brakes, delivery, journal, reset, wording
from shared.app import App, Unready
from shared.attempt import Attempt, Ended
from shared.audit import Audit, NotOnRecord
from shared.brakes import DecideAgain
from shared.claim import Claim, LeaseLost
from shared.journal import StaleFacts
from shared.model import Outcome, Reason, WaitingFor
from shared.ports import Forbidden, PersonNotFound, TokenRefused, Unavailable, Unreadable
from shared.record import OwedKind, Record

log = structlog.get_logger()

TURN_SECONDS = 80  # with the start note's last moment and what delivery may take, an invocation stays within two minutes
TOKEN_PATIENCE = timedelta(seconds=30)  # a token may run out between its last check and the call
NOTE_WAITS_FROM = timedelta(minutes=3)

_UNAVAILABLE = {
    WaitingFor.GRAPH: Reason.GRAPH_UNAVAILABLE,
    WaitingFor.TICKET_SYSTEM: Reason.TICKET_SYSTEM_UNAVAILABLE,
    WaitingFor.STORAGE: Reason.INTERNAL_ERROR,
}
_FORBIDDEN = {
    WaitingFor.GRAPH: Reason.GRAPH_FORBIDDEN,
    WaitingFor.TICKET_SYSTEM: Reason.TICKET_SYSTEM_FORBIDDEN,
}


async def handle(app: App | Unready, text: str, inserted_at: datetime | None) -> None:
    """A queue message has been dealt with for now. What cannot be remembered is put back with the time at which it first came.

    Whatever is raised from here is left to the host, which tries again and then puts the message aside.
    """
    structlog.contextvars.clear_contextvars()
    inserted_at = inserted_at or datetime.now(UTC)
    if isinstance(app, Unready):
        if app.queue is None:
            raise RuntimeError(f"settings are wrong: {sorted(app.problems)}")
        await acceptance.put_back(app.queue, text, inserted_at)
        return
    try:
        claim = await acceptance.message(app, text, inserted_at)
        if claim is not None:
            await turn(app, claim)
    except LeaseLost:
        log.warning("turn.lease-lost")
    except Unreadable as error:
        log.error("turn.unreadable", cause=str(error))  # noqa: TRY400 nothing of the record may be in a trace
        await app.queue.put_aside(text)
    except Unavailable as later:
        log.warning("turn.put-back", waiting_for=later.waiting_for, cause=later.cause)
        await acceptance.put_back(app.queue, text, inserted_at)


async def turn(app: App, claim: Claim) -> None:
    """Afterwards the request has ended and told so, or waits: it is known what for, and who wakes it."""
    desk = app.desk() if app.desk else None
    async with claim.held(), Audit(app, claim.record) as audit:
        if claim.record.is_open:
            async with Attempt(app, claim, audit, app.directory(), desk) as attempt:
                await _work(app, attempt)
        if claim.record.waiting_for is WaitingFor.TICKET_SYSTEM:
            desk = None
        ended = not claim.record.is_open
        retry_after = await delivery.deliver(claim, audit, app.queue, desk)
        for one in await audit.leave():
            claim.stage(partial(journal.unrecorded, owed=one))
    _give_up_telling(claim)
    now, jitter = app.clock.now(), app.jitter()
    let_go = journal.settle if ended else journal.still_telling
    claim.stage(lambda record: let_go(record, retry_after, now, jitter))
    await claim.commit()
    await _wake_later(app, claim.record)


def _note_wait(attempt: Attempt, now: datetime) -> None:
    """A wait that is long enough for the desk to wonder is told to the ticket; one for a human once it has become so."""
    record = attempt.record
    waits_long = record.next_try_at is not None and record.next_try_at - now >= NOTE_WAITS_FROM
    waits_for_long = any(now - outage.since >= NOTE_WAITS_FROM for outage in record.outages)
    if waits_long or waits_for_long:
        attempt.owe_note(OwedKind.WAITING_NOTE, wording.waiting_note)
    else:
        attempt.claim.stage(lambda record: journal.woken(record, now + NOTE_WAITS_FROM))


def _give_up_telling(claim: Claim) -> None:
    """What could not be told in seven days is owed no longer, but for an alert that says so: once, and not of itself."""
    now = claim.now()
    lost = journal.overdue(claim.record, now)
    for one in lost:
        log.error("delivery.given-up", request_id=claim.record.id, attempt=one.attempt, owed=one.kind)
        claim.stage(partial(journal.not_delivered, owed=one, now=now))
    if untold := tuple(one for one in lost if one.kind is not OwedKind.NOT_DELIVERED_ALERT and not one.told):
        _owe_alert(claim, OwedKind.NOT_DELIVERED_ALERT, wording.not_delivered_alert(claim.record, untold, now), now)


def _owe_alert(claim: Claim, kind: OwedKind, event: Mapping[str, Any], now: datetime) -> None:
    content = delivery.event_content(event)
    claim.stage(lambda record: journal.owe(record, kind, content, now))
    log.warning("alert.raised", request_id=claim.record.id, attempt=claim.record.attempt, kind=kind)


async def _wake_later(app: App, record: Record) -> None:
    """A message comes back when the request may go on; were it lost, the sweep would put it there a little later."""
    if record.next_try_at is None or record.message is None or not journal.has_wake_up(record):
        return
    try:
        await app.queue.put(record.message, max(record.next_try_at - app.clock.now(), timedelta()))
    except Unavailable as later:
        log.warning("wake-up.left-to-sweep", request_id=record.id, cause=later.cause)


async def _work(app: App, attempt: Attempt) -> None:
    """The attempt has ended, or is staged to wait: also when its end could not be written, whatever kept it."""
    try:
        await _work_on(app, attempt)
    except LeaseLost:
        raise
    except Unavailable as later:
        if not isinstance(later, NotOnRecord):
            attempt.claim.discard()
        log.warning("attempt.end-later", request_id=attempt.record.id, waiting_for=later.waiting_for, cause=later.cause)
        _wait(app, attempt, later.waiting_for, later.retry_after)
    except Exception as error:
        attempt.claim.discard()
        log.exception("attempt.end-unclassified", request_id=attempt.record.id, error=type(error).__name__)
        _wait(app, attempt, None, None)


async def _work_on(app: App, attempt: Attempt) -> None:
    """As `_work`; whatever is raised kept the end from being written."""
    record = attempt.record
    try:
        async with asyncio.timeout(TURN_SECONDS):
            if journal.out_of_tries(record):
                await attempt.end(Outcome.FAILED, Reason.INTERNAL_ERROR)
            if service := journal.may_not_ask(record, app.settings.give_up_after, app.clock.now()):
                await attempt.end(Outcome.FAILED, _UNAVAILABLE[service])
            if not record.acted_on:
                await _pass_switches(app, attempt)
            await _perform(app, attempt)
    except Ended:
        return
    except LeaseLost:
        raise
    except Unavailable as later:
        if later.waiting_for is WaitingFor.STORAGE and not isinstance(later, NotOnRecord):
            attempt.claim.discard()  # as if we had died here: what matters is in the journal, the rest is learned again
        await _wait_or_give_up(app, attempt, later)
    except TimeoutError:
        await _wait_or_give_up(app, attempt, Unavailable(WaitingFor.GRAPH, "the turn took too long", timedelta(seconds=1)))
    except PersonNotFound:
        # Steps before the first removal refuse by themselves; after it, a directory that lags may forget somebody for a while.
        await _wait_or_give_up(app, attempt, Unavailable(WaitingFor.GRAPH, "the person is not found any more"))
    except Unreadable as error:
        log.error("attempt.unreadable", request_id=record.id, cause=str(error))  # noqa: TRY400 nothing of the record may be in a trace
        attempt.claim.discard()
        await _wait_or_give_up(app, attempt, Unavailable(WaitingFor.STORAGE, str(error)))
    except Forbidden as refused:
        log.warning("attempt.forbidden", request_id=record.id, service=refused.service, cause=refused.cause)
        if attempt.record.removal_begun:  # a permission may come back: what was begun is tried on
            await _wait_or_give_up(app, attempt, Unavailable(refused.service, refused.cause), _FORBIDDEN[refused.service])
        elif isinstance(refused, TokenRefused) and not journal.given_up(
            attempt.record, refused.service, TOKEN_PATIENCE, app.clock.now()
        ):
            _wait(app, attempt, refused.service, None)
        else:
            await attempt.finish(Outcome.FAILED, _FORBIDDEN[refused.service])
    except Exception as error:
        log.exception("attempt.unclassified", request_id=record.id, error=type(error).__name__)
        begun, now = attempt.record.removal_begun, app.clock.now()
        hopeless = journal.carried_on_for_long(attempt.record, now) if begun else attempt.record.tries >= journal.TRIES
        if hopeless:
            await attempt.finish(Outcome.FAILED, Reason.INTERNAL_ERROR)
        else:
            _wait(app, attempt, None, None)


async def _perform(app: App, attempt: Attempt) -> NoReturn:
    """As `reset.perform`; what turns out to rest on old facts is decided again."""
    while True:
        try:
            await reset.perform(attempt)
        except (StaleFacts, DecideAgain):
            log.info("attempt.facts-stale", request_id=attempt.record.id)
            await app.clock.sleep(0)
        except Unavailable as later:
            if later.waiting_for in journal.WITHOUT_LIMIT:  # a limit, or a switch just turned: every service has answered by then
                attempt.claim.stage(journal.all_answered)
            raise


async def _pass_switches(app: App, attempt: Attempt) -> None:
    """Neither pause nor breaker is in the way, nor are they waited for any longer."""
    if waits := brakes.hold(await app.control.read(), attempt.record):
        raise waits
    attempt.claim.stage(journal.let_go)


async def _wait_or_give_up(app: App, attempt: Attempt, later: Unavailable, reason: Reason | None = None) -> None:
    log.warning("attempt.waits", request_id=attempt.record.id, waiting_for=later.waiting_for, cause=later.cause)
    if journal.given_up(attempt.record, later.waiting_for, app.settings.give_up_after, app.clock.now()):
        await attempt.finish(Outcome.FAILED, reason or _UNAVAILABLE[later.waiting_for])
    else:
        _wait(app, attempt, later.waiting_for, later.retry_after)


def _wait(app: App, attempt: Attempt, waiting_for: WaitingFor | None, retry_after: timedelta | None) -> None:
    """The wait is staged, and told to those who may wonder about it."""
    now, jitter = app.clock.now(), app.jitter()
    give_up_after = app.settings.give_up_after
    attempt.claim.stage(lambda record: journal.wait(record, waiting_for, retry_after, now, jitter, give_up_after))
    record = attempt.record
    if record.ticket and not journal.has_told(record, OwedKind.WAITING_NOTE):
        _note_wait(attempt, now)
    if journal.unfinished(record, now) and not journal.has_told(record, OwedKind.UNFINISHED_ALERT):
        _owe_alert(attempt.claim, OwedKind.UNFINISHED_ALERT, wording.unfinished_alert(record, now), now)
