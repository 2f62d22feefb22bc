"""How long a service asks to be left alone. Pure."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = timedelta(days=7)
SHORT = timedelta(seconds=2)  # what a client that repeats by itself may wait out
PASSING = frozenset({408, 429, *range(500, 600)})
_SECONDS = re.compile(r"[0-9]+(?:[.,][0-9]+)?")


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """The wait of a `Retry-After` header, 0 to 7 days: whole seconds, fractions (Graph has them) or an HTTP date; else None.

    Source: RFC 9110, section 10.2.3; fractions as seen from Microsoft Graph.
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return bounded(float(text.replace(",", ".")))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return bounded(((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds())


class AskedToWait(Exception):
    """A service that an SDK of Azure called asks to be left alone for longer than is slept inside an invocation."""

    def __init__(self, status: int, retry_after: timedelta) -> None:
        super().__init__(f"status {status}")
        self.retry_after = retry_after


def heed(status: int, header: str | None, now: datetime) -> None:
    """`AskedToWait` when an answer that passes says so; without this, the SDK sleeps as long as it is told."""
    wait = retry_after(header, now) if status in PASSING else None
    if wait is not None and wait > SHORT:
        raise AskedToWait(status, wait)


def bounded(seconds: float) -> timedelta:
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST.total_seconds()))
