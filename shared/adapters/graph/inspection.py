"""What the doctor reads of Microsoft Graph: our own token, some administrators, Conditional Access policies. Nothing is changed.

Source: Microsoft Graph, "List unifiedRoleAssignments", "List policies" (Conditional Access); Microsoft Entra, "Built-in roles".
Imported by the operator's command only: the app itself has no use for it.
"""

import contextlib
from collections.abc import Mapping
from typing import Any

from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.method import Method as Verb
from kiota_abstractions.request_information import RequestInformation
from msgraph.generated.role_management.directory.role_assignments.role_assignments_request_builder import (
    RoleAssignmentsRequestBuilder,
)

from shared.adapters.graph import permissions, shapes
from shared.adapters.graph.calls import Calls, answering
from shared.adapters.graph.clients import GraphClients
from shared.adapters.graph.directory import GraphDirectory
from shared.doctor.registration import Policy
from shared.model import Person
from shared.ports import Clock, PersonNotFound

GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
POLICIES = "{+baseurl}/identity/conditionalAccess/policies"


class PrincipalOfRole(shapes.Shape):
    """A `unifiedRoleAssignment`; the principal may be a person, a group or an application."""

    principal_id: shapes.ObjectId


class ListedPolicy(Policy, shapes.Shape):
    """A `conditionalAccessPolicy` in a list of Graph's."""


class GraphInspection:
    def __init__(self, clients: GraphClients, clock: Clock) -> None:
        self._clients = clients
        self._calls = Calls(clock)
        self._directory = GraphDirectory(clients, clock)

    async def claims(self) -> Mapping[str, Any] | None:
        async with answering("token"):
            return permissions.claims(await self._clients.token())

    async def administrators(self, limit: int) -> tuple[Person, ...]:
        query = RoleAssignmentsRequestBuilder.RoleAssignmentsRequestBuilderGetQueryParameters(
            filter=f"roleDefinitionId eq '{GLOBAL_ADMINISTRATOR}'"
        )
        request = self._clients.sdk.role_management.directory.role_assignments.to_get_request_information(
            RequestConfiguration(query_parameters=query)
        )
        assigned, _ = await self._calls.pages(self._clients.v1, request, "administrators", PrincipalOfRole)
        people: list[Person] = []
        for one in assigned[:limit]:
            with contextlib.suppress(PersonNotFound):  # a group, or an application
                people.append(await self._directory.person(one.principal_id))
        return tuple(people)

    async def policies(self) -> tuple[Policy, ...]:
        request = RequestInformation(Verb.GET, POLICIES, {})
        request.headers.add("Accept", "application/json")
        listed, _ = await self._calls.pages(self._clients.v1, request, "policies", ListedPolicy)
        return tuple(listed)
