"""Ready-made misbehaviour of Graph: `graph.arm(throttled("2.128", path="phoneMethods"))`.

`more` are fields of `Fault`, above all `method`, `path`, `times` and `skip`. Source: Microsoft Graph, "Throttling guidance",
"Error responses and resource types".
"""

from typing import Any

from sandbox.graph.errors import GraphError
from sandbox.simulator import Fault

_ZERO = "00000000-0000-0000-0000-000000000000"


def refusal(status: int, code: str, message: str, *, retry_after: str | None = None, **more: Any) -> Fault:
    """Any Graph-shaped error; `retry_after` as it stands in the header: seconds, whole or not, or an HTTP date."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Fault(status=status, headers=headers, body=GraphError(status, code, message).body(_ZERO, _ZERO), **more)


def throttled(retry_after: str | None = "1", **more: Any) -> Fault:
    """429; `retry_after` None leaves the header out."""
    return refusal(429, "TooManyRequests", "Too many requests", retry_after=retry_after, **more)


def unavailable(retry_after: str | None = None, **more: Any) -> Fault:
    return refusal(503, "serviceNotAvailable", "The service is unavailable.", retry_after=retry_after, **more)


def locked(**more: Any) -> Fault:
    return refusal(423, "resourceLocked", "The resource is locked.", **more)


def bad_gateway(**more: Any) -> Fault:
    """502 from a proxy in front: HTML, not JSON."""
    page = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
    return Fault(status=502, headers={"Content-Type": "text/html"}, body=page, **more)


def cut_off(**more: Any) -> Fault:
    """The connection is reset without an answer; with `after_effect=True` after the call took effect."""
    return Fault(kind="reset", **more)


def answer_lost(status: int = 504, **more: Any) -> Fault:
    """The call takes effect, and the answer says that it timed out."""
    return refusal(status, "timeout", "The request timed out.", after_effect=True, **more)
