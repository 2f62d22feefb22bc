"""What a person may do in the directory: which calls tell it, and what their answers mean. What is not told lets nobody through.

Only a role-assignable group can have a directory role, and no group can be a member of one. These are the ways in; R is a
role-assignable group, G an ordinary one:

| way in | told by |
|---|---|
| member or owner of R | groups and owned groups of the person |
| eligible to be a member or owner of R | eligibilities of the person |
| in G, whose members may each activate R | eligibilities for R: G is the principal |
| owner of G, who may add himself; eligible to be its member or owner | the same, and what the person owns or is eligible for |
| in, owner of, eligible for a group that is in G, directly or through others | groups in G |
| in, owner of, eligible for a group that may activate G or a group in it, and so on | eligibilities for those |

The last four are looked for from the side of R: a tenant has 500 role-assignable groups at most, a person may be in thousands.
Groups that anybody may join unasked (public Microsoft 365 groups, access packages) are not followed.

Sources: Microsoft Graph v1.0 reference, "List a user's memberships (direct and transitive)", "List ownedObjects", "List groups",
"List group transitive members", "List unifiedRoleAssignments", "List roleEligibilityScheduleInstances", "List
eligibilityScheduleInstances" (PIM for groups), "group resource type", "Advanced query capabilities on directory objects", "Use
the $filter query parameter", "Overview of Microsoft Graph permissions" (limited information returned for inaccessible member
objects); Microsoft Entra, "Use Microsoft Entra groups to manage role assignments", "Privileged Identity Management (PIM) for
Groups" (group nesting).
"""

from collections.abc import Awaitable, Callable, Iterable
from itertools import batched

from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.request_information import RequestInformation
from msgraph.generated.groups.groups_request_builder import GroupsRequestBuilder
from msgraph.generated.groups.item.group_item_request_builder import GroupItemRequestBuilder
from msgraph.generated.groups.item.transitive_members.graph_group.graph_group_request_builder import (
    GraphGroupRequestBuilder as InnerGroups,
)
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
AT_ONCE = 20
"""Reads of one kind at the same time, where the tenant decides how many there are."""
MOST_GROUPS = 1000
"""So many groups are asked who may enter them, 500 role-assignable ones included; beyond that nothing is concluded."""
IDS_IN_A_FILTER = 15
NO_PREMIUM = "AadPremiumLicenseRequired"


class StandingReader:
    """Reads the standing of one person, an object id, within the short waits of `calls`."""

    def __init__(self, clients: GraphClients, calls: Calls, person_id: str) -> None:
        self._clients = clients
        self._calls = calls
        self._person_id = person_id
        self._user = clients.sdk.users.by_user_id(person_id)

    async def read(self) -> Standing:
        """Seven reads at the same time; then who may enter role-assignable groups, if nothing is found so far."""
        (member, assigned, eligible), (groups, owned), (assignable, joinable) = await together(
            together(self._member_roles(), self._assigned_roles(), self._eligible_roles()),
            together(self._groups(), self._owned_groups()),
            together(self._role_assignable(), self._joinable()),
        )
        mine = frozenset(group.id.lower() for group in groups)
        role_groups = [group.id.lower() for group in (*groups, *owned) if group.is_assignable_to_role]
        role_groups += await self._with_roles(sorted(joinable or ()), assignable)
        if joinable is not None and not (member or assigned or eligible or role_groups):
            doors = mine | joinable | {group.id.lower() for group in owned} | {self._person_id.lower()}
            role_groups += await self._through(doors, assignable)
        return Standing(_unique([*member, *assigned]), _unique(eligible), _unique(role_groups), mine)

    async def _through(self, doors: frozenset[str], assignable: frozenset[str]) -> list[str]:
        """Those of the `assignable` groups to which a way leads from `doors`: the person, what they are in, own or may join.

        Followed backwards, one step for all groups at the same time. Not needed for whom anything else refuses, nor without the
        licence: without eligibilities there are no such ways.
        """
        leads_to = {group: group for group in assignable}
        enterers, asked, waiting = self._eligible_for, 0, sorted(assignable)
        while waiting:
            asked += len(waiting)
            if asked > MOST_GROUPS:
                raise UnexpectedAnswer(f"more than {MOST_GROUPS} groups lead to role-assignable ones")
            found: dict[str, str] = {}
            for group, before in zip(waiting, await self._each(enterers, waiting), strict=True):
                found |= dict.fromkeys(before - leads_to.keys(), leads_to[group])
            if entered := sorted(found.keys() & doors):
                return [found[door] for door in entered]
            leads_to |= found
            enterers, waiting = self._enterers, await self._groups_among(sorted(found))
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

    async def _joinable(self) -> frozenset[str] | None:
        """Groups of which the person may become a member or owner; None where the tenant has no licence for that."""
        found = await self._group_eligibilities(_of(self._person_id))
        return None if found is None else frozenset(one.group_id.lower() for one in found)

    async def _eligible_for(self, group_id: str) -> frozenset[str]:
        """People and groups that may become a member or owner of the group, or each of whose members may."""
        found = await self._group_eligibilities(f"groupId eq '{group_id}'")
        if found is None:
            raise UnexpectedAnswer("group eligibilities 400 for want of a licence that was there before")
        return frozenset(one.principal_id.lower() for one in found)

    async def _enterers(self, group_id: str) -> frozenset[str]:
        """The same, and the groups in the group: their members are in it too."""
        eligible, inner = await together(self._eligible_for(group_id), self._inner_groups(group_id))
        return eligible | inner

    async def _group_eligibilities(self, scope: str) -> list[shapes.GroupEligibility] | None:
        query = EligibilityScheduleInstancesRequestBuilder.EligibilityScheduleInstancesRequestBuilderGetQueryParameters(
            filter=scope
        )
        access = self._clients.sdk.identity_governance.privileged_access
        request = access.group.eligibility_schedule_instances.to_get_request_information(
            RequestConfiguration(query_parameters=query)
        )
        return await self._held(request, "group eligibilities", shapes.GroupEligibility)

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

    async def _role_assignable(self) -> frozenset[str]:
        """All role-assignable groups of the tenant. This filter needs no advanced query, whose index would lag."""
        groups = await self._listed_groups("isAssignableToRole eq true", "role-assignable groups")
        if not all(group.is_assignable_to_role for group in groups):
            raise UnexpectedAnswer("role-assignable groups 200 with others among them")
        return frozenset(group.id.lower() for group in groups)

    async def _groups_among(self, ids: list[str]) -> list[str]:
        """Those ids that belong to groups; the others are people's, or of groups that are gone, and lead nowhere."""
        filters = [f"id in ({','.join(f"'{one}'" for one in some)})" for some in batched(ids, IDS_IN_A_FILTER, strict=False)]
        lists = await self._each(lambda scope: self._listed_groups(scope, "groups among principals"), filters)
        return [group.id.lower() for groups in lists for group in groups]

    async def _listed_groups(self, scope: str, call: str) -> list[shapes.Group]:
        query = GroupsRequestBuilder.GroupsRequestBuilderGetQueryParameters(filter=scope, select=GROUP_FIELDS, top=LARGEST_PAGE)
        request = self._clients.sdk.groups.to_get_request_information(RequestConfiguration(query_parameters=query))
        return await self._there(request, call)

    async def _inner_groups(self, group_id: str) -> frozenset[str]:
        """Groups in the group, directly or through others."""
        query = InnerGroups.GraphGroupRequestBuilderGetQueryParameters(count=True, select=GROUP_FIELDS, top=LARGEST_PAGE)
        group = self._clients.sdk.groups.by_group_id(group_id)
        request = group.transitive_members.graph_group.to_get_request_information(_advanced(query))
        return frozenset(inner.id.lower() for inner in await self._there(request, "groups in a group"))

    async def _there(self, request: RequestInformation, call: str) -> list[shapes.Group]:
        """A list of groups that is not below the person, so that its absence says nothing about them."""
        groups, answer = await self._calls.pages(self._clients.v1, request, call, shapes.Group, accept={404})
        if answer.status == 404:
            raise UnexpectedAnswer(str(answer))
        return groups

    async def _with_roles(self, group_ids: list[str], assignable: frozenset[str]) -> list[str]:
        """Those of the groups that are role-assignable; of one that is not listed as such it is made sure that it is none."""
        unlisted = [group for group in group_ids if group not in assignable]
        flags = dict(zip(unlisted, await self._each(self._may_have_roles, unlisted), strict=True))
        return [group for group in group_ids if flags.get(group, True)]

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
