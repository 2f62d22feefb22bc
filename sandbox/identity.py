"""The managed identity endpoint that App Service puts beside an app (`IDENTITY_ENDPOINT`, `IDENTITY_HEADER`).

Source: Microsoft Learn, "How to use managed identities for App Service and Azure Functions", REST endpoint reference. The page
documents parameters and the answer; the error bodies follow what SDK issues quote (`{"statusCode", "message"}`).

Beside the controls of every simulated service:

* `PUT /_sim/roles` with `{"roles": [...], "resource"?: "https://..."}` grants application permissions, for one resource or for
  Graph; tokens issued before keep theirs, as Entra's do. `GET` shows what is granted.
* `PUT /_sim/lifetime` with `{"seconds": 60}` sets how long the next tokens hold.
"""

import os
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from sandbox.simulator import Simulator, serve
from sandbox.tokens import IDENTITY_CLIENT_ID, IDENTITY_OBJECT_ID, mint

PATH = "/msi/token"
API_VERSION = "2019-08-01"
DAY = 86400
HEADER_SETTING = "IDENTITY_HEADER"

DEFAULT_PERMISSIONS = frozenset(
    {
        "UserAuthenticationMethod.Read.All",
        "UserAuthMethod-Phone.ReadWrite.All",
        "UserAuthMethod-MicrosoftAuthApp.ReadWrite.All",
        "UserAuthMethod-SoftwareOATH.ReadWrite.All",
        "UserAuthMethod-HardwareOATH.ReadWrite.All",
        "User.Read.All",
        "User.RevokeSessions.All",
        "GroupMember.Read.All",
        "RoleManagement.Read.Directory",
        "PrivilegedEligibilitySchedule.Read.AzureADGroup",
    }
)
"""What the app is granted on Microsoft Graph unless an administrator decides otherwise."""

GRAPH_HOSTS = frozenset(
    {
        "graph.microsoft.com",
        "graph.microsoft.us",
        "dod-graph.microsoft.us",
        "microsoftgraph.chinacloudapi.cn",
        "127.0.0.1",
        "localhost",
    }
)
"""Microsoft Graph in its clouds (Microsoft Learn, "National cloud deployments"), and where a simulated one listens."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One identity that is assigned to the app; the three names are those that a request may use for it."""

    client_id: str = IDENTITY_CLIENT_ID
    object_id: str = IDENTITY_OBJECT_ID
    resource_id: str = (
        "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/sandbox"
        "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/reregister"
    )
    system_assigned: bool = True  # answers too when a request names no identity


class Refused(Exception):
    """The endpoint gives no token: HTTP `status` and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class SimulatedIdentity(Simulator):
    """Issues tokens of `sandbox.tokens` to whoever knows `header`, at `PATH` below the server's root."""

    def __init__(self, header: str | None = None, identities: Collection[Identity] = (Identity(),), lifetime: int = DAY) -> None:
        super().__init__()
        self.header = header if header is not None else secrets.token_urlsafe(24)
        self.identities = tuple(identities)
        self.lifetime = lifetime
        self._graph_roles = DEFAULT_PERMISSIONS
        self._roles: dict[str, frozenset[str]] = {}
        self.app.router.add_get(PATH, self._token)

    def grant(self, roles: Collection[str], resource: str | None = None) -> None:
        """From now on tokens for `resource` (None: Microsoft Graph wherever it is) carry exactly `roles`."""
        if resource is None:
            self._graph_roles = frozenset(roles)
        else:
            self._roles[resource.rstrip("/")] = frozenset(roles)

    def roles(self, resource: str) -> frozenset[str]:
        """The application permissions that a token for `resource` carries."""
        granted = self._roles.get(resource.rstrip("/"))
        if granted is not None:
            return granted
        return self._graph_roles if urlsplit(resource).hostname in GRAPH_HOSTS else frozenset()

    async def _token(self, request: web.Request) -> web.Response:
        try:
            identity, resource = self._identity(request), self._resource(request)
        except Refused as error:
            return web.json_response({"statusCode": error.status, "message": error.message}, status=error.status)
        token = mint(
            resource,
            self.roles(resource),
            lifetime=self.lifetime,
            oid=identity.object_id,
            sub=identity.object_id,
            appid=identity.client_id,
        )
        request["entry"].update(resource=resource, clientId=identity.client_id)
        return web.json_response(
            {
                "access_token": token,
                "expires_on": str(int(time.time()) + self.lifetime),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": identity.client_id,
            }
        )

    def _identity(self, request: web.Request) -> Identity:
        offered = request.headers.get("X-IDENTITY-HEADER", "")
        if not secrets.compare_digest(offered.encode(), self.header.encode()):
            raise Refused(401, "The X-IDENTITY-HEADER header is missing or not the one of this app.")
        if request.query.get("api-version", "") < API_VERSION:
            raise Refused(400, f"The api-version is not supported; use {API_VERSION}.")
        names = {
            "client_id": "client_id",
            "object_id": "object_id",
            "principal_id": "object_id",
            "mi_res_id": "resource_id",
        }
        asked = [(attribute, request.query[name].lower()) for name, attribute in names.items() if name in request.query]
        if len(asked) > 1:
            raise Refused(400, "Only one of client_id, principal_id, object_id and mi_res_id may be given.")
        for identity in self.identities:
            if identity.system_assigned if not asked else getattr(identity, asked[0][0]).lower() == asked[0][1]:
                return identity
        raise Refused(400, "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.")

    @staticmethod
    def _resource(request: web.Request) -> str:
        resource = request.query.get("resource", "")
        if not resource:
            raise Refused(400, "The resource parameter is required.")
        return resource

    async def control(self, request: web.Request, what: str) -> web.Response:
        match request.method, what:
            case "GET", "roles":
                return web.json_response(
                    {"graph": sorted(self._graph_roles), "resources": {k: sorted(v) for k, v in self._roles.items()}}
                )
            case "PUT", "roles":
                body = await request.json()
                self.grant(body["roles"], body.get("resource"))
            case "PUT", "lifetime":
                self.lifetime = int((await request.json())["seconds"])
            case _:
                return await super().control(request, what)
        return web.json_response({})


if __name__ == "__main__":
    serve(lambda _: SimulatedIdentity(os.environ[HEADER_SETTING]).app)
