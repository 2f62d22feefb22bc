"""The operations of the Table API on the simulated instance, for a caller who is known.

Source: ServiceNow documentation, "Table API", and KB0534905 "Table API FAQs". What a caller may not write, and what a column does
not take, is passed over without a word and the answer is still 200: the instance's well known trap.
"""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from sandbox.servicenow import query
from sandbox.servicenow.access import EVERYTHING, Caller
from sandbox.servicenow.errors import ApiError, acl, no_record
from sandbox.servicenow.schema import Kind
from sandbox.servicenow.settings import Settings
from sandbox.servicenow.store import DuplicateError, Record, Store
from sandbox.servicenow.values import View

DEFAULT_LIMIT = 10000
UTC = ZoneInfo("UTC")


class TableApi:
    """One method per operation; each returns the answer or raises `ApiError` (or a rule's `PolicyError`)."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self._everything = View(store, UTC)

    async def read(self, request: web.Request, caller: Caller) -> web.Response:
        return self._answer(request, caller, self._visible(request, caller))

    async def list(self, request: web.Request, caller: Caller) -> web.Response:
        table, parameters = request.match_info["table"], request.query
        text = parameters.get("sysparm_query") or "^".join(
            f"{name}={value}" for name, value in parameters.items() if not name.startswith("sysparm_")
        )
        asked = query.parse(self._everything, table, text)
        if asked.invalid:
            request["entry"]["invalidQuery"] = asked.invalid
        blind = asked.invalid and self.settings.invalid_query_returns_no_rows
        found = [] if blind else asked.select(self._everything, self.store.records(table))
        offset, limit = _number(parameters.get("sysparm_offset"), 0), _number(parameters.get("sysparm_limit"), DEFAULT_LIMIT)
        page = [record for record in found[offset : offset + limit] if self._may_see(caller, record)]
        headers: dict[str, str] = {}
        if self.settings.total_count and parameters.get("sysparm_no_count") != "true":
            headers["X-Total-Count"] = str(len(found))
        if parameters.get("sysparm_suppress_pagination_header") != "true" and limit:
            headers["Link"] = self._links(request, offset, limit, len(found))
        if not page and "/v1/" in request.path:
            raise no_record()
        rows = [self._row(request, caller, record) for record in page]
        return web.json_response({"result": rows}, headers=headers)

    async def create(self, request: web.Request, caller: Caller) -> web.Response:
        table = request.match_info["table"]
        if not caller.rights.may_create(table):
            raise acl("Insert")
        values = await self._changes(request, caller, table)
        try:
            record = self.store.insert(table, values, caller.name)
        except DuplicateError as error:
            raise ApiError(403, "Operation Failed", f"Error during insert: {error}") from error
        self._mark(request, record, values.keys(), ())
        location = f"{request.url.origin()}/api/now/table/{table}/{record.sys_id}"
        return self._answer(request, caller, record, status=201, headers={"Location": location})

    async def update(self, request: web.Request, caller: Caller) -> web.Response:
        record = self._visible(request, caller)
        if not caller.rights.writable(record.table):
            raise acl("Update")
        body = await _body(request)
        changes = await self._changes(request, caller, record.table)
        changed = self.store.update(record, changes, caller.name)
        self._mark(request, record, changed, body.keys() - changed)
        return self._answer(request, caller, record)

    async def delete(self, request: web.Request, caller: Caller) -> web.Response:
        record = self._visible(request, caller)
        if EVERYTHING not in caller.rights.writable(record.table):
            raise acl("Delete")
        self.store.delete(record)
        self._mark(request, record, (), ())
        return web.Response(status=204)

    async def _changes(self, request: web.Request, caller: Caller, table: str) -> dict[str, str]:
        """What of the body the caller may write and the database takes."""
        allowed = caller.rights.writable(table)
        body = {name: value for name, value in (await _body(request)).items() if name in allowed or EVERYTHING in allowed}
        if request.query.get("sysparm_input_display_value") == "true":
            body = {name: self._from_display(table, name, value) for name, value in body.items()}
        return self.store.accepted(table, body)

    def _from_display(self, table: str, name: str, value: Any) -> Any:
        column = self.store.columns(table).get(name)
        if column is None or not isinstance(value, str):
            return value
        if column.kind is Kind.CHOICE:
            return next((choice for choice, label in column.choices.items() if label == value), value)
        if column.kind is Kind.REFERENCE and value:
            try:
                return self.store.find(column.reference, value).sys_id
            except LookupError:
                return value
        return value

    def _visible(self, request: web.Request, caller: Caller) -> Record:
        """The record that the path names; one that is not there and one that may not be seen are the same 404."""
        record = self.store.get(request.match_info["table"], request.match_info["sys_id"])
        if record is None or not self._may_see(caller, record):
            raise no_record()
        return record

    def _may_see(self, caller: Caller, record: Record) -> bool:
        if not caller.rights.may_read(record.table):
            return False
        only = caller.rights.only.get(record.table)
        return only is None or bool(query.parse(self._everything, record.table, only).select(self._everything, [record]))

    def _row(self, request: web.Request, caller: Caller, record: Record) -> dict[str, Any]:
        fields = request.query.get("sysparm_fields")
        view = View(
            self.store,
            ZoneInfo(caller.user["time_zone"] or self.settings.zone),
            str(request.url.origin()),
            lambda seen, column: self._may_see(caller, seen) and caller.rights.may_read_column(seen.table, column),
        )
        return view.row(
            record,
            [name.strip() for name in fields.split(",")] if fields else None,
            request.query.get("sysparm_display_value", "false"),
            links=request.query.get("sysparm_exclude_reference_link") != "true",
        )

    def _answer(
        self, request: web.Request, caller: Caller, record: Record, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        if request.headers.get("X-no-response-body", "").lower() == "true":
            return web.Response(status=status, headers=headers)
        return web.json_response({"result": self._row(request, caller, record)}, status=status, headers=headers)

    @staticmethod
    def _mark(request: web.Request, record: Record, changed: Iterable[str], ignored: Iterable[str]) -> None:
        """Notes in the log that this call wrote, where, which columns, and which it passed over."""
        request["entry"]["write"] = {
            "table": record.table,
            "sys_id": record.sys_id,
            "number": record["number"],
            "changed": sorted(changed),
            "ignored": sorted(ignored),
        }

    @staticmethod
    def _links(request: web.Request, offset: int, limit: int, total: int) -> str:
        last = max(0, math.ceil(total / limit) - 1) * limit
        pages = {"first": 0, "last": last}
        if offset:
            pages["prev"] = max(0, offset - limit)
        if offset + limit < total:
            pages["next"] = offset + limit
        kept = {name: value for name, value in request.query.items() if name not in {"sysparm_offset", "sysparm_limit"}}
        where = f"{request.url.origin()}{request.path}"
        return ",".join(
            f'<{where}?{urlencode({**kept, "sysparm_limit": limit, "sysparm_offset": start})}>;rel="{name}"'
            for name, start in pages.items()
        )


async def _body(request: web.Request) -> dict[str, Any]:
    """The record in the body; of several only the first is worked on (KB0534905)."""
    try:
        body = json.loads(await request.text())
    except ValueError as error:
        raise ApiError(400, "Exception while reading request", "The payload is not valid JSON") from error
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        raise ApiError(400, "Exception while reading request", "The payload is not a JSON object")
    return body


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() else default
