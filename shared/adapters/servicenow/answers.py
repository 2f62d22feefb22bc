"""What an answer of the Table API means, and what a record in it says."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.adapters.servicenow.client import Reply, unavailable
from shared.model import WaitingFor
from shared.ports import Forbidden, TicketNotFound, TokenRefused
from shared.waits import bounded, retry_after

type Fields = Mapping[str, Any]
"""A record as `sysparm_display_value=all` gives it: `{name: {"value": str, "display_value": str}}`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The `result` of an answer; `total` is how many rows match in all, None when that is not said."""

    result: object
    total: int | None = None

    def record(self) -> Fields:
        if not isinstance(self.result, dict):
            raise unavailable("http-200-other-shape")
        return self.result

    def rows(self) -> tuple[list[Fields], int]:
        """The rows of a list, and how many match in all: more when some are hidden from us; 0 when that is not said."""
        if not isinstance(self.result, list) or not all(isinstance(row, dict) for row in self.result):
            raise unavailable("http-200-other-shape")
        return self.result, self.total or 0


def understood(reply: Reply, now: datetime) -> Answer:
    """The answer, if it is one: `200` with a JSON `result`.

    `TokenRefused` for 401, `Forbidden` for 403. `TicketNotFound` for a 404 in ServiceNow's own form; one in HTML comes from
    something before it. All else is `Unavailable`: the page of a sleeping instance, a redirect to its login, a result cut short,
    which has `error`.
    """
    document = _json_object(reply.body)
    failed = document.get("error") is not None
    match reply.status:
        case 200 if "result" in document and not failed:
            total = reply.headers.get("X-Total-Count", "")
            return Answer(document["result"], int(total) if re.fullmatch(r"[0-9]{1,9}", total) else None)
        case 200:
            raise unavailable("http-200-no-result")
        case 401:
            raise TokenRefused(WaitingFor.TICKET_SYSTEM, "http-401")
        case 403:
            raise Forbidden(WaitingFor.TICKET_SYSTEM, "http-403")
        case 404 if failed:
            raise TicketNotFound("http-404")
        case _:
            raise unavailable(f"http-{reply.status}", wanted_wait(reply, now))


def wanted_wait(reply: Reply, now: datetime) -> timedelta | None:
    """How long ServiceNow asks us to stay away, between 0 and 7 days; None when it does not say.

    `Retry-After` in seconds or as an HTTP date (RFC 9110, section 10.2.3); with 429 else `X-RateLimit-Reset`, in Unix seconds.
    """
    wait = retry_after(reply.headers.get("Retry-After"), now)
    reset = reply.headers.get("X-RateLimit-Reset", "").strip()
    if wait is None and reply.status == 429 and re.fullmatch(r"[0-9]{1,12}(\.[0-9]+)?", reset):
        wait = bounded(float(reset) - now.timestamp())
    return wait


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def text_of(record: Fields, name: str, form: str = "value") -> str:
    """The field's value (or its `display_value`), "" when it is empty or missing."""
    match record.get(name, ""):
        case {**forms} if isinstance(text := forms.get(form) or "", str):
            return text
        case "":  # how some versions give an empty reference
            return ""
        case _:
            raise unavailable("http-200-other-shape")


def required(record: Fields, name: str, form: str = "value") -> str:
    if name not in record:
        raise Forbidden(WaitingFor.TICKET_SYSTEM, f"hidden-{name}")
    return text_of(record, name, form)


def moment(record: Fields, name: str) -> datetime | None:
    """The time in UTC, in which values stand whatever the reader's zone; None when it is none."""
    try:
        return datetime.strptime(text_of(record, name), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def approval_state(approval: str) -> str:
    """An approval state as a fresh instance spells it."""
    return "not requested" if approval == "not_requested" else approval
