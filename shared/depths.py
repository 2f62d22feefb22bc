"""How much lies on each queue and how long it has: one event each, every minute, for whoever watches."""

from datetime import datetime, timedelta

import structlog

from shared.app import App
from shared.parallel import together
from shared.ports import NewerVersion, Unavailable, Unreadable

log = structlog.get_logger()

COUNTED = 1_000  # requests; more are not told apart
FAR = timedelta(days=3650)


async def report(app: App) -> None:
    """Told for each queue, and for the requests that still have something to do, with the switches that are on.

    Nothing is told while storage is down.
    """
    now = app.clock.now()
    try:
        depths, waiting, switches = await together(app.queue.depths(), app.journal.due(now + FAR, COUNTED), app.control.read())
        accepted_at = await _accepted_at(app, waiting[0]) if waiting else None
    except Unavailable as later:
        log.warning("queue.depth-unavailable", cause=later.cause)
        return
    for depth in depths:
        log.info("queue.depth", queue=depth.queue, messages=depth.messages, oldest_seconds=_age(depth.oldest, now))
    log.info(
        "requests.waiting",
        requests=len(waiting),
        oldest_seconds=_age(accepted_at, now),
        switches_on=[name for name, switch in (("pause", switches.pause), ("breaker", switches.breaker)) if switch and switch.on],
    )


async def _accepted_at(app: App, request_id: str) -> datetime | None:
    """Of the request that has been due for longest."""
    try:
        stored, _ = await app.journal.find(request_id)
    except (Unreadable, NewerVersion):
        return None
    return stored.record.accepted_at if stored else None


def _age(since: datetime | None, now: datetime) -> float | None:
    return None if since is None else round(max(now - since, timedelta()).total_seconds(), 1)
