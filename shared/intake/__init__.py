"""What comes in: headers and bytes become a verified event, queue text becomes an event, or a refusal with its reason.

Pure: no clock, no settings, no I/O. The order at the webhook is `check_size`, `verify`, `webhook_event`; at the queue it is
`message_event`, `check_time`, `check_ordered`.
"""

from shared.intake.fields import EVENT_TYPE, TOLERANCE, is_subject
from shared.intake.message import (
    OPERATOR_SOURCE,
    InvalidMessage,
    ReceivedMessage,
    check_ordered,
    check_time,
    message,
    message_event,
    reopening,
    returned,
    trace_parent,
)
from shared.intake.signature import MAX_BODY, NotAuthentic, TooLarge, check_size, parse_key, verify
from shared.intake.webhook import WEBHOOK_SOURCE, BadShape, BadValue, webhook_event

__all__ = [
    "EVENT_TYPE",
    "MAX_BODY",
    "OPERATOR_SOURCE",
    "TOLERANCE",
    "WEBHOOK_SOURCE",
    "BadShape",
    "BadValue",
    "InvalidMessage",
    "NotAuthentic",
    "ReceivedMessage",
    "TooLarge",
    "check_ordered",
    "check_size",
    "check_time",
    "is_subject",
    "message",
    "message_event",
    "parse_key",
    "reopening",
    "returned",
    "trace_parent",
    "verify",
    "webhook_event",
]
