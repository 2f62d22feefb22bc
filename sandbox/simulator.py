"""What every simulated service shares: a log of all calls, scripted faults, latency, and a way to run it.

Control lives below `/_sim/` (never part of a simulated API):

* `GET /_sim/log` → `[{at, method, path, status, requestId, fault?, ...}]`, oldest first; `DELETE` empties it.
* `POST /_sim/faults` with a list of `Fault` objects arms them; `GET` shows them; `DELETE` disarms all.
* `PUT /_sim/latency` with `{"seconds": 0.1}` delays every answer.
"""

import argparse
import asyncio
import contextlib
import json
import re
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

type Handler = Callable[[web.Request], Any]


@dataclass
class Fault:
    """Misbehaviour for the next `times` calls that match.

    `status`, `headers`, `body` answer in place of the service (`body` may be text or JSON); `kind` may be `reset` (the connection
    is cut without an answer) or `slow` (`seconds` late). With `after_effect` the real handler runs first, and only its answer
    is lost.
    """

    method: str = ".*"
    path: str = ".*"
    times: int | None = 1
    skip: int = 0
    kind: str = "answer"
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = ""
    seconds: float = 0
    after_effect: bool = False

    def matches(self, method: str, path: str) -> bool:
        return bool(re.fullmatch(self.method, method) and re.search(self.path, path))

    def answer(self) -> web.Response:
        if isinstance(self.body, str):
            return web.Response(status=self.status, headers=self.headers, text=self.body)
        return web.json_response(self.body, status=self.status, headers=self.headers)


async def misbehave(
    fault: Fault, request: web.Request, handle: Callable[[], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """What the caller gets under this fault in place of, or late after, what `handle` answers."""
    response = await handle() if fault.kind == "slow" or fault.after_effect else None
    if fault.seconds:
        await asyncio.sleep(fault.seconds)
    if fault.kind == "reset":
        if request.transport is not None:  # None: the caller has gone
            request.transport.abort()
        raise web.HTTPServiceUnavailable
    return fault.answer() if response is None or fault.kind == "answer" else response


class Simulator:
    """The shared half of a simulated service: `app` to run, `log` to read, `faults` to arm."""

    def __init__(self, request_id_header: str = "request-id") -> None:
        self.log: list[dict[str, Any]] = []
        self.faults: list[Fault] = []
        self.latency = 0.0
        self.request_id_header = request_id_header
        self.app = web.Application(middlewares=[self._observe], client_max_size=4 * 1024 * 1024)
        self.app.router.add_route("*", "/_sim/{what}", self._control)

    def calls(self, method: str = ".*", path: str = ".*") -> list[dict[str, Any]]:
        """The logged calls whose method and path match these patterns."""
        return [c for c in self.log if re.fullmatch(method, c["method"]) and re.search(path, c["path"])]

    def arm(self, *faults: Fault) -> None:
        self.faults.extend(faults)

    def _take_fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times == 0 or not fault.matches(method, path):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
            return fault
        return None

    @web.middleware
    async def _observe(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/_sim/"):
            return await handler(request)  # type: ignore[no-any-return]
        entry: dict[str, Any] = {
            "at": datetime.now(UTC).isoformat(),
            "method": request.method,
            "path": request.path_qs,
            "requestId": str(uuid.uuid4()),
            "status": None,
            **self.describe(request),
        }
        request["entry"] = entry
        self.log.append(entry)
        if self.latency:
            await asyncio.sleep(self.latency)
        if fault := self._take_fault(request.method, request.path_qs):
            entry["fault"] = fault.kind if fault.kind != "answer" else fault.status
            response = await misbehave(fault, request, lambda: self._handled(request, handler))
        else:
            response = await self._handled(request, handler)
        entry["status"] = response.status
        response.headers.setdefault(self.request_id_header, entry["requestId"])
        return response

    async def _handled(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)  # type: ignore[no-any-return]
        except web.HTTPException as error:
            return self.unrouted(request, error)

    def describe(self, request: web.Request) -> dict[str, Any]:
        """What a simulated service adds to the log entry of a call before anything happens to it; the base adds nothing."""
        del request
        return {}

    def unrouted(self, request: web.Request, error: web.HTTPException) -> web.StreamResponse:
        """What the service answers where it has no route or method; a simulated service overrides it."""
        del request
        return error

    async def _control(self, request: web.Request) -> web.Response:
        match request.method, request.match_info["what"]:
            case "GET", "log":
                return web.json_response(self.log)
            case "DELETE", "log":
                self.log.clear()
            case "GET", "faults":
                return web.json_response([asdict(fault) for fault in self.faults])
            case "POST", "faults":
                known = {f.name for f in fields(Fault)}
                for item in await request.json():
                    if unknown := set(item) - known:
                        raise web.HTTPBadRequest(text=f"unknown: {sorted(unknown)}")
                    self.faults.append(Fault(**item))
            case "DELETE", "faults":
                self.faults.clear()
            case "PUT", "latency":
                self.latency = float((await request.json())["seconds"])
            case _:
                return await self.control(request, request.match_info["what"])
        return web.json_response({})

    async def control(self, request: web.Request, what: str) -> web.Response:
        """A simulated service's own controls; the base has none."""
        raise web.HTTPNotFound(text=f"no control {request.method} {what}")


@contextlib.asynccontextmanager
async def running(app: web.Application, port: int = 0, ssl_context: Any = None, **options: Any) -> AsyncIterator[str]:
    """Serves `app` on a loopback port (0: a free one) and yields its root URL; `options` are those of `web.AppRunner`."""
    runner = web.AppRunner(app, access_log=None, **{"shutdown_timeout": 0.5, **options})
    await runner.setup()
    server: Any = None
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=ssl_context)
        await site.start()
        server = site._server  # noqa: SLF001
        bound = server.sockets[0].getsockname()[1]
        yield f"{'https' if ssl_context else 'http'}://127.0.0.1:{bound}"
    finally:
        await runner.cleanup()
        if server is not None:
            # The last TLS connections say goodbye after the runner has gone; a loop that ends before them complains.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(server.wait_closed(), 1)


def serve(make: Callable[[argparse.Namespace], web.Application], **options: dict[str, Any]) -> None:
    """Runs a simulated service as a process: prints `{"url": ...}` as its first line, ends on SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    for name, how in options.items():
        parser.add_argument(f"--{name}", **how)
    arguments = parser.parse_args()

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with running(make(arguments), arguments.port) as url:
            print(json.dumps({"url": url}), flush=True)
            await stop.wait()

    asyncio.run(main())
