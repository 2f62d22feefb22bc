"""The identity of a request and of the events that ask for it. Pure; what is stored under these names never changes them."""

import hashlib
import json
import re

from shared.model import Cause, Event, TicketRef

_DEAD_LETTER = "dl-"


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()[:32]


def request_id(event: Event) -> str:
    """32 hex digits: of the ticket when there is one, else of the event's `(source, id)`."""
    return ticket_request_id(event.ticket) if event.ticket else event_request_id(event.cause)


def ticket_request_id(ref: TicketRef) -> str:
    return _digest("ticket", ref.system, ref.table, ref.sys_id)


def event_request_id(cause: Cause) -> str:
    return _digest("event", cause.source, cause.id)


def is_request_id(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{32}", text) is not None


def dead_letter_id(*parts: str) -> str:
    """Of the message itself, so that what is put aside again is the same letter; not to be taken for a request's id."""
    return f"{_DEAD_LETTER}{_digest('dead-letter', *parts)}"


def is_dead_letter_id(text: str) -> bool:
    return text.startswith(_DEAD_LETTER) and is_request_id(text.removeprefix(_DEAD_LETTER))


def event_key(cause: Cause) -> str:
    """Under which one delivery is remembered."""
    return _digest("seen", cause.source, cause.id)
