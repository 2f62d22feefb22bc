"""The identity of a request and of the events that ask for it. Pure; what is stored under these names never changes them."""

import hashlib
import json
import re

from shared.model import Cause, Event


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()[:32]


def request_id(event: Event) -> str:
    """32 hex digits: of the ticket when there is one, else of the event's `(source, id)`."""
    if event.ticket:
        return _digest("ticket", event.ticket.system, event.ticket.table, event.ticket.sys_id)
    return event_request_id(event.cause)


def event_request_id(cause: Cause) -> str:
    return _digest("event", cause.source, cause.id)


def is_request_id(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{32}", text) is not None


def event_key(cause: Cause) -> str:
    """Under which one delivery is remembered."""
    return _digest("seen", cause.source, cause.id)
