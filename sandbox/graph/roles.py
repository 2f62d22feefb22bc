"""Routes that read directory roles: assignments, Privileged Identity Management, PIM for Groups."""

import re

from sandbox.graph.calls import PAGED, Answer, Call, Route
from sandbox.graph.errors import bad_request, no_resource, unsupported_query
from sandbox.graph.kinds import BETA
from sandbox.graph.odata import Entity, filtered, selected
from sandbox.graph.tenant import instant, object_id
from sandbox.people import CUSTOM_ROLES, LONG_AGO, ROLES, RoleGrant

_SCOPE = re.compile(r"\b(principalId|groupId)\s+eq\s")
BY_PRINCIPAL = {"principalId": "eq", "roleDefinitionId": "eq", "directoryScopeId": "eq"}
PRIVILEGED = set(ROLES) - {"Directory Readers", *CUSTOM_ROLES}


def _grant(grant: RoleGrant) -> Entity:
    return {
        "id": object_id("grant", grant.principal, grant.role, grant.kind, grant.scope),
        "principalId": grant.principal,
        "roleDefinitionId": ROLES[grant.role],
        "directoryScopeId": grant.scope,
        "appScopeId": None,
    }


def _assignment(grant: RoleGrant) -> Entity:
    shared = {name: value for name, value in _grant(grant).items() if name != "appScopeId"}
    return shared | {"appScopeId": None, "condition": None, "principalOrganizationId": object_id("organization")}


def _instance(grant: RoleGrant) -> Entity:
    shared = _grant(grant) | {"startDateTime": instant(LONG_AGO), "endDateTime": None, "memberType": "Direct"}
    schedule = object_id("schedule", grant.principal, grant.role, grant.kind, grant.scope)
    if grant.kind == "eligible":
        return shared | {"roleEligibilityScheduleId": schedule}
    return shared | {"assignmentType": "Assigned", "roleAssignmentOriginId": shared["id"], "roleAssignmentScheduleId": schedule}


def _listed(call: Call, items: list[Entity], type_name: str, fragment: str) -> Answer:
    kept = filtered(items, call.options.get("$filter"), BY_PRINCIPAL)
    names = call.options.get("$select")
    return call.collection([selected(item, names, item, type_name) for item in kept], fragment)


def assignments(call: Call) -> Answer:
    """Active assignments over any scope, each under the principal that has it: a group's are not under its members."""
    items = [_assignment(grant) for grant in call.tenant.roles if grant.kind == "active"]
    return _listed(call, items, "unifiedRoleAssignment", "roleManagement/directory/roleAssignments")


def transitive_assignments(call: Call) -> Answer:
    """Those of a principal and of the groups it is in; an advanced query, with a filter on `principalId`."""
    eventual = call.headers.get("ConsistencyLevel", "").lower() == "eventual"
    if not eventual or call.options.get("$count") != "true":
        raise no_resource("transitiveRoleAssignments")
    parts = call.options.get("$filter", "").split("'")
    if len(parts) != 3 or parts[0].split() != ["principalId", "eq"] or parts[2].strip():
        raise unsupported_query("A filter by principalId is required.")
    principals = {parts[1], *(group.id for group in call.tenant.groups_of(parts[1]))}
    items = [_assignment(g) for g in call.tenant.roles if g.kind == "active" and g.principal in principals]
    return call.collection(items, "roleManagement/directory/transitiveRoleAssignments")


def assignment_instances(call: Call) -> Answer:
    _premium(call)
    items = [_instance(grant) for grant in call.tenant.roles if grant.kind == "active"]
    return _listed(
        call, items, "unifiedRoleAssignmentScheduleInstance", "roleManagement/directory/roleAssignmentScheduleInstances"
    )


def eligibility_instances(call: Call) -> Answer:
    _premium(call)
    items = [_instance(grant) for grant in call.tenant.roles if grant.kind == "eligible"]
    return _listed(
        call, items, "unifiedRoleEligibilityScheduleInstance", "roleManagement/directory/roleEligibilityScheduleInstances"
    )


def group_eligibilities(call: Call) -> Answer:
    """PIM for Groups: a filter by principal or group is required. What a group is eligible for is not under its members."""
    items = [
        {
            "id": f"{one.group}_{one.access}_{object_id('eligibility', one.principal, one.group)}",
            "startDateTime": instant(LONG_AGO),
            "endDateTime": None,
            "accessId": one.access,
            "principalId": one.principal,
            "groupId": one.group,
            "memberType": "Direct",
            "eligibilityScheduleId": f"{one.group}_{one.access}_{object_id('schedule', one.principal, one.group)}",
        }
        for one in call.tenant.group_eligibilities
    ]
    return _of_groups(call, items, "privilegedAccessGroupEligibilityScheduleInstance", "eligibilityScheduleInstances")


def group_assignments(call: Call) -> Answer:
    items = [
        {
            "id": f"{group.id}_{access}_{object_id('assignment', principal, group.id)}",
            "startDateTime": instant(LONG_AGO),
            "endDateTime": None,
            "accessId": access,
            "principalId": principal,
            "groupId": group.id,
            "memberType": "Direct",
            "assignmentType": "assigned",
            "assignmentScheduleId": f"{group.id}_{access}_{object_id('schedule', principal, group.id)}",
        }
        for group in call.tenant.groups.values()
        if group.role_assignable
        for access, principals in (("member", group.members), ("owner", group.owners))
        for principal in principals
    ]
    return _of_groups(call, items, "privilegedAccessGroupAssignmentScheduleInstance", "assignmentScheduleInstances")


def _of_groups(call: Call, items: list[Entity], type_name: str, segment: str) -> Answer:
    _premium(call)
    if not _SCOPE.search(call.options.get("$filter", "")):
        raise bad_request("A filter by principalId or groupId is required.", "MissingFilter")
    kept = filtered(items, call.options["$filter"], {"principalId": "eq", "groupId": "eq", "accessId": "eq"})
    names = call.options.get("$select")
    items = [selected(item, names, item, type_name) for item in kept]
    return call.collection(items, f"identityGovernance/privilegedAccess/group/{segment}")


def _premium(call: Call) -> None:
    if not call.tenant.settings.premium:
        raise bad_request(
            "The tenant needs to have Microsoft Entra ID P2 or Microsoft Entra ID Governance license.",
            "AadPremiumLicenseRequired",
        )


def _definition(call: Call, name: str) -> Entity:
    shared: Entity = {
        "id": ROLES[name],
        "displayName": name,
        "description": f"{name}.",
        "isBuiltIn": name not in CUSTOM_ROLES,
        "isEnabled": True,
        "templateId": ROLES[name],
        "version": "1",
        "resourceScopes": ["/"],
    }
    return shared | ({"isPrivileged": name in PRIVILEGED} if call.version == "beta" else {})


def definitions(call: Call) -> Answer:
    by = {"id": "eq", "displayName": "eq", "templateId": "eq", "isBuiltIn": "eq"}
    if call.version == "beta":
        by["isPrivileged"] = "eq"
    items = filtered([_definition(call, name) for name in ROLES], call.options.get("$filter"), by)
    names = call.options.get("$select")
    items = [selected(item, names, item, "unifiedRoleDefinition") for item in items]
    return call.collection(items, "roleManagement/directory/roleDefinitions")


def definition(call: Call) -> Answer:
    for name, template in ROLES.items():
        if template == call.ids[0]:
            return call.entity(_definition(call, name), "roleManagement/directory/roleDefinitions/$entity")
    raise no_resource(call.ids[0])


_ROLES = "/rolemanagement/directory"
_GROUPS = "/identitygovernance/privilegedaccess/group"
_LIST = PAGED | {"$filter", "$select"}

ROUTES = [
    Route("GET", f"{_ROLES}/roleassignments", assignments, _LIST),
    Route("GET", f"{_ROLES}/transitiveroleassignments", transitive_assignments, PAGED | {"$filter", "$count"}, versions=BETA),
    Route("GET", f"{_ROLES}/roleassignmentscheduleinstances", assignment_instances, _LIST),
    Route("GET", f"{_ROLES}/roleeligibilityscheduleinstances", eligibility_instances, _LIST),
    Route("GET", f"{_ROLES}/roledefinitions", definitions, _LIST),
    Route("GET", f"{_ROLES}/roledefinitions/{{id}}", definition),
    Route("GET", f"{_GROUPS}/eligibilityscheduleinstances", group_eligibilities, _LIST),
    Route("GET", f"{_GROUPS}/assignmentscheduleinstances", group_assignments, _LIST),
]
