"""What makes a request wait that may be done: the switches, and the limits on how many resets are let through."""

from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from shared import journal, velocity, wording
from shared.app import App
from shared.model import AlertKind, Mode, Reset, Switch, Switches, SwitchName, WaitingFor
from shared.parallel import together
from shared.ports import Conflict, Unavailable
from shared.record import Record

log = structlog.get_logger()

OURSELVES = "reregister"
UNDER_WAY = timedelta(seconds=15)  # after so long another request for the same person has mostly ended


class DecideAgain(Exception):
    """What was decided on is no longer so: the attempt begins anew, before anything was changed."""


class UnderWay(Unavailable):
    """Another request for the same person was counted and may yet change something."""

    def __init__(self) -> None:
        super().__init__(WaitingFor.RATE_LIMIT, "another request for this person is under way", UNDER_WAY)


def off(switches: Switches) -> tuple[WaitingFor, ...]:
    """What nobody is held for any longer."""
    named = {WaitingFor.PAUSED: switches.pause, WaitingFor.BREAKER: switches.breaker}
    return tuple(waiting_for for waiting_for, switch in named.items() if switch is None or not switch.on)


def let_go(switches: Switches, record: Record, now: datetime) -> Record:
    """What becomes of a request that is held once its switch is off: it goes on, or is held for the other switch."""
    if journal.held_for(record) not in off(switches):
        return record
    waits = hold(switches, record)
    return journal.moved_on(record, waits.waiting_for, now) if waits else journal.resume(record, now)


def hold(switches: Switches, record: Record) -> Unavailable | None:
    """What an attempt that has not begun to change anything waits for. A dry run waits for no breaker."""
    pause, breaker = switches.pause, switches.breaker
    if pause is not None and pause.on:
        waiting_for = WaitingFor.PAUSED
    elif breaker is not None and breaker.on and record.mode is Mode.ENFORCE:
        waiting_for = WaitingFor.BREAKER
    else:
        return None
    return Unavailable(waiting_for, "switched off")


async def last_reset(app: App, latest: Reset | None, record: Record) -> Reset | None:
    """The person's latest reset within the cooldown by another request, if it came to a change.

    `UnderWay` if it yet may; a dry run does not wait for that.
    """
    if latest is None or latest.request_id == record.id:
        return None
    if max(app.clock.now() - latest.at, timedelta()) >= app.settings.limits.cooldown:  # clocks differ
        return None
    stored, _ = await app.journal.find(latest.request_id)
    if stored is None or velocity.came_to_something(stored.record):
        return latest
    if stored.record.is_open and record.mode is Mode.ENFORCE:
        raise UnderWay
    return None


async def count(app: App, record: Record, reset: Reset) -> None:
    """The reset is counted as of now, so that no limit is passed however many workers come at once; `Unavailable`: it must wait.

    `DecideAgain` when another request was quicker with the same person. At its limit the breaker is open.
    """
    limits, conflicts = app.settings.limits, 0
    while True:
        switches, counted = await together(app.control.read(), app.ledger.read(reset.subject_id))
        if waits := hold(switches, record):
            raise waits
        if await last_reset(app, counted.latest, record):
            raise DecideAgain
        reset = replace(reset, at=app.clock.now())  # what it has read is older, whatever its facts took
        if held := velocity.held(counted.resets, reset, switches, limits):
            if held.waiting_for is WaitingFor.BREAKER:
                await open_breaker(app, held.why)
            raise Unavailable(held.waiting_for, held.why, held.until - reset.at if held.until else None)
        kept = velocity.with_this(counted.resets, reset)
        try:
            await app.ledger.commit(kept, replace(reset, actors=()), counted.version)  # who answers for it matters for an hour
        except Conflict:
            await app.step_aside(conflicts := conflicts + 1)
            continue
        log.info("reset.counted", request_id=record.id, resets=len(velocity.within_hour(kept, reset.at)))
        if len(velocity.since_closed(velocity.within_hour(kept, reset.at), switches)) >= limits.breaker_limit:
            await open_breaker(app, f"{limits.breaker_limit} resets in an hour")
        return


async def open_breaker(app: App, why: str) -> None:
    """The breaker is open until a human closes it."""
    if await app.control.turn(SwitchName.BREAKER, Switch(on=True, by=OURSELVES, why=why, at=app.clock.now())):
        log.error("breaker.opened", why=why)  # its alert goes out with the next sweep: who counts is about to act


async def announce(app: App, breaker: Switch | None) -> None:
    """An open breaker has its alert out; when that fails, the sweep tries again."""
    if breaker is None or not breaker.on or breaker.announced:
        return
    try:
        await app.queue.publish(wording.breaker_alert(breaker))
        log.warning("alert.raised", kind=AlertKind.BREAKER_OPENED)
        await app.control.announced(SwitchName.BREAKER, breaker)
    except Unavailable as later:
        log.warning("breaker.alert-later", cause=later.cause)
