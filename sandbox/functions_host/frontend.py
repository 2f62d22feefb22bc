"""The HTTP side: function routes with their keys, and the few administration routes that tests and operators use.

Request shapes follow `GrpcMessageConversionExtensions.cs` (Azure/azure-functions-host).
"""

import asyncio
import hmac
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from aiohttp import web

from sandbox.functions_host.executor import Executor
from sandbox.functions_host.protos import RpcHttp, TypedData
from sandbox.functions_host.routes import Route, by_precedence, match
from sandbox.functions_host.worker import Function, InvocationFailed

log = logging.getLogger("host.http")

LARGEST_BODY = 100 * 1024 * 1024  # bytes
KEY_HEADER, KEY_PARAMETER = "x-functions-key", "code"

type Fire = Callable[[str], Coroutine[Any, Any, None]]
"""Runs a timer function once, for the reason given."""


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Values by name; those of a repeated name joined by commas."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


async def _argument(request: web.Request, parameters: dict[str, str]) -> TypedData:
    """The request as a function receives it. A body without Content-Length (chunked) arrives empty, as in Azure."""
    body = await request.read() if request.content_length else b""
    return TypedData(
        http=RpcHttp(
            method=request.method,
            url=f"{request.scheme}://{request.host}{request.raw_path}",
            headers=_joined((name.lower(), value) for name, value in request.headers.items()),
            params=parameters,
            query=_joined((name, value) for name, value in request.query.items() if value),
            body=TypedData(bytes=body),
        )
    )


def _response(output: TypedData | None) -> web.Response:
    if output is None:
        return web.Response(status=204)
    if output.kind != "http":
        return web.Response(text=str(output.value))
    http = output.value
    response = web.Response(status=int(http.status_code), headers=http.headers, body=http.body.value if http.body else b"")
    for cookie in http.cookies or ():
        optional = {name: getattr(cookie, name) for name in ("domain", "path", "secure")}
        given = {name: value.value for name, value in optional.items() if value is not None}
        age = int(cookie.max_age.value) if cookie.max_age else None
        httponly = bool(cookie.http_only and cookie.http_only.value)
        response.set_cookie(cookie.name, cookie.value, max_age=age, httponly=httponly, samesite=cookie.same_site, **given)
    return response


class Frontend:
    """`app` serves the routes of HTTP functions, `POST /admin/functions/{name}` (timers only), and the state of the host."""

    def __init__(
        self,
        routes: Iterable[Route],
        timers: Mapping[str, Fire],
        names: Iterable[str],
        executor: Executor,
        key: str,
        master_key: str,
    ) -> None:
        self._routes, self._timers, self._names = by_precedence(routes), timers, frozenset(names)
        self._executor, self._key, self._master_key = executor, key, master_key
        self._fired: set[asyncio.Task[None]] = set()
        self.app = web.Application(client_max_size=LARGEST_BODY)
        self.app.router.add_get("/admin/host/ping", self._ping, allow_head=False)
        self.app.router.add_get("/admin/host/status", self._status, allow_head=False)
        self.app.router.add_post("/admin/functions/{name}", self._invoke)
        self.app.router.add_route("*", "/{path:.*}", self._serve)

    async def drain(self) -> None:
        """Functions that an administrator fired are done."""
        if self._fired:
            await asyncio.wait(self._fired)

    def _allowed(self, request: web.Request, level: str) -> bool:
        if level == "ANONYMOUS":
            return True
        given = request.headers.get(KEY_HEADER) or request.query.get(KEY_PARAMETER, "")
        accepted = {self._master_key} if level == "ADMIN" else {self._key, self._master_key}
        return bool(given) and any(hmac.compare_digest(given.encode(), key.encode()) for key in accepted)

    async def _serve(self, request: web.Request) -> web.Response:
        if not (found := match(self._routes, request.method, request.rel_url.path_safe)):
            return web.Response(status=404)
        route, parameters = found
        function = route.function
        if not self._allowed(request, str(function.trigger.get("authLevel") or "FUNCTION").upper()):
            return web.Response(status=401)
        try:
            argument = await _argument(request, parameters)
            outputs = await self._executor.run(function, "This function was programmatically called via the host APIs.", argument)
            return _response(outputs.get(_http_output(function)))
        except InvocationFailed:
            return web.Response(status=500)
        except (ValueError, TypeError):
            log.exception("Functions.%s gave an answer that cannot be sent", function.name)
            return web.Response(status=500)

    async def _ping(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _status(self, request: web.Request) -> web.Response:
        if not self._allowed(request, "ADMIN"):
            return web.Response(status=401)
        return web.json_response({"state": "Running", "functions": sorted(self._names), "running": self._executor.running})

    async def _invoke(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if not self._allowed(request, "ADMIN"):
            return web.Response(status=401)
        if request.content_type != "application/json":
            return web.Response(status=415, text="Content-Type must be application/json")
        if name not in self._names:
            return web.Response(status=404)
        if name not in self._timers:
            return web.Response(status=501, text="this host fires timer functions only")
        task = asyncio.create_task(self._timers[name]("This function was programmatically called via the host APIs."))
        self._fired.add(task)
        task.add_done_callback(self._fired.discard)
        return web.Response(status=202)


def _http_output(function: Function) -> str:
    return next((str(output["name"]) for output in function.outputs if output["type"] == "http"), "$return")
