"""A queue message: one CloudEvent 1.0 in structured JSON, from other automation or from our own webhook route.

Sources: CloudEvents 1.0.2, specification and JSON event format; its extension "Distributed Tracing"; W3C, "Trace Context". As
there, a context attribute that is null counts as absent, and a `traceparent` that is none is passed over.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationError

from shared.intake.fields import EVENT_TYPE, TOLERANCE, EventType, Moment, Number, Shape, Subject, SysId, Table, flaw, matching
from shared.intake.strict_json import NotJson, canonical, read
from shared.intake.webhook import SERVICENOW, WEBHOOK_SOURCE
from shared.model import Cause, Event, Profile, TicketRef

OPERATOR_SOURCE = "urn:reregister:operator"
ACCEPTED = "reregisteraccepted"
FINGERPRINT = "reregisterfingerprint"
REOPENS = "reregisterreopens"
TRACEPARENT = "traceparent"
"""Extension attributes on messages that the app itself puts on the queue; all but the last are ours."""

# RFC 3986 characters; a first segment with a colon in it must be a scheme.
_REFERENCE = re.compile(
    r"(?=.{1,256}\Z)(?:[A-Za-z][A-Za-z0-9+.-]*:|(?![^/?#]*:))"
    r"(?:[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
    r"(?:\#(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?"
)
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_ATTRIBUTE = re.compile(r"[a-z0-9]{1,20}")
_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f]*")
_ONE_LINE = matching(_LINE, "Control characters are not allowed")
_JSON_TYPE = re.compile(r'application/json(?:\s*;\s*charset="?utf-8"?)?', re.IGNORECASE | re.ASCII)

type _Source = Annotated[str, matching(_REFERENCE, "Not a URI reference of at most 256 characters")]
type _Id = Annotated[str, matching(r"[!-~]{1,256}", "Not 1 to 256 printable ASCII characters without blanks")]
type _Line = Annotated[str, Field(min_length=1), _ONE_LINE]
type _Digest = Annotated[str, matching(r"[0-9a-f]{64}", "Not a SHA-256 in lower-case hexadecimal")]
type _RequestId = Annotated[str, matching(r"[0-9a-f]{32}", "Not the id of a request")]
type _JsonType = Annotated[str, matching(_JSON_TYPE, "The only content type is application/json")]


class InvalidMessage(Exception):
    """Not a request that we understand. `cause` is whose it is, when that much can be told, so that the sender can be answered.

    `pointer` is a JSON pointer to the member at fault, "" for the whole message; neither it nor `message` repeats a value.
    """

    def __init__(self, cause: Cause | None, pointer: str, message: str) -> None:
        super().__init__(f"{pointer or '/'}: {message}")
        self.cause = cause
        self.pointer = pointer
        self.message = message


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """An event from the queue. `first_inserted_at` is when it was first put there, if the app has put it there again since.

    `reopens` is the request that an operator wants attempted again. Whoever may send can write that: it is honoured only where
    the journal knows the event already. `traceparent`: in whose trace it was sent; it decides nothing.
    """

    event: Event
    first_inserted_at: datetime | None = None
    reopens: str | None = None
    traceparent: str | None = None


class _Identity(Shape):
    model_config = ConfigDict(extra="ignore")

    source: _Source
    id: _Id


class _Envelope(_Identity):
    model_config = ConfigDict(extra="allow")

    specversion: Literal["1.0"]
    type: EventType
    time: Moment
    datacontenttype: _JsonType | None = None
    dataschema: _Line | None = None
    subject: _Line | None = None
    reregisteraccepted: Moment | None = None
    reregisterfingerprint: _Digest | None = None
    reregisterreopens: _RequestId | None = None
    data: dict[str, object]


class _Memory(Shape):
    model_config = ConfigDict(extra="ignore")

    reregisteraccepted: Moment | None = None


class _Ticket(Shape):
    system: Literal["servicenow"]
    table: Table
    sys_id: SysId = Field(alias="sysId")
    number: Number


class _ForTicket(Shape):
    ticket: _Ticket


class _ForSubject(Shape):
    subject: Subject
    profile: Annotated[Profile, Field(strict=False)] = Profile.REQUIRE_REREGISTER
    reason: Annotated[str, Field(max_length=1000)] = ""
    requested_by: Annotated[str, Field(max_length=200), _ONE_LINE] = Field(default="", alias="requestedBy")


def message_event(text: str) -> ReceivedMessage:
    """The event that a queue message reports; anything that is not exactly a request raises `InvalidMessage` and nothing else.

    The fingerprint is the SHA-256 of the canonical JSON of `data`, or in a message of our own webhook route that of the webhook.
    """
    try:
        attributes = read(text)
    except NotJson as error:
        raise InvalidMessage(None, "", str(error)) from None
    if not isinstance(attributes, dict):
        raise InvalidMessage(None, "", "Not a JSON object")
    attributes = {name: value for name, value in attributes.items() if value is not None}
    cause = _cause(attributes)
    try:
        envelope = _Envelope.model_validate(attributes)
    except ValidationError as error:
        found = flaw(error)
        raise InvalidMessage(cause, found.pointer, found.message) from None
    _check_extensions(cause, envelope.model_extra or {})
    if envelope.reregisterfingerprint and envelope.source != WEBHOOK_SOURCE:
        raise InvalidMessage(cause, f"/{FINGERPRINT}", "Only the webhook route says this")
    if (envelope.source == OPERATOR_SOURCE) is not (envelope.reregisterreopens is not None):
        raise InvalidMessage(cause, f"/{REOPENS}", "This stands in an operator's event, and in no other")
    traceparent = trace_parent((envelope.model_extra or {}).get(TRACEPARENT))
    return ReceivedMessage(_event(envelope), envelope.reregisteraccepted, envelope.reregisterreopens, traceparent)


def trace_parent(text: object) -> str | None:
    """`text` where it is a `traceparent` of version 00, and so safe to pass on and to log; else None."""
    return text if isinstance(text, str) and _TRACEPARENT.fullmatch(text) else None


def check_time(event: Event, arrival: datetime) -> None:
    """The event is not more than 300 s ahead of its arrival; else `InvalidMessage`."""
    if event.time - arrival > TOLERANCE:
        raise InvalidMessage(event.cause, "/time", "In the future")


def check_ordered(received: ReceivedMessage, known: str | None) -> None:
    """An event that reopens a request is `known` as one for just that; else no operator says so: `InvalidMessage`."""
    if received.reopens is not None and received.reopens != known:
        raise InvalidMessage(received.event.cause, f"/{REOPENS}", "No operator has ordered this")


def message(
    event: Event,
    *,
    data: Mapping[str, object] | None = None,
    first_inserted_at: datetime | None = None,
    traceparent: str | None = None,
) -> str:
    """The queue message that `message_event` reads as `event`, `first_inserted_at` and `traceparent`.

    `data` is what the sender said; only an event for a ticket can do without. `ValueError` when `event` does not follow from it.
    """
    envelope: dict[str, object] = {
        "specversion": "1.0",
        "id": event.cause.id,
        "source": event.cause.source,
        "type": EVENT_TYPE,
        "time": _rfc_3339(event.time),
        "datacontenttype": "application/json",
        "data": data if data is not None else _ticket_data(event.ticket),
    }
    if event.cause.source == WEBHOOK_SOURCE:
        envelope[FINGERPRINT] = event.fingerprint
    if first_inserted_at:
        envelope[ACCEPTED] = _rfc_3339(first_inserted_at)
    if traceparent:
        envelope[TRACEPARENT] = traceparent
    text = canonical(envelope).decode()
    try:
        read_back = message_event(text)
    except InvalidMessage as error:
        raise ValueError("the event cannot be written as a message") from error
    if read_back != ReceivedMessage(event, first_inserted_at, traceparent=traceparent):
        raise ValueError("the message would say something else than the event")
    return text


def reopening(demand: Event, request_id: str) -> str:
    """The message by which an operator's event wakes a worker for a known request. `demand`: what is asked for, by whom."""
    envelope = {
        "specversion": "1.0",
        "id": demand.cause.id,
        "source": demand.cause.source,
        "type": EVENT_TYPE,
        "time": _rfc_3339(demand.time),
        "datacontenttype": "application/json",
        REOPENS: request_id,
        "data": _ticket_data(demand.ticket) if demand.ticket else _subject_data(demand),
    }
    return canonical(envelope).decode()


def returned(text: str, first_inserted_at: datetime) -> str:
    """The same message, but it remembers when it was first put on the queue: what it remembers already, if that is earlier.

    Text that is no JSON object, or whose memory is no time, is returned as it is: it stays as invalid as it was.
    """
    try:
        attributes = read(text)
        if not isinstance(attributes, dict):
            return text
        remembered = _Memory.model_validate(attributes).reregisteraccepted
    except (NotJson, ValidationError):
        return text
    earliest = min(first_inserted_at, remembered or first_inserted_at)
    return canonical(attributes | {ACCEPTED: _rfc_3339(earliest)}).decode()


def _cause(attributes: Mapping[str, object]) -> Cause | None:
    try:
        identity = _Identity.model_validate(attributes)
    except ValidationError:
        return None
    return Cause(identity.source, identity.id)


def _check_extensions(cause: Cause | None, extensions: Mapping[str, object]) -> None:
    for name, value in extensions.items():
        if not _ATTRIBUTE.fullmatch(name):
            raise InvalidMessage(cause, "", "An attribute's name is 1 to 20 lower-case letters and digits")
        match value:
            case int() if -(2**31) <= value < 2**31:  # a boolean is one
                pass
            case str() if _LINE.fullmatch(value):
                pass
            case _:
                raise InvalidMessage(cause, f"/{name}", "An extension is a boolean, a 32-bit integer or a line of text")


def _event(envelope: _Envelope) -> Event:
    cause = Cause(envelope.source, envelope.id)
    fingerprint = envelope.reregisterfingerprint or hashlib.sha256(canonical(envelope.data)).hexdigest()
    try:
        if "ticket" in envelope.data:
            ticket = _ForTicket.model_validate(envelope.data).ticket
            ref = TicketRef(SERVICENOW, ticket.table, ticket.sys_id, ticket.number)
            return Event(cause, envelope.time, fingerprint, ticket=ref)
        said = _ForSubject.model_validate(envelope.data)
    except ValidationError as error:
        found = flaw(error, "/data")
        raise InvalidMessage(cause, found.pointer, found.message) from None
    return Event(
        cause, envelope.time, fingerprint, subject=said.subject, profile=said.profile, requested_by=said.requested_by or None
    )


def _ticket_data(ref: TicketRef | None) -> dict[str, object]:
    if ref is None:
        raise ValueError("an event without a ticket is written from its data")
    return {"ticket": {"system": ref.system, "table": ref.table, "sysId": ref.sys_id, "number": ref.number}}


def _subject_data(demand: Event) -> dict[str, object]:
    said = {"subject": demand.subject, "profile": demand.profile, "requestedBy": demand.requested_by}
    return {name: value for name, value in said.items() if value is not None}


def _rfc_3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
