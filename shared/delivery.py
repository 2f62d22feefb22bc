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
from shared.model import Note
from shared.ports import Forbidden, RequestQueue, TicketDesk, TicketNotFound, Unavailable
from shared.record import Owed, OwedKind

log = structlog.get_logger()

PATIENCE_SECONDS = 30


def note_content(note: Note) -> str:
    return json.dumps(asdict(note))


def event_content(event: Mapping[str, Any]) -> str:
    return json.dumps(event)


async def deliver(claim: Claim, queue: RequestQueue, desk: TicketDesk | None, *, repeat: bool) -> timedelta | None:
    """Tells what is owed, as far as the other side listens; how long it asks to be left alone, if it does.

    Changes are staged: the caller commits. With `repeat`, notes that stand on the ticket already are found by their markers.
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
        else:
            now = claim.now()
            claim.stage(lambda record: journal.delivered(record, one, now))

    async def _tell(one: Owed) -> None:
        if one.kind is OwedKind.RESULT:
            await queue.publish(json.loads(one.content))
            return
        ticket = claim.record.ticket
        assert desk is not None
        assert ticket is not None
        try:
            # Who noted a wait may have died before that was journaled.
            again = repeat or one.tried > 0 or one.kind is OwedKind.WAITING_NOTE
            written = await desk.write(ticket, Note(**json.loads(one.content)), repeat=again)
            if not written.state_changed:
                log.warning("delivery.state-unchanged", request_id=claim.record.id)
        except TicketNotFound:
            log.warning("delivery.no-ticket", request_id=claim.record.id)  # nobody is left to tell

    async def tell_desk() -> None:
        for one in owed:
            if one.kind is not OwedKind.RESULT and desk is not None:
                await tell(one)

    await asyncio.gather(tell_desk(), *(tell(one) for one in owed if one.kind is OwedKind.RESULT))
    return max(waits, default=None)
