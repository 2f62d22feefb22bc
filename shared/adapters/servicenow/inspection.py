"""What the doctor reads of ServiceNow: whether we are let in, and what of a ticket and its approvals is shown to us.

Nothing of a ticket's text is kept: names of fields, numbers of rows, and what leads to the person.
"""

from collections.abc import Sequence
from urllib.parse import quote

from shared.adapters.servicenow.answers import Answer, text_of, understood
from shared.adapters.servicenow.client import ServiceNowClient
from shared.adapters.servicenow.desk import NUMBER, PERSON_FIELD, RECORD_ID, SYS_ID, TABLE, query_of
from shared.doctor.ports import RowsSeen, TicketSeen
from shared.ports import Clock, TicketNotFound

MOST_ROWS = 1000


class ServiceNowInspection:
    def __init__(self, client: ServiceNowClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def reach(self, table: str) -> RowsSeen:
        return await self._rows(table, ("sys_id",), limit=1)

    async def ticket(self, tables: Sequence[str], name: str, fields: Sequence[str]) -> TicketSeen | None:
        """The first of the tables that shows one. A number must be there once; a name that can be no record's names none."""
        for table in tables:
            sys_id = name if SYS_ID.fullmatch(name) else await self._located(table, name)
            if sys_id is None or not TABLE.fullmatch(table):
                continue
            person_field = PERSON_FIELD.get(table, "requested_for")
            try:
                answer = await self._get(f"{table}/{sys_id}", query_of((*fields, person_field)))
            except TicketNotFound:
                continue
            record = answer.record()
            return TicketSeen(sys_id, frozenset(record), text_of(record, "cat_item"), person_field, text_of(record, person_field))
        return None

    async def approvals(self, sys_id: str) -> RowsSeen:
        fields = ("sysapproval", "approver", "state", "sys_updated_on")
        return await self._rows("sysapproval_approver", fields, ("sysapproval", sys_id))

    async def subject(self, user: str, field: str) -> str | None:
        if not RECORD_ID.fullmatch(user):
            return None
        try:
            answer = await self._get(f"sys_user/{quote(user, safe='')}", query_of(("sys_id", field)))
        except TicketNotFound:
            return None
        return text_of(answer.record(), field).strip() or None

    async def members(self, group: str) -> RowsSeen:
        return await self._rows("sys_user_grmember", ("group", "user"), ("group", group))

    async def _located(self, table: str, number: str) -> str | None:
        if not NUMBER.fullmatch(number):
            return None
        query = query_of(("sys_id", "number")) | {"sysparm_query": f"number={number}", "sysparm_limit": "2"}
        try:
            rows, _ = (await self._get(table, query)).rows()
        except TicketNotFound:
            return None
        match rows:
            case [row] if text_of(row, "number") == number and SYS_ID.fullmatch(text_of(row, "sys_id")):
                return text_of(row, "sys_id")
            case _:
                return None

    async def _rows(
        self, table: str, fields: Sequence[str], of: tuple[str, str] | None = None, *, limit: int = MOST_ROWS
    ) -> RowsSeen:
        """Only rows with all of the fields count as shown, and only those `of` this field's value.

        ServiceNow leaves out what it does not understand of a query, and the rest runs.
        """
        query = query_of(("sys_id", *fields)) | {"sysparm_limit": str(limit)}
        answer = await self._get(table, query | ({"sysparm_query": "=".join(of)} if of else {}))
        rows, _ = answer.rows()
        asked_for = [row for row in rows if of is None or text_of(row, of[0]) == of[1]]
        return RowsSeen(sum(all(name in row for name in fields) for row in asked_for), answer.total)

    async def _get(self, path: str, query: dict[str, str]) -> Answer:
        return understood(await self._client.send("GET", path, query), self._clock.now())
