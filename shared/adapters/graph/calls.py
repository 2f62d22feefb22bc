"""One call to Graph: bounded in time, repeated after a short wait at most, and its answer told apart by status, never by text.

Sources: Microsoft Graph, "Microsoft Graph error responses and resource types", "Throttling guidance"; RFC 9110, section 10.2.3.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
import structlog
from azure.core.exceptions import AzureError
from kiota_abstractions.native_response_handler import NativeResponseHandler
from kiota_abstractions.request_information import RequestInformation
from kiota_http.middleware.options import ResponseHandlerOption
from msgraph import GraphRequestAdapter
from pydantic import ValidationError

from shared.adapters.graph import shapes
from shared.model import WaitingFor
from shared.ports import Clock, Forbidden, PersonNotFound, Unavailable
from shared.waits import AskedToWait, retry_after

log = structlog.get_logger()

CALL_SECONDS = 20
SHORT_WAITS = timedelta(seconds=4)
PAUSE = timedelta(seconds=1)
TRIES = 3
MAX_PAGES = 20

TRANSIENT = frozenset({408, 409, 423, 429, *range(500, 600)})

_TOKEN = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_AS_IT_IS = ResponseHandlerOption(NativeResponseHandler())


class UnexpectedAnswer(Exception):
    """Graph answered what this app does not understand, so nothing may be concluded from it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`code` is Graph's error code, None for a success or an error without one. `body` is not meant for logs."""

    call: str
    status: int
    body: bytes
    code: str | None
    request_id: str | None

    def __str__(self) -> str:
        return " ".join(
            (self.call, str(self.status), *filter(None, (self.code, self.request_id and f"request-id {self.request_id}")))
        )

    def read[T: shapes.Shape](self, shape: type[T]) -> T:
        """The body as `shape`; `UnexpectedAnswer` when it is another, `Unavailable` when it is cut short."""
        try:
            return shape.model_validate_json(self.body)
        except ValidationError as error:
            if any(problem["type"] == "json_invalid" for problem in error.errors(include_input=False)):
                raise _unavailable(f"{self}: not JSON") from error
            raise UnexpectedAnswer(f"{self}: not of the expected shape") from error


class ShortWaits:
    """Time that one invocation may spend waiting, `SHORT_WAITS` in all; calls that wait at the same time spend it once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left = SHORT_WAITS
        self._paid_until = clock.now()

    async def affords(self, pause: timedelta) -> bool:
        """True after having waited; False at once when too little is left."""
        now = self._clock.now()
        cost = max(now + pause - max(now, self._paid_until), timedelta())
        if cost > self._left:
            return False
        self._left -= cost
        self._paid_until = max(self._paid_until, now + pause)
        await self._clock.sleep(pause.total_seconds())
        return True


class Calls:
    """Sends what it is given and says what came of it, in the words of `ports`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waits = ShortWaits(clock)

    async def send(
        self, adapter: GraphRequestAdapter, request: RequestInformation, call: str, *, accept: Collection[int] = ()
    ) -> Answer:
        """The answer when it is a success or its status is in `accept`.

        Else 404 is `PersonNotFound`, 403 is `Forbidden`, statuses that pass and 401 are `Unavailable`, as are timeouts, lost
        connections, no token and a success that is not Graph's; the rest is `UnexpectedAnswer`. `call` names the call in errors.
        """
        request.add_request_options([_AS_IT_IS])
        started, tried = self._clock.now(), 0
        while True:
            tried += 1
            try:
                async with answering(call):
                    response: httpx.Response = await adapter.send_primitive_async(request, "bytes", None)
                return _judged(call, response, accept, self._clock.now())
            except Unavailable as failure:
                # Graph says when to come back, or one more try may pass; what took long already is left to the queue.
                pause = failure.retry_after if failure.retry_after is not None else PAUSE
                last = tried == TRIES or (failure.retry_after is None and tried > 1)
                if last or self._clock.now() - started > SHORT_WAITS or not await self._waits.affords(pause):
                    raise

    async def pages[T: shapes.Shape](
        self,
        adapter: GraphRequestAdapter,
        request: RequestInformation,
        call: str,
        shape: type[T],
        *,
        accept: Collection[int] = (),
    ) -> tuple[list[T], Answer]:
        """All items of a collection, with the first answer; none when that answer's status is one of `accept`.

        `@odata.nextLink` is followed on Graph's own origin only and `MAX_PAGES` long; else `UnexpectedAnswer`.
        """
        first = answer = await self.send(adapter, request, call, accept=accept)
        items: list[T] = []
        if first.status in accept:
            return items, first
        seen: set[str] = set()
        while True:
            page = answer.read(shapes.Page[shape])  # type: ignore[valid-type]
            items += page.value
            if page.next_link is None:
                return items, first
            link = _own_link(adapter.base_url, page.next_link)
            if link is None or link in seen or len(seen) == MAX_PAGES - 1:
                raise UnexpectedAnswer(f"{answer}: its next page is elsewhere or has no end")
            seen.add(link)
            request.url = link  # keeps the headers: ConsistencyLevel belongs to every page
            answer = await self.send(adapter, request, call)


@asynccontextmanager
async def answering(call: str) -> AsyncIterator[None]:
    """What happens inside takes `CALL_SECONDS` at most, and fails as `Unavailable` when no answer came."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except TimeoutError as error:
        raise _unavailable(f"{call}: no answer within {CALL_SECONDS} s") from error
    except AskedToWait as asked:
        raise _unavailable(f"{call}: no token, {asked}", asked.retry_after) from asked
    except AzureError as error:
        raise _unavailable(f"{call}: no token, {type(error).__name__}") from error
    except httpx.RequestError as error:
        raise _unavailable(f"{call}: {type(error).__name__}") from error


def _judged(call: str, response: httpx.Response, accept: Collection[int], now: datetime) -> Answer:
    answer = _answer(call, response)
    if ((response.is_success and answer.body) or answer.status == 404) and not _is_json(response):
        raise _unavailable(f"{answer}: not Graph's own answer")
    if response.is_success or answer.status in accept:
        return answer
    if answer.status == 401:  # a token that has just expired, or was just revoked, passes
        raise _unavailable(str(answer))
    if answer.status == 403:
        raise Forbidden(WaitingFor.GRAPH, str(answer))
    if answer.status == 404:
        raise PersonNotFound(str(answer))
    if answer.status in TRANSIENT:
        wait = retry_after(response.headers.get("Retry-After"), now)
        if answer.status == 429:
            log.warning("graph.throttled", call=call, wait_seconds=wait.total_seconds() if wait is not None else None)
        raise _unavailable(str(answer), wait)
    raise UnexpectedAnswer(str(answer))


def _answer(call: str, response: httpx.Response) -> Answer:
    code, request_id = (None, None) if response.is_success else _refusal(response.content)
    request_id = response.headers.get("request-id") or request_id
    return Answer(call, response.status_code, response.content, _identifier(code), _identifier(request_id))


def _refusal(body: bytes) -> tuple[str | None, str | None]:
    """Error code and request id of a refusal, None where its body has none."""
    try:
        error = shapes.Refusal.model_validate_json(body).error
    except ValidationError:  # no body, a gateway's page, or `{"Message": ...}` of the service behind Graph
        return None, None
    return error.code, error.inner_error.request_id if error.inner_error else None


def _identifier(text: str | None) -> str | None:
    return text if text and _TOKEN.fullmatch(text) else None


def _is_json(response: httpx.Response) -> bool:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower() in {"application/json", "text/json"}


def _own_link(base_url: str, link: str) -> str | None:
    own = httpx.URL(base_url)
    try:
        url = httpx.URL(link)
    except httpx.InvalidURL:
        return None
    same_origin = (url.scheme, url.host, url.port, url.userinfo) == (own.scheme, own.host, own.port, b"")
    inside = url.path.startswith(("/v1.0/", "/beta/")) and ".." not in url.path.split("/")
    return str(url.copy_with(fragment=None)) if same_origin and inside else None


def _unavailable(cause: str, wait: timedelta | None = None) -> Unavailable:
    return Unavailable(WaitingFor.GRAPH, cause, wait)
