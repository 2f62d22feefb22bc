"""What has been kept long enough goes: a request that ended is a tombstone from then on, a dead letter loses its message."""

import structlog

from shared import deadletters, journal
from shared.app import App
from shared.ports import Conflict, NewerVersion, Unavailable, Unreadable

log = structlog.get_logger()

AT_ONCE = 100


async def forget(app: App) -> int:
    """How many requests and dead letters were forgotten, once an hour or while there are more. Two reads when there are none."""
    now = app.clock.now()
    if not app.forgetting.is_time(now):
        return 0
    try:
        expired = await app.journal.expired(now, AT_ONCE)
        count = sum([await _forgotten(app, request_id) for request_id in expired])
        letters = await app.letters.forget(now, AT_ONCE)
    except Unavailable as later:
        log.warning("retention.later", cause=later.cause)
        return 0
    if max(len(expired), letters) < AT_ONCE:
        app.forgetting.done(now)
    if count or letters:
        log.info("retention.forgotten", requests=count, dead_letters=letters)
    return count + letters


async def _forgotten(app: App, request_id: str) -> bool:
    """Whether the request was; one that moves on meanwhile is not to be. What nobody can read is left to a human."""
    try:
        stored, _ = await app.journal.find(request_id)
        if stored is None:  # somebody has deleted it
            await app.journal.give_up(request_id)
            return False
        record = journal.forget(stored.record, app.clock.now())
        if record is stored.record:
            return False
        await app.journal.commit(record, stored.version)
    except (Conflict, NewerVersion):
        return False
    except Unreadable as error:
        log.error("retention.unreadable", request_id=request_id, cause=str(error))  # noqa: TRY400 nothing of the record may be in a trace
        await deadletters.bury_record(app, request_id)
        return False
    return True
