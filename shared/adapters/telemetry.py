"""Events as JSON lines through Python's logging, where the Functions host picks them up.

Names are constant, fields are identifiers and codes: `events` lists them, none of them a person's, and what is not on the list is
left out. Bodies, tokens, phone numbers and ticket text are never passed in. Whatever is logged, by libraries too, stays on its
line: line breaks and control characters are escaped. The host does the rest, as OpenTelemetry (docs/adr/0007-telemetry.md).
"""

import logging
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

import structlog

from shared.events import EVENTS, EVERYWHERE

LONGEST = 1000
"""Characters of a library's line that are kept."""

# The SDKs log URLs with user principal names, and every request's headers. Of their warnings the first line is kept.
_QUIET = ("azure", "httpx", "httpcore", "msal", "aiohttp", "kiota_http", "msgraph", "opentelemetry")


def configure() -> None:
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    if not isinstance(make := logging.getLogRecordFactory(), _Brief):
        logging.setLogRecordFactory(_Brief(make))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _listed,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_messages,
            structlog.processors.EventRenamer("name"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )


class _Brief:
    """Makes log records; what a library tells beyond its first line, and the text of its exceptions, may quote anything."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._make(*args, **kwargs)
        if record.name.partition(".")[0] in (*_QUIET, "asyncio"):
            record.msg, record.args = _first_line(record), ()
            if record.exc_info:
                record.msg = " < ".join((record.msg, *_places(record.exc_info[2])))
            record.exc_info = None
        return record


def _first_line(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except (TypeError, ValueError):  # it says something else than it was given
        text = str(record.msg)
    return "".join(text.splitlines()[:1])[:LONGEST].encode("unicode_escape").decode()


def _listed(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Only the fields that the event may have; of an event that is not on the list its name."""
    allowed = EVENTS.get(event["event"], frozenset()) | EVERYWHERE | {"event", "exc_info"}
    return {name: value for name, value in event.items() if name in allowed}


def _without_messages(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """An exception leaves its place in the code, not its text: that may quote what it choked on."""
    if event.pop("exc_info", None):
        event["trace"] = _places(sys.exc_info()[2])
    return event


def _places(trace: TracebackType | None) -> list[str]:
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
