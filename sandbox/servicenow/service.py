"""The simulated ServiceNow instance: the Table API in front, the desk behind it, and the business rule that calls out.

Source: ServiceNow documentation, "Table API", "Inbound REST API rate limiting", "REST API HTTP response codes". Bodies of 403 and
404 are from integrators' reports, since the documentation has none.
"""

import math
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from sandbox.servicenow import controls, rendering, rules
from sandbox.servicenow.access import Access, Caller, Unauthenticated
from sandbox.servicenow.desk import Desk
from sandbox.servicenow.errors import ApiError, invalid_table, not_authenticated
from sandbox.servicenow.later import Moments
from sandbox.servicenow.seed import plant
from sandbox.servicenow.sender import Sender
from sandbox.servicenow.settings import Settings
from sandbox.servicenow.store import Record, Store
from sandbox.servicenow.table_api import TableApi
from sandbox.servicenow.values import View
from sandbox.simulator import Handler, Simulator

HOUR = 3600
HIBERNATING = (
    "<!DOCTYPE html><html><head><title>Instance Hibernating</title></head><body>Your instance is hibernating.</body></html>"
)


class SimulatedServiceNow(Simulator):
    """One instance. `audience` is the one that bearer tokens must be issued for; without it only basic authentication works."""

    def __init__(
        self,
        seed: Mapping[str, Any] | None = None,
        *,
        audience: str | None = None,
        webhook: str = "",
        webhook_key: str = "",
        settings: Settings | None = None,
    ) -> None:
        super().__init__("X-Transaction-ID")
        self.settings = settings or Settings()
        self.store = Store()
        self.desk = Desk(self.store)
        self.access = Access(self.store, audience)
        self.moments = Moments(self.store)
        self.tables = TableApi(self.store, self.settings)
        self.sender = Sender(self.store.now, webhook, webhook_key)
        self._used: Counter[tuple[str, int]] = Counter()
        plant(seed or {}, self.desk, self.access)
        self.store.before += [rules.data_policy, rules.closing, rules.approval_date]
        self.store.after += [rules.roll_up, self._tell]
        self._route()

    def render(self, ticket: str) -> str:
        """The ticket (number or `sys_id`) as the desk sees it."""
        return rendering.render(View(self.store, ZoneInfo(self.settings.zone)), self.desk.ticket(ticket))

    async def control(self, request: web.Request, what: str) -> web.Response:
        answer = await controls.control(self, request, what)
        return answer if answer is not None else await super().control(request, what)

    def unrouted(self, request: web.Request, error: web.HTTPException) -> web.StreamResponse:
        if page := self._hibernation():
            return page
        if error.status == 405:
            return ApiError(405, "Method not supported", f"{request.method} is not supported by this resource").answer()
        return ApiError(400, f"Requested URI does not represent any resource: {request.path}", None).answer()

    def _tell(self, store: Store, record: Record, before: Mapping[str, str]) -> None:
        if store.tables[record.table].extends == "task" and record.table != "sc_request":
            self.sender.approved(record, before.get("approval", ""))

    def _route(self) -> None:
        for version in ("", "/v1", "/v2"):
            table = f"/api/now{version}/table/{{table}}"
            self.app.router.add_get(table, self._api(self.tables.list))
            self.app.router.add_post(table, self._api(self.tables.create))
            self.app.router.add_get(f"{table}/{{sys_id}}", self._api(self.tables.read))
            self.app.router.add_patch(f"{table}/{{sys_id}}", self._api(self.tables.update))
            self.app.router.add_put(f"{table}/{{sys_id}}", self._api(self.tables.update))
            self.app.router.add_delete(f"{table}/{{sys_id}}", self._api(self.tables.delete))
        self.app.router.add_post("/oauth_token.do", self._oauth_token)

        async def close(_: web.Application) -> None:
            await self.sender.close()

        self.app.on_shutdown.append(close)

    def _api(self, handler: Any) -> Handler:
        """Authentication, limits and errors around one operation of the Table API."""

        async def handle(request: web.Request) -> web.Response:
            if page := self._hibernation():
                return page
            limits: dict[str, str] = {}
            try:
                caller = self.access.caller(request.headers.get("Authorization"))
                request["entry"]["user"] = caller.name
                limits = self._count(caller)
                self._admit(caller, request.match_info["table"])
                self.moments.come(request)
                response: web.Response = await handler(request, caller)
            except Unauthenticated:
                response = not_authenticated().answer()
            except rules.PolicyError as error:
                response = ApiError(403, "Operation Failed", str(error)).answer()
            except ApiError as error:
                response = error.answer()
            for name, value in limits.items():
                response.headers.setdefault(name, value)
            return response

        return handle

    async def _oauth_token(self, _: web.Request) -> web.Response:
        """No grant is enabled on this instance (the documented answer where a grant, property or user is missing)."""
        return web.json_response({"error_description": "access_denied", "error": "server_error"}, status=401)

    def _admit(self, caller: Caller, table: str) -> None:
        if not caller.rights.api:
            raise ApiError(403, "User Not Authorized", "Failed API level ACL Validation")
        if table not in self.store.tables:
            raise invalid_table(table)

    def _count(self, caller: Caller) -> dict[str, str]:
        """Counts a call against the hour and returns the headers that tell of the limit; raises the 429 beyond it."""
        limit = self.settings.rate_limit
        if limit is None:
            return {}
        now = time.time()
        hour = int(now // HOUR)
        reset = (hour + 1) * HOUR
        headers = {"X-RateLimit-Limit": str(limit), "X-RateLimit-Reset": str(reset), "X-RateLimit-Rule": "Table API per user"}
        self._used[caller.name, hour] += 1
        if self._used[caller.name, hour] > limit:
            detail = f"Rate limit of {limit} requests per hour for Table API exceeded"
            raise ApiError(429, "Rate limit exceeded", detail, headers | {"Retry-After": str(math.ceil(reset - now))})
        return headers

    def _hibernation(self) -> web.Response | None:
        status = self.settings.hibernating
        return None if status is None else web.Response(status=status, text=HIBERNATING, content_type="text/html")
