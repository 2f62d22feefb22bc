"""App roles of service principals on Microsoft Graph, read and changed as the person whose token it is.

Source: Microsoft Graph, "servicePrincipal resource type", "Grant an appRoleAssignment for a service principal". The app has no
part in this and imports none of it: its own package of the Graph SDK stays as small as it is.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

from shared.cli.granting import GRAPH_APP_ID, AppRole, Assignment, Identity, NotGranted, Resource
from shared.model import WaitingFor
from shared.ports import Forbidden, Unavailable
from shared.waits import PASSING, retry_after

CALL_SECONDS = 30
TRIES = 4
USUAL_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(seconds=30)
_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_OF_PRINCIPAL = "id,appId,displayName,servicePrincipalType,alternativeNames"


class AppRoles:
    """Every call may be repeated: what is there already, or gone already, counts as done, and whoever calls reads it back."""

    def __init__(self, root: str, token: str, session: aiohttp.ClientSession) -> None:
        self._root, self._token, self._session = root, token, session

    @classmethod
    @asynccontextmanager
    async def open(cls, root: str, token: str) -> AsyncIterator[Self]:
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session:
            yield cls(root, token, session)

    async def graph(self) -> Resource:
        """Microsoft Graph's own service principal, with everything that it offers."""
        found = await self._one(f"(appId='{GRAPH_APP_ID}')", "id,appRoles")
        if found is None:
            raise NotGranted("This tenant has no service principal of Microsoft Graph.")
        roles = (
            AppRole(role["id"], role["value"] or "", bool(role["isEnabled"]) and "Application" in role["allowedMemberTypes"])
            for role in found["appRoles"]
        )
        return Resource(found["id"], tuple(roles))

    async def identity(self, named: str) -> Identity:
        """The managed identity with this object id, client id or display name; `NotGranted` unless there is just one."""
        found = await self._named(named)
        managed = [one for one in found if one["servicePrincipalType"] == "ManagedIdentity"]
        if not found:
            raise NotGranted(f"There is no service principal {named}; that of a new identity takes minutes to be seen.")
        if not managed:
            kind = found[0]["servicePrincipalType"]
            raise NotGranted(f"{named} is a service principal of type {kind}, and no managed identity.")
        if len(managed) > 1:
            raise NotGranted(f"Several managed identities are named {named}: {', '.join(one['id'] for one in managed)}.")
        (one,) = managed
        resource = next((name for name in one.get("alternativeNames") or () if name.startswith("/subscriptions/")), None)
        return Identity(one["id"], one["appId"], one["displayName"], resource)

    async def held(self, identity: Identity) -> tuple[Assignment, ...]:
        """Everything that the identity holds, on every resource."""
        rows = await self._all(f"/servicePrincipals/{identity.id}/appRoleAssignments")
        return tuple(Assignment(row["id"], row["appRoleId"], row["resourceId"], row["resourceDisplayName"] or "") for row in rows)

    async def grant(self, graph: Resource, identity: Identity, role_id: str) -> None:
        body = {"principalId": identity.id, "resourceId": graph.id, "appRoleId": role_id}
        status, answer = await self._call("POST", f"/servicePrincipals/{graph.id}/appRoleAssignedTo", body)
        if status >= 400 and "already exists" not in _message(answer):
            raise _refused(status, answer)

    async def revoke(self, identity: Identity, assignment: Assignment) -> None:
        path = f"/servicePrincipals/{identity.id}/appRoleAssignments/{quote(assignment.id, safe='')}"
        status, answer = await self._call("DELETE", path)
        if status >= 400 and status != 404:
            raise _refused(status, answer)

    async def _named(self, named: str) -> list[Mapping[str, Any]]:
        if not _GUID.fullmatch(named):
            name = quote(named.replace("'", "''"), safe="")
            return await self._all(f"/servicePrincipals?$filter=displayName%20eq%20'{name}'&$select={_OF_PRINCIPAL}")
        found = await self._one(f"/{named}", _OF_PRINCIPAL) or await self._one(f"(appId='{named}')", _OF_PRINCIPAL)
        return [found] if found else []

    async def _one(self, key: str, select: str) -> Mapping[str, Any] | None:
        status, answer = await self._call("GET", f"/servicePrincipals{key}?$select={select}")
        if status == 404:
            return None
        if status >= 400:
            raise _refused(status, answer)
        return answer

    async def _all(self, path: str) -> list[Mapping[str, Any]]:
        rows: list[Mapping[str, Any]] = []
        while path:
            status, answer = await self._call("GET", path)
            if status >= 400:
                raise _refused(status, answer)
            rows += answer["value"]
            path = self._next(answer.get("@odata.nextLink"))
        return rows

    def _next(self, link: str | None) -> str:
        """The path of the next page, on Graph's own origin only: the token goes nowhere else."""
        if not link:
            return ""
        start = f"{self._root}/v1.0"
        if not link.startswith(f"{start}/") or urlsplit(link).netloc != urlsplit(self._root).netloc:
            raise Unavailable(WaitingFor.GRAPH, "a next page elsewhere")
        return link.removeprefix(start)

    async def _call(self, method: str, path: str, body: Mapping[str, str] | None = None) -> tuple[int, Mapping[str, Any]]:
        """Status and body; what passes is waited out a few times. 401 and 403 are `Forbidden`."""
        for tries_left in reversed(range(TRIES)):
            status, wait, answer = await self._sent(method, path, body)
            if status in (401, 403):
                raise Forbidden(WaitingFor.GRAPH, f"{_code(answer)} ({_message(answer)})")
            if status not in PASSING:
                return status, answer
            if tries_left:
                await asyncio.sleep(min(wait or USUAL_WAIT, LONGEST_WAIT).total_seconds())
        raise Unavailable(WaitingFor.GRAPH, f"http-{status}")

    async def _sent(
        self, method: str, path: str, body: Mapping[str, str] | None
    ) -> tuple[int, timedelta | None, Mapping[str, Any]]:
        try:
            async with self._session.request(
                method,
                URL(f"{self._root}/v1.0{path}", encoded=True),
                json=body,
                headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"},
                allow_redirects=False,
            ) as response:
                raw = await response.json(content_type=None) if response.status != 204 else {}
                wait = retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
                return response.status, wait, raw if isinstance(raw, dict) else {}
        except ValueError:  # not JSON: a proxy's page
            return (response.status if response.status >= 400 else 502), None, {}
        except TimeoutError as exc:
            raise Unavailable(WaitingFor.GRAPH, "timeout") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise Unavailable(WaitingFor.GRAPH, "connection-failed") from exc


def _code(answer: Mapping[str, Any]) -> str:
    return str(_error(answer).get("code", "no code"))


def _message(answer: Mapping[str, Any]) -> str:
    return str(_error(answer).get("message", "no message"))


def _error(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    error = answer.get("error")
    return error if isinstance(error, dict) else {}


def _refused(status: int, answer: Mapping[str, Any]) -> NotGranted:
    return NotGranted(f"Microsoft Graph answered {status}: {_code(answer)} ({_message(answer)})")
