"""The port: tickets are read and noted, within the length of one invocation."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import batched
from urllib.parse import quote

from shared.adapters.servicenow.answers import Answer, Fields, approval_state, moment, required, text_of, understood
from shared.adapters.servicenow.client import ServiceNowClient, unavailable
from shared.model import Approval, Note, Ticket, TicketRef, WaitingFor
from shared.parallel import together
from shared.ports import Clock, Forbidden, TicketNotFound, Unavailable, Written

PATIENCE = timedelta(seconds=4)
PAUSE = timedelta(seconds=0.5)
ROWS_PAGE = 100
ROWS_LIMIT = 1000
PEOPLE_IN_A_QUERY = 50  # the query is part of an address, and a web server takes one of 8 KiB

JOURNALS = ("work_notes", "comments")
PERSON_FIELD = {"incident": "caller_id"}
SYS_ID = re.compile(r"[0-9a-f]{32}")
TABLE = re.compile(r"[a-z0-9_]{1,80}")
NUMBER = re.compile(r"[A-Za-z0-9_-]{1,40}")
RECORD_ID = re.compile(r"(?!\.{1,2}$)[0-9A-Za-z._-]{1,64}")  # records that ship with the product have names like "glide.maint"


class ServiceNowDesk:
    """`ports.TicketDesk` for the length of one invocation.

    Reading calls are tried again while the invocation's patience of 4 s lasts. It pays for failed calls and for waits: after a
    long `Retry-After` or a timeout the queue waits instead. A writing call is never repeated here.
    """

    def __init__(
        self,
        client: ServiceNowClient,
        clock: Clock,
        *,
        user_field: str,
        profile_field: str | None,
        proof_field: str | None,
        approver_group: str | None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._user_field = user_field
        self._profile_field = profile_field
        self._proof_field = proof_field
        self._approver_group = approver_group
        self._patience = PATIENCE

    async def read(self, ref: TicketRef) -> Ticket:
        """The ticket, its approvals, its subject and who of its approvers is in the group as of now, as `Ticket` describes them.

        `requested_for` of an incident is its caller. The subject is what the user field says, of an inactive user too: whether
        the account is in use, the directory knows. `TicketNotFound` when there is no such record or it bears another number.
        """
        _check(ref)
        person_field = PERSON_FIELD.get(ref.table, "requested_for")
        fields = ["active", "state", "approval", "cat_item", "opened_by", person_field, *JOURNALS]
        fields += [name for name in (self._profile_field, self._proof_field) if name is not None]
        record, approvals = await together(self._ticket(ref, fields), self._approvals(ref.sys_id))
        requested_for = text_of(record, person_field)
        opened_by = required(record, "opened_by")
        proof = None if self._proof_field is None else required(record, self._proof_field)
        subject, group_approvers = await together(self._subject(requested_for), self._group_approvers(approvals))
        return Ticket(
            ref=ref,
            active=text_of(record, "active") == "true",
            state=text_of(record, "state"),
            approval=approval_state(text_of(record, "approval")),
            catalog_item=text_of(record, "cat_item"),
            requested_for=requested_for,
            opened_by=opened_by,
            subject=subject,
            approvals=approvals,
            profile=None if self._profile_field is None else text_of(record, self._profile_field),
            proof=proof,
            group_approvers=group_approvers,
            activity="\n".join(text_of(record, journal, "display_value") for journal in JOURNALS),
        )

    async def locate(self, table: str, number: str) -> TicketRef:
        """The only ticket of the table that bears just this number; `TicketNotFound` also when one that we may not read does."""
        if not TABLE.fullmatch(table) or not NUMBER.fullmatch(number):
            raise TicketNotFound("impossible-name")
        query = query_of(("sys_id", "number")) | {"sysparm_query": f"number={number}", "sysparm_limit": "2"}
        rows, total = (await self._get(table, query)).rows()
        match rows:
            case [row] if total <= 1 and text_of(row, "number") == number and SYS_ID.fullmatch(text_of(row, "sys_id")):
                return TicketRef("servicenow", table, text_of(row, "sys_id"), number)
            case _:
                raise TicketNotFound("several" if total > 1 else "no-such-number")

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
        query = query_of(("sys_id", "number", "state", *JOURNALS))
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
                raise unavailable("note-not-visible")
        return Written(state_changed="state" not in missing or _stands(record, "state", note))

    async def _ticket(self, ref: TicketRef, fields: Iterable[str]) -> Fields:
        record = (await self._get(_path(ref), query_of(("sys_id", "number", *fields)))).record()
        if (text_of(record, "sys_id"), text_of(record, "number")) != (ref.sys_id, ref.number):
            raise TicketNotFound("other-record")
        return record

    async def _approvals(self, sys_id: str) -> tuple[Approval, ...]:
        """Every approval of the ticket, once."""
        rows = await self._rows(
            "sysapproval_approver",
            ("sysapproval", "approver", "state", "sys_updated_on"),
            f"sysapproval={sys_id}",
            lambda row: required(row, "sysapproval") == sys_id,
            what="approvals",
        )
        return tuple(
            Approval(
                approver=text_of(row, "approver"),
                state=approval_state(required(row, "state")),
                updated_at=moment(row, "sys_updated_on"),
            )
            for row in rows
        )

    async def _group_approvers(self, approvals: Iterable[Approval]) -> frozenset[str] | None:
        """Who approved and is a member of the configured group; the members of its parents and children are not."""
        if self._approver_group is None:
            return None
        approvers = {row.approver for row in approvals if row.state == "approved" and RECORD_ID.fullmatch(row.approver)}
        members: frozenset[str] = frozenset()
        if RECORD_ID.fullmatch(self._approver_group):
            for people in batched(sorted(approvers), PEOPLE_IN_A_QUERY, strict=False):
                members |= await self._members(self._approver_group, people)
        return members

    async def _members(self, group: str, people: tuple[str, ...]) -> frozenset[str]:
        rows = await self._rows(
            "sys_user_grmember",
            ("group", "user"),
            f"group={group}^userIN{','.join(people)}",
            lambda row: required(row, "group") == group and required(row, "user") in people,
            what="members",
        )
        return frozenset(required(row, "user") for row in rows)

    async def _rows(
        self, table: str, fields: Iterable[str], query: str, asked_for: Callable[[Fields], bool], *, what: str
    ) -> Iterable[Fields]:
        """Every row that matches the query, once.

        One that we may not read counts in the page and the total, but is not shown: `Forbidden`. ServiceNow leaves out what it
        does not understand of a query, and the rest runs: a row that was not `asked_for` makes it no answer, `Unavailable`.
        """
        parameters = query_of(("sys_id", *fields)) | {
            "sysparm_query": f"{query}^ORDERBYsys_id",  # pages need an order that stays
            "sysparm_limit": str(ROWS_PAGE),
        }
        found: dict[str, Fields] = {}
        for offset in range(0, ROWS_LIMIT, ROWS_PAGE):
            rows, total = (await self._get(table, parameters | {"sysparm_offset": str(offset)})).rows()
            if not all(asked_for(row) for row in rows):
                raise unavailable(f"http-200-other-{what}")
            found |= {required(row, "sys_id"): row for row in rows}
            if len(rows) < ROWS_PAGE:
                if len(found) < total:
                    raise Forbidden(WaitingFor.TICKET_SYSTEM, f"hidden-{what}")
                return found.values()
        raise unavailable(f"too-many-{what}")

    async def _subject(self, user: str) -> str | None:
        if not RECORD_ID.fullmatch(user):
            return None
        try:
            answer = await self._get(f"sys_user/{quote(user, safe='')}", query_of(("sys_id", self._user_field)))
        except TicketNotFound:
            return None
        record = answer.record()
        if text_of(record, "sys_id") != user:
            raise unavailable("http-200-other-user")
        return text_of(record, self._user_field).strip() or None

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


def query_of(fields: Iterable[str]) -> dict[str, str]:
    return {
        "sysparm_fields": ",".join(fields),
        "sysparm_display_value": "all",
        "sysparm_exclude_reference_link": "true",
    }


def _stands(record: Fields, name: str, note: Note) -> bool:
    """The note's part is on the ticket. Journals have no value, their entries stand in the display text."""
    if name == "state":
        return text_of(record, "state") == note.state
    return note.marker in required(record, name, "display_value")
