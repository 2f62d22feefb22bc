"""The simulated Microsoft Graph: who may call, which route answers, what the log says.

Each log entry has, besides what `Simulator` writes: `write` (the call asks for a change of the tenant; reads by POST do not),
`route` (None: no such path), `subject` (object id of the user it is about), `refused` (the code of Graph's own error) and
`changed` (the tenant is different afterwards, even where a fault then loses the answer).
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

import jwt
from aiohttp import web

from sandbox import tokens
from sandbox.graph import administration, applications, authentication, directory, odata, policies, reports, roles
from sandbox.graph.calls import Answer, Call, Route, find
from sandbox.graph.control import control, control_user
from sandbox.graph.errors import GraphError, NoSuchController, bad_request, no_segment
from sandbox.graph.kinds import BOTH
from sandbox.graph.tenant import Tenant
from sandbox.simulator import Simulator

GLOBAL = "https://graph.microsoft.com"
ROUTES = [*authentication.ROUTES, *directory.ROUTES, *roles.ROUTES, *reports.ROUTES]
FREE = [authentication.UNTYPED_DELETE]
"""Routes that answer everyone the same, whatever the permissions."""
EVERY = [*administration.ROUTES, *ROUTES, *applications.ROUTES, *policies.ROUTES, *FREE]
CHALLENGE = (
    'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
    'client_id="00000003-0000-0000-c000-000000000000"'
)


class SimulatedGraph(Simulator):
    """Microsoft Graph over `tenant`; `app` is the web application, `log` what was asked of it.

    `audiences` are the `aud` claims it takes; None: the root it is served at, such as `http://127.0.0.1:5003`, and Graph's own.
    """

    def __init__(self, tenant: Tenant | None = None, audiences: Iterable[str] | None = None) -> None:
        super().__init__()
        self.tenant = tenant or Tenant()
        self.audiences = None if audiences is None else tuple(audiences)
        self._then: list[tuple[str, str, Callable[[], Any]]] = []
        self.app.router.add_route("*", "/_sim/users/{id}", self._control_user)
        self.app.router.add_route("*", "/_sim/users/{id}/{part}", self._control_user)
        self.app.router.add_route("*", "/{path:.*}", self._serve)

    def writes(self, path: str = ".*") -> list[dict[str, Any]]:
        """The logged calls that asked for a change, whether or not it came about."""
        return [call for call in self.calls(path=path) if call["write"]]

    def changes(self, path: str = ".*") -> list[dict[str, Any]]:
        """The logged calls that changed the tenant."""
        return [call for call in self.calls(path=path) if call["changed"]]

    def after(self, method: str, path: str, then: Callable[[], Any]) -> None:
        """Calls `then` once: when the next call that matches has been handled, before its answer goes out."""
        self._then.append((method, path, then))

    def describe(self, request: web.Request) -> dict[str, Any]:
        try:
            route, _ = find(EVERY, request.method, *_path(request))
        except GraphError:
            route = None
        write = route.writes if route else request.method not in ("GET", "HEAD", "OPTIONS")
        return {"write": write, "route": route.path if route else None, "subject": None, "refused": None, "changed": False}

    async def control(self, request: web.Request, what: str) -> web.Response:
        return await control(self.tenant, request, what)

    async def _control_user(self, request: web.Request) -> web.Response:
        return await control_user(self.tenant, request)

    async def _serve(self, request: web.Request) -> web.Response:
        entry = request["entry"]
        client_id = request.headers.get("client-request-id", entry["requestId"])
        headers = {"client-request-id": client_id}
        try:
            route, answer = await self._answer(request, entry)
            entry["changed"] = route.writes
        except GraphError as error:
            entry["refused"] = error.code
            return _json(error.body(entry["requestId"], client_id), error.status, {**headers, **error.headers})
        except NoSuchController as error:
            entry["refused"] = "NoSuchController"
            return _json(error.body(), 404, headers)
        finally:
            self._happened(request)
        return web.Response(status=204, headers=headers) if answer is None else _json(answer, route.status, headers)

    async def _answer(self, request: web.Request, entry: dict[str, Any]) -> tuple[Route, odata.Entity | None]:
        claims = self._claims(request)
        version, segments = _path(request)
        route, ids = find(EVERY, request.method, version, segments)
        if route not in FREE and not route.allows(claims):
            raise _forbidden(route)
        call = Call(
            tenant=self.tenant,
            version=version,
            ids=ids,
            options=odata.options(request.raw_path.partition("?")[2], route.allowed),
            headers=request.headers,
            body=await _body(request),
            permissions=route.held(claims),
            actor=claims["oid"],
            root=f"{request.scheme}://{request.host}",
            cast=route.cast,
        )
        try:
            answer: Answer = route.handle(call)
        finally:
            entry["subject"] = call.subject.person.id if call.subject else None
        if isinstance(answer, odata.Collection):
            here = call.root + request.raw_path.partition("?")[0]
            return route, odata.page(answer, here, call.options, self.tenant.settings.page_size)
        return route, answer

    def _claims(self, request: web.Request) -> dict[str, Any]:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthenticated("Access token is empty.")
        cause: BaseException | None = None
        for audience in self.audiences or (_own_root(request), GLOBAL):
            try:
                return tokens.verify(token, audience)
            except tokens.InvalidToken as error:
                cause = error.__cause__
        if isinstance(cause, jwt.ExpiredSignatureError):
            raise _unauthenticated("Lifetime validation failed, the token is expired.")
        if isinstance(cause, jwt.InvalidAudienceError):
            raise _unauthenticated("Access token validation failure. Invalid audience.")
        raise _unauthenticated("Invalid token.")

    def _happened(self, request: web.Request) -> None:
        for one in list(self._then):
            method, path, then = one
            if re.fullmatch(method, request.method) and re.search(path, request.path_qs):
                self._then.remove(one)
                then()


def _path(request: web.Request) -> tuple[str, list[str]]:
    """Version and decoded segments, an encoded slash staying inside its segment; `GraphError` for what is no path."""
    _, version, *segments = request.raw_path.partition("?")[0].split("/")
    if version not in BOTH:
        raise bad_request(f"Invalid version: {version}")
    if "" in segments or not segments:
        raise no_segment("")
    return version, applications.by_key([unquote(segment) for segment in segments])


async def _body(request: web.Request) -> Any:
    raw = await request.read()
    if not raw:
        return None
    try:
        if request.content_type == "application/json":
            return json.loads(raw)
    except ValueError:
        pass
    raise bad_request(
        "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format."
    )


def _own_root(request: web.Request) -> str:
    assert request.transport is not None
    host, port = request.transport.get_extra_info("sockname")[:2]
    return f"{request.scheme}://{host}:{port}"


def _unauthenticated(message: str) -> GraphError:
    return GraphError(401, "InvalidAuthenticationToken", message, headers={"WWW-Authenticate": CHALLENGE})


def _forbidden(route: Route) -> GraphError:
    """The services behind Graph each have their own words for a missing application permission."""
    if "/authentication/" in route.path:
        return GraphError(403, "accessDenied", "Request Authorization failed", inner=True)
    if route.path.startswith(("/auditlogs/", "/reports/")):
        needed = ", ".join(sorted(route.permissions))
        message = f"Calling principal does not have required MSGraph permissions {needed}"
        return GraphError(403, "Authentication_MSGraphPermissionMissing", message)
    if "scheduleinstances" in route.path:
        needed = ",".join(sorted(route.permissions))
        message = f"Authorization failed due to missing permission scope {needed}."
        inner = {"errorCode": "PermissionScopeNotGranted", "message": message, "instanceAnnotations": []}
        return GraphError(403, "UnknownError", json.dumps(inner))
    return GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def _json(body: Any, status: int, headers: dict[str, str]) -> web.Response:
    kind = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
    return web.Response(status=status, body=json.dumps(body).encode(), headers={"Content-Type": kind, **headers})
