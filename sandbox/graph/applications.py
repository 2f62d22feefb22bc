"""Routes that read service principals and give them app roles, for a signed-in person or an application.

Source: Microsoft Graph, "Get servicePrincipal", "List servicePrincipals", "List appRoleAssignments granted to a service
principal", "Grant an appRoleAssignment for a service principal", "Delete appRoleAssignment"; texts of refusals as quoted in
public scripts. Who is signed in also needs a directory role: for permissions of Microsoft Graph, Privileged Role Administrator or
more.
"""

import re
from collections.abc import Mapping
from typing import Any

from sandbox.graph.calls import PAGED, Answer, Call, Route
from sandbox.graph.errors import GraphError, bad_request, no_resource
from sandbox.graph.odata import Entity, filtered, selected
from sandbox.graph.principals import Assignment, ServicePrincipal
from sandbox.graph.tenant import instant
from sandbox.people import LONG_AGO

READERS = frozenset({"Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"})
GRANTER = "AppRoleAssignment.ReadWrite.All"
GRANTING_ROLES = frozenset({"Global Administrator", "Privileged Role Administrator"})
_BY_APP = re.compile(r"\(appId='([0-9A-Fa-f-]{36})'\)", re.IGNORECASE)
_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_ASSIGNED = {"principalId", "resourceId", "appRoleId"}


class PrincipalsRoute(Route):
    """Takes delegated permissions too; one that writes needs a reader's permission and the granter's, both."""

    @property
    def permissions(self) -> frozenset[str]:
        return READERS

    def held(self, claims: Mapping[str, Any]) -> frozenset[str]:
        return frozenset(claims.get("roles", ())) | frozenset(str(claims.get("scp", "")).split())

    def allows(self, claims: Mapping[str, Any]) -> bool:
        held = self.held(claims)
        return bool(held & READERS) and (not self.writes or GRANTER in held)


def principal(found: ServicePrincipal) -> Entity:
    """The properties of a service principal that are simulated."""
    return {
        "id": found.id,
        "accountEnabled": True,
        "alternativeNames": found.names,
        "appDisplayName": found.name if found.kind == "Application" else None,
        "appId": found.app_id,
        "appRoles": [
            {
                "allowedMemberTypes": ["Application"],
                "description": role.value,
                "displayName": role.value,
                "id": role.id,
                "isEnabled": role.enabled,
                "origin": "Application",
                "value": role.value,
            }
            for role in found.roles
        ],
        "displayName": found.name,
        "servicePrincipalType": found.kind,
    }


def assignment(call: Call, made: Assignment) -> Entity:
    holder, resource = (call.tenant.principals.by_id[one] for one in (made.principal, made.resource))
    return {
        "id": made.id,
        "deletedDateTime": None,
        "appRoleId": made.role,
        "createdDateTime": instant(LONG_AGO),
        "principalDisplayName": holder.name,
        "principalId": holder.id,
        "principalType": "ServicePrincipal",
        "resourceDisplayName": resource.name,
        "resourceId": resource.id,
    }


def by_key(segments: list[str]) -> list[str]:
    """A path whose first segment carries an alternate key, `servicePrincipals(appId='…')`, with the key as a segment."""
    name, bracket, key = segments[0].partition("(")
    return [name, bracket + key, *segments[1:]] if bracket and name.lower() == "serviceprincipals" else segments


def _named(call: Call) -> ServicePrincipal:
    name, known = call.ids[0], call.tenant.principals
    by_app = _BY_APP.fullmatch(name)
    if not by_app and not _GUID.fullmatch(name):
        raise bad_request(f"Invalid object identifier '{name}'.", "Request_BadRequest")
    if found := known.by_app(by_app[1]) if by_app else known.by_id.get(name.lower()):
        return found
    raise no_resource(by_app[1] if by_app else name)


def get_principal(call: Call) -> Answer:
    whole = principal(_named(call))
    return call.entity(selected(whole, call.options.get("$select"), whole, "servicePrincipal"), "servicePrincipals/$entity")


def list_principals(call: Call) -> Answer:
    whole = [principal(one) for one in call.tenant.principals.by_id.values()]
    comparable = {"displayName": "eq", "appId": "eq", "servicePrincipalType": "eq"}
    kept = filtered(whole, call.options.get("$filter"), comparable)
    select = call.options.get("$select")
    return call.collection([selected(one, select, one, "servicePrincipal") for one in kept], "servicePrincipals")


def list_assignments(call: Call) -> Answer:
    holder = _named(call)
    held = [assignment(call, one) for one in call.tenant.principals.assignments if one.principal == holder.id]
    return call.collection(held, f"servicePrincipals('{holder.id}')/appRoleAssignments")


def grant(call: Call) -> Answer:
    resource, known = _named(call), call.tenant.principals
    _may_grant(call)
    body = call.body
    if not isinstance(body, dict) or set(body) != _ASSIGNED or not all(isinstance(one, str) for one in body.values()):
        raise bad_request("Write requests need principalId, resourceId and appRoleId.", "Request_BadRequest")
    if body["resourceId"] != resource.id or body["principalId"] not in known.by_id:
        raise bad_request("Not a valid reference update.", "Request_BadRequest")
    if not any(role.id == body["appRoleId"] and role.enabled for role in resource.roles):
        message = f"Permission being assigned was not found on application '{resource.app_id}'."
        raise bad_request(message, "Request_BadRequest")
    made = Assignment(body["principalId"], resource.id, body["appRoleId"])
    if any((one.principal, one.resource, one.role) == (made.principal, made.resource, made.role) for one in known.assignments):
        raise bad_request("Permission being assigned already exists on the object", "Request_BadRequest")
    known.assignments.append(made)
    return call.entity(assignment(call, made), f"servicePrincipals('{resource.id}')/appRoleAssignedTo/$entity")


def revoke(call: Call) -> Answer:
    holder, known = _named(call), call.tenant.principals
    _may_grant(call)
    found = next((one for one in known.assignments if (one.principal, one.id) == (holder.id, call.ids[1])), None)
    if found is None:
        raise no_resource(call.ids[1])
    known.assignments.remove(found)
    return None


def _may_grant(call: Call) -> None:
    """An application needs its permission only; a person also a role that may consent to application permissions."""
    person = call.tenant.find(call.actor)
    if person and GRANTING_ROLES.isdisjoint(role.role for role in call.tenant.roles_of(person.person.id)):
        raise GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


_SHOWN = frozenset({"$select"})
_ONE = "/serviceprincipals/{id}"
ROUTES: list[Route] = [
    PrincipalsRoute("GET", "/serviceprincipals", list_principals, _SHOWN | {"$filter", "$top"} | PAGED),
    PrincipalsRoute("GET", _ONE, get_principal, _SHOWN),
    PrincipalsRoute("GET", f"{_ONE}/approleassignments", list_assignments, PAGED | {"$top"}),
    PrincipalsRoute("POST", f"{_ONE}/approleassignedto", grant, writes=True, status=201),
    PrincipalsRoute("DELETE", f"{_ONE}/approleassignments/{{id}}", revoke, writes=True, status=204),
]
