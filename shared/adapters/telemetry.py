"""Events as JSON lines through Python's logging, where the Functions host picks them up.

Names are constant, fields are identifiers and codes. Bodies, tokens, phone numbers and ticket text are never passed in; the JSON
renderer escapes line breaks and control characters.
"""

import logging
import sys
import traceback

import structlog

# The SDKs log URLs with user principal names, and every request's headers.
_QUIET = ("azure", "httpx", "httpcore", "msal", "aiohttp", "kiota_http", "msgraph", "opentelemetry")


def configure() -> None:
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
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


def _without_messages(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """An exception leaves its place in the code, not its text: that may quote what it choked on."""
    if event.pop("exc_info", None):
        event["trace"] = _places()
    return event


def _places() -> list[str]:
    _, _, trace = sys.exc_info()
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
