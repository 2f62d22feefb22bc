"""The fields that webhook bodies and queue messages share, and what is said of a document that lacks them.

Patterns are ASCII and match whole values. Nothing that is raised here repeats a value.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError, PydanticKnownError

EVENT_TYPE = "mfa.reregistration.requested"
TOLERANCE = timedelta(seconds=300)
"""How far clocks may disagree."""

_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-5][0-9])"
)
_OBJECT_ID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# What Entra allows in a user principal name, guests (`#EXT#`) included: no dot before the @, a domain of at least two labels.
# Source: Microsoft 365 documentation, "Invalid user name ... contains a special character", UserPrincipalName requirements.
_UPN = re.compile(
    r"(?=.{1,113}\Z)[A-Za-z0-9'._!#^~-]*[A-Za-z0-9'_!#^~-]@"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+"
)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def is_subject(text: str) -> bool:
    """Whether `text` can name an Entra user: an object id or a user principal name."""
    return bool(_OBJECT_ID.fullmatch(text) or _UPN.fullmatch(text))


def moment(value: object) -> datetime:
    """The UTC time that an RFC 3339 text with offset names; fractions finer than microseconds are cut off.

    A leap second is refused: none is foreseen, and Python cannot hold one.
    """
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    try:
        if _RFC_3339.fullmatch(value):
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # the 30th of February; the first hour of the year 1, east of Greenwich
        pass
    raise PydanticCustomError("impossible", "Not an RFC 3339 time with an offset")


def matching(pattern: str | re.Pattern[str], what: str) -> AfterValidator:
    """A check that the whole text matches; `what` says what was expected."""
    return satisfying(lambda text: bool(re.fullmatch(pattern, text)), what)


def satisfying(test: Callable[[str], bool], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if not test(text):
            raise PydanticCustomError("impossible", what)
        return text

    return AfterValidator(check)


type EventType = Annotated[str, matching(re.escape(EVENT_TYPE), f"The only type is {EVENT_TYPE}")]
type Moment = Annotated[datetime, PlainValidator(moment)]
type Table = Annotated[str, matching(r"[a-z][a-z0-9_]{0,79}", "Not a table name")]
type SysId = Annotated[str, matching(r"[0-9a-f]{32}", "Not a sys_id of 32 lower-case hexadecimal digits")]
type Number = Annotated[str, matching(r"[A-Za-z0-9_-]{1,40}", "Not a ticket number")]
type Subject = Annotated[str, satisfying(is_subject, "Neither an object id nor a user principal name")]


class Shape(BaseModel):
    """A JSON object of exactly these members and JSON types: nothing is converted, nothing unknown is let through."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is first wrong with a document. `pointer` is a JSON pointer (RFC 6901) that holds no odd name of a sender's."""

    kind: Literal["shape", "value"]
    pointer: str
    message: str


def flaw(error: ValidationError, prefix: str = "") -> Flaw:
    """The first flaw: of the shape (members, JSON types) if there is one, else of a value."""
    flaws = [_flaw(one["type"], one["loc"], one["msg"], prefix) for one in error.errors(include_url=False, include_input=False)]
    return min(flaws, key=lambda f: f.kind != "shape")


def _flaw(kind: str, place: tuple[int | str, ...], message: str, prefix: str) -> Flaw:
    shape = kind in {"missing", "extra_forbidden"} or kind.endswith("_type")
    return Flaw("shape" if shape else "value", prefix + "".join(f"/{n}" for n in place if _PLAIN_NAME.fullmatch(str(n))), message)
