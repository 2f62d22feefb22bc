"""What a person may do in the directory: which calls tell it, and what their answers mean. What is not told lets nobody through.

Sources: Microsoft Graph v1.0 reference, "List a user's memberships (direct and transitive)", "List ownedObjects", "List
unifiedRoleAssignments", "List roleEligibilityScheduleInstances", "List eligibilityScheduleInstances" (PIM for groups), "group
resource type", "Advanced query capabilities on directory objects", "Overview of Microsoft Graph permissions" (limited information
returned for inaccessible member objects); Microsoft Entra, "Use Microsoft Entra groups to manage role assignments", "Privileged
Identity Management (PIM) for Groups" (group nesting).
"""

from collections.abc import Awaitable, Callable, Iterable
from itertools import batched

from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.request_information import RequestInformation
from msgraph.generated.groups.item.group_item_request_builder import GroupItemRequestBuilder
from msgraph.generated.identity_governance.privileged_access.group.eligibility_schedule_instances.eligibility_schedule_instances_request_builder import (  # noqa: E501
    EligibilityScheduleInstancesRequestBuilder,
)
from msgraph.generated.role_management.directory.role_assignments.role_assignments_request_builder import (
    RoleAssignmentsRequestBuilder,
)
from msgraph.generated.role_management.directory.role_eligibility_schedule_instances.role_eligibility_schedule_instances_request_builder import (  # noqa: E501
    RoleEligibilityScheduleInstancesRequestBuilder,
)
from msgraph.generated.users.item.owned_objects.graph_group.graph_group_request_builder import (
    GraphGroupRequestBuilder as OwnedGroups,
)
from msgraph.generated.users.item.transitive_member_of.graph_directory_role.graph_directory_role_request_builder import (
    GraphDirectoryRoleRequestBuilder,
)
from msgraph.generated.users.item.transitive_member_of.graph_group.graph_group_request_builder import (
    GraphGroupRequestBuilder as MemberGroups,
)

from shared.adapters.graph import shapes
from shared.adapters.graph.calls import Calls, UnexpectedAnswer
from shared.adapters.graph.clients import GraphClients
from shared.model import Standing, WaitingFor
from shared.parallel import together
from shared.ports import Forbidden

GROUP_FIELDS = ["id", "isAssignableToRole", "securityEnabled"]
LARGEST_PAGE = 999
AT_ONCE = 10
"""Reads of one kind at the same time, where a person's groups decide how many there are."""
NO_PREMIUM = "AadPremiumLicenseRequired"


class StandingReader:
    """Reads the standing of one person, an object id, within the short waits of `calls`."""

    def __init__(self, clients: GraphClients, calls: Calls, person_id: str) -> None:
        self._clients = clients
        self._calls = calls
        self._person_id = person_id
        self._user = clients.sdk.users.by_user_id(person_id)

    async def read(self) -> Standing:
        """Six reads at the same time; then the groups that the person may join, and only then theirs, if nothing is found."""
        (member, assigned, eligible), (groups, owned, joinable) = await together(
            together(self._member_roles(), self._assigned_roles(), self._eligible_roles()),
            together(self._groups(), self._owned_groups(), self._joinable(self._person_id)),
        )
        mine = frozenset(group.id.lower() for group in groups)
        role_groups = [group.id.lower() for group in (*groups, *owned) if group.is_assignable_to_role]
        ordinary, activatable = await self._told_apart(sorted(joinable or ()))
        role_groups += activatable
        if joinable is not None and not (member or assigned or eligible or role_groups):
            role_groups += await self._through_groups(mine, ordinary)
        return Standing(_unique([*member, *assigned]), _unique(eligible), _unique(role_groups), mine)

    async def _through_groups(self, mine: frozenset[str], ordinary: Iterable[str]) -> list[str]:
        """Role-assignable groups that the person may join as a member of `mine`, or of `ordinary` groups, once they have joined.

        A role-assignable group has no groups among its members, but an ordinary group may be eligible for membership, and then
        each of its own members may activate one ("Privileged Identity Management and group nesting"). Nothing lists that for a
        person, so each group is asked. Not needed for whom anything else refuses, nor without the licence.
        """
        asked: set[str] = set()
        waiting = {*mine, *ordinary}
        while waiting:
            asked |= waiting
            joinable = await self._each(self._joinable, sorted(waiting))
            found = {group for groups in joinable for group in groups or ()}
            further, role_groups = await self._told_apart(sorted(found - asked))
            if role_groups:
                return role_groups
            waiting = set(further)
        return []

    async def _member_roles(self) -> list[str]:
        query = GraphDirectoryRoleRequestBuilder.GraphDirectoryRoleRequestBuilderGetQueryParameters(count=True)
        request = self._user.transitive_member_of.graph_directory_role.to_get_request_information(_advanced(query))
        roles, _ = await self._calls.pages(self._clients.v1, request, "role memberships", shapes.DirectoryRole)
        return [role.role_template_id or role.id for role in roles]

    async def _assigned_roles(self) -> list[str]:
        query = RoleAssignmentsRequestBuilder.RoleAssignmentsRequestBuilderGetQueryParameters(filter=_of(self._person_id))
        request = self._clients.sdk.role_management.directory.role_assignments.to_get_request_information(
            RequestConfiguration(query_parameters=query)
        )
        roles = await self._held(request, "role assignments", shapes.RoleInstance)
        if roles is None:
            raise UnexpectedAnswer("role assignments 400 for want of a licence")  # they need none
        return [role.role_definition_id or role.id for role in roles]

    async def _eligible_roles(self) -> list[str]:
        query = RoleEligibilityScheduleInstancesRequestBuilder.RoleEligibilityScheduleInstancesRequestBuilderGetQueryParameters(
            filter=_of(self._person_id)
        )
        request = self._clients.sdk.role_management.directory.role_eligibility_schedule_instances.to_get_request_information(
            RequestConfiguration(query_parameters=query)
        )
        roles = await self._held(request, "role eligibilities", shapes.RoleInstance)
        return [role.role_definition_id or role.id for role in roles or ()]

    async def _joinable(self, principal_id: str) -> frozenset[str] | None:
        """Groups of which the principal may become a member or owner; None where the tenant has no licence for that."""
        query = EligibilityScheduleInstancesRequestBuilder.EligibilityScheduleInstancesRequestBuilderGetQueryParameters(
            filter=_of(principal_id)
        )
        access = self._clients.sdk.identity_governance.privileged_access
        request = access.group.eligibility_schedule_instances.to_get_request_information(
            RequestConfiguration(query_parameters=query)
        )
        found = await self._held(request, "group eligibilities", shapes.GroupEligibility)
        return None if found is None else frozenset(one.group_id.lower() for one in found)

    async def _held[T: shapes.Shape](self, request: RequestInformation, call: str, shape: type[T]) -> list[T] | None:
        """What a principal holds; None where only the licence for Privileged Identity Management is wanting.

        Any other refusal leaves it open: also 404, for the principal is in the filter, not in the path.
        """
        held, answer = await self._calls.pages(self._clients.v1, request, call, shape, accept={400, 404})
        if answer.status == 400 and answer.code == NO_PREMIUM:
            return None
        if answer.status in (400, 404):
            raise UnexpectedAnswer(str(answer))
        return held

    async def _groups(self) -> list[shapes.Group]:
        query = MemberGroups.GraphGroupRequestBuilderGetQueryParameters(count=True, select=GROUP_FIELDS, top=LARGEST_PAGE)
        request = self._user.transitive_member_of.graph_group.to_get_request_information(_advanced(query))
        return await self._readable(request, "group memberships")

    async def _owned_groups(self) -> list[shapes.Group]:
        query = OwnedGroups.GraphGroupRequestBuilderGetQueryParameters(count=True, select=GROUP_FIELDS, top=LARGEST_PAGE)
        request = self._user.owned_objects.graph_group.to_get_request_information(_advanced(query))
        return await self._readable(request, "owned groups")

    async def _readable(self, request: RequestInformation, call: str) -> list[shapes.Group]:
        """The groups of a relationship; `Forbidden` when one is shown with limited information: it may be role-assignable."""
        groups, answer = await self._calls.pages(self._clients.v1, request, call, shapes.Group)
        if not all(group.readable for group in groups):
            raise Forbidden(WaitingFor.GRAPH, f"{answer}: limited information")
        return groups

    async def _told_apart(self, group_ids: list[str]) -> tuple[list[str], list[str]]:
        """Ordinary groups and role-assignable ones."""
        flags = dict(zip(group_ids, await self._each(self._may_have_roles, group_ids), strict=True))
        return [group for group in group_ids if not flags[group]], [group for group in group_ids if flags[group]]

    async def _may_have_roles(self, group_id: str) -> bool:
        """Whether the group is role-assignable, or may be for all that we are told: it is gone, or not shown in full."""
        query = GroupItemRequestBuilder.GroupItemRequestBuilderGetQueryParameters(select=GROUP_FIELDS)
        request = self._clients.sdk.groups.by_group_id(group_id).to_get_request_information(
            RequestConfiguration(query_parameters=query)
        )
        answer = await self._calls.send(self._clients.v1, request, "group", accept={404})
        if answer.status == 404:
            return True
        group = answer.read(shapes.Group)
        if group.id.lower() != group_id:
            raise UnexpectedAnswer(f"{answer}: another group")
        return not group.readable or bool(group.is_assignable_to_role)

    @staticmethod
    async def _each[T](ask: Callable[[str], Awaitable[T]], ids: Iterable[str]) -> list[T]:
        """The answers for all ids in their order, `AT_ONCE` at a time."""
        return [answer for some in batched(ids, AT_ONCE, strict=False) for answer in await together(*(ask(one) for one in some))]


def _advanced[Q](query: Q) -> RequestConfiguration[Q]:
    """A cast in a relationship of directory objects needs this header and `$count=true`."""
    configuration = RequestConfiguration(query_parameters=query)
    configuration.headers.add("ConsistencyLevel", "eventual")
    return configuration


def _of(principal_id: str) -> str:
    return f"principalId eq '{principal_id}'"


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
