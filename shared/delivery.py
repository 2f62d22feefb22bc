"""What an attempt owes the outside: notes on the ticket, a result event. Told at least once, recognised by marker or id."""

import asyncio
import json
from collections.abc import Awaitable, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import structlog

from shared import journal
from shared.audit import Audit
from shared.claim import Claim
from shared.model import Note, WaitingFor
from shared.ports import Forbidden, RequestQueue, TicketDesk, TicketNotFound, Unavailable
from shared.record import Owed, OwedKind

log = structlog.get_logger()

PATIENCE_SECONDS = 30


def note_content(note: Note) -> str:
    return json.dumps(asdict(note))


def event_content(event: Mapping[str, Any]) -> str:
    return json.dumps(event)


async def deliver(claim: Claim, audit: Audit, queue: RequestQueue, desk: TicketDesk | None) -> timedelta | None:
    """Tells what is owed, as far as the other side listens; how long that asks to be left alone, if it does.

    Changes are staged and entries noted: the caller commits, and writes them. A note that may stand on the ticket already is
    looked for by its marker first.
    """
    owed = claim.record.owed
    waits: list[timedelta] = []

    async def tell(one: Owed, telling: Awaitable[bool]) -> bool:
        """Whether the other side can be told more now."""
        try:
            heard = await telling
        except (Unavailable, Forbidden, TimeoutError) as error:
            log.warning("delivery.later", request_id=claim.record.id, owed=one.kind, cause=str(error))
            claim.stage(lambda record: journal.undelivered(record, one))
            if isinstance(error, Unavailable) and error.retry_after:
                waits.append(error.retry_after)
            return False
        except asyncio.CancelledError:
            claim.stage(lambda record: journal.undelivered(record, one))  # it may have been told all the same
            raise
        except Exception as error:
            log.exception("delivery.unclassified", request_id=claim.record.id, owed=one.kind, error=type(error).__name__)
            claim.stage(lambda record: journal.undelivered(record, one))
            return False
        now = claim.now()
        if heard:
            audit.told(one)
            log.info("delivery.told", request_id=claim.record.id, attempt=one.attempt, owed=one.kind)
        claim.stage(lambda record: journal.delivered(record, one, now) if heard else journal.undeliverable(record, one))
        return True

    async def publish(one: Owed) -> bool:
        if one.told:
            return True
        async with asyncio.timeout(PATIENCE_SECONDS):
            await queue.publish(json.loads(one.content))
        return True

    async def write(one: Owed, until: float) -> bool:
        ticket = claim.record.ticket
        assert ticket is not None
        if one.told:
            return True
        if desk is None:
            raise Unavailable(WaitingFor.TICKET_SYSTEM, "not reachable now, or not configured any more")
        try:
            async with asyncio.timeout_at(until):
                written = await desk.write(ticket, Note(**json.loads(one.content)), repeat=_may_stand(claim, one))
        except TicketNotFound:
            log.warning("delivery.no-ticket", request_id=claim.record.id)
            return False
        if not written.state_changed:
            log.warning("delivery.state-unchanged", request_id=claim.record.id)
        return True

    async def tell_desk() -> None:
        """One note after another, all of them within the patience; after one that does not get through the others wait."""
        until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        for one in owed:
            if one.kind.is_note and not await tell(one, write(one, until)):
                return

    await asyncio.gather(tell_desk(), *(tell(one, publish(one)) for one in owed if not one.kind.is_note))
    return max(waits, default=None)


def _may_stand(claim: Claim, one: Owed) -> bool:
    """Whether somebody may have written the note already, or the ticket was not read by us and may be another than is named."""
    told_before = one.tried > 0 or (one.kind, one.attempt) in claim.owed_before
    # Who noted a wait may have died before that was journaled.
    return told_before or one.kind is OwedKind.WAITING_NOTE or claim.record.facts_read_at is None
