"""How each service misbehaves, as its documentation has it, and when: a seeded choice for each call.

Sources: Microsoft Graph, "Throttling guidance"; Azure Storage, "Common REST API error codes" (ServerBusy, OperationTimedOut,
InternalError); ServiceNow, "Inbound REST API rate limiting"; Microsoft Learn, "Managed identities: error handling".
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import Any

from sandbox.graph import faults as graph
from sandbox.simulator import Fault

GRAPH, SERVICENOW, IDENTITY, QUEUES, TABLES, BLOBS = "Graph", "ServiceNow", "token endpoint", "queues", "tables", "blobs"
WEBHOOK = "webhook"
STORES = (QUEUES, TABLES, BLOBS)
SERVICES = (GRAPH, SERVICENOW, IDENTITY, *STORES)
DOWN = "down"
UNANSWERED = 25.0  # seconds; longer than the app waits for anybody

type Make = Callable[[Random], Fault]
type Kinds = Mapping[str, tuple[int, Make]]
"""What can go wrong, by a name for it: how often beside the others, and the fault."""


def _whole(random: Random) -> str:
    return str(random.randint(1, 2))


def _fraction(random: Random) -> str:
    return f"{random.uniform(0.1, 2):.3f}"


def _date(random: Random) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=random.randint(1, 2)), usegmt=True)


def _answer(status: int, body: Any = "", *, after_effect: bool = False, **headers: str | Callable[[Random], str]) -> Make:
    """An answer in place of the service's; `headers` as they are, or drawn for each call."""

    def make(random: Random) -> Fault:
        drawn = {name.replace("_", "-"): value if isinstance(value, str) else value(random) for name, value in headers.items()}
        return Fault(status=status, headers=drawn, body=body, after_effect=after_effect)

    return make


def _page(status: int, title: str) -> Make:
    return _answer(
        status, f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>", Content_Type="text/html"
    )


def _storage(status: int, code: str, message: str, *, after_effect: bool = False) -> Make:
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return _answer(status, body, after_effect=after_effect, x_ms_error_code=code, Content_Type="application/xml")


CONNECTION: Kinds = {
    "reset before the effect": (3, lambda _: graph.cut_off()),
    "reset after the effect": (3, lambda _: graph.cut_off(after_effect=True)),
    "no answer, after the effect": (1, lambda _: graph.cut_off(after_effect=True, seconds=UNANSWERED)),
    "slow": (4, lambda random: Fault(kind="slow", seconds=random.uniform(0.2, 1.5))),
}

_BUSY = _storage(503, "ServerBusy", "The server is busy.")
_AWAY = _page(503, "503 Service Unavailable")

STORAGE: Kinds = {
    "503 ServerBusy": (4, _BUSY),
    "500 InternalError": (3, _storage(500, "InternalError", "The server encountered an internal error.")),
    "500 OperationTimedOut, after the effect": (
        2,
        _storage(500, "OperationTimedOut", "Not done in time.", after_effect=True),
    ),
    **CONNECTION,
}

_LIMITED = {
    "error": {"message": "Rate limit exceeded", "detail": "Rate limit of requests per hour exceeded"},
    "status": "failure",
}

KINDS: Mapping[str, Kinds] = {
    GRAPH: {
        "429, whole Retry-After": (3, lambda random: graph.throttled(_whole(random))),
        "429, fractional Retry-After": (3, lambda random: graph.throttled(_fraction(random))),
        "429, Retry-After a date": (1, lambda random: graph.throttled(_date(random))),
        "429, no Retry-After": (1, lambda _: graph.throttled(None)),
        "503, Retry-After": (2, lambda random: graph.unavailable(_whole(random))),
        "503": (2, lambda _: graph.unavailable()),
        "502 HTML": (2, lambda _: graph.bad_gateway()),
        "500": (2, lambda _: graph.refusal(500, "generalException", "An error has occurred.")),
        "423": (2, lambda _: graph.locked()),
        "504, after the effect": (2, lambda _: graph.answer_lost()),
        **CONNECTION,
    },
    SERVICENOW: {
        "429, whole Retry-After": (3, _answer(429, _LIMITED, Retry_After=_whole)),
        "429, Retry-After a date": (1, _answer(429, _LIMITED, Retry_After=_date)),
        "503, Retry-After": (2, _answer(503, Retry_After=_whole)),
        "503, asleep": (2, _page(503, "Instance Hibernating")),
        "200, asleep": (2, _page(200, "Instance Hibernating")),
        "502 HTML": (2, _page(502, "502 Bad Gateway")),
        "500": (2, _answer(500)),
        "504, after the effect": (2, _answer(504, after_effect=True)),
        **CONNECTION,
    },
    IDENTITY: {
        "429": (2, _answer(429)),
        "500": (2, _answer(500, {"statusCode": 500, "message": "An unexpected error occurred while fetching the token."})),
        "502 HTML": (1, _page(502, "502 Bad Gateway")),
        "503, Retry-After": (2, _answer(503, Retry_After=_whole)),
        **CONNECTION,
    },
    **dict.fromkeys(STORES, STORAGE),
    WEBHOOK: {"502 HTML": (2, _page(502, "502 Bad Gateway")), "503": (2, _answer(503)), **CONNECTION},
}


@dataclass
class Weather:
    """What the next call to a service meets: nothing, most of the time; a fault at `rate`; and when it is down, nothing else.

    Each service has a random sequence of its own, so that what one meets does not depend on how often another is called.
    """

    seed: int
    rate: float
    calm: bool = False
    down: str | None = None
    met: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = {service: Random(f"{self.seed}/{service}") for service in KINDS}

    def next(self, service: str) -> Fault | None:
        self.calls[service] += 1
        if self.calm:
            return None
        random = self._random[service]
        if service == self.down:
            self.met[service, DOWN] += 1
            return random.choice((lambda _: graph.cut_off(), _BUSY if service in STORES else _AWAY))(random)
        if random.random() >= self.rate:
            return None
        kinds = KINDS[service]
        kind = random.choices(list(kinds), [weight for weight, _ in kinds.values()])[0]
        self.met[service, kind] += 1
        return kinds[kind][1](random)
