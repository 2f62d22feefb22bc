"""The shortest way to a reset: the calls that must follow one another, made bare, by a plain HTTP client.

The ticket says who it is for; that record says who they are in the directory; their object id, what is registered and what they
may do there, read at the same time; just before the first removal, ticket, person and what they may do are read once more, at the
same time; one removal after the other (an intent is stored before each, and Graph gives up the default only when it is the last);
then sessions are revoked; then what is registered is read back, after the sessions, for whoever holds one might register anew.

Left out, since they can happen beside these: approvals, hardware tokens, the default, notes on the ticket.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import aiohttp

from sandbox.stack import AUDIENCE, Stack

CALLS_BESIDE_REMOVALS = {"ServiceNow": 4, "Graph": 11}
"""How many follow one another; those made at the same time are one. Of Graph's, what the person may do takes twice four."""

GROUP_QUERY = {"$count": "true", "$select": "id,isAssignableToRole,securityEnabled", "$top": "999"}
ELIGIBILITIES = "identityGovernance/privilegedAccess/group/eligibilityScheduleInstances"


def _into(group_id: str) -> dict[str, str]:
    return {"$filter": f"groupId eq '{group_id}'"}


class BareClient:
    """Sends the calls with the app's identity; connections and tokens are warm from the second time on."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._tokens: dict[str, str] = {}

    async def walk(self, ticket: Mapping[str, Any]) -> float:
        """Resets whom the ticket is for; how long that took, in seconds."""
        graph, desk = self._stack.graph.url, self._stack.servicenow.url
        for resource in (graph, AUDIENCE):
            self._tokens[resource] = self._tokens.get(resource) or await self._token(resource)
        start = time.perf_counter()
        user = await self._get(graph, f"{graph}/v1.0/users/{await self._subject(desk, ticket)}")
        root = f"{graph}/v1.0/users/{user['id']}"
        methods, _ = await asyncio.gather(self._get(graph, f"{root}/authentication/methods"), self._standing(graph, user["id"]))
        await asyncio.gather(self._subject(desk, ticket), self._get(graph, root), self._standing(graph, user["id"]))
        listed = methods["value"]
        for method in sorted(listed, key=lambda method: method.get("phoneType") == "mobile"):
            kind = method["@odata.type"].removeprefix("#microsoft.graph.").removesuffix("AuthenticationMethod")
            if kind != "password":
                await self._call(graph, "DELETE", f"{root}/authentication/{kind}Methods/{method['id']}")
        await self._call(graph, "POST", f"{root}/revokeSignInSessions")
        left = (await self._get(graph, f"{root}/authentication/methods"))["value"]
        took = time.perf_counter() - start
        if len(left) != 1:
            raise RuntimeError(f"the bare client has left {left}")
        return took

    async def _subject(self, desk: str, ticket: Mapping[str, Any]) -> str:
        record = await self._get(AUDIENCE, f"{desk}/api/now/v2/table/sc_req_item/{ticket['sys_id']}")
        whose = record["result"]["requested_for"]["value"]
        person = await self._get(AUDIENCE, f"{desk}/api/now/v2/table/sys_user/{whose}")
        return str(person["result"]["user_name"]["value"])

    async def _standing(self, graph: str, person_id: str) -> None:
        """What an employee without groups is asked, in four rounds in the sandbox's tenant.

        The person's roles and groups, and the tenant's role-assignable groups; who may enter those; which of them are groups; who
        may enter these.
        """
        root, by_principal = f"{graph}/v1.0", {"$filter": f"principalId eq '{person_id}'"}
        *_, role_assignable = await asyncio.gather(
            self._get(graph, f"{root}/users/{person_id}/transitiveMemberOf/graph.directoryRole", {"$count": "true"}),
            self._get(graph, f"{root}/users/{person_id}/transitiveMemberOf/graph.group", GROUP_QUERY),
            self._get(graph, f"{root}/users/{person_id}/ownedObjects/graph.group", GROUP_QUERY),
            self._get(graph, f"{root}/roleManagement/directory/roleAssignments", by_principal),
            self._get(graph, f"{root}/roleManagement/directory/roleEligibilityScheduleInstances", by_principal),
            self._get(graph, f"{root}/{ELIGIBILITIES}", by_principal),
            self._get(graph, f"{root}/groups", {"$filter": "isAssignableToRole eq true"}),
        )
        ids = [group["id"] for group in role_assignable["value"]]
        lists = await asyncio.gather(*(self._get(graph, f"{root}/{ELIGIBILITIES}", _into(one)) for one in ids))
        principals = sorted({f"'{row['principalId']}'" for rows in lists for row in rows["value"]})
        groups = await self._get(graph, f"{root}/groups", {"$filter": f"id in ({','.join(principals)})"})
        inner = [group["id"] for group in groups["value"]]
        await asyncio.gather(
            *(self._get(graph, f"{root}/{ELIGIBILITIES}", _into(one)) for one in inner),
            *(self._get(graph, f"{root}/groups/{one}/transitiveMembers/graph.group", GROUP_QUERY) for one in inner),
        )

    async def _token(self, resource: str) -> str:
        settings = self._stack.settings
        query = {"resource": resource, "api-version": "2019-08-01"}
        headers = {"X-IDENTITY-HEADER": settings["IDENTITY_HEADER"]}
        async with self._stack.session.get(settings["IDENTITY_ENDPOINT"], params=query, headers=headers) as answer:
            answer.raise_for_status()
            return str((await answer.json())["access_token"])

    async def _get(self, resource: str, url: str, query: Mapping[str, str] | None = None) -> Any:
        answer = await self._call(resource, "GET", url, query)
        return await answer.json()

    async def _call(self, resource: str, method: str, url: str, query: Mapping[str, str] | None = None) -> aiohttp.ClientResponse:
        headers = {"Authorization": f"Bearer {self._tokens[resource]}", "Accept": "application/json"}
        if resource == AUDIENCE:
            query = {"sysparm_display_value": "all"}
        elif query and "$count" in query:
            headers["ConsistencyLevel"] = "eventual"
        answer = await self._stack.session.request(method, url, headers=headers, params=query)
        await answer.read()
        answer.raise_for_status()
        return answer
