"""The body of a ServiceNow webhook: thin, because the ticket is read again and nothing else in it is believed."""

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta

from pydantic import ValidationError

from shared.intake.fields import TOLERANCE, EventType, Moment, Number, Shape, SysId, Table, flaw
from shared.intake.strict_json import NotJson, read
from shared.model import Cause, Event, TicketRef

WEBHOOK_SOURCE = "urn:reregister:webhook:servicenow"
SERVICENOW = "servicenow"


class _Refused(Exception):
    """`pointer` is a JSON pointer to the member at fault, "" for the whole body; neither repeats a value."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(f"{pointer or '/'}: {message}")
        self.pointer = pointer
        self.message = message


class BadShape(_Refused):
    """Not JSON, or not the members and JSON types that a webhook has."""


class BadValue(_Refused):
    """The right shape, but a value that cannot be."""


class WebhookTicket(Shape):
    table: Table
    sys_id: SysId
    number: Number


class WebhookBody(Shape):
    type: EventType
    timestamp: Moment
    data: WebhookTicket


def webhook_event(webhook_id: str, body: bytes, *, tables: Collection[str], max_age: timedelta, now: datetime) -> Event:
    """The event that an authentic webhook reports; its fingerprint is the SHA-256 of the raw body.

    `BadShape` for what is no such body, `BadValue` when a value cannot be: a table that is not among `tables`, a timestamp
    older than `max_age` or more than 300 s ahead of `now`.
    """
    try:
        said = WebhookBody.model_validate(read(body))
    except NotJson as error:
        raise BadShape("", str(error)) from None
    except ValidationError as error:
        found = flaw(error)
        raise (BadShape if found.kind == "shape" else BadValue)(found.pointer, found.message) from None
    if said.data.table not in tables:
        raise BadValue("/data/table", "Tickets of this table are not accepted")
    if now - said.timestamp > max_age:
        raise BadValue("/timestamp", "Too old")
    if said.timestamp - now > TOLERANCE:
        raise BadValue("/timestamp", "In the future")
    return Event(
        cause=Cause(WEBHOOK_SOURCE, webhook_id),
        time=said.timestamp,
        fingerprint=hashlib.sha256(body).hexdigest(),
        ticket=TicketRef(SERVICENOW, said.data.table, said.data.sys_id, said.data.number),
    )
