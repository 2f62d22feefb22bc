"""What time brings up: requests whose message was lost, whose worker died, or whose wait is over go back on the queue;
an open breaker has its alert out."""

from datetime import datetime

import structlog

from shared import brakes, journal
from shared.app import App
from shared.ports import Conflict, Unavailable, Unreadable

log = structlog.get_logger()

AT_ONCE = 100


async def sweep(app: App) -> int:
    """How many requests were put on the queue again. Two reads when nothing is due; with storage down, the next tick tries."""
    await brakes.announce(app)
    count = 0
    now = app.clock.now()
    try:
        for request_id in await app.journal.due(now, AT_ONCE):
            try:
                count += await _put_back(app, request_id, now)
            except Unreadable as error:
                log.error("sweep.unreadable", request_id=request_id, cause=str(error))  # noqa: TRY400 the others go on
    except Unavailable as later:
        log.warning("sweep.unavailable", cause=later.cause, put_back=count)
    return count


async def _put_back(app: App, request_id: str, now: datetime) -> bool:
    stored, _ = await app.journal.find(request_id)
    if stored is None or stored.record.message is None:
        return False
    due = journal.due_at(stored.record)
    if due is None or due > now:
        return False
    try:
        await app.journal.commit(journal.put_back(stored.record, now), stored.version)
    except Conflict:
        return False  # somebody is at it
    await app.queue.put(stored.record.message)
    log.info("sweep.put-back", request_id=request_id, status=stored.record.status)
    return True
