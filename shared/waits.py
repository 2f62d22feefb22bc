"""How long a service asks to be left alone. Pure."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = timedelta(days=7)
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


def bounded(seconds: float) -> timedelta:
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST.total_seconds()))
