"""The ticket desk on ServiceNow's Table API.

`ServiceNowClient` is the way to one instance and lives as long as the worker process; `understood` says what an answer means;
`ServiceNowDesk` is the port, one for each invocation. Source: ServiceNow documentation, "Table API", "Inbound REST API rate
limiting" and "REST API HTTP response codes".

ServiceNow leaves out a field that we may not read, and one that does not exist. Neither reads as a pass:

* `sys_id`, `number`: it cannot be told that this is the ticket that was meant, `TicketNotFound`;
* `active`: not active; `approval`, `cat_item`, `state`: empty, which no rule accepts;
* the requested-for field, the user field: no subject; the profile field: an empty profile, not the default one;
* an approval's `approver`: nobody; its `sys_updated_on`: None, of unknown age;
* `opened_by`, the rest of an approval, a whole approval: `Forbidden`, for each may hide that somebody approved their own ticket
  or rejected it. In `write` a journal too, lest every repeat add a note that we cannot see.
"""

import asyncio
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError

from shared.model import Approval, Note, Ticket, TicketRef, WaitingFor
from shared.parallel import together
from shared.ports import Clock, Forbidden, TicketNotFound, Unavailable, Written
from shared.waits import bounded, retry_after

type Fields = Mapping[str, Any]
"""A record as `sysparm_display_value=all` gives it: `{name: {"value": str, "display_value": str}}`."""

CALL_LIMIT = timedelta(seconds=20)
ANSWER_LIMIT = 1024 * 1024
PATIENCE = timedelta(seconds=4)
PAUSE = timedelta(seconds=0.5)
APPROVALS_PAGE = 100
APPROVALS_LIMIT = 1000

JOURNALS = ("work_notes", "comments")
PERSON_FIELD = {"incident": "caller_id"}
SYS_ID = re.compile(r"[0-9a-f]{32}")
TABLE = re.compile(r"[a-z0-9_]{1,80}")
USER_ID = re.compile(r"(?!\.{1,2}$)[0-9A-Za-z._-]{1,64}")  # records that ship with the product have names like "glide.maint"


# ---- the way there


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


class ServiceNowClient:
    """Connections to one instance, with the identity's token; shared by all invocations of a worker process.

    The token goes to `base_url` only: no redirect, no proxy of the environment, no link in an answer is followed. The credential
    keeps and renews it, and is closed by whoever made it. The session opens with the first call: it needs a running event loop.
    """

    def __init__(
        self, base_url: str, credential: AsyncTokenCredential, audience: str, *, call_limit: timedelta = CALL_LIMIT
    ) -> None:
        self._root = base_url.rstrip("/")
        self._credential = credential
        self._scope = audience if audience.endswith("/.default") else f"{audience}/.default"
        self._call_limit = call_limit.total_seconds()
        self._session: aiohttp.ClientSession | None = None

    async def send(self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, str] | None = None) -> Reply:
        """One call and its answer of at most 1 MiB, whatever the status; `Unavailable` when there is no answer within 20 s."""
        try:
            async with asyncio.timeout(self._call_limit):
                token = await self._credential.get_token(self._scope)
                async with self._open().request(
                    method,
                    f"{self._root}/api/now/v2/table/{path}",
                    params=query,
                    json=body,
                    headers={"Authorization": f"Bearer {token.token}", "Accept": "application/json"},
                    allow_redirects=False,
                ) as response:
                    return Reply(response.status, response.headers, await _bounded(response))
        except TimeoutError as exc:
            raise _unavailable("timeout") from exc
        except AzureError as exc:
            raise _unavailable("no-token") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise _unavailable("connection-failed") from exc

    async def close(self) -> None:
        """The connections are closed."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),  # a session cookie would outlive the token it was given for
                timeout=aiohttp.ClientTimeout(total=None),  # `send` has its own, over the token too
                trust_env=False,
                headers={"User-Agent": "reregister"},
            )
        return self._session


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > ANSWER_LIMIT:
            raise _unavailable(f"http-{response.status}-too-large")
    return bytes(body)


# ---- what an answer means


@dataclass(frozen=True, slots=True)
class Answer:
    """The `result` of an answer; `total` is how many rows match in all, 0 when ServiceNow does not say."""

    result: object
    total: int = 0

    def record(self) -> Fields:
        if not isinstance(self.result, dict):
            raise _unavailable("http-200-other-shape")
        return self.result

    def rows(self) -> list[Fields]:
        if not isinstance(self.result, list) or not all(isinstance(row, dict) for row in self.result):
            raise _unavailable("http-200-other-shape")
        return self.result


def understood(reply: Reply, now: datetime) -> Answer:
    """The answer, if it is one: `200` with a JSON `result`.

    `Forbidden` for 401 and 403. `TicketNotFound` for a 404 in ServiceNow's own form; one in HTML comes from something before it.
    All else is `Unavailable`: the page of a sleeping instance, a redirect to its login, a result cut short, which has `error`.
    """
    document = _json_object(reply.body)
    failed = document.get("error") is not None
    match reply.status:
        case 200 if "result" in document and not failed:
            total = reply.headers.get("X-Total-Count", "")
            return Answer(document["result"], int(total) if re.fullmatch(r"[0-9]{1,9}", total) else 0)
        case 200:
            raise _unavailable("http-200-no-result")
        case 401 | 403:
            raise Forbidden(WaitingFor.TICKET_SYSTEM, f"http-{reply.status}")
        case 404 if failed:
            raise TicketNotFound("http-404")
        case _:
            raise _unavailable(f"http-{reply.status}", wanted_wait(reply, now))


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


def _unavailable(cause: str, retry_after: timedelta | None = None) -> Unavailable:
    return Unavailable(WaitingFor.TICKET_SYSTEM, cause, retry_after)


# ---- what a record says


def _text(record: Fields, name: str, form: str = "value") -> str:
    """The field's value (or its `display_value`), "" when it is empty or missing."""
    match record.get(name, ""):
        case {**forms} if isinstance(text := forms.get(form) or "", str):
            return text
        case "":  # how some versions give an empty reference
            return ""
        case _:
            raise _unavailable("http-200-other-shape")


def _required(record: Fields, name: str, form: str = "value") -> str:
    if name not in record:
        raise Forbidden(WaitingFor.TICKET_SYSTEM, f"hidden-{name}")
    return _text(record, name, form)


def _moment(record: Fields, name: str) -> datetime | None:
    """The time in UTC, in which values stand whatever the reader's zone; None when it is none."""
    try:
        return datetime.strptime(_text(record, name), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _approval_state(approval: str) -> str:
    """An approval state as a fresh instance spells it."""
    return "not requested" if approval == "not_requested" else approval


# ---- the port


class ServiceNowDesk:
    """`ports.TicketDesk` for the length of one invocation.

    Reading calls are tried again while the invocation's patience of 4 s lasts. It pays for failed calls and for waits: after a
    long `Retry-After` or a timeout the queue waits instead. A writing call is never repeated here.
    """

    def __init__(self, client: ServiceNowClient, clock: Clock, *, user_field: str, profile_field: str | None) -> None:
        self._client = client
        self._clock = clock
        self._user_field = user_field
        self._profile_field = profile_field
        self._patience = PATIENCE

    async def read(self, ref: TicketRef) -> Ticket:
        """The ticket, its approvals and its subject as of now, as `Ticket` describes them.

        `requested_for` of an incident is its caller. The subject is what the user field says, of an inactive user too: whether
        the account is in use, the directory knows. `TicketNotFound` when there is no such record or it bears another number.
        """
        _check(ref)
        person_field = PERSON_FIELD.get(ref.table, "requested_for")
        fields = ["active", "state", "approval", "cat_item", "opened_by", person_field, *JOURNALS]
        if self._profile_field is not None:
            fields.append(self._profile_field)
        record, approvals = await together(self._ticket(ref, fields), self._approvals(ref.sys_id))
        requested_for = _text(record, person_field)
        return Ticket(
            ref=ref,
            active=_text(record, "active") == "true",
            state=_text(record, "state"),
            approval=_approval_state(_text(record, "approval")),
            catalog_item=_text(record, "cat_item"),
            requested_for=requested_for,
            opened_by=_required(record, "opened_by"),
            subject=await self._subject(requested_for),
            approvals=approvals,
            profile=None if self._profile_field is None else _text(record, self._profile_field),
            activity="\n".join(_text(record, journal, "display_value") for journal in JOURNALS),
        )

    async def write(self, ref: TicketRef, note: Note, *, repeat: bool) -> Written:
        """Each text of the note stands in its journal, as read back, and whether the state was taken over.

        With `repeat` only what is not there yet is written. After `Unavailable` the note may stand or not: a repeat finds out.
        """
        _check(ref)
        change = {"work_notes": note.work_notes, "comments": note.comments, "state": note.state}
        missing = {name: text for name, text in change.items() if text is not None}
        if repeat:
            record = await self._ticket(ref, missing)
            missing = {name: text for name, text in missing.items() if not _stands(record, name, note)}
            if not missing.keys() - {"state"}:  # all was written at once: a ticket that moved on since is left where it is
                return Written(state_changed=not missing)
        query = _query(("sys_id", "number", "state", *JOURNALS))
        reply = await self._client.send("PATCH", _path(ref), query, missing)
        try:
            record = understood(reply, self._clock.now()).record()
        except Forbidden:
            if "state" not in missing:
                raise
            # A data policy may want more for this state than we have, such as a close code. The texts matter more.
            await self.write(ref, replace(note, state=None), repeat=repeat)
            return Written(state_changed=False)
        texts = missing.keys() - {"state"}
        if not all(_stands(record, name, note) for name in texts):
            record = await self._ticket(ref, ("state", *JOURNALS))
            if not all(_stands(record, name, note) for name in texts):
                raise _unavailable("note-not-visible")
        return Written(state_changed="state" not in missing or _stands(record, "state", note))

    async def _ticket(self, ref: TicketRef, fields: Iterable[str]) -> Fields:
        record = (await self._get(_path(ref), _query(("sys_id", "number", *fields)))).record()
        if (_text(record, "sys_id"), _text(record, "number")) != (ref.sys_id, ref.number):
            raise TicketNotFound("other-record")
        return record

    async def _approvals(self, sys_id: str) -> tuple[Approval, ...]:
        """Every approval of the ticket, once. One that we may not read counts in the page and the total, but is not shown."""
        query = _query(("sys_id", "sysapproval", "approver", "state", "sys_updated_on")) | {
            "sysparm_query": f"sysapproval={sys_id}^ORDERBYsys_id",
            "sysparm_limit": str(APPROVALS_PAGE),
        }
        approvals: dict[str, Approval] = {}
        for offset in range(0, APPROVALS_LIMIT, APPROVALS_PAGE):
            answer = await self._get("sysapproval_approver", query | {"sysparm_offset": str(offset)})
            rows = answer.rows()
            for row in rows:
                if _required(row, "sysapproval") != sys_id:  # ServiceNow leaves out what it does not understand of a query
                    raise _unavailable("http-200-other-approvals")
                approvals[_required(row, "sys_id")] = Approval(
                    approver=_text(row, "approver"),
                    state=_approval_state(_required(row, "state")),
                    updated_at=_moment(row, "sys_updated_on"),
                )
            if len(rows) < APPROVALS_PAGE:
                if len(approvals) < answer.total:
                    raise Forbidden(WaitingFor.TICKET_SYSTEM, "hidden-approvals")
                return tuple(approvals.values())
        raise _unavailable("too-many-approvals")

    async def _subject(self, user: str) -> str | None:
        if not USER_ID.fullmatch(user):
            return None
        try:
            answer = await self._get(f"sys_user/{quote(user, safe='')}", _query(("sys_id", self._user_field)))
        except TicketNotFound:
            return None
        record = answer.record()
        if _text(record, "sys_id") != user:
            raise _unavailable("http-200-other-user")
        return _text(record, self._user_field).strip() or None

    async def _get(self, path: str, query: Mapping[str, str]) -> Answer:
        tried = False
        while True:
            started = self._clock.now()
            try:
                return understood(await self._client.send("GET", path, query), self._clock.now())
            except Unavailable as error:
                wait = max(error.retry_after or PAUSE, PAUSE)
                self._patience -= self._clock.now() - started + wait
                if self._patience < timedelta() or (tried and error.retry_after is None):
                    raise
            tried = True
            await self._clock.sleep(wait.total_seconds())


def _check(ref: TicketRef) -> None:
    """No text of a sender's choosing gets into a path or a query: what cannot be a record's name names no record."""
    if not SYS_ID.fullmatch(ref.sys_id) or not TABLE.fullmatch(ref.table):
        raise TicketNotFound("impossible-name")


def _path(ref: TicketRef) -> str:
    return f"{ref.table}/{ref.sys_id}"


def _query(fields: Iterable[str]) -> dict[str, str]:
    return {
        "sysparm_fields": ",".join(fields),
        "sysparm_display_value": "all",
        "sysparm_exclude_reference_link": "true",
    }


def _stands(record: Fields, name: str, note: Note) -> bool:
    """The note's part is on the ticket. Journals have no value, their entries stand in the display text."""
    if name == "state":
        return _text(record, "state") == note.state
    return note.marker in _required(record, name, "display_value")
