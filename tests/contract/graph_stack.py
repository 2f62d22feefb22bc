"""A running simulated Graph with a client, a token and a clock for it."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from sandbox import people, tokens
from sandbox.graph import Settings, SimulatedGraph, Tenant
from sandbox.simulator import running

READ = "UserAuthenticationMethod.Read.All"
WRITE = "UserAuthenticationMethod.ReadWrite.All"
DEFAULT_SET = (
    READ,
    *(f"UserAuthMethod-{kind}.ReadWrite.All" for kind in ("Phone", "MicrosoftAuthApp", "SoftwareOATH", "HardwareOATH")),
    "User.Read.All",
    "User.RevokeSessions.All",
    "GroupMember.Read.All",
    "RoleManagement.Read.Directory",
    "PrivilegedEligibilitySchedule.Read.AzureADGroup",
)
EVERYTHING = (
    *DEFAULT_SET,
    WRITE,
    "AuditLog.Read.All",
    "Directory.Read.All",
    "RoleManagement.Read.All",
    "UserAuthMethod-Passkey.Read.All",
)
EVENTUAL = {"ConsistencyLevel": "eventual"}
TEXT_A = "matches the user's current default authentication method, and cannot be deleted until"
TEXT_B = "Cannot delete default method with other methods configured. Please change default method before deletion."


class Clock:
    """A tenant's clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class Stack:
    """A running simulator and a client with a token for it."""

    graph: SimulatedGraph
    clock: Clock
    url: str
    client: httpx.AsyncClient
    permissions: Iterable[str] = EVERYTHING

    @property
    def tenant(self) -> Tenant:
        return self.graph.tenant

    def token(self, permissions: Iterable[str] | None = None, audience: str | None = None, **more: Any) -> str:
        roles = self.permissions if permissions is None else permissions
        return tokens.mint(audience or self.url, list(roles), **more)

    async def call(
        self,
        method: str,
        path: str,
        *,
        permissions: Iterable[str] | None = None,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        """A call below `/v1.0`, or below `/beta` when the path says so; `#` in a name is encoded."""
        path = path.replace("#", "%23")
        path = path if path.startswith("/beta/") else f"/v1.0{path}"
        authorization = {"Authorization": f"Bearer {self.token(permissions)}"}
        return await self.client.request(method, path, headers=authorization | (headers or {}), **more)

    async def get(self, path: str, **more: Any) -> Any:
        response = await self.call("GET", path, **more)
        assert response.status_code == 200, response.text
        return response.json()

    async def delete(self, user: str, segment: str, identifier: str, **more: Any) -> httpx.Response:
        version = "/beta" if segment in ("hardwareOathMethods", "qrCodePinMethod") else ""
        return await self.call("DELETE", f"{version}/users/{user}/authentication/{segment}/{identifier}".rstrip("/"), **more)

    async def listed(self, user: str, version: str = "") -> list[str]:
        """The types that `authentication/methods` lists, without the password."""
        body = await self.get(f"{version}/users/{user}/authentication/methods")
        types = [re.fullmatch(r"#microsoft\.graph\.(\w+)AuthenticationMethod", m["@odata.type"]) for m in body["value"]]
        return [found[1] for found in types if found and found[1] != "password"]

    def id_of(self, user: str, kind: str) -> str:
        return next(method.id for method in self.tenant.account(user).methods if method.type == kind)


@asynccontextmanager
async def started(seed: people.Seed | None = None, **settings: Any) -> AsyncIterator[Stack]:
    clock = Clock()
    graph = SimulatedGraph(Tenant(seed, Settings(**settings), clock))
    async with running(graph.app) as url, httpx.AsyncClient(base_url=url, verify=False) as client:
        yield Stack(graph, clock, url, client)


def refused(response: httpx.Response, status: int, code: str, text: str = "") -> dict[str, Any]:
    """The error object of a refusal, after a look at its shape."""
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == code
    assert text in error["message"]
    assert {"date", "request-id", "client-request-id"} <= set(error["innerError"])
    assert error["innerError"]["request-id"] == response.headers["request-id"]
    return error


async def raw(url: str, request_line: str, authorization: str) -> httpx.Response:
    """What the server answers to exactly this request line, which no client library has tidied up."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    headers = (f"Host: {host}:{port}", f"Authorization: {authorization}", "Content-Length: 0", "Connection: close")
    writer.write("\r\n".join((request_line, *headers, "", "")).encode())
    raw = await reader.read()
    writer.close()
    header, _, body = raw.partition(b"\r\n\r\n")
    return httpx.Response(int(header.split()[1]), content=body)
