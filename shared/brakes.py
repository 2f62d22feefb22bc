"""What makes a request wait that may be done: the switches, and the limits on how many resets are let through."""

from datetime import timedelta

import structlog

from shared import velocity, wording
from shared.app import App
from shared.model import Mode, Reset, Switch, Switches, SwitchName, WaitingFor
from shared.parallel import together
from shared.ports import Conflict, Unavailable
from shared.record import Record

log = structlog.get_logger()

OURSELVES = "reregister"
LOOK_FIRST, LOOK_LAST = timedelta(seconds=5), timedelta(seconds=60)


class DecideAgain(Exception):
    """What was decided on is no longer so: the attempt begins anew, before anything was changed."""


def hold(switches: Switches, record: Record) -> Unavailable | None:
    """What an attempt that has not begun to change anything waits for. A dry run waits for no breaker."""
    pause, breaker = switches.pause, switches.breaker
    if pause is not None and pause.on:
        waiting_for = WaitingFor.PAUSED
    elif breaker is not None and breaker.on and record.mode is Mode.ENFORCE:
        waiting_for = WaitingFor.BREAKER
    else:
        return None
    # A human turns it back at any time, and what waits should not wait much longer.
    return Unavailable(waiting_for, "switched off", min(LOOK_FIRST * 2 ** min(record.waits, 8), LOOK_LAST))


async def last_reset(app: App, latest: Reset | None, request_id: str) -> Reset | None:
    """The person's latest reset within the cooldown by another request, if it came to a change; `Unavailable` if it yet may."""
    if latest is None or latest.request_id == request_id:
        return None
    if max(app.clock.now() - latest.at, timedelta()) >= app.settings.limits.cooldown:  # clocks differ
        return None
    stored, _ = await app.journal.find(latest.request_id)
    if stored is not None and stored.record.is_open and not velocity.came_to_something(stored.record):
        raise Unavailable(WaitingFor.RATE_LIMIT, "another request for this person is under way", LOOK_FIRST)
    return latest if velocity.came_to_something(stored.record if stored else None) else None


async def count(app: App, record: Record, reset: Reset) -> None:
    """The reset is counted, so that no limit is passed however many workers come at once; `Unavailable` where it has to wait.

    `DecideAgain` when another request was quicker with the same person. At its limit the breaker is open.
    """
    limits, conflicts = app.settings.limits, 0
    while True:
        switches, counted = await together(app.control.read(), app.ledger.read(reset.subject_id))
        if waits := hold(switches, record):
            raise waits
        if await last_reset(app, counted.latest, record.id):
            raise DecideAgain
        if held := velocity.held(counted.resets, reset, switches, limits):
            if held.waiting_for is WaitingFor.BREAKER:
                await open_breaker(app, held.why)
            raise Unavailable(held.waiting_for, held.why, held.until - reset.at if held.until else LOOK_FIRST)
        kept = (*velocity.within_hour(counted.resets, reset.at, but=reset.request_id), reset)
        try:
            await app.ledger.commit(kept, reset, counted.version)
        except Conflict:
            await app.step_aside(conflicts := conflicts + 1)
            continue
        if len(velocity.since_closed(kept, switches)) >= limits.breaker_limit:
            await open_breaker(app, f"{limits.breaker_limit} resets in an hour")
        return


async def open_breaker(app: App, why: str) -> None:
    """The breaker is open until a human closes it."""
    if await app.control.turn(SwitchName.BREAKER, Switch(on=True, by=OURSELVES, why=why, at=app.clock.now())):
        log.error("breaker.opened", why=why)  # its alert goes out with the next sweep: who counts is about to act


async def announce(app: App) -> None:
    """An open breaker has its alert out; when that fails, the sweep tries again."""
    try:
        breaker = (await app.control.read()).breaker
        if breaker is not None and breaker.on and not breaker.announced:
            await app.queue.publish(wording.breaker_alert(breaker))
            await app.control.announced(SwitchName.BREAKER, breaker)
    except Unavailable as later:
        log.warning("breaker.alert-later", cause=later.cause)
