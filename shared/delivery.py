"""What an attempt owes the outside: notes on the ticket, a result event. Told at least once, recognised by marker or id."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import structlog

from shared import journal
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


async def deliver(claim: Claim, queue: RequestQueue, desk: TicketDesk | None) -> timedelta | None:
    """Tells what is owed, as far as the other side listens; how long it asks to be left alone, if it does.

    Changes are staged: the caller commits. A note that may stand on the ticket already is looked for by its marker first.
    """
    owed = claim.record.owed
    waits: list[timedelta] = []

    async def tell(one: Owed) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await _tell(one)
        except (Unavailable, Forbidden, TimeoutError) as error:
            log.warning("delivery.later", request_id=claim.record.id, owed=one.kind, cause=str(error))
            claim.stage(lambda record: journal.undelivered(record, one))
            if isinstance(error, Unavailable) and error.retry_after:
                waits.append(error.retry_after)
        except Exception as error:
            log.exception("delivery.unclassified", request_id=claim.record.id, owed=one.kind, error=type(error).__name__)
            claim.stage(lambda record: journal.undelivered(record, one))
        else:
            now = claim.now()
            claim.stage(lambda record: journal.delivered(record, one, now))

    async def _tell(one: Owed) -> None:
        if one.kind is OwedKind.RESULT:
            await queue.publish(json.loads(one.content))
            return
        ticket = claim.record.ticket
        assert ticket is not None
        if desk is None:
            raise Unavailable(WaitingFor.TICKET_SYSTEM, "not reachable now, or not configured any more")
        try:
            written = await desk.write(ticket, Note(**json.loads(one.content)), repeat=_may_stand(claim, one))
            if not written.state_changed:
                log.warning("delivery.state-unchanged", request_id=claim.record.id)
        except TicketNotFound:
            log.warning("delivery.no-ticket", request_id=claim.record.id)  # nobody is left to tell

    async def tell_desk() -> None:
        for one in owed:
            if one.kind is not OwedKind.RESULT:
                await tell(one)

    await asyncio.gather(tell_desk(), *(tell(one) for one in owed if one.kind is OwedKind.RESULT))
    return max(waits, default=None)


def _may_stand(claim: Claim, one: Owed) -> bool:
    """Whether somebody may have written the note already, or the ticket was not read by us and may be another than is named."""
    told_before = one.tried > 0 or (one.kind, one.attempt) in claim.owed_before
    # Who noted a wait may have died before that was journaled.
    return told_before or one.kind is OwedKind.WAITING_NOTE or claim.record.facts_read_at is None
