"""What time brings up: requests whose message was lost, whose worker died, whose wait is over or whose switch is off again go
back on the queue; an open breaker has its alert out; what has been kept long enough is forgotten."""

import contextlib
from collections.abc import Callable, Iterable
from datetime import datetime

import structlog

from shared import brakes, deadletters, journal, orders, retention
from shared.app import App
from shared.model import Switches
from shared.ports import Conflict, NewerVersion, Unavailable, Unreadable
from shared.record import Record

log = structlog.get_logger()

AT_ONCE = 100


async def sweep(app: App) -> int:
    """How many requests were put on the queue again. Six reads when there is nothing to do; with storage down, the next tries."""
    now = app.clock.now()
    try:
        count = await _put_back_what_is_due(app, now)
    finally:  # none keeps the others from being done
        try:
            await orders.carry_out(app)
        finally:
            let_go = await _mind_switches(app, now)
    await retention.forget(app)
    return count + let_go


async def _put_back_what_is_due(app: App, now: datetime) -> int:
    def put_back(record: Record) -> Record:
        due = journal.due_at(record)
        return record if due is None or due > now else journal.put_back(record, now)

    try:
        return await _put_back(app, await app.journal.due(now, AT_ONCE), put_back)
    except Unavailable as later:
        log.warning("sweep.unavailable", cause=later.cause)
        return 0


async def _mind_switches(app: App, now: datetime) -> int:
    """Who was held for a switch that is off goes on, or is held for the other one; an open breaker has its alert out."""
    try:
        switches = await app.control.read()
    except Unavailable as later:
        log.warning("sweep.switches-unread", cause=later.cause)
        return 0
    try:
        return await _let_go(app, switches, now)
    finally:
        await brakes.announce(app, switches.breaker)


async def _let_go(app: App, switches: Switches, now: datetime) -> int:
    count = 0
    try:
        for waiting_for in brakes.off(switches):
            held = await app.journal.held(waiting_for, AT_ONCE)
            count += await _put_back(app, held, lambda record: brakes.let_go(switches, record, now))
    except Unavailable as later:
        log.warning("sweep.held-later", cause=later.cause)
    return count


async def _put_back(app: App, request_ids: Iterable[str], change: Callable[[Record], Record]) -> int:
    """How many of these requests are on the queue again: those that the change makes ready to be worked on."""
    count = 0
    for request_id in request_ids:
        try:
            count += await _put_one_back(app, request_id, change)
        except NewerVersion as later:
            log.warning("sweep.newer-version", request_id=request_id, cause=later.cause)
        except Unreadable as error:
            log.error("sweep.unreadable", request_id=request_id, cause=str(error))  # noqa: TRY400 the others go on
            await deadletters.bury_record(app, request_id)
    return count


async def _put_one_back(app: App, request_id: str, change: Callable[[Record], Record]) -> bool:
    """Journaled first: whoever dies in between leaves a request that is due again, and of many sweeps one puts it there."""
    stored, _ = await app.journal.find(request_id)
    if stored is None:  # somebody has deleted it
        await app.journal.give_up(request_id)
        return False
    if stored.record.message is None:
        return False
    record = change(stored.record)
    if record is stored.record:
        return False
    try:
        marked = await app.journal.commit(record, stored.version)
    except Conflict:
        return False  # somebody is at it
    if not journal.may_claim(record, app.clock.now()):
        return False  # it is held for the other switch
    try:
        await app.queue.put(stored.record.message)
    except Unavailable:
        with contextlib.suppress(Conflict):
            await app.journal.commit(stored.record, marked.version)  # the next tick tries, not the one in five minutes
        raise
    log.info("sweep.put-back", request_id=request_id, status=stored.record.status, waited_for=stored.record.waiting_for)
    return True
