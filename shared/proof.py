"""Step 9 of an attempt: what is registered now decides what may be said."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

import structlog

from shared import decision, plan
from shared.attempt import Attempt
from shared.model import Inventory, LeftAlone, Method, Outcome, Profile, Reason, WaitingFor, Why
from shared.parallel import together
from shared.ports import Unavailable
from shared.record import StepName
from shared.removal import Failures

log = structlog.get_logger()

PAUSES = (0.5, 1.0, 2.0, 3.0)  # then the queue waits for us
AGAIN = timedelta(seconds=10)
PATIENCE = timedelta(seconds=60)


async def read_back(attempt: Attempt, first: tuple[Method, ...], failures: Failures, listing: Inventory | None) -> NoReturn:
    """The attempt has ended by what is listed; `Unavailable` while there is patience with lag.

    Lag is in the list, or makes Graph refuse a default. `listing` is one that was read after the last removal. Meanwhile the
    ticket is looked at once more: that it no longer allows what was begun is noted.
    """
    since = attempt.record.read_back_since or attempt.claim.now()
    attempt.claim.stage(lambda record: replace(record, read_back_since=since))
    withdrawn = asyncio.create_task(_withdrawn(attempt))
    try:
        for pause in (*PAUSES, None):
            listing = listing or await attempt.directory.methods(attempt.subject_id)
            record = attempt.record
            seen = plan.read_back(first, listing, record.removals, record.profile, record.accepted_at)
            patient = attempt.claim.now() - since < PATIENCE
            if failures.stuck and patient:
                break
            if not seen.still_there or not patient:
                attempt.listed(StepName.READ_BACK, listing)
                attempt.read(listing, back=True)
                reasons = _reasons(attempt, failures, seen)
                await _end(attempt, reasons, seen.left_alone, withdrawn=await withdrawn)
            if pause is None:
                break
            listing = None
            await attempt.app.clock.sleep(pause)
    finally:
        withdrawn.cancel()
        await asyncio.wait([withdrawn])
    raise Unavailable(WaitingFor.GRAPH, "removed methods are still listed or refused", AGAIN)


def _reasons(attempt: Attempt, failures: Failures, seen: plan.ReadBack) -> tuple[Reason, ...]:
    reasons = list(failures.reasons)
    if seen.still_there:
        reasons.append(Reason.NOT_REMOVED)
    if attempt.record.profile is Profile.FULL_RESET and any(left.why is Why.UNKNOWN_TYPE for left in seen.left_alone):
        reasons.append(Reason.UNKNOWN_METHOD)
    return tuple(reasons)


async def _end(attempt: Attempt, failed: tuple[Reason, ...], left_alone: tuple[LeftAlone, ...], *, withdrawn: bool) -> NoReturn:
    if failed:
        await attempt.end(Outcome.FAILED, *failed, left_alone=left_alone, withdrawn=withdrawn)
    done = Reason.REMOVED if any(entry.gone_at for entry in attempt.record.removals) else Reason.NOTHING_TO_REMOVE
    await attempt.end(Outcome.DONE, done, left_alone=left_alone, withdrawn=withdrawn)


async def _withdrawn(attempt: Attempt) -> bool:
    """Whether the ticket would by now be refused; what cannot be read is not said."""
    if attempt.record.ticket is None or attempt.desk is None or not attempt.record.removal_begun:
        return False
    ticket, person = await together(
        _if_read(attempt, attempt.desk.read(attempt.record.ticket)),
        _if_read(attempt, attempt.directory.person(attempt.subject_id)),
    )
    return ticket is not None and decision.withdrawn(attempt, ticket, person)


async def _if_read[T](attempt: Attempt, reading: Awaitable[T]) -> T | None:
    """What was read, None when nothing was."""
    try:
        return await reading
    except Exception as error:  # noqa: BLE001 nothing of it may keep the attempt from its end
        log.warning("ticket.not-looked-at-again", request_id=attempt.record.id, error=type(error).__name__)
        return None
